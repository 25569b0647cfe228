package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

var errRunOver = errorf(KindConflict, wording.RunOver, "The run is over; there is nothing left to pause, resume or cancel")

// PauseRun makes a run stop before its next node, until staff resume it. It changes
// nothing if the run is paused already. It returns the run as it is now.
func (a *App) PauseRun(ctx context.Context, actor *Actor, id string) (*turn.Named, error) {
	return a.setPaused(ctx, actor, id, true)
}

// ResumeRun lets a paused run go on, as soon as none of its nodes waits for a person. It
// changes nothing if the run is not paused.
func (a *App) ResumeRun(ctx context.Context, actor *Actor, id string) (*turn.Named, error) {
	return a.setPaused(ctx, actor, id, false)
}

func (a *App) setPaused(ctx context.Context, actor *Actor, id string, paused bool) (*turn.Named, error) {
	t, err := a.runFor(ctx, actor, id, ActControlRun)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		// Lock order: room, turn, as everywhere.
		if _, err := tx.OpenRoomForUpdate(ctx, t.RoomID); err != nil {
			return err
		}
		if t, err = tx.Turn(ctx, id); err != nil {
			return err
		}
		if !t.EndedAt.IsZero() {
			return errRunOver
		}
		if t.Paused != paused {
			if err := tx.SetTurnPaused(ctx, id, paused); err != nil {
				return err
			}
			if err := a.audit.record(ctx, tx, actor, ActControlRun, target{"run", id}, changes{"paused": t.Paused},
				changes{"paused": paused, "room_id": t.RoomID}); err != nil {
				return err
			}
		}
		if !paused {
			if err := a.engine.Unpark(ctx, tx, t); err != nil {
				return err
			}
		}
		t, err = tx.Turn(ctx, id)
		return err
	})
	if err != nil {
		return nil, fromStore(err, "Run")
	}
	return a.oneRun(ctx, t)
}

// CancelRun stops a run for good, as StopTurn does. It changes nothing if the run was
// stopped already.
func (a *App) CancelRun(ctx context.Context, actor *Actor, id string) (*turn.Named, error) {
	t, err := a.runFor(ctx, actor, id, ActControlRun)
	if err != nil {
		return nil, err
	}
	if t, err = a.StopTurn(ctx, actor, t.RoomID, id); err != nil {
		return nil, err
	}
	if t.StopBy == "" {
		return nil, errRunOver
	}
	return a.oneRun(ctx, t)
}

func (a *App) oneRun(ctx context.Context, t *store.Turn) (*turn.Named, error) {
	rows, err := withNames(ctx, a.db, []store.Turn{*t})
	return &rows[0], err
}
