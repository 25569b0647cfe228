// Package storetest gives tests real, migrated databases: SQLite always, and
// Postgres wherever its binaries are installed.
//
// A test that has to hold on both databases runs through Each or EachURL.
// Every call hands out a fresh database, cloned from a template that is
// migrated once, and removes it when the test ends. The Postgres server is the
// one that COAGENT_TEST_POSTGRES names by a superuser's URL (`make test` sets
// it by way of withpg); without it the test process starts a throw-away server
// of its own. Without Postgres the tests that need it are skipped, under CI
// they fail. COAGENT_TEST_DATABASE names one of the two, "sqlite" or "postgres",
// for a run that leaves the other to another run.
//
// It imports store and jobs, so their tests are external packages (store_test).
package storetest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest/postgres"
)

// DatabaseEnv is the variable with the only database to test on.
const DatabaseEnv = "COAGENT_TEST_DATABASE"

// Each runs test as one parallel subtest per database, "sqlite" and
// "postgres", each on a fresh migrated database that is closed at the end.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	EachURL(t, func(t *testing.T, url string) {
		test(t, Open(t, store.Options{URL: url}))
	})
}

// EachURL is Each for tests that open the database themselves, or start a
// process that does.
func EachURL(t *testing.T, test func(t *testing.T, url string)) {
	t.Helper()
	only := os.Getenv(DatabaseEnv)
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": SQLite, "postgres": Postgres} {
		if only != "" && only != name {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, fresh(t))
		})
	}
}

// Open opens a database and closes it when the test ends.
func Open(tb testing.TB, o store.Options) *store.DB {
	tb.Helper()
	db, err := store.Open(tb.Context(), o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Errorf("close the database: %v", err)
		}
	})
	return db
}

// SQLite returns the URL of a fresh migrated database file in the test's
// temporary folder.
func SQLite(tb testing.TB) string {
	tb.Helper()
	template, err := sqliteTemplate()
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.TempDir(), "coagent.db")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		tb.Fatal(err)
	}
	return "sqlite:" + path
}

// sqliteTemplate migrates one file and keeps its bytes for this process.
var sqliteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "coagent-sqlite-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	if err := migrate(context.Background(), "sqlite:"+path); err != nil {
		return nil, err
	}
	// The last connection has moved the log into the file when it closed.
	if _, err := os.Stat(path + "-wal"); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("the template still has a write-ahead log: %w", err)
	}
	return os.ReadFile(path)
})

// migrate brings the database at url to the current schema, as `coagent
// migrate up` does.
func migrate(ctx context.Context, url string) (err error) {
	db, err := store.Open(ctx, store.Options{URL: url, Pool: 4})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.WithMigrationLock(ctx, func(db *store.DB) error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		return jobs.Migrate(ctx, db, slog.New(slog.DiscardHandler))
	})
}

// StartPostgres starts a separate server for tests that stop, kill or freeze it, and
// closes it when the test ends.
func StartPostgres(tb testing.TB, o postgres.Options) *postgres.Server {
	tb.Helper()
	s, err := postgres.Start(tb.Context(), o)
	needPostgres(tb, err)
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("close Postgres: %v", err)
		}
	})
	return s
}

// needPostgres ends a test that cannot have its server. It skips the test on a machine
// without Postgres. Under CI, or for any other reason, it fails the test.
func needPostgres(tb testing.TB, err error) {
	tb.Helper()
	switch {
	case err == nil:
	case errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CI") != "true":
		tb.Skipf("SKIPPED (no Postgres): %v", err)
	default:
		tb.Fatal(err)
	}
}
