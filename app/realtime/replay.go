package realtime

import "time"

const (
	// pageSize is how many events one read asks for. Pages begin at multiples of it, so that connections with
	// different cursors share them.
	pageSize = 128
	// pagesKept is how many pages a room keeps for those who come a moment later.
	pagesKept = 8
)

// page is a run of consecutive events below the window, which change only with the feed's epoch.
type page struct {
	lo, hi  int64
	epoch   int64 // of the feed when its read began
	entries []*entry
	at      time.Time
}

func (p *page) covers(seq int64) bool { return p != nil && p.lo <= seq && seq <= p.hi }

// newPage keeps the run from the first entry up to a hole, if there is one.
func newPage(entries []*entry, at time.Time) *page {
	if len(entries) == 0 {
		return &page{lo: 1, hi: 0, at: at}
	}
	lo := entries[0].seq
	n := 1
	for n < len(entries) && entries[n].seq == lo+int64(n) {
		n++
	}
	return &page{lo: lo, hi: lo + int64(n) - 1, entries: entries[:n], at: at}
}

// replay serves c from a page of history; false says that c must wait for one.
func (f *feed) replay(c *Conn, b *batch) bool {
	cur := &c.cur
	if cur.waiting {
		return false
	}
	if cur.page != nil && cur.page.epoch != f.epoch {
		cur.page, cur.asked = nil, 0
	}
	answer := cur.page
	if !answer.covers(cur.next) {
		cur.page = f.kept(cur.next)
	}
	if cur.page == nil {
		if answer != nil && cur.asked == cur.next {
			// The page was read for this very seq, which the feed knows was committed: it is past retention.
			f.lost(c, b)
			return true
		}
		f.ask(c)
		return false
	}
	for p := cur.page; cur.next <= p.hi && !b.full(); cur.next++ {
		if fr := p.entries[cur.next-p.lo].frame(c.who.Variant); fr.bytes != nil {
			b.add(fr.bytes)
		}
	}
	if cur.next > cur.page.hi {
		cur.page, cur.asked = nil, 0
	}
	return true
}

func (f *feed) kept(seq int64) *page {
	for _, p := range f.pages {
		if p.covers(seq) {
			return p
		}
	}
	return nil
}

// ask queues c for the page with its next event; the first to ask starts the read.
func (f *feed) ask(c *Conn) {
	cur := &c.cur
	cur.waiting, cur.asked = true, cur.next
	from := cur.next - (cur.next-1)%pageSize
	f.waiting[from] = append(f.waiting[from], c)
	if len(f.waiting[from]) == 1 {
		f.fetch(from)
	}
}

// reading is the epoch of a page whose read begins now.
func (f *feed) reading() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// answer hands a page to those who wait for it and returns them; the caller pokes them. false says that events
// were rewritten since the read began, in epoch: it has to be done again.
func (f *feed) answer(from, epoch int64, entries []*entry) ([]*Conn, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch {
		return nil, false
	}
	p := newPage(entries, f.now())
	p.epoch = epoch
	if len(f.pages) == pagesKept {
		f.pages = f.pages[1:]
	}
	if len(entries) > 0 {
		f.pages = append(f.pages, p)
	}
	conns := f.waiting[from]
	delete(f.waiting, from)
	for _, c := range conns {
		c.cur.page, c.cur.waiting = p, false
	}
	return conns, true
}
