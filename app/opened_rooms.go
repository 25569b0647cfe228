package app

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

// RoomParts says what is read with a room.
type RoomParts struct{ Agents, Me, Running, Pins bool }

// OpenedRoom is a room as a client opens it. A part that was not asked for is nil.
type OpenedRoom struct {
	Room    *store.Room
	Mine    map[string]RoomStanding
	Agents  *store.Listing[store.Agent]
	Full    bool // the actor may see more of the agents than their public face
	Me      *MyRoom
	Running [][]byte // as of RunningTurns
	Pins    []PinnedThere
}

// OpenRoom returns a room with parts, each as its own method returns it. Who may not read
// one of the parts gets none. The actor's marks are read before the turns: what those say
// comes after the last seq of the marks.
func (a *App) OpenRoom(ctx context.Context, actor *Actor, id string, parts RoomParts) (*OpenedRoom, error) {
	room, res, err := a.roomAccess(ctx, actor, id, ActReadRoom)
	if err != nil {
		return nil, err
	}
	for _, need := range []struct {
		wanted bool
		action Action
	}{{parts.Agents, ActReadFaces}, {parts.Me, ActListMyRooms}, {parts.Running || parts.Pins, ActReadHistory}} {
		if !need.wanted {
			continue
		}
		if err := Check(actor, need.action, res); err != nil {
			return nil, err
		}
	}
	o := &OpenedRoom{Room: room}
	if o.Mine, err = a.RoomStandings(ctx, actor, []string{room.ID}); err != nil {
		return nil, err
	}
	if parts.Me {
		mine, err := a.myRooms(ctx, actor, store.MyRoomSearch{RoomID: room.ID, Limit: 1})
		if err != nil {
			return nil, err
		}
		if len(mine) == 0 { // the actor has just lost it
			return nil, notFound("Room")
		}
		o.Me = &mine[0]
	}
	if parts.Running {
		if o.Running, err = a.runningTurns(ctx, room.ID); err != nil {
			return nil, err
		}
	}
	if parts.Pins {
		if o.Pins, err = a.pins(ctx, actor, room.ID); err != nil {
			return nil, err
		}
	}
	if parts.Agents {
		o.Full = Check(actor, ActAttachAgent, res) == nil
		o.Agents, err = a.db.ListAgentsInRoom(ctx, room.ID)
	}
	return o, err
}
