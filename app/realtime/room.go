package realtime

import (
	"context"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
)

const (
	retryMin = 50 * time.Millisecond
	retryMax = 5 * time.Second
)

// room is the state of a room that has local connections. Its goroutine reads the
// room's log.
type room struct {
	hub    *Hub
	id     string
	feed   feed
	ctx    context.Context
	cancel context.CancelFunc
	wake   chan struct{}

	mu       sync.Mutex
	held     int  // how many keep the connections asleep, see Hub.Hold
	due      bool // they are to be woken then
	serving  bool // serveAll runs
	more     bool // it has to begin anew
	seats    []*seat
	presence presence
}

// newRoom starts the room at head, the newest seq that its first member knows, and
// reads the events after it.
func newRoom(h *Hub, id string, head int64) *room {
	r := &room{hub: h, id: id, wake: make(chan struct{}, 1)}
	r.ctx, r.cancel = context.WithCancel(h.ctx)
	r.feed = feed{
		maxFrames: h.cfg.QueueFrames, maxBytes: h.cfg.QueueBytes, now: h.cfg.Now,
		first: head + 1, last: head, checked: -1, history: h.history,
		waiting: map[int64][]*seat{},
		resync: func(head int64, v Variant) []byte {
			if h.cfg.Encode.Resync == nil {
				return nil
			}
			h.stats.resyncs.Add(1)
			return h.cfg.Encode.Resync(id, head, v)
		},
		fetch: func(from int64) { h.spawn(func() { r.fetch(from) }) },
	}
	r.presence = newPresence()
	r.poke()
	h.spawn(r.pump)
	return r
}

func (r *room) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

func (r *room) pokeAll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held > 0 {
		r.due = true
		return
	}
	if len(r.seats) < crowd {
		for _, s := range r.seats {
			s.poke()
		}
		return
	}
	if r.more = true; !r.serving {
		r.serving = true
		r.hub.spawn(r.serveAll)
	}
}

func (r *room) hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held++
	return func() {
		r.mu.Lock()
		r.held--
		due := r.due && r.held == 0
		r.due = r.due && !due
		r.mu.Unlock()
		if due {
			r.pokeAll()
		}
	}
}

// pump reads the log whenever the room is woken, until the room has no local
// connections.
func (r *room) pump() {
	for {
		select {
		case <-r.ctx.Done():
			return
		case <-r.wake:
		}
		r.feed.beginRound()
		for {
			events := r.read(r.hub.pumps, r.feed.newest(), pageSize)
			if r.ctx.Err() != nil {
				return
			}
			if r.feed.grow(r.entries(events)) {
				r.pokeAll()
			}
			if len(events) < pageSize {
				break
			}
		}
		if r.feed.endRound() {
			r.pokeAll()
		}
	}
}

// fetch reads the page that begins at from.
func (r *room) fetch(from int64) {
	for {
		epoch := r.feed.reading()
		events := r.read(r.hub.fetches, from-1, pageSize)
		if r.ctx.Err() != nil {
			return
		}
		seats, ok := r.feed.answer(from, epoch, r.entries(events))
		for _, s := range seats {
			s.poke()
		}
		if ok {
			return
		}
	}
}

// read reads until it succeeds or the room ends. slots bounds how many rooms read at
// the same time.
func (r *room) read(slots chan struct{}, after int64, limit int) []Event {
	for pauses := newPauses(retryMin, retryMax); ; {
		select {
		case slots <- struct{}{}:
		case <-r.ctx.Done():
			return nil
		}
		events, err := r.hub.cfg.Read(r.ctx, r.id, after, limit)
		<-slots
		if err == nil || r.ctx.Err() != nil {
			return events
		}
		r.hub.cfg.Log.Warn("reading a room's events failed", "room_id", r.id, "after", after, "err", err)
		if !sleep(r.ctx, pauses.NextBackOff()) {
			return nil
		}
	}
}

func (r *room) entries(events []Event) []*entry {
	entries := make([]*entry, len(events))
	for i, e := range events {
		entries[i] = r.hub.eventEntry(e)
	}
	return entries
}

// signal sends the members here something that is not in the log.
func (r *room) signal(size int, encode func(Variant) []byte) { r.show(signalEntry(size, encode)) }

// show does what signal does, with an entry that is already made.
func (r *room) show(e *entry) {
	r.feed.signal(e)
	r.pokeAll()
}

func signalEntry(size int, encode func(Variant) []byte) *entry {
	return &entry{size: size + entryOverhead, encode: func(v Variant) ([]byte, time.Duration) { return encode(v), 0 }}
}

func (r *room) add(s *seat) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.index = len(r.seats)
	r.seats = append(r.seats, s)
	s.owed = true
	if !s.absent {
		r.presence.join(s.conn.who)
	}
}

// remove removes s. It reports whether s was the last seat.
func (r *room) remove(s *seat) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.seats) - 1
	r.seats[s.index] = r.seats[last]
	r.seats[s.index].index = s.index
	r.seats[last] = nil
	r.seats = r.seats[:last]
	if !s.absent {
		r.presence.leave(s.conn.who)
	}
	return last == 0
}

// entryOverhead is added to an entry's size, for the memory around its body.
const entryOverhead = 256

// newPauses returns the pauses after failures in a row: from 50 to 150 % of first, and
// then twice as much each time, up to most. They differ by chance, because all rooms and
// all nodes notice at the same moment that the database is back.
func newPauses(first, most time.Duration) *backoff.ExponentialBackOff {
	return &backoff.ExponentialBackOff{InitialInterval: first, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: most}
}

// sleep waits for d. It returns false when ctx ended before that.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
