package app

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

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
	t, err = a.engine.Stop(ctx, turnID, actor.User.ID)
	return t, fromStore(err, "Turn")
}
