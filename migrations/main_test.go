package migrations_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/migrations"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// migrateEnv makes this test binary a process that migrates one database.
const migrateEnv = "COAGENT_TEST_MIGRATE"

func TestMain(m *testing.M) {
	if url := os.Getenv(migrateEnv); url != "" {
		if err := migrateURL(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	time.Local = time.FixedZone("elsewhere", 8*3600)
	os.Exit(m.Run())
}

func migrateURL(url string) error {
	db, err := store.Open(context.Background(), store.Options{URL: url, Pool: 2})
	if err != nil {
		return err
	}
	fmt.Println("migrating")
	return errors.Join(migrate(context.Background(), db), db.Close())
}

// migrate does what `coagent migrate up` does.
func migrate(ctx context.Context, db *store.DB) error {
	return db.WithMigrationLock(ctx, func(db *store.DB) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return jobs.Migrate(ctx, db, slog.New(slog.DiscardHandler))
	})
}

// process starts a process that migrates; ready returns when it is about to.
func process(t *testing.T, url string) (cmd *exec.Cmd, ready func()) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), migrateEnv+"="+url)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, func() {
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil && !errors.Is(err, io.EOF) {
			t.Fatalf("the process said %q: %v", line, err)
		}
	}
}

// each runs test on an empty database of each kind.
func each(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	for name, empty := range map[string]func(*testing.T) string{"sqlite": emptySQLite, "postgres": emptyPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, empty(t))
		})
	}
}

func emptySQLite(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "coagent.db")
}

func emptyPostgres(t *testing.T) string {
	t.Helper()
	url := storetest.Postgres(t)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public"); err != nil {
		t.Fatal(err)
	}
	return url
}

func run(t *testing.T, db *store.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		var err error
		if db.Postgres() {
			_, err = db.Pool().Exec(t.Context(), s)
		} else {
			_, err = db.Writer().ExecContext(t.Context(), s)
		}
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func has(t *testing.T, db *store.DB, table string) bool {
	t.Helper()
	var err error
	if db.Postgres() {
		_, err = db.Pool().Exec(t.Context(), "SELECT 1 FROM "+table)
	} else {
		_, err = db.Writer().ExecContext(t.Context(), "SELECT 1 FROM "+table)
	}
	return err == nil
}

// beginning makes the table of migrations as the migrator does, with all
// migrations after the first `applied` marked as done already: migrating then
// makes the schema of an older program.
func beginning(t *testing.T, db *store.DB, applied int) (later []string) {
	t.Helper()
	for _, f := range files(t)[applied:] {
		later = append(later, f[:4])
	}
	mark(t, db, later...)
	return later
}

// mark makes the table of migrations, with these marks.
func mark(t *testing.T, db *store.DB, names ...string) {
	t.Helper()
	id := "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
	if db.Postgres() {
		id = "BIGSERIAL PRIMARY KEY"
	}
	run(t, db, "CREATE TABLE schema_migrations (id "+id+", name VARCHAR, group_id BIGINT, migrated_at TIMESTAMP NOT NULL DEFAULT current_timestamp)",
		"CREATE UNIQUE INDEX schema_migrations_name_unique ON schema_migrations (name)")
	for _, name := range names {
		run(t, db, "INSERT INTO schema_migrations (name, group_id) VALUES ('"+name+"', 1)")
	}
}

func files(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(migrations.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

func mustBe(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) || want == nil && got != nil {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
