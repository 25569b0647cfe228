package app

import (
	"context"
	"sync"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// streams are the readers of rooms that are not sockets: event streams over HTTP. Those
// who wait for a report are readers too, of its course.
type streams struct {
	mu    sync.Mutex
	rooms map[string]map[*streamReader]struct{}
}

// streamReader is one of them.
type streamReader struct {
	userID string
	// changed says that there may be something to read: a newer event in the room, or a
	// notice. It may come for nothing.
	changed chan struct{}
	// spoken says the same of the text of an answer under way.
	spoken chan struct{}
	// notices are what this person alone is told. They are not in the room's log.
	notices []turn.Silence
}

// maxNotices is how many notices wait for a slow reader. Then the oldest one is dropped.
const maxNotices = 32

func (w *streams) add(room, userID string) (r *streamReader, remove func()) {
	r = &streamReader{userID: userID, changed: make(chan struct{}, 1), spoken: make(chan struct{}, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rooms == nil {
		w.rooms = map[string]map[*streamReader]struct{}{}
	}
	if w.rooms[room] == nil {
		w.rooms[room] = map[*streamReader]struct{}{}
	}
	w.rooms[room][r] = struct{}{}
	return r, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		if delete(w.rooms[room], r); len(w.rooms[room]) == 0 {
			delete(w.rooms, room)
		}
	}
}

func (w *streams) wake(room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wakeReaders(w.rooms[room])
}

func (w *streams) wakeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, readers := range w.rooms {
		wakeReaders(readers)
	}
}

func wakeReaders(readers map[*streamReader]struct{}) {
	for r := range readers {
		r.wake()
	}
}

func (r *streamReader) wake() { notify(r.changed) }

// notify leaves a token in a channel for one.
func notify(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// spoken tells the readers of a room that an agent says something there.
func (w *streams) spoken(room string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.rooms[room] {
		notify(r.spoken)
	}
}

// reads tells whether a person reads a room by a stream of this process.
func (w *streams) reads(room, userID string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.rooms[room] {
		if r.userID == userID {
			return true
		}
	}
	return false
}

// notify leaves a notice with the streams of the person that it is for.
func (w *streams) notify(room string, s turn.Silence) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for r := range w.rooms[room] {
		if r.userID == s.UserID {
			r.notices = append(r.notices[max(0, len(r.notices)+1-maxNotices):], s)
			r.wake()
		}
	}
}

// take returns the notices of a reader and forgets them.
func (w *streams) take(r *streamReader) []turn.Silence {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := r.notices
	r.notices = nil
	return all
}

// EventPageBytes is the approximate size of a page of events, in bytes. Only a page with
// a single event may be much larger.
const EventPageBytes = 256 << 10

// EventPage is a part of a room's log, as the actor may see it.
type EventPage struct {
	Events []SeenEvent
	// Next is the cursor for the next page. More is true if there are events after it.
	Next int64
	More bool
	// Resync is true if the cursor is older than the oldest event that is kept. The
	// client must then load the history and go on from Next.
	Resync bool

	variant realtime.Variant // how the actor may see events
}

// SeenEvent is a durable event, encoded as a frame of coagent.v2.
type SeenEvent struct {
	Seq   int64
	Type  string
	Frame []byte
}

// Events lists a room's durable events after a seq, oldest first. Before it reads them
// it calls room with their stored size in bytes. If room returns an error, Events
// returns it.
func (a *App) Events(ctx context.Context, actor *Actor, roomID string, after int64, limit int, room func(bytes int64) error) (*EventPage, error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	return a.eventPage(ctx, roomID, after, limit, event.VariantFor(true, Check(actor, ActSeeFailures, res) == nil), room)
}

// eventPage reads a part of a room's log for Events.
func (a *App) eventPage(ctx context.Context, roomID string, after int64, limit int, variant realtime.Variant, room func(bytes int64) error) (*EventPage, error) {
	head, oldest, err := a.db.EventRange(ctx, roomID)
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	after = min(max(after, 0), head)
	if after+1 < oldest {
		return &EventPage{Next: head, Resync: true, variant: variant}, nil
	}
	if limit <= 0 || limit > store.MaxLimit {
		limit = store.DefaultLimit
	}
	rows, err := a.db.EventsWithin(ctx, roomID, after, limit, EventPageBytes, room)
	if err != nil {
		return nil, err
	}
	p := &EventPage{Next: after, variant: variant}
	for i := range rows {
		p.Next = rows[i].Seq
		if frame := event.Frame(event.Live(&rows[i]), variant); frame != nil {
			p.Events = append(p.Events, SeenEvent{Seq: rows[i].Seq, Type: rows[i].Type, Frame: frame})
		}
	}
	p.More = p.Next < head
	return p, nil
}

// EventStream is one reader of a room that is not a socket. Changed gets a value
// whenever the room may have newer events, or there may be notices. End is closed when the process shuts down.
type EventStream struct {
	Changed, End <-chan struct{}
	// Spoken gets a value whenever Deltas may have more.
	Spoken <-chan struct{}
	// Stop ends the stream and no longer counts it as one of the actor's connections.
	// Call it once.
	Stop func()

	notices func() []turn.Silence
	room    string
	turns   func() []realtime.Turn
	heard   map[string]heardTurn // what Deltas has returned, by the id of the turn
}

// Notices returns the frames that are for the reader alone and that came since the last
// call. They are not in the room's log. page is what the reader was just allowed to
// read: it decides how much the frames may say.
func (s *EventStream) Notices(page *EventPage) (frames [][]byte) {
	for _, n := range s.notices() {
		frames = append(frames, event.SystemFrame(s.room, n.Text(page.variant&event.Staff != 0)))
	}
	return frames
}

// OpenEventStream starts a stream. It returns an error if the actor has too many
// connections. It needs no permission, because it only tells that there may be something
// to read.
func (a *App) OpenEventStream(actor *Actor, roomID string) (*EventStream, error) {
	who, most := actor.User.ID, a.cfg.Limits.ConnectionsAtOnce
	if !a.limits.open.Take(who, most) {
		return nil, tooManyConnections(most)
	}
	r, remove := a.audience.streams.add(roomID, who)
	return &EventStream{Changed: r.changed, Spoken: r.spoken, End: a.process.closing, heard: map[string]heardTurn{},
		turns: func() []realtime.Turn { return a.audience.hub.Turns(roomID) }, Stop: func() { remove(); a.limits.open.Free(who) },
		notices: func() []turn.Silence { return a.audience.streams.take(r) }, room: roomID}, nil
}

func tooManyConnections(most int) *Error {
	e := errorf(KindLimited, wording.TooManyConnections, "You have %d connections open, which is the most. Close some windows first.", most)
	e.RetryAfter = recheckEvery
	return e
}

// Recheck returns the actor of a session or a token as of now, as a request would find it.
// It returns an error if the session or the token has ended.
func (a *App) Recheck(ctx context.Context, actor *Actor) (*Actor, error) {
	if actor.TokenID != "" {
		t, err := a.db.AccessToken(ctx, actor.TokenID)
		known, err := a.sessions.readToken(t, err, a.instant())
		if err != nil {
			return nil, err
		}
		return &known.actor, nil
	}
	return a.sessions.actor(ctx, actor.SessionID, actor.User.ID)
}
