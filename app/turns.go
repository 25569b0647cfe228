package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// Turns lists the turns of a room, newest first, for its staff.
func (a *App) Turns(ctx context.Context, actor *Actor, roomID string, p store.Page) ([]turn.Named, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	rows, err := a.db.Turns(ctx, roomID, p)
	if err != nil {
		return nil, err
	}
	return withNames(ctx, a.db, rows)
}

// Turn returns a turn of a room with its steps, for the room's staff.
func (a *App) Turn(ctx context.Context, actor *Actor, roomID, id string) (*turn.Details, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	t, err := a.db.TurnWithName(ctx, id)
	if err == nil && t.RoomID != roomID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fromStore(err, "Turn")
	}
	return a.engine.Describe(ctx, &t.Turn, t.AgentName)
}

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

// GoOn lets a room's agents go on where a guard has cut them off, and tells whether a
// guard had.
func (a *App) GoOn(ctx context.Context, actor *Actor, roomID string) (wentOn bool, err error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActGoOn); err != nil {
		return false, err
	}
	wentOn, err = a.engine.GoOn(ctx, roomID, actor.User.ID)
	return wentOn, fromStore(refusal(err), "Room")
}
