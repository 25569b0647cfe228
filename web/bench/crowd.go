//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// crowd are the clients of one server. They are plain readers of WebSocket frames and as
// cheap as possible, since they share the machine with what is measured.
type crowd struct {
	members []*member
	lines   atomic.Int64 // frames of messages that have come, over all members
	waits   atomic.Pointer[wait]
	readers sync.WaitGroup
}

// member is one client's connection.
type member struct {
	crowd *crowd
	conn  net.Conn
	in    *bufio.Reader
	// seen, when set, gets every text frame as it arrives. It must not keep the text.
	seen  atomic.Pointer[func(text []byte)]
	wmu   sync.Mutex
	close int // the close code of the server
}

// linePrefix is the beginning of a message's frame in both protocols.
var linePrefix = []byte(`{"type":"message"`)

// dial opens a socket on which a person hears what is said in a room.
type dial func(ctx context.Context, addr, room string, p person) (*member, error)

// joinRoom opens a coagent.v2 socket for each person.
func joinRoom(ctx context.Context, addr, room string, people []person) (*crowd, error) {
	return joinBy(ctx, dialRoom, addr, room, people)
}

func joinBy(ctx context.Context, by dial, addr, room string, people []person) (*crowd, error) {
	c := &crowd{}
	for _, p := range people {
		if err := c.join(ctx, by, addr, room, p); err != nil {
			return nil, errors.Join(err, c.leave())
		}
	}
	return c, nil
}

func (c *crowd) join(ctx context.Context, by dial, addr, room string, p person) error {
	m, err := by(ctx, addr, room, p)
	if err != nil {
		return err
	}
	m.crowd = c
	c.members = append(c.members, m)
	c.readers.Go(m.read)
	return nil
}

// dialRoom does the handshake (RFC 6455, section 4.1). Nobody reads yet.
func dialRoom(ctx context.Context, addr, room string, p person) (*member, error) {
	return handshake(ctx, addr, chatPath+room, "coagent.v2", p, new(net.Dialer))
}

// dialMine is dialRoom for the socket of the person, who subscribes to a room.
func dialMine(ctx context.Context, addr, room string, p person) (*member, error) {
	m, err := handshake(ctx, addr, "/api/v1/users/me/ws", "coagent.me.v1", p, new(net.Dialer))
	if err != nil {
		return nil, err
	}
	if err := m.write(1, []byte(`{"type":"subscribe","rooms":[{"room_id":"`+room+`"}]}`)); err != nil {
		return nil, errors.Join(err, m.conn.Close())
	}
	return m, nil
}

// dialDeaf is dialRoom with the smallest receive buffer, so that the server soon notices
// an unread connection.
func dialDeaf(ctx context.Context, addr, room string, p person) (*member, error) {
	return handshake(ctx, addr, chatPath+room, "coagent.v2", p, &net.Dialer{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		if e := c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4096) }); e != nil {
			return e
		}
		return err
	}})
}

const chatPath = "/api/v1/chat/ws/"

func handshake(ctx context.Context, addr, path, protocol string, p person, d *net.Dialer) (*member, error) {
	m, err := dialRaw(ctx, addr, d)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(m.conn, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\n"+
		"Authorization: Bearer %s\r\n\r\n", path, addr, protocol, p.token)
	if err != nil {
		return nil, errors.Join(err, m.conn.Close())
	}
	res, err := http.ReadResponse(m.in, nil)
	if err != nil {
		return nil, errors.Join(err, m.conn.Close())
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, errors.Join(fmt.Errorf("handshake: %s", res.Status), m.conn.Close())
	}
	return m, nil
}

func dialRaw(ctx context.Context, addr string, d *net.Dialer) (*member, error) {
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &member{conn: conn, in: bufio.NewReaderSize(conn, 4<<10)}, nil
}

// joinFloor opens n connections to the floor's server.
func joinFloor(ctx context.Context, p *process, n int) (*crowd, error) {
	c := &crowd{}
	for range n {
		m, err := dialRaw(ctx, p.addr, new(net.Dialer))
		if err != nil {
			return nil, errors.Join(err, c.leave())
		}
		m.crowd = c
		c.members = append(c.members, m)
		c.readers.Go(m.read)
	}
	return c, await(ctx, "the floor's connections", func() bool {
		var have int
		return p.call("conns", nil, &have) == nil && have >= n
	})
}

// leave closes all connections.
func (c *crowd) leave() error {
	var errs []error
	for _, m := range c.members {
		errs = append(errs, m.conn.Close())
	}
	c.readers.Wait()
	return errors.Join(errs...)
}

// await polls until ok is true, for a minute at most.
func await(ctx context.Context, what string, ok func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waited too long for %s", what)
		case <-tick.C:
		}
	}
	return nil
}

// awaitLines waits until n frames of messages have come over all members.
func (c *crowd) awaitLines(ctx context.Context, n int64) error {
	err := await(ctx, "lines", func() bool { return c.lines.Load() >= n })
	if err != nil {
		return fmt.Errorf("%w: %d of %d came", err, c.lines.Load(), n)
	}
	return nil
}

// read reads frames until the connection ends, and answers pings.
func (m *member) read() {
	for {
		op, text, err := readFrame(m.in)
		if err != nil {
			return
		}
		switch op {
		case 1:
			if f := m.seen.Load(); f != nil {
				(*f)(text)
			}
			if bytes.HasPrefix(text, linePrefix) {
				m.crowd.arrived()
			}
		case 8:
			if len(text) >= 2 {
				m.close = int(binary.BigEndian.Uint16(text))
			}
			return
		case 9:
			_ = m.write(10, text) // a dead connection ends the read
		}
	}
}

// watch calls f with every text frame; nil stops that.
func (m *member) watch(f func(text []byte)) {
	if f == nil {
		m.seen.Store(nil)
		return
	}
	m.seen.Store(&f)
}

// leave closes the connection as a browser does.
func (m *member) leave() error {
	return errors.Join(m.write(8, []byte{0x03, 0xe9}), m.conn.Close()) // 1001, going away
}

// say posts a message through the socket.
func (m *member) say(clientID, text string) error {
	return m.write(1, []byte(`{"type":"post","client_id":"`+clientID+`","text":"`+text+`"}`))
}

// write sends one frame, masked with zeros (RFC 6455 section 5.3).
func (m *member) write(op byte, payload []byte) error {
	frame := []byte{0x80 | op}
	switch n := len(payload); {
	case n <= 125:
		frame = append(frame, 0x80|byte(n))
	case n <= 0xFFFF:
		frame = append(frame, 0x80|126)
		frame = binary.BigEndian.AppendUint16(frame, uint16(n))
	default:
		frame = append(frame, 0x80|127)
		frame = binary.BigEndian.AppendUint64(frame, uint64(n))
	}
	frame = append(frame, 0, 0, 0, 0)
	m.wmu.Lock()
	defer m.wmu.Unlock()
	_, err := m.conn.Write(append(frame, payload...))
	return err
}

// readFrame reads one unmasked frame. The payload is valid until the next read.
func readFrame(in *bufio.Reader) (op byte, payload []byte, err error) {
	head, err := in.Peek(2)
	if err != nil {
		return 0, nil, err
	}
	op = head[0] & 0x0f
	n, size := int(head[1]&0x7f), 2
	switch n {
	case 126:
		size = 4
		if head, err = in.Peek(size); err == nil {
			n = int(binary.BigEndian.Uint16(head[2:]))
		}
	case 127:
		size = 10
		if head, err = in.Peek(size); err == nil {
			n = int(binary.BigEndian.Uint64(head[2:]))
		}
	}
	if err != nil {
		return 0, nil, err
	}
	if _, err = in.Discard(size); err != nil {
		return 0, nil, err
	}
	if n <= in.Size() {
		if payload, err = in.Peek(n); err == nil {
			_, err = in.Discard(n)
		}
		return op, payload, err
	}
	payload = make([]byte, n)
	_, err = io.ReadFull(in, payload)
	return op, payload, err
}

// textFrame returns payload as a complete frame of a server.
func textFrame(payload string) []byte {
	frame := []byte{0x81}
	if n := len(payload); n <= 125 {
		frame = append(frame, byte(n))
	} else {
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	}
	return append(frame, payload...)
}

// lineText returns a message text of a size in bytes.
func lineText(size int) string { return strings.Repeat("waves ", size/6+1)[:size] }

// arrival returns a channel that is closed when n frames of messages have come over all
// members. Only one wait at a time.
func (c *crowd) arrival(n int64) <-chan struct{} {
	ch := make(chan struct{})
	c.waits.Store(&wait{n, ch})
	return ch
}

// wait is a wait for the n-th message.
type wait struct {
	n    int64
	done chan struct{}
}

// arrived counts one message.
func (c *crowd) arrived() {
	n := c.lines.Add(1)
	if w := c.waits.Load(); w != nil && n == w.n {
		close(w.done)
	}
}

// rivals are the program and the floor, each with a crowd of the same size.
type rivals struct {
	ours, bare   *process
	class, plain *crowd
	ends         []func() error
}

// rivals starts both and connects their crowds. Call end on the result, with an error
// too.
func (l *lab) rivals(s site, room string, people []person) (r *rivals, err error) {
	r = &rivals{}
	if r.ours, err = l.spawn(roleCoagent, s); err != nil {
		return r, err
	}
	r.ends = append(r.ends, r.ours.stop)
	if r.bare, err = l.spawn(roleFloor, nil); err != nil {
		return r, err
	}
	r.ends = append(r.ends, r.bare.stop)
	if r.class, err = joinRoom(l.ctx, r.ours.addr, room, people); err != nil {
		return r, err
	}
	r.ends = append(r.ends, r.class.leave)
	if r.plain, err = joinFloor(l.ctx, r.bare, len(people)); err != nil {
		return r, err
	}
	r.ends = append(r.ends, r.plain.leave)
	return r, nil
}

// end undoes what has been done, the last first.
func (r *rivals) end() (err error) {
	for _, undo := range slices.Backward(r.ends) {
		err = errors.Join(err, undo())
	}
	return err
}
