package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Decision says why each of a room's agents spoke or did not. It is about the messages
// after FromSeq up to Seq; when the two are equal, there was no new message. Candidates
// is the JSON of app's candidates.
type Decision struct {
	bun.BaseModel `bun:"table:agent_decisions,alias:d"`
	ID            string `bun:",pk"`
	RoomID        string
	Cause         string
	FromSeq       int64
	Seq           int64
	Guard         string `bun:",nullzero"` // what kept agents from speaking, for example "agent_row"
	Candidates    JSON
	CreatedAt     time.Time
}

// Summary tells whether this is a summary of silent messages, which is not stored. It has
// no cause, and its Candidates are the rolls for the last message.
func (d *Decision) Summary() bool { return d.Cause == "" }

// CreateDecisions adds decisions with one statement.
func (t *Tx) CreateDecisions(ctx context.Context, rows []Decision) error { return t.insert(ctx, &rows) }

// LastDecisions lists the newest decisions in a room, the last one first.
func (q Queries) LastDecisions(ctx context.Context, roomID string, limit int) ([]Decision, error) {
	var rows []Decision
	err := q.db.NewSelect().Model(&rows).Where("d.room_id = ?", roomID).OrderExpr("d.id DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// DeleteDecisionsBefore removes decisions that were made before t, at most
// limit; the turns stay.
func (t *Tx) DeleteDecisionsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*Decision)(nil), "created_at", before, limit)
}

// MessageDecisions lists a room's decisions about messages, newest first. With from it
// lists those about the message with that seq and later ones, nearest first.
func (q Queries) MessageDecisions(ctx context.Context, roomID string, from int64, limit int) ([]Decision, error) {
	var rows []Decision
	sel := q.db.NewSelect().Model(&rows).Where("d.room_id = ?", roomID).Where("d.from_seq < d.seq")
	if from > 0 {
		sel = sel.Where("d.seq >= ?", from).OrderExpr("d.seq, d.id")
	} else {
		sel = sel.OrderExpr("d.seq DESC, d.id DESC")
	}
	err := sel.Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// TurnsOf lists the turns that these decisions created, in their order.
func (q Queries) TurnsOf(ctx context.Context, decisionIDs []string) ([]Turn, error) {
	var rows []Turn
	if len(decisionIDs) == 0 {
		return nil, nil
	}
	err := withoutGraph(q.db.NewSelect().Model(&rows)).Where("t.decision_id IN (?)", bun.List(decisionIDs)).
		OrderExpr("t.decision_id, t.position").Limit(int64(len(decisionIDs) * DefaultLimit)).Scan(ctx)
	return rows, translate(err)
}

// TurnsThatRead lists the turns whose answer covers a message that came after the turn
// was decided.
func (q Queries) TurnsThatRead(ctx context.Context, roomID string, seq int64) ([]Turn, error) {
	var rows []Turn
	err := withoutGraph(q.db.NewSelect().Model(&rows)).Where("t.room_id = ?", roomID).Where("t.read_seq >= ?", seq).Where("t.trigger_seq < ?", seq).
		OrderExpr("t.read_seq").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// GoOn makes a room's agents decide again about the messages after looked. No message up
// to now counts towards the streak of agents' messages any more.
func (t *Tx) GoOn(ctx context.Context, roomID string, looked int64, lookAt time.Time) error {
	res, err := t.db.NewUpdate().Model((*Room)(nil)).Set("row_from = event_seq").Set("looked_seq = ?", looked).Set("look_at = ?", lookAt).
		Where("id = ?", roomID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
