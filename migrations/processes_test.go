package migrations_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestTwoProcessesAtOnce(t *testing.T) {
	t.Parallel()
	for name, steps := range map[string]int{"empty": 0, "before v0.1.0": len(stepsBefore(t))} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, url string) {
				db := storetest.Open(t, store.Options{URL: url})
				if steps > 0 {
					before(t, db, steps)
				}
				a, readyA := process(t, url)
				b, readyB := process(t, url)
				readyA()
				readyB()
				mustBe(t, "the one", a.Wait(), nil)
				mustBe(t, "the other", b.Wait(), nil)
				mustBe(t, "our schema", db.CheckSchema(t.Context()), nil)
				mustBe(t, "the queue's", jobs.CheckSchema(t.Context(), db), nil)
				wantMigrations(t, db, true)
			})
		})
	}
}

func TestMigrationLock(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, url string) {
		var inside, turns atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			db := storetest.Open(t, store.Options{URL: url})
			wg.Go(func() {
				err := db.WithMigrationLock(t.Context(), func(db *store.DB) error {
					if inside.Add(1) > 1 {
						t.Error("two hold the lock")
					}
					defer inside.Add(-1)
					turns.Add(1)
					return db.Migrate(t.Context())
				})
				mustBe(t, "migrate", err, nil)
			})
		}
		wg.Wait()
		if got := turns.Load(); got != 4 {
			t.Errorf("%d had the lock, want 4", got)
		}

		// A waiter goes when its context ends; an error gives the lock back.
		one, other := storetest.Open(t, store.Options{URL: url}), storetest.Open(t, store.Options{URL: url})
		err := one.WithMigrationLock(t.Context(), func(*store.DB) error {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := other.WithMigrationLock(ctx, func(*store.DB) error { return nil }); err == nil {
				t.Error("two hold the lock")
			}
			return context.Canceled
		})
		mustBe(t, "the function's error", err, context.Canceled)
		mustBe(t, "the next", other.WithMigrationLock(t.Context(), func(*store.DB) error { return nil }), nil)
	})
}

// Postgres finishes the statement of a process that died. The next one waits for that.
func TestStatementOutlivesItsProcess(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.Open(t, store.Options{URL: emptyPostgres(t)}), t.Context()
	err := db.WithMigrationLock(ctx, func(one *store.DB) error {
		conn, err := one.Pool().Acquire(ctx)
		mustBe(t, "acquire the session", err, nil)
		// Taken out of pgx, which would cancel the statement when its socket closes.
		raw, err := conn.Hijack().PgConn().Hijack()
		mustBe(t, "take the session", err, nil)
		raw.Frontend.SendQuery(&pgproto3.Query{String: "DO $$ BEGIN PERFORM pg_sleep(0.5); CREATE TABLE left_behind (id INT); END $$"})
		mustBe(t, "send a statement", raw.Frontend.Flush(), nil)
		for n, deadline := 0, time.Now().Add(time.Minute); n == 0; time.Sleep(5 * time.Millisecond) {
			mustBe(t, "look", db.Pool().QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'PgSleep'", raw.PID).Scan(&n), nil)
			if time.Now().After(deadline) {
				t.Fatal("the statement does not run")
			}
		}
		// The kernel does this for a process that dies.
		return raw.Conn.Close()
	})
	mustBe(t, "the one that dies", err, nil)
	err = db.WithMigrationLock(ctx, func(next *store.DB) error {
		var done bool
		mustBe(t, "look", next.Pool().QueryRow(ctx, "SELECT to_regclass('left_behind') IS NOT NULL").Scan(&done), nil)
		if !done {
			t.Error("the next began beside the statement")
		}
		return nil
	})
	mustBe(t, "the next", err, nil)
}

// What loses its session, and with it the lock, changes nothing in another one.
func TestMigrationLosesItsSession(t *testing.T) {
	t.Parallel()
	db, ctx := storetest.Open(t, store.Options{URL: emptyPostgres(t)}), t.Context()
	err := db.WithMigrationLock(ctx, func(one *store.DB) error {
		var pid int
		mustBe(t, "read the session", one.Pool().QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid), nil)
		_, err := db.Pool().Exec(ctx, "SELECT pg_terminate_backend($1)", pid)
		mustBe(t, "end the session", err, nil)
		for range 3 {
			if err := one.Migrate(ctx); err == nil {
				t.Error("the work goes on without the lock")
			}
		}
		return nil
	})
	mustBe(t, "the lock", err, nil)
	mustBe(t, "the schema", db.CheckSchema(ctx), store.ErrSchemaOld)
}

// Killed at any moment of a migration, the next start finds a schema that it
// can bring to the latest.
func TestKilledInTheMiddle(t *testing.T) {
	t.Parallel()
	for name, empty := range map[string]func(*testing.T) string{"sqlite": emptySQLite, "postgres": emptyPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			full := killed(t, empty(t), time.Hour)
			halfway := 0
			// A machine that got faster meanwhile may need more tries to be hit.
			for round := 0; round < 10 || halfway == 0 && round < 50; round++ {
				url := empty(t)
				killed(t, url, rand.N(full))
				db := storetest.Open(t, store.Options{URL: url})
				ctx := t.Context()
				if err := db.CheckSchema(ctx); err != nil {
					mustBe(t, "the schema after the kill", err, store.ErrSchemaOld)
				}
				if jobs.CheckSchema(ctx, db) != nil {
					halfway++
				}
				mustBe(t, "migrate", migrate(ctx, db), nil)
				mustBe(t, "our schema", db.CheckSchema(ctx), nil)
				mustBe(t, "the queue's", jobs.CheckSchema(ctx, db), nil)
				wantMigrations(t, db, true)
			}
			if halfway == 0 {
				t.Error("every kill came too late")
			}
		})
	}
}

// killed lets a process migrate for a while, kills it, and returns how long it
// lived from its first step on.
func killed(t *testing.T, url string, after time.Duration) time.Duration {
	t.Helper()
	cmd, ready := process(t, url)
	ready()
	begun := time.Now()
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		mustBe(t, "a process that was left alone", err, nil)
	case <-time.After(after):
		_ = cmd.Process.Kill() // it may have ended just now
		<-ended
	}
	return time.Since(begun)
}
