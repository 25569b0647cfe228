// Package jobs names every background job and runs them with River, on Postgres and on
// SQLite. It is the only package that imports River. Of our packages it imports only
// store.
//
// # Invariants
//
//   - A job is added in the transaction of the change that needs it.
//   - Its arguments are ids, never content.
//   - Every handler loads fresh rows and is safe to run twice.
//
// River notices a dead worker only after minutes. Work that must go on sooner (turns,
// decisions, reports) has a lease or a due time in its own row, and a sweep adds a fresh
// job when that time has passed.
package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/coagent-studio/coagent/store"
)

// Handlers has one function for each job. New refuses a nil one.
type Handlers struct {
	DecideInRoom func(context.Context, DecideInRoom) error
	RunTurn      func(context.Context, RunTurn) error
	RunReport    func(context.Context, RunReport) error
	Prune        func(context.Context, Prune) error
	// OnFailure decides what happens to a job that failed with err.
	OnFailure func(err error) FailureOutcome
}

// FailureOutcome says what happens to a failed job. The zero value retries it with
// backoff.
type FailureOutcome struct {
	Cancel bool          // it can never succeed
	Snooze time.Duration // run again after this long, without counting an attempt
}

// Options configure the queue. With nil Handlers the queue only adds jobs and runs none.
type Options struct {
	Handlers     *Handlers
	QuickWorkers int
	TurnWorkers  int
	PruneEvery   time.Duration // how often the queue adds a Prune, one for all nodes; 0 = never
	Log          *slog.Logger

	// Carry returns what a job that is added in ctx carries: ids, never content. Begin is
	// called before each run. It returns the context of the run and a function that is
	// called with its outcome. Either may be nil.
	Carry func(ctx context.Context) map[string]string
	Begin func(ctx context.Context, j Begun) (context.Context, func(Outcome, error))
}

// Queue adds jobs. When it has handlers, it runs them too.
type Queue struct {
	pg   *river.Client[pgx.Tx]
	lite *river.Client[*sql.Tx]
	wake *wake // SQLite: the queues that commits have just added to

	carry func(context.Context) map[string]string
}

type worker[T river.JobArgs] struct {
	river.WorkerDefaults[T]
	run       func(context.Context, T) error
	onFailure func(error) FailureOutcome
	watch     func(context.Context, Begun) (context.Context, func(Outcome, error))
	timeout   time.Duration
}

// Work runs the handler and translates its error for River.
func (w *worker[T]) Work(ctx context.Context, j *river.Job[T]) error {
	outcome, err := Failed, errPanic
	if j.Attempt >= j.MaxAttempts {
		outcome = Discarded
	}
	ctx, end := w.begin(ctx, j)
	defer func() { end(outcome, err) }()
	if err = w.run(ctx, j.Args); err == nil {
		outcome = Done
		return nil
	}
	switch f := w.onFailure(err); {
	case f.Cancel:
		outcome = Cancelled
		return river.JobCancel(err)
	case f.Snooze > 0:
		outcome = Snoozed
		return river.JobSnooze(f.Snooze)
	}
	return err
}

// errPanic is the reported error of a handler that panicked. River recovers from the
// panic itself.
var errPanic = errors.New("the handler panicked")

// Timeout bounds one run of the handler.
func (w *worker[T]) Timeout(*river.Job[T]) time.Duration { return w.timeout }

func add[T river.JobArgs](ws *river.Workers, o Options, timeout time.Duration, run func(context.Context, T) error) error {
	if run == nil {
		var a T
		return fmt.Errorf("jobs: no handler for %s", a.Kind())
	}
	return river.AddWorkerSafely(ws, &worker[T]{run: run, onFailure: o.Handlers.OnFailure, watch: o.Begin, timeout: timeout})
}

// New makes the queue on the database's own connections. It starts nothing.
func New(db *store.DB, o Options) (*Queue, error) {
	// Set both cooldowns: the client's one also limits how often it tells the other nodes
	// of new jobs. With River's defaults a job starts 100 ms late.
	const cooldown = 5 * time.Millisecond
	cfg := &river.Config{
		Logger: o.Log, FetchCooldown: cooldown, FetchPollInterval: time.Second,
		RescueStuckJobsAfter: turnTimeout + time.Minute, JobTimeout: time.Minute,
		CompletedJobRetentionPeriod: time.Hour,
	}
	if h := o.Handlers; h != nil {
		if h.OnFailure == nil {
			return nil, errors.New("jobs: no OnFailure")
		}
		ws := river.NewWorkers()
		if err := errors.Join(
			add(ws, o, decideTimeout, h.DecideInRoom),
			add(ws, o, turnTimeout, h.RunTurn),
			add(ws, o, reportTimeout, h.RunReport),
			add(ws, o, pruneTimeout, h.Prune),
		); err != nil {
			return nil, err
		}
		cfg.Workers = ws
		if o.PruneEvery > 0 {
			cfg.PeriodicJobs = []*river.PeriodicJob{pruneEvery(o.PruneEvery)}
		}
		cfg.Queues = map[string]river.QueueConfig{
			queueQuick: {MaxWorkers: o.QuickWorkers, FetchCooldown: cooldown, FetchPollInterval: time.Second},
			queueTurns: {MaxWorkers: o.TurnWorkers, FetchCooldown: cooldown, FetchPollInterval: time.Second},
		}
	}
	q := &Queue{carry: o.Carry}
	var err error
	if db.Postgres() {
		q.pg, err = river.NewClient(&listenDriver{riverpgxv5.New(db.Pool()), riverpgxv5.New(db.ListenPool())}, cfg)
	} else {
		q.wake = newWake()
		q.lite, err = river.NewClient(&wakeDriver{riversqlite.New(db.Writer()), q.wake}, cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("job queue: %w", err)
	}
	return q, nil
}

// pruneEvery makes the leading node add a Prune in each period. The period is part of the
// job's unique key, so a change of the leader adds no second one.
func pruneEvery(every time.Duration) *river.PeriodicJob {
	return river.NewPeriodicJob(river.PeriodicInterval(every), func() (river.JobArgs, *river.InsertOpts) {
		opts := Prune{}.InsertOpts()
		opts.UniqueOpts = river.UniqueOpts{ByPeriod: every}
		return Prune{}, &opts
	}, nil)
}

// Args are a job's arguments. The job types of this package implement it.
type Args interface {
	Kind() string
	InsertOpts() river.InsertOpts
}

// Add adds a job in the caller's transaction. The job exists when that commits.
func (q *Queue) Add(ctx context.Context, tx *store.Tx, args Args) error {
	return q.AddAt(ctx, tx, args, time.Time{})
}

// AddAt is Add for a job that must not start before at. It starts up to 5 s later, when
// River next checks for such jobs. A zero or past time means at once.
func (q *Queue) AddAt(ctx context.Context, tx *store.Tx, args Args, at time.Time) error {
	if !at.After(time.Now()) {
		// With a time, even a past one, River would start the job only at its next check.
		at = time.Time{}
	}
	opts := &river.InsertOpts{ScheduledAt: at}
	if q.carry != nil {
		metadata, err := metadataOf(q.carry(ctx))
		if err != nil {
			return fmt.Errorf("add job %s: %w", args.Kind(), err)
		}
		opts.Metadata = metadata
	}
	err := tx.Pinned(func() error {
		if q.pg != nil {
			_, err := q.pg.InsertTx(ctx, tx.PG, args, opts)
			return err
		}
		_, err := q.lite.InsertTx(ctx, tx.Lite, args, opts)
		return err
	})
	if err != nil {
		return fmt.Errorf("add job %s: %w", args.Kind(), err)
	}
	if q.lite != nil {
		tx.AfterCommit(func() { q.wake.add(args.InsertOpts().Queue) })
	}
	return nil
}

// Start begins to run jobs. ctx bounds the start only.
func (q *Queue) Start(ctx context.Context) error {
	// River stops its workers when the context of Start ends. Ours stop with Stop.
	ctx = context.WithoutCancel(ctx)
	if q.pg != nil {
		return q.pg.Start(ctx)
	}
	return q.lite.Start(ctx)
}

// Stop lets running jobs finish for at most soft. Then it cancels them and waits until
// they have ended or ctx ends.
func (q *Queue) Stop(ctx context.Context, soft time.Duration) error {
	stop, cancel := q.stopFuncs()
	sctx, done := context.WithTimeout(ctx, soft)
	defer done()
	if stop(sctx) == nil {
		return nil
	}
	return cancel(ctx)
}

func (q *Queue) stopFuncs() (stop, cancel func(context.Context) error) {
	if q.pg != nil {
		return q.pg.Stop, q.pg.StopAndCancel
	}
	return q.lite.Stop, q.lite.StopAndCancel
}

// Migrate brings River's tables to the version that this program needs. Call it inside
// store.DB.WithMigrationLock, after our own migrations.
func Migrate(ctx context.Context, db *store.DB, log *slog.Logger) error {
	var err error
	if db.Postgres() {
		err = migrateWith(ctx, func() (*rivermigrate.Migrator[pgx.Tx], error) {
			return rivermigrate.New(riverpgxv5.New(db.Pool()), &rivermigrate.Config{Logger: log})
		})
	} else {
		err = migrateWith(ctx, func() (*rivermigrate.Migrator[*sql.Tx], error) {
			return rivermigrate.New(riversqlite.New(db.Writer()), &rivermigrate.Config{Logger: log})
		})
	}
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	return nil
}

func migrateWith[T any](ctx context.Context, open func() (*rivermigrate.Migrator[T], error)) error {
	m, err := open()
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// CheckSchema returns store.ErrSchemaOld when a migration of River's tables is missing.
func CheckSchema(ctx context.Context, db *store.DB) error {
	var ok bool
	if db.Postgres() {
		m, err := rivermigrate.New(riverpgxv5.New(db.Pool()), nil)
		if err != nil {
			return err
		}
		res, err := m.Validate(ctx, nil)
		if err != nil {
			return fmt.Errorf("check the job queue's tables: %w", err)
		}
		ok = res.OK
	} else {
		m, err := rivermigrate.New(riversqlite.New(db.Writer()), nil)
		if err != nil {
			return err
		}
		res, err := m.Validate(ctx, nil)
		if err != nil {
			return fmt.Errorf("check the job queue's tables: %w", err)
		}
		ok = res.OK
	}
	if !ok {
		return store.ErrSchemaOld
	}
	return nil
}
