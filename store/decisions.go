package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Decision is why each of a room's agents spoke or did not: about the lines
// after FromSeq up to Seq, or, when the two are equal, without any new line.
// Candidates is the JSON of app's candidates.
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

// CreateDecisions adds decisions with one statement.
func (t *Tx) CreateDecisions(ctx context.Context, rows []Decision) error { return t.insert(ctx, &rows) }

// DeleteDecisionsBefore removes decisions that were made before t, at most
// limit; the turns stay.
func (t *Tx) DeleteDecisionsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*Decision)(nil), "created_at", before, limit)
}
