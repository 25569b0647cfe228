package app

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// Posted is a stored message. Dup is true if the message was stored before with the same
// ClientID, and this call stored nothing.
type Posted struct {
	Message *store.Message
	Dup     bool
}

// PostMessage stores a message of a person or a bot. clientID (0..64 characters) is the client's own
// id for it: a second post with the same id stores nothing. The message, its event and
// the job that decides about the room's agents commit together. Once this returns nil,
// none of them can get lost. Without an agent that could answer, or behind a job that is
// on its way, there is no job.
func (a *App) PostMessage(ctx context.Context, actor *Actor, roomID, content, clientID string) (*Posted, error) {
	room, err := a.roomFor(ctx, actor, roomID, ActPostMessage)
	if err != nil {
		return nil, err
	}
	content, err = messageIn(&a.cfg.Limits, content)
	if err := errors.Join(err, text("client_id", clientID, 0, 64)); err != nil {
		return nil, firstOf(err)
	}
	if err := a.limits.posts.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	m := &store.Message{ID: store.NewID(), RoomID: roomID, SenderID: actor.User.ID, ClientID: clientID, Content: content,
		CreatedAt: a.instant(), Sender: &actor.User}
	if actor.User.IsBot() {
		m.BotName = actor.User.Name()
	}
	heard, err := a.engine.Hearing(ctx, room, m)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return a.storePost(ctx, tx, m, heard) })
	if errors.Is(err, errPostedBefore) {
		before, err := a.db.MessageByClientID(ctx, roomID, actor.User.ID, clientID)
		if err != nil {
			return nil, err
		}
		before.Sender, before.Content = &actor.User, event.Readable(before.State(), before.Content, false)
		return &Posted{Message: before, Dup: true}, nil
	}
	if err != nil {
		return nil, fromStore(err, "Room")
	}
	a.engine.Posted(ctx, room, m)
	a.telemetry.Posted(ctx, m.ID, roomID, m.Seq)
	return &Posted{Message: m}, nil
}

// tooLong is the error for a message of so many bytes.
func tooLong(limits *config.Limits, bytes int64) error {
	return errorf(KindTooLarge, "too_large", "text: has %d bytes, at most %d are possible", bytes, limits.MessageBytes)
}

// messageIn checks the text of a person's message and makes it safe to show.
func messageIn(limits *config.Limits, content string) (string, error) {
	if len(content) > int(limits.MessageBytes) {
		return "", tooLong(limits, int64(len(content)))
	}
	if strings.TrimSpace(content) == "" {
		return "", invalid("text", "must not be empty")
	}
	if err := text("text", content, 1, len(content)); err != nil {
		return "", err
	}
	return event.EscapeTrace(content), nil
}

// errPostedBefore rolls back the transaction of a message that is already stored.
var errPostedBefore = errors.New("posted before")

func (a *App) storePost(ctx context.Context, tx *store.Tx, m *store.Message, heard store.Heard) error {
	added, err := a.engine.Post(ctx, tx, m, heard)
	if err == nil && !added {
		return errPostedBefore
	}
	return err
}

// History lists messages of a room, oldest first: the newest limit messages whose seq is
// below before. A before of 0 means the newest of all, a limit of 0 as many as one
// answer may hold.
func (a *App) History(ctx context.Context, actor *Actor, roomID string, before int64, limit int) (*store.Listing[store.Message], error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	if limit <= 0 {
		limit = store.MaxLimit
	}
	messages, err := a.db.ListMessages(ctx, roomID, before, min(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	staff := Check(actor, ActReadHidden, res) == nil
	messages.Each = func(m *store.Message) { m.Content = event.Readable(m.State(), m.Content, staff) }
	return messages, nil
}
