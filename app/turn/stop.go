package turn

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

// ReasonAsked is the reason of a turn that a person has stopped.
func ReasonAsked() string { return errAsked.Reason }

// errAsked ends a turn that a person has stopped.
var errAsked = &Fault{Reason: event.ReasonAsked, Detail: "a person has stopped it", State: store.TurnStopped}

// Stop stops a turn for a person. A running turn ends in a moment, any other at once; a
// turn that has ended stays as it is. It returns the turn as it is now.
func (e *Engine) Stop(ctx context.Context, turnID, userID string) (t *store.Turn, err error) {
	err = e.db.InTx(ctx, func(tx *store.Tx) (err error) {
		t, err = e.stopTurn(ctx, tx, turnID, userID)
		return err
	})
	if err == nil && t.State == store.TurnRunning {
		e.stops.stop(t.ID)
		e.signalNodes(t.RoomID, signalStop, t.ID)
	}
	return t, err
}

func (e *Engine) stopTurn(ctx context.Context, tx *store.Tx, turnID, userID string) (*store.Turn, error) {
	t, err := tx.Turn(ctx, turnID)
	if err != nil {
		return nil, err
	}
	// Lock order: room, turn.
	if _, err := tx.RoomForUpdate(ctx, t.RoomID); err != nil {
		return nil, err
	}
	now := e.instant()
	if err := tx.AskToStop(ctx, turnID, userID, now); err != nil {
		return nil, err
	}
	if t, err = tx.Turn(ctx, turnID); err != nil || !t.EndedAt.IsZero() || t.State == store.TurnRunning {
		return t, err
	}
	end, err := e.storeTurnEnd(ctx, tx, t, errAsked, now)
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
	stop, err := r.engine.db.Single().BeatTurn(ctx, r.turn.ID, r.turn.Attempt, lease)
	if err == nil && stop {
		return errAsked
	}
	return err
}

// wantsStop tells, for a turn that could not be queued again, whether a person wants
// it to end instead.
func (e *Engine) wantsStop(ctx context.Context, t *store.Turn) (bool, error) {
	now, err := e.db.Turn(ctx, t.ID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	return err == nil && now.Attempt == t.Attempt && !now.StopAt.IsZero() && now.EndedAt.IsZero(), err
}
