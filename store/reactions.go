package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Reaction is an emoji that a person or a bot has given to a message.
type Reaction struct {
	bun.BaseModel `bun:"table:message_reactions,alias:rx"`
	MessageID     string `bun:",pk"`
	UserID        string `bun:",pk"`
	Emoji         string `bun:",pk"`
	CreatedAt     time.Time

	User *User `bun:"rel:belongs-to,join:user_id=id"` // its name and role only
}

// AddReaction adds a reaction; added is false when it is there already.
func (t *Tx) AddReaction(ctx context.Context, r *Reaction) (added bool, err error) {
	return t.insertOnce(ctx, r)
}

// RemoveReaction removes a reaction; removed is false when it is not there.
func (t *Tx) RemoveReaction(ctx context.Context, r *Reaction) (removed bool, err error) {
	n, err := affected(t.db.NewDelete().Model(r).WherePK().Exec(ctx))
	return n > 0, err
}

// CountReactions returns how many reactions a message has, and of how many emoji.
func (q Queries) CountReactions(ctx context.Context, messageID string) (all, emoji int, err error) {
	err = q.db.NewSelect().Model((*Reaction)(nil)).ColumnExpr("count(*), count(DISTINCT emoji)").Where("message_id = ?", messageID).Scan(ctx, &all, &emoji)
	return all, emoji, translate(err)
}

// counted is SQL for the reactions to a message without those of one person, as they are
// kept with the message.
func (q Queries) counted() string {
	from := " FROM (SELECT emoji, count(*) AS n, min(created_at) AS first FROM message_reactions WHERE message_id = messages.id AND user_id <> ?0" +
		" GROUP BY emoji ORDER BY first, emoji) AS given"
	if q.postgres() {
		return "(SELECT json_agg(json_build_object('emoji', emoji, 'count', n) ORDER BY first, emoji)" + from + ")"
	}
	return "(SELECT CASE WHEN count(*) > 0 THEN json_group_array(json_object('emoji', emoji, 'count', n)) END" + from + ")"
}

// ShowReactions counts the reactions to a message anew, and keeps when its room was told of
// them and whether it has to be told again.
func (t *Tx) ShowReactions(ctx context.Context, m *Message) error {
	err := t.db.NewRaw("UPDATE messages SET reactions = "+t.counted()+", reactions_told_at = ?1, reactions_due = ?2 WHERE id = ?3 RETURNING reactions",
		"", t.instant(m.ReactionsToldAt), m.ReactionsDue, m.ID).Scan(ctx, &m.Reactions)
	return translate(err)
}

// dropReactionsOf takes the reactions of a person out of the counts of messages.
func (t *Tx) dropReactionsOf(ctx context.Context, userID string) error {
	_, err := t.db.NewRaw("UPDATE messages SET reactions = "+t.counted()+" WHERE id IN (SELECT message_id FROM message_reactions WHERE user_id = ?0)", userID).Exec(ctx)
	return translate(err)
}

// Reactions lists who has reacted to a message, the first one first. emoji is "" for all.
func (q Queries) Reactions(ctx context.Context, messageID, emoji string, p Page) ([]Reaction, error) {
	var rows []Reaction
	sel := q.db.NewSelect().Model(&rows).Relation("User", nameOnly).Where("rx.message_id = ?", messageID)
	if emoji != "" {
		sel = sel.Where("rx.emoji = ?", emoji)
	}
	err := p.on(sel.OrderExpr("rx.created_at, rx.user_id, rx.emoji")).Scan(ctx)
	return rows, translate(err)
}

// ReactionsBy returns the emoji that a person has given to messages, by the messages' ids.
func (q Queries) ReactionsBy(ctx context.Context, userID string, messageIDs []string) (map[string][]string, error) {
	by := map[string][]string{}
	if len(messageIDs) == 0 {
		return by, nil
	}
	var rows []Reaction
	err := q.db.NewSelect().Model(&rows).Column("rx.message_id", "rx.emoji").Where("rx.user_id = ?", userID).
		Where("rx.message_id IN (?)", bun.List(messageIDs)).OrderExpr("rx.created_at").Scan(ctx)
	for _, r := range rows {
		by[r.MessageID] = append(by[r.MessageID], r.Emoji)
	}
	return by, translate(err)
}

// ReactionsDue lists messages of whose reactions their rooms have to be told, without their
// texts.
func (q Queries) ReactionsDue(ctx context.Context, limit int) ([]Message, error) {
	var rows []Message
	err := q.db.NewSelect().Model(&rows).Column("m.id", "m.room_id").Where("m.reactions_due").OrderExpr("m.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}
