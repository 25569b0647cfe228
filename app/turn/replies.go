package turn

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// This file puts replies under the message that they reply to, and shows agents the thread
// in which they are called. A thread has one level: a reply to a reply hangs under the same
// root.

// MaxReplies is how many replies people can put under one message. Agents that are called
// by the last of them still answer there.
const MaxReplies = 1000

// Why a message cannot be replied to.
var (
	ErrNoSuchMessage  = errors.New("the room has no such message")
	ErrMessageGone    = errors.New("the message is deleted or hidden")
	ErrTooManyReplies = errors.New("the message has as many replies as it can have")
)

// addMessage stores a message and its event, see store.AddMessage. One with InReplyTo or
// RootID is a reply. The locks are taken in the usual order: the room first, then messages.
func addMessage(ctx context.Context, tx *store.Tx, m *store.Message, heard store.Heard) (added, due bool, err error) {
	if m.InReplyTo == "" && m.RootID == "" {
		return tx.AddMessage(ctx, m, event.OfMessage(m), heard)
	}
	if _, err := tx.RoomForUpdate(ctx, m.RoomID); err != nil {
		return false, false, err
	}
	root, err := rootOf(ctx, tx, m)
	if err != nil {
		return false, false, err
	}
	m.RootID, m.ReplyTo, m.ThreadSize = root.ID, store.ToJSON(event.RootOf(root)), root.ReplyCount+1
	if added, due, err = tx.AddMessage(ctx, m, event.OfMessage(m), heard); err != nil || !added {
		return added, due, err
	}
	return added, due, tx.CountReply(ctx, root, m)
}

// rootOf returns the message under which a reply hangs. An agent's answer hangs under its
// turn's root, whatever has become of that. Nobody else can reply to what is gone. Whoever
// wrote the message that a person replies to is told, and who began the thread.
func rootOf(ctx context.Context, tx *store.Tx, m *store.Message) (root *store.Message, err error) {
	if m.InReplyTo == "" {
		_, root, err = tx.MessageAndRoot(ctx, m.RoomID, m.RootID)
		return root, err
	}
	to, root, err := tx.MessageAndRoot(ctx, m.RoomID, m.InReplyTo)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, ErrNoSuchMessage
	case err != nil:
		return nil, err
	case to.State() != store.MessageShown:
		return nil, ErrMessageGone
	case root.ReplyCount >= MaxReplies:
		return nil, ErrTooManyReplies
	}
	m.Called.Replied = nil
	for _, author := range []string{to.SenderID, root.SenderID} {
		if author != "" && author != m.SenderID && !slices.Contains(m.Called.Replied, author) {
			m.Called.Replied = append(m.Called.Replied, author)
		}
	}
	return root, nil
}

// withThread adds to the messages of a room those of the thread in which the turn's agent
// answers: the root and as many of the newest replies as the agent reads messages. They
// come last, because the agent replies to the last message, and because a prompt that is
// too long loses its first messages.
func (r *attempt) withThread(ctx context.Context, messages []store.Message, n int) ([]store.Message, error) {
	if r.turn.RootID == "" {
		return messages, nil
	}
	thread, err := r.engine.db.ShownInThread(ctx, r.room.ID, r.turn.RootID, max(n, 1))
	if err != nil {
		return nil, err
	}
	messages = slices.DeleteFunc(messages, func(m store.Message) bool { return isInThread(&m, r.turn.RootID) })
	return append(messages, thread...), nil
}

// threadLast puts the messages of the turn's thread last, as withThread does.
func (r *attempt) threadLast(messages []store.Message) []store.Message {
	if r.turn.RootID == "" {
		return messages
	}
	var room, thread []store.Message
	for i := range messages {
		if isInThread(&messages[i], r.turn.RootID) {
			thread = append(thread, messages[i])
		} else {
			room = append(room, messages[i])
		}
	}
	return append(room, thread...)
}

// isInThread tells whether a message belongs to the thread of a root; "" is no thread.
func isInThread(m *store.Message, rootID string) bool {
	return rootID != "" && (m.ID == rootID || m.RootID == rootID)
}

// threadRule follows the instructions of an agent that answers in a thread.
const threadRule = ` The last messages, those marked "in this thread", are a thread under one message of the room. Your reply is shown in that thread.`

// instructionsFor are the system message for an agent that speaks in the turn.
func (r *attempt) instructionsFor(ag *store.Agent, course *store.Course) string {
	text := instructions(ag, r.room, course, r.fenceOf(ag))
	if r.turn.RootID != "" {
		text += threadRule
	}
	if r.engine.model.SeesPictures(ag) {
		text += PictureRule
	}
	return text
}
