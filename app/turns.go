package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// How an agent comes to speak: a post adds a job that decides in the room. The
// decision (package turntaking) creates the turns. A turn's job asks the model (turn_run.go)
// and stores the message. Each step commits its result together with the job of the
// next step. When a worker dies in between, the sweep finds what was due by the dates
// look_at and lease_until.

// snapshotMessages is how many of the newest messages a decision reads.
const snapshotMessages = 100

func (a *App) handlers() *jobs.Handlers {
	return &jobs.Handlers{DecideInRoom: a.decideInRoom, RunTurn: a.runTurn, RunReport: a.runReport, Prune: a.prune, OnFailure: jobOutcome}
}

// jobOutcome says what the queue does with a job that failed with err.
func jobOutcome(err error) jobs.FailureOutcome {
	var e *Error
	if errors.As(err, &e) {
		switch e.Kind {
		case KindInvalid, KindRejected, KindForbidden, KindNotFound:
			return jobs.FailureOutcome{Cancel: true}
		case KindLimited, KindUnavailable:
			return jobs.FailureOutcome{Snooze: max(e.RetryAfter, time.Second)}
		}
	}
	return jobs.FailureOutcome{}
}

// decideInRoom lets the room's agents decide about the messages since the last
// decision. It rolls once for each message: the commit that creates the turns also
// marks what was decided.
func (a *App) decideInRoom(ctx context.Context, job jobs.DecideInRoom) error {
	return a.background.Do(ctx, func() error { return a.decideOnce(ctx, job.RoomID) })
}

func (a *App) decideOnce(ctx context.Context, roomID string) error {
	for range 5 {
		s, err := a.snapshot(ctx, roomID)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || s == nil {
			return err
		}
		d := turntaking.Decide(s.Snapshot, a.rand)
		d.Candidates = append(d.Candidates, s.Gone(&d)...)
		err = a.db.InTx(ctx, func(tx *store.Tx) error {
			if err := a.storeDecision(ctx, tx, roomID, &d); err != nil {
				return err
			}
			return tx.Rearm(ctx, s.rearmed(speakerIDs(&d)...))
		})
		if err == nil {
			a.reportUnheard(roomID, &d)
			a.reportNobody(ctx, s, &d)
		}
		// Another decision was faster, a turn began, or an agent was deleted
		// meanwhile: decide about what is left.
		if !errors.Is(err, store.ErrStale) && !errors.Is(err, store.ErrExists) && !errors.Is(err, store.ErrReferenced) {
			return err
		}
	}
	return errorf(KindUnavailable, "busy_room", "the room changes too fast to look at")
}

// snapshot reads what a decision needs. It returns nil when there is nothing to
// decide, or when a turn is going on: the end of that turn makes the room decide
// again.
func (a *App) snapshot(ctx context.Context, roomID string) (*roomSnapshot, error) {
	room, live, waiting, err := a.db.RoomToDecide(ctx, roomID)
	switch {
	case err != nil:
		return nil, err
	case room.DecidedSeq >= room.EventSeq, live:
		return nil, nil
	case waiting: // the turn ahead of it was deleted with its agent
		return nil, a.resumeRoom(ctx, roomID)
	}
	s := a.newSnapshot(room)
	if err := a.loadRoomAgents(ctx, s); err != nil {
		return nil, err
	}
	// Read only up to the snapshot's own head. Messages that came while it was read
	// have decisions of their own.
	messages, err := a.db.ShownMessages(ctx, roomID, room.EventSeq+1, snapshotMessages)
	if err != nil {
		return nil, err
	}
	s.Messages = messagesOf(messages)
	return s, errors.Join(a.countUnread(ctx, s), a.findKeyless(ctx, s))
}

// nextInRoom goes on after a turn: it queues the next waiting turn, or else a
// decision about the messages that the turn has not read. read is the newest message
// that the turn has read; own is the turn's own message when that calls nobody, else
// 0. The caller's transaction is the one that ends the turn.
func (a *App) nextInRoom(ctx context.Context, tx *store.Tx, roomID string, read, own int64) error {
	lookAt := a.instant().Add(a.cfg.Turns.Lease)
	due, err := tx.MarkRead(ctx, roomID, read, own, lookAt)
	if err != nil {
		return err
	}
	if due {
		if err := tx.GiveWay(ctx, roomID, turntaking.CauseAgents, errGaveWay.reason, errGaveWay.detail, a.instant()); err != nil {
			return err
		}
	}
	waiting, err := tx.WaitingTurn(ctx, roomID)
	if err == nil {
		if err := tx.QueueTurn(ctx, waiting.ID, lookAt); err != nil {
			return err
		}
		return a.queue.Add(ctx, tx, jobs.RunTurn{TurnID: waiting.ID, Attempt: waiting.Attempt})
	}
	if !errors.Is(err, store.ErrNotFound) || !due {
		return store.UnlessMissing(err)
	}
	return a.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: roomID})
}

// roomSnapshot is the input of a decision, with the rows that it was made of.
type roomSnapshot struct {
	turntaking.Snapshot
	room *store.Room
	rows map[string]*roomAgent // by the agent's id
}

// newSnapshot begins a snapshot of a room.
func (a *App) newSnapshot(room *store.Room) *roomSnapshot {
	return &roomSnapshot{room: room, rows: map[string]*roomAgent{}, Snapshot: turntaking.Snapshot{Room: *roomOf(room), Now: a.now(),
		MaxStreak: a.cfg.Turns.MaxStreak, Unread: map[string]int{}, Keyless: map[string]string{}}}
}

// speakerIDs are the agents that speak.
func speakerIDs(d *turntaking.Decision) (ids []string) {
	for _, c := range d.Speakers() {
		ids = append(ids, c.AgentID)
	}
	return ids
}

// sweepLoop sweeps expired leases until ctx ends.
func (a *App) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(a.cfg.Turns.Sweep) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := a.sweep(ctx, a.instant()); err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "sweep failed", "err", err)
		}
	}
}

// recoverTurns takes over, at the start, what the last process left. On SQLite there
// is no other process, so every lease belongs to a process that is gone.
func (a *App) recoverTurns(ctx context.Context) error {
	if a.db.Postgres() {
		return nil
	}
	return a.sweep(ctx, a.instant().Add(24*time.Hour))
}

const sweepBatch = 200

// sweep adds fresh jobs for turns and reports whose lease ran out before asOf, and
// for rooms whose decision was due by then. All nodes may sweep at once: each row is
// taken over under a condition that only one node meets.
func (a *App) sweep(ctx context.Context, asOf time.Time) error {
	turns, err := a.db.OverdueTurns(ctx, asOf, sweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range turns {
		if err := a.takeOver(ctx, &t, asOf); err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("take over turn %s: %w", t.ID, err))
		}
	}
	stranded, err := a.db.StrandedRooms(ctx, sweepBatch)
	errs = append(errs, err)
	for _, id := range stranded {
		if err := a.resumeRoom(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("resume room %s: %w", id, err))
		}
	}
	rooms, err := a.db.OverdueRooms(ctx, asOf, sweepBatch)
	errs = append(errs, err)
	for _, id := range rooms {
		err := a.db.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.PostponeDecision(ctx, id, asOf, a.instant().Add(a.cfg.Turns.Lease)); err != nil {
				return err
			}
			return a.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: id})
		})
		if err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("look at room %s: %w", id, err))
		}
	}
	return errors.Join(append(errs, a.sweepReports(ctx, asOf), a.expireApprovals(ctx, a.instant()))...)
}

// takeOver gives an overdue turn a fresh job. A running turn has lost its worker,
// which uses up an attempt. A queued turn has lost its job, or waits behind others: a
// second job for it is harmless.
func (a *App) takeOver(ctx context.Context, t *store.Turn, asOf time.Time) error {
	if t.State == store.TurnRunning && !t.StopAt.IsZero() {
		return a.endTurn(ctx, t, errAsked)
	}
	if t.State == store.TurnRunning {
		a.log.WarnContext(ctx, "turn lost its worker", "turn", t.ID, "room", t.RoomID, "node", t.Node, "attempt", t.Attempt)
		return a.retryTurn(ctx, t, &turnFault{reason: reasonLost, detail: "the worker stopped in the middle of the turn", again: true})
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RequeueTurn(ctx, t.ID, t.Attempt, asOf, a.instant().Add(4*a.cfg.Turns.Lease)); err != nil {
			return err
		}
		return a.queue.Add(ctx, tx, jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt})
	})
}
