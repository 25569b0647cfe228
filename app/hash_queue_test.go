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
func lineUp(t *testing.T, askers ...string) (q *hashQueue, holder *hashWaiter, waiting []*hashWaiter) {
	t.Helper()
	q = newHashQueue(1)
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

func through(w *hashWaiter) bool {
	select {
	case <-w.ready:
		return w.err == nil
	default:
		return false
	}
}

// turns is the order in which all who wait are served.
func turns(q *hashQueue, holder *hashWaiter, waiting []*hashWaiter) []string {
	var order []string
	seen := map[*hashWaiter]bool{}
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

func TestHashQueueOrder(t *testing.T) {
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
func TestHashQueueUnderFlood(t *testing.T) {
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
func TestHashQueueBounds(t *testing.T) {
	t.Parallel()
	sentAway := func(waiting []*hashWaiter) (n int) {
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
		for range hashersPerAddress + 100 {
			flood = append(flood, q.enter(asker{address: "a", account: "flooded"}))
		}
		good := []*hashWaiter{q.enter(askerOf("a/new")), q.enter(askerOf("a/1!")), q.enter(askerOf("b/1"))}
		if sentAway(good) != 0 || sentAway(flood) != 102 || q.waiting != hashersPerAddress+1 {
			t.Errorf("%d good and %d others were sent away, %d wait", sentAway(good), sentAway(flood), q.waiting)
		}
		if got := turns(q, holder, append(flood, good...)); len(got) != hashersPerAddress+1 {
			t.Errorf("%d were served", len(got))
		}
	})
	t.Run("All", func(t *testing.T) {
		q, _, flood := lineUp(t)
		for i := range hashersAtAll {
			flood = append(flood, q.enter(asker{address: fmt.Sprint("a", i%20), account: "flooded"}))
		}
		good := []*hashWaiter{q.enter(askerOf("b/1")), q.enter(askerOf("b/2"))}
		if sentAway(good) != 0 || sentAway(flood) != 2 || q.waiting != hashersAtAll {
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
		for range hashersPerAddress + 10 {
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
		if busy != 10 || ended != hashersPerAddress || q.waiting != 0 {
			t.Errorf("%d were sent away and %d gave up, %d wait", busy, ended, q.waiting)
		}
	})
}
