package realtime

import (
	"slices"
	"testing"
	"time"
)

// A node knows who is in a room that nobody here is in.
func TestPresenceElsewhere(t *testing.T) {
	t.Parallel()
	knows := func(b *bundle, want ...string) func() bool {
		return func() bool { return slices.Equal(ids(b.hub.Members(room1)), want) }
	}

	t.Run("WithoutAnybodyHere", func(t *testing.T) {
		t.Parallel()
		_, n := setupCluster(t, 3, nil)
		ann := n[0].join(t, room1, person1("ann"), JoinOptions{})
		bob := n[1].join(t, room1, person1("bob"), JoinOptions{})
		eventually(t, "c knows both", knows(n[2], "ann", "bob"))
		if got := n[2].hub.Connected([]string{"ann", "eve"}); len(got) != 1 || !got["ann"] {
			t.Errorf("connected are %v, want ann", got)
		}
		if got := n[0].hub.Connected([]string{"ann", "bob"}); len(got) != 2 {
			t.Errorf("on a node with the room, connected are %v, want ann and bob", got)
		}
		bob.leave()
		eventually(t, "c knows that bob has left", knows(n[2], "ann"))
		eventually(t, "b knows ann, now without the room", knows(n[1], "ann"))
		eve := n[2].join(t, room1, person1("eve"), JoinOptions{})
		eve.expectPresence(t, "ann", "eve")
		eventually(t, "b knows who came", knows(n[1], "ann", "eve"))
		eve.leave()
		ann.leave()
		for i, b := range n {
			eventually(t, "everybody is gone on node "+string(rune('a'+i)), knows(b))
		}
	})

	t.Run("NodeThatStops", func(t *testing.T) {
		t.Parallel()
		_, n := setupCluster(t, 2, nil)
		n[0].join(t, room1, person1("ann"), JoinOptions{})
		eventually(t, "b knows ann", knows(n[1], "ann"))
		n[0].close(t)
		eventually(t, "b knows that a has stopped", knows(n[1]))
	})

	t.Run("SilentNodeExpiresAndIsAskedWhenItSpeaks", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		cl, n := setupCluster(t, 2, func(cfg *Config) { cfg.Now, cfg.DeadAfter = clock.Now, 24*time.Hour })
		step := func(what string, ok func() bool) {
			t.Helper()
			eventually(t, what, func() bool { clock.advance(time.Second); return ok() })
		}
		// Somebody in another room keeps the second node's ticks short.
		n[1].join(t, "another", person1("zoe"), JoinOptions{})
		n[0].join(t, room1, person1("ann"), JoinOptions{})
		step("b knows ann", knows(n[1], "ann"))
		cl.setCut("a", true)
		step("ann expires on b", knows(n[1]))
		bob := n[0].join(t, room1, person1("bob"), JoinOptions{})
		cl.setCut("a", false)
		step("b asks when a's beat comes", knows(n[1], "ann", "bob"))
		bob.leave()
		step("b hears what follows", knows(n[1], "ann"))
		n[1].hub.elsewhere.forget(func(string, *remoteNode) bool { return true })
		step("a node that has just started hears the beat and asks", knows(n[1], "ann"))
	})
}
