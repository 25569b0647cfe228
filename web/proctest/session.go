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
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/fasthttp/websocket"
)

func (m *Member) run(ctx context.Context) {
	defer close(m.ended)
	node := rand.IntN(len(m.Person.nodes.urls))
	pauses := &backoff.ExponentialBackOff{InitialInterval: 20 * time.Millisecond, RandomizationFactor: 0.5, Multiplier: 2,
		MaxInterval: 500 * time.Millisecond}
	for ctx.Err() == nil {
		began := time.Now()
		m.session(ctx, m.Person.nodes.urls[node%len(m.Person.nodes.urls)])
		node++
		if time.Since(began) > time.Second {
			pauses.Reset()
		}
		wait := time.NewTimer(pauses.NextBackOff())
		select {
		case <-ctx.Done():
			wait.Stop()
		case <-wait.C:
		}
	}
}

// Dial opens a socket of coagent.v2 in a room. tune may change the dialer. status is the
// answer's status, 0 without an answer.
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

// session runs one connection from its beginning to its end.
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

// tell wakes everybody who waits for a change. The caller holds mu.
func (m *Member) tell() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// flush sends the waiting messages that are not sent yet, in order.
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

// write sends one frame. A failure ends the connection, and the reader notices that.
func (m *Member) write(conn *websocket.Conn, v any) {
	m.writing.Lock()
	defer m.writing.Unlock()
	_ = conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if conn.WriteJSON(v) != nil {
		_ = conn.NetConn().Close()
	}
}
