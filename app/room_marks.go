package app

import (
	"context"
	"encoding/json"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// signalMarks tells all nodes that what a person has read has changed, or how they want to
// hear of a room. It is sent with the person's id instead of a room's. Its body is a
// MarksChanged, and no frame of a room is made of it.
const signalMarks = "marks"

// MarksChanged says in which room the marks of a person have changed. RoomID is empty for
// several.
type MarksChanged struct {
	RoomID string `json:"room_id,omitempty"`
}

// marksChanged tells those who follow what a person has to read, on all nodes.
func (au *audience) marksChanged(userID, roomID string) {
	au.streams.wake(userID)
	au.followers.marked(userID, roomID)
	au.hub.Signal(userID, realtime.Signal{Type: signalMarks, Body: json.RawMessage(store.ToJSON(MarksChanged{roomID}))})
}

// MarkRead notes that the actor has read a room up to a seq. A mark never goes down by
// that, and not above the room's newest seq. Mentions up to there are read too.
func (a *App) MarkRead(ctx context.Context, actor *Actor, roomID string, seq int64) (*MyRoom, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActMarkRoom)
	if err != nil {
		return nil, err
	}
	seq = max(min(seq, room.EventSeq), room.UnreadAfter)
	return a.mark(ctx, actor, roomID, func(tx *store.Tx) (bool, error) {
		moved, err := tx.ReadRoom(ctx, actor.User.ID, roomID, seq)
		if err != nil {
			return false, err
		}
		n, err := tx.ReadMentionsIn(ctx, actor.User.ID, roomID, seq, a.instant())
		return moved || n > 0, err
	})
}

// MarkUnread puts the actor's mark right before a message: it and what follows is unread
// again, with the mentions in it.
func (a *App) MarkUnread(ctx context.Context, actor *Actor, roomID string, seq int64) (*MyRoom, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActMarkRoom)
	if err != nil {
		return nil, err
	}
	if room.EventSeq == 0 {
		return nil, invalid("seq", "nothing has been said in this room yet")
	}
	return a.mark(ctx, actor, roomID, func(tx *store.Tx) (bool, error) {
		return true, tx.UnreadRoom(ctx, actor.User.ID, roomID, max(min(seq, room.EventSeq), 1), a.instant())
	})
}

// MyRoomSettings are the members of a person's own settings of a room. A member that is not
// sent keeps its value.
type MyRoomSettings struct {
	Notify Opt[string] // all, mentions or none; null for what the person wants of all rooms
	Pinned Opt[bool]
}

// SetMyRoom changes how the actor wants to hear of a room.
func (a *App) SetMyRoom(ctx context.Context, actor *Actor, roomID string, s MyRoomSettings) (*MyRoom, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActMarkRoom); err != nil {
		return nil, err
	}
	m, columns, pinned := &store.RoomMark{UserID: actor.User.ID, RoomID: roomID, Notify: s.Notify.Value}, []string(nil), false
	if s.Notify.Sent {
		if err := oneOf("notify", s.Notify.Value, store.NotifyAll, store.NotifyMentions, store.NotifyNone); !s.Notify.Null && err != nil {
			return nil, err
		}
		columns = append(columns, "notify")
	}
	if err := s.Pinned.set("pinned", &pinned); err != nil {
		return nil, err
	}
	if pinned {
		m.PinnedAt = a.instant()
	}
	if s.Pinned.Sent {
		columns = append(columns, "pinned_at")
	}
	return a.mark(ctx, actor, roomID, func(tx *store.Tx) (bool, error) { return len(columns) > 0, tx.SetRoomMark(ctx, m, columns...) })
}

// mark runs fn, which changes the actor's marks in a room, tells the actor's devices, and
// returns the room as it is for the actor then.
func (a *App) mark(ctx context.Context, actor *Actor, roomID string, fn func(tx *store.Tx) (changed bool, err error)) (*MyRoom, error) {
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		changed, err := fn(tx)
		if changed && err == nil {
			tx.AfterCommit(func() { a.audience.marksChanged(actor.User.ID, roomID) })
		}
		return err
	})
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	rows, err := a.myRooms(ctx, actor, store.MyRoomSearch{RoomID: roomID, Limit: 1})
	if err == nil && len(rows) == 0 {
		err = notFound("Room")
	}
	if err != nil {
		return nil, err
	}
	return &rows[0], nil
}
