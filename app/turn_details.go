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
	return a.named(ctx, rows)
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
