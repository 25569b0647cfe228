package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// MyRoom is a room as the actor has it: what is new there, who is there now, and what the
// actor may do.
type MyRoom struct {
	store.MyRoom
	Last   *SaidThere // the newest message, nil when there is none
	Online []realtime.Member
	Role   string
	Can    RoomCan
}

// MyRooms lists the rooms that the actor may enter, the newest first. Admins get those of
// courses in which they are, with s.Others all, and the one room that they ask for.
func (a *App) MyRooms(ctx context.Context, actor *Actor, s store.MyRoomSearch) ([]MyRoom, error) {
	if err := Check(actor, ActListMyRooms, Resource{}); err != nil {
		return nil, err
	}
	return a.myRooms(ctx, actor, s)
}

func (a *App) myRooms(ctx context.Context, actor *Actor, s store.MyRoomSearch) ([]MyRoom, error) {
	rows, err := a.db.MyRooms(ctx, store.Reader{UserID: actor.User.ID, Admin: actor.isAdmin()}, s)
	if err != nil {
		return nil, err
	}
	mine := make([]MyRoom, len(rows))
	for i := range rows {
		m := MyRoom{MyRoom: rows[i], Online: a.audience.hub.Members(rows[i].Room.ID)}
		m.Role, m.Can = actor.roomStanding(&rows[i].RoomAccess)
		if last := rows[i].Last; last != nil {
			m.Last = &saidThere([]store.Found{*last})[0]
		}
		mine[i] = m
	}
	return mine, nil
}
