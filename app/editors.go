package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/expiring"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

const (
	// editingFor is how long somebody counts as changing an artifact after they said so.
	// Clients say it again every 5 seconds.
	editingFor = 12 * time.Second
	maxBlockID = 64 // characters
)

// editors knows who changes which artifact, room by room, for those who come in.
type editors struct {
	mu    sync.Mutex
	rooms expiring.Rooms[editorKey, event.Editing]
}

type editorKey struct{ artifact, who string }

// in returns who changes what in a room, sorted by name.
func (e *editors) in(roomID string, now time.Time) []event.Editing {
	e.mu.Lock()
	all := e.rooms.In(roomID, now)
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b event.Editing) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.UserID+a.AgentID, b.UserID+b.AgentID), cmp.Compare(a.ArtifactID, b.ArtifactID))
	})
	return all
}

// heard notes what somebody said.
func (e *editors) heard(roomID string, now time.Time, it event.Editing) {
	e.mu.Lock()
	defer e.mu.Unlock()
	key := editorKey{it.ArtifactID, it.UserID + it.AgentID}
	if it.Done {
		e.rooms.Remove(roomID, key)
		return
	}
	e.rooms.Put(roomID, key, it, now, now.Add(editingFor))
}

// heardEditing handles such a signal of another process.
func (a *App) heardEditing(roomID string, s realtime.Signal) {
	var it event.Editing
	if json.Unmarshal(s.Body, &it) == nil {
		a.audience.editors.heard(roomID, a.now(), it)
	}
}

// editing shows the sockets of a room that somebody changes an artifact. from is the socket
// that says so, if it is one.
func (au *audience) editing(roomID string, from *realtime.Conn, it event.Editing) {
	au.editors.heard(roomID, au.now(), it)
	au.hub.Signal(roomID, realtime.Signal{Type: event.SignalEditing, From: from, Body: json.RawMessage(store.ToJSON(it))})
}

// Editing shows all other sockets of the room that the person changes an artifact of it. It
// is best effort: it is dropped if it comes too often.
func (s *Seat) Editing(ctx context.Context, e event.Edit) {
	if err := s.denied(s.noEdit); err != nil {
		s.tell(s.told(ctx, err), "")
		return
	}
	if err := text("block_id", e.BlockID, 0, maxBlockID); err != nil {
		s.refuse(ctx, err, "")
		return
	}
	if _, ok := s.app.limits.editing.Take(s.who.User.ID, s.app.now()); !ok {
		return
	}
	f, err := s.app.db.ArtifactHead(ctx, e.ArtifactID)
	if errors.Is(err, store.ErrNotFound) || err == nil && (f.RoomID != s.roomID || f.Deleted()) {
		err = invalid("artifact_id", "is no artifact of this room")
	}
	if err != nil {
		s.refuse(ctx, err, "")
		return
	}
	s.app.audience.editing(s.roomID, s.conn, event.Editing{ArtifactID: f.ID, BlockID: e.BlockID, UserID: s.who.User.ID, Name: s.who.User.Name(), Done: e.Done})
}
