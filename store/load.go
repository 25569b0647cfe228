package store

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/coagent-studio/coagent/store/words"
)

// This file fills a database with what another system has. No event is stored and nothing
// is announced: nobody is there yet. Who fills it has marked it by BeginLoad.

// Occupied returns the name of a table that holds something of people, "" when the database
// is empty. A database without a schema is. The account of one super admin alone, as the
// first start makes it, is nothing; then accounts is 1.
func (d *DB) Occupied(ctx context.Context) (accounts int, table string, err error) {
	old := d.CheckSchema(ctx)
	if old != nil && !errors.Is(old, ErrSchemaOld) {
		return 0, "", old
	}
	for _, table := range []string{"courses", "organizations", "projects", "rooms", "agents", "messages", "users"} {
		there, err := d.hasTable(ctx, table)
		if err != nil {
			return 0, "", err
		}
		if !there {
			continue
		}
		var n int
		if err := d.write.NewRaw("SELECT count(*) FROM ?", bun.Ident(table)).Scan(ctx, &n); err != nil {
			return 0, "", translate(err)
		}
		if n == 0 {
			continue
		}
		var others int
		if table == "users" {
			err := d.write.NewRaw("SELECT count(*) FROM users WHERE role <> 'super_admin'").Scan(ctx, &others)
			if n == 1 && others == 0 || err != nil {
				return 1, "", errors.Join(translate(err), old) // the account is read with the newest schema
			}
		}
		return 0, table, nil
	}
	return 0, "", nil
}

// FirstAccount returns the oldest account; ErrNotFound without one.
func (q Queries) FirstAccount(ctx context.Context) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).OrderExpr("u.created_at, u.id").Limit(1), u)
}

// maxLoaded is how many rows one statement adds. Postgres knows 65,535 parameters, and the
// text of a statement is to stay short.
const maxLoaded = 100

// Load adds rows of one table as they are.
func Load[T any](ctx context.Context, t *Tx, rows []T) error {
	for part := range slices.Chunk(rows, maxLoaded) {
		if _, err := t.db.NewInsert().Model(&part).Exec(ctx); err != nil {
			return translate(err)
		}
	}
	return nil
}

// LoadAvatar stores a picture and says at the account where it is.
func (t *Tx) LoadAvatar(ctx context.Context, v *Avatar, url string) error {
	if err := t.insert(ctx, v); err != nil {
		return err
	}
	_, err := t.db.NewUpdate().Model((*User)(nil)).Set("avatar_url = ?", url).Where("id = ?", v.UserID).Exec(ctx)
	return translate(err)
}

// LoadMessages adds messages with their seqs, so that they are found and counted as all
// others. courses has the course of each room, "" for the room of a thread, whose messages
// nobody finds.
func (t *Tx) LoadMessages(ctx context.Context, rows []Message, courses map[string]string) error {
	for i := range rows {
		t.count(&rows[i])
	}
	if t.PG != nil {
		return t.loadMessages(ctx, rows, courses)
	}
	for i := range rows {
		m := &rows[i]
		bound := t.boundText(ctx, m.RoomID, m.Seq, m.ID, null(m.SenderID), null(m.AgentID), null(m.AgentType), null(m.AgentName), null(m.TurnID),
			null(m.ClientID), m.Content, m.CreatedAt, nil, m.Truncated, m.Silent, nil, textOrNull(m.MetadataJSON), null(m.Answers), null(m.BotName), nil,
			nil, nil, nil, words.PosOf(m.CreatedAt), int64(*m.WordCount), m.Day)
		if n, err := affected(t.db.ExecContext(bound, addMessage)); err != nil || n == 0 {
			return errors.Join(err, alreadyThere(n, err))
		}
	}
	return nil
}

func alreadyThere(n int64, err error) error {
	if n == 0 && err == nil {
		return ErrExists
	}
	return nil
}

// loadMessages is LoadMessages on Postgres, with one statement.
func (t *Tx) loadMessages(ctx context.Context, rows []Message, courses map[string]string) error {
	n := len(rows)
	ids, rooms, contents, days, vectors := make([]string, n), make([]string, n), make([]string, n), make([]string, n), make([]*string, n)
	senders, agents, types, names, metadata, answers := make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n), make([]*string, n)
	seqs, places, counts, times := make([]int64, n), make([]*int64, n), make([]int32, n), make([]any, n)
	for i := range rows {
		m := &rows[i]
		ids[i], rooms[i], seqs[i], contents[i], days[i], counts[i] = m.ID, m.RoomID, m.Seq, m.Content, m.Day, int32(*m.WordCount)
		senders[i], agents[i], types[i], names[i], answers[i] = orNil(m.SenderID), orNil(m.AgentID), orNil(m.AgentType), orNil(m.AgentName), orNil(m.Answers)
		metadata[i], times[i] = m.MetadataJSON, m.CreatedAt
		if course := courses[m.RoomID]; course != "" {
			pos := words.PosOf(m.CreatedAt)
			places[i] = &pos
			vectors[i] = orNil(m.vector(words.Mark(words.FactCourse(course))))
		}
	}
	return t.Pinned(func() error {
		_, err := t.PG.Exec(ctx, `INSERT INTO messages (id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at,
				metadata_json, answers, word_count, day, search_pos, words)
			SELECT id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at, metadata_json, answers, word_count, day,
				search_pos, words::tsvector
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::timestamptz[],
				$10::text[], $11::text[], $12::integer[], $13::text[], $14::bigint[], $15::text[])
			AS m (id, room_id, seq, sender_id, agent_id, agent_type, agent_name, content, created_at, metadata_json, answers, word_count, day,
				search_pos, words)`,
			ids, rooms, seqs, senders, agents, types, names, contents, times, metadata, answers, counts, days, places, vectors)
		return translate(err)
	})
}

func orNil(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// FinishLoad says of each room that all in it is decided about and read, and of each agent
// there that it has read it. So nothing starts because of what was loaded, and nobody has
// unread messages.
func (t *Tx) FinishLoad(ctx context.Context) error {
	for _, text := range []string{
		`UPDATE rooms SET event_seq = (SELECT COALESCE(max(m.seq), 0) FROM messages AS m WHERE m.room_id = rooms.id)`,
		`UPDATE rooms SET looked_seq = event_seq, unread_after = event_seq, row_from = event_seq, look_at = NULL, person_seq = 0, person_at = NULL`,
		`UPDATE room_agents SET read_seq = (SELECT r.event_seq FROM rooms AS r WHERE r.id = room_agents.room_id)`,
		`UPDATE room_agents SET broke_seq = read_seq`,
		`UPDATE artifacts SET event_seq = (SELECT r.event_seq FROM rooms AS r WHERE r.id = artifacts.room_id)`,
	} {
		if _, err := t.db.ExecContext(ctx, text); err != nil {
			return translate(err)
		}
	}
	return nil
}

// Loaded counts the rows of tables that were loaded.
func (q Queries) Loaded(ctx context.Context, tables ...string) (map[string]int64, error) {
	counts := make(map[string]int64, len(tables))
	for _, table := range tables {
		name, where, _ := strings.Cut(table, " ")
		var n int64
		if err := q.db.NewRaw("SELECT count(*) FROM ? "+where, bun.Ident(name)).Scan(ctx, &n); err != nil {
			return nil, translate(err)
		}
		counts[table] = n
	}
	return counts, nil
}

// Analyze lets the database learn what the tables hold, so that the first questions are
// answered as fast as later ones.
func (d *DB) Analyze(ctx context.Context) error {
	_, err := d.write.ExecContext(ctx, "ANALYZE")
	return translate(err)
}

// QuickIndex lets Postgres put many messages at a time into the index of their words, which
// else takes most of the time of a load. Off, it is again as the schema says.
func (d *DB) QuickIndex(ctx context.Context, on bool) error {
	if !d.Postgres() {
		return nil
	}
	all := []string{"ALTER INDEX messages_words SET (fastupdate = on, gin_pending_list_limit = 65536)"}
	if !on {
		all = []string{"ALTER INDEX messages_words SET (fastupdate = off)", "ALTER INDEX messages_words RESET (gin_pending_list_limit)",
			"SELECT gin_clean_pending_list('messages_words')"}
	}
	for _, text := range all {
		if _, err := d.write.ExecContext(ctx, text); err != nil {
			return translate(err)
		}
	}
	return nil
}

// LoadParent says under which artifact another one hangs.
func (t *Tx) LoadParent(ctx context.Context, id, parentID string) error {
	_, err := t.db.NewUpdate().Model((*Artifact)(nil)).Set("parent_id = ?", parentID).Where("id = ?", id).Exec(ctx)
	return translate(err)
}

// UnloadUser deletes the account that a first start has made, before another one takes its
// place.
func (t *Tx) UnloadUser(ctx context.Context, id string) error {
	_, err := t.db.NewDelete().Model((*User)(nil)).Where("id = ?", id).Where("role = 'super_admin'").Exec(ctx)
	return translate(err)
}
