package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The states of a message.
const (
	MessageShown   = "shown"
	MessageDeleted = "deleted" // by the person who wrote it
	MessageHidden  = "hidden"  // by staff
)

// State is the state of the message. A message that is deleted and hidden counts as
// deleted.
func (m *Message) State() string {
	switch {
	case !m.DeletedAt.IsZero():
		return MessageDeleted
	case !m.HiddenAt.IsZero():
		return MessageHidden
	}
	return MessageShown
}

// shown keeps the messages that everybody in the room may read.
func shown(q *bun.SelectQuery) *bun.SelectQuery {
	return q.Where("m.deleted_at IS NULL").Where("m.hidden_at IS NULL")
}

// MessagesAfter lists the room's messages with a seq above after, with their senders,
// oldest first, limit at most. Page after page it gives the whole history.
func (q Queries) MessagesAfter(ctx context.Context, roomID string, after int64, limit int) ([]Message, error) {
	var rows []Message
	err := q.db.NewSelect().Model(&rows).Relation("Sender", nameOnly).Where("m.room_id = ?", roomID).Where("m.seq > ?", after).
		OrderExpr("m.seq").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// MessageForUpdate locks the room, so that no other transaction changes its messages, and
// returns a message with its sender. ErrNotFound when the room has no such message.
func (t *Tx) MessageForUpdate(ctx context.Context, roomID, id string) (*Message, error) {
	if _, err := t.OpenRoomForUpdate(ctx, roomID); err != nil {
		return nil, err
	}
	m := new(Message)
	return first(ctx, t.db.NewSelect().Model(m).Relation("Sender").Where("m.id = ?", id).Where("m.room_id = ?", roomID), m)
}

// UpdateMessage writes the text and the state of a message. It replaces the bodies of all
// events that show the message or are about it, and adds e, which is about it too.
// Afterwards no event contains the old text.
func (t *Tx) UpdateMessage(ctx context.Context, m *Message, line JSON, e *Event) error {
	t.count(m) // also of one from before there were figures: CountTalk leaves it out then
	update := t.db.NewUpdate().Model(m).Column("content", "word_count", "day", "edited_at", "deleted_at", "hidden_at", "mentions").Where("m.id = ?", m.ID)
	res, err := t.findable(update, m).Exec(ctx)
	if err := changed(res, err, ErrNotFound); err != nil {
		return err
	}
	if err := t.ReplaceEventBody(ctx, m.RoomID, m.Seq, line); err != nil {
		return err
	}
	if _, err := t.db.NewUpdate().Model((*Event)(nil)).Set("body = ?", e.Body).Where("room_id = ?", m.RoomID).
		Where("about_seq = ?", m.Seq).Exec(ctx); err != nil {
		return translate(err)
	}
	if e.Seq, err = t.NextSeq(ctx, m.RoomID, time.Time{}); err != nil {
		return err
	}
	e.RoomID, e.AboutSeq = m.RoomID, m.Seq
	return t.CreateEvent(ctx, e)
}

// EraseDeletedMessages empties the texts of messages that were deleted before a time,
// limit at most, and removes their files. It also removes the reasoning of models in turns that may have read
// those messages: the reasoning may quote them.
func (t *Tx) EraseDeletedMessages(ctx context.Context, before time.Time, limit int) (int64, error) {
	var ids []string
	err := t.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.deleted_at < ?", before).
		Where("m.deleted_at IS NOT NULL").Where("(m.content <> '' OR m.files IS NOT NULL)").Limit(int64(limit)).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return 0, translate(err)
	}
	turns := t.db.NewSelect().Model((*Turn)(nil)).Column("t.id").
		Join("JOIN messages AS m ON m.room_id = t.room_id AND m.created_at <= t.ended_at AND t.created_at <= m.deleted_at").
		Where("m.id IN (?)", bun.List(ids))
	without := "json_remove(output, '$.reasoning')"
	if t.owner.Postgres() {
		without = "(output::jsonb - 'reasoning')::json"
	}
	_, err = t.db.NewUpdate().Model((*TurnStep)(nil)).Set("output = "+without).Where("turn_id IN (?)", turns).
		Where("kind = ?", StepModel).Where("CAST(output AS TEXT) LIKE ?", `%"reasoning":%`).Exec(ctx)
	if err != nil {
		return 0, translate(err)
	}
	if _, err := t.db.NewDelete().Model((*Mention)(nil)).Where("message_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
		return 0, translate(err)
	}
	if _, err := t.db.NewDelete().Model((*File)(nil)).Where("message_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
		return 0, translate(err)
	}
	for _, model := range []any{(*Reaction)(nil), (*Pin)(nil), (*Bookmark)(nil)} {
		if _, err := t.db.NewDelete().Model(model).Where("message_id IN (?)", bun.List(ids)).Exec(ctx); err != nil {
			return 0, translate(err)
		}
	}
	res, err := t.db.NewUpdate().Model((*Message)(nil)).Set("content = ''").Set("mentions = NULL").Set("files = NULL").Set("reactions = NULL").Where("id IN (?)", bun.List(ids)).Exec(ctx)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}
