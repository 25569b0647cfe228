package limit

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

var (
	errBusy = errors.New("busy")
	wide    = Bounds{PerAddress: 256, AtAll: 2048, Busy: errBusy}
	narrow  = Bounds{PerAddress: 1, AtAll: 24, Busy: errBusy}
)

// lineUp has askers, written as address/account with ! for those who are known
// and ~ for those who come late, wait behind one that holds the
// only turn.
func lineUp(t *testing.T, askers ...string) (q *FairQueue, holder *queueWaiter, waiting []*queueWaiter) {
	t.Helper()
	q = NewFairQueue(1, wide)
	holder = q.enter(Asker{Address: "holder"})
	if !through(holder) {
		t.Fatal("the first one waits")
	}
	for _, text := range askers {
		waiting = append(waiting, q.enter(askerOf(text)))
	}
	return q, holder, waiting
}

func askerOf(text string) Asker {
	bare := strings.Trim(text, "!~")
	address, account, _ := strings.Cut(bare, "/")
	return Asker{Address: address, Account: account, Known: strings.Contains(text, "!"), Late: strings.Contains(text, "~")}
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
func turns(q *FairQueue, holder *queueWaiter, waiting []*queueWaiter) []string {
	var order []string
	seen := map[*queueWaiter]bool{}
	for now := holder; now != nil; {
		q.release(now)
		now = nil
		for _, w := range waiting {
			if !seen[w] && through(w) {
				seen[w], now = true, w
				order = append(order, w.Address+"/"+w.Account)
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
				waiting = append(waiting, q.enter(Asker{Address: "a", Account: "flooded"}))
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
		for range wide.PerAddress + 100 {
			flood = append(flood, q.enter(Asker{Address: "a", Account: "flooded"}))
		}
		good := []*queueWaiter{q.enter(askerOf("a/new")), q.enter(askerOf("a/1!")), q.enter(askerOf("b/1"))}
		if sentAway(good) != 0 || sentAway(flood) != 102 || q.waiting != wide.PerAddress+1 {
			t.Errorf("%d good and %d others were sent away, %d wait", sentAway(good), sentAway(flood), q.waiting)
		}
		if got := turns(q, holder, append(flood, good...)); len(got) != wide.PerAddress+1 {
			t.Errorf("%d were served", len(got))
		}
	})
	t.Run("All", func(t *testing.T) {
		q, _, flood := lineUp(t)
		for i := range wide.AtAll {
			flood = append(flood, q.enter(Asker{Address: fmt.Sprint("a", i%20), Account: "flooded"}))
		}
		good := []*queueWaiter{q.enter(askerOf("b/1")), q.enter(askerOf("b/2"))}
		if sentAway(good) != 0 || sentAway(flood) != 2 || q.waiting != wide.AtAll {
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
		for range wide.PerAddress + 10 {
			all.Go(func() {
				_, err := q.Acquire(ctx, Asker{Address: "a"})
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, errBusy):
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
		if busy != 10 || ended != wide.PerAddress || q.waiting != 0 {
			t.Errorf("%d were sent away and %d gave up, %d wait", busy, ended, q.waiting)
		}
	})
}

// TestPicturesTakeTurns: who sends many pictures has one at work and one in
// line; whoever else waits is served before that person's next one.
func TestPicturesTakeTurns(t *testing.T) {
	t.Parallel()
	q := NewFairQueue(1, narrow)
	enter := func(person string) *queueWaiter { return q.enter(Asker{Address: person}) }
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
	for i := range narrow.AtAll + 3 {
		if w := enter(string(rune('A' + i))); i > narrow.AtAll && w.err == nil && !through(w) && q.waiting > narrow.AtAll {
			t.Errorf("%d wait, want %d at most", q.waiting, narrow.AtAll)
		}
	}
	if q.waiting != narrow.AtAll {
		t.Errorf("got %d in line, want %d", q.waiting, narrow.AtAll)
	}
}
