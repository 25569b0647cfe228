package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// BudgetWait is a turn that is parked until a budget has enough left for its next call. It
// does not refer to the turn: a sweep removes the waits of turns that are not parked.
type BudgetWait struct {
	bun.BaseModel `bun:"table:budget_waits,alias:bw"`
	TurnID        string `bun:",pk"`
	BudgetID      string
	Worst         int64 // in the budget's unit
	CreatedAt     time.Time
}

// WaitForBudget notes that a turn is parked for a budget.
func (t *Tx) WaitForBudget(ctx context.Context, w *BudgetWait) error {
	_, err := t.db.NewInsert().Model(w).On("CONFLICT (turn_id) DO UPDATE").Set("budget_id = EXCLUDED.budget_id").
		Set("worst = EXCLUDED.worst").Set("created_at = EXCLUDED.created_at").Exec(ctx)
	return translate(err)
}

// ForgetBudgetWait removes a turn's wait.
func (t *Tx) ForgetBudgetWait(ctx context.Context, turnID string) error {
	_, err := t.db.NewDelete().Model((*BudgetWait)(nil)).Where("turn_id = ?", turnID).Exec(ctx)
	return translate(err)
}

// WaitingForBudget is a wait that may be over, with what its budget has left. Gone says that
// the budget was deleted.
type WaitingForBudget struct {
	BudgetWait `bun:",extend"`
	Gone       bool  `bun:",scanonly"`
	Left       int64 `bun:",scanonly"`
}

// BudgetWaitsOver lists waits whose budget has enough left for them, was deleted, or whose
// turn is not parked any more; the oldest first, limit at most.
func (q Queries) BudgetWaitsOver(ctx context.Context, now PeriodStarts, limit int) ([]WaitingForBudget, error) {
	var rows []WaitingForBudget
	const left = "bu.cap - COALESCE(br.spent, 0) - COALESCE(br.held, 0)"
	err := q.db.NewSelect().Model(&rows).ColumnExpr("bw.*").ColumnExpr("bu.id IS NULL AS gone").ColumnExpr("COALESCE("+left+", 0) AS left").
		Join("LEFT JOIN budgets AS bu ON bu.id = bw.budget_id").
		Join("LEFT JOIN budget_rows AS br ON br.budget_id = bu.id AND br.stripe = 0 AND br.period_start = "+
			"CASE bu.period WHEN 'day' THEN ? WHEN 'week' THEN ? WHEN 'month' THEN ? ELSE ? END",
			now[PeriodDay], now[PeriodWeek], now[PeriodMonth], now[PeriodTotal]).
		Join("LEFT JOIN agent_turns AS t ON t.id = bw.turn_id").
		Where("bu.id IS NULL OR "+left+" >= bw.worst OR COALESCE(t.state, '') <> ?", TurnParked).
		OrderExpr("bw.created_at, bw.turn_id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// NewerTurn tells whether an agent has a turn in a room about newer messages than a turn.
func (q Queries) NewerTurn(ctx context.Context, t *Turn) (bool, error) {
	return q.db.NewSelect().Model((*Turn)(nil)).Where("t.room_id = ?", t.RoomID).Where("t.agent_id = ?", t.AgentID).
		Where("t.trigger_seq > ?", t.TriggerSeq).Exists(ctx)
}

// ParkedForBudget lists the turns of an agent that wait in a room for a budget.
func (q Queries) ParkedForBudget(ctx context.Context, roomID, agentID string) ([]Turn, error) {
	var rows []Turn
	err := q.db.NewSelect().Model(&rows).ExcludeColumn("graph").Join("JOIN budget_waits AS bw ON bw.turn_id = t.id").
		Where("t.room_id = ?", roomID).Where("t.agent_id = ?", agentID).Where("t.state = ?", TurnParked).
		OrderExpr("t.id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// LowBudgets lists the ids of rows of budgets of which 80 % are spent and whose staff were
// not told.
func (q Queries) LowBudgets(ctx context.Context, rowIDs []string) ([]BudgetRow, error) {
	var rows []BudgetRow
	if len(rowIDs) == 0 {
		return nil, nil
	}
	err := q.db.NewSelect().Model(&rows).Where("br.id IN (?)", bun.List(rowIDs)).Where("NOT br.warned").Where("br.cap > 0").
		Where("br.spent >= br.cap - br.cap / 5").OrderExpr("br.id").Scan(ctx)
	return rows, translate(err)
}

// RoomOfScope returns the id of the room in which a person spoke last, of the rooms of a
// course or an agent, or, for a key, of the courses of its owner. "" says that there is none.
func (q Queries) RoomOfScope(ctx context.Context, s Scope) (string, error) {
	var ids []string
	sel := q.db.NewSelect().Model((*Room)(nil)).Column("r.id").Where("r.thread_id IS NULL")
	switch s.Kind {
	case ScopeCourse:
		sel = sel.Where("r.course_id = ?", s.ID)
	case ScopeAgent:
		sel = sel.Join("JOIN room_agents AS ra ON ra.room_id = r.id").Where("ra.agent_id = ?", s.ID)
	case ScopeKey:
		sel = sel.Join("JOIN courses AS c ON c.id = r.course_id").Join("JOIN user_keys AS uk ON uk.user_id = c.owner_id").
			Where("uk.id = ?", s.ID)
	default:
		return "", nil
	}
	err := sel.OrderExpr("COALESCE(r.person_at, r.created_at) DESC, r.id").Limit(1).Scan(ctx, &ids)
	if err != nil || len(ids) == 0 {
		return "", translate(err)
	}
	return ids[0], nil
}
