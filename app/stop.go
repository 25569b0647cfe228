package app

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// This file stops turns when a person asks for it. The request is in the turn's row,
// where the worker's next heartbeat finds it, or whoever takes the turn over. A
// signal to the worker only makes it faster. What was said until then stays, marked
// as stopped.

// errAsked ends a turn that a person has stopped.
var errAsked = &turnFault{reason: event.ReasonAsked, detail: "a person has stopped it", state: store.TurnStopped}

// StopTurn stops a turn of an agent. Staff may do this, and the person whose message
// the turn answers. A running turn ends in a moment, any other at once; a turn that
// has ended stays as it is. StopTurn returns the turn as it is now, or KindNotFound
// for a turn of another room.
func (a *App) StopTurn(ctx context.Context, actor *Actor, roomID, turnID string) (*store.Turn, error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadRoom)
	if err != nil {
		return nil, err
	}
	t, err := a.db.Turn(ctx, turnID)
	if err == nil && t.RoomID != roomID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fromStore(err, "Turn")
	}
	if t.AskedBy == actor.User.ID {
		res.Relations |= IsCreator
	}
	if err := Check(actor, ActStopTurn, res); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		t, err = a.stopTurn(ctx, tx, turnID, actor.User.ID)
		return err
	})
	if err != nil {
		return nil, fromStore(err, "Turn")
	}
	if t.State == store.TurnRunning {
		a.stops.stop(t.ID)
		a.signalNodes(roomID, nodesStop, t.ID)
	}
	return t, nil
}

func (a *App) stopTurn(ctx context.Context, tx *store.Tx, turnID, userID string) (*store.Turn, error) {
	t, err := tx.Turn(ctx, turnID)
	if err != nil {
		return nil, err
	}
	// Lock order: room, turn.
	if _, err := tx.RoomForUpdate(ctx, t.RoomID); err != nil {
		return nil, err
	}
	now := a.instant()
	if err := tx.AskToStop(ctx, turnID, userID, now); err != nil {
		return nil, err
	}
	if t, err = tx.Turn(ctx, turnID); err != nil || !t.EndedAt.IsZero() || t.State == store.TurnRunning {
		return t, err
	}
	end, err := a.storeTurnEnd(ctx, tx, t, errAsked, now)
	return end, err
}

// turnStops holds the running turns of this process, by id.
type turnStops struct {
	mu sync.Mutex
	by map[string]context.CancelCauseFunc
}

func (s *turnStops) add(turnID string, cancel context.CancelCauseFunc) (remove func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.by == nil {
		s.by = map[string]context.CancelCauseFunc{}
	}
	s.by[turnID] = cancel
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.by, turnID)
	}
}

func (s *turnStops) stop(turnID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.by[turnID]; cancel != nil {
		cancel(errAsked)
	}
}

// beat renews the turn's lease. It returns errAsked when a person wants the turn to
// stop.
func (r *attempt) beat(ctx context.Context, lease time.Time) error {
	stop, err := r.app.db.Single().BeatTurn(ctx, r.turn.ID, r.turn.Attempt, lease)
	if err == nil && stop {
		return errAsked
	}
	return err
}

// wantsStop tells, for a turn that could not be queued again, whether a person wants
// it to end instead.
func (a *App) wantsStop(ctx context.Context, t *store.Turn) (bool, error) {
	now, err := a.db.Turn(ctx, t.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && now.Attempt == t.Attempt && !now.StopAt.IsZero() && now.EndedAt.IsZero(), err
}
