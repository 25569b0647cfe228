package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/store"
)

// didFindLowBudget is the audit log's action for a budget of which 80 % are spent.
const didFindLowBudget Action = "budget.low"

// warnOfBudgets tells, once in each period, that 80 % of a call's budgets are spent: admins in
// the audit log, and the staff of one room. That is the room of the call. A call outside rooms
// has none: then it is a room that the budget is about, where its people are most likely to
// look.
func (a *App) warnOfBudgets(ctx context.Context, u *store.Usage) {
	ids, err := u.Held()
	var low []store.BudgetRow
	if err == nil {
		low, err = a.db.LowBudgets(ctx, ids)
	}
	errs := []error{err}
	for i := range low {
		errs = append(errs, store.UnlessMissing(a.warnOfBudget(ctx, u.RoomID, &low[i])))
	}
	if err := errors.Join(errs...); err != nil {
		a.log.WarnContext(ctx, "the staff were not told that most of a budget is spent", "usage", u.ID, "err", err)
	}
}

func (a *App) warnOfBudget(ctx context.Context, roomID string, row *store.BudgetRow) error {
	if roomID == "" {
		b, err := a.db.Budget(ctx, row.BudgetID, a.ledger.Starts())
		if err != nil {
			return err
		}
		if roomID, err = a.db.RoomOfScope(ctx, b.Scope()); err != nil {
			return err
		}
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		var room *store.Room
		if roomID != "" {
			var err error
			// Lock order: the room is before the budget.
			if room, err = tx.RoomForUpdate(ctx, roomID); errors.Is(err, store.ErrNotFound) {
				room = nil // it was deleted meanwhile
			} else if err != nil {
				return err
			}
		}
		if fresh, err := tx.WarnOfBudget(ctx, row.ID); err != nil || !fresh {
			return err
		}
		b, err := tx.Budget(ctx, row.BudgetID, a.ledger.Starts())
		if err != nil {
			return err
		}
		spent := ledger.Amount(row.Spent, row.Unit)
		facts := budgetFacts(&b.Budget)
		facts["period_start"], facts["spent"] = row.PeriodStart, spent
		if err := a.audit.record(ctx, tx, operator(), didFindLowBudget, target{"budget", b.ID}, nil, facts); err != nil || room == nil {
			return err
		}
		return a.engine.NoticeLowBudget(ctx, tx, room, b, fmt.Sprintf("%s is spent up to %s", ledger.Name(&b.Budget), spent))
	})
}
