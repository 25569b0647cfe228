package store

import (
	"context"
	"slices"

	"github.com/uptrace/bun"
)

// A room's AgentsVersion counts the changes of who may speak there and when: agents that
// come and go, their settings and their state in the room, their own settings, and the
// room's settings. Every method of Tx that writes such a thing moves it, so that what a
// process remembers of the room's agents is never taken for the truth after a change.
//
// The methods lock all rooms first, in the order of their ids, and then write. A
// transaction that ends a turn locks its room before its agents too.

const (
	theseRooms   = "?"
	roomsOfAgent = "SELECT ra.room_id FROM room_agents AS ra WHERE ra.agent_id = ?"
	// roomsOf is to be followed by a condition on agents.
	roomsOf = "SELECT ra.room_id FROM room_agents AS ra JOIN agents AS a ON a.id = ra.agent_id WHERE "
)

// agentsChanged locks rooms and moves their version. rooms is SQL for their ids.
func (t *Tx) agentsChanged(ctx context.Context, rooms string, args ...any) error {
	_, err := t.db.NewRaw("WITH locked AS ("+t.inOrder(rooms)+") UPDATE rooms SET agents_version = agents_version + 1 WHERE id IN (SELECT id FROM locked)",
		args...).Exec(ctx)
	return translate(err)
}

// roomAgentsChanged is agentsChanged for rooms whose ids are known. A version that moves in
// the same transaction already need not move again.
func (t *Tx) roomAgentsChanged(ctx context.Context, ids ...string) error {
	left := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return t.moved[id] })
	if len(left) == 0 {
		return nil
	}
	return t.agentsChanged(ctx, theseRooms, bun.List(left))
}

// lockRooms locks rooms until the transaction ends. rooms is SQL for their ids.
func (t *Tx) lockRooms(ctx context.Context, rooms string, args ...any) error {
	if t.PG == nil {
		return nil
	}
	_, err := t.db.NewRaw(t.inOrder(rooms), args...).Exec(ctx)
	return translate(err)
}

// inOrder is SQL that locks rooms on Postgres, in the order of their ids. The lock lets
// rows that refer to the room be added.
func (t *Tx) inOrder(rooms string) string {
	all := "SELECT id FROM rooms WHERE id IN (" + rooms + ")"
	if t.PG != nil {
		all += " ORDER BY id FOR NO KEY UPDATE"
	}
	return all
}
