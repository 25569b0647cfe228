package app

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

const (
	// followPace is the least time between two rounds: news of rooms are told together.
	followPace = 250 * time.Millisecond
	// presencePace is how often the numbers of people in rooms are compared, and those who
	// subscribe to a room are told its counts, to which each message would add.
	presencePace = 2 * time.Second
	// MaxFollowed is of how many rooms a person's socket tells.
	MaxFollowed = 500
	// maxNews is how many events of a room wait for a round. With more, or with a hole, the
	// round reads them.
	maxNews = 100
	// roomsAtOnce is of how many rooms one statement reads events.
	roomsAtOnce = 20
	// reloadsAtOnce is how many people's lists one round reads.
	reloadsAtOnce = 20
	// maxChanged is how many changed courses and rooms are looked up; beyond it every list is
	// read.
	maxChanged = 200
	// waitingFrames is how many texts may wait for a slow reader before its news are kept
	// back. They are then told in one frame, as they are by that time.
	waitingFrames = 32
)

// followers are the people with a socket or a stream of their own in this process. It
// tells each of them what is new in their rooms, all rooms' news of one round in one frame.
//
// The counts are kept by arithmetic. A person's list is read when the person comes and when
// something but a new message has changed it; each new message then counts in memory. What
// this process has committed is in memory too; what others have is read in one statement for
// many rooms. Before a person is told of a room, it was checked within recheckEvery that they
// may read it.
type followers struct {
	db   *store.DB
	hub  *realtime.Hub
	log  *slog.Logger
	now  clock
	mine func(ctx context.Context, actor *Actor, s store.MyRoomSearch) ([]MyRoom, error)
	work chan struct{} // holds a token when there is something to do

	mu    sync.Mutex
	all   map[*realtime.Conn]*Follower
	rooms map[string]*followedRoom
	subs  int             // the rooms that all of them subscribe to together
	waits bool            // the counts of rooms that people hear themselves are told
	late  bool            // in the next round
	ids   map[string]bool // courses and rooms that have changed: who is in them now is read
}

// followedRoom is a room of which somebody here is told.
type followedRoom struct {
	by      map[*Follower]*myNews
	seq     int64         // up to which the events are told
	events  []store.Event // that follow on seq
	behind  bool          // there are others, which must be read
	dirty   bool
	checked time.Time // when the rights of all in by were checked
	online  int
	last    *event.Said
	atWork  []event.Work
}

// myNews is what is new for one person in one room.
type myNews struct {
	event.RoomNews
	seq int64 // up to which the counts hold
}

func newFollowers(db *store.DB, hub *realtime.Hub, log *slog.Logger, now clock) *followers {
	return &followers{db: db, hub: hub, log: log, now: now, work: make(chan struct{}, 1),
		all: map[*realtime.Conn]*Follower{}, rooms: map[string]*followedRoom{}, ids: map[string]bool{}}
}

// of returns who has a connection, nil for the sockets of rooms.
func (fs *followers) of(c *realtime.Conn) *Follower {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.all[c]
}

func (fs *followers) add(f *Follower) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.all[f.conn] = f
	f.reload = true
	notify(fs.work)
}

func (fs *followers) remove(f *Follower) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	delete(fs.all, f.conn)
	for id := range f.rooms {
		fs.drop(f, id)
	}
	fs.subs -= len(f.subs)
	f.subs = nil
}

// drop makes a person hear no more of a room. The caller holds fs.mu.
func (fs *followers) drop(f *Follower, roomID string) {
	delete(f.rooms, roomID)
	delete(f.changed, roomID)
	delete(f.stale, roomID)
	if r := fs.rooms[roomID]; r != nil {
		if delete(r.by, f); len(r.by) == 0 {
			delete(fs.rooms, roomID)
		}
	}
}

// published takes over what this process has committed.
func (fs *followers) published(events []store.Event) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range events {
		e := &events[i]
		r := fs.rooms[e.RoomID]
		if r == nil || e.Seq <= r.seq {
			continue
		}
		if e.Seq == r.seq+int64(len(r.events))+1 && len(r.events) < maxNews {
			r.events = append(r.events, *e)
		} else {
			r.behind = true
		}
		fs.touch(r)
	}
}

// touch makes the next round look at a room. The caller holds fs.mu.
func (fs *followers) touch(r *followedRoom) {
	r.dirty = true
	notify(fs.work)
}

// wake says that a room has events up to seq, which another process has committed.
func (fs *followers) wake(roomID string, seq int64) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if r := fs.rooms[roomID]; r != nil && (seq <= 0 || seq > r.seq+int64(len(r.events))) {
		r.behind = true
		fs.touch(r)
	}
}

// spoken says that an agent says something in a room, begins or ends.
func (fs *followers) spoken(roomID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if r := fs.rooms[roomID]; r != nil && !r.dirty {
		fs.touch(r)
	}
}

// changed says that accounts, or courses or rooms with their people, have changed; without
// ids, anything.
func (fs *followers) changed(ids []string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if len(fs.all) == 0 {
		return
	}
	notify(fs.work)
	for _, id := range ids {
		fs.ids[id] = true
	}
	every := len(ids) == 0 || len(fs.ids) > maxChanged
	if every {
		clear(fs.ids)
	}
	for _, f := range fs.all {
		own := slices.Contains(ids, f.who.User.ID)
		f.account = f.account || own
		f.reload = f.reload || own || every || f.knows(ids)
	}
}

// joined makes the lists be read of those who are in a course or a room that has changed:
// they may have been taken in just now.
func (fs *followers) joined(ctx context.Context) error {
	fs.mu.Lock()
	ids, users := keysOf(fs.ids), map[string]bool{}
	clear(fs.ids)
	for _, f := range fs.all {
		if !f.reload {
			users[f.who.User.ID] = true
		}
	}
	fs.mu.Unlock()
	if len(ids) == 0 || len(users) == 0 {
		return nil
	}
	in := map[string]bool{}
	for part := range slices.Chunk(keysOf(users), 500) {
		found, err := fs.db.PeopleIn(ctx, ids, part)
		if err != nil {
			fs.changed(nil)
			return err
		}
		for _, id := range found {
			in[id] = true
		}
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.all {
		f.reload = f.reload || in[f.who.User.ID]
	}
	return nil
}

// marked says that what a person has read has changed, in one room or in several.
func (fs *followers) marked(userID, roomID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.all {
		if f.who.User.ID != userID {
			continue
		}
		if roomID == "" {
			f.reload = true
		} else {
			f.stale[roomID] = true
		}
		notify(fs.work)
	}
}

// run tells the news until ctx ends.
func (fs *followers) run(ctx context.Context) {
	pause, presence := time.NewTicker(followPace), time.NewTicker(presencePace) //nolint:forbidigo // the pace of a loop is no rule's time
	defer pause.Stop()
	defer presence.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-presence.C:
			fs.countPeople()
		case <-fs.work:
			round, cancel := context.WithTimeout(ctx, recheckEvery)
			if err := fs.round(round); err != nil && ctx.Err() == nil {
				fs.log.WarnContext(ctx, "people could not be told what is new in their rooms", "err", err)
				notify(fs.work)
			}
			cancel()
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			}
		}
	}
}

// countPeople makes the next round tell of the rooms into which people came, or which they
// left, and what could wait.
func (fs *followers) countPeople() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.waits {
		fs.waits, fs.late = false, true
		notify(fs.work)
	}
	for id, r := range fs.rooms {
		if n := len(fs.hub.Members(id)); n != r.online {
			fs.touch(r)
		}
	}
}

// round reads what has changed and tells it.
func (fs *followers) round(ctx context.Context) error {
	if err := fs.joined(ctx); err != nil {
		return err
	}
	if err := fs.reload(ctx); err != nil {
		return err
	}
	dirty := fs.dirty()
	if err := fs.check(ctx, dirty); err != nil {
		return err
	}
	if err := fs.read(ctx, dirty); err != nil {
		return err
	}
	fs.tell(dirty)
	return nil
}

// reload reads the lists of those whose lists have changed by more than new messages.
func (fs *followers) reload(ctx context.Context) error {
	type load struct {
		f    *Follower
		room string // "" for all
	}
	var loads []load
	fs.mu.Lock()
	for _, f := range fs.all {
		if len(loads) >= reloadsAtOnce {
			notify(fs.work)
			break
		}
		if f.reload || len(f.stale) > 5 {
			loads = append(loads, load{f, ""})
			continue
		}
		for id := range f.stale {
			loads = append(loads, load{f, id})
		}
	}
	for _, l := range loads { // what changes from now on is read again
		if l.room == "" {
			l.f.reload = false
			clear(l.f.stale)
		}
		delete(l.f.stale, l.room)
	}
	fs.mu.Unlock()
	for i, l := range loads {
		err := fs.load(ctx, l.f, l.room)
		if err == nil {
			continue
		}
		fs.mu.Lock()
		for _, l := range loads[i:] {
			l.f.reload = true
		}
		fs.mu.Unlock()
		return err
	}
	return nil
}

// load reads a person's list, or one room of it.
func (fs *followers) load(ctx context.Context, f *Follower, roomID string) error {
	actor, err := f.app.Recheck(ctx, f.who)
	if KindOf(err) == KindUnauthenticated || errors.Is(err, errInactive) {
		return nil // the rechecks close the socket
	}
	if err != nil {
		return err
	}
	rows, err := fs.mine(ctx, actor, store.MyRoomSearch{RoomID: roomID, Limit: MaxFollowed})
	if err != nil {
		return err
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.all[f.conn] != f {
		return nil
	}
	had := make(map[string]bool, len(f.rooms))
	for id := range f.rooms {
		had[id] = roomID == "" || id == roomID
	}
	for i := range rows {
		had[rows[i].Room.ID] = false
		fs.follow(f, &rows[i])
	}
	for id, lost := range had {
		if lost {
			fs.drop(f, id)
			f.gone = append(f.gone, id)
		}
	}
	if roomID == "" {
		f.all, f.more = true, len(rows) == MaxFollowed
	}
	return nil
}

// follow takes over what was read of a person's room. The caller holds fs.mu.
func (fs *followers) follow(f *Follower, m *MyRoom) {
	id := m.Room.ID
	r := fs.rooms[id]
	if r == nil {
		r = &followedRoom{by: map[*Follower]*myNews{}, seq: m.Room.EventSeq, checked: fs.now()}
		fs.rooms[id] = r
	}
	if m.Room.EventSeq < r.seq { // it was read before what the others have heard
		f.stale[id] = true
		notify(fs.work)
	}
	n := &myNews{seq: m.Room.EventSeq, RoomNews: event.RoomNews{RoomID: id, CourseID: m.Room.CourseID, Name: m.Room.Name,
		LastSeq: m.Room.EventSeq, ReadSeq: m.ReadSeq(), Unread: m.Unread, Mentions: m.Mentions}}
	if r.by[f] == nil {
		f.rooms[id] = r
	}
	r.by[f] = n
	if m.Room.EventSeq >= r.seq || r.last == nil {
		if r.last = nil; m.Last != nil {
			r.last = &event.Said{MessageID: m.Last.MessageID, Seq: m.Last.Seq, Sender: m.Last.Sender, SenderID: m.Last.SenderID, AgentID: m.Last.AgentID,
				Excerpt: m.Last.Excerpt, CreatedAt: event.Timestamp(m.Last.CreatedAt)}
		}
	}
	f.changed[id] = true
	fs.touch(r)
}

// dirty takes the rooms that this round looks at.
func (fs *followers) dirty() map[string]*followedRoom {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	dirty := map[string]*followedRoom{}
	for id, r := range fs.rooms {
		if r.dirty {
			r.dirty = false
			dirty[id] = r
		}
	}
	return dirty
}

// check drops those who may not read these rooms any more.
func (fs *followers) check(ctx context.Context, rooms map[string]*followedRoom) error {
	for id, r := range rooms {
		fs.mu.Lock()
		now := fs.now()
		people := map[string][]*Follower{}
		if now.Sub(r.checked) >= recheckEvery {
			for f := range r.by {
				people[f.who.User.ID] = append(people[f.who.User.ID], f)
			}
		}
		fs.mu.Unlock()
		if len(people) == 0 {
			continue
		}
		for ids := range slices.Chunk(keysOf(people), 500) {
			seats, err := fs.db.RoomAccesses(ctx, id, ids)
			if err != nil {
				return err
			}
			fs.mu.Lock()
			for _, user := range ids {
				if s := seats[user]; s == nil || !s.User.IsActive || Check(&Actor{User: s.User}, ActReadHistory, roomResource(&s.RoomAccess)) != nil {
					for _, f := range people[user] {
						fs.drop(f, id)
						f.gone = append(f.gone, id)
					}
				}
			}
			fs.mu.Unlock()
		}
		fs.mu.Lock()
		r.checked = now
		fs.mu.Unlock()
	}
	return nil
}

func keysOf[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	return keys
}

// read takes the events of rooms: those in memory, and from the database those that are
// not.
func (fs *followers) read(ctx context.Context, rooms map[string]*followedRoom) error {
	var behind []store.RoomAfter
	fs.mu.Lock()
	for id, r := range rooms {
		events := r.events
		r.events = nil
		fs.hear(id, r, events)
		if r.behind {
			r.behind = false
			behind = append(behind, store.RoomAfter{RoomID: id, After: r.seq})
		}
	}
	fs.mu.Unlock()
	for part := range slices.Chunk(behind, roomsAtOnce) {
		events, err := fs.db.EventsIn(ctx, part, maxNews)
		fs.mu.Lock()
		of := map[string][]store.Event{}
		for _, e := range events {
			of[e.RoomID] = append(of[e.RoomID], e)
		}
		for _, at := range part {
			r := fs.rooms[at.RoomID]
			if r == nil {
				continue
			}
			if err != nil || len(of[at.RoomID]) >= maxNews {
				r.behind = true
				fs.touch(r)
			}
			fs.hear(at.RoomID, r, of[at.RoomID])
		}
		fs.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// hear counts events of a room for those who follow it. The caller holds fs.mu.
func (fs *followers) hear(roomID string, r *followedRoom, events []store.Event) {
	for i := range events {
		e := &events[i]
		if e.Seq <= r.seq {
			continue
		}
		hole := e.Seq > r.seq+1
		r.seq = e.Seq
		switch {
		case hole, event.AboutMessage(e.Type):
			for f := range r.by {
				f.stale[roomID] = true
			}
			notify(fs.work)
		case e.Type == event.TypeMessage:
			var m event.Message
			if json.Unmarshal([]byte(e.Body), &m) != nil || m.State != "" {
				continue
			}
			said := event.SaidAt(e.ID, e.Seq, &m, e.CreatedAt)
			r.last = &said
			for f, n := range r.by {
				f.hear(n, &m, &said)
			}
		}
	}
}

// tell sends everybody what has changed.
func (fs *followers) tell(rooms map[string]*followedRoom) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for id, r := range rooms {
		online, atWork := len(fs.hub.Members(id)), workOf(fs.hub.AtWork(id))
		told := r.online == online && slices.Equal(r.atWork, atWork)
		r.online, r.atWork = online, atWork
		for f, n := range r.by {
			if !told {
				f.changed[id] = true
			} else if n.LastSeq < r.seq {
				f.counted(id)
			}
		}
	}
	for _, f := range fs.all {
		if f.conn.Waiting() >= waitingFrames {
			fs.waits = true
			notify(fs.work) // later, when it has read
			continue
		}
		if f.tell(fs.late) {
			fs.waits = true
		}
	}
	fs.late = false
}

// workOf lists the agents that answer in a room, in one order.
func workOf(about []json.RawMessage) []event.Work {
	work := []event.Work{}
	for _, body := range about {
		var t event.Turn
		if json.Unmarshal(body, &t) == nil {
			work = append(work, event.Work{TurnID: t.TurnID, AgentID: t.AgentID, AgentName: t.AgentName})
		}
	}
	slices.SortFunc(work, func(a, b event.Work) int {
		if a.TurnID < b.TurnID {
			return -1
		}
		return 1
	})
	return work
}
