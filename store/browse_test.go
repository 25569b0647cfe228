package store_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// withheld are the tables and columns that operators are not shown: secrets,
// what opens a door, and what is of no use to a reader.
var withheld = map[string]string{
	"settings":           "*",
	"signin_failures":    "*",
	"rate_buckets":       "*",
	"avatars":            "*",
	"blob_chunks":        "*",
	"outside_messages":   "*",
	"course_join_codes":  "*",
	"one_time_links":     "*",
	"two_factors":        "*",
	"recovery_codes":     "*",
	"identities":         "*",
	"session_sign_ons":   "*",
	"pending_sign_ons":   "*",
	"spent_sign_ons":     "*",
	"users":              "password_hash search_text email_key username_key two_factor_at",
	"agents":             "encrypted_api_key encrypted_secrets external_config",
	"agent_versions":     "external_config",
	"agent_keys":         "encrypted_key",
	"user_keys":          "encrypted_key",
	"access_tokens":      "hash",
	"course_invitations": "token_hash",
	"course_members":     "came_with", // it may be a code that still opens the course
	// What may be read of it by now is shown by the route of the turn alone.
	"turn_steps": "input output note",
	// What people say to agents alone is theirs.
	"threads":  "name metadata_json",
	"messages": "metadata_json word_count day",
	// The figures of a course show it, summed and with names.
	"talk_days": "*",
	"nodes":     "*", // admins have their own list
	"backups":   "*", // so have super admins
	// What a person keeps for themselves.
	"bookmarks": "*",
	// The routes of usage and budgets show them, summed and with names.
	"usage": "*", "budgets": "*", "budget_rows": "*", "budget_notices": "*", "budget_waits": "*",
}

// Every column of every table is either shown or withheld by name, so that a
// new one is thought of.
func TestBrowsedColumns(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		shown := map[string][]string{}
		for _, b := range store.BrowsedTables() {
			shown[b.Table] = b.Columns
		}
		for table, have := range columns(t, db) {
			denied := strings.Fields(withheld[table])
			for column := range have {
				listed := slices.Contains(shown[table], column)
				if hidden := slices.Contains(denied, column) || slices.Contains(denied, "*"); listed == hidden {
					t.Errorf("%s.%s: shown %v, withheld %v; decide", table, column, listed, hidden)
				}
			}
		}
	})
}

func TestBrowse(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.say("100% of_it\\ is <b>老師</b>")
		w.say("hello")
		tables := store.BrowsedTables()
		if !slices.IsSortedFunc(tables, func(a, b store.Browsed) int { return strings.Compare(a.Name, b.Name) }) {
			t.Error("the tables are not in the order of their names")
		}
		look := func(t *testing.T, name string, win store.Window) []map[string]any {
			t.Helper()
			i := slices.IndexFunc(tables, func(b store.Browsed) bool { return b.Name == name })
			rows, err := storetest.All(db.Browse(t.Context(), &tables[i], win))
			if err != nil {
				t.Fatal(err)
			}
			found := make([]map[string]any, len(rows))
			for i, r := range rows {
				if err := json.Unmarshal(r, &found[i]); err != nil {
					t.Fatalf("%s: %v", r, err)
				}
			}
			return found
		}
		t.Run("every table can be read, resolved and searched", func(t *testing.T) {
			for _, b := range tables {
				for _, win := range []store.Window{{}, {Resolve: true, Search: "x"}, {Search: `%_\'"`, From: at, Until: at, Page: store.Page{Skip: 1, Limit: 1}}} {
					look(t, b.Name, win)
				}
			}
		})
		t.Run("kinds of values", func(t *testing.T) {
			room := look(t, "room", store.Window{Search: w.room.ID})[0]
			if room["ai_frequency"] != 0.5 || room["is_ai_active"] != false || room["event_seq"] != 2.0 || room["description"] != nil ||
				room["created_at"] != at.UTC().Format(time.RFC3339Nano) {
				t.Errorf("got %v", room)
			}
			agent := look(t, "agentconfig", store.Window{Search: w.agent.ID})[0]
			if _, ok := agent["settings"].(map[string]any); !ok {
				t.Errorf("settings: got %v, want an object", agent["settings"])
			}
		})
		t.Run("a search takes every sign for itself", func(t *testing.T) {
			for search, want := range map[string]int{"100%": 1, "%": 1, "of_it": 1, "ofXit": 0, `\`: 1, "HELLO": 1, "老師": 1, "'": 0} {
				if got := look(t, "message", store.Window{Search: search}); len(got) != want {
					t.Errorf("%q: got %d rows, want %d", search, len(got), want)
				}
			}
		})
		t.Run("resolving", func(t *testing.T) {
			got := look(t, "message", store.Window{Resolve: true, Search: "room"})
			if len(got) != 2 || got[0]["room_name"] != "Room" || got[0]["sender_name"] == nil {
				t.Errorf("got %v", got)
			}
			if _, there := look(t, "message", store.Window{})[0]["room_name"]; there {
				t.Error("room_name is there unasked")
			}
		})
		t.Run("dates", func(t *testing.T) {
			for win, want := range map[store.Window]int{{From: at}: 2, {From: at.Add(time.Second)}: 0, {Until: at}: 2, {Until: at.Add(-time.Second)}: 0} {
				if got := look(t, "message", win); len(got) != want {
					t.Errorf("%v: got %d rows, want %d", win, len(got), want)
				}
			}
		})
		t.Run("a context that ends", func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := db.Browse(ctx, &tables[0], store.Window{}); err == nil {
				t.Error("got rows")
			}
		})
		t.Run("what was taken back is not shown", func(t *testing.T) {
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "a slip"}); err != nil {
					return err
				}
				messages, err := tx.Messages(ctx, w.room.ID, 0, 1)
				if err != nil {
					return err
				}
				messages[0].DeletedAt = at
				return tx.UpdateMessage(ctx, &messages[0], "{}", &store.Event{ID: store.NewID(), Type: "message_deleted", Body: "{}", CreatedAt: at})
			})
			if got := look(t, "message", store.Window{Search: "a slip"}); len(got) != 0 {
				t.Errorf("got %v", got)
			}
			if got := look(t, "message", store.Window{}); len(got) != 3 || got[0]["content"] != "" {
				t.Errorf("got %v", got)
			}
		})
		t.Run("long texts are cut", func(t *testing.T) {
			long := strings.Repeat("ü", 9000)
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				ag := *w.agent
				ag.ID, ag.Name, ag.SystemPrompt, ag.Settings, ag.CreatedAt = store.NewID(), "Long", long, store.JSON(`{"a":"`+long+`"}`), at.Add(time.Hour)
				return tx.CreateAgents(ctx, []store.Agent{ag})
			})
			got := look(t, "agentconfig", store.Window{Search: "Long"})
			for _, c := range []string{"system_prompt", "settings"} {
				if s, ok := got[0][c].(string); !ok || utf8.RuneCountInString(s) != 4000 {
					t.Errorf("%s: got %.50v, want its first 4000 characters", c, got[0][c])
				}
			}
		})
	})
}
