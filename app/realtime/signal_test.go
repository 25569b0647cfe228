package realtime

import (
	"context"
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"
)

func TestSignals(t *testing.T) {
	t.Parallel()

	t.Run("ReachMembersHereAndOnOtherNodes", func(t *testing.T) {
		t.Parallel()
		_, n := setupCluster(t, 2, nil)
		here := n[0].join(t, room1, ConnOptions{}, JoinOptions{})
		there := n[1].join(t, room1, ConnOptions{}, JoinOptions{})
		elsewhere := n[1].join(t, "another room", ConnOptions{}, JoinOptions{})
		n[0].hub.Signal(room1, Signal{Type: "typing", Body: []byte(`{"user_id":"ann"}`)})
		here.expect(t, "typing")
		there.expect(t, "typing")
		n[1].hub.Publish(n[1].log.post("another room"))
		elsewhere.expectSeqs(t, 1, 1)
	})

	t.Run("AreNotReplayed", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		first := b.join(t, room1, ConnOptions{}, JoinOptions{})
		b.hub.Publish(b.log.post(room1))
		b.hub.Signal(room1, Signal{Type: "typing"})
		b.hub.Publish(b.log.post(room1))
		first.expectSeqs(t, 1, 1)
		first.expect(t, "typing")
		first.expectSeqs(t, 2, 2)
		second := b.join(t, room1, ConnOptions{}, JoinOptions{After: 0, Head: 2})
		second.expectSeqs(t, 1, 2)
		b.hub.Resume(first.conn, room1, 0)
		first.expectSeqs(t, 1, 2)
		b.hub.Signal(room1, Signal{Type: "typing"})
		first.expect(t, "typing")
		second.expect(t, "typing")
	})

	t.Run("TextArrivesWholeAndInFewPayloads", func(t *testing.T) {
		t.Parallel()
		cl, n := setupCluster(t, 2, nil)
		there := n[1].join(t, room1, ConnOptions{}, JoinOptions{})
		var want strings.Builder
		offset := 0
		began := time.Now()
		for i := range 600 {
			piece := []string{"token ", "老師 ", "\"quoted\"\n", "😀", "<b>&amp;</b>"}[i%5]
			n[0].hub.Delta(room1, Delta{TurnID: "t1", Attempt: 1, Offset: offset, Text: piece})
			offset += Units(piece)
			want.WriteString(piece)
		}
		rounds := int64(time.Since(began)/signalEvery) + 2
		got := collectDeltas(t, there, offset)
		if got != want.String() {
			t.Errorf("got %d bytes of text, want %d", len(got), want.Len())
		}
		if sent := cl.sent.Load(); sent > rounds*4+4 {
			t.Errorf("%d payloads for 600 pieces in %d rounds", sent, rounds)
		}
	})

	t.Run("LongTextIsSplitWithinThePayloadLimit", func(t *testing.T) {
		t.Parallel()
		cl, n := setupCluster(t, 2, nil)
		there := n[1].join(t, room1, ConnOptions{}, JoinOptions{})
		long := strings.Repeat("\x01\"老😀<", 4000)
		n[0].hub.Delta(room1, Delta{TurnID: "t1", Text: long})
		if got := collectDeltas(t, there, Units(long)); got != long {
			t.Errorf("got %d bytes of text, want %d", len(got), len(long))
		}
		if got := cl.large.Load(); got > MaxPayload {
			t.Errorf("a payload of %d bytes, want %d at most", got, MaxPayload)
		}
	})

	t.Run("TooLargeOnesStayHere", func(t *testing.T) {
		t.Parallel()
		_, n := setupCluster(t, 2, nil)
		here := n[0].join(t, room1, ConnOptions{}, JoinOptions{})
		n[0].hub.Signal(room1, Signal{Type: "huge", Body: encode(strings.Repeat("x", MaxPayload))})
		here.expect(t, "huge")
		eventually(t, "the loss is counted", func() bool { return n[0].hub.Stats().SignalsLost == 1 })
	})

	t.Run("OutboxIsBoundedWhileSendingIsStuck", func(t *testing.T) {
		t.Parallel()
		release := make(chan struct{})
		var largest atomic.Int64
		b := setup(t, func(cfg *Config) {
			cfg.Node = "a"
			cfg.Send = func(_ context.Context, p []byte) error {
				<-release
				largest.Store(max(largest.Load(), int64(len(p))))
				return nil
			}
		})
		for i := range 3000 {
			b.hub.Delta(room1, Delta{TurnID: "t", Offset: i * 10_000, Text: strings.Repeat("x", 1000)})
		}
		if got := b.hub.Stats().SignalsLost; got == 0 {
			t.Error("nothing was dropped of 3 MB that wait")
		}
		close(release)
		eventually(t, "the rest is sent", func() bool { return b.hub.Stats().SignalsSent > 500 })
		if got := largest.Load(); got > MaxPayload {
			t.Errorf("a payload of %d bytes, want %d at most", got, MaxPayload)
		}
	})

	t.Run("GarbageFromOutsideIsIgnored", func(t *testing.T) {
		t.Parallel()
		b := setup(t, func(cfg *Config) { cfg.Node = "a" })
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		for _, payload := range []string{
			"", "nonsense", `{"n":"b","s":[{"k":"?","r":"` + room1 + `"}]}`,
			`{"n":"b","s":[{"k":"d","r":"` + room1 + `"},{"k":"p","r":"` + room1 + `"}]}`,
			`{"n":"a","s":[{"k":"s","r":"` + room1 + `","t":"own"}]}`,
		} {
			b.hub.HandleSignal([]byte(payload))
		}
		b.hub.Publish(b.log.post(room1))
		if m, err := c.next(); err != nil || m.Type != "message" {
			t.Errorf("got %+v, err %v, want the message alone", m, err)
		}
	})
}

// collectDeltas joins the pieces up to offset end, and fails at a hole.
func collectDeltas(t *testing.T, c *client, end int) string {
	t.Helper()
	var got strings.Builder
	for at := 0; at < end; {
		d := c.expect(t, "delta").Delta
		if d.Offset != at {
			t.Fatalf("a piece at offset %d, want %d", d.Offset, at)
		}
		got.WriteString(d.Text)
		at += Units(d.Text)
	}
	return got.String()
}

func TestUnits(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int{"": 0, "abc": 3, "老師": 2, "😀": 2, "a\xffb": 3} {
		if got := Units(s); got != want {
			t.Errorf("Units(%q): got %d, want %d", s, got, want)
		}
	}
}

func FuzzSplitDelta(f *testing.F) {
	f.Add("hello", 3)
	f.Add(strings.Repeat("\x00😀\u2028\"", 2000), 0)
	f.Add(strings.Repeat("\xff", 9000), 1)
	f.Fuzz(func(t *testing.T, s string, offset int) {
		offset &= 0xFFFF
		at, joined := offset, ""
		for _, p := range splitDelta(Delta{TurnID: "t", Offset: offset, Text: s}) {
			item, err := encodeWire(wire{Kind: kindDelta, Room: room1, D: &p})
			if err != nil || len(item) > MaxPayload-200 {
				t.Fatalf("a part takes %d bytes, err %v", len(item), err)
			}
			if p.Offset != at {
				t.Fatalf("a part at offset %d, want %d", p.Offset, at)
			}
			var back wire
			if err := json.Unmarshal(item, &back); err != nil {
				t.Fatal(err)
			}
			if utf8.ValidString(p.Text) && back.D.Text != p.Text {
				t.Fatalf("got %q back, want %q", back.D.Text, p.Text)
			}
			at += Units(p.Text)
			joined += p.Text
		}
		if joined != s {
			t.Fatalf("the parts have %d bytes, want %d", len(joined), len(s))
		}
	})
}
