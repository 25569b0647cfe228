package storetest_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/store/storetest/postgres"
)

func TestEach(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if got, want := db.Postgres(), strings.HasSuffix(t.Name(), "/postgres"); got != want {
			t.Errorf("Postgres: got %v, want %v", got, want)
		}
		if err := db.CheckSchema(t.Context()); err != nil {
			t.Errorf("our schema: %v", err)
		}
		if err := jobs.CheckSchema(t.Context(), db); err != nil {
			t.Errorf("the queue's schema: %v", err)
		}
	})
}

func TestEachCallIsAFreshDatabase(t *testing.T) {
	t.Parallel()
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": storetest.SQLite, "postgres": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if first, second := fresh(t), fresh(t); first == second {
				t.Errorf("both are %s", first)
			}
		})
	}
}

func TestStartPostgres(t *testing.T) {
	t.Parallel()
	s := storetest.StartPostgres(t, postgres.Options{})
	url, err := s.CreateDatabase(t.Context(), "coagent")
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t, store.Options{URL: url})
	if err := s.Restart(t.Context(), postgres.Fast); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(t.Context()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

func BenchmarkPostgres(b *testing.B) {
	for b.Loop() {
		storetest.Postgres(b)
	}
}

func BenchmarkSQLite(b *testing.B) {
	for b.Loop() {
		storetest.SQLite(b)
	}
}
