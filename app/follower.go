package app

import (
	"context"
	"fmt"
	"net"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// maxSubscriptions is how many rooms one socket can subscribe to, and
	// maxSubscriptionsAtAll how many all sockets of a process can.
	maxSubscriptions      = 200
	maxSubscriptionsAtAll = 100_000
	maxMentionsTold       = 50 // mentions that wait for a slow reader; the counts tell of more
)

// Follower is a person's own connection, which tells of all their rooms. The handler calls
// Follow for it, gives it the connection with Sit, passes on what the person sends, and
// calls Leave.
type Follower struct {
	app    *App
	who    *Actor // the actor at the time of the handshake
	lang   wording.Lang
	conn   *realtime.Conn
	seated bool // it counts as one of the person's open connections

	// What follows is guarded by followers.mu.
	rooms    map[string]*followedRoom
	subs     map[string]*Seat // the rooms that it subscribes to
	changed  map[string]bool  // rooms that it is to be told of
	stale    map[string]bool  // rooms whose counts must be read
	gone     []event.RoomGone // rooms that it does not follow any more
	mentions []event.MentionNews
	reload   bool // its list must be read
	all      bool // it was read
	more     bool // it has more rooms than it is told of
	account  bool // the person's account has changed
}

// Follow checks that the actor may have a connection of their own. Call it before the
// handshake is answered.
func (a *App) Follow(ctx context.Context, actor *Actor) (*Follower, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	if err := Check(actor, ActListMyRooms, Resource{}); err != nil {
		return nil, err
	}
	if err := a.limits.handshakes.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	if most := a.cfg.Limits.ConnectionsAtOnce; a.limits.open.Full(actor.User.ID, most) {
		return nil, tooManyConnections(most)
	}
	return &Follower{app: a, who: actor, rooms: map[string]*followedRoom{}, subs: map[string]*Seat{}, changed: map[string]bool{}, stale: map[string]bool{}}, nil
}

// Speak chooses the language in which the connection is told why a frame had no effect.
func (f *Follower) Speak(lang wording.Lang) { f.lang = lang }

// Sit starts the writing side of the connection. A frame that tells of all rooms follows.
func (f *Follower) Sit(nc net.Conn) *realtime.Conn {
	f.conn = realtime.NewConn(nc, realtime.ConnOptions{Variant: event.V2 | event.Many, UserID: f.who.User.ID,
		Name: f.who.User.Name(), Kind: shownKind(&f.who.User), SessionID: f.who.credential()})
	if f.seated = f.app.limits.open.Take(f.who.User.ID, f.app.cfg.Limits.ConnectionsAtOnce); !f.seated {
		f.conn.Close(realtime.CloseTooSlow, "too many connections")
		return f.conn
	}
	f.app.audience.hub.Attach(f.conn)
	f.app.audience.followers.add(f)
	return f.conn
}

// Leave takes the connection out of all rooms.
func (f *Follower) Leave() {
	if !f.seated {
		return
	}
	f.seated = false
	f.app.limits.open.Free(f.who.User.ID)
	seats := f.seats()
	f.app.audience.followers.remove(f)
	f.app.audience.hub.Leave(f.conn)
	for _, s := range seats {
		s.left()
	}
}

func (f *Follower) seats() (all []*Seat) {
	fs := f.app.audience.followers
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, s := range f.subs {
		all = append(all, s)
	}
	return all
}

// knows tells whether one of the ids is a room of the person, or the course of one. The
// caller holds followers.mu.
func (f *Follower) knows(ids []string) bool {
	for _, id := range ids {
		if f.rooms[id] != nil {
			return true
		}
	}
	for _, r := range f.rooms {
		if n := r.by[f]; n != nil {
			for _, id := range ids {
				if id == n.CourseID {
					return true
				}
			}
		}
	}
	return false
}

// hear counts a new message of a room. The caller holds followers.mu.
func (f *Follower) hear(n *myNews, m *event.Message, said *event.Said) {
	calls := said.Seq > n.ReadSeq && m.Calls(f.who.User.ID)
	if said.Seq > n.told {
		if n.told = said.Seq; calls {
			f.call(n.RoomID, said)
		}
	}
	if said.Seq <= n.seq {
		return
	}
	n.seq = said.Seq
	f.counted(n.RoomID)
	if m.SenderID == f.who.User.ID || said.Seq <= n.ReadSeq {
		return
	}
	n.Unread = min(n.Unread+1, store.MaxUnread)
	if calls {
		n.Mentions = min(n.Mentions+1, store.MaxUnread)
	}
}

// call tells the person that a message calls them. The caller holds followers.mu.
func (f *Follower) call(roomID string, said *event.Said) {
	if len(f.mentions) < maxMentionsTold {
		f.mentions = append(f.mentions, event.MentionNews{RoomID: roomID, Said: *said})
	}
}

// counted says that counts of a room have changed by what was said there. Who subscribes to
// the room hears it anyway. The caller holds followers.mu.
func (f *Follower) counted(roomID string) {
	f.changed[roomID] = f.changed[roomID] || f.subs[roomID] == nil
}

// tell sends what has changed, and tells whether some of it can wait until late. The caller
// holds followers.mu.
func (f *Follower) tell(late bool) (waits bool) {
	if f.account {
		f.conn.Send(event.AccountFrame())
	}
	for _, g := range f.gone {
		if f.rooms[g.RoomID] != nil { // it has come back
			continue
		}
		if !g.Archived {
			f.lose(g.RoomID, "not_member")
		}
		f.conn.Send(g.Frame())
	}
	for _, m := range f.mentions {
		f.conn.Send(m.Frame())
	}
	frame := event.Rooms{All: f.all, More: f.all && f.more, Rooms: []event.RoomNews{}}
	if f.all {
		for id := range f.rooms {
			f.changed[id] = true
		}
	}
	for id, now := range f.changed {
		if waits = waits || !now && !late; !now && !late {
			continue
		}
		delete(f.changed, id)
		r := f.rooms[id]
		if r == nil || r.by[f] == nil {
			continue
		}
		n := r.by[f]
		n.LastSeq, n.Online, n.AtWork, n.Last = max(n.LastSeq, r.seq), r.online, r.atWork, r.last
		if n.AtWork == nil {
			n.AtWork = []event.Work{}
		}
		frame.Rooms = append(frame.Rooms, n.RoomNews)
	}
	if f.all || len(frame.Rooms) > 0 {
		f.conn.Send(frame.Frame())
	}
	f.account, f.all, f.gone, f.mentions = false, false, nil, nil
	return waits
}

// lose ends a subscription. The caller holds followers.mu.
func (f *Follower) lose(roomID, reason string) {
	s := f.subs[roomID]
	if s == nil {
		return
	}
	delete(f.subs, roomID)
	f.app.audience.followers.subs--
	f.app.audience.hub.LeaveRoom(f.conn, roomID)
	f.conn.Send(event.Gone{RoomID: roomID, Reason: reason}.Frame())
	s.left()
}

// lost ends a subscription because of the person's rights.
func (f *Follower) lost(roomID, reason string) {
	fs := f.app.audience.followers
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.lose(roomID, reason)
}

// Subscribe makes the connection get the frames of rooms.
func (f *Follower) Subscribe(ctx context.Context, rooms []event.RoomAfter) {
	if len(rooms) == 0 || len(rooms) > event.MaxSubscribe {
		f.refuse(ctx, invalid("rooms", "must have 1 to %d members", event.MaxSubscribe), "")
		return
	}
	ids := make([]string, len(rooms))
	for i, r := range rooms {
		id, err := uuid.Parse(r.RoomID)
		if err != nil || r.After != nil && *r.After < 0 {
			f.refuse(ctx, invalid(fmt.Sprintf("rooms[%d]", i), "must have the id of a room as room_id, and 0 or more as after"), "")
			return
		}
		ids[i] = id.String()
	}
	err := f.app.limits.handshakes.spend(ctx, f.who.User.ID)
	var actor *Actor
	if err == nil {
		actor, err = f.app.Recheck(ctx, f.who)
	}
	if err != nil {
		f.refuse(ctx, err, "")
		return
	}
	asked := f.app.now()
	access, err := f.app.db.RoomAccessesOf(ctx, actor.User.ID, ids)
	var turns []store.NamedTurn
	if err == nil {
		turns, err = f.app.db.TurnsUnderWay(ctx, ids...)
	}
	var read map[string]int64
	if err == nil {
		read, err = f.app.db.ReadSeqs(ctx, actor.User.ID, ids...)
	}
	if err != nil {
		f.refuse(ctx, err, "")
		return
	}
	for i, id := range ids {
		u := &underWay{asked: asked}
		for _, t := range turns {
			if t.RoomID == id {
				u.add(t)
			}
		}
		after := int64(-1)
		if rooms[i].After != nil {
			after = *rooms[i].After
		}
		if err := f.subscribe(actor, id, access[id], subscription{u, read, after, rooms[i].Absent}); err != nil {
			f.refuse(ctx, err, id)
		}
	}
}

// subscription is what was read of a room that a socket subscribes to, and how it does.
type subscription struct {
	turns  *underWay
	read   map[string]int64 // see Queries.ReadSeqs
	after  int64            // negative for from now on
	absent bool
}

func (f *Follower) subscribe(actor *Actor, roomID string, access *store.RoomAccess, to subscription) error {
	if access == nil {
		return notFound("Room")
	}
	seat, err := f.app.seatIn(actor, access)
	if err != nil {
		return err
	}
	seat.turns, seat.conn, seat.lang, seat.v2, seat.many, seat.absent = to.turns, f.conn, f.lang, true, true, to.absent
	seat.hasRead(to.read)
	fs := f.app.audience.followers
	fs.mu.Lock()
	again := f.subs[roomID] != nil
	switch {
	case again:
	case fs.all[f.conn] != f: // it has gone meanwhile
		fs.mu.Unlock()
		return nil
	case len(f.subs) >= maxSubscriptions:
		fs.mu.Unlock()
		return errorf(KindLimited, wording.TooMany, "A socket can subscribe to %d rooms. Unsubscribe from some first.", maxSubscriptions)
	case fs.subs >= maxSubscriptionsAtAll:
		fs.mu.Unlock()
		return busy()
	default:
		f.subs[roomID] = seat
		fs.subs++
	}
	fs.mu.Unlock()
	if again { // from another place in the log
		f.app.audience.hub.Resume(f.conn, roomID, max(to.after, 0))
		return nil
	}
	seat.join(to.after)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f.subs[roomID] != seat { // it was lost meanwhile
		f.app.audience.hub.LeaveRoom(f.conn, roomID)
	}
	return nil
}

// Unsubscribe ends the frames of rooms.
func (f *Follower) Unsubscribe(ctx context.Context, roomIDs []string) {
	if len(roomIDs) == 0 || len(roomIDs) > event.MaxSubscribe {
		f.refuse(ctx, invalid("room_ids", "must have 1 to %d members", event.MaxSubscribe), "")
		return
	}
	for _, text := range roomIDs {
		id, err := uuid.Parse(text)
		if err != nil {
			f.refuse(ctx, invalid("room_ids", "must be ids of rooms"), "")
			return
		}
		f.lost(id.String(), "asked")
	}
}

// In returns the person's seat in a room: that of the subscription, or one that posts only.
func (f *Follower) In(roomID string) *Seat {
	fs := f.app.audience.followers
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if s := f.subs[roomID]; s != nil {
		return s
	}
	first := errorf(KindConflict, wording.NotSubscribed, "Subscribe to the room first.")
	return &Seat{app: f.app, who: f.who, roomID: roomID, conn: f.conn, lang: f.lang, v2: true, many: true, mute: first, noEdit: first}
}

// Complain answers a frame that is not valid.
func (f *Follower) Complain(ctx context.Context, clientID, field, message string) {
	f.In("").Complain(ctx, clientID, field, message)
}

// Busy answers a frame that the server has no capacity for.
func (f *Follower) Busy(ctx context.Context) { f.In("").Busy(ctx) }

// refuse answers a frame that had no effect. roomID is the room that it was about, if it was
// about one.
func (f *Follower) refuse(ctx context.Context, err error, roomID string) {
	(&Seat{app: f.app, who: f.who, roomID: roomID, conn: f.conn, lang: f.lang, v2: true, many: true}).refuse(ctx, err, "")
}
