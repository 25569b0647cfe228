package app

import (
	"context"
	"errors"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// replyIn reads the id of the message that is replied to; "" for none.
func replyIn(id string) (string, error) {
	if id == "" {
		return "", nil
	}
	of, err := uuid.Parse(id)
	if err != nil {
		return "", invalid("reply_to", "must be the id of a message in this room")
	}
	return of.String(), nil
}

// noReply is the error for a message that cannot be replied to; nil if err says nothing of
// that.
func noReply(err error) error {
	switch {
	case errors.Is(err, turn.ErrNoSuchMessage):
		return invalid("reply_to", "must be the id of a message in this room")
	case errors.Is(err, turn.ErrMessageGone):
		return errorf(KindConflict, wording.Deleted, "reply_to: that message is deleted or hidden; send yours without reply_to")
	case errors.Is(err, turn.ErrTooManyReplies):
		return errorf(KindConflict, wording.TooMany, "reply_to: that message has %d replies, as many as it can have; send yours without reply_to", turn.MaxReplies)
	}
	return nil
}

// Replies lists the replies of a thread, oldest first, limit at most: the first with a seq
// above after, or, where before is not 0, the last below it. id is the message under which
// they hang, or one of them.
func (a *App) Replies(ctx context.Context, actor *Actor, roomID, id string, after, before int64, limit int) (*store.Listing[store.Message], error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	m, err := a.db.MessageInRoom(ctx, roomID, id)
	if err != nil {
		return nil, fromStore(err, "Message")
	}
	if m.RootID != "" {
		id = m.RootID
	}
	replies, err := a.db.ListReplies(ctx, roomID, id, after, before, min(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	staff := Check(actor, ActReadHidden, res) == nil
	return a.withOwn(ctx, actor, replies, func(m *store.Message) { event.Redact(m, staff) })
}
