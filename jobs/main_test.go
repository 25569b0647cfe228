package jobs_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// patience is how long a test waits for what must come.
const patience = 30 * time.Second

var errWork = errors.New("the work failed")

// bench is a queue with workers whose handlers tell the test what they do.
type bench struct {
	*testing.T
	db      *store.DB
	queue   *jobs.Queue
	workers *jobs.Workers
	ran     chan string // the room or turn of each run
	// work, unless nil, is what a look at a room does.
	work func(ctx context.Context, roomID string) error
	fate jobs.FailureOutcome
}

// each gives test a bench on each database; prepare is called before the start.
func each(t *testing.T, prepare func(*bench), test func(*bench)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		if prepare != nil {
			prepare(b)
		}
		if err := b.workers.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
			defer cancel()
			if err := b.workers.Stop(ctx, time.Millisecond); err != nil {
				t.Errorf("stop: %v", err)
			}
		})
		test(b)
	})
}

func newBench(t *testing.T, db *store.DB) *bench {
	t.Helper()
	b := &bench{T: t, db: db, ran: make(chan string, 100)}
	b.queue, b.workers = newWorkers(t, db, jobs.Work{
		Handlers: jobs.Handlers{
			DecideInRoom: func(ctx context.Context, a jobs.DecideInRoom) error {
				b.ran <- a.RoomID
				if b.work != nil {
					return b.work(ctx, a.RoomID)
				}
				return nil
			},
			RunTurn: func(_ context.Context, a jobs.RunTurn) error {
				b.ran <- a.TurnID
				return nil
			},
			CopyCourse: func(context.Context, jobs.CopyCourse) error { return nil },
			RotateKeys: func(context.Context, jobs.RotateKeys) error { return nil },
			MakeBackup: func(context.Context, jobs.MakeBackup) error { return nil },
			BackUp:     func(context.Context, jobs.BackUp) error { return nil },
			RunReport:  func(context.Context, jobs.RunReport) error { return nil },
			Prune: func(context.Context, jobs.Prune) error {
				b.ran <- "prune"
				return nil
			},
			OnFailure: func(err error) jobs.FailureOutcome {
				if !errors.Is(err, errWork) {
					t.Errorf("asked for the fate of %v", err)
				}
				return b.fate
			},
		},
		QuickWorkers: 4, TurnWorkers: 2,
	})
	return b
}

// newWorkers makes a queue and the workers of its jobs.
func newWorkers(t *testing.T, db *store.DB, work jobs.Work) (*jobs.Queue, *jobs.Workers) {
	t.Helper()
	work.Log = slog.New(slog.DiscardHandler)
	q, err := jobs.New(db, jobs.Options{Log: work.Log})
	if err != nil {
		t.Fatal(err)
	}
	w, err := jobs.NewWorkers(q, work)
	if err != nil {
		t.Fatal(err)
	}
	return q, w
}

// add commits jobs, and returns what InTx returns.
func (b *bench) add(args ...jobs.Args) error {
	return b.db.InTx(b.Context(), func(tx *store.Tx) error {
		for _, a := range args {
			if err := b.queue.Add(b.Context(), tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bench) mustAdd(args ...jobs.Args) {
	b.Helper()
	if err := b.add(args...); err != nil {
		b.Fatal(err)
	}
}

// next waits for the next run.
func (b *bench) next() string {
	b.Helper()
	return wait(b.T, "a run", b.ran)
}

func (b *bench) wantNext(want string) {
	b.Helper()
	if got := b.next(); got != want {
		b.Errorf("ran %s, want %s", got, want)
	}
}

func wait[T any](t *testing.T, what string, ch <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-ch:
	case <-time.After(patience):
		t.Fatalf("no %s", what)
	}
	return v
}

// row reads one value of the only job's row.
func (b *bench) row(column string) (value string) {
	b.Helper()
	if err := b.sql().QueryRowContext(b.Context(), "SELECT CAST("+column+" AS TEXT) FROM river_job").Scan(&value); err != nil {
		b.Fatal(err)
	}
	return value
}

// newest is the id of the newest job.
func (b *bench) newest() (id string) {
	b.Helper()
	if err := b.sql().QueryRowContext(b.Context(), "SELECT CAST(max(id) AS TEXT) FROM river_job").Scan(&id); err != nil {
		b.Fatal(err)
	}
	return id
}

// waitRow waits until the only job's row says so.
func (b *bench) waitRow(column, want string) {
	b.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); ; <-tick.C {
		got := b.row(column)
		if got == want {
			return
		}
		if time.Now().After(deadline) {
			b.Fatalf("%s: got %s, want %s", column, got, want)
		}
	}
}

func (b *bench) sql() *sql.DB {
	if !b.db.Postgres() {
		return b.db.Writer()
	}
	db := stdlib.OpenDBFromPool(b.db.Pool())
	db.SetMaxIdleConns(0)
	b.Cleanup(func() { _ = db.Close() })
	return db
}
