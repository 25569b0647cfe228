package turn

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/expiring"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

const (
	// typingFor is how long a person counts as typing after a typing frame. Clients
	// send one every 3 seconds.
	typingFor = 4 * time.Second
)

// typists knows who types in which room, so that agents let people speak first.
type typists struct {
	mu    sync.Mutex
	rooms expiring.Rooms[string, realtime.Member] // by the id of the person
	ended chan struct{}                           // closed when a person is done; nil while nobody waits for it
}

// Typing returns who types in a room, sorted by name.
func (e *Engine) Typing(roomID string) []realtime.Member { return e.typists.in(roomID, e.now()) }

func (t *typists) in(roomID string, now time.Time) []realtime.Member {
	t.mu.Lock()
	all := t.rooms.In(roomID, now)
	t.mu.Unlock()
	slices.SortFunc(all, func(a, b realtime.Member) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UserID, b.UserID))
	})
	return all
}

// typing notes that a person types.
func (t *typists) typing(roomID string, who realtime.Member, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rooms.Put(roomID, who.UserID, who, now, now.Add(typingFor))
}

// done notes that a person has sent the message or stopped typing. known tells
// whether the person counted as typing.
func (t *typists) done(roomID, userID string) (known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known = t.rooms.Remove(roomID, userID); known && t.ended != nil {
		close(t.ended)
		t.ended = nil
	}
	return known
}

// wait returns when nobody types in a room, or at end. waited tells whether it had to
// wait.
func (t *typists) wait(ctx context.Context, roomID string, end time.Time, now func() time.Time) (waited bool, err error) {
	for ; ; waited = true {
		at := now()
		t.mu.Lock()
		until := t.rooms.Until(roomID, at)
		if until.After(end) {
			until = end
		}
		if !until.After(at) {
			t.mu.Unlock()
			return waited, nil
		}
		if t.ended == nil {
			t.ended = make(chan struct{})
		}
		ended := t.ended
		t.mu.Unlock()
		timer := time.NewTimer(until.Sub(at)) //nolint:forbidigo // how long people are waited for is no rule's time
		select {
		case <-timer.C:
		case <-ended:
		case <-ctx.Done():
			timer.Stop()
			return true, context.Cause(ctx)
		}
		timer.Stop()
	}
}

// Signals between the processes on one database that people do not see. They are best
// effort.
const (
	signalStop  = "stop"  // the turn whose id is the body has to stop
	signalTyped = "typed" // the person whose id is the body has sent a message or stopped typing
)

// Posted takes note of a person's message, after its commit, so that an agent that has
// waited for it finds it. The person types no more. When the room's AI is off, the person
// is told which of the called agents do not answer.
func (e *Engine) Posted(ctx context.Context, room *store.Room, m *store.Message) {
	if e.typists.done(room.ID, m.SenderID) {
		e.signalNodes(room.ID, signalTyped, m.SenderID)
	}
	if !Listens(room) && mention.May(m.Content) {
		e.reportRoomOff(ctx, room, m)
	}
}

// Heard handles a signal of this process, that a person types, or any of another one.
func (e *Engine) Heard(roomID string, s realtime.Signal) {
	if s.Type == event.SignalTyping {
		var who realtime.Member
		if json.Unmarshal(s.Body, &who) == nil && who.Kind == "" { // nobody waits for a program
			e.typists.typing(roomID, who, e.now())
		}
		return
	}
	var about string
	if json.Unmarshal(s.Body, &about) != nil {
		return
	}
	switch s.Type {
	case signalStop:
		e.stops.stop(about)
	case signalTyped:
		e.typists.done(roomID, about)
	}
}

// signalNodes tells the other processes something about a room. No frame is made of it.
func (e *Engine) signalNodes(roomID, what, about string) {
	e.hub.Signal(roomID, realtime.Signal{Type: what, Body: json.RawMessage(store.ToJSON(about))})
}
