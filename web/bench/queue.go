//go:build unix

package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	_ "modernc.org/sqlite" // the "sqlite" driver of database/sql

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

type (
	riverPG   = *river.Client[pgx.Tx]
	riverLite = *river.Client[*sql.Tx]
)

const (
	// cooldown is the value of package jobs, so that the floor is as prompt.
	cooldown     = 5 * time.Millisecond
	queueWorkers = 16
	queueSlice   = 1500 * time.Millisecond // of enqueueing, in a round
	burnJobs     = 2000
)

var quiet = slog.New(slog.DiscardHandler)

// openLite opens a database file with the pragmas of package store and the bare driver.
func openLite(d *database) (*sql.DB, error) {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(d.dir, "coagent.db")+"?_txlock=immediate&_pragma=busy_timeout(10000)"+
		"&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(ON)&_pragma=temp_store(MEMORY)&_pragma=cache_size(-16000)")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// benchQueue compares our queue with bare River, each on its own database, in turn.
func benchQueue(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.enqueue(kind); err != nil {
			return err
		}
		if err := l.burnDown(kind); err != nil {
			return err
		}
	}
	return nil
}

// bareRiver is River on the bare driver.
type bareRiver struct {
	pool *pgxpool.Pool
	lite *sql.DB
	pg   riverPG
	sq   riverLite
}

func newBareRiver(ctx context.Context, d *database, cfg *river.Config) (*bareRiver, error) {
	b := &bareRiver{}
	var err error
	if d.kind == onPostgres {
		if b.pool, err = pgxpool.New(ctx, d.url); err == nil {
			b.pg, err = river.NewClient(riverpgxv5.New(b.pool), cfg)
		}
		return b, err
	}
	if b.lite, err = openLite(d); err == nil {
		b.sq, err = river.NewClient(riversqlite.New(b.lite), cfg)
	}
	return b, err
}

func (b *bareRiver) close() error {
	if b.pool != nil {
		b.pool.Close()
		return nil
	}
	return b.lite.Close()
}

// add commits one job in its own transaction.
func (b *bareRiver) add(ctx context.Context, job jobs.DecideInRoom) error {
	if b.pool != nil {
		tx, err := b.pool.Begin(ctx)
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback(ctx) }()
		if _, err := b.pg.InsertTx(ctx, tx, job, nil); err != nil {
			return err
		}
		return tx.Commit(ctx)
	}
	tx, err := b.lite.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := b.sq.InsertTx(ctx, tx, job, nil); err != nil {
		return err
	}
	return tx.Commit()
}

func (b *bareRiver) fill(ctx context.Context, n int) error {
	params := make([]river.InsertManyParams, n)
	for i := range params {
		params[i].Args = jobs.DecideInRoom{RoomID: store.NewID()}
	}
	var err error
	if b.pool != nil {
		_, err = b.pg.InsertMany(ctx, params)
	} else {
		_, err = b.sq.InsertMany(ctx, params)
	}
	return err
}

func (l *lab) enqueue(kind string) error {
	theirs, err := l.database(kind)
	if err != nil {
		return err
	}
	db, err := l.database(kind)
	if err != nil {
		return err
	}
	bare, err := newBareRiver(l.ctx, theirs, &river.Config{Logger: quiet, FetchCooldown: cooldown})
	if err != nil {
		return err
	}
	f := &figure{name: "enqueue in a transaction", db: kind, unit: "jobs/s", aim: aim{ratioAtLeast, 0.85}}
	err = db.with(l.ctx, func(s *store.DB) error {
		q, err := jobs.New(s, jobs.Options{Log: quiet})
		if err != nil {
			return err
		}
		for range l.rounds {
			got, cpu, err := l.rate(func(ctx context.Context) error {
				return s.InTx(ctx, func(tx *store.Tx) error { return q.Add(ctx, tx, jobs.DecideInRoom{RoomID: store.NewID()}) })
			})
			if err != nil {
				return err
			}
			floor, floorCPU, err := l.rate(func(ctx context.Context) error { return bare.add(ctx, jobs.DecideInRoom{RoomID: store.NewID()}) })
			if err != nil {
				return err
			}
			f.got, f.floor = append(f.got, got), append(f.floor, floor)
			f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
		}
		return nil
	})
	l.table.add(f)
	return errors.Join(err, bare.close())
}

// rate runs fn on four goroutines for a while. It returns how often fn ran per second,
// and this process's CPU for one run.
func (l *lab) rate(fn func(context.Context) error) (perSecond float64, cpu time.Duration, err error) {
	var n atomic.Int64
	var failed atomic.Pointer[error]
	var all sync.WaitGroup
	start, used := time.Now(), ownCPU()
	for range 4 {
		all.Go(func() {
			for time.Since(start) < queueSlice && failed.Load() == nil {
				if err := fn(l.ctx); err != nil {
					failed.Store(&err)
					return
				}
				n.Add(1)
			}
		})
	}
	all.Wait()
	if e := failed.Load(); e != nil {
		return 0, 0, *e
	}
	return float64(n.Load()) / time.Since(start).Seconds(), (ownCPU() - used) / time.Duration(n.Load()), nil
}

// countdown ends when n jobs have run.
type countdown struct {
	left atomic.Int64
	done chan struct{}
}

func newCountdown(n int) *countdown {
	c := &countdown{done: make(chan struct{})}
	c.left.Store(int64(n))
	return c
}

func (c *countdown) ran() error {
	if c.left.Add(-1) == 0 {
		close(c.done)
	}
	return nil
}

type bareWorker struct {
	river.WorkerDefaults[jobs.DecideInRoom]
	count *countdown
}

// Work only counts.
func (w *bareWorker) Work(context.Context, *river.Job[jobs.DecideInRoom]) error { return w.count.ran() }

// burnDown runs all jobs of a full queue. It measures from the start of the workers until
// the last job's outcome is stored.
func (l *lab) burnDown(kind string) error {
	f := &figure{name: fmt.Sprintf("burn-down of %d jobs", burnJobs), db: kind, unit: "jobs/s", aim: aim{ratioAtLeast, 0.9}}
	for range l.rounds {
		got, cpu, err := l.burnOurs(kind)
		if err != nil {
			return err
		}
		floor, floorCPU, err := l.burnBare(kind)
		if err != nil {
			return err
		}
		f.got, f.floor = append(f.got, got), append(f.floor, floor)
		f.cpu, f.floorCPU = append(f.cpu, cpu), append(f.floorCPU, floorCPU)
	}
	l.table.add(f)
	return nil
}

// filled makes a fresh database with a full queue.
func (l *lab) filled(kind string) (*database, error) {
	d, err := l.database(kind)
	if err != nil {
		return nil, err
	}
	b, err := newBareRiver(l.ctx, d, &river.Config{Logger: quiet})
	if err != nil {
		return nil, err
	}
	return d, errors.Join(b.fill(l.ctx, burnJobs), b.close())
}

func (l *lab) burnOurs(kind string) (perSecond float64, cpu time.Duration, err error) {
	d, err := l.filled(kind)
	if err != nil {
		return 0, 0, err
	}
	count := newCountdown(burnJobs)
	err = d.with(l.ctx, func(s *store.DB) error {
		q, err := jobs.New(s, jobs.Options{Log: quiet})
		if err != nil {
			return err
		}
		w, err := jobs.NewWorkers(q, jobs.Work{Log: quiet, QuickWorkers: queueWorkers, TurnWorkers: 64, Handlers: jobs.Handlers{
			DecideInRoom: func(context.Context, jobs.DecideInRoom) error { return count.ran() },
			RunTurn:      func(context.Context, jobs.RunTurn) error { return nil },
			RunReport:    func(context.Context, jobs.RunReport) error { return nil },
			CopyCourse:   func(context.Context, jobs.CopyCourse) error { return nil },
			Prune:        func(context.Context, jobs.Prune) error { return nil },
			OnFailure:    func(error) jobs.FailureOutcome { return jobs.FailureOutcome{} },
		}})
		if err != nil {
			return err
		}
		perSecond, cpu, err = l.burn(count, func() error { return w.Start(l.ctx) },
			func(ctx context.Context) error { return w.Stop(ctx, 10*time.Second) })
		return err
	})
	return perSecond, cpu, err
}

func (l *lab) burnBare(kind string) (perSecond float64, cpu time.Duration, err error) {
	d, err := l.filled(kind)
	if err != nil {
		return 0, 0, err
	}
	count, workers := newCountdown(burnJobs), river.NewWorkers()
	river.AddWorker(workers, &bareWorker{count: count})
	queue := jobs.DecideInRoom{}.InsertOpts().Queue
	b, err := newBareRiver(l.ctx, d, &river.Config{Logger: quiet, Workers: workers, FetchCooldown: cooldown,
		Queues: map[string]river.QueueConfig{queue: {MaxWorkers: queueWorkers, FetchCooldown: cooldown}}})
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, b.close()) }()
	if b.pg != nil {
		return l.burn(count, func() error { return b.pg.Start(l.ctx) }, b.pg.Stop)
	}
	return l.burn(count, func() error { return b.sq.Start(l.ctx) }, b.sq.Stop)
}

func (l *lab) burn(count *countdown, start func() error, stop func(context.Context) error) (perSecond float64, cpu time.Duration, err error) {
	began, used := time.Now(), ownCPU()
	if err := start(); err != nil {
		return 0, 0, err
	}
	select {
	case <-count.done:
	case <-time.After(time.Minute):
		err = fmt.Errorf("%d jobs were left after a minute", count.left.Load())
	}
	err = errors.Join(err, stop(l.ctx))
	return burnJobs / time.Since(began).Seconds(), (ownCPU() - used) / burnJobs, err
}
