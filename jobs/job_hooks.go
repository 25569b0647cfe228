package jobs

import (
	"context"
	"encoding/json"
	"time"

	"github.com/riverqueue/river"

	"github.com/coagent-studio/coagent/store"
)

// Outcome is how one run of a job ended.
type Outcome string

// The outcomes of a run.
const (
	Done      Outcome = "done"
	Failed    Outcome = "failed"    // it will run again
	Snoozed   Outcome = "snoozed"   // it will run again, and this run does not count
	Cancelled Outcome = "cancelled" // it can never succeed
	Discarded Outcome = "discarded" // it failed once too often
)

// Begun is a job whose run begins.
type Begun struct {
	ID      int64
	Kind    string
	Queue   string
	Attempt int
	Waited  time.Duration     // how long it waited after it was due
	Carried map[string]string // what Options.Carry returned when the job was added
}

// metadataKey is the key of Carried in a job's metadata. River uses the metadata too.
const metadataKey = "coagent"

func metadataOf(carried map[string]string) ([]byte, error) {
	if len(carried) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]any{metadataKey: carried})
}

// carriedBy reads what metadataOf wrote. A job of an older version, or one that was added
// by hand, carries nothing.
func carriedBy(metadata []byte) map[string]string {
	var m map[string]json.RawMessage
	var carried map[string]string
	if json.Unmarshal(metadata, &m) == nil && m[metadataKey] != nil && json.Unmarshal(m[metadataKey], &carried) != nil {
		return nil
	}
	return carried
}

// begin calls Work.Begin. The caller must call the returned function even after a
// panic.
func (w *worker[T]) begin(ctx context.Context, j *river.Job[T]) (context.Context, func(Outcome, error)) {
	if w.watch == nil {
		return ctx, func(Outcome, error) {}
	}
	b := Begun{ID: j.ID, Kind: j.Kind, Queue: j.Queue, Attempt: j.Attempt, Carried: carriedBy(j.Metadata)}
	if j.AttemptedAt != nil {
		b.Waited = max(j.AttemptedAt.Sub(j.ScheduledAt), 0)
	}
	return w.watch(ctx, b)
}

// Ages returns, by queue, for how long the next job has been due; zero where no job
// waits.
func Ages(ctx context.Context, db *store.DB, now time.Time) (map[string]time.Duration, error) {
	return db.QueueAges(ctx, now, queueQuick, queueTurns)
}
