package realtime

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
)

// wide are more members than a room's writers are woken for, see serveAll.
const wide = 2*share + crowd

// What a full socket does not take at once follows in its order, and long frames, too.
func TestServeFullSockets(t *testing.T) {
	t.Parallel()
	const events = 150
	pad := strings.Repeat("x", 3000)
	b := setup(t, func(cfg *Config) {
		cfg.Encode.Event = func(e Event, v Variant) []byte {
			return []byte(fmt.Sprintf(`{"type":%q,"seq":%d,"pad":%q}`, e.Type, e.Seq, pad[:(e.Seq*97)%3000]))
		}
	})
	var clients []*client
	for range crowd + 2 {
		c := b.join(t, room1, ConnOptions{}, JoinOptions{})
		c.narrow(t)
		clients = append(clients, c)
	}
	own := func(c *client) { c.conn.Send([]byte(`{"type":"presence"}`)) } // expectSeqs skips it
	for i := range events {
		b.hub.Publish(b.log.post(room1))
		own(clients[i%len(clients)])
	}
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { c.expectSeqs(t, 1, events) })
	}
	all.Wait()
	for _, c := range clients {
		c.conn.settle()
	}
	b.hub.Publish(b.log.post(room1))
	for _, c := range clients {
		c.expectSeqs(t, events+1, events+1)
	}
}

// Many posters, and members who come, resume and are closed meanwhile: each gets every
// event once, in its order, and nothing behind a close frame.
func TestServeWhileMembersLeave(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	const posters, posts = 4, 60
	var stay, leave []*client
	for i := range wide {
		c := b.join(t, room1, ConnOptions{Variant: Variant(i % 2), SessionID: fmt.Sprint(i % 3)}, JoinOptions{})
		if i%3 == 0 {
			leave = append(leave, c)
		} else {
			stay = append(stay, c)
		}
	}
	var all sync.WaitGroup
	for p := range posters {
		all.Go(func() {
			for i := range posts {
				b.hub.Publish(b.log.post(room1))
				if p == 0 && i == posts/2 {
					b.hub.CloseSession("0", CloseSessionEnded, "signed out")
				}
			}
			b.hub.Wake(room1, 0)
		})
	}
	for _, c := range leave {
		all.Go(func() {
			last, err := int64(0), error(nil)
			for err == nil {
				var m text
				if m, err = c.next(); m.Seq != 0 {
					if m.Seq != last+1 {
						t.Errorf("got %d after %d", m.Seq, last)
					}
					last = m.Seq
				}
			}
			if errClosed := new(errClosed); !errors.As(err, errClosed) || errClosed.code != CloseSessionEnded {
				t.Errorf("got %v, want the close frame", err)
			}
			// The grace ends with the connection.
			var rest bytes.Buffer
			if _, err := io.Copy(&rest, c.in); err == nil && rest.Len() > 0 {
				t.Errorf("%d bytes came behind the close frame", rest.Len())
			}
		})
	}
	for _, c := range stay {
		all.Go(func() { c.expectSeqs(t, 1, posters*posts) })
	}
	all.Wait()
}

// What is shown at once, or while a room is held, reaches each of many members in one write.
func TestServeWrites(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	var clients []*client
	for range wide {
		clients = append(clients, b.join(t, room1, ConnOptions{Variant: plain}, JoinOptions{After: -1}))
	}
	b.hub.Publish(b.log.post(room1))
	for _, c := range clients {
		c.expect(t, "message")
		c.conn.settle()
	}
	var before uint64
	for _, c := range clients {
		before += c.conn.writes.Load()
	}
	release := b.hub.Hold(room1)
	b.hub.Signal(room1, Signal{Type: "begin"})
	b.hub.Signal(room1, Signal{Type: "words"})
	release()
	var after uint64
	for _, c := range clients {
		c.expect(t, "begin")
		c.expect(t, "words")
		c.conn.settle()
		after += c.conn.writes.Load()
	}
	if n := (after - before) / 2; n != wide {
		t.Errorf("got %d writes for %d members", n, wide)
	}
}
