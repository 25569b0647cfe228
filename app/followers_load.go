package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

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
