package apptest

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
)

// Frame is one frame that a Socket was sent: its JSON text, and the same
// decoded.
type Frame struct {
	Text   string
	Fields map[string]any
}

// Is tells whether the frame has this type.
func (f Frame) Is(kind string) bool { return f.Fields["type"] == kind }

// Socket is one person's end of a room's socket, over real TCP.
type Socket struct {
	Seat   *app.Seat
	client net.Conn

	mu     sync.Mutex
	frames []Frame
	code   int // of the close frame
}

// Join opens a socket of the actor in a room, as the edge does behind its
// handshake: v2 is the protocol coagent.v2, after the seq from which on it
// reads (negative: from now on).
func (r *Rig) Join(t testing.TB, actor *app.Actor, roomID string, v2 bool, after int64) *Socket {
	t.Helper()
	seat, err := r.Enter(t.Context(), actor, roomID)
	if err != nil {
		t.Fatal(err)
	}
	server, client := pair(t)
	s := &Socket{Seat: seat, client: client}
	conn := seat.Sit(server, v2, after)
	handler, reader := make(chan struct{}), make(chan struct{})
	go func() { // the edge's handler: it reads until the connection ends
		defer close(handler)
		_, _ = io.Copy(io.Discard, server)
		seat.Leave()
		conn.Wait()
		_ = server.Close()
	}()
	go func() { defer close(reader); s.read() }()
	t.Cleanup(func() {
		_ = client.Close()
		<-handler
		<-reader
	})
	return s
}

func pair(t testing.TB) (server, client net.Conn) {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = new(net.Dialer).DialContext(t.Context(), "tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return server, client
}

// read takes frames (RFC 6455 section 5.2, unmasked as a server sends them)
// until the connection ends, and closes it behind a close frame.
func (s *Socket) read() {
	in := bufio.NewReader(s.client)
	for {
		op, payload, err := readFrame(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		switch op {
		case 1:
			f := Frame{Text: string(payload)}
			_ = json.Unmarshal(payload, &f.Fields)
			s.frames = append(s.frames, f)
		case 8:
			if len(payload) >= 2 {
				s.code = int(binary.BigEndian.Uint16(payload))
			}
			_ = s.client.Close()
		}
		s.mu.Unlock()
	}
}

func readFrame(in *bufio.Reader) (op byte, payload []byte, err error) {
	var head [2]byte
	if _, err := io.ReadFull(in, head[:]); err != nil {
		return 0, nil, err
	}
	n := uint64(head[1] & 0x7f)
	switch n {
	case 126:
		var b [2]byte
		_, err = io.ReadFull(in, b[:])
		n = uint64(binary.BigEndian.Uint16(b[:]))
	case 127:
		var b [8]byte
		_, err = io.ReadFull(in, b[:])
		n = binary.BigEndian.Uint64(b[:])
	}
	if err != nil {
		return 0, nil, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return head[0] & 0x0f, payload, err
}

// Frames are those that have come so far; of a type, unless that is empty.
func (s *Socket) Frames(kind string) []Frame {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found []Frame
	for _, f := range s.frames {
		if kind == "" || f.Is(kind) {
			found = append(found, f)
		}
	}
	return found
}

// Text is every frame so far, one a line.
func (s *Socket) Text() string {
	var b strings.Builder
	for _, f := range s.Frames("") {
		b.WriteString(f.Text + "\n")
	}
	return b.String()
}

// Await waits for a frame that matches and returns it.
func (s *Socket) Await(t testing.TB, what string, match func(Frame) bool) Frame {
	t.Helper()
	var found Frame
	Await(t, what, func() bool {
		for _, f := range s.Frames("") {
			if match(f) {
				found = f
				return true
			}
		}
		return false
	})
	return found
}

// AwaitClose waits until the server closed the socket and returns its code.
func (s *Socket) AwaitClose(t testing.TB) int {
	t.Helper()
	code := 0
	Await(t, "the socket to be closed", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		code = s.code
		return code != 0
	})
	return code
}
