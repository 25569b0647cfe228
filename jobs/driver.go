package jobs

import (
	"context"
	"encoding/json"

	"github.com/riverqueue/river/riverdriver"
)

// topicInsert is the topic of River's notifications that a queue has new jobs.
const topicInsert = "river_insert"

// quietDriver is one of River's drivers without the notifications of new jobs, which River
// sends inside the transactions that add them. It has no option to leave them out. On
// Postgres a transaction with a notification flushes alone to the disk, and on SQLite a
// notification is one more row. What wakes the workers instead is wake. All other
// notifications stay, such as those that pause a queue or cancel a job.
//
// It depends on interfaces that River does not promise to keep, so the version is pinned
// and tests measure the wake.
type quietDriver[T any] struct {
	riverdriver.Driver[T]
	wake   *wake
	listen func(*riverdriver.GetListenenerParams) riverdriver.Listener
}

// GetListener gives River the listener that it waits on.
func (d *quietDriver[T]) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &wakeListener{Listener: d.listen(p), wake: d.wake}
}

// GetExecutor gives River what runs its statements outside our transactions.
func (d *quietDriver[T]) GetExecutor() riverdriver.Executor {
	return &quietExecutor{d.Driver.GetExecutor(), d.wake}
}

// UnwrapExecutor gives River what runs its statements inside one of our transactions.
// Whoever adds jobs in it wakes the queues after the commit.
func (d *quietDriver[T]) UnwrapExecutor(tx T) riverdriver.ExecutorTx {
	return &quietTx{ExecutorTx: d.Driver.UnwrapExecutor(tx), wake: d.wake}
}

// UnwrapTx is the reverse of UnwrapExecutor.
func (d *quietDriver[T]) UnwrapTx(e riverdriver.ExecutorTx) T {
	if q, ok := e.(*quietTx); ok {
		e = q.ExecutorTx
	}
	return d.Driver.UnwrapTx(e)
}

// quietExecutor wakes queues instead of notifying.
type quietExecutor struct {
	riverdriver.Executor
	wake *wake
}

// Begin begins a transaction of River's own.
func (e *quietExecutor) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	tx, err := e.Executor.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &quietTx{ExecutorTx: tx, wake: e.wake}, nil
}

// NotifyMany sends notifications, except of new jobs.
func (e *quietExecutor) NotifyMany(ctx context.Context, p *riverdriver.NotifyManyParams) error {
	if p.Topic != topicInsert {
		return e.Executor.NotifyMany(ctx, p)
	}
	e.wake.add(queuesOf(p.Payload)...)
	return nil
}

// quietTx wakes queues after its commit.
type quietTx struct {
	riverdriver.ExecutorTx
	wake   *wake
	queues []string
}

// Begin begins a transaction inside this one.
func (t *quietTx) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	tx, err := t.ExecutorTx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	// It may wake a queue before the outer commit. Then the workers find nothing yet, and
	// find the job when they next look.
	return &quietTx{ExecutorTx: tx, wake: t.wake}, nil
}

// NotifyMany sends notifications, except of new jobs.
func (t *quietTx) NotifyMany(ctx context.Context, p *riverdriver.NotifyManyParams) error {
	if p.Topic != topicInsert {
		return t.ExecutorTx.NotifyMany(ctx, p)
	}
	t.queues = append(t.queues, queuesOf(p.Payload)...)
	return nil
}

// Commit commits and wakes the queues.
func (t *quietTx) Commit(ctx context.Context) error {
	err := t.ExecutorTx.Commit(ctx)
	if err == nil {
		t.wake.add(t.queues...)
	}
	return err
}

// queuesOf reads the payloads of topicInsert.
func queuesOf(payloads []string) (queues []string) {
	for _, payload := range payloads {
		var p struct {
			Queue string `json:"queue"`
		}
		if json.Unmarshal([]byte(payload), &p) == nil && p.Queue != "" {
			queues = append(queues, p.Queue)
		}
	}
	return queues
}
