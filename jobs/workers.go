package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// Handlers has one function for each job. NewWorkers refuses a nil one.
type Handlers struct {
	DecideInRoom func(context.Context, DecideInRoom) error
	RunTurn      func(context.Context, RunTurn) error
	RunReport    func(context.Context, RunReport) error
	CopyCourse   func(context.Context, CopyCourse) error
	RotateKeys   func(context.Context, RotateKeys) error
	MakeBackup   func(context.Context, MakeBackup) error
	BackUp       func(context.Context, BackUp) error
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

// Work is what Workers do, and how much of it at once.
type Work struct {
	Handlers     Handlers
	QuickWorkers int
	TurnWorkers  int
	PruneEvery   time.Duration // how often a Prune is added, one for all nodes; 0 = never
	Log          *slog.Logger

	// Begin is called before each run. It returns the context of the run and a function
	// that is called with its outcome. It may be nil.
	Begin func(ctx context.Context, j Begun) (context.Context, func(Outcome, error))
}

// Workers run the jobs of a queue.
type Workers struct{ client }

// NewWorkers makes workers for the jobs of q. It starts nothing.
func NewWorkers(q *Queue, w Work) (*Workers, error) {
	h := w.Handlers
	if h.OnFailure == nil {
		return nil, errors.New("jobs: no OnFailure")
	}
	ws := river.NewWorkers()
	if err := errors.Join(
		add(ws, w, decideTimeout, h.DecideInRoom),
		add(ws, w, turnTimeout, h.RunTurn),
		add(ws, w, reportTimeout, h.RunReport),
		add(ws, w, copyTimeout, h.CopyCourse),
		add(ws, w, rotateTimeout, h.RotateKeys),
		add(ws, w, backupTimeout, h.MakeBackup),
		add(ws, w, backUpTimeout, h.BackUp),
		add(ws, w, pruneTimeout, h.Prune),
	); err != nil {
		return nil, err
	}
	cfg := &river.Config{
		Logger: w.Log, Workers: ws, JobTimeout: time.Minute,
		RescueStuckJobsAfter: turnTimeout + time.Minute, CompletedJobRetentionPeriod: time.Hour,
		Queues: map[string]river.QueueConfig{
			queueQuick: {MaxWorkers: w.QuickWorkers},
			queueTurns: {MaxWorkers: w.TurnWorkers},
		},
	}
	if w.PruneEvery > 0 {
		cfg.PeriodicJobs = []*river.PeriodicJob{pruneEvery(w.PruneEvery)}
	}
	c, err := newClient(q.db, q.wake, cfg)
	if err != nil {
		return nil, err
	}
	return &Workers{c}, nil
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

func add[T river.JobArgs](ws *river.Workers, w Work, timeout time.Duration, run func(context.Context, T) error) error {
	if run == nil {
		var a T
		return fmt.Errorf("jobs: no handler for %s", a.Kind())
	}
	return river.AddWorkerSafely(ws, &worker[T]{run: run, onFailure: w.Handlers.OnFailure, watch: w.Begin, timeout: timeout})
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

// Start begins to run jobs. ctx bounds the start only.
func (w *Workers) Start(ctx context.Context) error {
	// River stops its workers when the context of Start ends. Ours stop with Stop.
	ctx = context.WithoutCancel(ctx)
	if w.pg != nil {
		return w.pg.Start(ctx)
	}
	return w.lite.Start(ctx)
}

// Stop lets running jobs finish for at most soft. Then it cancels them and waits until
// they have ended or ctx ends.
func (w *Workers) Stop(ctx context.Context, soft time.Duration) error {
	stop, cancel := w.stopFuncs()
	sctx, done := context.WithTimeout(ctx, soft)
	defer done()
	if stop(sctx) == nil {
		return nil
	}
	return cancel(ctx)
}

func (w *Workers) stopFuncs() (stop, cancel func(context.Context) error) {
	if w.pg != nil {
		return w.pg.Stop, w.pg.StopAndCancel
	}
	return w.lite.Stop, w.lite.StopAndCancel
}
