package turn

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

const (
	// recentDecisions is how many decisions back GoOn searches for a guard. It
	// searches nothing before a person's message.
	recentDecisions = 100
	// recentTurns is how many turns back GoOn searches for one that a guard has
	// ended.
	recentTurns = 20
)

// guardReasons are the reasons with which a guard ends a turn in the middle of its
// work.
func guardReasons() []string {
	return []string{reasonSteps, reasonTokens, reasonRepeats, ReasonTooLong}
}

// GoOn lets a room's agents go on where a guard has cut them off, and tells whether a
// guard had. A turn that a guard ended continues after its last step, and its guards
// count anew. Otherwise the room decides again about the calls that were cut off, and
// the streak counts anew. It returns *Refused when the agent of the turn may not speak
// any more.
func (e *Engine) GoOn(ctx context.Context, roomID, userID string) (wentOn bool, err error) {
	for range 5 {
		wentOn, err = e.goOn(ctx, roomID, userID)
		if !errors.Is(err, store.ErrStale) {
			break
		}
	}
	return wentOn, err
}

// goOn is one try of GoOn. It finds what was cut off before it locks the room: whether
// the agent may go on depends on its keys, and nobody shall wait for these. It returns
// store.ErrStale when something happens in the room between the two.
func (e *Engine) goOn(ctx context.Context, roomID, userID string) (wentOn bool, err error) {
	found, err := e.db.Room(ctx, roomID)
	if err != nil {
		return false, err
	}
	c, err := e.cutOff(ctx, found)
	if err != nil || c == nil {
		return false, err
	}
	if c.turn != nil {
		if err := e.CanContinue(ctx, c.turn); err != nil {
			return false, err
		}
	}
	err = e.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.OpenRoomForUpdate(ctx, roomID)
		if err != nil {
			return err
		}
		if room.EventSeq != found.EventSeq || room.DecidedSeq != found.DecidedSeq {
			return store.ErrStale
		}
		if err := e.storeGuard(ctx, tx, roomID, event.Guard{State: event.GuardContinued, Guard: c.guard, ByID: userID}); err != nil {
			return err
		}
		if c.turn != nil {
			return e.reopen(ctx, tx, c.turn, userID)
		}
		if err := tx.GoOn(ctx, roomID, min(c.from, room.DecidedSeq), e.instant().Add(e.cfg.Turns.Lease)); err != nil {
			return err
		}
		return e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: roomID})
	})
	return err == nil, err
}

// cutOff is what a guard has stopped: a turn, or the agents that were called by the
// messages after from.
type cutOff struct {
	guard string
	turn  *store.Turn
	from  int64
}

// cutOff finds what a guard has cut off since a person last spoke, or nil.
func (e *Engine) cutOff(ctx context.Context, room *store.Room) (*cutOff, error) {
	made, err := e.db.MessageDecisions(ctx, room.ID, 0, recentDecisions)
	if err != nil {
		return nil, err
	}
	asked := int64(0)
	if i := slices.IndexFunc(made, func(d store.Decision) bool { return d.Cause == turntaking.CausePost }); i >= 0 {
		asked, made = made[i].Seq, made[:i+1]
	}
	silent, err := e.db.LastSilent(ctx, room.ID, asked)
	if err != nil {
		return nil, err
	}
	if silent > 0 {
		asked, made = silent, slices.DeleteFunc(made, func(d store.Decision) bool { return d.Seq < silent })
	}
	turns, err := e.db.Turns(ctx, room.ID, store.Page{Limit: recentTurns})
	if err != nil {
		return nil, err
	}
	for i := range turns {
		if t := &turns[i]; t.TriggerSeq >= asked && !t.EndedAt.IsZero() && slices.Contains(guardReasons(), t.Reason) {
			return &cutOff{guard: t.Reason, turn: t}, nil
		}
	}
	for _, d := range made {
		if d.Guard != "" && d.Seq > room.StreakFrom {
			return &cutOff{guard: d.Guard, from: d.FromSeq}, nil
		}
	}
	return nil, nil
}

// reopen queues again a turn that a guard has ended.
func (e *Engine) reopen(ctx context.Context, tx *store.Tx, t *store.Turn, userID string) error {
	if err := e.countAnew(ctx, tx, t, userID); err != nil {
		return err
	}
	if err := tx.ReopenTurn(ctx, t.ID, guardReasons()); err != nil {
		return err
	}
	return e.queueNext(ctx, tx, t.RoomID)
}

// countAnew adds the step from which the guards of a turn count anew. It also says who
// has let the turn go on.
func (e *Engine) countAnew(ctx context.Context, tx *store.Tx, t *store.Turn, userID string) error {
	steps, err := tx.TurnSteps(ctx, t.ID)
	if err != nil {
		return err
	}
	now := e.instant()
	next := store.TurnStep{ID: store.NewID(), TurnID: t.ID, N: 1, Kind: store.StepHuman, Name: stepGoOn, State: store.StepDone, Attempt: t.Attempt,
		StartedAt: now, EndedAt: now, DecidedBy: userID}
	if len(steps) > 0 {
		next.N = steps[len(steps)-1].N + 1
	}
	return tx.SaveSteps(ctx, []store.TurnStep{next})
}

// storeGuard tells the room's staff that a guard has cut agents off, or that they go
// on. Agents need not decide about this event.
func (e *Engine) storeGuard(ctx context.Context, tx *store.Tx, roomID string, body event.Guard) error {
	room, err := tx.Room(ctx, roomID)
	if err != nil {
		return err
	}
	seq, err := tx.NextQuietSeq(ctx, room)
	if err != nil {
		return err
	}
	return tx.CreateEvent(ctx, event.New(roomID, seq, event.TypeGuard, body, e.instant()))
}
