package jobs

import (
	"time"

	"github.com/riverqueue/river"
)

// The queues: model calls wait for strangers, so they never share workers
// with the quick work.
const (
	queueQuick = "quick"
	queueTurns = "turns"
)

// DecideInRoom asks who of a room's agents should speak, after a new line.
type DecideInRoom struct {
	RoomID string `json:"room_id"`
}

// Kind is the job's name in the database; it never changes.
func (DecideInRoom) Kind() string { return "look_at_room" }

// InsertOpts are the queue and the limits of the job.
func (DecideInRoom) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 5}
}

const decideTimeout = 20 * time.Second

// RunTurn lets one agent speak. Attempt is the fence: a job for an attempt
// that is over does nothing.
type RunTurn struct {
	TurnID  string `json:"turn_id"`
	Attempt int    `json:"attempt"`
}

// Kind is the job's name in the database; it never changes.
func (RunTurn) Kind() string { return "run_turn" }

// InsertOpts are the queue and the limits of the job.
func (RunTurn) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueTurns, MaxAttempts: 3}
}

// turnTimeout is above the longest turns.max_duration; the turn ends itself
// earlier and says why.
const turnTimeout = 65 * time.Minute

// RunReport writes a report about a course. Attempt is the fence, as in RunTurn.
type RunReport struct {
	ReportID string `json:"report_id"`
	Attempt  int    `json:"attempt"`
}

// Kind is the job's name in the database; it never changes.
func (RunReport) Kind() string { return "run_report" }

// InsertOpts are the queue and the limits of the job.
func (RunReport) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueTurns, MaxAttempts: 3}
}

// reportTimeout bounds one attempt; what is left is for the next one.
const reportTimeout = time.Hour

// Prune removes what is older than the retention settings keep. The queue adds
// it by itself: see Options.PruneEvery.
type Prune struct{}

// Kind is the job's name in the database; it never changes.
func (Prune) Kind() string { return "prune" }

// InsertOpts are the queue and the limits of the job; the next one makes up
// for one that failed.
func (Prune) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 1}
}

const pruneTimeout = 10 * time.Minute
