package realtime

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

const room1 = "0198c0de-0000-7000-8000-000000000001"

func TestDelivery(t *testing.T) {
	t.Parallel()

	t.Run("EveryEventOnceInOrderUnderConcurrentWakes", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		const posters, posts, members = 4, 200, 12
		var clients []*client
		var after []int64
		var wg sync.WaitGroup
		for range posters {
			wg.Go(func() {
				for i := range posts {
					e := b.log.post(room1)
					switch i % 3 {
					case 0:
						b.hub.Publish(e)
					case 1:
						b.hub.Wake(room1, e.Seq)
					default:
						b.hub.Wake(room1, 0)
					}
				}
			})
		}
		for i := range members {
			from := b.log.head(room1)
			if i%2 == 0 {
				from = rand.Int64N(from + 1)
			}
			after = append(after, from)
			clients = append(clients, b.join(t, room1, ConnOptions{Variant: v2}, JoinOptions{After: from, Head: b.log.head(room1)}))
		}
		wg.Wait()
		for i, c := range clients {
			c.expectSeqs(t, after[i]+1, posters*posts)
		}
	})

	t.Run("NegativeCursorBeginsAtHead", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 3)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: -1, Head: 3})
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 4, 4)
	})

	t.Run("EventBetweenHandshakeAndJoinIsNotLost", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 5)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: -1, Head: 2})
		c.expectSeqs(t, 3, 5)
	})

	t.Run("JoinerThatKnowsMoreThanTheFeedWaitsForIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.join(t, room1, ConnOptions{}, JoinOptions{After: -1, Head: 0})
		b.log.postN(room1, 5)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 4, Head: 5})
		c.expectSeqs(t, 5, 5)
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 6, 6)
	})

	t.Run("EachVariantGetsItsOwnEncodingAndNilIsSkipped", func(t *testing.T) {
		t.Parallel()
		var encoded sync.Map
		b := setup(t, func(cfg *Config) {
			cfg.Encode.Event = func(e Event, v Variant) []byte {
				if _, again := encoded.LoadOrStore([2]int64{e.Seq, int64(v)}, true); again {
					t.Errorf("seq %d was encoded twice for variant %d", e.Seq, v)
				}
				if v == plain && e.Seq%2 == 1 {
					return nil
				}
				return encode(text{Type: e.Type, Seq: e.Seq, Variant: v})
			}
		})
		var clients []*client
		for i := range 6 {
			clients = append(clients, b.join(t, room1, ConnOptions{Variant: Variant(i % 2)}, JoinOptions{}))
		}
		for range 4 {
			b.hub.Publish(b.log.post(room1))
		}
		for i, c := range clients {
			if i%2 == int(v2) {
				c.expectSeqs(t, 1, 4)
				continue
			}
			for _, want := range []int64{2, 4} {
				if got := c.expect(t, "message"); got.Seq != want || got.Variant != plain {
					t.Errorf("got %+v, want seq %d in the plain encoding", got, want)
				}
			}
		}
	})

	t.Run("FailedReadsAreRepeated", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 300)
		b.log.fail.Store(4)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 0, Head: 200})
		c.expectSeqs(t, 1, 300)
	})

	t.Run("PollFindsWhatNobodyWoke", func(t *testing.T) {
		t.Parallel()
		var l *roomLog
		b := setup(t, func(cfg *Config) {
			cfg.Poll = 50 * time.Millisecond
			cfg.Heads = func(_ context.Context, rooms []string) (map[string]int64, error) {
				return map[string]int64{rooms[0]: l.head(rooms[0])}, nil
			}
		})
		l = b.log
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		b.log.postN(room1, 2)
		c.expectSeqs(t, 1, 2)
	})

	t.Run("WakeForARoomWithoutMembersReadsNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 2)
		b.hub.Wake(room1, 0)
		b.hub.Publish(b.log.post(room1))
		if got := b.log.reads.Load(); got != 0 || b.hub.Stats().Rooms != 0 {
			t.Errorf("%d reads and %d rooms, want none", got, b.hub.Stats().Rooms)
		}
	})

	t.Run("PublishedEventsAndTheirWakesReadNothing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 1, 1)
		eventually(t, "the first read of the room", func() bool { return b.log.reads.Load() == 1 })
		for range 50 {
			e := b.log.post(room1)
			b.hub.Publish(e)
			b.hub.Wake(room1, e.Seq)
		}
		c.expectSeqs(t, 2, 51)
		if got := b.log.reads.Load(); got != 1 {
			t.Errorf("%d reads, want 1", got)
		}
	})

	t.Run("PublishAheadOfTheFeedReadsWhatIsMissing", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		eventually(t, "the first read of the room", func() bool { return b.log.reads.Load() == 1 })
		b.log.post(room1)
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 1, 2)
	})

	t.Run("ActorsOwnConnectionIsHeldInOrder", func(t *testing.T) {
		t.Parallel()
		const hold = 3 * time.Second // long enough for a busy machine
		b := setup(t, func(cfg *Config) {
			cfg.Encode.Hold = func(e Event, v Variant) time.Duration {
				if v == plain && e.Seq == 1 {
					return hold
				}
				return 0
			}
		})
		actor := b.join(t, room1, ConnOptions{Variant: plain, UserID: "ann"}, JoinOptions{})
		modern := b.join(t, room1, ConnOptions{Variant: v2, UserID: "ann"}, JoinOptions{})
		other := b.join(t, room1, ConnOptions{Variant: plain, UserID: "bob"}, JoinOptions{})
		began := time.Now()
		for range 2 {
			e := b.log.post(room1)
			e.Actor = "ann"
			b.hub.Publish(e)
		}
		other.expectSeqs(t, 1, 2)
		modern.expectSeqs(t, 1, 2)
		if early := time.Since(began); early > hold {
			t.Errorf("the others had it after %v, want before %v", early, hold)
		}
		actor.expectSeqs(t, 1, 2)
		if got := time.Since(began); got < hold {
			t.Errorf("the actor had it after %v, want %v at least", got, hold)
		}
	})
}

// TestRandomInterleavings joins, resumes and leaves at random while events are posted by every path.
func TestRandomInterleavings(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			// A tiny window makes every connection fall out of the feed and replay now and then.
			b := setup(t, func(cfg *Config) { cfg.QueueFrames = int(4 + 20*seed) })
			const total = 1500
			rng := rand.New(rand.NewPCG(seed, 1))
			var wg sync.WaitGroup
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, 2))
				for range total {
					e := b.log.post(room1)
					switch r.IntN(6) {
					case 0:
						b.hub.Publish(e)
					case 1:
						b.hub.Wake(room1, e.Seq)
					case 2:
						b.hub.Signal(room1, Signal{Type: "typing"})
					}
					if r.IntN(8) == 0 {
						runtime.Gosched()
					}
				}
				b.hub.Wake(room1, 0)
			})
			for i := range 10 {
				head := b.log.head(room1)
				after := rng.Int64N(head + 1)
				c := b.join(t, room1, ConnOptions{Variant: v2}, JoinOptions{After: after, Head: head})
				r := rand.New(rand.NewPCG(seed, uint64(10+i)))
				wg.Go(func() { followAtRandom(t, b, c, after, total, r) })
			}
			wg.Wait()
			b.hub.Wake(room1, 0)
		})
	}
}

// followAtRandom reads to the end, asks for a resume now and then, and allows a step back only where it asked.
func followAtRandom(t *testing.T, b *bundle, c *client, after, total int64, r *rand.Rand) {
	last, resumes := after, 0
	asked := int64(-1)
	for last < total || asked >= 0 {
		m, err := c.next()
		if err != nil {
			t.Errorf("after seq %d: %v", last, err)
			return
		}
		if m.Type != "message" {
			continue
		}
		switch m.Seq {
		case last + 1:
			if asked == last {
				asked = -1
			}
		case asked + 1:
			asked = -1
		default:
			t.Errorf("got seq %d after %d (resume asked for: %d)", m.Seq, last, asked)
			return
		}
		last = m.Seq
		if asked < 0 && resumes < 3 && r.IntN(200) == 0 {
			resumes++
			asked = r.Int64N(last + 1)
			b.hub.Resume(c.conn, room1, asked)
		}
	}
}

func TestClosing(t *testing.T) {
	t.Parallel()

	t.Run("BySessionAndUser", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		ann := b.join(t, "r1", ConnOptions{UserID: "ann", SessionID: "s1"}, JoinOptions{})
		eve := b.join(t, "r2", ConnOptions{UserID: "eve", SessionID: "s4"}, JoinOptions{})
		b.join(t, "r1", ConnOptions{UserID: "bob", SessionID: "s2"}, JoinOptions{}) // whom nothing of it concerns
		for _, tc := range []struct {
			client *client
			close  func() int
			code   int
		}{
			{ann, func() int { return b.hub.CloseSession("s1", CloseSessionEnded, "signed out") }, CloseSessionEnded},
			{eve, func() int { return b.hub.CloseUser("eve", CloseSessionEnded, "deactivated") }, CloseSessionEnded},
		} {
			if got := tc.close(); got != 1 {
				t.Errorf("closed %d connections, want 1", got)
			}
			tc.client.expectClose(t, tc.code)
			tc.client.leave()
		}
	})

	t.Run("WhatWasSentToItAloneComesBeforeTheClose", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		if !c.conn.Send([]byte(`{"type":"error"}`)) {
			t.Error("Send on an open connection: got false")
		}
		c.conn.Close(CloseTooLarge, "too large")
		if c.conn.Send([]byte(`{"type":"late"}`)) {
			t.Error("Send on a closing connection: got true")
		}
		c.expect(t, "error")
		c.expectClose(t, CloseTooLarge)
	})

	t.Run("DoneTellsTheReaderAtOnce", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		select {
		case <-c.conn.Done():
			t.Fatal("done before it was closed")
		default:
		}
		c.conn.Close(CloseSessionEnded, "")
		select {
		case <-c.conn.Done():
		default:
			t.Error("not done after it was closed")
		}
	})

	t.Run("PeerThatDoesNotAnswerTheCloseIsCut", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{SessionID: "s"}, JoinOptions{})
		began := time.Now()
		b.hub.CloseSession("s", CloseSessionEnded, "")
		<-c.gone
		if got := time.Since(began); got > 5*time.Second {
			t.Errorf("the handler ended after %v, want 5 s at most", got)
		}
	})

	t.Run("HubCloseSays1001AndLeavesNoGoroutine", func(t *testing.T) {
		b := setup(t, nil)
		var clients []*client
		for range 50 {
			clients = append(clients, b.join(t, room1, ConnOptions{}, JoinOptions{}))
		}
		b.close(t)
		for _, c := range clients {
			c.expectClose(t, CloseGoingAway)
			c.leave()
		}
		late := b.join(t, room1, ConnOptions{}, JoinOptions{})
		late.expectClose(t, CloseGoingAway)
	})

	t.Run("LastLeaveEndsTheRoom", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		for range 3 {
			c := b.join(t, room1, ConnOptions{}, JoinOptions{})
			b.hub.Publish(b.log.post(room1))
			c.leave()
			if got := b.hub.Stats(); got.Rooms != 0 || got.Conns != 0 {
				t.Errorf("%d rooms and %d connections after the last left, want none", got.Rooms, got.Conns)
			}
		}
	})
}

func TestMassDisconnectAndReturn(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const members = 500
	b.log.postN(room1, 1000)
	stays := b.join(t, room1, ConnOptions{Variant: v2, UserID: "stays", Name: "Stays"}, JoinOptions{After: -1, Head: 1000})
	enter := func() []*client {
		clients := make([]*client, members)
		for i := range clients {
			// All were away since about the same time.
			clients[i] = b.join(t, room1, ConnOptions{Variant: plain}, JoinOptions{After: int64(706 - i%7), Head: 1000})
		}
		return clients
	}
	for _, c := range enter() {
		c.leave()
	}
	eventually(t, "all but one have left", func() bool { return b.hub.Stats().Conns == 1 })
	var wg sync.WaitGroup
	for i, c := range enter() {
		wg.Go(func() { c.expectSeqs(t, int64(707-i%7), 1000) })
	}
	wg.Wait()
	// One read as the room began, and 701..1000 is three pages, which those who return find still there; on a
	// busy machine the last of them may come after a page has been let go.
	if got := b.log.reads.Load(); got > 12 {
		t.Errorf("%d reads for twice %d who return, want about 4", got, members)
	}
	b.hub.Publish(b.log.post(room1))
	stays.expectSeqs(t, 1001, 1001)
}

// TestNoGoroutineIsLeft runs alone, since it counts this package's goroutines.
func TestNoGoroutineIsLeft(t *testing.T) {
	b := setup(t, func(cfg *Config) {
		cfg.Node = "a"
		cfg.Send = func(context.Context, []byte) error { return nil }
	})
	b.log.postN(room1, 400)
	for range 20 {
		b.join(t, room1, ConnOptions{Variant: v2, UserID: "ann"}, JoinOptions{After: 0, Head: 400})
	}
	b.hub.Delta(room1, Delta{TurnID: "t", Text: "hello"})
	b.close(t)
	for _, c := range b.hub.Conns(nil) {
		c.Wait()
	}
	eventually(t, "no goroutine of the hub is left", func() bool {
		stacks := make([]byte, 1<<20)
		stacks = stacks[:runtime.Stack(stacks, true)]
		for _, f := range []string{".(*Hub).", ".(*room).", ".(*outbox).", ".(*Conn).run"} {
			if strings.Contains(string(stacks), "realtime"+f) {
				return false
			}
		}
		return true
	})
}
