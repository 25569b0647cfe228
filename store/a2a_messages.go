package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// A2AMessage is a message from one agent to another in a turn. The messages of one
// exchange have the same CorrelationID.
type A2AMessage struct {
	bun.BaseModel `bun:"table:a2a_messages,alias:am"`
	MessageID     string `bun:",pk"`
	CorrelationID string
	TurnID        string
	RoomID        string
	Type          string
	SenderID      string // an agent's id, or system
	RecipientID   string // an agent's id, broadcast or all
	Content       JSON   // the payload of the type, see app/a2a
	Metadata      JSON
	CreatedAt     time.Time
}

// CreateA2AMessages adds messages with one statement.
func (t *Tx) CreateA2AMessages(ctx context.Context, rows []A2AMessage) error {
	if len(rows) == 0 {
		return nil
	}
	return t.insert(ctx, &rows)
}

// Exchange is a turn in which agents wrote to each other, with their messages in order.
type Exchange struct {
	Turn
	Messages []A2AMessage
}

// Exchanges lists the turns of a room in which agents wrote to each other, newest first
// and without their graphs. It lists those made before the turn with the id before, or
// the newest when before is empty.
func (q Queries) Exchanges(ctx context.Context, roomID, before string, limit int) (*Listing[Exchange], error) {
	letters := q.db.NewSelect().TableExpr("a2a_messages AS am").ColumnExpr("1").Where("am.turn_id = t.id")
	turns, err := listing(ctx, listed[Turn]{
		places: q.runs((*Turn)(nil), roomID, before, limit).Where("EXISTS (?)", letters),
		key:    "t.id", size: "(SELECT COALESCE(sum(" + q.octets("am.content", "am.metadata") + "), 0) FROM a2a_messages AS am WHERE am.turn_id = t.id)",
		rows: func(model any) *bun.SelectQuery { return withoutGraph(q.db.NewSelect().Model(model)) },
		id:   func(t *Turn) string { return t.ID },
	})
	if err != nil {
		return nil, err
	}
	return Map(turns, q.exchangesOf), nil
}

// exchangesOf adds to each turn the messages written in it.
func (q Queries) exchangesOf(ctx context.Context, turns []Turn) ([]Exchange, error) {
	ids, at, out := make([]string, len(turns)), make(map[string]int, len(turns)), make([]Exchange, len(turns))
	for i, t := range turns {
		ids[i], at[t.ID], out[i].Turn = t.ID, i, t
	}
	rows, err := q.A2AMessages(ctx, ids)
	for _, m := range rows {
		e := &out[at[m.TurnID]]
		e.Messages = append(e.Messages, m)
	}
	return out, err
}

// A2AMessages lists the messages written in some turns, in their order.
func (q Queries) A2AMessages(ctx context.Context, turnIDs []string) ([]A2AMessage, error) {
	if len(turnIDs) == 0 {
		return nil, nil
	}
	var rows []A2AMessage
	err := q.db.NewSelect().Model(&rows).Where("am.turn_id IN (?)", bun.List(turnIDs)).
		OrderExpr("am.turn_id DESC, am.message_id").Limit(int64(len(turnIDs) * maxLetters)).Scan(ctx)
	return rows, translate(err)
}

// maxLetters is more than a run of a graph can write.
const maxLetters = 500
