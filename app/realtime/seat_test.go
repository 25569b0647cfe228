package realtime

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// roomText is what the frames of a room say in these tests.
type roomText struct {
	Type, Room string
	Seq        int64
	Variant    Variant
}

// nextIn returns the next frame with a type that is not presence.
func (c *client) nextIn(t testing.TB) roomText {
	t.Helper()
	for {
		op, payload, err := c.readFrame()
		if err != nil {
			t.Fatal(err)
		}
		var m roomText
		if op == opText {
			if err := json.Unmarshal(payload, &m); err != nil {
				t.Fatal(err)
			}
			if m.Type != "presence" {
				return m
			}
		}
	}
}

func withRooms(cfg *Config) {
	cfg.Encode.Event = func(e Event, v Variant) []byte { return encode(roomText{e.Type, e.Room, e.Seq, v}) }
	cfg.Encode.Signal = func(room string, s Signal, v Variant) []byte { return encode(roomText{s.Type, room, 0, v}) }
}

// One connection follows many rooms: of each it gets every event once and in order, in the
// encoding that it has there, while it comes, goes and comes back.
func TestOneConnectionInManyRooms(t *testing.T) {
	t.Parallel()
	const rooms, posts = 50, 40
	b := setup(t, withRooms)
	name := func(i int) string { return fmt.Sprint("room ", i) }
	c := b.join(t, name(0), ConnOptions{UserID: "ann"}, JoinOptions{})
	for i := 1; i < rooms; i++ {
		b.log.postN(name(i), i%3)
		b.hub.Join(name(i), c.conn, JoinOptions{After: int64(min(i%2, i%3)), Head: int64(i % 3), Variant: Variant(i % 2)})
	}
	go func() {
		for range posts {
			for _, i := range rand.Perm(rooms) {
				e := b.log.post(name(i))
				if i%4 == 0 {
					b.hub.Wake(name(i), e.Seq)
				} else {
					b.hub.Publish(e)
				}
			}
		}
	}()
	seen := map[string]int64{}
	for i := range rooms {
		seen[name(i)] = int64(min(i%2, i%3))
	}
	for left := rooms; left > 0; {
		m := c.nextIn(t)
		if m.Seq != seen[m.Room]+1 {
			t.Fatalf("%s: got seq %d after %d", m.Room, m.Seq, seen[m.Room])
		}
		var i int
		_, _ = fmt.Sscanf(m.Room, "room %d", &i)
		if m.Variant != Variant(i%2) {
			t.Fatalf("%s: got variant %d", m.Room, m.Variant)
		}
		if seen[m.Room] = m.Seq; m.Seq == int64(i%3+posts) || i == 0 && m.Seq == posts {
			left--
		}
	}

	t.Run("what it has left is silent, and the other rooms go on", func(t *testing.T) {
		if !b.hub.LeaveRoom(c.conn, name(1)) || b.hub.LeaveRoom(c.conn, name(1)) {
			t.Error("it could not leave a room once")
		}
		c.conn.Send(encode(roomText{Type: "left"}))
		b.hub.Publish(b.log.post(name(1)))
		b.hub.Publish(b.log.post(name(2)))
		if m := c.nextIn(t); m.Type != "left" {
			t.Errorf("got %+v, want left", m)
		}
		if m := c.nextIn(t); m.Room != name(2) {
			t.Errorf("got %+v, want the event of the other room", m)
		}
		if len(c.conn.Places()) != rooms-1 {
			t.Errorf("it is in %d rooms", len(c.conn.Places()))
		}
	})
	t.Run("it comes back with what it has missed", func(t *testing.T) {
		b.hub.Join(name(1), c.conn, JoinOptions{After: seen[name(1)], Head: b.log.head(name(1))})
		if m := c.nextIn(t); m.Room != name(1) || m.Seq != seen[name(1)]+1 {
			t.Errorf("got %+v, want the seq after %d", m, seen[name(1)])
		}
		b.hub.Resume(c.conn, name(1), 0)
		for want := int64(1); want <= seen[name(1)]+1; want++ {
			if m := c.nextIn(t); m.Room != name(1) || m.Seq != want {
				t.Errorf("got %+v, want seq %d", m, want)
			}
		}
	})
	t.Run("presence does not show it where it is absent", func(t *testing.T) {
		b.hub.Join("other", c.conn, JoinOptions{Absent: true})
		if got := b.hub.Members("other"); len(got) != 0 {
			t.Errorf("got %v", got)
		}
		if got := b.hub.Members(name(3)); len(got) != 1 || got[0].UserID != "ann" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("it leaves all rooms when it goes", func(t *testing.T) {
		c.leave()
		if s := b.hub.Stats(); s.Conns != 0 || s.Rooms != 0 {
			t.Errorf("%d connections and %d rooms are left", s.Conns, s.Rooms)
		}
	})
}

// A connection that is in no room yet is pinged, and closed with the others.
func TestAttach(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	c := b.join(t, room1, ConnOptions{}, JoinOptions{})
	b.hub.LeaveRoom(c.conn, room1)
	b.hub.Attach(c.conn)
	c.conn.Send([]byte(`{"type":"own"}`))
	c.expect(t, "own")
	if s := b.hub.Stats(); s.Conns != 1 || s.Rooms != 0 {
		t.Errorf("got %d connections in %d rooms, want one in none", s.Conns, s.Rooms)
	}
	if n := b.hub.CloseUser("", CloseSessionEnded, "over"); n != 1 {
		t.Errorf("%d were closed", n)
	}
	c.expectClose(t, CloseSessionEnded)
}
