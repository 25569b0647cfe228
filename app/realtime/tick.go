package realtime

import "time"

const (
	tickEvery  = 100 * time.Millisecond
	restEvery  = 10 * time.Second // while nobody is connected
	sweepEvery = 500 * time.Millisecond
	// slowAfter is how long a write must be stuck before a connection that the window
	// has overtaken is closed.
	slowAfter = time.Second
	// windowAge is how long a quiet room keeps frames for peers that reconnect.
	windowAge = time.Minute
	// pollRetry is the pause after a failed poll.
	pollRetry = time.Second
)

// health is what the hub's ticker knows about a connection.
type health struct {
	heard, pinged time.Time
	writes        uint64
	stuckSince    time.Time // when a sweep first saw the current write
	closingSince  time.Time
}

// tick is the hub's only timer. It handles pings, silence, stuck writes, presence and
// the poll. While nobody is connected it only forgets what is old.
func (h *Hub) tick() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	now := h.cfg.Now()
	swept, beat, polled := now, now, now
	for {
		select {
		case <-h.ctx.Done():
			return
		case <-t.C:
		case <-h.joined:
			t.Reset(tickEvery)
		}
		now = h.cfg.Now()
		h.tellPresence(now)
		if now.Sub(swept) >= sweepEvery {
			swept = now
			h.sweep(now)
		}
		if now.Sub(beat) >= h.cfg.PresenceExpiry/3 {
			beat = now
			h.heartbeat()
		}
		if now.Sub(polled) >= h.cfg.Poll {
			polled = now
			h.poll()
		}
		if h.empty() {
			t.Reset(restEvery)
		}
	}
}

// empty tells whether nobody is connected. Whoever joins fills joined afterwards.
func (h *Hub) empty() bool {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return len(h.conns) == 0
}

// sweep checks every connection and room.
func (h *Hub) sweep(now time.Time) {
	for _, c := range h.Conns(nil) {
		h.check(c, now)
	}
	h.live.forgetBefore(now.Add(-liveFor))
	old := now.Add(-h.cfg.PresenceExpiry)
	h.elsewhere.forget(func(_ string, n *remoteNode) bool { return n.seen.Before(old) })
	for _, r := range h.openRooms() {
		r.feed.forget(now.Add(-windowAge))
		if r.expirePresence(old) {
			h.presenceChanged(r)
		}
	}
}

func (h *Hub) openRooms() []*room {
	h.mu.RLock()
	defer h.mu.RUnlock()
	rooms := make([]*room, 0, len(h.rooms))
	for _, r := range h.rooms {
		rooms = append(rooms, r)
	}
	return rooms
}

// check pings c, closes it if it is slow or silent, and cuts it if it does not close in
// time.
func (h *Hub) check(c *Conn, now time.Time) {
	s := &c.health
	if s.heard.IsZero() {
		s.heard, s.pinged = now, now
	}
	if c.spoke.Swap(false) {
		s.heard = now
	}
	stuck := s.stuckFor(c.writes.Load(), now)
	select {
	case <-c.done:
		h.cutLate(c, now)
		return
	default:
	}
	switch {
	case stuck > h.cfg.WriteTimeout || stuck >= slowAfter && c.overtaken():
		h.stats.slow.Add(1)
		c.Close(CloseTooSlow, "too slow")
	case now.Sub(s.heard) > h.cfg.DeadAfter:
		// The peer may be asleep and not gone, so it gets a close frame. The connection
		// is cut all the same.
		h.stats.dead.Add(1)
		c.Close(CloseTooSlow, "no sign of life")
	case now.Sub(s.pinged) >= h.cfg.Ping:
		s.pinged = now
		c.Ping()
	}
}

// overtaken reports whether a window has moved past the connection, which was following it.
func (c *Conn) overtaken() bool {
	for _, s := range c.allSeats() {
		if s.room.feed.overtaken(s) {
			return true
		}
	}
	return false
}

// stuckFor returns how long the same write has been under way, as far as the sweeps
// have seen.
func (s *health) stuckFor(writes uint64, now time.Time) time.Duration {
	if writes%2 == 0 || writes != s.writes {
		s.writes, s.stuckSince = writes, now
		return 0
	}
	return now.Sub(s.stuckSince)
}

// cutLate cuts a connection that did not accept its close frame in time. A slow
// connection gets more time: if it reads on, it learns why it was closed.
func (h *Hub) cutLate(c *Conn, now time.Time) {
	s := &c.health
	if s.closingSince.IsZero() {
		s.closingSince = now
	}
	grace := closeGrace
	switch {
	case now.Sub(s.heard) > h.cfg.DeadAfter:
		grace = 0
	case c.tooSlow():
		grace = max(grace, h.cfg.WriteTimeout)
	}
	if now.Sub(s.closingSince) >= grace {
		c.cut()
	}
}

// poll compares the newest seqs of all rooms here with what was read. It works in the
// background, one poll at a time. A call during a poll makes another poll follow,
// because the running one may have read too early.
func (h *Hub) poll() {
	if h.polls.Add(1) > 1 {
		return
	}
	h.spawn(func() {
		pauses := newPauses(pollRetry, pollRetry)
		for {
			asked := h.polls.Load()
			for !h.pollOnce() {
				if !sleep(h.ctx, pauses.NextBackOff()) {
					return
				}
			}
			if h.polls.CompareAndSwap(asked, 0) {
				return
			}
		}
	})
}

func (h *Hub) pollOnce() bool {
	rooms := h.openRooms()
	if len(rooms) == 0 {
		return true
	}
	if h.cfg.Heads == nil {
		for _, r := range rooms {
			r.poke()
		}
		return true
	}
	ids := make([]string, len(rooms))
	for i, r := range rooms {
		ids[i] = r.id
	}
	heads, err := h.cfg.Heads(h.ctx, ids)
	if err != nil {
		if h.ctx.Err() == nil {
			h.cfg.Log.Warn("polling the rooms' heads failed", "rooms", len(ids), "err", err)
		}
		return h.ctx.Err() != nil
	}
	for _, r := range rooms {
		if heads[r.id] > r.feed.newest() {
			r.poke()
		}
	}
	return true
}
