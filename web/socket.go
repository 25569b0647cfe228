package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
)

const (
	pathSocket = v1 + "/chat/ws/:room_id"
	// protocolV2 is our own sub-protocol. Without it a socket speaks the plain protocol,
	// in which a text frame is a message.
	protocolV2 = "coagent.v2"
	seatKey    = "seat"
	afterKey   = "after"
	requestLoc = "request"
	// closeUnsupported is the close code after a binary frame (RFC 6455, section 7.4.1).
	closeUnsupported = 1003
	handshakeTimeout = 10 * time.Second
	frameTimeout     = 20 * time.Second
)

// sockets registers the room's socket. Everything that can be refused is refused before
// the handshake is answered.
func (s *Server) sockets() {
	s.fiber.Add(get, pathSocket, s.handshake, websocket.New(s.talk, websocket.Config{
		Subprotocols:     []string{protocolV2},
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   1024,
		// The library writes only the handshake: see realtime.Conn.
		WriteBufferSize: 256,
		// handshake has checked the origin. The library's own check would answer 426
		// instead of 403.
		Origins: []string{"*"},
		RecoverHandler: func(*websocket.Conn) {
			if v := recover(); v != nil {
				s.log.Error("panic in a socket", "panic", v)
			}
		},
	}))
	s.table = append(s.table, registered{get, fiberParam.ReplaceAllString(pathSocket, "{$1}"), true, false})
}

// handshake lets a person into a room, or answers why it does not.
func (s *Server) handshake(c *fiber.Ctx) error {
	if !websocket.IsWebSocketUpgrade(c) {
		c.Set(fiber.HeaderUpgrade, "websocket")
		return fiber.ErrUpgradeRequired
	}
	if !s.originAllowed(c) {
		return s.foreign(c)
	}
	actor, err := s.app.AuthenticateSocket(c.UserContext(), accessToken(c))
	if err != nil {
		return err
	}
	r := requestOf(c.UserContext())
	r.userID = actor.User.ID
	// Clients of the plain protocol know only one refusal, 403.
	missing := newProblem(r, http.StatusForbidden, &app.Error{Code: wording.NotFound, Message: "Room not found"})
	room, err := uuid.Parse(c.Params("room_id"))
	if err != nil {
		return missing
	}
	after := int64(-1)
	if text := c.Query("after"); text != "" {
		if after, err = strconv.ParseInt(text, 10, 64); err != nil || after < 0 {
			return &app.Error{Kind: app.KindInvalid, Code: wording.Invalid, Message: "after: must be the seq of an event, 0 or more",
				Fields: []app.FieldError{{Field: "query.after", Message: "must be the seq of an event, 0 or more"}}}
		}
	}
	seat, err := s.app.Enter(c.UserContext(), actor, room.String())
	if app.KindOf(err) == app.KindNotFound {
		return missing
	}
	if err != nil {
		return err
	}
	seat.Speak(languageOf(c, &actor.User))
	c.Locals(seatKey, seat)
	c.Locals(afterKey, after)
	c.Locals(requestLoc, r)
	return c.Next()
}

// talk reads one socket until it ends. It returns only when the writer has ended too,
// because the library reuses connections.
func (s *Server) talk(ws *websocket.Conn) {
	seat, ok := ws.Locals(seatKey).(*app.Seat)
	if !ok {
		return
	}
	life := context.Background()
	if r, ok := ws.Locals(requestLoc).(*request); ok {
		life = r.within(life) // its log lines have the request id of the handshake
	}
	v2 := ws.Subprotocol() == protocolV2
	after, _ := ws.Locals(afterKey).(int64)
	// The server's deadlines were for the request. From now on the hub notices a dead
	// peer.
	_ = ws.NetConn().SetDeadline(time.Time{})
	defer slim(ws.NetConn())()
	conn := seat.Sit(ws.NetConn(), v2, after)
	s.readFrames(ws, conn, seat.Leave, v2, func(f inFrame) { s.act(life, seat, f) })
}

// readFrames gives each frame of a socket to act, until the socket ends. It calls
// leave then, and returns when the writer has ended.
func (s *Server) readFrames(ws *websocket.Conn, conn *realtime.Conn, leave func(), v2 bool, act func(inFrame)) {
	raw := rawConn(ws.NetConn())
	defer hangUp(ws, conn, raw)
	defer leave()
	limit := int64(s.cfg.Limits.MessageBytes)
	ws.SetPingHandler(func(data string) error { conn.Alive(); conn.Pong([]byte(data)); return nil })
	ws.SetPongHandler(func(string) error { conn.Alive(); return nil })
	ws.SetCloseHandler(func(int, string) error { return nil })
	for {
		raw.ration(frameBytes(limit))
		// Do not use the library's own limit: it would send a close frame while the
		// writer may be writing.
		kind, r, err := ws.NextReader()
		var f inFrame
		if err == nil {
			f, err = s.large.read(r, limit, v2, func() { conn.Close(realtime.CloseTooSlow, "too slow") })
		}
		if errors.Is(err, errChatter) {
			conn.Close(realtime.CloseTooLarge, "too many frames")
			raw.unread.Store(true)
		}
		if err != nil {
			return
		}
		conn.Alive()
		if !s.take(conn, kind, f, act) {
			return
		}
	}
}

// take gives one frame to act, unless no protocol has such a frame or the socket is closing.
func (s *Server) take(conn *realtime.Conn, kind int, f inFrame, act func(inFrame)) bool {
	defer s.large.give(f.held)
	select {
	case <-conn.Done():
		return false
	default:
	}
	switch {
	case f.size > frameBytes(int64(s.cfg.Limits.MessageBytes)):
		conn.Close(realtime.CloseTooLarge, "too large")
		return false
	case kind != websocket.TextMessage:
		conn.Close(closeUnsupported, "send text frames")
		return false
	case !utf8.Valid(f.data):
		conn.Close(realtime.CloseBadText, "send UTF-8")
		return false
	}
	act(f)
	return true
}

// act executes one frame of a room's socket.
func (s *Server) act(life context.Context, seat *app.Seat, f inFrame) {
	ctx, cancel := context.WithTimeout(life, frameTimeout)
	defer cancel()
	switch {
	case !f.whole && f.v2:
		seat.Busy(ctx)
	case !f.whole:
		seat.TooLong(ctx, f.size)
	case f.v2:
		s.frameV2(ctx, seat, f.data)
	default:
		seat.Post(ctx, string(f.data), "")
	}
}

// hangUp waits for the writer to end. Then it reads until the peer has answered the close
// frame or the time for that is over. Closing a socket with unread bytes resets it, and
// then the peer may never see the reason.
func hangUp(ws *websocket.Conn, conn *realtime.Conn, raw *conn) {
	conn.Wait()
	raw.outlast()
	for {
		if _, _, err := ws.NextReader(); err != nil {
			return
		}
	}
}

// misfit names the member of a frame that holds something else than it may, and what.
func misfit(err error) (field, message string, ok bool) {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) {
		return "", "", false
	}
	// Structs that a frame is made of stand before the member, under their names in Go.
	for field = kind.Field; field != "" && unicode.IsUpper(rune(field[0])); {
		_, field, _ = strings.Cut(field, ".")
	}
	return field, "holds a " + kind.Value + " that does not fit", field != ""
}

// frameV2 executes one frame of coagent.v2.
func (s *Server) frameV2(ctx context.Context, seat *app.Seat, data []byte) {
	var f event.Request
	if err := json.Unmarshal(data, &f); err != nil {
		if field, message, ok := misfit(err); ok {
			seat.Complain(ctx, f.ClientID, field, message)
			return
		}
		seat.Complain(ctx, "", "frame", "send one JSON object such as {\"type\":\"post\",\"client_id\":\"1\",\"text\":\"Hello\"}")
		return
	}
	if s.v2.known(f.Type) {
		if field, message := s.v2.wrongName(f.Type, data); field != "" {
			seat.Complain(ctx, f.ClientID, field, message)
			return
		}
	}
	s.execute(ctx, seat, &f)
}

// execute does what a frame of coagent.v2 asks for.
func (s *Server) execute(ctx context.Context, seat *app.Seat, f *event.Request) {
	switch f.Type {
	case event.RequestPost:
		if f.ClientID == "" {
			seat.Complain(ctx, "", "client_id", "must have 1 to 64 characters, unique for each message")
			return
		}
		seat.Post(ctx, f.Text, f.ClientID, app.PostWith{Mentions: f.Mentions, ReplyTo: f.ReplyTo, Files: f.Files})
	case event.RequestTyping:
		seat.Typing(ctx)
	case event.RequestEditing:
		artifact, err := uuid.Parse(f.ArtifactID)
		if err != nil {
			seat.Complain(ctx, "", "artifact_id", "must be a UUID")
			return
		}
		f.ArtifactID = artifact.String()
		seat.Editing(ctx, f.Edit)
	case event.RequestResume:
		seat.Resume(f.After)
	case event.RequestStop:
		turn, err := uuid.Parse(f.TurnID)
		if err != nil {
			seat.Complain(ctx, "", "turn_id", "must be the id of a turn")
			return
		}
		seat.Stop(ctx, turn.String())
	case event.RequestReact:
		message, err := uuid.Parse(f.MessageID)
		if err != nil {
			seat.Complain(ctx, "", "message_id", "must be the id of a message")
			return
		}
		seat.React(ctx, message.String(), f.Emoji, !f.Remove)
	default:
		seat.Complain(ctx, "", "type", "must be one of post, typing, resume, stop, editing, react")
	}
}
