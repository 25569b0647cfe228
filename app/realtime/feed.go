package realtime

import (
	"sort"
	"sync"
	"time"
)

// feed is a room's shared queue: a window of entries that every connection reads at its
// own pace. Positions count all entries ever appended. Seqs count only events, which
// are in the log.
type feed struct {
	maxFrames, maxBytes int
	now                 func() time.Time
	resync              func(head int64, v Variant) []byte
	fetch               func(from int64) // starts reading the page at from; must not block

	mu      sync.Mutex
	entries []*entry
	base    int64 // position of entries[0]
	first   int64 // the oldest seq in the window; last+1 if there is none
	last    int64 // the newest seq
	bytes   int

	// Rounds count the pump's reads up to the newest event. When a cursor is beyond
	// last, a read decides whether its seq exists. Only a read that began after the
	// cursor came counts.
	started, finished int64
	checked           int64 // the newest round whose end a cursor waits for; -1 if none

	history *history
	pages   []*page
	epoch   int64             // counts the events that rewrote older ones; pages of an earlier epoch are invalid
	waiting map[int64][]*seat // those who wait for a page that is being read, by its first seq
}

// cursor is a connection's place in a feed.
type cursor struct {
	next     int64 // the seq it needs next
	pos      int64 // its position; outside the window it is computed again from next
	since    int64 // signals before this position are older than its join
	checking bool  // next is beyond the feed; the end of round decides whether it exists
	round    int64
	page     *page   // the page of history that it replays
	written  []*page // the pages whose frames are in the batch being written
	gone     bool    // it has left the room
	waiting  bool    // it asked for a page that has not come yet
	asked    int64   // the seq that it asked for
}

// entry is one event or signal. It is encoded once for each variant that wants it.
type entry struct {
	seq      int64 // 0 for a signal
	upto     int64 // the newest seq up to and including this entry
	at       time.Time
	size     int
	actor    string
	from     *Conn // of a signal: its sender, which does not get it back
	rewrites bool  // it changed older events, so older entries are out of date
	encode   func(Variant) ([]byte, time.Duration)
	frames   [MaxVariants]*frame
}

type frame struct {
	bytes []byte        // nil: this variant does not get it
	hold  time.Duration // how long the actor's own connections wait for it
}

func (e *entry) frame(v Variant) *frame {
	if f := e.frames[v]; f != nil {
		return f
	}
	f := &frame{}
	var text []byte
	if text, f.hold = e.encode(v); text != nil {
		f.bytes = TextFrame(text)
	}
	e.frames[v] = f
	return f
}

// grow appends the new events and reports whether there were any.
func (f *feed) grow(entries []*entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.last
	for _, e := range entries {
		if e.seq <= f.last {
			continue
		}
		if e.seq > f.last+1 {
			f.drop(len(f.entries))
			f.first = e.seq
			// Skip a position that no connection can have. So even connections that
			// were up to date check in the database what the hole removed.
			f.base++
		}
		f.advance(e)
	}
	return f.last > before
}

// extend appends e if it is the next event. It returns false when events before e are
// missing, so that the database must be read.
func (f *feed) extend(e *entry) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.seq != f.last+1 {
		return e.seq <= f.last
	}
	f.advance(e)
	return true
}

// advance appends the next event. An event that rewrote older ones empties the window
// first. Connections that have not got the older ones read them from the database.
func (f *feed) advance(e *entry) {
	if e.rewrites {
		f.drop(len(f.entries))
		f.share(nil)
		f.epoch++
	}
	f.last = e.seq
	f.append(e)
}

// signal appends an entry that is not in the log.
func (f *feed) signal(e *entry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.append(e)
}

func (f *feed) append(e *entry) {
	e.upto, e.at = f.last, f.now()
	f.entries = append(f.entries, e)
	f.bytes += e.size
	n, size := 0, f.bytes
	for len(f.entries)-n > f.maxFrames || size > f.maxBytes && len(f.entries)-n > 1 {
		size -= f.entries[n].size
		n++
	}
	f.drop(n)
}

// empty drops the window and the shared pages of history.
func (f *feed) empty() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(len(f.entries))
	f.share(nil)
}

// drop forgets the n oldest entries.
func (f *feed) drop(n int) {
	for i, e := range f.entries[:n] {
		f.bytes -= e.size
		f.first = e.upto + 1
		f.entries[i] = nil
	}
	f.entries = f.entries[n:]
	f.base += int64(n)
	if len(f.entries) == 0 {
		f.entries, f.first = nil, f.last+1
	}
}

// forget drops entries and pages older than before, so that a quiet room uses no
// memory. Cursors compute their positions again.
func (f *feed) forget(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(sort.Search(len(f.entries), func(i int) bool { return !f.entries[i].at.Before(before) }))
	old := 0
	for old < len(f.pages) && f.pages[old].at.Before(before) {
		old++
	}
	f.share(f.pages[old:])
}

func (f *feed) newest() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.last
}

// beginRound and endRound enclose each read of the pump. endRound reports whether a
// cursor waited for it.
func (f *feed) beginRound() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
}

func (f *feed) endRound() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.finished = f.started
	awaited := f.checked >= 0
	if f.finished > f.checked {
		f.checked = -1
	}
	return awaited
}

// start sets s to the event after the seq after. A connection joins and resumes with
// it. true means that the cursor is beyond the feed, so the database must be read to
// check it.
func (f *feed) start(s *seat, after int64, joins bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	cur := &s.cur
	switch {
	case joins:
		cur.since = f.base + int64(len(f.entries))
	case cur.pos >= 0:
		cur.since = max(cur.since, cur.pos)
	}
	cur.next, cur.pos = max(after, 0)+1, -1
	cur.checking = cur.next > f.last+1
	if cur.checking {
		cur.round = f.started
		f.checked = max(f.checked, cur.round)
	}
	return cur.checking
}

// overtaken reports whether the window has moved past s, which was following it.
func (f *feed) overtaken(s *seat) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.cur.pos >= 0 && s.cur.pos < f.base
}

// take moves the next frames for s into b. If wait is positive, call it again after
// wait, even without a wake.
func (f *feed) take(s *seat, b *batch) (wait time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	cur := &s.cur
	if cur.gone {
		return 0
	}
	defer func() {
		if len(cur.written) > 0 {
			b.replayed = append(b.replayed, s)
		}
	}()
	if cur.checking {
		if f.finished <= cur.round {
			return 0
		}
		cur.checking = false
		if cur.next > f.last+1 {
			f.lost(s, b)
		}
	}
	for !b.full() {
		switch {
		case cur.pos >= f.base:
			return f.follow(s, b)
		case cur.next >= f.first:
			cur.pos = f.place(cur)
			f.hold(s, nil)
		case cur.page == nil && !cur.waiting && f.history.full(s.conn.who.UserID):
			return historyWait
		case !f.replay(s, b):
			return 0
		}
	}
	return 0
}

// follow serves s from the window.
func (f *feed) follow(s *seat, b *batch) (wait time.Duration) {
	cur := &s.cur
	for end := f.base + int64(len(f.entries)); cur.pos < end && !b.full(); cur.pos++ {
		e := f.entries[cur.pos-f.base]
		if e.seq == 0 && cur.pos < cur.since || e.seq != 0 && e.seq < cur.next {
			continue
		}
		if e.from == s.conn {
			continue
		}
		fr := e.frame(s.variant)
		if fr.hold > 0 && e.actor == s.conn.who.UserID {
			if wait = e.at.Add(fr.hold).Sub(f.now()); wait > 0 {
				return wait
			}
		}
		if fr.bytes != nil {
			b.add(fr.bytes)
		}
		if e.seq != 0 {
			cur.next = e.seq + 1
		}
	}
	return 0
}

// place returns the first position with anything that cur still wants.
func (f *feed) place(cur *cursor) int64 {
	i := sort.Search(len(f.entries), func(i int) bool { return f.entries[i].upto >= cur.next })
	return max(f.base, min(f.base+int64(i), cur.since))
}

// lost tells s that the events that it asked for are not kept, and continues from the
// newest event.
func (f *feed) lost(s *seat, b *batch) {
	if text := f.resync(f.last, s.variant); text != nil {
		b.add(TextFrame(text))
	}
	s.cur.next, s.cur.pos = f.last+1, -1
	f.hold(s, nil)
}
