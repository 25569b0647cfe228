package web

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	pathMyEvents = v1 + "/users/me/events"
	// maxStreamed is how many rooms one stream follows.
	maxStreamed = 20
)

// myStream registers the stream of a person: the frames of their socket as server-sent
// events.
func (s *Server) myStream() {
	s.fiber.Add(get, pathMyEvents, s.streamMine)
	s.table = append(s.table, registered{get, pathMyEvents, true, false})
}

func (s *Server) streamMine(c *fiber.Ctx) error {
	ctx := c.UserContext()
	actor, err := s.app.Authenticate(ctx, accessToken(c))
	if err != nil {
		return err
	}
	r := requestOf(ctx)
	r.userID = actor.User.ID
	rooms, err := streamedRooms(c.Query("rooms"), c.Get("Last-Event-ID", c.Query("after")))
	if err != nil {
		return err
	}
	f, err := s.app.Follow(ctx, actor)
	if err != nil {
		return err
	}
	f.Speak(languageOf(c, &actor.User))
	c.Set(fiber.HeaderContentType, "text/event-stream")
	c.Set("X-Accel-Buffering", "no")
	nc := c.Context().Conn()
	c.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer s.caught(ctx)
		e := &eventsConn{out: eventWriter{w, nc}, rooms: slices.Clone(rooms), over: make(chan struct{})}
		if e.out.comment() != nil { // the headers leave with the first bytes
			return
		}
		conn := f.Sit(e)
		e.conn.Store(conn)
		if len(rooms) > 0 {
			life, cancel := context.WithTimeout(r.within(context.Background()), frameTimeout)
			f.Subscribe(life, rooms)
			cancel()
		}
		<-e.over
		f.Leave()
		conn.Wait()
	})
	c.Status(http.StatusOK)
	return nil
}

// streamedRooms reads which rooms a stream follows, and from where.
func streamedRooms(ids, after string) ([]event.RoomAfter, error) {
	if ids == "" {
		return nil, nil
	}
	names, seqs := strings.Split(ids, ","), strings.Split(after, ",")
	rooms := make([]event.RoomAfter, len(names))
	for i, name := range names {
		id, err := uuid.Parse(name)
		if err != nil || len(names) > maxStreamed {
			return nil, &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "rooms: must be the ids of at most 20 rooms, by commas",
				Fields: []app.FieldError{{Field: "query.rooms", Message: "must be the ids of at most 20 rooms, by commas"}}}
		}
		rooms[i].RoomID = id.String()
	}
	if after == "" {
		return rooms, nil
	}
	for i, text := range seqs {
		n, err := strconv.ParseInt(text, 10, 64)
		if (err != nil || n < 0) && text != "" || len(seqs) != len(rooms) {
			return nil, &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "after: must be the last seq of each room, by commas; nothing is from now on",
				Fields: []app.FieldError{{Field: "query.after", Message: "must be the last seq of each room, by commas; nothing is from now on"}}}
		}
		if text != "" {
			rooms[i].After = &n
		}
	}
	return rooms, nil
}

// eventsConn turns the frames that a realtime.Conn writes into server-sent events. A Conn
// writes one frame at a time.
type eventsConn struct {
	out   eventWriter
	rooms []event.RoomAfter // with how far each has come: the id of an event
	conn  atomic.Pointer[realtime.Conn]
	once  sync.Once
	over  chan struct{} // closed when nothing follows
}

const (
	opText  = 0x1
	opClose = 0x8
)

// Write takes one whole frame.
func (e *eventsConn) Write(frame []byte) (int, error) {
	op, payload := frame[0]&0xF, frame[2:]
	switch frame[1] {
	case 126:
		payload = frame[4:]
	case 127:
		payload = frame[10:]
	}
	var err error
	switch op {
	case opText:
		err = e.frame(payload)
	case opClose:
		code, reason := 0, ""
		if len(payload) >= 2 {
			code, reason = int(binary.BigEndian.Uint16(payload)), string(payload[2:])
		}
		e.out.event("", "end", fmt.Appendf(nil, `{"type":"end","code":%d,"reason":%q}`, code, reason))
		err = e.out.flush()
	default: // a ping
		err = e.out.comment()
	}
	if err != nil {
		return 0, err
	}
	if c := e.conn.Load(); c != nil {
		c.Alive() // who reads is there
	}
	return len(frame), nil
}

// frame sends one frame. Its id is how far each room has come.
func (e *eventsConn) frame(payload []byte) error {
	var f struct {
		Type   string
		RoomID string `json:"room_id"`
		Seq    int64
		After  int64
		Head   int64
	}
	_ = json.Unmarshal(payload, &f) // frames are made by us
	for i := range e.rooms {
		at := &e.rooms[i]
		if at.RoomID != f.RoomID {
			continue
		}
		switch {
		case f.Type == "joined" && at.After == nil:
			at.After = &f.Head
		case f.Type == "resync":
			at.After = &f.After
		case f.Seq > 0 && f.Type != "ack" && f.Type != "mention":
			at.After = &f.Seq
		}
	}
	var id []byte
	for i, at := range e.rooms {
		if i > 0 {
			id = append(id, ',')
		}
		if at.After != nil {
			id = strconv.AppendInt(id, *at.After, 10)
		}
	}
	e.out.event(string(id), f.Type, payload)
	return e.out.flush()
}

func (e *eventsConn) end() { e.once.Do(func() { close(e.over) }) }

// Close ends the stream, and a write that is stuck.
func (e *eventsConn) Close() error { e.end(); return e.out.conn.SetWriteDeadline(time.Now()) }

// SetReadDeadline comes when the close frame is written, for the peer's answer. Here is none.
func (e *eventsConn) SetReadDeadline(time.Time) error { e.end(); return nil }

// SetWriteDeadline bounds the write that is under way. Each later one has its own.
func (e *eventsConn) SetWriteDeadline(t time.Time) error { return e.out.conn.SetWriteDeadline(t) }

// SetDeadline does nothing.
func (e *eventsConn) SetDeadline(time.Time) error { return nil }

// Read is never called: a stream goes one way.
func (e *eventsConn) Read([]byte) (int, error) { return 0, net.ErrClosed }

// LocalAddr is unknown.
func (e *eventsConn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr is unknown.
func (e *eventsConn) RemoteAddr() net.Addr { return &net.TCPAddr{} }
