package realtime

import (
	"slices"
	"time"
)

const (
	// pageSize is how many events one read asks for. Pages begin at multiples of it, so
	// that connections with different cursors can share them.
	pageSize = 128
	// pageBytes ends a page before it has pageSize events, unless a single event is
	// larger. A connection that does not read keeps its page, and each connection of a
	// person may keep a different one.
	pageBytes = 256 << 10
	// pagesKept is how many pages a room keeps for connections that need them a moment
	// later.
	pagesKept = 8
)

// page is a run of consecutive events older than the window. They change only when the
// feed's epoch does.
type page struct {
	lo, hi  int64
	epoch   int64 // the feed's epoch when the page's read began
	entries []*entry
	size    int
	users   int // the connections that hold it, and the feed while it keeps it; guarded by feed.mu
	at      time.Time
}

// bytes is approximately the memory of a page: its events and their frames.
func (p *page) bytes() int64 { return 2 * int64(p.size) }

func (p *page) covers(seq int64) bool { return p != nil && p.lo <= seq && seq <= p.hi }

// newPages splits entries into pages, from the first entry to the first hole, if there
// is one.
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

// replay serves s from a page of history. It returns false when s must wait for a page.
func (f *feed) replay(s *seat, b *batch) bool {
	cur := &s.cur
	if cur.waiting {
		return false
	}
	if cur.page != nil && cur.page.epoch != f.epoch {
		f.hold(s, nil)
		cur.asked = 0
	}
	answer := cur.page
	if !answer.covers(cur.next) {
		f.hold(s, f.kept(cur.next))
	}
	if cur.page == nil {
		if answer != nil && cur.asked == cur.next {
			// The page was read for exactly this seq, and the feed knows that the seq
			// was committed. So retention has deleted it.
			f.lost(s, b)
			return true
		}
		f.ask(s)
		return false
	}
	for p := cur.page; cur.next <= p.hi && !b.full(); cur.next++ {
		if fr := p.entries[cur.next-p.lo].frame(s.variant); fr.bytes != nil {
			b.add(fr.bytes)
		}
	}
	if cur.next > cur.page.hi {
		f.hold(s, nil)
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

// ask makes s wait for the page with its next event. The first to ask starts the read.
func (f *feed) ask(s *seat) {
	cur := &s.cur
	cur.waiting, cur.asked = true, cur.next
	from := cur.next - (cur.next-1)%pageSize
	f.waiting[from] = append(f.waiting[from], s)
	if len(f.waiting[from]) == 1 {
		f.fetch(from)
	}
}

// reading returns the epoch for a page whose read begins now.
func (f *feed) reading() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.epoch
}

// answer gives the entries of a read to the seats that wait for them. It returns
// these seats, and the caller wakes them. It returns false when events were
// rewritten after the read began, in epoch; then the read must be repeated.
func (f *feed) answer(from, epoch int64, entries []*entry) ([]*seat, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if epoch != f.epoch {
		return nil, false
	}
	seats := f.waiting[from]
	delete(f.waiting, from)
	pages := newPages(entries, epoch, f.now())
	none := &page{lo: 1, hi: 0, epoch: epoch}
	first := len(pages) // the first page that a connection waits for
	for _, s := range seats {
		if s.cur.gone {
			continue
		}
		s.cur.waiting = false
		if i := slices.IndexFunc(pages, func(p *page) bool { return p.covers(s.cur.next) }); i >= 0 {
			first = min(first, i)
			f.hold(s, pages[i])
		} else {
			f.hold(s, none)
		}
	}
	f.keep(pages[first:])
	return seats, true
}

// keep keeps pages for connections that need them a moment later. Of many it keeps the
// first ones, because connections read forward.
func (f *feed) keep(pages []*page) {
	if f.history.crowded() {
		f.share(nil)
		return
	}
	pages = pages[:min(len(pages), pagesKept)]
	old := max(0, len(f.pages)+len(pages)-pagesKept)
	f.share(slices.Concat(f.pages[old:], pages))
}
