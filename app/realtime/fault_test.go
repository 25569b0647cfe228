package realtime

import (
	"bufio"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSlowReader(t *testing.T) {
	t.Parallel()
	body := strings.Repeat("x", 8<<10)
	b := setup(t, func(cfg *Config) {
		cfg.QueueFrames = 64
		cfg.Encode.Event = func(e Event, _ Variant) []byte {
			return encode(struct {
				text
				Body string `json:"body"`
			}{text{Type: "message", Seq: e.Seq}, body})
		}
	})
	slow := b.join(t, room1, ConnOptions{}, JoinOptions{})
	slow.narrow(t)
	// Pongs arrive, so that it is not merely taken for dead.
	alive := make(chan struct{})
	defer close(alive)
	go func() {
		for {
			select {
			case <-alive:
				return
			case <-time.After(100 * time.Millisecond):
				slow.conn.Alive()
			}
		}
	}()
	healthy := b.join(t, room1, ConnOptions{}, JoinOptions{})

	var delays []time.Duration
	seq := int64(0)
	for closing := false; !closing; {
		seq++
		began := time.Now()
		b.hub.Publish(b.log.post(room1))
		healthy.expectSeqs(t, seq, seq)
		delays = append(delays, time.Since(began))
		select {
		case <-slow.conn.Done():
			closing = true
		case <-time.After(time.Millisecond):
		}
		if seq > 5000 {
			t.Fatal("the connection that does not read was never closed")
		}
	}
	if got := b.hub.Stats().Slow; got != 1 {
		t.Errorf("%d connections were closed as slow, want 1", got)
	}
	slices.Sort(delays)
	if p99 := delays[len(delays)*99/100]; p99 > time.Second {
		t.Errorf("p99 of the healthy member is %v, want far below 1 s", p99)
	}
	// It reads again in time and learns why; what it had until then has no hole, and it resumes from there.
	var last int64
	for {
		m, err := slow.next()
		var closed errClosed
		if errors.As(err, &closed) {
			if closed.code != CloseTooSlow {
				t.Errorf("closed with %d, want %d", closed.code, CloseTooSlow)
			}
			break
		}
		if err != nil || m.Seq != last+1 {
			t.Fatalf("got seq %d after %d, err %v", m.Seq, last, err)
		}
		last = m.Seq
	}
	back := b.join(t, room1, ConnOptions{}, JoinOptions{After: last, Head: seq})
	back.expectSeqs(t, last+1, seq)
}

func TestSlowReplayIsNotOverflow(t *testing.T) {
	t.Parallel()
	b := setup(t, func(cfg *Config) { cfg.QueueFrames, cfg.QueueBytes = 16, 1<<10 })
	b.log.postN(room1, 5000)
	c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 0, Head: 5000})
	c.expectSeqs(t, 1, 10)
	for range 100 {
		b.hub.Publish(b.log.post(room1))
	}
	c.expectSeqs(t, 11, 5100)
}

func TestOwnQueueIsBounded(t *testing.T) {
	t.Parallel()
	near, far := tcpPair(t)
	c := NewConn(near, ConnOptions{})
	ack := []byte(strings.Repeat("a", 60<<10))
	sent := 0
	for c.Send(ack) {
		if sent++; sent > 5000 {
			t.Fatal("a peer that does not read got 5000 answers queued")
		}
	}
	select {
	case <-c.Done():
	default:
		t.Error("the connection is open, want closing with 4008")
	}
	_ = far.Close()
	c.Wait()
	_ = near.Close()
}

func TestPings(t *testing.T) {
	t.Parallel()

	t.Run("SilentPeerIsNoticed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *Config) { cfg.Ping, cfg.DeadAfter = 200*time.Millisecond, time.Second })
		// Nobody reads at the far end: the socket is open and no pong ever comes.
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		began := time.Now()
		<-c.gone
		if got := time.Since(began); got < time.Second || got > 4*time.Second {
			t.Errorf("noticed after %v, want about 2 s", got)
		}
		if got := b.hub.Stats().Dead; got != 1 {
			t.Errorf("%d were closed as dead, want 1", got)
		}
		c.expectClose(t, CloseTooSlow)
	})

	t.Run("PeerThatAnswersStays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *Config) { cfg.Ping, cfg.DeadAfter = 100*time.Millisecond, 2*time.Second })
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		time.AfterFunc(3*time.Second, func() { b.hub.Publish(b.log.post(room1)) })
		c.expectSeqs(t, 1, 1)
	})

	t.Run("NewestPongAnswersAll", func(t *testing.T) {
		t.Parallel()
		near, far := tcpPair(t)
		c := &client{nc: far, in: bufio.NewReader(far), conn: NewConn(near, ConnOptions{})}
		c.conn.Pong([]byte("one"))
		for {
			op, payload, err := c.readFrame()
			if err != nil || op != opPong {
				t.Fatalf("got op %x, err %v, want a pong", op, err)
			}
			if string(payload) == "one" {
				break
			}
		}
		_ = far.Close()
		c.conn.Wait()
		_ = near.Close()
	})
}

func TestResync(t *testing.T) {
	t.Parallel()

	t.Run("CursorOlderThanWhatIsKept", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 500)
		b.log.prune(room1, 200)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 150, Head: 500})
		if got := *c.expect(t, "resync").After; got != 500 {
			t.Errorf("resync after %d, want 500", got)
		}
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 501, 501)
	})

	t.Run("CursorAtTheOldestKeptReplays", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 500)
		b.log.prune(room1, 200)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 200, Head: 500})
		c.expectSeqs(t, 201, 500)
	})

	t.Run("EverythingIsPruned", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 10)
		b.log.prune(room1, 10)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 3, Head: 10})
		if got := *c.expect(t, "resync").After; got != 10 {
			t.Errorf("resync after %d, want 10", got)
		}
	})

	t.Run("CursorBeyondTheHead", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *Config) { cfg.Encode.Presence = nil })
		b.log.postN(room1, 5)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 99, Head: 5})
		if got := *c.expect(t, "resync").After; got != 5 {
			t.Errorf("resync after %d, want 5", got)
		}
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 6, 6)
	})

	t.Run("ResumeAheadOfTheFeedIsCheckedFirst", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *Config) { cfg.Encode.Presence = nil })
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		// The client knows of 1..3 from elsewhere, and no wake has come yet.
		b.log.postN(room1, 4)
		b.hub.Resume(c.conn, room1, 3)
		c.expectSeqs(t, 4, 4)
	})

	t.Run("ResumeBeyondTheHeadIsToldWhenTheDatabaseHasSpoken", func(t *testing.T) {
		t.Parallel()
		gate := make(chan struct{})
		b := setup(t, func(cfg *Config) {
			cfg.Encode.Presence, cfg.Ping = nil, time.Hour // nothing else pokes the writer
			read := cfg.Read
			cfg.Read = func(ctx context.Context, room string, after int64, limit int) ([]Event, error) {
				<-gate
				return read(ctx, room, after, limit)
			}
		})
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		b.hub.Resume(c.conn, room1, 50)
		// The pong shows that the writer has looked at the feed, and found nothing to believe yet.
		c.conn.Pong(nil)
		if op, _, err := c.readFrame(); err != nil || op != opPong {
			t.Fatalf("got op %x, err %v, want the pong alone", op, err)
		}
		close(gate)
		if got := *c.expect(t, "resync").After; got != 0 {
			t.Errorf("resync after %d, want 0", got)
		}
	})

	t.Run("ResumeBackwards", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.log.postN(room1, 300)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{After: 298, Head: 300})
		c.expectSeqs(t, 299, 300)
		b.hub.Resume(c.conn, room1, 0)
		c.expectSeqs(t, 1, 300)
	})

	t.Run("LiveConnectionIsToldOfAHole", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 1, 1)
		// The wakes of 2..9 were missed for so long that retention took the rows.
		b.log.postN(room1, 8)
		b.log.prune(room1, 9)
		b.hub.Wake(room1, b.log.post(room1).Seq)
		if got := *c.expect(t, "resync").After; got != 10 {
			t.Errorf("resync after %d, want 10", got)
		}
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 11, 11)
	})

	t.Run("QuietRoomForgetsItsWindowAndReplaysFromTheDatabase", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		b := setup(t, func(cfg *Config) { cfg.Now, cfg.DeadAfter = clock.Now, time.Hour })
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		for range 20 {
			b.hub.Publish(b.log.post(room1))
		}
		c.expectSeqs(t, 1, 20)
		clock.advance(2 * windowAge)
		r := b.hub.room(room1)
		eventually(t, "the window is empty", func() bool {
			r.feed.mu.Lock()
			defer r.feed.mu.Unlock()
			return len(r.feed.entries) == 0 && r.feed.bytes == 0 && r.feed.first == 21
		})
		back := b.join(t, room1, ConnOptions{}, JoinOptions{After: 5, Head: 20})
		back.expectSeqs(t, 6, 20)
		b.hub.Publish(b.log.post(room1))
		c.expectSeqs(t, 21, 21)
		back.expectSeqs(t, 21, 21)
	})
}
