//go:build unix

package proctest

import (
	"context"
	"fmt"
	"slices"
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

// Durable tells whether the frame is from the room's log, not an ack or a signal.
func (f *Frame) Durable() bool { return f.Seq > 0 && f.Type != "ack" }

// pending is a message that was not acknowledged yet.
type pending struct {
	clientID, text string
	sent           bool // on the current connection
	acked          chan struct{}
}

// Member is a person in a room through coagent.v2, and behaves like a good client. It
// reconnects with backoff, resumes after its newest event, sends again what was not
// acknowledged, and records what it is told.
type Member struct {
	Person *Person
	Room   string
	// ByFrame resumes with a frame instead of ?after in the address.
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

// maxOther is how many deltas and signals a member keeps.
const maxOther = 20_000

// Join lets a person join a room until the test ends or Leave.
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

// Cut breaks the member's connection at any moment of its work.
func (m *Member) Cut() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.conn != nil {
		_ = m.conn.NetConn().Close()
	}
}

// Say posts a message and returns when it is acknowledged, however many connections that
// takes.
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

// Last returns the seq of the member's newest durable event.
func (m *Member) Last() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.log) == 0 {
		return 0
	}
	return m.log[len(m.log)-1].Seq
}

// Log returns the durable frames so far.
func (m *Member) Log() []Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.log)
}

// Others returns the frames so far that are not durable, without acks.
func (m *Member) Others() []Frame {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.other)
}

// Acks returns the acknowledgements so far.
func (m *Member) Acks() []Ack {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.acks)
}

// Faults returns the breaches of the protocol so far: gaps, repeats, refusals.
func (m *Member) Faults() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.faults)
}

// Closes returns the close codes that the server has sent so far.
func (m *Member) Closes() []int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.closes)
}

// Connects returns how many connections were opened.
func (m *Member) Connects() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.connects
}

// Await waits until cond is true. It calls cond after each frame, and also from time to
// time because connections change too.
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
