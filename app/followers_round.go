package app

import (
	"context"
	"encoding/json"
	"maps"
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
		for ids := range slices.Chunk(slices.Collect(maps.Keys(people)), 500) {
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
		for ids := range slices.Chunk(slices.Collect(maps.Keys(people)), 500) {
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
	found, err := fs.db.Said(ctx, slices.Collect(maps.Keys(messages)))
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
