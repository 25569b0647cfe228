package migrations_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A file in no transaction could leave half of itself behind; a number twice
// or out of line would run in an order that nobody chose.
func TestFiles(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^\d{4}_[a-z0-9_]+\.tx\.up\.sql$`)
	before := ""
	for _, f := range files(t) {
		if !name.MatchString(f) || f[:4] <= before {
			t.Errorf("%s: want NNNN_what.tx.up.sql, with a number after %s", f, before)
		}
		before = f[:4]
	}
	onDisk, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range onDisk {
		if strings.HasSuffix(e.Name(), ".sql") && !name.MatchString(e.Name()) {
			t.Errorf("%s has no name of a migration", e.Name())
		}
	}
}

func TestEmptyToLatest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		ctx := t.Context()
		mustBe(t, "our schema before", db.CheckSchema(ctx), store.ErrSchemaOld)
		mustBe(t, "the queue's before", jobs.CheckSchema(ctx, db), store.ErrSchemaOld)
		wantMigrations(t, db, false)
		for range 2 {
			mustBe(t, "migrate", migrate(ctx, db), nil)
			mustBe(t, "our schema after", db.CheckSchema(ctx), nil)
			mustBe(t, "the queue's after", jobs.CheckSchema(ctx, db), nil)
			wantMigrations(t, db, true)
		}
	})
}

func wantMigrations(t *testing.T, db *store.DB, applied bool) {
	t.Helper()
	list, err := db.Migrations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	names := files(t)
	if len(list) != len(names) {
		t.Fatalf("got %d migrations, want %d", len(list), len(names))
	}
	for i, m := range list {
		if want := strings.TrimSuffix(names[i], ".tx.up.sql"); m.Name != want {
			t.Errorf("name: got %s, want %s", m.Name, want)
		}
		if m.AppliedAt.IsZero() == applied {
			t.Errorf("%s: applied at %v, want applied: %v", m.Name, m.AppliedAt, applied)
		}
		if age := time.Since(m.AppliedAt); applied && (age < -time.Minute || age > 10*time.Minute) {
			t.Errorf("%s: applied at %v, which is %v ago", m.Name, m.AppliedAt, age)
		}
	}
}

// Every schema that was the latest of a version comes to the latest with its
// rows. A version has all of the first files at least.
func TestFilledOlderToLatest(t *testing.T) {
	t.Parallel()
	older := map[string]func(t *testing.T, db *store.DB){"before v0.1.0": func(t *testing.T, db *store.DB) { before(t, db, len(stepsBefore(t))) }}
	for n := slices.Index(files(t), "0115_settings_limits_and_leases.tx.up.sql") + 1; n < len(files(t)); n++ {
		older[files(t)[n-1][:4]] = func(t *testing.T, db *store.DB) {
			later := beginning(t, db, n)
			mustBe(t, "migrate to the older schema", migrate(t.Context(), db), nil)
			run(t, db, "DELETE FROM schema_migrations WHERE name IN ('"+strings.Join(later, "', '")+"')")
		}
	}
	for name, begin := range older {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, store.Options{URL: url})
				ctx := t.Context()
				begin(t, db)
				mustBe(t, "the older schema", db.CheckSchema(ctx), store.ErrSchemaOld)
				fill(t, db)
				for range 2 {
					mustBe(t, "migrate", migrate(ctx, db), nil)
					mustBe(t, "the latest schema", db.CheckSchema(ctx), nil)
					wantMigrations(t, db, true)
				}
				lines, err := db.Messages(ctx, "room", 0, 10)
				if err != nil || len(lines) != 1 || lines[0].Sender.Email != "ann@example.com" {
					t.Errorf("the rows afterwards: got %+v (%v)", lines, err)
				}
			})
		})
	}
}

// fill adds rows of the kinds that a class in use has.
func fill(t *testing.T, db *store.DB) {
	t.Helper()
	const now = "'2026-03-01 09:00:00+00:00'"
	run(t, db,
		"INSERT INTO users (id, email, role, is_active, created_at, version) VALUES ('ann', 'ann@example.com', 'teacher', true, "+now+", 1)",
		"INSERT INTO sessions (id, user_id, generation, rotated_at, created_at, expires_at, user_agent, address) VALUES ('s', 'ann', 1, "+now+", "+now+", "+now+", '', '')",
		"INSERT INTO organizations (id, name, owner_id, created_at) VALUES ('org', 'Org', 'ann', "+now+")",
		"INSERT INTO projects (id, organization_id, name, created_at) VALUES ('project', 'org', 'Project', "+now+")",
		"INSERT INTO courses (id, title, owner_id, created_at, version) VALUES ('course', 'Course', 'ann', "+now+", 1)",
		"INSERT INTO rooms (id, course_id, name, is_ai_active, is_analytics_active, ai_frequency, ai_mode, created_at, version, event_seq, looked_seq)"+
			" VALUES ('room', 'course', 'Room', true, false, 1, 'both', "+now+", 1, 1, 0)",
		"INSERT INTO agents (id, project_id, type, name, category, model_provider, system_prompt, settings, capabilities, user_key_ids, context_window,"+
			" is_active, is_template, is_external, created_at, updated_at, version)"+
			" VALUES ('agent', 'project', 'teacher', 'Agent', 'instructor', 'offline', '', '{}', '[]', '[]', 10, true, false, false, "+now+", "+now+", 1)",
		"INSERT INTO messages (id, room_id, seq, sender_id, content, created_at) VALUES ('m', 'room', 1, 'ann', 'hello', "+now+")",
		"INSERT INTO events (room_id, seq, id, type, body, created_at) VALUES ('room', 1, 'e', 'message', '{}', "+now+")",
		"INSERT INTO agent_turns (id, room_id, agent_id, trigger_seq, position, state, attempt, prompt_tokens, completion_tokens, created_at)"+
			" VALUES ('t', 'room', 'agent', 1, 0, 'finished', 1, 0, 0, "+now+")")
}

func TestFailedMigrationLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		ctx := t.Context()
		beginning(t, db, len(files(t)))
		run(t, db, "CREATE TABLE avatars (in_the_way INTEGER)")
		if err := migrate(ctx, db); err == nil {
			t.Fatal("it went through")
		}
		for _, table := range []string{"users", "messages", "river_job"} {
			if has(t, db, table) {
				t.Errorf("%s was left behind", table)
			}
		}
		wantMigrations(t, db, false)
		mustBe(t, "the schema", db.CheckSchema(ctx), store.ErrSchemaOld)
		run(t, db, "DROP TABLE avatars")
		mustBe(t, "migrate, with the way free", migrate(ctx, db), nil)
		mustBe(t, "the schema", db.CheckSchema(ctx), nil)
	})
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	const rails = "CREATE TABLE schema_migrations (version VARCHAR(255) PRIMARY KEY)"
	for name, rule := range map[string]struct {
		migrated bool
		make     []string
		want     error
	}{
		"latest":                           {true, nil, nil},
		"a table of our user's own beside": {true, []string{"CREATE TABLE notes (id INTEGER)"}, nil},
		"a migration of tomorrow":          {true, []string{"INSERT INTO schema_migrations (name, group_id, migrated_at) VALUES ('9999', 9, '2026-03-01 09:00:00')"}, store.ErrSchemaNew},
		"without the last":                 {true, []string{"DELETE FROM schema_migrations WHERE name = (SELECT max(name) FROM schema_migrations)"}, store.ErrSchemaOld},
		"empty":                            {false, nil, store.ErrSchemaOld},
		"a load that has begun":            {false, []string{"CREATE TABLE coagent_unfinished AS SELECT 'restore' AS command"}, store.ErrSchemaOld},
		"another program's":                {false, []string{"CREATE TABLE users (id INTEGER)"}, store.ErrSchemaForeign},
		"another program's migrations":     {false, []string{rails}, store.ErrSchemaForeign},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, store.Options{URL: url})
				if rule.migrated {
					mustBe(t, "migrate", migrate(t.Context(), db), nil)
				}
				run(t, db, rule.make...)
				mustBe(t, "CheckSchema", db.CheckSchema(t.Context()), rule.want)
				if rule.want == store.ErrSchemaNew || rule.want == store.ErrSchemaForeign { //nolint:errorlint // a table's own value
					mustBe(t, "migrate", migrate(t.Context(), db), rule.want)
					if !rule.migrated && has(t, db, "messages") {
						t.Error("it made our tables beside the other's")
					}
				}
			})
		})
	}
}

// Managed Postgres comes with extensions, whose tables and views are nobody's.
func TestExtensionIsNotForeign(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: emptyPostgres(t)})
	run(t, db, "CREATE VIEW report AS SELECT 1", "CREATE TABLE owned (id INTEGER)",
		// A table that belongs to an extension, without needing one installed.
		"INSERT INTO pg_depend SELECT 'pg_class'::regclass, 'owned'::regclass, 0, 'pg_extension'::regclass, oid, 0, 'e' FROM pg_extension WHERE extname = 'plpgsql'")
	mustBe(t, "CheckSchema", db.CheckSchema(t.Context()), store.ErrSchemaOld)
	mustBe(t, "migrate", migrate(t.Context(), db), nil)
	mustBe(t, "CheckSchema after it", db.CheckSchema(t.Context()), nil)
}
