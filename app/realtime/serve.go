package realtime

import (
	"runtime"
	"sync"
	"sync/atomic"
)

const (
	// crowd is from how many connections on a room's frames are written by serveAll.
	crowd = 4
	// share is how many connections one goroutine of serveAll takes at a time.
	share = 32
	// quickBytes is how much serve writes to a connection at once.
	quickBytes = 16 << 10
)

// serveAll writes what waits for the seats of a room, until nothing new has come
// meanwhile. To wake a writer for each connection costs a good part of what its write costs,
// and nearly always the socket takes a frame at once. The writers do the rest: what is
// long, what a connection alone gets, and what a full socket does not take.
func (r *room) serveAll() {
	var seats []*seat
	for {
		r.mu.Lock()
		if r.more = false; r.held > 0 { // whoever releases it serves all
			r.due, r.serving = true, false
			r.mu.Unlock()
			return
		}
		seats = append(seats[:0], r.seats...)
		r.mu.Unlock()
		serve(seats)
		r.mu.Lock()
		if !r.more {
			r.serving = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
	}
}

// serve serves seats, many of them on all processors.
func serve(seats []*seat) {
	var next atomic.Int64
	work := func() {
		w := newQuickWriter()
		for {
			from := int(next.Add(share)) - share
			if from >= len(seats) {
				return
			}
			for _, s := range seats[from:min(from+share, len(seats))] {
				s.serve(w)
			}
		}
	}
	var helpers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (len(seats)+share-1)/share) - 1 {
		helpers.Go(work)
	}
	work()
	helpers.Wait()
}

// serve writes what the room has for s, unless its connection's writer has to do it.
func (s *seat) serve(w *quickWriter) {
	c := s.conn
	if c.raw == nil || c.urgent.Load() || !c.writing.TryLock() {
		s.poke()
		return
	}
	defer c.writing.Unlock()
	if c.over {
		return
	}
	if c.rest != nil {
		s.poke()
		return
	}
	b := batches.Get().(*batch)
	s.collect(b)
	if len(b.frames) > 0 && (len(b.replayed) > 0 || b.full() || !c.writeNow(w, b)) {
		c.rest = b
		s.poke()
		return
	}
	b.release()
}

// writeNow writes a small batch. It returns false when frames are left in b.
func (c *Conn) writeNow(w *quickWriter, b *batch) bool {
	if b.bytes > quickBytes {
		return false
	}
	w.data = b.frames[0]
	if len(b.frames) > 1 {
		w.joined = w.joined[:0]
		for _, frame := range b.frames {
			w.joined = append(w.joined, frame...)
		}
		w.data = w.joined
	}
	c.writes.Add(1)
	err := c.raw.Write(w.write)
	c.writes.Add(1)
	n := w.n
	if err != nil {
		n = 0
	}
	if n == len(w.data) {
		c.count(b)
		return true
	}
	if n > 0 {
		clear(b.frames)
		b.frames = append(b.frames[:0], append([]byte(nil), w.data[n:]...))
	}
	return false
}
