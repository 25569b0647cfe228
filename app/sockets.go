package app

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Seat is a person's place in a room, for one socket. The socket's handler calls Enter
// for it, gives it the connection with Sit, passes on what the person sends, and calls
// Leave.
type Seat struct {
	app    *App
	who    *Actor // the actor at the time of the handshake
	roomID string
	head   int64
	turns  *underWay
	staff  bool
	mute   error // why the person may only read, nil if they may post while the course is open, see denied
	noEdit error // why the person may not change artifacts, nil if they may while it is
	joined event.Joined
	seated bool // it counts as one of the person's open connections
	v2     bool
	lang   wording.Lang
	many   bool // the socket follows several rooms, so each frame names its room
	absent bool // the person is not shown in the room
	conn   *realtime.Conn
}

// Enter checks that the actor may be in the room. Call it before the handshake is
// answered.
func (a *App) Enter(ctx context.Context, actor *Actor, roomID string) (*Seat, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	if err := a.limits.handshakes.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	access, err := a.db.RoomAccess(ctx, roomID, actor.User.ID)
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	seat, err := a.seatIn(actor, access)
	if err != nil {
		return nil, err
	}
	read, err := a.db.ReadSeqs(ctx, actor.User.ID, roomID)
	if err != nil {
		return nil, err
	}
	seat.hasRead(read)
	if most := a.cfg.Limits.ConnectionsAtOnce; a.limits.open.Full(actor.User.ID, most) {
		return nil, tooManyConnections(most)
	}
	if seat.turns, err = readUnderWay(ctx, a.db, a.now, roomID); err != nil {
		return nil, err
	}
	return seat, nil
}

// seatIn is the actor's seat in a room, if they may be there.
func (a *App) seatIn(actor *Actor, access *store.RoomAccess) (*Seat, error) {
	res, room := roomResource(access), &access.Room
	if err := Check(actor, ActJoinRoom, res); err != nil {
		return nil, err
	}
	role, can := actor.roomStanding(access)
	archived := res.Archived
	a.audience.rechecks.found(room.ID, archived)
	res.Archived = false // that can change while the socket is open
	artifact := res
	artifact.Noun = "Artifact"
	return &Seat{app: a, who: actor, roomID: room.ID, head: room.EventSeq, staff: Check(actor, ActSeeFailures, res) == nil,
		mute: Check(actor, ActPostMessage, res), noEdit: Check(actor, ActWriteArtifact, artifact), joined: event.Joined{RoomID: room.ID,
			Head: room.EventSeq, Archived: archived, ReadSeq: room.UnreadAfter, Role: role, Can: event.RoomCan(can)}}, nil
}

// hasRead notes how far the person has read in the room, as ReadSeqs says.
func (s *Seat) hasRead(seqs map[string]int64) {
	if seq, marked := seqs[s.roomID]; marked {
		s.joined.ReadSeq = seq
	}
}

// denied is why the person may not do something now: the reason that their role gives, or that the
// course is archived.
func (s *Seat) denied(reason error) error {
	if reason == nil && s.app.audience.rechecks.archived(s.roomID) {
		return errArchived
	}
	return reason
}

// Speak chooses the language in which the socket is told why a frame had no effect.
func (s *Seat) Speak(lang wording.Lang) { s.lang = lang }

// Sit starts the writing side of the socket. It sends the room's frames with a seq above
// after. If after is negative, it sends those since Enter. v2 chooses the sub-protocol
// coagent.v2.
func (s *Seat) Sit(nc net.Conn, v2 bool, after int64) *realtime.Conn {
	s.v2 = v2
	s.conn = realtime.NewConn(nc, realtime.ConnOptions{Variant: event.VariantFor(v2, s.staff), UserID: s.who.User.ID,
		Name: s.who.User.Name(), Kind: shownKind(&s.who.User), SessionID: s.who.credential()})
	// Count the connection only here: Leave would never be called after a handshake that
	// fails half-way.
	if s.seated = s.app.limits.open.Take(s.who.User.ID, s.app.cfg.Limits.ConnectionsAtOnce); !s.seated {
		s.conn.Close(realtime.CloseTooSlow, "too many connections")
		return s.conn
	}
	s.join(after)
	return s.conn
}

// join puts the connection into the room. With coagent.v2 it is told first how the room is.
func (s *Seat) join(after int64) {
	join := realtime.JoinOptions{After: after, Head: s.head, Absent: s.absent}
	if s.many {
		join.Variant = event.VariantFor(true, s.staff) | event.Many
	}
	if s.v2 {
		s.joined.Typing, s.joined.Editing = s.app.engine.Typing(s.roomID), s.app.audience.editors.in(s.roomID, s.app.now())
		s.joined.Members = s.app.audience.hub.Members(s.roomID)
		if me := s.member(); !s.absent && !slices.ContainsFunc(s.joined.Members, func(m realtime.Member) bool { return m.UserID == me.UserID }) {
			s.joined.Members = append(s.joined.Members, me)
		}
		if s.joined.Members == nil {
			s.joined.Members = []realtime.Member{}
		}
		join.Greet = func(heard []realtime.Turn) [][]byte {
			frames := append([][]byte{s.joined.Frame()}, turnFrames(s.app.db, s.turns, heard)...)
			if s.many {
				for i := range frames {
					frames[i] = event.InRoom(s.roomID, frames[i])
				}
			}
			return frames
		}
	}
	s.app.audience.hub.Join(s.roomID, s.conn, join)
}

// left tells the sockets that stay that the person has gone.
func (s *Seat) left() {
	if !s.absent {
		s.app.audience.hub.Signal(s.roomID, realtime.Signal{Type: event.SignalLeft, Body: json.RawMessage(store.ToJSON(s.member()))})
	}
}

// send sends a frame to this socket alone.
func (s *Seat) send(frame []byte) {
	if s.many && s.roomID != "" {
		frame = event.InRoom(s.roomID, frame)
	}
	s.conn.Send(frame)
}

// Leave takes the socket out of the room and tells the sockets that stay.
func (s *Seat) Leave() {
	if !s.seated {
		return
	}
	s.seated = false
	s.app.limits.open.Free(s.who.User.ID)
	s.app.audience.hub.Leave(s.conn)
	s.left()
}

func (s *Seat) member() realtime.Member {
	return realtime.Member{UserID: s.who.User.ID, Name: s.who.User.Name(), Kind: shownKind(&s.who.User)}
}

// shownKind is the kind of an account as presence shows it.
func shownKind(u *store.User) string {
	if u.IsBot() {
		return u.Kind
	}
	return ""
}

// actor is the person as of now. It is an error if the session, the token or the account
// has ended since the handshake.
func (s *Seat) actor(ctx context.Context) (*Actor, error) { return s.app.Recheck(ctx, s.who) }

// Post stores a message from the socket and answers the socket. coagent.v2 gets an ack
// or an error. The plain protocol gets a system message if the message was refused;
// otherwise its own message comes back to it, as to everybody.
func (s *Seat) Post(ctx context.Context, content, clientID string, with ...PostWith) {
	ctx, end := s.app.telemetry.SocketPost(ctx, s.roomID, s.who.User.ID)
	actor, err := s.actor(ctx)
	var posted *Posted
	if err == nil {
		posted, err = s.app.PostMessage(ctx, actor, s.roomID, content, clientID, with...)
	}
	end(postOutcome(posted, err))
	if err != nil {
		s.refuse(ctx, err, clientID)
		return
	}
	if s.v2 {
		s.send(event.Ack{ClientID: clientID, ID: posted.Message.ID, Seq: posted.Message.Seq, Dup: posted.Dup, NotCalled: posted.NotCalled}.Frame())
	}
}

// Typing shows all other sockets of the room that the person types. It is best effort:
// it is dropped if it comes too often.
func (s *Seat) Typing(ctx context.Context) {
	if err := s.denied(s.mute); err != nil {
		s.refuse(ctx, err, "")
		return
	}
	if _, ok := s.app.limits.typing.Take(s.who.User.ID, s.app.now()); !ok {
		return
	}
	typing := realtime.Signal{Type: event.SignalTyping, From: s.conn, Body: json.RawMessage(store.ToJSON(s.member()))}
	s.app.engine.Heard(s.roomID, typing)
	s.app.audience.hub.Signal(s.roomID, typing)
}

// Stop ends an agent's turn, as App.StopTurn does, and answers this socket with the
// result.
func (s *Seat) Stop(ctx context.Context, turnID string) {
	if wait, ok := s.app.limits.typing.Take(s.who.User.ID, s.app.now()); !ok {
		s.tell(&Error{Kind: KindLimited, Code: wording.RateLimited, Message: "You stop very often; try again in a moment", RetryAfter: wait}, "")
		return
	}
	actor, err := s.actor(ctx)
	if err != nil {
		s.refuse(ctx, err, "")
		return
	}
	t, err := s.app.StopTurn(ctx, actor, s.roomID, turnID)
	if err != nil {
		// The person may be in the room even if they may not stop a turn, so the socket
		// stays open.
		s.tell(s.told(ctx, err), "")
		return
	}
	s.send(event.Stop{TurnID: t.ID, State: t.State}.Frame())
}

// React gives a message an emoji or takes it back, as App.React does, and answers this
// socket with all reactions to it.
func (s *Seat) React(ctx context.Context, messageID, emoji string, on bool) {
	actor, err := s.actor(ctx)
	if err != nil {
		s.refuse(ctx, err, "")
		return
	}
	m, err := s.app.React(ctx, actor, s.roomID, messageID, emoji, on)
	if err != nil {
		// The message may be gone while the room is there, so the socket stays open.
		s.tell(s.told(ctx, err), "")
		return
	}
	s.send(event.ReactedTo(m).Frame())
}

// Resume restarts the stream of the room's frames, with those that have a seq above
// after.
func (s *Seat) Resume(after int64) { s.app.audience.hub.Resume(s.conn, s.roomID, max(after, 0)) }

// Complain answers a frame that is not valid. clientID is that of a post, as far as it is
// known.
func (s *Seat) Complain(ctx context.Context, clientID, field, message string) {
	s.refuse(ctx, invalid(field, "%s", wording.Recognise(message)), clientID)
}

// TooLong answers a message of so many bytes. It is over the limit, and its text was not
// kept.
func (s *Seat) TooLong(ctx context.Context, bytes int64) {
	s.refuse(ctx, tooLong(&s.app.cfg.Limits, bytes), "")
}

// Busy answers a frame that the server has no capacity for.
func (s *Seat) Busy(ctx context.Context) {
	s.refuse(ctx, busy(), "")
}

// refuse tells this socket alone why its frame had no effect. It closes the socket if
// the person may not be here any more.
func (s *Seat) refuse(ctx context.Context, err error, clientID string) {
	e := s.told(ctx, err)
	s.tell(e, clientID)
	switch {
	case e.Kind == KindUnauthenticated || e == errInactive:
		s.conn.Close(realtime.CloseSessionEnded, "session ended")
	case s.many: // it has other rooms
	case e.Code == wording.Scope: // the socket may stay: a token that only reads is allowed here
	case e.Kind == KindForbidden || e.Kind == KindNotFound:
		s.conn.Close(realtime.CloseNotMember, "no longer a member")
	}
}

// told is the error as the socket sees it.
func (s *Seat) told(ctx context.Context, err error) *Error {
	var e *Error
	if !errors.As(err, &e) || e.Kind == KindInternal {
		s.app.log.ErrorContext(ctx, "socket frame failed", "room", s.roomID, "user", s.who.User.ID, "err", err)
		e = errorf(KindUnavailable, wording.Unavailable, "The message could not be stored. Try again in a moment.")
		e.RetryAfter = busyRetry
		if errors.Is(err, store.ErrFull) {
			e = StorageFull(err)
		}
	}
	return e
}

// tell sends an error to this socket alone: its frame had no effect.
func (s *Seat) tell(e *Error, clientID string) {
	if s.v2 {
		message := e.In(s.lang)
		s.send(event.Refusal{Code: string(e.Code), Detail: e.Message, Message: message, Params: e.Wording().Params(), ClientID: clientID,
			RetryAfter: e.RetrySeconds()}.Frame())
	} else {
		s.conn.Send(event.SystemFrame(s.roomID, e.Message))
	}
}

// busyRetry is how long to wait with what the server had no capacity for.
const busyRetry = 2 * time.Second

// busy is the error for what the server has no capacity for now.
func busy() *Error {
	e := errorf(KindUnavailable, wording.Busy, "The server is taking in as much as it can hold. Try again in a moment.")
	e.RetryAfter = busyRetry
	return e
}
