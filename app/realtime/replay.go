package realtime

import (
	"slices"
	"time"
)

const (
	// pageSize is how many events one read asks for. Pages begin at multiples of it, so that connections with
	// different cursors share them.
	pageSize = 128
	// pageBytes ends a page before it has pageSize events, unless one of them alone is larger: a connection that does
	// not read holds on to its page, and each of a person's connections may hold another.
	pageBytes = 256 << 10
	// pagesKept is how many pages a room keeps for those who come a moment later.
	pagesKept = 8
)

// page is a run of consecutive events below the window, which change only with the feed's epoch.
type page struct {
	lo, hi  int64
	epoch   int64 // of the feed when its read began
	entries []*entry
	size    int
	users   int // connections that have it, and the feed while it keeps it; guarded by feed.mu
	at      time.Time
}

// bytes is about what a page takes: its events, and their frames.
func (p *page) bytes() int64 { return 2 * int64(p.size) }

func (p *page) covers(seq int64) bool { return p != nil && p.lo <= seq && seq <= p.hi }

// newPages cuts the run from the first entry up to a hole, if there is one, into pages.
func newPages(entries []*entry, epoch int64, at time.Time) []*page {
	var pages []*page
	size := 0
	for i, e := range entries {
		if i > 0 && e.seq != entries[i-1].seq+1 {
			break
		}
		if i == 0 || size+e.size > pageBytes {
			pages = append(pages, &page{lo: e.seq, epoch: epoch, at: at})
			size = 0
		}
		p := pages[len(pages)-1]
		p.hi, p.entries = e.seq, append(p.entries, e)
		size += e.size
		p.size = size
	}
	return pages
}

// replay serves c from a page of history; false says that c must wait for one.
func (f *feed) replay(c *Conn, b *batch) bool {
	cur := &c.cur
	if cur.waiting {
		return false
	}
	if cur.page != nil && cur.page.epoch != f.epoch {
		f.hold(c, nil)
		cur.asked = 0
	}
	answer := cur.page
	if !answer.covers(cur.next) {
		f.hold(c, f.kept(cur.next))
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
		f.hold(c, nil)
		cur.asked = 0
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

// answer hands what was read to those who wait for it and returns them; the caller pokes them. false says that
// events were rewritten since the read began, in epoch: it has to be done again.
func (f *feed) answer(from, epoch int64, entries []*entry) ([]*Conn, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch {
		return nil, false
	}
	conns := f.waiting[from]
	delete(f.waiting, from)
	pages := newPages(entries, epoch, f.now())
	none := &page{lo: 1, hi: 0, epoch: epoch}
	first := len(pages) // that somebody waits for
	for _, c := range conns {
		if c.cur.gone {
			continue
		}
		c.cur.waiting = false
		if i := slices.IndexFunc(pages, func(p *page) bool { return p.covers(c.cur.next) }); i >= 0 {
			first = min(first, i)
			f.hold(c, pages[i])
		} else {
			f.hold(c, none)
		}
	}
	f.keep(pages[first:])
	return conns, true
}

// keep shares pages with those who come a moment later. Of many it keeps the first ones: readers go forward.
func (f *feed) keep(pages []*page) {
	if f.history.crowded() {
		f.share(nil)
		return
	}
	pages = pages[:min(len(pages), pagesKept)]
	old := max(0, len(f.pages)+len(pages)-pagesKept)
	f.share(slices.Concat(f.pages[old:], pages))
}
