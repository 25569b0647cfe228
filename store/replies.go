package store

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// MaxRepliers is how many of those who replied to a message it names.
const MaxRepliers = 3

// Replier is somebody who replied to a message: a person or a bot, or an agent.
type Replier struct {
	UserID  string `json:"user_id,omitempty"`
	AgentID string `json:"agent_id,omitempty"`
}

// RepliersOf are those who replied to a message last, the latest first.
func RepliersOf(m *Message) (all []Replier) {
	if m.Repliers != "" {
		_ = json.Unmarshal([]byte(m.Repliers), &all)
	}
	return all
}

// replied puts the author of a reply in front of those who replied before.
func replied(all []Replier, m *Message) []Replier {
	who := Replier{m.SenderID, m.AgentID}
	if who == (Replier{}) { // of a deleted account or agent
		return all
	}
	others := slices.DeleteFunc(slices.Clone(all), func(r Replier) bool { return r == who })
	all = append([]Replier{who}, others...)
	return all[:min(len(all), MaxRepliers)]
}

// MessageAndRoot returns a message of a room and the root of its thread, both with their senders.
// A message that is no reply is its own root. The transaction must hold the lock of the
// room. ErrNotFound when the room has no such message.
func (t *Tx) MessageAndRoot(ctx context.Context, roomID, id string) (m, root *Message, err error) {
	var rows []Message
	own := t.db.NewSelect().TableExpr("messages AS own").Column("own.root_id").Where("own.id = ?", id)
	err = t.db.NewSelect().Model(&rows).Relation("Sender").Where("m.room_id = ?", roomID).
		Where("(m.id = ? OR m.id = (?))", id, own).Limit(2).Scan(ctx)
	for i := range rows {
		if rows[i].ID == id {
			m = &rows[i]
		}
	}
	if m == nil {
		if err == nil {
			err = ErrNotFound
		}
		return nil, nil, translate(err)
	}
	for i := range rows {
		if rows[i].ID == m.RootID {
			return m, &rows[i], nil
		}
	}
	return m, m, nil
}

// CountReply notes at the root of a thread that m has been added to it.
func (t *Tx) CountReply(ctx context.Context, root, m *Message) error {
	root.ReplyCount++
	root.LastReplySeq, root.LastReplyAt = m.Seq, m.CreatedAt
	root.Repliers = ToJSON(replied(RepliersOf(root), m))
	return t.setReplies(ctx, root)
}

func (t *Tx) setReplies(ctx context.Context, root *Message) error {
	res, err := t.db.NewUpdate().Model(root).Column("reply_count", "last_reply_seq", "last_reply_at", "repliers").Where("m.id = ?", root.ID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// recountBack is how many replies are searched for the last Repliers.
const recountBack = 50

// RecountReplies notes at the root of a reply which replies are shown, now that m, one of
// them, has another state. It returns how many there are. The transaction must hold the
// lock of the room.
func (t *Tx) RecountReplies(ctx context.Context, m *Message) (int, error) {
	root := new(Message)
	if err := t.db.NewSelect().Model(root).Where("m.id = ?", m.RootID).Scan(ctx); err != nil {
		return 0, translate(err)
	}
	all, err := shown(t.db.NewSelect().Model((*Message)(nil)).Where("m.root_id = ?", m.RootID).Where("m.id <> ?", m.ID)).Count(ctx)
	if err != nil {
		return 0, translate(err)
	}
	var rows []Message
	err = shown(t.db.NewSelect().Model(&rows).Column("m.seq", "m.sender_id", "m.agent_id", "m.created_at").Where("m.root_id = ?", m.RootID).
		Where("m.id <> ?", m.ID)).OrderExpr("m.seq DESC").Limit(recountBack).Scan(ctx)
	if err != nil {
		return 0, translate(err)
	}
	if root.ReplyCount = int(all); m.State() == MessageShown {
		root.ReplyCount++
		rows = append(rows, *m)
		slices.SortFunc(rows, func(a, b Message) int { return int(b.Seq - a.Seq) })
	}
	var repliers []Replier
	root.LastReplyAt = time.Time{}
	for i := range slices.Backward(rows) {
		repliers, root.LastReplyAt = replied(repliers, &rows[i]), rows[i].CreatedAt
	}
	root.Repliers = ToJSON(append([]Replier{}, repliers...))
	return root.ReplyCount, t.setReplies(ctx, root)
}

// ShowRoot replaces what the replies to a message show of it, in their rows and in their
// events.
func (t *Tx) ShowRoot(ctx context.Context, root *Message, replyTo JSON) error {
	if root.LastReplySeq == 0 {
		return nil
	}
	if _, err := t.db.NewUpdate().Model((*Message)(nil)).Set("reply_to = ?", replyTo).Where("root_id = ?", root.ID).Exec(ctx); err != nil {
		return translate(err)
	}
	body := "json_set(body, '$.reply_to', json(?1))"
	if t.PG != nil {
		body = "jsonb_set(body::jsonb, '{reply_to}', ?1::jsonb)::json"
	}
	_, err := t.db.NewRaw("UPDATE events SET body = "+body+" WHERE room_id = ?0 AND type = 'message' AND seq IN (SELECT seq FROM messages WHERE root_id = ?2)",
		root.RoomID, string(replyTo), root.ID).Exec(ctx)
	return translate(err)
}

// disownRoots puts name in place of the name of a user in what replies show of the user's
// messages.
func (t *Tx) disownRoots(ctx context.Context, userID, name string) error {
	roots := "(SELECT id FROM messages WHERE sender_id = ?0 AND last_reply_seq IS NOT NULL)"
	to, body := "json_set(reply_to, '$.sender', ?1)", "json_set(body, '$.reply_to.sender', ?1)"
	if t.PG != nil {
		to = "jsonb_set(reply_to::jsonb, '{sender}', to_jsonb(?1::text))::json"
		body = "jsonb_set(body::jsonb, '{reply_to,sender}', to_jsonb(?1::text))::json"
	}
	if _, err := t.db.NewRaw("UPDATE messages SET reply_to = "+to+" WHERE root_id IN "+roots, userID, name).Exec(ctx); err != nil {
		return translate(err)
	}
	_, err := t.db.NewRaw("UPDATE events SET body = "+body+" WHERE type = 'message' AND (room_id, seq) IN"+
		" (SELECT room_id, seq FROM messages WHERE root_id IN "+roots+")", userID, name).Exec(ctx)
	return translate(err)
}

// ListReplies lists the replies to a message with their senders, oldest first, limit at most:
// the first with a seq above after, or, where before is not 0, the last below it. What readers
// may not read is among them.
func (q Queries) ListReplies(ctx context.Context, roomID, rootID string, after, before int64, limit int) (*Listing[Message], error) {
	sel := q.db.NewSelect().Model((*Message)(nil)).Where("m.root_id = ?", rootID).Where("m.room_id = ?", roomID).Where("m.seq > ?", after)
	if before > 0 {
		last := q.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.root_id = ?", rootID).Where("m.seq < ?", before).
			OrderExpr("m.seq DESC").Limit(int64(limit))
		sel = sel.Where("m.id IN (SELECT id FROM (?) AS last)", last)
	}
	sel = sel.OrderExpr("m.seq").Limit(int64(limit))
	return listing(ctx, listed[Message]{places: sel, key: "m.id", size: "1024 + " + q.octets("m.content", "m.metadata_json"),
		rows: func(model any) *bun.SelectQuery { return q.everything(model).Relation("Sender", nameOnly) },
		id:   func(m *Message) string { return m.ID }})
}

// ShownInThread lists the root of a thread and its newest replies, limit at most, with
// their senders, oldest first, without deleted and hidden ones. Agents read this.
func (q Queries) ShownInThread(ctx context.Context, roomID, rootID string, limit int) ([]Message, error) {
	var rows []Message
	newest := shown(q.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.root_id = ?", rootID)).OrderExpr("m.seq DESC").Limit(int64(limit))
	err := shown(q.db.NewSelect().Model(&rows).Relation("Sender", nameOnly).Where("m.room_id = ?", roomID).
		Where("(m.id = ? OR m.id IN (SELECT id FROM (?) AS newest))", rootID, newest)).OrderExpr("m.seq").Limit(int64(limit) + 1).Scan(ctx)
	return rows, translate(err)
}
