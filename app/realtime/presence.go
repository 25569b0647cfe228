package realtime

import (
	"cmp"
	"maps"
	"slices"
	"sort"
	"time"
)

const (
	perMember    = 2 * time.Millisecond
	maxWindow    = 2 * time.Second
	askAgain     = time.Second
	maxBeatBytes = maxText
)

// Member is a person or a bot in a room now.
type Member struct {
	UserID string `json:"user_id" format:"uuid"`
	Name   string `json:"name"`
	Kind   string `json:"kind,omitempty" enum:"bot" doc:"Absent for a person"`
}

// presence is who is in a room, on this node and on others. It is guarded by room.mu.
//
// Each node numbers the changes that it announces for a room (gen). A change or
// heartbeat may carry a number that does not follow the last one. Then the receiving
// node has missed something and asks for the whole list.
type presence struct {
	local  map[string]*person
	remote map[string]*remoteNode
	due    time.Time // when the changes are sent; zero if there are none
	told   []Member  // what the members here were sent last

	announced map[string]shownAs // what was announced to other nodes; nil if nothing yet
	gen       int64
	all       bool // a node asked for the whole list
}

// shownAs is what presence shows of somebody.
type shownAs struct{ name, kind string }

type person struct {
	shownAs
	conns int
}

type remoteNode struct {
	gen         int64
	people      map[string]shownAs
	known       bool // people is complete
	seen, asked time.Time
}

// presenceChange is what a node announces: people who came, as id, name and kind, and the
// ids of people who left. Older programs send and read no kind.
type presenceChange struct {
	Gen  int64       `json:"g"`
	All  bool        `json:"f,omitempty"` // the change is the whole list, and replaces what was known
	In   [][3]string `json:"i,omitempty"`
	Left []string    `json:"l,omitempty"`
}

func newPresence() presence {
	return presence{local: map[string]*person{}, remote: map[string]*remoteNode{}}
}

func (p *presence) join(who ConnOptions) {
	if who.UserID == "" {
		return
	}
	if x := p.local[who.UserID]; x != nil {
		x.conns++
		x.shownAs = shownAs{who.Name, who.Kind}
		return
	}
	p.local[who.UserID] = &person{shownAs: shownAs{who.Name, who.Kind}, conns: 1}
}

func (p *presence) leave(who ConnOptions) {
	x := p.local[who.UserID]
	if x == nil {
		return
	}
	if x.conns--; x.conns == 0 {
		delete(p.local, who.UserID)
	}
}

// members returns everybody, sorted by name. A person on several nodes is returned
// once.
func (p *presence) members() []Member {
	all := map[string]shownAs{}
	for _, n := range p.remote {
		maps.Copy(all, n.people)
	}
	for id, x := range p.local {
		all[id] = x.shownAs
	}
	members := make([]Member, 0, len(all))
	for id, as := range all {
		members = append(members, Member{id, as.name, as.kind})
	}
	sort.Slice(members, func(i, j int) bool {
		a, b := &members[i], &members[j]
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UserID, b.UserID)) < 0
	})
	return members
}

// changes returns what must be announced to other nodes, split to fit into payloads,
// and notes it as announced.
func (p *presence) changes() []presenceChange {
	now := map[string]shownAs{}
	for id, x := range p.local {
		now[id] = x.shownAs
	}
	all := p.all || p.announced == nil
	var out []presenceChange
	next := func() { p.gen++; out = append(out, presenceChange{Gen: p.gen}) }
	if all {
		next()
		out[0].All = true
	}
	size := 0
	room := func(n int) *presenceChange {
		if len(out) == 0 || size+n > maxText {
			next()
			size = 0
		}
		size += n
		return &out[len(out)-1]
	}
	for id, as := range now {
		if old, known := p.announced[id]; all || !known || old != as {
			c := room(jsonLength(id) + jsonLength(as.name) + jsonLength(as.kind) + 11)
			c.In = append(c.In, [3]string{id, as.name, as.kind})
		}
	}
	for id := range p.announced {
		if _, here := now[id]; !here && !all {
			c := room(jsonLength(id) + 3)
			c.Left = append(c.Left, id)
		}
	}
	p.announced, p.all = now, false
	return out
}

// hear applies an announcement of a node. ask says that something was missed, so the
// node must be asked for its whole list.
func (p *presence) hear(node string, c presenceChange, now time.Time) (changed, ask bool) {
	n := p.remoteNode(node, now)
	switch {
	case c.All:
		n.people, n.known = map[string]shownAs{}, true
	case !n.known || c.Gen > n.gen+1:
		return false, n.mayAsk(now)
	case c.Gen <= n.gen:
		return false, false
	}
	n.gen = c.Gen
	for _, m := range c.In {
		n.people[m[0]] = shownAs{m[1], m[2]}
	}
	for _, id := range c.Left {
		delete(n.people, id)
	}
	return true, false
}

func (p *presence) remoteNode(node string, now time.Time) *remoteNode {
	n := p.remote[node]
	if n == nil {
		n = &remoteNode{}
		p.remote[node] = n
	}
	n.seen = now
	return n
}

func (n *remoteNode) mayAsk(now time.Time) bool {
	if now.Sub(n.asked) < askAgain {
		return false
	}
	n.asked = now
	return true
}

// presenceChanged starts the room's window, unless it is open already. At its end all
// changes until then are sent together.
func (h *Hub) presenceChanged(r *room) {
	r.mu.Lock()
	if r.presence.due.IsZero() {
		window := h.cfg.PresenceWindow + time.Duration(len(r.seats))*perMember
		r.presence.due = h.cfg.Now().Add(min(window, max(maxWindow, h.cfg.PresenceWindow)))
	}
	r.mu.Unlock()
	h.dirtyMu.Lock()
	h.dirty[r] = struct{}{}
	h.dirtyMu.Unlock()
}

// tellPresence sends the changes of the rooms whose window has ended.
func (h *Hub) tellPresence(now time.Time) {
	h.dirtyMu.Lock()
	rooms := slices.Collect(maps.Keys(h.dirty))
	h.dirtyMu.Unlock()
	for _, r := range rooms {
		r.mu.Lock()
		late := !now.Before(r.presence.due)
		if late {
			// Remove the room from the set first. A change that comes after this adds
			// it again.
			h.dirtyMu.Lock()
			delete(h.dirty, r)
			h.dirtyMu.Unlock()
			r.presence.due = time.Time{}
		}
		r.mu.Unlock()
		if late {
			h.tellRoom(r)
		}
	}
}

func (h *Hub) tellRoom(r *room) {
	r.mu.Lock()
	members := r.presence.members()
	changed := !slices.Equal(members, r.presence.told)
	r.presence.told = members
	var owed []*seat
	for _, s := range r.seats {
		if s.owed {
			s.owed = false
			owed = append(owed, s)
		}
	}
	var changes []presenceChange
	if h.out != nil && len(r.seats) > 0 {
		changes = r.presence.changes()
	}
	r.mu.Unlock()

	for _, c := range changes {
		h.out.push(wire{Kind: kindPresence, Room: r.id, P: &c})
	}
	if h.cfg.Encode.Presence == nil {
		return
	}
	encode := func(v Variant) []byte { return h.cfg.Encode.Presence(r.id, members, v) }
	if changed {
		r.signal(len(members)*entryOverhead/4, encode)
		return
	}
	for _, s := range owed {
		if text := encode(s.variant); text != nil {
			s.conn.Send(text)
		}
	}
}

// tellAll makes this node announce its whole list again.
func (h *Hub) tellAll(r *room) {
	r.mu.Lock()
	r.presence.all = true
	r.mu.Unlock()
	h.presenceChanged(r)
}

// ask asks all other nodes who is in a room.
func (h *Hub) ask(roomID string) {
	if h.out != nil {
		h.out.push(wire{Kind: kindAsk, Room: roomID})
	}
}

// retire tells other nodes that nobody is in the room here any more.
func (h *Hub) retire(r *room) {
	h.dirtyMu.Lock()
	delete(h.dirty, r)
	h.dirtyMu.Unlock()
	if h.out == nil {
		return
	}
	r.mu.Lock()
	r.presence.gen++
	gen, told := r.presence.gen, r.presence.announced != nil
	r.mu.Unlock()
	if told {
		h.out.push(wire{Kind: kindPresence, Room: r.id, P: &presenceChange{Gen: gen, All: true}})
	}
}

func (h *Hub) hearPresence(r *room, node string, c presenceChange, now time.Time) {
	r.mu.Lock()
	changed, ask := r.presence.hear(node, c, now)
	r.mu.Unlock()
	if changed {
		h.presenceChanged(r)
	}
	if ask && h.out != nil {
		h.out.push(wire{Kind: kindAsk, Room: r.id, To: node})
	}
}

func (h *Hub) hearBeat(r *room, node string, gen int64, now time.Time) {
	r.mu.Lock()
	n := r.presence.remoteNode(node, now)
	ask := (!n.known || n.gen != gen) && n.mayAsk(now)
	r.mu.Unlock()
	if ask && h.out != nil {
		h.out.push(wire{Kind: kindAsk, Room: r.id, To: node})
	}
}

// heartbeat tells other nodes that this node is alive, and the number of its last
// announcement for each room.
func (h *Hub) heartbeat() {
	if h.out == nil {
		return
	}
	gens, size := map[string]int64{}, 0
	for _, r := range h.openRooms() {
		r.mu.Lock()
		gen, told := r.presence.gen, r.presence.announced != nil
		r.mu.Unlock()
		if !told {
			continue
		}
		gens[r.id] = gen
		if size += jsonLength(r.id) + 24; size > maxBeatBytes {
			h.out.push(wire{Kind: kindBeat, Gens: gens})
			gens, size = map[string]int64{}, 0
		}
	}
	if len(gens) > 0 {
		h.out.push(wire{Kind: kindBeat, Gens: gens})
	}
}

// expirePresence forgets nodes from which nothing came since before. It reports whether
// there were any.
func (r *room) expirePresence(before time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	expired := false
	for node, n := range r.presence.remote {
		if n.seen.Before(before) {
			delete(r.presence.remote, node)
			expired = true
		}
	}
	return expired
}

func (r *room) forgetNode(node string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, known := r.presence.remote[node]
	delete(r.presence.remote, node)
	return known
}

// Members returns who is in a room, on any node, sorted by name.
func (h *Hub) Members(roomID string) []Member {
	r := h.room(roomID)
	if r == nil {
		return h.elsewhere.members(roomID)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.presence.members()
}
