package limit

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// Asker is who asks for a slot.
type Asker struct {
	Address string // or the id of the person, if signed in
	Account string
	Known   bool // has a session, or a device that signed in to this account before
	Late    bool // the address fails so often that its unknown askers come after all others
}

// Bounds are how many may wait, and the error for those who may not.
type Bounds struct {
	PerAddress int
	AtAll      int
	Busy       error
}

// FairQueue gives out a bounded number of slots. Addresses get slots in rotation.
// Within an address, known askers come first, then its accounts get slots in rotation.
// So a flood waits behind itself.
//
// A waiting asker holds no slot. When too many wait, the last asker of the longest line
// is refused with Busy. Late askers get slots too, after all others: only an address
// that got many slots can have failed that often.
type FairQueue struct {
	Bounds
	mu      sync.Mutex
	free    int
	waiting int
	lines   map[string]*queueLine
	order   *list.List // the lines in which somebody waits, the next one first
}

// queueLine has the askers of one address.
type queueLine struct {
	at      *list.Element  // nil while nobody waits
	waiting []*queueWaiter // in the order in which they came
	served  int            // the round of the asker that was served last
	running int
}

type queueWaiter struct {
	Asker
	round int           // the asker's place in the rotation of the address's accounts
	ready chan struct{} // closed when the asker got a slot or was refused
	err   error
}

// NewFairQueue makes a queue with so many slots.
func NewFairQueue(slots int, bounds Bounds) *FairQueue {
	return &FairQueue{Bounds: bounds, free: slots, lines: map[string]*queueLine{}, order: list.New()}
}

// Acquire waits for a slot until ctx ends. At the deadline of ctx it returns Busy.
func (q *FairQueue) Acquire(ctx context.Context, who Asker) (release func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := q.enter(who)
	select {
	case <-w.ready:
		err = w.err
	case <-ctx.Done():
		err = ctx.Err()
		if errors.Is(err, context.DeadlineExceeded) {
			err = q.Busy
		}
		err = q.leave(w, err)
	}
	if err != nil {
		return nil, err
	}
	return func() { q.release(w) }, nil
}

// enter adds an asker to its line, and gives it a slot at once if one is free.
func (q *FairQueue) enter(who Asker) *queueWaiter {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[who.Address]
	if l == nil {
		l = new(queueLine)
		q.lines[who.Address] = l
	}
	w := &queueWaiter{Asker: who, round: l.served + 1, ready: make(chan struct{})}
	for _, other := range l.waiting {
		if other.Account == w.Account {
			w.round = max(w.round, other.round+1)
			w.Known = w.Known && !other.Known // only one waiter of an account comes first for being known
		}
	}
	l.waiting = append(l.waiting, w)
	q.waiting++
	if l.at == nil {
		l.at = q.order.PushBack(who.Address)
	}
	q.next()
	q.bound(l)
	return w
}

// next gives the free slots to waiting askers.
func (q *FairQueue) next() {
	for q.free > 0 && (q.serve(false) || q.serve(true)) {
	}
}

// serve gives one slot to the next line that has an asker with Late equal to late. It
// tells whether there was one.
func (q *FairQueue) serve(late bool) bool {
	for e := q.order.Front(); e != nil; e = e.Next() {
		address, _ := e.Value.(string)
		l := q.lines[address]
		i := l.first(late)
		if i < 0 {
			continue
		}
		w := l.waiting[i]
		q.free--
		l.running++
		l.served = w.round
		q.order.MoveToBack(e)
		q.remove(l, i)
		close(w.ready)
		return true
	}
	return false
}

// first returns the index of the waiter that is served next, -1 for none.
func (l *queueLine) first(late bool) int {
	best := -1
	for i, w := range l.waiting {
		if w.Late == late && (best < 0 || w.before(l.waiting[best])) {
			best = i
		}
	}
	return best
}

// before tells whether w is served before other, which came earlier.
func (w *queueWaiter) before(other *queueWaiter) bool {
	if w.Known != other.Known {
		return w.Known
	}
	return w.round < other.round
}

// bound refuses the last asker of line l if l has become too long. If too many wait in
// all lines, it refuses the last asker of the longest line.
func (q *FairQueue) bound(l *queueLine) {
	if len(l.waiting) <= q.PerAddress {
		if q.waiting <= q.AtAll {
			return
		}
		for _, other := range q.lines {
			if len(other.waiting) > len(l.waiting) {
				l = other
			}
		}
	}
	last := 0
	for i, w := range l.waiting {
		if !w.before(l.waiting[last]) {
			last = i
		}
	}
	w := l.waiting[last]
	w.err = q.Busy
	q.remove(l, last)
	close(w.ready)
}

// remove takes a waiter out of its line, and deletes a line that is no longer used.
func (q *FairQueue) remove(l *queueLine, i int) {
	address := l.waiting[i].Address
	l.waiting = append(l.waiting[:i], l.waiting[i+1:]...)
	q.waiting--
	if len(l.waiting) == 0 {
		q.order.Remove(l.at)
		l.at = nil
		if l.running == 0 {
			delete(q.lines, address)
		}
	}
}

// leave removes a waiter whose ctx has ended, and returns why. If the waiter got a slot
// at this moment, it keeps the slot.
func (q *FairQueue) leave(w *queueWaiter, why error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	l := q.lines[w.Address]
	if l != nil {
		for i, other := range l.waiting {
			if other == w {
				q.remove(l, i)
				return why
			}
		}
	}
	return w.err
}

func (q *FairQueue) release(w *queueWaiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.free++
	l := q.lines[w.Address]
	l.running--
	if l.running == 0 && len(l.waiting) == 0 {
		delete(q.lines, w.Address)
	}
	q.next()
}
