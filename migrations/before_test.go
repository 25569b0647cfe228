package migrations_test

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func stepsBefore(t *testing.T) []string {
	t.Helper()
	steps, err := filepath.Glob("testdata/before/*.tx.up.sql")
	if err != nil || len(steps) == 0 {
		t.Fatalf("the steps before v0.1.0: got %v (%v)", steps, err)
	}
	slices.Sort(steps)
	return steps
}

// before makes an empty database what a build before v0.1.0 made it by its
// first steps.
func before(t *testing.T, db *store.DB, steps int) {
	t.Helper()
	data := map[string]any{"JSON": "TEXT", "Time": "TIMESTAMP", "Postgres": false}
	if db.Postgres() {
		data = map[string]any{"JSON": "JSON", "Time": "TIMESTAMPTZ", "Postgres": true}
	}
	var marks []string
	for _, step := range stepsBefore(t)[:steps] {
		var text strings.Builder
		if err := template.Must(template.ParseFiles(step)).Execute(&text, data); err != nil {
			t.Fatal(err)
		}
		run(t, db, text.String())
		marks = append(marks, filepath.Base(step)[:4])
	}
	mark(t, db, marks...)
}

// The first files make what the steps before them made, to the place of each
// column and the rows that a new database has.
func TestSameAsBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		old := storetest.Open(t, store.Options{URL: url})
		before(t, old, len(stepsBefore(t)))
		now := storetest.Open(t, store.Options{URL: another(t, old)})
		// Files after the first ones change what these made.
		beginning(t, now, slices.Index(files(t), "0115_settings_limits_and_leases.tx.up.sql")+1)
		mustBe(t, "migrate", now.Migrate(t.Context()), nil)
		wantSame(t, "schema", lines(t, now), lines(t, old))
		wantSame(t, "rows", rows(t, now, columns(t, old)), rows(t, old, columns(t, old)))
		if !old.Postgres() {
			wantSame(t, "pragmas", pragmas(t, now), pragmas(t, old))
		}
		if n := len(tables(t, now)); n != 41 {
			t.Errorf("compared %d tables, want 41", n)
		}
	})
}

// pragmas is what SQLite itself understood of the tables.
func pragmas(t *testing.T, db *store.DB) (all []string) {
	t.Helper()
	for _, q := range []string{
		`SELECT m.name, c.* FROM sqlite_master AS m, pragma_table_xinfo(m.name) AS c`,
		`SELECT m.name, f."table", f."from", f."to", f.on_update, f.on_delete, f.match FROM sqlite_master AS m, pragma_foreign_key_list(m.name) AS f`,
		// The number of an index is the order in which it is thought of.
		`SELECT m.name, i.*, c.* FROM sqlite_master AS m, pragma_index_list(m.name) AS i, pragma_index_xinfo(i.name) AS c`,
	} {
		all = append(all, query(t, db, q+" WHERE m.type = 'table' AND m.name NOT LIKE 'schema_migration%' AND m.name NOT LIKE 'sqlite_%'")...)
	}
	slices.Sort(all)
	return all
}

// What the comparison does not see it cannot refuse.
func TestSchemaShowsEveryChange(t *testing.T) {
	t.Parallel()
	const columns = "agent_id TEXT NOT NULL REFERENCES agents (id) ON DELETE CASCADE, key_type TEXT NOT NULL, encrypted_key TEXT NOT NULL, created_at TIMESTAMP NOT NULL"
	const table = "CREATE TABLE compared (" + columns + ", PRIMARY KEY (agent_id, key_type))"
	changed := func(old, to string) []string { return []string{strings.Replace(table, old, to, 1)} }
	const index = "CREATE INDEX compared_key ON compared (lower(key_type)) WHERE encrypted_key <> ''"
	for name, rule := range map[string]struct{ was, is []string }{
		"a column more":          {[]string{table}, changed("created_at", "more TEXT, created_at")},
		"a column less":          {[]string{table}, changed("encrypted_key TEXT NOT NULL, ", "")},
		"other order":            {[]string{table}, changed("key_type TEXT NOT NULL, encrypted_key TEXT NOT NULL", "encrypted_key TEXT NOT NULL, key_type TEXT NOT NULL")},
		"other type":             {[]string{table}, changed("encrypted_key TEXT", "encrypted_key INTEGER")},
		"takes NULL":             {[]string{table}, changed("encrypted_key TEXT NOT NULL", "encrypted_key TEXT")},
		"a default":              {[]string{table}, changed("encrypted_key TEXT NOT NULL", "encrypted_key TEXT NOT NULL DEFAULT 'a'")},
		"another default":        {changed("NOT NULL, created", "NOT NULL DEFAULT 'a b', created"), changed("NOT NULL, created", "NOT NULL DEFAULT 'a  b', created")},
		"a check":                {[]string{table}, changed("NOT NULL, created", "NOT NULL CHECK (encrypted_key <> ''), created")},
		"another check":          {changed(", PRIMARY", ", CHECK (key_type <> 'x( ,y'), PRIMARY"), changed(", PRIMARY", ", CHECK (key_type <> 'x(,y'), PRIMARY")},
		"other end of reference": {[]string{table}, changed("CASCADE", "SET NULL")},
		"no reference":           {[]string{table}, changed(" REFERENCES agents (id) ON DELETE CASCADE", "")},
		"another key":            {[]string{table}, changed("(agent_id, key_type)", "(key_type, agent_id)")},
		"unique":                 {[]string{table}, changed("NOT NULL, created", "NOT NULL UNIQUE, created")},
		"an index":               {[]string{table}, []string{table, index}},
		"another condition":      {[]string{table, index}, []string{table, strings.Replace(index, "<> ''", "<> 'a'", 1)}},
		"another expression":     {[]string{table, index}, []string{table, strings.Replace(index, "lower", "upper", 1)}},
		"other direction":        {[]string{table, index}, []string{table, strings.Replace(index, ") WHERE", " DESC) WHERE", 1)}},
		"unique index":           {[]string{table, index}, []string{table, strings.Replace(index, "INDEX", "UNIQUE INDEX", 1)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, store.Options{URL: url})
				run(t, db, append([]string{"CREATE TABLE agents (id TEXT PRIMARY KEY)"}, rule.was...)...)
				was := lines(t, db)
				run(t, db, append([]string{"DROP TABLE compared"}, rule.is...)...)
				if is := lines(t, db); slices.Equal(is, was) {
					t.Errorf("both are %q", is)
				}
				// Written otherwise it is the same.
				run(t, db, "DROP TABLE compared")
				run(t, db, strings.ReplaceAll(strings.Join(rule.was, ";\n"), ", ", ", -- it's (here,\n\t  "))
				wantSame(t, "written otherwise", lines(t, db), was)
			})
		})
	}
}

// Adoption moves marks and not a row.
func TestAdoptionKeepsRows(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		before(t, db, len(stepsBefore(t)))
		fill(t, db)
		run(t, db, "UPDATE agent_types SET default_capabilities = '[]', version = 2 WHERE type_name = 'teacher'", "CREATE TABLE notes (id INTEGER)")
		// Later steps may add and drop columns, which are none of the adoption.
		latest := storetest.Open(t, store.Options{URL: another(t, db)})
		mustBe(t, "migrate another", latest.Migrate(t.Context()), nil)
		was := inBoth(columns(t, db), columns(t, latest))
		had := rows(t, db, was)
		mustBe(t, "migrate", db.Migrate(t.Context()), nil)
		run(t, db, "DELETE FROM settings WHERE key = 'search_backfill'") // what a later step notes for itself
		wantSame(t, "rows", rows(t, db, was), had)
		wantMigrations(t, db, true)
		if left := query(t, db, "SELECT name FROM schema_migrations WHERE name < '0101'"); len(left) > 0 {
			t.Errorf("old marks are left: %v", left)
		}
		if db.Postgres() {
			if left := query(t, db, "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'coagent%'"); len(left) > 0 {
				t.Errorf("schemas are left: %v", left)
			}
		}
	})
}

// `coagent serve` adopts a data folder by itself and asks for `migrate up` on
// Postgres; accounts get their keys as at every migration.
func TestServeAdopts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		before(t, db, len(stepsBefore(t)))
		fill(t, db)
		cfg, log := &config.Config{}, slog.New(slog.DiscardHandler)
		if db.Postgres() {
			err := app.PrepareSchema(t.Context(), db, cfg, log)
			if !errors.Is(err, store.ErrSchemaOld) || !strings.Contains(err.Error(), "coagent migrate up") {
				t.Errorf("without auto_migrate: got %v", err)
			}
			cfg.Database.AutoMigrate = true
		}
		mustBe(t, "prepare the schema", app.PrepareSchema(t.Context(), db, cfg, log), nil)
		mustBe(t, "the schema", db.CheckSchema(t.Context()), nil)
		wantSame(t, "keys", query(t, db, "SELECT id, email_key FROM users"), []string{"[ann ann@example.com]"})
	})
}

// A database that did not take the last step is left as it is, with a sentence
// that says what to do.
func TestNotOnTheLastStepBefore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url})
		steps := stepsBefore(t)
		before(t, db, len(steps))
		refused := func(names ...string) {
			t.Helper()
			had := query(t, db, "SELECT name FROM schema_migrations")
			for what, err := range map[string]error{"CheckSchema": db.CheckSchema(t.Context()), "Migrate": db.Migrate(t.Context()),
				"PrepareSchema": app.PrepareSchema(t.Context(), db, &config.Config{}, slog.New(slog.DiscardHandler))} {
				mustBe(t, what, err, store.ErrSchemaBefore)
				for _, name := range names {
					if err != nil && !strings.Contains(err.Error(), name) {
						t.Errorf("%s: got %v, want it to name %s", what, err, name)
					}
				}
			}
			wantSame(t, "marks", query(t, db, "SELECT name FROM schema_migrations"), had)
		}
		run(t, db, "INSERT INTO schema_migrations (name, group_id) VALUES ('0029', 1)")
		refused("0029")
		run(t, db, "DELETE FROM schema_migrations WHERE name IN ('0029', '0016')")
		refused("step 0016", "migrate up", "ends with 0044")
		for _, step := range slices.Backward(steps[1:]) {
			name := filepath.Base(step)[:4]
			run(t, db, "DELETE FROM schema_migrations WHERE name = '"+name+"'")
			if name > "0016" {
				name = "0016"
			}
			refused("step "+name, "migrate up", "ends with 0044")
		}
	})
}

// Marks alone do not make a database ours.
func TestDiffersFromBefore(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]struct{ harm, mend, named string }{
		"an index less":  {"DROP INDEX messages_turn", "CREATE UNIQUE INDEX messages_turn ON messages (turn_id)", "messages_turn"},
		"an index more":  {"CREATE UNIQUE INDEX once ON rooms (name)", "DROP INDEX once", "once"},
		"a column more":  {"ALTER TABLE rooms ADD COLUMN colour TEXT", "ALTER TABLE rooms DROP COLUMN colour", "colour"},
		"a table less":   {"ALTER TABLE leases RENAME TO kept", "ALTER TABLE kept RENAME TO leases", "leases"},
		"another column": {"ALTER TABLE rooms RENAME COLUMN name TO title", "ALTER TABLE rooms RENAME COLUMN title TO name", "rooms: column"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, store.Options{URL: url})
				before(t, db, len(stepsBefore(t)))
				run(t, db, rule.harm)
				err := db.Migrate(t.Context())
				mustBe(t, "migrate", err, store.ErrSchemaDiffers)
				if err != nil && !strings.Contains(err.Error(), rule.named) {
					t.Errorf("got %v, want it to name %s", err, rule.named)
				}
				mustBe(t, "the schema", db.CheckSchema(t.Context()), store.ErrSchemaOld)
				run(t, db, rule.mend)
				mustBe(t, "migrate what was mended", db.Migrate(t.Context()), nil)
				mustBe(t, "the schema", db.CheckSchema(t.Context()), nil)
			})
		})
	}
}

// A role that owns the tables alone is told what it needs for the comparison.
func TestAdoptionNeedsCreate(t *testing.T) {
	t.Parallel()
	admin := storetest.Open(t, store.Options{URL: emptyPostgres(t)})
	role := "coagent_" + strings.ReplaceAll(store.NewID(), "-", "")
	run(t, admin, "CREATE ROLE "+role, "GRANT ALL ON SCHEMA public TO "+role)
	defer run(t, admin, "DROP OWNED BY "+role, "DROP ROLE "+role)
	address, err := url.Parse(admin.Pool().Config().ConnString())
	if err != nil {
		t.Fatal(err)
	}
	with := address.Query()
	with.Set("role", role)
	address.RawQuery = with.Encode()
	db := storetest.Open(t, store.Options{URL: address.String()})
	before(t, db, len(stepsBefore(t)))
	if err := db.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "needs CREATE on the database") {
		t.Errorf("without the right: got %v", err)
	}
	mustBe(t, "the schema", db.CheckSchema(t.Context()), store.ErrSchemaOld)
	run(t, admin, "GRANT CREATE ON DATABASE "+strings.TrimPrefix(address.Path, "/")+" TO "+role)
	mustBe(t, "migrate with the right", db.Migrate(t.Context()), nil)
	wantMigrations(t, db, true)
}

// another is an empty database of the same kind.
func another(t *testing.T, db *store.DB) string {
	t.Helper()
	if db.Postgres() {
		return emptyPostgres(t)
	}
	return emptySQLite(t)
}

func lines(t *testing.T, db *store.DB) []string {
	t.Helper()
	all, err := db.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func tables(t *testing.T, db *store.DB) []string {
	t.Helper()
	names := map[string]bool{}
	for _, line := range lines(t, db) {
		table, _, _ := strings.Cut(line, ": ")
		names[table] = true
	}
	return slices.Sorted(maps.Keys(names))
}

// columns are those of each table but the marks, as they stand in a SELECT.
func columns(t *testing.T, db *store.DB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, table := range tables(t, db) {
		names := "SELECT name FROM pragma_table_info('" + table + "')"
		if db.Postgres() {
			names = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = '" + table + "'"
		}
		all[table] = strings.NewReplacer("[", "", "]", "").Replace(strings.Join(query(t, db, names), ", "))
	}
	return all
}

// inBoth are the columns of one list of tables that another has too.
func inBoth(one, other map[string]string) map[string]string {
	both := map[string]string{}
	for table, names := range one {
		there := strings.Fields(strings.ReplaceAll(other[table], ",", ""))
		kept := slices.DeleteFunc(strings.Fields(strings.ReplaceAll(names, ",", "")), func(c string) bool { return !slices.Contains(there, c) })
		if len(kept) > 0 {
			both[table] = strings.Join(kept, ", ")
		}
	}
	return both
}

// rows are those of these tables, with these columns.
func rows(t *testing.T, db *store.DB, columns map[string]string) (all []string) {
	t.Helper()
	for _, table := range slices.Sorted(maps.Keys(columns)) {
		for _, row := range query(t, db, "SELECT "+columns[table]+" FROM "+table) {
			all = append(all, table+": "+row)
		}
	}
	return all
}

// query returns the rows of a statement as sorted texts.
func query(t *testing.T, db *store.DB, statement string) (all []string) {
	t.Helper()
	add := func(next func() bool, values func() ([]any, error), end func() error) {
		for next() {
			row, err := values()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, fmt.Sprint(row))
		}
		mustBe(t, statement, end(), nil)
	}
	if db.Postgres() {
		r, err := db.Pool().Query(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		add(r.Next, r.Values, r.Err)
	} else {
		r, err := db.Writer().QueryContext(t.Context(), statement)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		names, err := r.Columns()
		if err != nil {
			t.Fatal(err)
		}
		add(r.Next, func() ([]any, error) {
			row, to := make([]any, len(names)), make([]any, len(names))
			for i := range row {
				to[i] = &row[i]
			}
			return row, r.Scan(to...)
		}, r.Err)
	}
	slices.Sort(all)
	return all
}

// wantSame names what only one of two sorted lists has.
func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("%s: only now: %s", what, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("%s: no longer: %s", what, line)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %d lines, want %d", what, len(got), len(want))
	}
}
