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
	Waited  time.Duration     // since it was due
	Carried map[string]string // what Options.Carry gave where it was added
}

// metadataKey is where Carried stands in the metadata of a job, which River
// uses too.
const metadataKey = "coagent"

func metadataOf(carried map[string]string) ([]byte, error) {
	if len(carried) == 0 {
		return nil, nil
	}
	return json.Marshal(map[string]any{metadataKey: carried})
}

// carriedBy reads back what metadataOf wrote; a job of an older version, or
// one that was added by hand, carries nothing.
func carriedBy(metadata []byte) map[string]string {
	var m map[string]json.RawMessage
	var carried map[string]string
	if json.Unmarshal(metadata, &m) == nil && m[metadataKey] != nil && json.Unmarshal(m[metadataKey], &carried) != nil {
		return nil
	}
	return carried
}

// begin tells Options.Begin; the end must be called even after a panic.
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

// Ages is how long the next job of each queue has been due; zero where none
// waits.
func Ages(ctx context.Context, db *store.DB, now time.Time) (map[string]time.Duration, error) {
	return db.QueueAges(ctx, now, queueQuick, queueTurns)
}
