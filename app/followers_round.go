package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

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
	if err := fs.called(ctx, dirty); err != nil {
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
	archived, err := fs.archived(ctx, f, actor, roomID, rows)
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
			f.gone = append(f.gone, event.RoomGone{RoomID: id, Archived: archived[id]})
		}
	}
	if roomID == "" {
		f.all, f.more = true, len(rows) == MaxFollowed
	}
	return nil
}

// archived returns which of the rooms that are missing in a list only left it because their
// course was archived. It asks only if there are any.
func (fs *followers) archived(ctx context.Context, f *Follower, actor *Actor, roomID string, rows []MyRoom) (map[string]bool, error) {
	fs.mu.Lock()
	var missing []string
	for id := range f.rooms {
		if (roomID == "" || id == roomID) && !slices.ContainsFunc(rows, func(m MyRoom) bool { return m.Room.ID == id }) {
			missing = append(missing, id)
		}
	}
	fs.mu.Unlock()
	if len(missing) == 0 {
		return nil, nil
	}
	found, err := fs.db.RoomAccessesOf(ctx, actor.User.ID, missing)
	archived := make(map[string]bool, len(found))
	for id, access := range found {
		res := roomResource(access)
		archived[id] = res.Archived && Check(actor, ActReadHistory, res) == nil
	}
	return archived, err
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
	n := &myNews{seq: m.Room.EventSeq, told: m.Room.EventSeq, RoomNews: event.RoomNews{RoomID: id, CourseID: m.Room.CourseID, Name: m.Room.Name,
		LastSeq: m.Room.EventSeq, ReadSeq: m.ReadSeq(), Unread: m.Unread, Mentions: m.Mentions}}
	if before := r.by[f]; before != nil {
		n.told = before.told
	} else {
		f.rooms[id] = r
	}
	r.by[f] = n
	if m.Room.EventSeq >= r.seq || r.last == nil {
		if r.last = nil; m.Last != nil {
			r.last = new(saidOf(m.Last))
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
						f.gone = append(f.gone, event.RoomGone{RoomID: id})
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
		if r.edited == nil && (hole || event.Recalls(e.Type, e.Body)) {
			r.edited = new(r.seq)
		}
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

// called tells those whom edits have called, in rooms where there were some. The log does not
// say it: its earlier events are rewritten by each later change of a message.
func (fs *followers) called(ctx context.Context, rooms map[string]*followedRoom) error {
	for id, r := range rooms {
		fs.mu.Lock()
		after, upTo := r.edited, r.seq
		people := map[string][]*Follower{}
		for f := range r.by {
			people[f.who.User.ID] = append(people[f.who.User.ID], f)
		}
		fs.mu.Unlock()
		if after == nil {
			continue
		}
		for ids := range slices.Chunk(keysOf(people), 500) {
			if err := fs.calledOf(ctx, id, *after, upTo, ids, people); err != nil {
				fs.mu.Lock()
				fs.touch(r)
				fs.mu.Unlock()
				return err
			}
		}
		fs.mu.Lock()
		r.edited = nil
		fs.mu.Unlock()
	}
	return nil
}

// calledOf is called for some people of one room.
func (fs *followers) calledOf(ctx context.Context, roomID string, after, upTo int64, ids []string, people map[string][]*Follower) error {
	calls, err := fs.db.CalledByEdits(ctx, roomID, after, upTo, ids, maxCalls)
	if err != nil || len(calls) == 0 {
		return err
	}
	messages := map[string]event.Said{}
	for i := range calls {
		messages[calls[i].MessageID] = event.Said{}
	}
	found, err := fs.db.Said(ctx, keysOf(messages))
	if err != nil {
		return err
	}
	clear(messages)
	for _, m := range saidThere(found) {
		messages[m.MessageID] = saidOf(&m)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i := range calls {
		said, shown := messages[calls[i].MessageID]
		for _, f := range people[calls[i].UserID] {
			if shown && f.rooms[roomID] != nil {
				f.call(roomID, &said)
			}
		}
	}
	return nil
}

// saidOf is a message as the sockets of people show it.
func saidOf(m *SaidThere) event.Said {
	return event.Said{MessageID: m.MessageID, Seq: m.Seq, Sender: m.Sender, SenderID: m.SenderID, AgentID: m.AgentID,
		Excerpt: m.Excerpt, CreatedAt: event.Timestamp(m.CreatedAt)}
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
