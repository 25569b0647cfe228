package app

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

// PersonThere is somebody who may be in a room.
type PersonThere struct {
	store.PersonThere
	Role   string
	Online bool // connected anywhere, on any node
	Here   bool // in this room now
}

// standsByRank are the names of store.PersonThere.Rank.
var standsByRank = []string{StandsOwner, RoleTeacher, RoleTA, RoleStudent, StandsGuest}

// RoomPeople lists who may be in a room, teachers first, for those who may be there too.
func (a *App) RoomPeople(ctx context.Context, actor *Actor, roomID string, p store.Page) ([]PersonThere, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActReadFaces); err != nil {
		return nil, err
	}
	rows, err := a.db.PeopleThere(ctx, roomID, p)
	if err != nil {
		return nil, err
	}
	here, ids := map[string]bool{}, make([]string, len(rows))
	for _, m := range a.audience.hub.Members(roomID) {
		here[m.UserID] = true
	}
	for i := range rows {
		ids[i] = rows[i].ID
	}
	online := a.audience.hub.Connected(ids)
	people := make([]PersonThere, len(rows))
	for i := range rows {
		people[i] = PersonThere{PersonThere: rows[i], Role: standsByRank[rows[i].Rank], Online: online[rows[i].ID], Here: here[rows[i].ID]}
		if rows[i].IsBot() {
			people[i].Role = StandsBot
		}
	}
	return people, nil
}
