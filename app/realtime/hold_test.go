package realtime

import (
	"runtime"
	"testing"
)

// What is shown while a room is held comes in its order in one write, once the last holder
// has released it.
func TestHold(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	c := b.join(t, room1, ConnOptions{Variant: plain, UserID: "ann"}, JoinOptions{After: -1})
	b.hub.Publish(b.log.post(room1))
	c.expect(t, "message")
	c.conn.settle()
	before := c.conn.writes.Load()
	first, second := b.hub.Hold(room1), b.hub.Hold(room1)
	b.hub.Publish(b.log.post(room1))
	b.hub.Signal(room1, Signal{Type: "over"})
	first()
	b.hub.Publish(b.log.post(room1))
	second()
	for _, want := range []string{"message", "over", "message"} {
		if got := c.expect(t, want); got.Type != want {
			t.Errorf("got %q, want %q", got.Type, want)
		}
	}
	c.conn.settle()
	if n := (c.conn.writes.Load() - before) / 2; n != 1 {
		t.Errorf("got %d writes, want 1", n)
	}
	b.hub.Hold("another room")()
	b.hub.Signal(room1, Signal{Type: "later"})
	c.expect(t, "later")
}

// settle waits until no write is under way.
func (c *Conn) settle() {
	for c.writes.Load()%2 == 1 {
		runtime.Gosched()
	}
}
