package app

import (
	"context"
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// This file changes messages that are already posted. The author may edit or delete a
// message; staff may hide any message and show it again. Each change rewrites the
// message's own event and the later events about it, so that no replay of the log shows
// what is gone. Each change then adds one more event for the clients that are connected.

// The text that others read in place of a message, in every answer, frame and export.
const (
	deletedText = "(deleted)"
	hiddenText  = "(hidden by staff)"
)

// restoreWithin is how long a deleted message can be restored. After that its text is
// erased.
const restoreWithin = 15 * time.Minute

// MessageStateEvent is the body of the events about an earlier message. Like the body of
// EventMessage it always shows the present state of the message. It keeps the text of a
// hidden message, which only staff get. It never has the text of a deleted message.
type MessageStateEvent struct {
	MessageID  string `json:"message_id"`
	MessageSeq int64  `json:"message_seq"`
	State      string `json:"state"` // shown, deleted or hidden
	Content    string `json:"content"`
	EditedAt   string `json:"edited_at,omitempty"`
}

// readable is what a reader sees of a message's text.
func readable(state, content string, staff bool) string {
	switch {
	case state == store.MessageDeleted:
		return deletedText
	case state == store.MessageHidden && !staff:
		return hiddenText
	}
	return content
}

// asRead replaces the text of each message with what the reader sees of it.
func asRead(lines []store.Message, staff bool) []store.Message {
	for i := range lines {
		lines[i].Content = readable(lines[i].State(), lines[i].Content, staff)
	}
	return lines
}

// kept is the text of a message that its events keep.
func kept(m *store.Message) string {
	if m.State() == store.MessageDeleted {
		return ""
	}
	return m.Content
}

// editedAt is when a message was edited, in the form that its events have.
func editedAt(m *store.Message) string {
	if m.EditedAt.IsZero() || m.State() == store.MessageDeleted {
		return ""
	}
	return Timestamp(m.EditedAt)
}

// isMessageEvent reports whether an event is about an earlier message.
func isMessageEvent(kind string) bool {
	switch kind {
	case EventMessageEdited, EventMessageDeleted, EventMessageHidden, EventMessageShown:
		return true
	}
	return false
}

// encodeMessageState makes the frame of an event about an earlier message. The plain
// protocol has no such frames.
func encodeMessageState(e realtime.Event, v realtime.Variant) []byte {
	var l MessageStateEvent
	if v&variantV2 == 0 || json.Unmarshal(e.Body, &l) != nil {
		return nil
	}
	l.Content = readable(l.State, l.Content, v&variantStaff != 0)
	return []byte(toJSON(struct {
		Type string `json:"type"`
		MessageStateEvent
		durable
	}{e.Type, l, durableOf(e)}))
}

// EditMessage replaces the text of the actor's own message. It gives no agent a turn: an
// agent that the edited text mentions, but the first text did not, does not answer.
func (a *App) EditMessage(ctx context.Context, actor *Actor, roomID, id, content string) (*store.Message, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActPostMessage); err != nil {
		return nil, err
	}
	content, err := a.messageIn(content)
	if err != nil {
		return nil, err
	}
	if err := a.spend(ctx, a.posts, actor.User.ID); err != nil {
		return nil, err
	}
	return a.changeMessage(ctx, actor, roomID, id, EventMessageEdited, func(_ *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil {
			return false, err
		}
		if m.State() == store.MessageDeleted {
			return false, errorf(KindConflict, "deleted", "This line is deleted")
		}
		if m.Content == content {
			return false, nil
		}
		m.Content, m.EditedAt = content, a.instant()
		return true, nil
	})
}

// DeleteMessage deletes the actor's own message. A placeholder stays, and RestoreMessage
// can bring the message back for 15 minutes.
func (a *App) DeleteMessage(ctx context.Context, actor *Actor, roomID, id string) error {
	if _, err := a.roomFor(ctx, actor, roomID, ActPostMessage); err != nil {
		return err
	}
	// Each deletion is an event for everybody in the room, as a message is.
	if err := a.spend(ctx, a.posts, actor.User.ID); err != nil {
		return err
	}
	_, err := a.changeMessage(ctx, actor, roomID, id, EventMessageDeleted, func(tx *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil || m.State() == store.MessageDeleted {
			return false, err
		}
		m.DeletedAt = a.instant()
		return true, a.record(ctx, tx, actor, didDeleteMessage, target{"message", m.ID}, changes{"room_id": roomID, "seq": m.Seq}, nil)
	})
	return err
}

// RestoreMessage brings the actor's own deleted message back, within 15 minutes.
func (a *App) RestoreMessage(ctx context.Context, actor *Actor, roomID, id string) (*store.Message, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActPostMessage); err != nil {
		return nil, err
	}
	// Each restoration is an event for everybody in the room, as a message is.
	if err := a.spend(ctx, a.posts, actor.User.ID); err != nil {
		return nil, err
	}
	return a.changeMessage(ctx, actor, roomID, id, EventMessageShown, func(tx *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil || m.State() != store.MessageDeleted {
			return false, err
		}
		if m.Content == "" || m.DeletedAt.Add(restoreWithin).Before(a.instant()) {
			return false, errorf(KindConflict, "erased", "A deleted line can be restored for 15 minutes only")
		}
		m.DeletedAt = time.Time{}
		return true, a.record(ctx, tx, actor, didRestoreMessage, target{"message", m.ID}, nil, changes{"room_id": roomID, "seq": m.Seq})
	})
}

// ownMessage checks that the actor may change a message: it is the actor's own, and
// staff have not hidden it.
func ownMessage(actor *Actor, m *store.Message) error {
	res := Resource{Noun: "Message"}
	if m.SenderID == actor.User.ID {
		res.Relations = IsCreator
	}
	if err := Check(actor, ActChangeMessage, res); err != nil {
		return err
	}
	if !m.HiddenAt.IsZero() {
		return forbidden("This line was hidden by staff")
	}
	return nil
}

// HideMessage hides a message from everybody except the room's staff.
func (a *App) HideMessage(ctx context.Context, actor *Actor, roomID, id string) (*store.Message, error) {
	return a.setHidden(ctx, actor, roomID, id, true)
}

// ShowMessage undoes HideMessage.
func (a *App) ShowMessage(ctx context.Context, actor *Actor, roomID, id string) (*store.Message, error) {
	return a.setHidden(ctx, actor, roomID, id, false)
}

func (a *App) setHidden(ctx context.Context, actor *Actor, roomID, id string, hide bool) (*store.Message, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActHideMessage); err != nil {
		return nil, err
	}
	if err := a.spend(ctx, a.edits, actor.User.ID); err != nil {
		return nil, err
	}
	event := EventMessageShown
	if hide {
		event = EventMessageHidden
	}
	return a.changeMessage(ctx, actor, roomID, id, event, func(tx *store.Tx, m *store.Message) (bool, error) {
		if hide == !m.HiddenAt.IsZero() {
			return false, nil
		}
		m.HiddenAt = time.Time{}
		if hide {
			m.HiddenAt = a.instant()
		}
		return true, a.record(ctx, tx, actor, ActHideMessage, target{"message", m.ID},
			changes{"room_id": roomID, "seq": m.Seq, "hidden": !hide}, changes{"room_id": roomID, "seq": m.Seq, "hidden": hide})
	})
}

// changeMessage changes a message under the lock of its room. It returns the message as
// the actor may read it. change returns false if there is nothing to change.
func (a *App) changeMessage(ctx context.Context, actor *Actor, roomID, id, event string,
	change func(*store.Tx, *store.Message) (bool, error)) (m *store.Message, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if m, err = tx.MessageForUpdate(ctx, roomID, id); err != nil {
			return err
		}
		if changed, err := change(tx, m); err != nil || !changed {
			return err
		}
		body := toJSON(MessageStateEvent{MessageID: m.ID, MessageSeq: m.Seq, State: m.State(), Content: kept(m), EditedAt: editedAt(m)})
		return tx.UpdateMessage(ctx, m, messageEvent(m).Body,
			&store.Event{ID: store.NewID(), Type: event, Body: body, CreatedAt: a.instant()})
	})
	if err != nil {
		return nil, fromStore(err, "Message")
	}
	// Staff, who hide messages, may read hidden ones. For all others ownMessage has
	// refused a hidden one.
	m.Content = readable(m.State(), m.Content, true)
	return m, nil
}
