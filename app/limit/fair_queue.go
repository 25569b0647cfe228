package limit

import (
	"container/list"
	"context"
	"errors"
	"sync"
)

// Asker is who wants a turn.
type Asker struct {
	Address string // or the person, if signed in
	Account string
	Known   bool // by a session, or by a device that signed in to this account before
	Late    bool // the address fails so often that its strangers come after all others
}

// Bounds are how many may wait, and what the others are told.
type Bounds struct {
	PerAddress int
	AtAll      int
	Busy       error
}

// FairQueue gives out turns, a bounded number at a time. Addresses take turns;
// within an address those who are known come first, then accounts take turns.
// So a flood waits behind itself. Whoever waits holds nothing, and where too
// many wait, the last one of the longest line is sent away. Those who come late
// have their turn too: an address fails that often only by having had turns.
type FairQueue struct {
	Bounds
	mu      sync.Mutex
	free    int
	waiting int
	lines   map[string]*queueLine
	order   *list.List // of the lines in which somebody waits, the next one first
}

// queueLine is the askers of one address.
type queueLine struct {
	at      *list.Element  // nil while nobody waits
	waiting []*queueWaiter // in the order in which they came
	served  int            // the round of whoever was served last
	running int
}

type queueWaiter struct {
	Asker
	round int           // of its account among those of the address
	ready chan struct{} // closed once it may go on, or has to go
	err   error
}

// NewFairQueue makes a queue in which so many have their turn at once.
func NewFairQueue(slots int, bounds Bounds) *FairQueue {
	return &FairQueue{Bounds: bounds, free: slots, lines: map[string]*queueLine{}, order: list.New()}
}

// Acquire waits for a turn, no longer than ctx.
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

// enter lines an asker up, and lets it go on at once if a turn is free.
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
			w.Known = w.Known && !other.Known // the second one of a device has no haste
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

// next gives the free turns to those who wait.
func (q *FairQueue) next() {
	for q.free > 0 && (q.serve(false) || q.serve(true)) {
	}
}

// serve gives one turn to the next line in which somebody waits who comes late
// or does not, and tells whether there was one.
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

// first is the place of the waiter whose turn it is, -1 for none.
func (l *queueLine) first(late bool) int {
	best := -1
	for i, w := range l.waiting {
		if w.Late == late && (best < 0 || w.before(l.waiting[best])) {
			best = i
		}
	}
	return best
}

// before tells whether w comes before one that came earlier.
func (w *queueWaiter) before(other *queueWaiter) bool {
	if w.Known != other.Known {
		return w.Known
	}
	return w.round < other.round
}

// bound sends the last one of a line away that has become too long, or of the
// longest line when too many wait in all.
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

// remove takes a waiter out of its line, and forgets a line that is over.
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

// leave takes a waiter out that has waited for too long; one whose turn came
// at this moment goes on.
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
