package jobs

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"

	"github.com/coagent-studio/coagent/store"
)

// Queue adds jobs.
type Queue struct {
	client
	db    *store.DB
	wake  *wake
	carry func(context.Context) map[string]string
}

// Options configure a Queue. Carry returns what a job that is added in ctx carries: ids,
// never content. It may be nil.
type Options struct {
	Log   *slog.Logger
	Carry func(ctx context.Context) map[string]string
}

// New makes the queue of a database.
func New(db *store.DB, o Options) (*Queue, error) {
	q := &Queue{db: db, wake: newWake(db.NotifyQueue), carry: o.Carry}
	var err error
	q.client, err = newClient(db, q.wake, &river.Config{Logger: o.Log})
	if err != nil {
		return nil, err
	}
	return q, nil
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
	tx.AfterCommit(func() { q.wake.add(args.InsertOpts().Queue) })
	return nil
}

// AddRuns is Add for several turns that begin together, with one statement.
func (q *Queue) AddRuns(ctx context.Context, tx *store.Tx, runs []RunTurn) error {
	if len(runs) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(runs))
	for i, r := range runs {
		params[i] = river.InsertManyParams{Args: r}
	}
	err := tx.Pinned(func() error {
		if q.pg != nil {
			_, err := q.pg.InsertManyTx(ctx, tx.PG, params)
			return err
		}
		_, err := q.lite.InsertManyTx(ctx, tx.Lite, params)
		return err
	})
	if err != nil {
		return fmt.Errorf("add %d jobs %s: %w", len(runs), runs[0].Kind(), err)
	}
	tx.AfterCommit(func() { q.wake.add(queueTurns) })
	return nil
}

// Queues are the names of the queues.
func Queues() []string { return []string{queueQuick, queueTurns} }

// Wake makes the workers of this process look for new jobs in queues, which other
// processes have added.
func (q *Queue) Wake(queues ...string) { q.wake.fill(queues...) }
