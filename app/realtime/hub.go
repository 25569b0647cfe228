package realtime

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// MaxVariants bounds Variant.
const MaxVariants = 16

// Variant is the encoding that a connection wants, less than MaxVariants. The caller
// decides what the numbers mean (plain or v2 protocol, member or staff).
type Variant uint8

// Event is a row of a room's log.
type Event struct {
	Room  string
	Seq   int64 // 1..n without a gap
	ID    string
	Type  string
	Actor string // the person who caused it, for Encoders.Hold; may be ""
	Body  []byte // JSON
	At    time.Time
	// Rewrites: the commit of this event changed the bodies of earlier events. Copies
	// of those in memory must not be shown any more.
	Rewrites bool
}

// JoinOptions say from which event a connection reads a room.
type JoinOptions struct {
	After int64 // the last seq that the peer has; if negative, it begins at Head
	Head  int64 // the room's newest seq when the peer was let in
	// Greet makes the JSON texts that this connection gets first, from the answers
	// under way. The deltas that follow continue these texts. It runs under a lock: it
	// must be quick, and must not call the hub.
	Greet func([]Turn) [][]byte
	// Variant is the encoding that the connection gets in this room, if it is not its own.
	Variant Variant
	// Absent keeps the person out of the room's presence.
	Absent bool
}

// Stats are counters since the start, and the numbers of what is open now.
type Stats struct {
	Conns, Rooms             int
	Frames                   int64 // frames written to sockets
	Slow, Dead               int64 // connections closed because they were slow or silent
	Resyncs                  int64
	SignalsSent, SignalsLost int64 // signals to other nodes
}

// Hub holds the connections of one process.
type Hub struct {
	cfg    Config
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	pumps, fetches chan struct{} // bound the concurrent reads
	out            *outbox       // nil without Send
	live           *live
	history        *history
	elsewhere      elsewhere
	polls          atomic.Int32 // polls that were asked for and have not ended
	stats          struct {
		frames, slow, dead, resyncs atomic.Int64
	}

	dirtyMu sync.Mutex
	dirty   map[*room]struct{} // rooms whose presence has changes to send

	spawnMu sync.Mutex
	ended   bool

	joined chan struct{} // holds a token when the first has joined

	mu     sync.RWMutex
	closed bool
	rooms  map[string]*room
	conns  map[*Conn]struct{}
}

// NewHub starts a hub. End it with Close.
func NewHub(cfg Config) *Hub {
	h := &Hub{
		cfg:     cfg.withDefaults(),
		pumps:   make(chan struct{}, 8),
		fetches: make(chan struct{}, 4),
		rooms:   map[string]*room{},
		conns:   map[*Conn]struct{}{},
		dirty:   map[*room]struct{}{},
		joined:  make(chan struct{}, 1),
		live:    newLive(),
	}
	h.history = newHistory(h.cfg.HistoryBytes, h.cfg.HistoryOf)
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if h.cfg.Send != nil {
		h.out = newOutbox(h.cfg.Node, h.cfg.Send, h.cfg.Log)
		h.spawn(func() { h.out.run(h.ctx) })
	}
	h.spawn(h.tick)
	return h
}

// Join puts c into room. From then on c gets the room's frames. A connection may be in
// several rooms, in each of them once. Calls for one connection come one after the other.
func (h *Hub) Join(roomID string, c *Conn, o JoinOptions) {
	s, behind := h.enter(roomID, c, o)
	if s == nil {
		c.Close(CloseGoingAway, "going away")
		return
	}
	h.presenceChanged(s.room)
	if behind || o.Head > s.room.feed.newest() {
		s.room.poke()
	}
	s.poke()
}

// Attach adds a connection that is in no room yet.
func (h *Hub) Attach(c *Conn) {
	h.mu.Lock()
	closed := h.closed
	if !closed {
		h.attach(c)
	}
	h.mu.Unlock()
	if closed {
		c.Close(CloseGoingAway, "going away")
	}
}

// attach adds a connection. The caller holds h.mu.
func (h *Hub) attach(c *Conn) {
	c.hub.Store(h)
	h.conns[c] = struct{}{}
	if len(h.conns) == 1 {
		select {
		case h.joined <- struct{}{}:
		default: // the token is there
		}
	}
}

// enter adds c to a room. behind says that the room's log must be read for it. A closed
// hub has no rooms.
func (h *Hub) enter(roomID string, c *Conn, o JoinOptions) (in *seat, behind bool) {
	sh := h.live.shard(roomID)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if o.Greet != nil {
		c.greet(o.Greet(sh.turns(roomID)))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, false
	}
	r := h.rooms[roomID]
	if r == nil {
		r = newRoom(h, roomID, o.Head)
		r.presence.remote = h.elsewhere.take(roomID)
		h.rooms[roomID] = r
		h.ask(roomID)
	}
	if o.After < 0 {
		o.After = o.Head
	}
	s := &seat{conn: c, room: r, variant: o.Variant, absent: o.Absent}
	if s.variant == 0 {
		s.variant = c.who.Variant
	}
	behind = r.feed.start(s, o.After, true)
	h.attach(c)
	r.add(s)
	c.addSeat(s)
	return s, behind
}

// Leave removes c from its rooms and from the hub. It may be called more than once.
func (h *Hub) Leave(c *Conn) {
	for _, s := range c.allSeats() {
		h.leave(s)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.conns, c)
}

// LeaveRoom removes c from one room. Nothing of the room is sent to it after what is sent
// later. It returns false when c is not there.
func (h *Hub) LeaveRoom(c *Conn, roomID string) bool {
	s := c.in(roomID)
	if s != nil {
		h.leave(s)
	}
	return s != nil
}

func (h *Hub) leave(s *seat) {
	h.mu.Lock()
	r := s.room
	if !s.conn.dropSeat(s) {
		h.mu.Unlock()
		return
	}
	empty := r.remove(s)
	r.feed.leave(s)
	if empty {
		delete(h.rooms, r.id)
		r.mu.Lock()
		h.elsewhere.keep(r.id, r.presence.remote)
		r.presence.remote = map[string]*remoteNode{}
		r.mu.Unlock()
	}
	h.mu.Unlock()
	if empty {
		r.cancel()
		r.feed.empty()
		h.retire(r)
		return
	}
	h.presenceChanged(r)
}

// Resume restarts the stream of a room that c is in after the event with seq after. The
// peer may ask for it at any time.
func (h *Hub) Resume(c *Conn, roomID string, after int64) {
	s := c.in(roomID)
	if s == nil {
		return
	}
	if s.room.feed.start(s, after, false) {
		s.room.poke()
	}
	s.poke()
}

// Publish passes on an event that was committed just now. If it is the room's next
// event, this saves a read.
func (h *Hub) Publish(e Event) {
	if r := h.room(e.Room); r != nil {
		if r.feed.extend(h.eventEntry(e)) {
			r.pokeAll()
		} else {
			r.poke()
		}
	}
}

// Hold makes what the members of a room are shown from now on wait for release, which must
// be called very soon and once. Then all of it goes out in one write to each of them.
func (h *Hub) Hold(roomID string) (release func()) {
	if r := h.room(roomID); r != nil {
		return r.hold()
	}
	return func() {}
}

// Wake says that room has events up to seq, or newer events if seq is 0.
func (h *Hub) Wake(roomID string, seq int64) {
	if r := h.room(roomID); r != nil && (seq <= 0 || seq > r.feed.newest()) {
		r.poke()
	}
}

// WakeAll says that wake-ups may have been missed, and starts a poll.
func (h *Hub) WakeAll() { h.poll() }

// Close closes every connection with 1001, cuts those that are still open when ctx
// ends, and ends the hub.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	conns := h.Conns(nil)
	for _, c := range conns {
		c.Close(CloseGoingAway, "going away")
	}
	for _, c := range conns {
		select {
		case <-c.ended:
		case <-ctx.Done():
			c.cut()
			<-c.ended
		}
	}
	if h.out != nil {
		h.out.push(wire{Kind: kindBye})
		h.out.flush(ctx)
	}
	h.spawnMu.Lock()
	h.ended = true
	h.spawnMu.Unlock()
	h.cancel()
	h.wg.Wait()
	return ctx.Err()
}

// spawn runs f in a goroutine that Close waits for. After Close it does nothing.
func (h *Hub) spawn(f func()) {
	h.spawnMu.Lock()
	defer h.spawnMu.Unlock()
	if !h.ended {
		h.wg.Go(f)
	}
}

// Conns returns the connections for which match is true. A nil match returns all.
func (h *Hub) Conns(match func(*Conn) bool) []*Conn {
	h.mu.RLock()
	defer h.mu.RUnlock()
	var found []*Conn
	for c := range h.conns {
		if match == nil || match(c) {
			found = append(found, c)
		}
	}
	return found
}

// CloseSession closes the connections of a session on this node.
func (h *Hub) CloseSession(sessionID string, code int, reason string) int {
	return h.closeWhere(func(c *Conn) bool { return c.who.SessionID == sessionID }, code, reason)
}

// CloseUser closes the connections of a person on this node.
func (h *Hub) CloseUser(userID string, code int, reason string) int {
	return h.closeWhere(func(c *Conn) bool { return c.who.UserID == userID }, code, reason)
}

func (h *Hub) closeWhere(match func(*Conn) bool, code int, reason string) int {
	conns := h.Conns(match)
	for _, c := range conns {
		c.Close(code, reason)
	}
	return len(conns)
}

// Stats returns the hub's counters.
func (h *Hub) Stats() Stats {
	h.mu.RLock()
	s := Stats{Conns: len(h.conns), Rooms: len(h.rooms)}
	h.mu.RUnlock()
	s.Frames, s.Resyncs = h.stats.frames.Load(), h.stats.resyncs.Load()
	s.Slow, s.Dead = h.stats.slow.Load(), h.stats.dead.Load()
	if h.out != nil {
		s.SignalsSent, s.SignalsLost = h.out.sent.Load(), h.out.lost.Load()
	}
	return s
}

func (h *Hub) room(id string) *room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.rooms[id]
}

func (h *Hub) eventEntry(e Event) *entry {
	return &entry{
		seq: e.Seq, rewrites: e.Rewrites, actor: e.Actor, size: len(e.Body) + entryOverhead,
		encode: func(v Variant) (text []byte, hold time.Duration) {
			if h.cfg.Encode.Event != nil {
				text = h.cfg.Encode.Event(e, v)
			}
			if h.cfg.Encode.Hold != nil && e.Actor != "" {
				hold = h.cfg.Encode.Hold(e, v)
			}
			return text, hold
		},
	}
}
