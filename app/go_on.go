package app

import "context"

// GoOn lets a room's agents go on where a guard has cut them off, and tells whether a
// guard had.
func (a *App) GoOn(ctx context.Context, actor *Actor, roomID string) (wentOn bool, err error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActGoOn); err != nil {
		return false, err
	}
	wentOn, err = a.engine.GoOn(ctx, roomID, actor.User.ID)
	return wentOn, fromStore(refusal(err), "Room")
}
