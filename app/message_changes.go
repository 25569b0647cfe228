package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file changes messages that are already posted. The author may edit or delete a
// message; staff may hide any message and show it again. Each change rewrites the
// message's own event and the later events about it, so that no replay of the log shows
// what is gone. Each change then adds one more event for the clients that are connected.

// restoreWithin is how long a deleted message can be restored. After that its text is
// erased.
const restoreWithin = 15 * time.Minute

// EditMessage replaces the text of the actor's own message. Whom it mentions is found out
// anew: who is mentioned for the first time is told, and who is not mentioned any more
// loses the mention. It gives no agent a turn: an agent that the edited text mentions, but
// the first text did not, does not answer.
func (a *App) EditMessage(ctx context.Context, actor *Actor, roomID, id, content string) (*store.Message, error) {
	room, res, err := a.roomAccess(ctx, actor, roomID, ActPostMessage)
	if err != nil {
		return nil, err
	}
	if content, err = messageIn(&a.cfg.Limits, content, true); err != nil {
		return nil, err
	}
	if err := a.limits.posts.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.changeMessage(ctx, actor, roomID, id, event.TypeMessageEdited, func(tx *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil {
			return false, err
		}
		if m.State() == store.MessageDeleted {
			return false, errorf(KindConflict, wording.Deleted, "This message is deleted")
		}
		if content == "" && m.Files == "" {
			return false, errEmptyText()
		}
		if m.Content == content {
			return false, nil
		}
		m.Content, m.EditedAt = content, a.instant()
		calling := turn.Calling{Everyone: Check(actor, ActCallEveryone, res) == nil, Earlier: event.MentionsOf(m)}
		everyone := false
		for _, it := range calling.Earlier { // who was meant by a name is meant by it still
			calling.Meant = append(calling.Meant, it.ID)
			everyone = everyone || it.Kind == event.MentionEveryone
		}
		if _, err := a.engine.Call(ctx, tx.Queries, room, m, calling); err != nil {
			return false, err
		}
		m.Called.Before = everyone
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
	if err := a.limits.posts.spend(ctx, actor.User.ID); err != nil {
		return err
	}
	_, err := a.changeMessage(ctx, actor, roomID, id, event.TypeMessageDeleted, func(tx *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil || m.State() == store.MessageDeleted {
			return false, err
		}
		m.DeletedAt = a.instant()
		return true, a.audit.record(ctx, tx, actor, didDeleteMessage, target{"message", m.ID}, changes{"room_id": roomID, "seq": m.Seq}, nil)
	})
	return err
}

// RestoreMessage brings the actor's own deleted message back, within 15 minutes.
func (a *App) RestoreMessage(ctx context.Context, actor *Actor, roomID, id string) (*store.Message, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActPostMessage); err != nil {
		return nil, err
	}
	// Each restoration is an event for everybody in the room, as a message is.
	if err := a.limits.posts.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	return a.changeMessage(ctx, actor, roomID, id, event.TypeMessageShown, func(tx *store.Tx, m *store.Message) (bool, error) {
		if err := ownMessage(actor, m); err != nil || m.State() != store.MessageDeleted {
			return false, err
		}
		if m.Content == "" && m.Files == "" || m.DeletedAt.Add(restoreWithin).Before(a.instant()) {
			return false, errorf(KindConflict, wording.Erased, "A deleted message can be restored for 15 minutes only")
		}
		m.DeletedAt = time.Time{}
		return true, a.audit.record(ctx, tx, actor, didRestoreMessage, target{"message", m.ID}, nil, changes{"room_id": roomID, "seq": m.Seq})
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
		return forbidden("This message was hidden by staff")
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
	if err := a.limits.edits.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	kind := event.TypeMessageShown
	if hide {
		kind = event.TypeMessageHidden
	}
	return a.changeMessage(ctx, actor, roomID, id, kind, func(tx *store.Tx, m *store.Message) (bool, error) {
		if hide == !m.HiddenAt.IsZero() {
			return false, nil
		}
		m.HiddenAt = time.Time{}
		if hide {
			m.HiddenAt = a.instant()
		}
		return true, a.audit.record(ctx, tx, actor, ActHideMessage, target{"message", m.ID},
			changes{"room_id": roomID, "seq": m.Seq, "hidden": !hide}, changes{"room_id": roomID, "seq": m.Seq, "hidden": hide})
	})
}

// changeMessage changes a message under the lock of its room. It returns the message as
// the actor may read it. change returns false if there is nothing to change.
func (a *App) changeMessage(ctx context.Context, actor *Actor, roomID, id, kind string,
	change func(*store.Tx, *store.Message) (bool, error)) (m *store.Message, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if m, err = tx.MessageForUpdate(ctx, roomID, id); err != nil {
			return err
		}
		if changed, err := change(tx, m); err != nil || !changed {
			return err
		}
		if m.RootID != "" {
			if m.ThreadSize, err = tx.RecountReplies(ctx, m); err != nil {
				return err
			}
		}
		if err := tx.ShowRoot(ctx, m, store.ToJSON(event.RootOf(m))); err != nil {
			return err
		}
		e := &store.Event{ID: store.NewID(), Type: kind, Body: store.ToJSON(event.StateOf(m)), CreatedAt: a.instant()}
		if err := tx.UpdateMessage(ctx, m, event.OfMessage(m).Body, e); err != nil || kind != event.TypeMessageEdited {
			return err
		}
		return tx.ReplaceMentions(ctx, m, e.Seq)
	})
	if err != nil {
		return nil, fromStore(err, "Message")
	}
	// Staff, who hide messages, may read hidden ones. For all others ownMessage has
	// refused a hidden one.
	event.Redact(m, true)
	return m, nil
}
