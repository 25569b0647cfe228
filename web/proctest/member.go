//go:build unix

package proctest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fasthttp/websocket"
	"github.com/google/uuid"
)

// Frame is any frame of coagent.v2.
type Frame struct {
	Type      string `json:"type"`
	ID        string `json:"id"`
	Seq       int64  `json:"seq"`
	ClientID  string `json:"client_id"`
	Sender    string `json:"sender"`
	Content   string `json:"content"`
	AgentID   string `json:"agent_id"`
	TurnID    string `json:"turn_id"`
	State     string `json:"state"`
	Attempt   int    `json:"attempt"`
	Reason    string `json:"reason"`
	Detail    string `json:"detail"`
	Offset    int    `json:"offset"`
	Text      string `json:"text"`
	Code      string `json:"code"`
	Dup       bool   `json:"dup"`
	After     int64  `json:"after"`
	Timestamp string `json:"timestamp"`
	Members   []struct {
		UserID string `json:"user_id"`
		Name   string `json:"name"`
	} `json:"members"`

	At time.Time `json:"-"` // when it was received
}

// Durable tells the frames of a room's log from acks and signals.
func (f *Frame) Durable() bool { return f.Seq > 0 && f.Type != "ack" }

// pending is a line that was not acknowledged yet.
type pending struct {
	clientID, text string
	sent           bool // on the connection of now
	acked          chan struct{}
}

// Member is a person in a room by coagent.v2, as a good client is one: it
// reconnects with backoff, resumes behind the newest event that it has, sends
// again what was not acknowledged, and records what it is told.
type Member struct {
	Person *Person
	Room   string
	// ByFrame resumes with a frame instead of the address's ?after.
	ByFrame bool

	stop  context.CancelFunc
	ended chan struct{}

	writing sync.Mutex // one writer at a time on the connection

	mu       sync.Mutex
	changed  chan struct{} // closed and renewed with each change
	conn     *websocket.Conn
	log      []Frame // durable frames, once each, in order
	other    []Frame // deltas, signals, errors
	acks     []Ack
	waiting  []*pending
	faults   []string
	connects int
	closes   []int // close codes that the server sent
}

// maxOther bounds what a member keeps of deltas and signals.
const maxOther = 20_000

// Join sits a person into a room until the test ends or Leave.
func (s *Site) Join(p *Person, room string) *Member {
	return s.JoinBy(p, room, false)
}

// JoinBy is Join with a choice of how to resume.
func (s *Site) JoinBy(p *Person, room string, byFrame bool) *Member {
	ctx, stop := context.WithCancel(context.WithoutCancel(s.T.Context()))
	m := &Member{Person: p, Room: room, ByFrame: byFrame, stop: stop, ended: make(chan struct{}), changed: make(chan struct{})}
	go m.run(ctx)
	s.T.Cleanup(m.Leave)
	return m
}

// Leave ends the member's connection for good.
func (m *Member) Leave() {
	m.stop()
	m.Cut()
	<-m.ended
}

// Cut breaks the member's connection in the middle of whatever it is at.
func (m *Member) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.NetConn().Close()
	}
}

func (m *Member) run(ctx context.Context) {
	defer close(m.ended)
	node := rand.IntN(len(m.Person.nodes.urls))
	for pause := 20 * time.Millisecond; ctx.Err() == nil; {
		began := time.Now()
		m.session(ctx, m.Person.nodes.urls[node%len(m.Person.nodes.urls)])
		node++
		if time.Since(began) > time.Second {
			pause = 20 * time.Millisecond
		}
		wait := time.NewTimer(pause/2 + rand.N(pause))
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
		pause = min(2*pause, 500*time.Millisecond)
	}
}

// Dial opens a socket of coagent.v2 in a room; tune may change the dialer.
// status is that of the answer, 0 without one.
func (p *Person) Dial(ctx context.Context, base, room, query string, tune func(*websocket.Dialer)) (conn *websocket.Conn, status int, err error) {
	d := &websocket.Dialer{Subprotocols: []string{"coagent.v2"}, HandshakeTimeout: 15 * time.Second,
		ReadBufferSize: 4096, WriteBufferSize: 1024, NetDialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext}
	if tune != nil {
		tune(d)
	}
	url := "ws" + strings.TrimPrefix(base, "http") + "/api/v1/chat/ws/" + room + query
	conn, res, err := d.DialContext(ctx, url, http.Header{"Authorization": {"Bearer " + p.Token()}})
	if res != nil {
		_ = res.Body.Close() // the connection does not end with it
		status = res.StatusCode
	}
	return conn, status, err
}

// session is one connection's life.
func (m *Member) session(ctx context.Context, base string) {
	after := m.Last()
	query := fmt.Sprintf("?after=%d", after)
	if m.ByFrame {
		query = ""
	}
	conn, status, err := m.Person.Dial(ctx, base, m.Room, query, nil)
	if err != nil {
		if status/100 == 4 && ctx.Err() == nil {
			m.fault("handshake refused with %d", status)
		}
		return
	}
	defer func() { _ = conn.Close() }()
	m.mu.Lock()
	m.conn = conn
	m.connects++
	for _, p := range m.waiting {
		p.sent = false
	}
	m.mu.Unlock()
	if ctx.Err() != nil {
		return // Leave may have come before there was a connection to cut
	}
	if m.ByFrame {
		m.write(conn, map[string]any{"type": "resume", "after": after})
	}
	m.flush()
	m.read(conn)
	m.mu.Lock()
	m.conn = nil
	m.mu.Unlock()
}

func (m *Member) read(conn *websocket.Conn) {
	for {
		// The server pings every 10 s; a frozen one must not hold the member.
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		_, data, err := conn.ReadMessage()
		if err != nil {
			var closed *websocket.CloseError
			if errors.As(err, &closed) && closed.Code != websocket.CloseAbnormalClosure {
				m.mu.Lock()
				m.closes = append(m.closes, closed.Code)
				m.mu.Unlock()
			}
			return
		}
		m.Person.nodes.record([]byte("frame"), data)
		var f Frame
		if err := json.Unmarshal(data, &f); err != nil {
			m.fault("a frame is no JSON: %.100q", data)
			continue
		}
		f.At = time.Now()
		m.take(f)
	}
}

// take records a frame.
func (m *Member) take(f Frame) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.tell()
	switch {
	case f.Durable():
		m.takeDurable(f)
	case f.Type == "ack":
		i := slices.IndexFunc(m.waiting, func(p *pending) bool { return p.clientID == f.ClientID })
		if i < 0 {
			return // the answer to a resend
		}
		p := m.waiting[i]
		m.waiting = slices.Delete(m.waiting, i, i+1)
		m.acks = append(m.acks, Ack{ClientID: f.ClientID, ID: f.ID, Seq: f.Seq, Dup: f.Dup, Text: p.text, Sender: m.Person.ID, Room: m.Room, At: f.At})
		close(p.acked)
	case f.Type == "error":
		m.keep(f)
		for _, p := range m.waiting {
			if p.clientID == f.ClientID {
				p.sent = false
				time.AfterFunc(100*time.Millisecond, m.flush)
			}
		}
	default:
		if f.Type == "resync" {
			m.faults = append(m.faults, fmt.Sprintf("resync to %d", f.After))
		}
		m.keep(f)
	}
}

func (m *Member) keep(f Frame) {
	if len(m.other) < maxOther {
		m.other = append(m.other, f)
	}
}

func (m *Member) takeDurable(f Frame) {
	last := int64(0)
	if n := len(m.log); n > 0 {
		last = m.log[n-1].Seq
	}
	switch {
	case f.Seq == last+1:
		m.log = append(m.log, f)
	case m.ByFrame:
		// What comes before the resume takes effect comes again after it.
	default:
		m.faults = append(m.faults, fmt.Sprintf("seq %d came after %d", f.Seq, last))
	}
}

func (m *Member) fault(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults = append(m.faults, fmt.Sprintf(format, args...))
}

// tell wakes those who wait for a change; mu is held.
func (m *Member) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// flush sends the lines that wait and are not sent yet, in their order.
func (m *Member) flush() {
	m.mu.Lock()
	conn := m.conn
	var todo []*pending
	for _, p := range m.waiting {
		if conn != nil && !p.sent {
			p.sent = true
			todo = append(todo, p)
		}
	}
	m.mu.Unlock()
	for _, p := range todo {
		m.write(conn, map[string]string{"type": "post", "client_id": p.clientID, "text": p.text})
	}
}

// write sends one frame; a failure ends the connection, which its reader sees.
func (m *Member) write(conn *websocket.Conn, v any) {
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if conn.WriteJSON(v) != nil {
		_ = conn.NetConn().Close()
	}
}

// Say posts a line and returns when it is acknowledged, however many
// connections that takes.
func (m *Member) Say(ctx context.Context, text string) error {
	p := &pending{clientID: uuid.NewString(), text: text, acked: make(chan struct{})}
	m.mu.Lock()
	m.waiting = append(m.waiting, p)
	m.mu.Unlock()
	m.flush()
	select {
	case <-p.acked:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%q was not acknowledged: %w", text, ctx.Err())
	}
}

// Last is the seq of the newest durable event that the member has.
func (m *Member) Last() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.log) == 0 {
		return 0
	}
	return m.log[len(m.log)-1].Seq
}

// Log are the durable frames so far.
func (m *Member) Log() []Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// Others are the frames so far that are not durable, acks aside.
func (m *Member) Others() []Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.other)
}

// Acks are the acknowledgements so far.
func (m *Member) Acks() []Ack {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.acks)
}

// Faults are the breaches of the protocol so far: gaps, repeats, refusals.
func (m *Member) Faults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.faults)
}

// Closes are the close codes that the server has sent so far.
func (m *Member) Closes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.closes)
}

// Connects counts the connections that came about.
func (m *Member) Connects() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connects
}

// Await waits until cond holds, which is asked after each frame and, since
// connections change too, now and then.
func (m *Member) Await(ctx context.Context, what string, cond func() bool) error {
	for {
		m.mu.Lock()
		changed := m.changed
		m.mu.Unlock()
		if cond() {
			return nil
		}
		pause := time.NewTimer(100 * time.Millisecond)
		select {
		case <-changed:
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return fmt.Errorf("%s waited in vain for %s", m.Person.Name, what)
		}
		pause.Stop()
	}
}
