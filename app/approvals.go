package app

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

// The decisions that staff can make, as the API names them.
const (
	DecisionApprove = "approve"
	DecisionReject  = "reject"
)

// maxNote is the longest note to a decision.
const maxNote = 1000

// Approval is a step that waits for a person, with its turn.
type Approval struct {
	Step      store.TurnStep
	Turn      store.Turn
	AgentName string
	Summary   string
	Call      json.RawMessage // the arguments of a tool
}

func approvalOf(row *store.RoomStep) Approval {
	var in toolInput
	if json.Unmarshal([]byte(row.Input), &in) != nil {
		in.Arguments = nil
	}
	return Approval{Step: row.TurnStep, Turn: row.Turn, AgentName: row.AgentName, Summary: summaryOf(&row.TurnStep), Call: in.Arguments}
}

// wait leaves a step to a person, with the deadline of the configuration. park
// commits it.
func (r *attempt) wait(s *store.TurnStep) { r.waitFor(s, r.app.cfg.Turns.ApprovalWithin) }

// waitFor is wait with a deadline of its own.
func (r *attempt) waitFor(s *store.TurnStep, within time.Duration) {
	s.State, s.DueAt = store.StepPending, r.app.instant().Add(within)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, *s)
}

// park parks the turn until a person has decided, and then returns errParked. In a
// graph it only returns errParked: the graph parks the turn when none of its branches
// can go on.
func (r *attempt) park(ctx context.Context) error {
	if r.flow != nil {
		return errParked
	}
	return r.parkFor(ctx, reasonApproval, "it waits for a person of the staff")
}

// parkFor parks the turn, tells the staff what waits for them, and lets the room go
// on.
func (r *attempt) parkFor(ctx context.Context, reason, detail string) error {
	a, steps := r.app, r.keepSteps()
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
			return a.nextInRoom(ctx, tx, room.ID, r.read, 0)
		})
	})
	if errors.Is(err, store.ErrStale) {
		err = errLeaseLost
	}
	if err != nil {
		r.giveBack(steps)
		return err
	}
	r.signal(store.TurnParked)
	if r.turn.AskedBy != "" {
		a.sendSilence(r.room.ID, silence{UserID: r.turn.AskedBy, AgentID: r.agent.ID, Name: r.agent.Name, Reason: detail})
	}
	a.telemetry.TurnEnded(ctx, store.TurnParked, reason, a.now().Sub(r.turn.CreatedAt))
	return errParked
}

// announceApproval adds the event of an approval. The transaction must hold the lock
// of the room.
func (a *App) announceApproval(ctx context.Context, tx *store.Tx, room *store.Room, t *store.Turn, s *store.TurnStep, agentName, decidedBy string) error {
	seq, err := tx.NextQuietSeq(ctx, room)
	if err != nil {
		return err
	}
	e := event.Approval{StepID: s.ID, TurnID: t.ID, AgentID: t.AgentID, AgentName: agentName, Kind: s.Kind, Name: s.Name,
		Summary: summaryOf(s), State: s.State, DecidedBy: decidedBy}
	if s.State == store.StepPending {
		e.DueAt = event.Timestamp(s.DueAt)
	}
	return tx.CreateEvent(ctx, event.New(room.ID, seq, event.TypeApproval, e, a.instant()))
}

// summaryOf says what a step wants to do, for the person who decides.
func summaryOf(s *store.TurnStep) string {
	var in toolInput
	if json.Unmarshal([]byte(s.Input), &in) != nil || in.Plan == nil {
		return ""
	}
	return in.Plan.Summary
}

// Approvals lists for a room's staff the steps that wait for a person, the oldest
// first.
func (a *App) Approvals(ctx context.Context, actor *Actor, roomID string, p store.Page) (*store.Listing[Approval], error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadApprovals); err != nil {
		return nil, err
	}
	rows, err := a.db.PendingSteps(ctx, roomID, p)
	if err != nil {
		return nil, err
	}
	return store.Map(rows, func(_ context.Context, rows []store.RoomStep) ([]Approval, error) {
		out := make([]Approval, len(rows))
		for i := range rows {
			out[i] = approvalOf(&rows[i])
		}
		return out, nil
	}), nil
}

// DecideApproval allows or refuses a step that waits in a room. The first decision
// counts. A later one gets KindConflict, with the name of the person who decided.
func (a *App) DecideApproval(ctx context.Context, actor *Actor, roomID, stepID, decision, note string) (*Approval, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActDecideApproval); err != nil {
		return nil, err
	}
	if err := firstOf(errors.Join(oneOf("decision", decision, DecisionApprove, DecisionReject), text("note", note, 0, maxNote))); err != nil {
		return nil, err
	}
	if decision == DecisionApprove {
		if err := a.canApprove(ctx, roomID, stepID); err != nil {
			return nil, err
		}
	}
	state := map[string]string{DecisionApprove: store.StepApproved, DecisionReject: store.StepRejected}[decision]
	var done Approval
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.RoomForUpdate(ctx, roomID)
		if err != nil {
			return fromStore(err, "Room")
		}
		row, err := tx.StepInRoom(ctx, roomID, stepID)
		if err != nil || row.DueAt.IsZero() {
			return errors.Join(err, store.ErrNotFound)
		}
		if row.State != store.StepPending || row.Turn.State != store.TurnParked {
			return a.decidedBefore(ctx, tx, row)
		}
		s := &row.TurnStep
		s.State, s.DecidedBy, s.Note = state, actor.User.ID, note
		if err := a.settle(ctx, tx, room, row, event.ShownName(actor.User.Name())); err != nil {
			return err
		}
		done = approvalOf(row)
		return a.record(ctx, tx, actor, ActDecideApproval, target{"turn_step", s.ID}, changes{"state": store.StepPending},
			changes{"state": state, "room_id": roomID, "agent_id": row.Turn.AgentID, "name": s.Name, "summary": done.Summary, "note": note})
	})
	return &done, fromStore(err, "Approval")
}

// canApprove returns an error if a step waits whose turn could not go on: approving it
// would do nothing. It can still be refused.
func (a *App) canApprove(ctx context.Context, roomID, stepID string) error {
	row, err := a.db.StepInRoom(ctx, roomID, stepID)
	if err != nil || row.State != store.StepPending || row.Turn.State != store.TurnParked {
		return fromStore(err, "Approval")
	}
	return a.canContinue(ctx, &row.Turn)
}

// decidedBefore is the error for a decision that comes too late.
func (a *App) decidedBefore(ctx context.Context, tx *store.Tx, row *store.RoomStep) error {
	how := map[string]string{store.StepRejected: "rejected", store.StepExpired: "expired"}[row.State]
	switch {
	case row.State == store.StepPending:
		return errorf(KindConflict, "turn_over", "The turn is over; nothing waits any more")
	case row.State == store.StepExpired:
		return errorf(KindConflict, "expired", "Nobody decided in time; this counts as refused")
	case how == "":
		how = "approved"
	}
	who := "Somebody"
	if row.DecidedBy != "" {
		u, err := tx.User(ctx, row.DecidedBy)
		if err != nil {
			return err
		}
		who = event.ShownName(u.Name())
	}
	return errorf(KindConflict, "decided", "%s has %s this already", who, how)
}

// settle stores a decision, and queues the turn again when nothing in it waits any
// more. The transaction must hold the lock of the room.
func (a *App) settle(ctx context.Context, tx *store.Tx, room *store.Room, row *store.RoomStep, decidedBy string) error {
	s := &row.TurnStep
	if s.State != store.StepApproved || s.Kind == store.StepHuman {
		s.EndedAt = a.instant()
	}
	if err := tx.EndStep(ctx, s, store.StepPending); err != nil {
		return err
	}
	if err := a.announceApproval(ctx, tx, room, &row.Turn, s, row.AgentName, decidedBy); err != nil {
		return err
	}
	return a.unpark(ctx, tx, &row.Turn)
}

// expireApprovals refuses the steps that nobody has decided in time.
func (a *App) expireApprovals(ctx context.Context, now time.Time) error {
	overdue, err := a.db.OverdueSteps(ctx, now, sweepBatch)
	errs := []error{err}
	for _, o := range overdue {
		err := a.db.InTx(ctx, func(tx *store.Tx) error {
			room, err := tx.RoomForUpdate(ctx, o.Turn.RoomID)
			if err != nil {
				return err
			}
			row, err := tx.StepInRoom(ctx, room.ID, o.ID)
			if err != nil || row.State != store.StepPending || row.Turn.State != store.TurnParked {
				return err // a person has decided meanwhile
			}
			row.State = store.StepExpired
			return a.settle(ctx, tx, room, row, "")
		})
		if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("expire approval %s: %w", o.ID, err))
		}
	}
	return errors.Join(errs...)
}
