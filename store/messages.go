package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Message is one line of a room: a person's (SenderID) or an agent's (AgentID
// and the turn that said it). Seq is the number of its event in the room.
type Message struct {
	bun.BaseModel `bun:"table:messages,alias:m"`
	ID            string `bun:",pk"`
	RoomID        string
	Seq           int64
	SenderID      string `bun:",nullzero"`
	AgentID       string `bun:",nullzero"`
	AgentType     string `bun:",nullzero"`
	AgentName     string `bun:",nullzero"`
	TurnID        string `bun:",nullzero"`
	ClientID      string `bun:",nullzero"` // the sender's own name for it, which makes a resend harmless
	Content       string
	CreatedAt     time.Time

	Sender *User `bun:"rel:belongs-to,join:sender_id=id"`
}

// ByAgent tells whether an agent said it.
func (m *Message) ByAgent() bool { return m.AgentType != "" }

// Messages lists a room's lines with their senders, oldest first: the newest
// limit of those with a seq below before (0 = no bound).
func (q Queries) Messages(ctx context.Context, roomID string, before int64, limit int) ([]Message, error) {
	var rows []Message
	sel := q.db.NewSelect().Model(&rows).Relation("Sender").Where("m.room_id = ?", roomID).
		OrderExpr("m.seq DESC").Limit(int64(limit))
	if before > 0 {
		sel = sel.Where("m.seq < ?", before)
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, translate(err)
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows, nil
}

// MessageByClientID returns the line that a sender posted under this name.
func (q Queries) MessageByClientID(ctx context.Context, roomID, senderID, clientID string) (*Message, error) {
	m := new(Message)
	return first(ctx, q.db.NewSelect().Model(m).Where("m.room_id = ?", roomID).
		Where("m.sender_id = ?", senderID).Where("m.client_id = ?", clientID), m)
}

// CreateMessage adds a line under a seq that NextSeq gave. added is false when
// the sender has posted under this ClientID, or the turn has spoken, before;
// the transaction must then be rolled back, for the seq is used up.
func (t *Tx) CreateMessage(ctx context.Context, m *Message) (added bool, err error) {
	return t.insertOnce(ctx, m)
}

// PersonLinesSince counts the people's lines in a room since an agent last
// spoke there, at most MaxLimit.
func (q Queries) PersonLinesSince(ctx context.Context, roomID, agentID string) (int, error) {
	last := q.db.NewSelect().Model((*Message)(nil)).ColumnExpr("COALESCE(max(m.seq), 0)").
		Where("m.room_id = ?", roomID).Where("m.agent_id = ?", agentID)
	lines := q.db.NewSelect().Model((*Message)(nil)).Column("m.id").Where("m.room_id = ?", roomID).
		Where("m.agent_type IS NULL").Where("m.seq > (?)", last).Limit(MaxLimit)
	var n int
	err := q.db.NewSelect().TableExpr("(?) AS lines", lines).ColumnExpr("count(*)").Scan(ctx, &n)
	return n, translate(err)
}
