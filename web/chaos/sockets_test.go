//go:build unix

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestCut: connections break at random, in the middle of whatever they are at.
func TestCut(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(answers)
		w := s.Populate(proctest.To(false, s.Serve()), proctest.Plan{Students: 4, Rooms: 2, Agent: "sk-test"})
		c := seat(s, w)
		ctx, stop := context.WithCancel(t.Context())
		var talked sync.WaitGroup
		talked.Go(func() { c.talk(t, ctx, 1<<30, 50*time.Millisecond) })
		cuts := either(200, 60)
		for range cuts {
			pause(ctx, between(10*time.Millisecond, 90*time.Millisecond))
			c.members[rand.IntN(len(c.members))].Cut()
		}
		settle(t, c, time.Now())
		stop()
		talked.Wait()
		verdict(t, s, row{fault: "client cut", note: fmt.Sprintf("%d cuts", cuts)}, c.rooms, nil, c.members)
	})
}

// TestAllGone: many members vanish at once without a word and come back at
// once; those who stay notice nothing, and those who come back miss nothing.
func TestAllGone(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		const people = 20
		crowd := either(500, 150)
		w := s.Populate(proctest.To(false, s.Serve()), proctest.Plan{Students: people, Rooms: 1})
		c := seat(s, w)
		var flock []*proctest.Member
		for i := range crowd {
			flock = append(flock, s.Join(w.Students[i%people], w.Rooms[0]))
		}
		for _, m := range flock {
			if err := m.Await(within(t, 30*time.Second), "a seat", func() bool { return m.Connects() == 1 }); err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var talked sync.WaitGroup
		talked.Go(func() { c.talk(t, ctx, 1<<30, 100*time.Millisecond) })
		pause(ctx, 1500*time.Millisecond)
		gone := time.Now()
		for _, m := range flock {
			m.Cut()
		}
		for _, m := range flock {
			if err := m.Await(within(t, 30*time.Second), "the seat again", func() bool { return m.Connects() > 1 }); err != nil {
				t.Error(err)
			}
		}
		back := time.Since(gone)
		settle(t, c, time.Now())
		stop()
		talked.Wait()
		for _, m := range c.members {
			if got := m.Connects(); got != 1 {
				t.Errorf("%s, who stayed, has connected %d times", m.Person.Name, got)
			}
		}
		verdict(t, s, row{fault: "members gone at once", recovery: back, note: fmt.Sprintf("%d members", crowd)},
			c.rooms, nil, append(slices.Clone(c.members), flock...))
	})
}

// reader is a raw socket, for what no good client does.
type reader struct {
	*websocket.Conn
	seqs []int64
	code int // of the close frame
}

func dial(t *testing.T, base string, p *proctest.Person, room, query string, tune func(*websocket.Dialer)) *reader {
	t.Helper()
	conn, _, err := p.Dial(t.Context(), base, room, query, tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &reader{Conn: conn}
}

// read takes frames until the connection ends or done says so.
func (r *reader) read(limit time.Duration, done func(seq int64) bool) error {
	_ = r.SetReadDeadline(time.Now().Add(limit)) // ReadMessage fails where this does
	for {
		_, data, err := r.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			r.code = closed.Code
		}
		if err != nil {
			return err
		}
		var f proctest.Frame
		if err := json.Unmarshal(data, &f); err != nil {
			return err
		}
		if f.Durable() {
			r.seqs = append(r.seqs, f.Seq)
			if done(f.Seq) {
				return nil
			}
		}
	}
}

// TestStopsReading: a member that stops reading is closed with 4008 and the
// others do not notice; it resumes behind the last line that it has read.
func TestStopsReading(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve()
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 3, Rooms: 1})
		talker, listener := s.Join(w.Students[0], w.Rooms[0]), s.Join(w.Students[1], w.Rooms[0])
		small := func(d *websocket.Dialer) {
			d.NetDialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
				conn, err := new(net.Dialer).DialContext(ctx, network, addr)
				if tcp, ok := conn.(*net.TCPConn); ok {
					err = errors.Join(err, tcp.SetReadBuffer(256<<10))
				}
				return conn, err
			}
		}
		deaf := dial(t, serve.URL, w.Students[2], w.Rooms[0], "?after=0", small)
		var worst slowest
		// Few lines and long ones, more than the buffers on the way and the
		// server's queue hold: who reads again in time learns why it is closed.
		const n = 10
		begun := time.Now()
		for k := range n {
			worst.time(t, "post beside a member that does not read", 5*time.Second, func() error {
				return talker.Say(t.Context(), fmt.Sprintf("%d ", k)+strings.Repeat("x", 900_000))
			})
		}
		pause(t.Context(), 2500*time.Millisecond)
		// The server keeps a close frame for ten seconds, and then cuts: a machine
		// that took longer for the posts has the reader come too late.
		inTime := time.Since(begun) < 10*time.Second
		err := deaf.read(20*time.Second, func(int64) bool { return false })
		cut := deaf.code == websocket.CloseAbnormalClosure || errors.Is(err, syscall.ECONNRESET)
		if deaf.code != realtime.CloseTooSlow && (inTime || !cut) {
			t.Errorf("got close code %d (%v) after %d of %d lines, want %d", deaf.code, err, len(deaf.seqs), n, realtime.CloseTooSlow)
		}
		if err := listener.Await(within(t, 30*time.Second), "all lines", func() bool { return listener.Last() == n }); err != nil {
			t.Error(err)
		}
		last := int64(0)
		if len(deaf.seqs) > 0 {
			last = deaf.seqs[len(deaf.seqs)-1]
		}
		again := dial(t, serve.URL, w.Students[2], w.Rooms[0], fmt.Sprintf("?after=%d", last), nil)
		if err := again.read(20*time.Second, func(seq int64) bool { return seq == n }); err != nil {
			t.Errorf("resumed behind %d, then: %v", last, err)
		}
		for i, seq := range append(deaf.seqs, again.seqs...) {
			if seq != int64(i+1) {
				t.Fatalf("got seq %d as line %d", seq, i+1)
			}
		}
		verdict(t, s, row{fault: "member stops reading", note: worst.String()}, w.Rooms, nil, []*proctest.Member{talker, listener})
	}, "COAGENT_ROOMS_SOCKET_QUEUE_BYTES=256KiB", "COAGENT_LIMITS_MESSAGE_BYTES=1MiB")
}

// noticed is how soon a peer that is gone without a word is noticed.
const noticed = 20 * time.Second

// TestHalfOpen: a peer that never answers a ping, as one whose cable is cut,
// is let go within 20 s, and the others see it leave.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 2, Rooms: 1})
	watcher := s.Join(w.Students[0], w.Rooms[0])
	if err := watcher.Await(within(t, 5*time.Second), "a seat", func() bool { return watcher.Connects() == 1 }); err != nil {
		t.Fatal(err)
	}
	dead := dial(t, serve.URL, w.Students[1], w.Rooms[0], "", nil)
	dead.SetPingHandler(func(string) error { return nil })
	began := time.Now()
	err := dead.read(noticed+10*time.Second, func(int64) bool { return false })
	took := time.Since(began)
	t.Logf("closed with %d after %s", dead.code, took)
	if dead.code != realtime.CloseTooSlow || took > noticed {
		t.Errorf("got close code %d (%v) after %s, want %d within %s", dead.code, err, took, realtime.CloseTooSlow, noticed)
	}
	left := func() bool {
		for _, f := range slices.Backward(watcher.Others()) {
			if f.Type == "presence" {
				return len(f.Members) == 1
			}
		}
		return false
	}
	if err := watcher.Await(within(t, noticed-min(noticed, took)+2*time.Second), "the other to be gone", left); err != nil {
		t.Error(err)
	}
	table.add(row{fault: "half-open connection", database: "sqlite", recovery: took})
}
