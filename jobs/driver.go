package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/rivertype"
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
		defer e.wake.notified()
		return e.Executor.NotifyMany(ctx, p)
	}
	e.wake.add(queuesOf(p.Payload)...)
	return nil
}

// JobSetStateIfRunningMany stores what became of jobs. Some are to run again soon.
func (e *quietExecutor) JobSetStateIfRunningMany(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	rows, err := e.Executor.JobSetStateIfRunningMany(ctx, p)
	for _, at := range soon(rows) {
		e.wake.at(at)
	}
	return rows, err
}

// quietTx wakes queues after its commit.
type quietTx struct {
	riverdriver.ExecutorTx
	wake     *wake
	outer    *quietTx // the transaction that this one is inside of, if it is River's
	queues   []string
	times    []time.Time
	notified bool
}

// Begin begins a transaction inside this one.
func (t *quietTx) Begin(ctx context.Context) (riverdriver.ExecutorTx, error) {
	tx, err := t.ExecutorTx.Begin(ctx)
	if err != nil {
		return nil, err
	}
	return &quietTx{ExecutorTx: tx, wake: t.wake, outer: t}, nil
}

// NotifyMany sends notifications, except of new jobs.
func (t *quietTx) NotifyMany(ctx context.Context, p *riverdriver.NotifyManyParams) error {
	if p.Topic != topicInsert {
		t.notified = true
		return t.ExecutorTx.NotifyMany(ctx, p)
	}
	t.queues = append(t.queues, queuesOf(p.Payload)...)
	return nil
}

// JobSchedule makes jobs available whose time is near.
func (t *quietTx) JobSchedule(ctx context.Context, p *riverdriver.JobScheduleParams) ([]*riverdriver.JobScheduleResult, error) {
	all, err := t.ExecutorTx.JobSchedule(ctx, p)
	for _, r := range all {
		t.times = append(t.times, r.Job.ScheduledAt)
	}
	return all, err
}

// JobSetStateIfRunningMany stores what became of jobs. Some are to run again soon.
func (t *quietTx) JobSetStateIfRunningMany(ctx context.Context, p *riverdriver.JobSetStateIfRunningManyParams) ([]*rivertype.JobRow, error) {
	rows, err := t.ExecutorTx.JobSetStateIfRunningMany(ctx, p)
	t.times = append(t.times, soon(rows)...)
	return rows, err
}

// Commit commits and wakes the queues. What a transaction inside another one has done
// counts when the outer one commits.
func (t *quietTx) Commit(ctx context.Context) error {
	if err := t.ExecutorTx.Commit(ctx); err != nil {
		return err
	}
	if o := t.outer; o != nil {
		o.queues, o.times, o.notified = append(o.queues, t.queues...), append(o.times, t.times...), o.notified || t.notified
		return nil
	}
	t.wake.add(t.queues...)
	for _, at := range t.times {
		t.wake.at(at)
	}
	if t.notified {
		t.wake.notified()
	}
	return nil
}

// soon are the times of the jobs that may begin at a time that is near. River's scheduler
// takes care of the others.
func soon(rows []*rivertype.JobRow) (times []time.Time) {
	for _, j := range rows {
		if j.State == rivertype.JobStateAvailable {
			times = append(times, j.ScheduledAt)
		}
	}
	return times
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
