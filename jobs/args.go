package jobs

import (
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
)

// The queues. Model calls wait for other people's servers, so they never share workers
// with quick jobs.
const (
	queueQuick = "quick"
	queueTurns = "turns"
)

// DecideInRoom lets a room decide which of its agents should speak, after a new message.
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

// RunTurn lets one agent speak. Attempt is the fence: a job for an attempt that has ended
// does nothing.
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

// turnTimeout is longer than the longest turns.max_duration. The turn ends itself earlier
// and says why.
const turnTimeout = 65 * time.Minute

// RunReport writes a report about a course. Attempt fences it as in RunTurn.
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

// reportTimeout bounds one attempt. The next attempt does the rest.
const reportTimeout = time.Hour

// CopyCourse makes the copy of a course. Attempt fences it as in RunTurn.
type CopyCourse struct {
	CopyID  string `json:"copy_id"`
	Attempt int    `json:"attempt"`
}

// Kind is the job's name in the database; it never changes.
func (CopyCourse) Kind() string { return "copy_course" }

// InsertOpts are the queue and the limits of the job.
func (CopyCourse) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 3}
}

// copyTimeout is shorter than the lease of a copy.
const copyTimeout = 100 * time.Second

// RotateKeys encrypts everything anew with the first key. Attempt fences it as in RunTurn.
type RotateKeys struct {
	Attempt int `json:"attempt"`
}

// Kind is the job's name in the database; it never changes.
func (RotateKeys) Kind() string { return "rotate_keys" }

// InsertOpts are the queue and the limits of the job.
func (RotateKeys) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 3}
}

// rotateTimeout bounds one attempt. The next attempt does the rest.
const rotateTimeout = 10 * time.Minute

// MakeBackup makes a backup. Attempt fences it as in RunTurn.
type MakeBackup struct {
	BackupID string `json:"backup_id"`
	Attempt  int    `json:"attempt"`
}

// Kind is the job's name in the database; it never changes.
func (MakeBackup) Kind() string { return "make_backup" }

// InsertOpts are the queue and the limits of the job. It takes as long as a turn, or longer,
// so it is none of the quick ones.
func (MakeBackup) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueTurns, MaxAttempts: 3}
}

// backupTimeout bounds one attempt. A backup that takes longer fails.
const backupTimeout = 24 * time.Hour

// BackUp asks for the backup that is due at a time. Add it with AddAt for that time. There is
// one for each time, however many processes add it.
type BackUp struct {
	Due time.Time `json:"due"`
}

// Kind is the job's name in the database; it never changes.
func (BackUp) Kind() string { return "back_up" }

// InsertOpts are the queue and the limits of the job. One that has ended does not count
// against the next for the same time.
func (BackUp) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 5, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable, rivertype.JobStateRunning, rivertype.JobStateScheduled}}}
}

const backUpTimeout = 20 * time.Second

// Prune deletes what is older than the retention settings allow. The queue adds it by
// itself, see Work.PruneEvery.
type Prune struct{}

// Kind is the job's name in the database; it never changes.
func (Prune) Kind() string { return "prune" }

// InsertOpts are the queue and the limits of the job. It has one attempt: the next Prune
// makes up for a failed one.
func (Prune) InsertOpts() river.InsertOpts {
	return river.InsertOpts{Queue: queueQuick, MaxAttempts: 1}
}

const pruneTimeout = 10 * time.Minute
