package realtime

import (
	"sync"
	"time"
)

// historyWait is when a connection looks again for room in the history.
const historyWait = 250 * time.Millisecond

// history counts the bytes of the pages that connections replay, of each person and of all. Who does not find room
// waits: those who read make some, and those who do not are closed as too slow. A nil history has no bounds.
type history struct {
	most, mostOf int64

	mu   sync.Mutex
	used int64            // by pages, each once however many share it
	of   map[string]int64 // by the pages that each person's connections hold
}

func newHistory(most, mostOf int64) *history {
	return &history{most: max(most, mostOf), mostOf: mostOf, of: map[string]int64{}}
}

// full tells whether there is no room for one more page of a person.
func (h *history) full(user string) bool {
	if h == nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.used >= h.most || user != "" && h.of[user] >= h.mostOf
}

// crowded tells whether pages should not be kept for those who may come.
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

// hold makes p the page that c replays, nil for none. The frames of the one before may be in the batch that is
// being filled or written: c has it until settle.
func (f *feed) hold(c *Conn, p *page) {
	cur := &c.cur
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
	f.history.charge(c.who.UserID, p.bytes())
}

// settle lets go of the pages whose frames c has written.
func (f *feed) settle(c *Conn) {
	for _, p := range c.cur.written {
		f.history.charge(c.who.UserID, -p.bytes())
		f.use(p, -1)
	}
	c.cur.written = nil
}

// settled is settle by the writer, which has nothing under way.
func (f *feed) settled(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.settle(c)
}

// leave lets go of all that c has, and serves it no more.
func (f *feed) leave(c *Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hold(c, nil)
	f.settle(c)
	c.cur.gone = true
}

// use counts those who have a page; it takes memory from the first to the last of them.
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

// share replaces the pages that the feed keeps for those who come.
func (f *feed) share(pages []*page) {
	for _, p := range pages {
		f.use(p, 1)
	}
	for _, p := range f.pages {
		f.use(p, -1)
	}
	f.pages = pages
}
