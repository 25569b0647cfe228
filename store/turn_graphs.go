package store

import (
	"context"

	"github.com/uptrace/bun"
)

// SetTurnGraph gives a running attempt the graph that the turn goes through
// from now on; ErrStale when it is not the live one any more.
func (t *Tx) SetTurnGraph(ctx context.Context, id string, attempt int, name string, graph JSON) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("workflow = ?", name).Set("graph = ?", graph).
		Where("id = ?", id).Where("attempt = ?", attempt).Where("state = ?", TurnRunning).Exec(ctx)
	return changed(res, err, ErrStale)
}

// TurnPaused tells whether staff have paused a turn; ErrNotFound when it is
// gone.
func (q Queries) TurnPaused(ctx context.Context, id string) (bool, error) {
	t := new(Turn)
	_, err := first(ctx, q.db.NewSelect().Model(t).Column("paused").Where("t.id = ?", id), t)
	return t.Paused, err
}

// SetTurnPaused pauses a turn that is not over, or lets it go on; ErrStale
// when it is over or that is how it is.
func (t *Tx) SetTurnPaused(ctx context.Context, id string, paused bool) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("paused = ?", paused).Where("id = ?", id).Where("paused = ?", !paused).
		Where("state IN (?, ?, ?, ?)", TurnWaiting, TurnQueued, TurnRunning, TurnParked).Exec(ctx)
	return changed(res, err, ErrStale)
}

// Runs lists a room's turns that have a graph, newest first, without the
// graphs: those made before the one with the id before, or the newest of all.
func (q Queries) Runs(ctx context.Context, roomID, before string, limit int) ([]Turn, error) {
	var rows []Turn
	err := withoutGraph(q.runs(&rows, roomID, before, limit)).Scan(ctx)
	return rows, translate(err)
}

// withoutGraph leaves the graph of a turn out, which may be large.
func withoutGraph(s *bun.SelectQuery) *bun.SelectQuery { return s.ExcludeColumn("graph") }

func (q Queries) runs(rows any, roomID, before string, limit int) *bun.SelectQuery {
	s := q.db.NewSelect().Model(rows).Where("t.room_id = ?", roomID).Where("t.workflow IS NOT NULL")
	if before != "" {
		s = s.Where("t.id < ?", before) // ids are made in the order of time
	}
	return s.OrderExpr("t.id DESC").Limit(int64(limit))
}
