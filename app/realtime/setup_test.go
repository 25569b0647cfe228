package realtime

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// patience is shorter than the default Poll, so that no test is saved by it.
const patience = 12 * time.Second

// The variants of these tests.
const (
	plain Variant = iota
	v2
)

// roomLog stands for the table of events: gap-free, append-only, pruned from the front.
type roomLog struct {
	mu     sync.Mutex
	events map[string][]Event
	reads  atomic.Int64
	fail   atomic.Int64 // how many reads fail from now on
}

func (l *roomLog) post(room string) Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := Event{Room: room, Seq: int64(len(l.events[room]) + 1), Type: "message", Body: []byte(`{}`)}
	l.events[room] = append(l.events[room], e)
	return e
}

func (l *roomLog) postN(room string, n int) {
	for range n {
		l.post(room)
	}
}

// prune forgets the events up to seq.
func (l *roomLog) prune(room string, seq int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.events[room][:seq])
}

func (l *roomLog) head(room string) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.events[room]))
}

func (l *roomLog) read(_ context.Context, room string, after int64, limit int) ([]Event, error) {
	l.reads.Add(1)
	if l.fail.Load() > 0 && l.fail.Add(-1) >= 0 {
		return nil, errors.New("the database is away")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []Event
	for _, e := range l.events[room][min(after, int64(len(l.events[room]))):] {
		if e.Seq != 0 && len(found) < limit {
			found = append(found, e)
		}
	}
	return found, nil
}

type bundle struct {
	hub *Hub
	log *roomLog
}

// text is what the frames of these tests say.
type text struct {
	Type    string   `json:"type"`
	Seq     int64    `json:"seq,omitempty"`
	After   *int64   `json:"after,omitempty"`
	Variant Variant  `json:"variant,omitempty"`
	Members []Member `json:"members,omitempty"`
	Delta   *Delta   `json:"delta,omitempty"`
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func encoders() Encoders {
	return Encoders{
		Event:  func(e Event, v Variant) []byte { return encode(text{Type: e.Type, Seq: e.Seq, Variant: v}) },
		Signal: func(_ string, s Signal, v Variant) []byte { return encode(text{Type: s.Type, Variant: v}) },
		Delta:  func(_ string, d Delta, _ Variant) []byte { return encode(text{Type: "delta", Delta: &d}) },
		Resync: func(_ string, head int64, _ Variant) []byte { return encode(text{Type: "resync", After: &head}) },
		Presence: func(_ string, m []Member, v Variant) []byte {
			if v != v2 {
				return nil
			}
			return encode(text{Type: "presence", Members: m})
		},
	}
}

func setup(t testing.TB, change func(*Config)) *bundle {
	t.Helper()
	log := &roomLog{events: map[string][]Event{}}
	cfg := Config{Read: log.read, Encode: encoders()}
	if change != nil {
		change(&cfg)
	}
	b := &bundle{hub: NewHub(cfg), log: log}
	t.Cleanup(func() { b.close(t) })
	return b
}

func (b *bundle) close(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.hub.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// client is the far end of a socket.
type client struct {
	nc   net.Conn
	in   *bufio.Reader
	conn *Conn         // the near end
	gone chan struct{} // the near end's handler has returned
}

// join connects a client and does what the web handler does at the near end.
func (b *bundle) join(t testing.TB, room string, who ConnOptions, o JoinOptions) *client {
	t.Helper()
	near, far := tcpPair(t)
	c := &client{nc: far, in: bufio.NewReader(far), conn: NewConn(near, who), gone: make(chan struct{})}
	b.hub.Join(room, c.conn, o)
	go func() {
		defer close(c.gone)
		buf := make([]byte, 512)
		for {
			if _, err := near.Read(buf); err != nil {
				break
			}
			c.conn.Alive()
		}
		b.hub.Leave(c.conn)
		c.conn.Wait()
		_ = near.Close()
	}()
	t.Cleanup(func() { c.leave() })
	return c
}

// narrow makes the kernel buffer little for a client that will not read.
func (c *client) narrow(t testing.TB) {
	t.Helper()
	if err := errors.Join(
		c.nc.(*net.TCPConn).SetReadBuffer(16<<10),
		c.conn.nc.(*net.TCPConn).SetWriteBuffer(16<<10),
	); err != nil {
		t.Fatal(err)
	}
}

// leave ends the client and waits for its handler.
func (c *client) leave() {
	_ = c.nc.Close()
	<-c.gone
}

func tcpPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	if far, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if near, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return near, far
}

// readFrame reads one unmasked frame; its caller sets the deadline.
func (c *client) readFrame() (op byte, payload []byte, err error) {
	var h [2]byte
	if _, err = io.ReadFull(c.in, h[:]); err != nil {
		return 0, nil, err
	}
	if h[0]&0xF0 != finalBit || h[1]&0x80 != 0 {
		return 0, nil, fmt.Errorf("frame header %x: want final and unmasked", h)
	}
	n := uint64(h[1])
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(c.in, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(c.in, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(c.in, payload)
	return h[0] & 0x0F, payload, err
}

// errClosed is what next returns for a close frame.
type errClosed struct {
	code   int
	reason string
}

func (e errClosed) Error() string { return fmt.Sprintf("closed with %d %s", e.code, e.reason) }

// next returns the next text, and answers pings like a browser.
func (c *client) next() (text, error) {
	_ = c.nc.SetReadDeadline(time.Now().Add(patience))
	for {
		op, payload, err := c.readFrame()
		if err != nil {
			return text{}, err
		}
		switch op {
		case opText:
			var m text
			return m, json.Unmarshal(payload, &m)
		case opClose:
			return text{}, errClosed{int(binary.BigEndian.Uint16(payload)), string(payload[2:])}
		case opPing:
			if _, err := c.nc.Write([]byte{finalBit | opPong, 0x80, 0, 0, 0, 0}); err != nil {
				return text{}, err
			}
		}
	}
}

// expect returns the next text of a kind and skips presence, unless that is what is wanted.
func (c *client) expect(t testing.TB, kind string) text {
	t.Helper()
	for {
		m, err := c.next()
		if err != nil {
			t.Fatalf("waiting for %s: %v", kind, err)
		}
		if m.Type == kind {
			return m
		}
		if m.Type != "presence" {
			t.Fatalf("got %+v, want a frame of type %s", m, kind)
		}
	}
}

// expectSeqs fails unless the next events are exactly from..to.
func (c *client) expectSeqs(t testing.TB, from, to int64) {
	t.Helper()
	for want := from; want <= to; want++ {
		if got := c.expect(t, "message").Seq; got != want {
			t.Fatalf("got seq %d, want %d (of %d..%d)", got, want, from, to)
		}
	}
}

// expectClose skips to the close frame.
func (c *client) expectClose(t testing.TB, code int) {
	t.Helper()
	for {
		_, err := c.next()
		var closed errClosed
		if errors.As(err, &closed) {
			if closed.code != code {
				t.Errorf("closed with %d %q, want %d", closed.code, closed.reason, code)
			}
			return
		}
		if err != nil {
			t.Fatalf("waiting for close %d: %v", code, err)
		}
	}
}

// eventually polls for something that no signal tells.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("never happened: %s", what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// fakeClock is a clock that tests move.
type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func newFakeClock() *fakeClock {
	return &fakeClock{now: time.Date(2025, 3, 1, 9, 0, 0, 0, time.UTC)}
}

func (f *fakeClock) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeClock) advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}
