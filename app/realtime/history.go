package realtime

import (
	"sync"
	"time"
)

// historyWait is how long a connection waits before it checks again for room in the
// history.
const historyWait = 250 * time.Millisecond

// history counts the bytes of the pages that connections replay, in total and for each
// person. When there is no room, a connection waits. Connections that read free memory,
// and those that do not are closed as too slow. A nil history has no bounds.
type history struct {
	most, mostOf int64

	mu   sync.Mutex
	used int64            // bytes of all pages; a shared page counts once
	of   map[string]int64 // bytes of the pages that each person's connections hold
}

func newHistory(most, mostOf int64) *history {
	return &history{most: max(most, mostOf), mostOf: mostOf, of: map[string]int64{}}
}

// full tells whether a person's connections may not hold one more page.
func (h *history) full(user string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used >= h.most || user != "" && h.of[user] >= h.mostOf
}

// crowded tells whether so much memory is used that no pages should be kept for later
// connections.
func (h *history) crowded() bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used >= h.most/2
}

func (h *history) add(n int64) {
	if h == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.used += n
}

func (h *history) charge(user string, n int64) {
	if h == nil || user == "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.of[user] += n; h.of[user] == 0 {
		delete(h.of, user)
	}
}

// hold makes p the page that s replays, nil for none. The frames of the previous page
// may be in the batch that is being filled or written, so s keeps that page until
// settle.
func (f *feed) hold(s *seat, p *page) {
	cur := &s.cur
	if p == cur.page {
		return
	}
	if cur.page != nil {
		cur.written = append(cur.written, cur.page)
	}
	if cur.page = p; p == nil {
		return
	}
	f.use(p, 1)
	f.history.charge(s.conn.who.UserID, p.bytes())
}

// settle releases the pages whose frames s has written.
func (f *feed) settle(s *seat) {
	for _, p := range s.cur.written {
		f.history.charge(s.conn.who.UserID, -p.bytes())
		f.use(p, -1)
	}
	s.cur.written = nil
}

// settled is settle for the writer, when no write is under way.
func (f *feed) settled(s *seat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(s)
}

// leave releases all pages of s and serves it no more.
func (f *feed) leave(s *seat) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold(s, nil)
	f.settle(s)
	s.cur.gone = true
}

// use counts the users of a page. The page counts as memory while it has at least one.
func (f *feed) use(p *page, n int) {
	before := p.users
	p.users += n
	switch {
	case before == 0 && p.users > 0:
		f.history.add(p.bytes())
	case before > 0 && p.users == 0:
		f.history.add(-p.bytes())
	}
}

// share replaces the pages that the feed keeps for later connections.
func (f *feed) share(pages []*page) {
	for _, p := range pages {
		f.use(p, 1)
	}
	for _, p := range f.pages {
		f.use(p, -1)
	}
	f.pages = pages
}
