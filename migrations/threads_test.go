package migrations_test

import (
	"slices"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Threads from before they had rooms keep their messages, their order, who said what and
// which message answers which.
func TestThreadsGetRooms(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		ctx := t.Context()
		later := beginning(t, db, slices.IndexFunc(files(t), func(f string) bool { return f[5:] == "threads_are_rooms.tx.up.sql" }))
		mustBe(t, "migrate to the older schema", migrate(ctx, db), nil)
		for _, name := range later {
			run(t, db, "DELETE FROM schema_migrations WHERE name = '"+name+"'")
		}
		fill(t, db)
		const now = "'2026-03-01 09:00:00+00:00'"
		line := func(id, thread, seq, role, content, metadata, client, answers string) string {
			return "INSERT INTO thread_messages (id, thread_id, seq, role, content, metadata_json, client_id, answers, created_at) VALUES (" +
				id + ", " + thread + ", " + seq + ", " + role + ", " + content + ", " + metadata + ", " + client + ", " + answers + ", " + now + ")"
		}
		run(t, db,
			"INSERT INTO threads (id, project_id, agent_id, user_id, name, metadata_json, last_seq, asking, asking_until, created_at, updated_at, version)"+
				" VALUES ('th', 'project', 'agent', 'ann', 'Mine', '{}', 4, 'q2', "+now+", "+now+", "+now+", 7)",
			"INSERT INTO threads (id, project_id, agent_id, user_id, last_seq, created_at, updated_at, version)"+
				" VALUES ('alone', 'project', NULL, 'ann', 2, "+now+", "+now+", 1), ('empty', 'project', 'agent', 'ann', 0, "+now+", "+now+", 1)",
			line("'q1'", "'th'", "1", "'user'", "'one'", "'{\"a\":1}'", "'c1'", "NULL"),
			line("'a1'", "'th'", "2", "'assistant'", "'re: one'", "'{\"truncated\":true}'", "NULL", "'q1'"),
			line("'q0'", "'th'", "3", "'user'", "'two'", "NULL", "NULL", "NULL"),
			line("'q2'", "'th'", "4", "'user'", "'three'", "NULL", "'c2'", "NULL"),
			line("'q3'", "'alone'", "1", "'user'", "'hello'", "NULL", "'c1'", "NULL"),
			line("'a3'", "'alone'", "2", "'assistant'", "'hi'", "NULL", "NULL", "'q3'"))
		for range 2 {
			mustBe(t, "migrate", migrate(ctx, db), nil)
			mustBe(t, "the latest schema", db.CheckSchema(ctx), nil)
		}
		got := func(what, q string, want ...string) {
			t.Helper()
			wantSame(t, what, query(t, db, q), want)
		}
		got("messages", "SELECT id, room_id, seq, COALESCE(sender_id, '-'), COALESCE(agent_id, '-'), COALESCE(agent_type, '-'), COALESCE(agent_name, '-'), COALESCE(client_id, '-'),"+
			" content, COALESCE(metadata_json, '-'), COALESCE(answers, '-'), CASE WHEN truncated THEN 1 ELSE 0 END FROM messages WHERE room_id <> 'room'",
			"[a1 th 2 - agent teacher Agent - re: one {\"truncated\":true} q1 1]", "[a3 alone 2 - - agent Agent - hi - q3 0]",
			"[q0 th 3 ann - - - - two - - 0]", "[q1 th 1 ann - - - c1 one {\"a\":1} - 0]", "[q2 th 4 ann - - - c2 three - - 0]", "[q3 alone 1 ann - - - c1 hello - - 0]")
		got("rooms", "SELECT id, thread_id, event_seq, looked_seq, ai_mode FROM rooms WHERE course_id IS NULL",
			"[alone alone 2 2 off]", "[empty empty 0 0 off]", "[th th 4 4 off]")
		got("threads", "SELECT id, project_id, COALESCE(agent_id, '-'), user_id, COALESCE(name, '-'), version, CASE WHEN stateless THEN 1 ELSE 0 END FROM threads",
			"[alone project - ann - 1 0]", "[empty project agent ann - 1 0]", "[th project agent ann Mine 7 0]")
		if a, err := db.ThreadAnswer(ctx, "q1"); err != nil || a.ID != "a1" || a.Role != store.ThreadAssistant {
			t.Errorf("the answer: got %+v (%v)", a, err)
		}
		if _, err := db.ThreadAnswer(ctx, "q2"); err == nil {
			t.Error("an unanswered message has an answer")
		}
		head, oldest, err := db.EventRange(ctx, "th")
		if err != nil || head != 4 || oldest != 5 {
			t.Errorf("the log begins after what was copied: got %d, %d (%v)", head, oldest, err)
		}
		// Whoever owns the thread takes all of it along.
		run(t, db, "DELETE FROM threads WHERE id = 'th'")
		got("after the deletion", "SELECT id FROM messages WHERE room_id = 'th'")
		got("rooms after the deletion", "SELECT id FROM rooms WHERE id = 'th'")
		// A room of a course still needs its course, and no room has both.
		for _, set := range []string{"course_id = NULL WHERE id = 'room'", "thread_id = 'alone' WHERE id = 'room'", "course_id = 'course' WHERE id = 'alone'", "thread_id = NULL WHERE id = 'alone'"} {
			if _, err := db.Writer().ExecContext(ctx, "UPDATE rooms SET "+set); err == nil {
				t.Errorf("UPDATE rooms SET %s went through", set)
			}
		}
	})
}
