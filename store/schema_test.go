package store_test

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

type column struct {
	sort     string // what Go kind fits
	nullable bool
	def      string // the default value
}

// The row structs and the tables are written by hand, apart from each other;
// this is what keeps them one.
func TestSchema(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		tables := columns(t, db)
		for _, model := range store.Models {
			table := db.TableOf(model)
			have, ok := tables[table.Name]
			if !ok {
				t.Errorf("%s: no such table", table.Name)
				continue
			}
			delete(tables, table.Name)
			for _, f := range table.Fields {
				c, ok := have[f.Name]
				if !ok {
					t.Errorf("%s.%s: the table lacks it", table.Name, f.Name)
					continue
				}
				delete(have, f.Name)
				if fits := f.NullZero || f.IsPtr; fits != c.nullable {
					t.Errorf("%s.%s: the column takes NULL: %v, the field %s writes it: %v", table.Name, f.Name, c.nullable, f.GoName, fits)
				}
				if c.nullable && c.def != "" {
					t.Errorf("%s.%s takes NULL and has the default %s, which a row with a zero value does not get", table.Name, f.Name, c.def)
				}
				if got := sortOf(f.IndirectType); got != c.sort {
					t.Errorf("%s.%s: the column is %s, the field %s", table.Name, f.Name, c.sort, got)
				}
			}
			if len(have) > 0 {
				t.Errorf("%s: the struct lacks %v", table.Name, slices.Sorted(maps.Keys(have)))
			}
		}
		if len(tables) > 0 {
			t.Errorf("tables without a row struct in Models: %v", slices.Sorted(maps.Keys(tables)))
		}
	})
}

func sortOf(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "time"
	case t == reflect.TypeFor[store.JSON]():
		return "json"
	case t == reflect.TypeFor[[]byte]():
		return "bytes"
	case t.Kind() == reflect.Int64:
		return "bigint"
	case t.Kind() == reflect.Int:
		return "integer"
	}
	return t.Kind().String()
}

// columns are those of our own tables that a row struct writes. Only Postgres itself
// writes numbers of transactions, and only searches read a tsvector.
func columns(t *testing.T, db *store.DB) map[string]map[string]column {
	t.Helper()
	q := `SELECT m.name, c.name, lower(c.type), c."notnull" = 0 AND c.pk = 0, COALESCE(c.dflt_value, '') FROM sqlite_master AS m, pragma_table_info(m.name) AS c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%'`
	if db.Postgres() {
		q = `SELECT c.table_name, column_name, data_type, is_nullable = 'YES', COALESCE(column_default, '') FROM information_schema.columns AS c
			JOIN information_schema.tables AS t USING (table_schema, table_name)
			WHERE table_schema = current_schema() AND table_type = 'BASE TABLE' AND is_generated = 'NEVER'
				AND data_type NOT IN ('xid8', 'tsvector')`
	}
	rows, err := raw(t, db).QueryContext(t.Context(), q)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	tables := map[string]map[string]column{}
	for rows.Next() {
		var table, name, kind string
		var c column
		if err := rows.Scan(&table, &name, &kind, &c.nullable, &c.def); err != nil {
			t.Fatal(err)
		}
		// The last is an index of SQLite with the tables that it keeps.
		if strings.HasPrefix(table, "river_") || strings.HasPrefix(table, "schema_migration") || strings.HasPrefix(table, "message_words") {
			continue
		}
		c.sort = map[string]string{"text": "string", "boolean": "bool", "double precision": "float64",
			"blob": "bytes", "bytea": "bytes",
			"timestamp": "time", "timestamp with time zone": "time"}[kind]
		if c.sort == "" {
			c.sort = kind
		}
		// SQLite's JSON is TEXT, which nothing tells apart.
		if !db.Postgres() && c.sort == "string" && isJSON(db, table, name) {
			c.sort = "json"
		}
		if tables[table] == nil {
			tables[table] = map[string]column{}
		}
		tables[table][name] = c
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return tables
}

func isJSON(db *store.DB, table, name string) bool {
	for _, model := range store.Models {
		if tb := db.TableOf(model); tb.Name == table {
			f, err := tb.Field(name)
			return err == nil && f.IndirectType == reflect.TypeFor[store.JSON]()
		}
	}
	return false
}

// What no row may say, whatever the rules above let through.
func TestChecks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		turn := newTurn(w, 1, store.TurnWaiting)
		r := raw(t, db)
		for _, s := range []string{
			fmt.Sprintf("INSERT INTO agent_turns (id, room_id, agent_id, trigger_seq, position, state, attempt, prompt_tokens, completion_tokens, created_at)"+
				" VALUES ('%s', '%s', '%s', 1, 0, 'waiting', 1, 0, 0, '2026-03-01 09:00:00')", turn.ID, w.room.ID, w.agent.ID),
			fmt.Sprintf("INSERT INTO course_members (course_id, user_id, role, created_at) VALUES ('%s', '%s', 'student', '2026-03-01 09:00:00')", w.course.ID, w.pupil.ID),
			fmt.Sprintf("INSERT INTO project_members VALUES ('%s', '%s', 'viewer', '2026-03-01 09:00:00')", w.project.ID, w.pupil.ID),
			fmt.Sprintf("INSERT INTO organization_members VALUES ('%s', '%s', 'member', '2026-03-01 09:00:00')", w.project.OrganizationID, w.pupil.ID),
		} {
			if _, err := r.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
		for _, set := range []string{
			"users SET role = 'root'", "users SET role = ''", "users SET role = 'Admin'", "users SET email = ''", "users SET username = ''",
			"users SET email = NULL", "users SET is_active = NULL",
			"rooms SET ai_mode = 'on'", "rooms SET ai_mode = ''", "rooms SET ai_frequency = 1.01", "rooms SET ai_frequency = -0.01",
			"rooms SET looked_seq = event_seq + 1", "rooms SET name = NULL", "rooms SET course_id = NULL",
			"agents SET category = 'teacher'", "agents SET type = ''", "agents SET name = ''", "agents SET context_window = 0",
			"agents SET context_window = 1001", "agents SET settings = NULL",
			"agent_turns SET state = 'done'", "agent_turns SET state = ''",
			"course_members SET role = 'admin'", "project_members SET role = 'ta'", "organization_members SET role = 'viewer'",
		} {
			if _, err := r.ExecContext(t.Context(), "UPDATE "+set); err == nil {
				t.Errorf("UPDATE %s: it went through", set)
			}
		}
	})
}

// Deleting a row takes along what lives in it, keeps what others said, and is
// refused where it would take a person's work along.
func TestForeignKeys(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		r := raw(t, db)
		w.say("hello")
		turn := newTurn(w, 1, store.TurnWaiting)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.AddRoomAgent(ctx, &store.RoomAgent{RoomID: w.room.ID, AgentID: w.agent.ID, CreatedAt: at})
			if err != nil {
				return err
			}
			if _, err := post(ctx, tx, w, store.Message{AgentID: w.agent.ID, AgentType: "teacher", AgentName: "Agent", TurnID: turn.ID, Content: "hi"}); err != nil {
				return err
			}
			return tx.CreateTurns(ctx, []store.Turn{turn})
		})
		if _, err := r.ExecContext(t.Context(), "DELETE FROM users WHERE id = '"+w.owner.ID+"'"); err == nil {
			t.Error("the owner of a course was deleted")
		}
		steps := []struct {
			do   string
			want map[string]int
		}{
			{"DELETE FROM users WHERE id = '" + w.pupil.ID + "'", map[string]int{"messages": 2, "messages WHERE sender_id IS NOT NULL": 0}},
			{"DELETE FROM agents WHERE id = '" + w.agent.ID + "'", map[string]int{
				"messages": 2, "messages WHERE agent_id IS NOT NULL": 0, "messages WHERE agent_name = 'Agent'": 1, "agent_turns": 0, "room_agents": 0}},
			{"DELETE FROM courses WHERE id = '" + w.course.ID + "'", map[string]int{"rooms": 0, "messages": 0, "events": 0}},
			{"DELETE FROM organizations", map[string]int{"projects": 0}},
			{"DELETE FROM users WHERE id = '" + w.owner.ID + "'", map[string]int{"users": 0}},
		}
		for _, s := range steps {
			if _, err := r.ExecContext(t.Context(), s.do); err != nil {
				t.Fatalf("%s: %v", s.do, err)
			}
			for rows, want := range s.want {
				if got := count(t, db, "SELECT count(*) FROM "+rows); got != want {
					t.Errorf("%s: %s: got %d, want %d", s.do, rows, got, want)
				}
			}
		}
	})
}

// A foreign key without an index makes each delete of the parent scan the child. An index
// that leaves out the rows without a parent serves as well.
func TestForeignKeysHaveIndexes(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	rows, err := db.Writer().QueryContext(t.Context(), `SELECT m.name, f."from" FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f
		WHERE m.type = 'table' AND m.name NOT LIKE 'river_%' AND NOT EXISTS (
			SELECT 1 FROM pragma_index_list(m.name) AS i, pragma_index_info(i.name) AS c LEFT JOIN sqlite_master AS made ON made.name = i.name
			WHERE c.seqno = 0 AND c.name = f."from" AND (i.partial = 0 OR made.sql LIKE '% WHERE ' || c.name || ' IS NOT NULL'))`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var table, col string
		if err := rows.Scan(&table, &col); err != nil {
			t.Fatal(err)
		}
		t.Errorf("%s.%s has no index", table, col)
	}
	mustBe(t, "the list", rows.Err(), nil)
}
