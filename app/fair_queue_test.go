package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// lineUp has askers, written as address/account with ! for those who are known
// and ~ for those who come late, wait behind one that holds the
// only turn.
func lineUp(t *testing.T, askers ...string) (q *fairQueue, holder *queueWaiter, waiting []*queueWaiter) {
	t.Helper()
	q = newFairQueue(1, hashBounds)
	holder = q.enter(asker{address: "holder"})
	if !through(holder) {
		t.Fatal("the first one waits")
	}
	for _, text := range askers {
		waiting = append(waiting, q.enter(askerOf(text)))
	}
	return q, holder, waiting
}

func askerOf(text string) asker {
	bare := strings.Trim(text, "!~")
	address, account, _ := strings.Cut(bare, "/")
	return asker{address: address, account: account, known: strings.Contains(text, "!"), late: strings.Contains(text, "~")}
}

func through(w *queueWaiter) bool {
	select {
	case <-w.ready:
		return w.err == nil
	default:
		return false
	}
}

// turns is the order in which all who wait are served.
func turns(q *fairQueue, holder *queueWaiter, waiting []*queueWaiter) []string {
	var order []string
	seen := map[*queueWaiter]bool{}
	for now := holder; now != nil; {
		q.release(now)
		now = nil
		for _, w := range waiting {
			if !seen[w] && through(w) {
				seen[w], now = true, w
				order = append(order, w.address+"/"+w.account)
			}
		}
	}
	return order
}

func TestFairQueueOrder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ askers, want string }{
		"addresses take turns":             {"a/1 a/2 a/3 b/1 c/1", "a/1 b/1 c/1 a/2 a/3"},
		"known ones first":                 {"a/1 a/2 a/3! a/4! b/1", "a/3 b/1 a/4 a/1 a/2"},
		"only within an address":           {"a/1 b/1! b/2", "a/1 b/1 b/2"},
		"accounts take turns":              {"a/1 a/1 a/1 a/2 a/3", "a/1 a/2 a/3 a/1 a/1"},
		"one of a device has haste":        {"a/1! a/1! a/1! a/2! a/3", "a/1 a/2 a/3 a/1 a/1"},
		"a newcomer is in the round to be": {"a/1 a/1 a/2 a/2", "a/1 a/2 a/1 a/2"},
		"late ones are served too":         {"a/1~ a/2~ a/3! b/1 b/2", "a/3 b/1 b/2 a/1 a/2"},
	} {
		t.Run(name, func(t *testing.T) {
			q, holder, waiting := lineUp(t, strings.Fields(c.askers)...)
			if got := strings.Join(turns(q, holder, waiting), " "); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if len(q.lines) != 0 || q.order.Len() != 0 || q.waiting != 0 || q.free != 1 {
				t.Errorf("the queue keeps something: %d lines, %d waiting, %d free", len(q.lines), q.waiting, q.free)
			}
		})
	}
}

// However many wait at one address, whoever comes from another one, or by a
// known device, is next; and so is a stranger at that address with an account
// that nobody else floods.
func TestFairQueueUnderFlood(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good   string
		before int // turns that others may get first
	}{
		"another address": {"b/1", 1}, "a known device": {"a/1!", 0}, "a stranger": {"a/new", 1},
	} {
		t.Run(name, func(t *testing.T) {
			q, holder, waiting := lineUp(t)
			for range 130 {
				waiting = append(waiting, q.enter(asker{address: "a", account: "flooded"}))
			}
			waiting = append(waiting, q.enter(askerOf(c.good)))
			order := turns(q, holder, waiting)
			for i, who := range order {
				if who == strings.Trim(c.good, "!~") {
					if i > c.before {
						t.Errorf("%d turns before it, want %d at most", i, c.before)
					}
					return
				}
			}
			t.Error("it never had its turn")
		})
	}
}

// A line is bounded, and so are all of them; who floods is sent away.
func TestFairQueueBounds(t *testing.T) {
	t.Parallel()
	sentAway := func(waiting []*queueWaiter) (n int) {
		for _, w := range waiting {
			select {
			case <-w.ready:
				if w.err != nil {
					n++
				}
			default:
			}
		}
		return n
	}
	t.Run("OneAddress", func(t *testing.T) {
		q, holder, flood := lineUp(t)
		for range hashBounds.perAddress + 100 {
			flood = append(flood, q.enter(asker{address: "a", account: "flooded"}))
		}
		good := []*queueWaiter{q.enter(askerOf("a/new")), q.enter(askerOf("a/1!")), q.enter(askerOf("b/1"))}
		if sentAway(good) != 0 || sentAway(flood) != 102 || q.waiting != hashBounds.perAddress+1 {
			t.Errorf("%d good and %d others were sent away, %d wait", sentAway(good), sentAway(flood), q.waiting)
		}
		if got := turns(q, holder, append(flood, good...)); len(got) != hashBounds.perAddress+1 {
			t.Errorf("%d were served", len(got))
		}
	})
	t.Run("All", func(t *testing.T) {
		q, _, flood := lineUp(t)
		for i := range hashBounds.atAll {
			flood = append(flood, q.enter(asker{address: fmt.Sprint("a", i%20), account: "flooded"}))
		}
		good := []*queueWaiter{q.enter(askerOf("b/1")), q.enter(askerOf("b/2"))}
		if sentAway(good) != 0 || sentAway(flood) != 2 || q.waiting != hashBounds.atAll {
			t.Errorf("%d good and %d others were sent away, %d wait", sentAway(good), sentAway(flood), q.waiting)
		}
	})
	t.Run("TheErrorSaysWhenToComeBack", func(t *testing.T) {
		q, _, _ := lineUp(t)
		var busy, ended int
		var mu sync.Mutex
		var all sync.WaitGroup
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		for range hashBounds.perAddress + 10 {
			all.Go(func() {
				_, err := q.acquire(ctx, asker{address: "a"})
				mu.Lock()
				defer mu.Unlock()
				var e *Error
				switch {
				case errors.As(err, &e) && e.Kind == KindUnavailable && e.RetryAfter > 0:
					if busy++; busy == 10 {
						cancel() // all the others wait
					}
				case errors.Is(err, context.Canceled):
					ended++
				default:
					t.Errorf("got %v", err)
				}
			})
		}
		all.Wait()
		if busy != 10 || ended != hashBounds.perAddress || q.waiting != 0 {
			t.Errorf("%d were sent away and %d gave up, %d wait", busy, ended, q.waiting)
		}
	})
}

// TestPicturesTakeTurns: who sends many pictures has one at work and one in
// line; whoever else waits is served before that person's next one.
func TestPicturesTakeTurns(t *testing.T) {
	t.Parallel()
	q := newFairQueue(1, pictureBounds)
	enter := func(person string) *queueWaiter { return q.enter(asker{address: person}) }
	first, second, third := enter("ada"), enter("ada"), enter("ada")
	if !through(first) || through(second) || third.err == nil {
		t.Fatalf("got %v for the third, want one at work, one in line and the third sent away", third.err)
	}
	bob := enter("bob")
	q.release(first)
	if !through(second) {
		t.Error("the one in line was not served")
	}
	again := enter("ada")
	q.release(second)
	if !through(bob) || through(again) {
		t.Error("bob has to be served before ada's next picture")
	}
	q.release(bob)
	q.release(again)
	for i := range pictureBounds.atAll + 3 {
		if w := enter(string(rune('A' + i))); i > pictureBounds.atAll && w.err == nil && !through(w) && q.waiting > pictureBounds.atAll {
			t.Errorf("%d wait, want %d at most", q.waiting, pictureBounds.atAll)
		}
	}
	if q.waiting != pictureBounds.atAll {
		t.Errorf("got %d in line, want %d", q.waiting, pictureBounds.atAll)
	}
}
