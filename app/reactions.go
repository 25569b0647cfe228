package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/emoji"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const (
	// maxEmoji is how many different emoji one message can have, maxReactions how many
	// reactions in all.
	maxEmoji     = 20
	maxReactions = 5000
	// reactionsPerMinute is how often one person can give an emoji or take one back.
	reactionsPerMinute = 120
	// reactionPace is how often a room is told of the reactions to one message, at most. A
	// class that reacts within a second makes a few events, not one for each.
	reactionPace = 500 * time.Millisecond
	// tellTimeout bounds what tells a room after a pause.
	tellTimeout = 10 * time.Second
	// dueBatch is how many messages are told of at a time after a process has died.
	dueBatch = 200
)

// React gives an emoji to a message, or with on false takes it back. It does nothing when
// that is so already. It returns the message with its reactions and the actor's own.
func (a *App) React(ctx context.Context, actor *Actor, roomID, id, text string, on bool) (m *store.Message, err error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActReact); err != nil {
		return nil, err
	}
	one, ok := emoji.Of(text)
	if !ok {
		return nil, invalid("emoji", "must be one emoji")
	}
	if err := a.limits.reactions.spend(ctx, actor.User.ID); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.OpenRoomForUpdate(ctx, roomID)
		if err != nil {
			return fromStore(err, "Room")
		}
		if m, err = shownMessage(ctx, tx, roomID, id); err != nil {
			return err
		}
		r := &store.Reaction{MessageID: id, UserID: actor.User.ID, Emoji: one, CreatedAt: a.instant()}
		var changed bool
		if on {
			changed, err = addReaction(ctx, tx, r)
		} else {
			changed, err = tx.RemoveReaction(ctx, r)
		}
		if err == nil && changed {
			err = a.countReactions(ctx, tx, room, m)
		}
		if err != nil {
			return err
		}
		mine, err := tx.ReactionsBy(ctx, actor.User.ID, []string{id})
		m.Mine = mine[id]
		return err
	})
	return m, fromStore(err, "Message")
}

// shownMessage returns a message that everybody in its room may read.
func shownMessage(ctx context.Context, tx *store.Tx, roomID, id string) (*store.Message, error) {
	m, err := tx.MessageInRoom(ctx, roomID, id)
	if err != nil {
		return nil, fromStore(err, "Message")
	}
	if m.State() != store.MessageShown {
		return nil, errorf(KindConflict, wording.Deleted, "This message is deleted or hidden")
	}
	return m, nil
}

// addReaction adds a reaction, within what one message can have.
func addReaction(ctx context.Context, tx *store.Tx, r *store.Reaction) (added bool, err error) {
	if added, err = tx.AddReaction(ctx, r); err != nil || !added {
		return false, err
	}
	all, different, err := tx.CountReactions(ctx, r.MessageID)
	switch {
	case err != nil:
		return false, err
	case different > maxEmoji:
		return false, errorf(KindConflict, wording.TooMany, "A message can have %d different emoji, and these are there. Use one of them.", maxEmoji)
	case all > maxReactions:
		return false, errorf(KindConflict, wording.TooMany, "A message can have %d reactions, and these are there", maxReactions)
	}
	return true, nil
}

// countReactions counts the reactions to a message anew, and tells the room: now, or, if it
// was told a moment ago, after a pause. Then it is told of all that came meanwhile at once.
func (a *App) countReactions(ctx context.Context, tx *store.Tx, room *store.Room, m *store.Message) error {
	now := a.instant()
	if wait := reactionPace - now.Sub(m.ReactionsToldAt); wait > 0 && wait <= reactionPace {
		if !m.ReactionsDue {
			roomID, id := m.RoomID, m.ID
			tx.AfterCommit(func() {
				time.AfterFunc(wait, func() { a.tellReactions(roomID, id) }) //nolint:forbidigo // the pace of events is no rule's time
			})
		}
		m.ReactionsDue = true
		return tx.ShowReactions(ctx, m)
	}
	return a.announceReactions(ctx, tx, room, m)
}

// announceReactions adds the event of the reactions to a message. Agents do not answer it.
func (a *App) announceReactions(ctx context.Context, tx *store.Tx, room *store.Room, m *store.Message) error {
	m.ReactionsToldAt, m.ReactionsDue = a.instant(), false
	if err := tx.ShowReactions(ctx, m); err != nil || m.State() != store.MessageShown {
		return err
	}
	seq, err := tx.NextQuietSeq(ctx, room)
	if err != nil {
		return err
	}
	body := event.Reactions{MessageID: m.ID, MessageSeq: m.Seq, Reactions: event.ReactionsOf(m)}
	return tx.CreateEvent(ctx, event.New(m.RoomID, seq, event.TypeReaction, body, m.ReactionsToldAt))
}

// tellReactions tells a room of the reactions to a message, if that is due. What a process
// that dies leaves due is told by the next reaction, or by the next sweep.
func (a *App) tellReactions(roomID, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), tellTimeout)
	defer cancel()
	_ = a.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.RoomForUpdate(ctx, roomID)
		if err != nil {
			return err
		}
		m, err := tx.MessageInRoom(ctx, roomID, id)
		if err != nil || !m.ReactionsDue {
			return err
		}
		return a.announceReactions(ctx, tx, room, m)
	})
}

// tellDueReactions does what a process that died has left.
func (a *App) tellDueReactions(ctx context.Context) error {
	due, err := a.db.ReactionsDue(ctx, dueBatch)
	for _, m := range due {
		a.tellReactions(m.RoomID, m.ID)
	}
	return err
}

// Reactions lists who has reacted to a message, the first one first; with text, only with
// that emoji.
func (a *App) Reactions(ctx context.Context, actor *Actor, roomID, id, text string, p store.Page) ([]store.Reaction, error) {
	_, res, err := a.roomAccess(ctx, actor, roomID, ActReadHistory)
	if err != nil {
		return nil, err
	}
	if text != "" {
		one, ok := emoji.Of(text)
		if !ok {
			return nil, invalid("emoji", "must be one emoji")
		}
		text = one
	}
	m, err := a.db.MessageInRoom(ctx, roomID, id)
	if err != nil {
		return nil, fromStore(err, "Message")
	}
	state, mayKnow := m.State(), Check(actor, ActReadHidden, res) == nil
	if state == store.MessageDeleted || state == store.MessageHidden && !mayKnow {
		return []store.Reaction{}, nil
	}
	return a.db.Reactions(ctx, id, text, p)
}

// withOwn adds to messages the actor's own reactions, with one statement.
func (a *App) withOwn(ctx context.Context, actor *Actor, messages *store.Listing[store.Message], each func(*store.Message)) (*store.Listing[store.Message], error) {
	mine, err := a.db.ReactionsBy(ctx, actor.User.ID, messages.IDs())
	messages.Each = func(m *store.Message) {
		m.Mine = mine[m.ID]
		each(m)
	}
	return messages, err
}
