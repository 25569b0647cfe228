package turn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// A turn is parked while something in it waits for a person. A parked turn is not
// live, so the room goes on. The first decision of the staff puts the turn back into
// the queue, and a new attempt continues after the decision. Everything about this is
// in rows, so it survives a crash.

// wait leaves a step to a person, with the deadline of the configuration. park
// commits it.
func (r *attempt) wait(s *store.TurnStep) { r.waitFor(s, r.engine.cfg.Turns.ApprovalWithin) }

// waitFor is wait with a deadline of its own.
func (r *attempt) waitFor(s *store.TurnStep, within time.Duration) {
	s.State, s.DueAt = store.StepPending, r.engine.instant().Add(within)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, *s)
}

// park parks the turn until nothing in it waits any more, and then returns errParked. In a
// graph it only returns errParked: the graph parks the turn when none of its branches
// can go on.
func (r *attempt) park(ctx context.Context) error {
	if r.flow != nil {
		return errParked
	}
	return r.parkToWait(ctx)
}

// parkToWait parks the turn until nothing in it waits any more.
func (r *attempt) parkToWait(ctx context.Context) error {
	if len(r.waiting) == 0 && r.later {
		return r.parkFor(ctx, reasonLater, "it waits for the answer of an agent outside this program")
	}
	return r.parkFor(ctx, reasonApproval, "it waits for a person of the staff")
}

// parkFor parks the turn, tells the staff what waits for them, and lets the room go
// on.
func (r *attempt) parkFor(ctx context.Context, reason, detail string) error {
	a, steps := r.engine, r.keepSteps()
	all := slices.Concat(steps, r.waiting)
	sort.Slice(all, func(i, j int) bool { return all[i].N < all[j].N })
	err := a.background.Do(ctx, func() error {
		return a.db.InTx(ctx, func(tx *store.Tx) error {
			room, err := tx.RoomForUpdate(ctx, r.room.ID)
			if err != nil {
				return err
			}
			if reason == reasonPaused {
				// Check under the room's lock: staff may have resumed the run
				// meanwhile.
				if paused, err := tx.TurnPaused(ctx, r.turn.ID); err != nil || !paused {
					return errors.Join(err, errResumed)
				}
			}
			for i := range r.waiting {
				if err := a.announceApproval(ctx, tx, room, r.turn, &r.waiting[i], r.agent.Name, ""); err != nil {
					return err
				}
			}
			if err := tx.SaveSteps(ctx, all); err != nil {
				return err
			}
			if err := tx.ParkTurn(ctx, r.turn.ID, r.turn.Attempt, reason, detail); err != nil {
				return err
			}
			if reason == reasonLater { // the answer may have come at this moment
				if err := unparkIfReady(ctx, tx, r.turn.ID); err != nil {
					return err
				}
			}
			_, err = a.nextInRoom(ctx, tx, room.ID, r.read, 0)
			return err
		})
	})
	if errors.Is(err, store.ErrStale) {
		err = ErrLeaseLost
	}
	if err != nil {
		r.giveBack(steps)
		return err
	}
	r.signal(store.TurnParked, reason)
	if r.turn.AskedBy != "" && !r.alone() {
		a.tell(r.room.ID, Silence{UserID: r.turn.AskedBy, AgentID: r.agent.ID, Name: r.agent.Name, Reason: detail})
	}
	a.telemetry.TurnEnded(ctx, store.TurnParked, reason, a.now().Sub(r.turn.CreatedAt))
	return errParked
}

// announceApproval adds the event of an approval. The transaction must hold the lock
// of the room.
func (e *Engine) announceApproval(ctx context.Context, tx *store.Tx, room *store.Room, t *store.Turn, s *store.TurnStep,
	agentName, decidedBy string) error {
	seq, err := tx.NextQuietSeq(ctx, room)
	if err != nil {
		return err
	}
	body := event.Approval{StepID: s.ID, TurnID: t.ID, AgentID: t.AgentID, AgentName: agentName, Kind: s.Kind, Name: s.Name,
		Summary: SummaryOf(s), State: s.State, DecidedBy: decidedBy}
	if s.State == store.StepPending {
		body.DueAt = event.Timestamp(s.DueAt)
	}
	return tx.CreateEvent(ctx, event.New(room.ID, seq, event.TypeApproval, body, e.instant()))
}

// SummaryOf says what a step wants to do, for the person who decides.
func SummaryOf(s *store.TurnStep) string {
	var in ToolInput
	if json.Unmarshal([]byte(s.Input), &in) != nil || in.Plan == nil {
		return ""
	}
	return in.Plan.Summary
}

// Settle stores a decision, and queues the turn again when nothing in it waits any
// more. The transaction must hold the lock of the room.
func (e *Engine) Settle(ctx context.Context, tx *store.Tx, room *store.Room, row *store.RoomStep, decidedBy string) error {
	s := &row.TurnStep
	if s.State != store.StepApproved || s.Kind == store.StepHuman {
		s.EndedAt = e.instant()
	}
	if err := tx.EndStep(ctx, s, store.StepPending); err != nil {
		return err
	}
	if err := e.announceApproval(ctx, tx, room, &row.Turn, s, row.AgentName, decidedBy); err != nil {
		return err
	}
	return e.Unpark(ctx, tx, &row.Turn)
}

// expireApprovals refuses the steps that nobody has decided in time, and ends those that
// no agent has answered in time.
func (e *Engine) expireApprovals(ctx context.Context, now time.Time) error {
	overdue, err := e.db.OverdueSteps(ctx, now, SweepBatch)
	errs := []error{err}
	for _, o := range overdue {
		err := e.db.InTx(ctx, func(tx *store.Tx) error {
			room, err := tx.RoomForUpdate(ctx, o.Turn.RoomID)
			if err != nil {
				return err
			}
			row, err := tx.StepInRoom(ctx, room.ID, o.ID)
			if err != nil || row.State != store.StepPending || row.Turn.State != store.TurnParked {
				return err // a person has decided meanwhile
			}
			row.State = store.StepExpired
			if isQuestion(&row.TurnStep) {
				return e.settleAsked(ctx, tx, row)
			}
			return e.Settle(ctx, tx, room, row, "")
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("expire approval %s: %w", o.ID, err))
		}
	}
	return errors.Join(errs...)
}

// Unpark puts a parked turn back into the queue, unless a part of it waits.
// It does not check whether the turn was paused. So a turn that parked at the moment of
// its resumption goes on when staff resume it again.
func (e *Engine) Unpark(ctx context.Context, tx *store.Tx, t *store.Turn) error {
	if t.State != store.TurnParked {
		return nil
	}
	if waits, err := tx.TurnWaits(ctx, t.ID); err != nil || waits {
		return err
	}
	if err := tx.UnparkTurn(ctx, t.ID); err != nil {
		return err
	}
	return e.queueNext(ctx, tx, t.RoomID)
}

// unparkIfReady lets a turn wait for the floor that was just parked, if nothing in it waits.
func unparkIfReady(ctx context.Context, tx *store.Tx, turnID string) error {
	if waits, err := tx.TurnWaits(ctx, turnID); err != nil || waits {
		return err
	}
	return tx.UnparkTurn(ctx, turnID)
}

// queueNext queues the room's next turn. If another turn has the floor, its end does so,
// or its leaving the floor.
func (e *Engine) queueNext(ctx context.Context, tx *store.Tx, roomID string) error {
	if _, turns, err := tx.RoomToDecide(ctx, roomID); err != nil || turns.Speaking {
		return err
	}
	_, err := e.nextInRoom(ctx, tx, roomID, 0, 0)
	return err
}
