package app

import (
	"context"
	"sync"
	"time"
)

const (
	// typingFor is how long a person counts as typing after a typing frame. Clients
	// send one every 3 seconds.
	typingFor = 4 * time.Second
	// maxTypingRooms is the number of rooms from which expired entries are removed.
	maxTypingRooms = 1000
)

// typists knows who types in which room, so that agents let people speak first.
type typists struct {
	mu    sync.Mutex
	rooms map[string]map[string]time.Time // until when a person counts as typing
	ended chan struct{}                   // closed when a person is done; nil while nobody waits for it
}

// typing notes that a person types.
func (t *typists) typing(roomID, userID string, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rooms == nil {
		t.rooms = map[string]map[string]time.Time{}
	}
	if len(t.rooms) >= maxTypingRooms {
		for id := range t.rooms {
			t.until(id, now)
		}
	}
	if t.rooms[roomID] == nil {
		t.rooms[roomID] = map[string]time.Time{}
	}
	t.rooms[roomID][userID] = now.Add(typingFor)
}

// done notes that a person has sent the message or stopped typing. known tells
// whether the person counted as typing.
func (t *typists) done(roomID, userID string) (known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known = t.rooms[roomID][userID]; !known {
		return false
	}
	delete(t.rooms[roomID], userID)
	if t.ended != nil {
		close(t.ended)
		t.ended = nil
	}
	return true
}

// until returns when the last person who types in a room stops counting as typing. It
// removes entries that have expired. The caller holds t.mu.
func (t *typists) until(roomID string, now time.Time) (last time.Time) {
	for user, until := range t.rooms[roomID] {
		if !until.After(now) {
			delete(t.rooms[roomID], user)
		} else if until.After(last) {
			last = until
		}
	}
	if len(t.rooms[roomID]) == 0 {
		delete(t.rooms, roomID)
	}
	return last
}

// wait returns when nobody types in a room, or at end. waited tells whether it had to
// wait.
func (t *typists) wait(ctx context.Context, roomID string, end time.Time, now func() time.Time) (waited bool, err error) {
	for ; ; waited = true {
		at := now()
		t.mu.Lock()
		until := t.until(roomID, at)
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
