package realtime

import (
	"strings"
	"sync"
	"testing"
	"time"
)

// greeted makes one text of each turn under way.
func greeted(turns []Turn) (texts [][]byte) {
	for _, t := range turns {
		texts = append(texts, encode(text{Type: "turn", Delta: &Delta{TurnID: t.ID, Attempt: t.Attempt, Offset: t.Offset, Text: t.Text}}))
	}
	return texts
}

func began(turn string, attempt int, over bool) Signal {
	return Signal{Type: "state", Turn: &TurnMark{ID: turn, Attempt: attempt, Over: over}}
}

func TestLive(t *testing.T) {
	t.Parallel()
	late := JoinOptions{Greet: greeted}

	t.Run("WhoeverJoinsGetsAllOfItOnce", func(t *testing.T) {
		t.Parallel()
		pieces := strings.SplitAfter(strings.Repeat("Grüße, 世界 🎓 👩‍🏫! ", 300), " ")
		want := strings.Join(pieces, "")
		_, n := setupCluster(t, 2, func(cfg *Config) { cfg.QueueFrames = 1 << 14 }) // nobody is too slow for this
		n[0].hub.Signal(room1, began("t1", 1, false))
		n[1].join(t, room1, ConnOptions{}, JoinOptions{}) // one of the two rooms is open already
		var speaking, joining sync.WaitGroup
		speaking.Go(func() {
			offset := 0
			for _, piece := range pieces {
				n[0].hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: offset, Text: piece})
				offset += Units(piece)
			}
		})
		for i := range 40 {
			joining.Go(func() {
				c := n[i%2].join(t, room1, ConnOptions{}, late)
				var got strings.Builder
				at, first := 0, true
				for at < Units(want) {
					m, err := c.next()
					switch {
					case err != nil:
						t.Errorf("after %d units: %v", at, err)
						return
					case m.Type == "presence", m.Type == "state":
						continue
					case m.Type == "turn" && !first, m.Delta == nil, m.Delta.Offset != at:
						t.Errorf("after %d units: got %+v", at, m)
						return
					}
					first = false
					got.WriteString(m.Delta.Text)
					at += Units(m.Delta.Text)
				}
				if got.String() != want {
					t.Error("the pieces are another text")
				}
			})
		}
		speaking.Wait()
		joining.Wait()
	})

	t.Run("ANewAttemptBeginsAnewAndTheEndForgets", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		delta := func(attempt, offset int, s string) {
			b.hub.Delta(room1, Delta{TurnID: "t1", Attempt: attempt, Offset: offset, Text: s})
		}
		shown := func() string {
			var all []string
			for _, turn := range b.hub.Turns(room1) {
				all = append(all, turn.Text)
			}
			return strings.Join(all, "|")
		}
		b.hub.Signal(room1, began("t1", 1, false))
		delta(1, 0, "first ")
		b.hub.Signal(room1, began("t1", 2, false))
		delta(1, 6, "late")
		delta(2, 0, "second")
		if got := shown(); got != "second" {
			t.Errorf("got %q, want the second attempt alone", got)
		}
		b.hub.TurnOver(room1, "t1", 1)
		if got := shown(); got != "second" {
			t.Errorf("the end of an earlier attempt: got %q", got)
		}
		b.hub.Signal(room1, began("t1", 2, true))
		if got := len(b.hub.Turns(room1)) + int(b.hub.live.bytes.Load()); got != 0 {
			t.Errorf("%d is left of a turn that is over", got)
		}
	})

	t.Run("AHoleLeavesWhatComesBehindIt", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		b.hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: 4, Text: "b"})
		b.hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: 10, Text: "cd"})
		b.hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: 10, Text: "cd"})
		b.hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: 12, Text: "e"})
		if got := b.hub.Turns(room1); len(got) != 1 || got[0].Offset != 10 || got[0].Text != "cde" {
			t.Errorf("got %+v", got)
		}
	})

	t.Run("MemoryIsBounded", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		b := setup(t, func(cfg *Config) { cfg.Now = clock.Now })
		piece := strings.Repeat("x", 60<<10)
		for turn := range 2000 {
			id := string(rune('a'+turn%26)) + strings.Repeat("y", turn/26)
			for i := range 3 {
				b.hub.Delta(id, Delta{TurnID: id, Attempt: 1, Offset: i * len(piece), Text: piece})
			}
		}
		if got := b.hub.live.bytes.Load(); got > liveBytes+2000*entryOverhead {
			t.Errorf("%d bytes are kept", got)
		}
		b.hub.live.forgetBefore(clock.Now())
		if got := b.hub.live.bytes.Load(); got == 0 {
			t.Error("it was forgotten at once")
		}
		clock.advance(liveFor + time.Second)
		b.hub.live.forgetBefore(clock.Now().Add(-liveFor))
		if got := b.hub.live.bytes.Load(); got != 0 {
			t.Errorf("%d bytes are kept of turns that nobody speaks of", got)
		}
	})
}

// A signal does not come back to where it came from.
func TestSignalsOfOneself(t *testing.T) {
	t.Parallel()
	_, n := setupCluster(t, 2, nil)
	own := n[0].join(t, room1, person1("ann"), JoinOptions{})
	others := []*client{n[0].join(t, room1, person1("ann"), JoinOptions{}), n[0].join(t, room1, person1("bob"), JoinOptions{}),
		n[1].join(t, room1, person1("bob"), JoinOptions{})}
	n[0].hub.Signal(room1, Signal{Type: "typing", From: own.conn})
	n[0].hub.Signal(room1, Signal{Type: "done"})
	for _, c := range others {
		c.expect(t, "typing")
	}
	own.expect(t, "done") // fails at any frame before it
}
