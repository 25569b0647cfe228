package store

import (
	"context"

	"github.com/uptrace/bun"
)

// SetTurnGraph sets the graph of a running attempt's turn. ErrStale when this attempt is
// not the current one any more.
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

// SetTurnPaused pauses a turn or lets it go on. ErrStale when the turn has ended, or is
// in that state already.
func (t *Tx) SetTurnPaused(ctx context.Context, id string, paused bool) error {
	res, err := t.db.NewUpdate().Model((*Turn)(nil)).Set("paused = ?", paused).Where("id = ?", id).Where("paused = ?", !paused).
		Where("state IN (?, ?, ?, ?)", TurnWaiting, TurnQueued, TurnRunning, TurnParked).Exec(ctx)
	return changed(res, err, ErrStale)
}

// Runs lists a room's turns that have a graph, newest first and without the graphs. It
// lists those made before the turn with the id before, or the newest when before is
// empty.
func (q Queries) Runs(ctx context.Context, roomID, before string, limit int) ([]Turn, error) {
	var rows []Turn
	err := withoutGraph(q.runs(&rows, roomID, before, limit)).Scan(ctx)
	return rows, translate(err)
}

// RunsInCourse is Runs for all rooms of a course.
func (q Queries) RunsInCourse(ctx context.Context, courseID, before string, limit int) ([]Turn, error) {
	var rows []Turn
	s := withoutGraph(q.db.NewSelect().Model(&rows)).Where("t.room_id IN (SELECT r.id FROM rooms AS r WHERE r.course_id = ?)", courseID).
		Where("t.workflow IS NOT NULL")
	if before != "" {
		s = s.Where("t.id < ?", before)
	}
	err := s.OrderExpr("t.id DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// withoutGraph leaves out the graph of a turn, which may be large.
func withoutGraph(s *bun.SelectQuery) *bun.SelectQuery { return s.ExcludeColumn("graph") }

func (q Queries) runs(rows any, roomID, before string, limit int) *bun.SelectQuery {
	s := q.db.NewSelect().Model(rows).Where("t.room_id = ?", roomID).Where("t.workflow IS NOT NULL")
	if before != "" {
		s = s.Where("t.id < ?", before) // ids sort by time
	}
	return s.OrderExpr("t.id DESC").Limit(int64(limit))
}
