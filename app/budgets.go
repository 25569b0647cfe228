package app

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// NewBudget is a budget that somebody makes. Cap is a decimal number in Unit.
type NewBudget struct {
	Scope             store.Scope
	Period, Unit, Cap string
}

// SeenBudget is a budget as people see it.
type SeenBudget struct {
	store.BudgetNow
	RenewsAt time.Time // zero for one that never renews
}

const (
	// maxBudgets is how many budgets one thing may have.
	maxBudgets = 20
	// maxCap keeps all sums far below the largest number: a hundred million in money.
	maxCap = int64(1e17)
)

// Budgets lists the budgets of a scope, by id. Without a scope it lists all of them, which
// is for admins.
func (a *App) Budgets(ctx context.Context, actor *Actor, scope store.Scope, p store.Page) ([]SeenBudget, error) {
	var rows []store.BudgetNow
	var err error
	if scope == (store.Scope{}) {
		if err := Check(actor, ActReadBudgets, Resource{}); err != nil {
			return nil, err
		}
		rows, err = a.db.AllBudgets(ctx, a.ledger.Starts(), p)
	} else {
		if _, err := a.mayBudget(ctx, actor, scope, ActReadBudgets); err != nil {
			return nil, err
		}
		rows, err = a.db.Budgets(ctx, []store.Scope{scope}, a.ledger.Starts())
	}
	seen := make([]SeenBudget, len(rows))
	for i := range rows {
		seen[i] = *a.seenBudget(&rows[i])
	}
	return seen, err
}

func (a *App) seenBudget(b *store.BudgetNow) *SeenBudget {
	return &SeenBudget{*b, a.ledger.RenewsAt(b.Period)}
}

// outOfBudget says of agents in rooms, by room and agent, which may not speak because a budget
// of the agent, the room or its course has nothing left in its present period.
func (a *App) outOfBudget(ctx context.Context, places []store.AgentPlace) (map[[2]string]bool, error) {
	asked := map[store.Scope]bool{}
	of := func(p *store.AgentPlace) []store.Scope {
		return []store.Scope{{Kind: store.ScopeAgent, ID: p.AgentID}, {Kind: store.ScopeRoom, ID: p.RoomID}, {Kind: store.ScopeCourse, ID: p.CourseID}}
	}
	for i := range places {
		for _, s := range of(&places[i]) {
			asked[s] = true
		}
	}
	if len(asked) == 0 {
		return nil, nil //nolint:nilnil // no places, no agents
	}
	rows, err := a.db.SpentScopes(ctx, slices.Collect(maps.Keys(asked)), a.ledger.Starts())
	if err != nil {
		return nil, err
	}
	empty := map[store.Scope]bool{}
	for _, s := range rows {
		empty[s] = true
	}
	out := map[[2]string]bool{}
	for i := range places {
		if p := &places[i]; slices.ContainsFunc(of(p), func(s store.Scope) bool { return empty[s] }) {
			out[[2]string{p.RoomID, p.AgentID}] = true
		}
	}
	return out, nil
}

// mayBudget checks that the actor may read or change the budgets of a scope. Those of a key
// are for its owner alone, those of what is gone for admins: gone is the error that anybody
// else gets for it. Whether a person exists is not looked up.
func (a *App) mayBudget(ctx context.Context, actor *Actor, scope store.Scope, action Action) (gone, err error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	if err := oneOf("scope_kind", scope.Kind, store.ScopeKey, store.ScopePerson, store.ScopeCourse, store.ScopeRoom,
		store.ScopeAgent); err != nil {
		return nil, err
	}
	res, err := a.scopeResource(ctx, actor, scope)
	switch {
	case scope.Kind == store.ScopeKey && err == nil:
		return nil, Check(actor, ActOwnKeys, Resource{})
	case err != nil && KindOf(err) == KindNotFound && actor.isAdmin() && scope.Kind != store.ScopeKey:
		return err, Check(actor, action, Resource{})
	case err != nil:
		return nil, err
	}
	return nil, Check(actor, action, res)
}

// Budget shows a budget.
func (a *App) Budget(ctx context.Context, actor *Actor, id string) (*SeenBudget, error) {
	b, err := a.budgetFor(ctx, actor, id, ActReadBudgets)
	if err != nil {
		return nil, err
	}
	return a.seenBudget(b), nil
}

func (a *App) budgetFor(ctx context.Context, actor *Actor, id string, action Action) (*store.BudgetNow, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	b, err := a.db.Budget(ctx, id, a.ledger.Starts())
	if err != nil {
		return nil, fromStore(err, "Budget")
	}
	_, err = a.mayBudget(ctx, actor, b.Scope(), action)
	return b, err
}

// CreateBudget makes a budget. It counts calls that begin from now on. Nobody makes one of
// what is gone.
func (a *App) CreateBudget(ctx context.Context, actor *Actor, in NewBudget) (*SeenBudget, error) {
	gone, err := a.mayBudget(ctx, actor, in.Scope, ActWriteBudgets)
	if err == nil {
		err = gone
	}
	if err == nil && in.Scope.Kind == store.ScopePerson {
		_, err = a.db.User(ctx, in.Scope.ID)
		err = fromStore(err, "User")
	}
	if err != nil {
		return nil, err
	}
	if err := oneOf("period", in.Period, store.PeriodDay, store.PeriodWeek, store.PeriodMonth, store.PeriodTotal); err != nil {
		return nil, err
	}
	if in.Unit != store.UnitTokens && !config.ValidCurrency(in.Unit) {
		return nil, invalid("unit", "must be tokens, or the code of a currency such as USD")
	}
	most, err := budgetCap(in.Cap, in.Unit)
	if err != nil {
		return nil, err
	}
	now := a.instant()
	b := &store.BudgetNow{Budget: store.Budget{ID: store.NewID(), ScopeKind: in.Scope.Kind, ScopeID: in.Scope.ID, Period: in.Period,
		Unit: in.Unit, Cap: most, CreatedBy: actor.User.ID, CreatedAt: now, UpdatedAt: now, Version: 1}}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		have, err := tx.Budgets(ctx, []store.Scope{in.Scope}, a.ledger.Starts())
		if err != nil {
			return err
		}
		if len(have) >= maxBudgets {
			return errorf(KindConflict, wording.Quota, "There are %d budgets already, more are not possible; change one of them", len(have))
		}
		if err := tx.CreateBudget(ctx, &b.Budget); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didCreateBudget, target{"budget", b.ID}, nil, budgetFacts(&b.Budget))
	})
	return a.seenBudget(b), err
}

func budgetCap(text, unit string) (int64, error) {
	digits := money.NanoDigits
	if unit == store.UnitTokens {
		digits = 0
	}
	n, err := money.Parse(text, digits)
	switch {
	case err != nil:
		return 0, invalid("cap", "%v", err)
	case n > maxCap:
		return 0, invalid("cap", "must be at most %s", money.Format(maxCap, digits))
	}
	return n, nil
}

func budgetFacts(b *store.Budget) changes {
	most := money.Nano(b.Cap)
	if b.Unit == store.UnitTokens {
		most = money.Format(b.Cap, 0)
	}
	return changes{"scope_kind": b.ScopeKind, "scope_id": b.ScopeID, "period": b.Period, "unit": b.Unit, "cap": most}
}

// UpdateBudget changes a budget's cap. version is the one that the change was made to, nil
// for whatever there is.
func (a *App) UpdateBudget(ctx context.Context, actor *Actor, id, most string, version *int64) (*SeenBudget, error) {
	b, err := a.budgetFor(ctx, actor, id, ActWriteBudgets)
	if err != nil {
		return nil, err
	}
	before := budgetFacts(&b.Budget)
	if b.Cap, err = budgetCap(most, b.Unit); err != nil {
		return nil, err
	}
	if version != nil {
		b.Version = int(*version)
	}
	b.UpdatedAt = a.instant()
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.UpdateBudget(ctx, &b.Budget); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteBudgets, target{"budget", id}, before, budgetFacts(&b.Budget))
	})
	return a.seenBudget(b), fromStore(err, "Budget")
}

// DeleteBudget deletes a budget. What was used stays.
func (a *App) DeleteBudget(ctx context.Context, actor *Actor, id string) error {
	b, err := a.budgetFor(ctx, actor, id, ActWriteBudgets)
	if err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteBudget(ctx, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didDeleteBudget, target{"budget", id}, budgetFacts(&b.Budget), nil)
	}), "Budget")
}
