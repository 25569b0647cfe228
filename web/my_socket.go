package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gofiber/contrib/websocket"
	"github.com/gofiber/fiber/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
)

const (
	pathMySocket = v1 + "/users/me/ws"
	// protocolMe is the sub-protocol of a person's socket.
	protocolMe = "coagent.me.v1"
)

// mySocket registers the socket of a person.
func (s *Server) mySocket() {
	s.fiber.Add(get, pathMySocket, s.followHandshake, websocket.New(s.follow, websocket.Config{
		Subprotocols:     []string{protocolMe},
		HandshakeTimeout: handshakeTimeout,
		ReadBufferSize:   1024,
		WriteBufferSize:  256,
		Origins:          []string{"*"}, // followHandshake has checked the origin
		RecoverHandler: func(*websocket.Conn) {
			if v := recover(); v != nil {
				s.log.Error("panic in a socket", "panic", v)
			}
		},
	}))
	s.table = append(s.table, registered{get, pathMySocket, true, false})
}

// followHandshake lets a person in, or answers why it does not.
func (s *Server) followHandshake(c *fiber.Ctx) error {
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
	f, err := s.app.Follow(c.UserContext(), actor)
	if err != nil {
		return err
	}
	f.Speak(languageOf(c, &actor.User))
	c.Locals(seatKey, f)
	c.Locals(requestLoc, r)
	return c.Next()
}

// follow reads one socket of a person until it ends. It returns only when the writer has
// ended too, because the library reuses connections.
func (s *Server) follow(ws *websocket.Conn) {
	f, ok := ws.Locals(seatKey).(*app.Follower)
	if !ok {
		return
	}
	life := context.Background()
	if r, ok := ws.Locals(requestLoc).(*request); ok {
		life = r.within(life)
	}
	_ = ws.NetConn().SetDeadline(time.Time{}) // the hub notices a dead peer
	defer slim(ws.NetConn())()
	conn := f.Sit(ws.NetConn())
	s.readFrames(ws, conn, f.Leave, true, func(in inFrame) {
		ctx, cancel := context.WithTimeout(life, frameTimeout)
		defer cancel()
		if !in.whole {
			f.Busy(ctx)
		} else {
			s.frameMe(ctx, f, in.data)
		}
	})
}

// frameMe executes one frame of coagent.me.v1.
func (s *Server) frameMe(ctx context.Context, f *app.Follower, data []byte) {
	var in event.MyRequest
	if err := json.Unmarshal(data, &in); err != nil {
		if field, message, ok := misfit(err); ok {
			f.Complain(ctx, in.ClientID, field, message)
			return
		}
		f.Complain(ctx, "", "frame", "send one JSON object such as {\"type\":\"subscribe\",\"rooms\":[{\"room_id\":\"...\",\"after\":0}]}")
		return
	}
	if s.mine.known(in.Type) {
		if field, message := s.mine.wrongName(in.Type, data); field != "" {
			f.Complain(ctx, in.ClientID, field, message)
			return
		}
	}
	switch in.Type {
	case event.RequestSubscribe:
		f.Subscribe(ctx, in.Rooms)
	case event.RequestUnsubscribe:
		f.Unsubscribe(ctx, in.RoomIDs)
	case event.RequestPost, event.RequestTyping, event.RequestStop, event.RequestReact, event.RequestEditing:
		room, err := uuid.Parse(in.RoomID)
		if err != nil {
			f.Complain(ctx, in.ClientID, "room_id", "must be the id of a room")
			return
		}
		s.execute(ctx, f.In(room.String()), &event.Request{Type: in.Type, Post: in.Post, StopTurn: in.StopTurn, React: in.React, Edit: in.Edit})
	default:
		f.Complain(ctx, "", "type", "must be one of subscribe, unsubscribe, post, typing, stop, editing, react")
	}
}
