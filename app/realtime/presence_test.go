package realtime

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// cluster is several hubs whose payloads reach each other, as NOTIFY does it.
type cluster struct {
	mu    sync.Mutex
	hubs  map[string]*Hub
	cut   map[string]bool // nodes that neither send nor hear
	large atomic.Int64    // the largest payload
	sent  atomic.Int64
}

func (cl *cluster) send(from string) func(context.Context, []byte) error {
	return func(_ context.Context, payload []byte) error {
		cl.mu.Lock()
		defer cl.mu.Unlock()
		cl.sent.Add(1)
		cl.large.Store(max(cl.large.Load(), int64(len(payload))))
		if cl.cut[from] {
			return nil
		}
		for node, h := range cl.hubs {
			if !cl.cut[node] {
				h.HandleSignal(payload)
			}
		}
		return nil
	}
}

func (cl *cluster) setCut(node string, cut bool) {
	cl.mu.Lock()
	defer cl.mu.Unlock()
	cl.cut[node] = cut
}

// setupCluster starts nodes a, b, ...
func setupCluster(t testing.TB, n int, change func(*Config)) (*cluster, []*bundle) {
	t.Helper()
	cl := &cluster{hubs: map[string]*Hub{}, cut: map[string]bool{}}
	var nodes []*bundle
	for i := range n {
		name := string(rune('a' + i))
		b := setup(t, func(cfg *Config) {
			cfg.Node, cfg.Send = name, cl.send(name)
			if change != nil {
				change(cfg)
			}
		})
		cl.mu.Lock()
		cl.hubs[name] = b.hub
		cl.mu.Unlock()
		nodes = append(nodes, b)
	}
	return cl, nodes
}

func person1(id string) ConnOptions {
	return ConnOptions{Variant: v2, UserID: id, Name: "Name of " + id}
}

func ids(members []Member) []string {
	var out []string
	for _, m := range members {
		out = append(out, m.UserID)
	}
	return out
}

// expectPresence reads presence frames until one has exactly these people.
func (c *client) expectPresence(t testing.TB, want ...string) {
	t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			t.Fatalf("waiting for presence of %v: %v", want, err)
		}
		if m.Type == "presence" && slices.Equal(ids(m.Members), want) {
			return
		}
	}
}

func TestPresenceHears(t *testing.T) {
	t.Parallel()
	now := newFakeClock().Now()
	all := presenceChange{Gen: 7, All: true, In: [][3]string{{"ann", "Ann"}}}
	for _, tc := range []struct {
		name         string
		heard        []presenceChange
		changed, ask bool // by the last one
		want         []string
	}{
		{"All", []presenceChange{all}, true, false, []string{"ann"}},
		{"ChangeThatFollows", []presenceChange{all, {Gen: 8, In: [][3]string{{"bob", "Bob"}}, Left: []string{"ann"}}}, true, false, []string{"bob"}},
		{"ChangeThatDoesNotFollow", []presenceChange{all, {Gen: 9, Left: []string{"ann"}}}, false, true, []string{"ann"}},
		{"ChangeHeardTwice", []presenceChange{all, {Gen: 7, Left: []string{"ann"}}}, false, false, []string{"ann"}},
		{"ChangeOfAnUnknownNode", []presenceChange{{Gen: 2, In: [][3]string{{"bob", "Bob"}}}}, false, true, nil},
		{"AskedOnceASecond", []presenceChange{all, {Gen: 9}, {Gen: 10}}, false, false, []string{"ann"}},
		{"AllAgainReplaces", []presenceChange{all, {Gen: 1, All: true, In: [][3]string{{"eve", "Eve"}}}}, true, false, []string{"eve"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPresence()
			var changed, ask bool
			for _, c := range tc.heard {
				changed, ask = p.hear("b", c, now)
			}
			if changed != tc.changed || ask != tc.ask {
				t.Errorf("changed %t, ask %t, want %t, %t", changed, ask, tc.changed, tc.ask)
			}
			if got := ids(p.members()); !slices.Equal(got, tc.want) {
				t.Errorf("members %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPresence(t *testing.T) {
	t.Parallel()

	t.Run("ChangesOfOneWindowAreOneFrame", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		var encoded atomic.Int64
		b := setup(t, func(cfg *Config) {
			cfg.Now = clock.Now
			inner := cfg.Encode.Presence
			cfg.Encode.Presence = func(room string, m []Member, v Variant) []byte {
				encoded.Add(1)
				return inner(room, m, v)
			}
		})
		var clients []*client
		for i := range 30 {
			clients = append(clients, b.join(t, room1, person1(fmt.Sprintf("u%02d", i)), JoinOptions{}))
		}
		if got := encoded.Load(); got != 0 {
			t.Errorf("%d frames before the window ended, want none", got)
		}
		clock.advance(3 * time.Second)
		for _, c := range clients {
			if m, err := c.next(); err != nil || len(m.Members) != 30 {
				t.Fatalf("first frame has %d members (err %v), want 30", len(m.Members), err)
			}
		}
		if got := encoded.Load(); got != 1 {
			t.Errorf("the list was encoded %d times, want once", got)
		}
	})

	t.Run("OneWhoComesBackWithinTheWindowIsNoNewsButSeesTheList", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		b := setup(t, func(cfg *Config) { cfg.Now = clock.Now })
		ann := b.join(t, room1, person1("ann"), JoinOptions{})
		bob := b.join(t, room1, person1("bob"), JoinOptions{})
		clock.advance(time.Second)
		ann.expectPresence(t, "ann", "bob")
		bob.leave()
		bob = b.join(t, room1, person1("bob"), JoinOptions{})
		clock.advance(time.Second)
		bob.expectPresence(t, "ann", "bob")
		b.hub.Publish(b.log.post(room1))
		if m, err := ann.next(); err != nil || m.Type != "message" {
			t.Errorf("got %+v, err %v, want the message and no presence before it", m, err)
		}
	})

	t.Run("SecondTabIsTheSamePerson", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		watch := b.join(t, room1, person1("watch"), JoinOptions{})
		tab1 := b.join(t, room1, person1("ann"), JoinOptions{})
		tab2 := b.join(t, room1, person1("ann"), JoinOptions{})
		watch.expectPresence(t, "ann", "watch")
		tab1.leave()
		if got := ids(b.hub.Members(room1)); !slices.Equal(got, []string{"ann", "watch"}) {
			t.Errorf("members %v, want ann still there", got)
		}
		tab2.leave()
		watch.expectPresence(t, "watch")
	})

	t.Run("PlainConnectionsGetNone", func(t *testing.T) {
		t.Parallel()
		b := setup(t, nil)
		c := b.join(t, room1, ConnOptions{Variant: plain, UserID: "old", Name: "An old client"}, JoinOptions{})
		watch := b.join(t, room1, person1("watch"), JoinOptions{})
		watch.expectPresence(t, "old", "watch")
		b.hub.Publish(b.log.post(room1))
		if m, err := c.next(); err != nil || m.Type != "message" {
			t.Errorf("got %+v, err %v, want the message", m, err)
		}
	})

	t.Run("AcrossNodes", func(t *testing.T) {
		t.Parallel()
		_, n := setupCluster(t, 3, nil)
		ann := n[0].join(t, room1, person1("ann"), JoinOptions{})
		ann.expectPresence(t, "ann")
		bob := n[1].join(t, room1, person1("bob"), JoinOptions{})
		bob.expectPresence(t, "ann", "bob")
		ann.expectPresence(t, "ann", "bob")
		eve := n[2].join(t, room1, person1("eve"), JoinOptions{})
		eve.expectPresence(t, "ann", "bob", "eve")
		bob.leave()
		ann.expectPresence(t, "ann", "eve")
		eve.expectPresence(t, "ann", "eve")
		n[0].close(t)
		eve.expectPresence(t, "eve")
	})

	t.Run("LongListsCrossInParts", func(t *testing.T) {
		t.Parallel()
		cl, n := setupCluster(t, 2, nil)
		for i := range 300 {
			who := person1(fmt.Sprintf("0198c0de-0000-7000-8000-%012d", i))
			n[0].join(t, room1, who, JoinOptions{})
		}
		c := n[1].join(t, room1, person1("last"), JoinOptions{})
		eventually(t, "the other node knows all", func() bool { return len(n[1].hub.Members(room1)) == 301 })
		if got := cl.large.Load(); got > MaxPayload {
			t.Errorf("a payload of %d bytes, want %d at most", got, MaxPayload)
		}
		c.leave()
	})

	t.Run("SilentNodeExpiresAndIsRepairedWhenItSpeaks", func(t *testing.T) {
		t.Parallel()
		clock := newFakeClock()
		cl, n := setupCluster(t, 2, func(cfg *Config) { cfg.Now, cfg.DeadAfter = clock.Now, 24*time.Hour })
		ann := n[0].join(t, room1, person1("ann"), JoinOptions{})
		bob := n[1].join(t, room1, person1("bob"), JoinOptions{})
		// Each step gives the nodes their beats; a silent node is one whose beats do not come.
		step := func(what string, ok func() bool) {
			t.Helper()
			eventually(t, what, func() bool { clock.advance(time.Second); return ok() })
		}
		knows := func(b *bundle, want ...string) func() bool {
			return func() bool { return slices.Equal(ids(b.hub.Members(room1)), want) }
		}
		step("a knows bob", knows(n[0], "ann", "bob"))
		step("b knows ann", knows(n[1], "ann", "bob"))
		cl.setCut("b", true)
		began := clock.Now()
		step("bob expires on a", knows(n[0], "ann"))
		if got := clock.Now().Sub(began); got < 15*time.Second {
			t.Errorf("bob expired after %v, want about 30 s", got)
		}
		carl := n[1].join(t, room1, person1("carl"), JoinOptions{})
		cl.setCut("b", false)
		step("a knows what it missed", knows(n[0], "ann", "bob", "carl"))
		step("b knows ann again", knows(n[1], "ann", "bob", "carl"))
		for _, c := range []*client{ann, bob, carl} {
			c.leave()
		}
	})
}
