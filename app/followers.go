package app

import (
	"context"
	"log/slog"
	"maps"
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
	// maxCalls is of how many calls by edits of one room a round tells. The counts have all.
	maxCalls = 1000
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
	edited  *int64        // edits behind this seq may have called people
	dirty   bool
	checked time.Time // when the rights of all in by were checked
	online  int
	last    *event.Said
	atWork  []event.Work
}

// myNews is what is new for one person in one room.
type myNews struct {
	event.RoomNews
	seq  int64 // up to which the counts hold
	told int64 // up to which the person was told of calls; a list that is read again does not tell
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
	ids, users := slices.Collect(maps.Keys(fs.ids)), map[string]bool{}
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
	for part := range slices.Chunk(slices.Collect(maps.Keys(users)), 500) {
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
