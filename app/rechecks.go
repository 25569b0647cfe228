package app

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// recheckEvery is how often the sessions and memberships behind the open sockets are
// checked again. A lost right must close sockets on every node within 5 s; this interval
// leaves time for one query.
const recheckEvery = 4 * time.Second

// rechecks closes the sockets of those who have lost the right to them.
type rechecks struct {
	db        *store.DB
	hub       *realtime.Hub
	log       *slog.Logger
	sessions  *sessions
	followers *followers
	asked     chan struct{} // tells run not to wait for its next tick

	mu   sync.Mutex
	shut map[string]bool // rooms of archived courses in which somebody is
}

// found notes whether the course of a room is archived.
func (k *rechecks) found(roomID string, archived bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch {
	case !archived:
		delete(k.shut, roomID)
	case k.shut == nil:
		k.shut = map[string]bool{roomID: true}
	default:
		k.shut[roomID] = true
	}
}

// archived tells whether the course of a room was archived when it was last looked at.
func (k *rechecks) archived(roomID string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.shut[roomID]
}

// only forgets the rooms in which nobody is any more.
func (k *rechecks) only(rooms map[string]map[string][]*realtime.Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	maps.DeleteFunc(k.shut, func(id string, _ bool) bool { return rooms[id] == nil })
}

// soon checks this node's sockets now instead of at the next tick. Call it
// after the commit, when somebody has lost a right or its resource is gone.
func (k *rechecks) soon() { notify(k.asked) }

// run closes the sockets of sessions, tokens and memberships that have ended.
func (k *rechecks) run(ctx context.Context) {
	tick := time.NewTicker(recheckEvery) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-k.asked:
		}
		look, cancel := context.WithTimeout(ctx, recheckEvery)
		if err := k.all(look); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "the rights behind open sockets could not be checked", "err", err)
		}
		if err := k.sessions.storeUses(look); err != nil && ctx.Err() == nil {
			k.log.WarnContext(ctx, "the last use of tokens could not be stored", "err", err)
		}
		cancel()
	}
}

// all checks all sockets once, with one query per 500 sessions and one per 500
// people of a room.
func (k *rechecks) all(ctx context.Context) error {
	sessions, rooms := map[string][]*realtime.Conn{}, map[string]map[string][]*realtime.Conn{}
	for _, c := range k.hub.Conns(nil) {
		sessions[c.SessionID()] = append(sessions[c.SessionID()], c)
		for _, p := range c.Places() {
			if rooms[p.Room] == nil {
				rooms[p.Room] = map[string][]*realtime.Conn{}
			}
			rooms[p.Room][c.UserID()] = append(rooms[p.Room][c.UserID()], c)
		}
	}
	for ids := range slices.Chunk(slices.Collect(maps.Keys(sessions)), 500) {
		live, err := k.sessions.live(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !live[id] {
				closeAll(sessions[id], realtime.CloseSessionEnded, "session ended")
			}
		}
	}
	k.only(rooms)
	for room, people := range rooms {
		for ids := range slices.Chunk(slices.Collect(maps.Keys(people)), 500) {
			seats, err := k.db.RoomAccesses(ctx, room, ids)
			if err != nil {
				return err
			}
			for _, id := range ids {
				k.recheckSeat(room, seats[id], people[id])
			}
		}
	}
	return nil
}

func (k *rechecks) recheckSeat(room string, s *store.Seat, conns []*realtime.Conn) {
	if s == nil {
		k.putOut(room, conns)
		return
	}
	if !s.User.IsActive { // since the sessions were looked at
		closeAll(conns, realtime.CloseSessionEnded, "session ended")
		return
	}
	k.found(room, !s.Room.ArchivedAt.IsZero())
	actor, res := &Actor{User: s.User}, roomResource(&s.RoomAccess)
	if Check(actor, ActJoinRoom, res) != nil {
		k.putOut(room, conns)
		return
	}
	staff := Check(actor, ActSeeFailures, res) == nil
	for _, c := range conns {
		if p, in := c.Place(room); in && staff != (p.Variant&event.Staff != 0) {
			// The client reconnects at once and then gets what its new role may see.
			if f := k.followers.of(c); f != nil {
				f.lost(room, "role_changed")
			} else {
				c.Close(realtime.CloseGoingAway, "role changed")
			}
		}
	}
}

// putOut ends what people get of a room that they may not be in.
func (k *rechecks) putOut(room string, conns []*realtime.Conn) {
	for _, c := range conns {
		if f := k.followers.of(c); f != nil {
			f.lost(room, "not_member")
		} else {
			c.Close(realtime.CloseNotMember, "no longer a member")
		}
	}
}

func closeAll(conns []*realtime.Conn, code int, reason string) {
	for _, c := range conns {
		c.Close(code, reason)
	}
}
