package realtime

import (
	"sync"
	"time"
)

// elsewhere is who is in the rooms that nobody on this node is in, as the other nodes
// announce it. When somebody comes into such a room here, it goes on from what is known.
type elsewhere struct {
	mu    sync.Mutex
	rooms map[string]*presence
}

// of returns what is known of a room, and makes it when there is nothing yet.
func (e *elsewhere) of(roomID string) *presence {
	if e.rooms == nil {
		e.rooms = map[string]*presence{}
	}
	p := e.rooms[roomID]
	if p == nil {
		made := newPresence()
		p = &made
		e.rooms[roomID] = p
	}
	return p
}

// take gives away what is known of a room.
func (e *elsewhere) take(roomID string) map[string]*remoteNode {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := e.rooms[roomID]
	if p == nil {
		return map[string]*remoteNode{}
	}
	delete(e.rooms, roomID)
	return p.remote
}

// keep takes over what is known of a room.
func (e *elsewhere) keep(roomID string, remote map[string]*remoteNode) {
	if len(remote) == 0 {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.of(roomID).remote = remote
}

// hear applies an announcement of a node. ask is as in presence.hear.
func (e *elsewhere) hear(roomID, node string, c presenceChange, now time.Time) (ask bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, ask = e.of(roomID).hear(node, c, now)
	return ask
}

// beat notes that a node is alive. ask says that the node has announced what did not come.
func (e *elsewhere) beat(roomID, node string, gen int64, now time.Time) (ask bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := e.of(roomID).remoteNode(node, now)
	return (!n.known || n.gen != gen) && n.mayAsk(now)
}

// forget drops the nodes for which gone is true, and rooms of which nothing is left.
func (e *elsewhere) forget(gone func(node string, n *remoteNode) bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for id, p := range e.rooms {
		for node, n := range p.remote {
			if gone(node, n) {
				delete(p.remote, node)
			}
		}
		if len(p.remote) == 0 {
			delete(e.rooms, id)
		}
	}
}

// members returns who is in a room.
func (e *elsewhere) members(roomID string) []Member {
	e.mu.Lock()
	defer e.mu.Unlock()
	if p := e.rooms[roomID]; p != nil {
		return p.members()
	}
	return nil
}

// note calls f with everybody who is in one of the rooms.
func (e *elsewhere) note(f func(userID string)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.rooms {
		p.note(f)
	}
}

// note calls f with everybody; with somebody on several nodes more than once.
func (p *presence) note(f func(userID string)) {
	for id := range p.local {
		f(id)
	}
	for _, n := range p.remote {
		for id := range n.people {
			f(id)
		}
	}
}

// Connected tells which of these people are in any room, on any node.
func (h *Hub) Connected(userIDs []string) map[string]bool {
	asked, there := make(map[string]bool, len(userIDs)), map[string]bool{}
	for _, id := range userIDs {
		asked[id] = true
	}
	found := func(id string) {
		if asked[id] {
			there[id] = true
		}
	}
	for _, r := range h.openRooms() {
		r.mu.Lock()
		r.presence.note(found)
		r.mu.Unlock()
	}
	h.elsewhere.note(found)
	return there
}

// hearElsewhere handles an announcement, or with a nil change a heartbeat, of a node about
// a room that nobody here is in.
func (h *Hub) hearElsewhere(roomID, node string, c *presenceChange, gen int64, now time.Time) {
	var ask bool
	if c != nil {
		ask = h.elsewhere.hear(roomID, node, *c, now)
	} else {
		ask = h.elsewhere.beat(roomID, node, gen, now)
	}
	if ask && h.out != nil {
		h.out.push(wire{Kind: kindAsk, Room: roomID, To: node})
	}
}
