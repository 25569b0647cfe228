package store

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// UnitTokens is the unit of a budget that counts tokens. Every other unit is the code of a
// currency, and amounts are in its billionths.
const UnitTokens = "tokens"

// The periods of a budget.
const (
	PeriodDay   = "day"
	PeriodWeek  = "week" // from Monday, ISO 8601
	PeriodMonth = "month"
	PeriodTotal = "total"
)

// The things that a budget can be about.
const (
	ScopeKey    = "key"
	ScopePerson = "person"
	ScopeCourse = "course"
	ScopeRoom   = "room"
	ScopeAgent  = "agent"
)

// Scope is what a budget is about.
type Scope struct{ Kind, ID string }

// Budget is the most that the calls of a scope may use in each period.
type Budget struct {
	bun.BaseModel `bun:"table:budgets,alias:bu"`
	ID            string `bun:",pk"`
	ScopeKind     string
	ScopeID       string
	Period        string
	Unit          string
	Cap           int64
	CreatedBy     string `bun:",nullzero"`
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int
}

// Scope is what the budget is about.
func (b *Budget) Scope() Scope { return Scope{b.ScopeKind, b.ScopeID} }

// BudgetRow is a budget in one period. It is made when the budget is first used in it. Its
// Cap and Unit are those of the budget, because the condition of a reservation must look at
// no other row: another row would be read as it was when the statement began.
type BudgetRow struct {
	bun.BaseModel `bun:"table:budget_rows,alias:br"`
	ID            string `bun:",pk"`
	BudgetID      string
	PeriodStart   string
	Stripe        int // always 0 so far
	Unit          string
	Cap           int64
	Spent         int64
	Held          int64
	Warned        bool // staff were told that most of it is spent
}

// BudgetNotice says that a room was told of an empty budget.
type BudgetNotice struct {
	bun.BaseModel `bun:"table:budget_notices,alias:bn"`
	RowID         string `bun:",pk"`
	RoomID        string `bun:",pk"`
	MadeAt        time.Time
}

// PeriodStarts are the dates on which the present periods began, by the name of the period.
type PeriodStarts map[string]string

// BudgetNow is a budget with what is spent and held in its present period.
type BudgetNow struct {
	Budget      `bun:",extend"`
	PeriodStart string `bun:"-"`
	Begun       bool   `bun:",scanonly"` // its row exists
	Spent       int64  `bun:",scanonly"`
	Held        int64  `bun:",scanonly"`
	Warned      bool   `bun:",scanonly"`
}

// RowID is the id of the row of the present period.
func (b *BudgetNow) RowID() string { return b.ID + ":" + b.PeriodStart }

// Left is what a new call may still use.
func (b *BudgetNow) Left() int64 { return max(b.Cap-b.Spent-b.Held, 0) }

// Budgets lists the budgets of some scopes by id, as they are in the present periods.
func (q Queries) Budgets(ctx context.Context, scopes []Scope, now PeriodStarts) ([]BudgetNow, error) {
	if len(scopes) == 0 {
		return nil, nil
	}
	pairs, args := make([]string, len(scopes)), make([]any, 0, 2*len(scopes))
	for i, s := range scopes {
		pairs[i] = "(bu.scope_kind = ? AND bu.scope_id = ?)"
		args = append(args, s.Kind, s.ID)
	}
	return q.budgets(ctx, now, func(sel *bun.SelectQuery, bound []any) *bun.SelectQuery {
		return sel.Where("("+strings.Join(pairs, " OR ")+")", bound...).Limit(MaxLimit)
	}, args...)
}

// presentRow joins a budget's row of its present period. Its values are those of inOrder.
const presentRow = "LEFT JOIN budget_rows AS br ON br.budget_id = bu.id AND br.stripe = 0 AND br.period_start = " +
	"CASE bu.period WHEN 'day' THEN ? WHEN 'week' THEN ? WHEN 'month' THEN ? ELSE ? END"

// inOrder are the starts as presentRow takes them.
func (p PeriodStarts) inOrder() []any {
	return []any{p[PeriodDay], p[PeriodWeek], p[PeriodMonth], p[PeriodTotal]}
}

// SpentScopes lists those of some scopes that have a budget of which nothing is left in its
// present period. There may be thousands of scopes: they are asked for by kinds, because
// SQLite takes no condition with so many ORs.
func (q Queries) SpentScopes(ctx context.Context, scopes []Scope, now PeriodStarts) ([]Scope, error) {
	if len(scopes) == 0 {
		return nil, nil
	}
	ids := map[string][]string{}
	for _, s := range scopes {
		ids[s.Kind] = append(ids[s.Kind], s.ID)
	}
	var rows []Scope
	err := q.db.NewSelect().TableExpr("budgets AS bu").ColumnExpr("DISTINCT bu.scope_kind AS kind, bu.scope_id AS id").
		Join(presentRow, now.inOrder()...).
		WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
			for _, kind := range slices.Sorted(maps.Keys(ids)) {
				sel = sel.WhereOr("bu.scope_kind = ? AND bu.scope_id IN (?)", kind, bun.List(ids[kind]))
			}
			return sel
		}).
		Where("bu.cap <= COALESCE(br.spent, 0) + COALESCE(br.held, 0)").Limit(int64(len(scopes))).Scan(ctx, &rows)
	return rows, translate(err)
}

// AllBudgets lists budgets of all scopes, by id.
func (q Queries) AllBudgets(ctx context.Context, now PeriodStarts, p Page) ([]BudgetNow, error) {
	return q.budgets(ctx, now, func(sel *bun.SelectQuery, _ []any) *bun.SelectQuery { return p.on(sel) })
}

// Budget returns a budget as it is in the present period.
func (q Queries) Budget(ctx context.Context, id string, now PeriodStarts) (*BudgetNow, error) {
	rows, err := q.budgets(ctx, now, func(sel *bun.SelectQuery, bound []any) *bun.SelectQuery {
		return sel.Where("bu.id = ?", bound...).Limit(1)
	}, id)
	if err != nil || len(rows) == 0 {
		return nil, cmp.Or(err, ErrNotFound)
	}
	return &rows[0], nil
}

// budgets reads the budgets that which selects by args. Each call of a model asks this, so
// the values are bound and the statement is prepared once.
func (q Queries) budgets(ctx context.Context, now PeriodStarts, which func(sel *bun.SelectQuery, bound []any) *bun.SelectQuery,
	args ...any) ([]BudgetNow, error) {
	var rows []BudgetNow
	ctx, bound := q.bound(ctx, append(now.inOrder(), args...)...)
	err := which(q.db.NewSelect().Model(&rows).ColumnExpr("bu.*").
		ColumnExpr("br.id IS NOT NULL AS begun, COALESCE(br.spent, 0) AS spent, COALESCE(br.held, 0) AS held").
		ColumnExpr("COALESCE(br.warned, FALSE) AS warned").
		Join(presentRow, bound[:4]...).
		OrderExpr("bu.id"), bound[4:]).Scan(ctx)
	for i := range rows {
		rows[i].PeriodStart = now[rows[i].Period]
	}
	return rows, translate(err)
}

// CreateBudget adds a budget.
func (t *Tx) CreateBudget(ctx context.Context, b *Budget) error { return t.insert(ctx, b) }

// UpdateBudget changes a budget's cap, also for periods that have begun. ErrStale when the
// version is another one.
func (t *Tx) UpdateBudget(ctx context.Context, b *Budget) error {
	res, err := t.db.NewUpdate().Model(b).Set("cap = ?", b.Cap).Set("updated_at = ?", b.UpdatedAt).Set("version = version + 1").
		Where("id = ?", b.ID).Where("version = ?", b.Version).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		return err
	}
	b.Version++
	// At 80 % of the new cap staff are told again, and rooms when that is used up.
	rows := func() *bun.SelectQuery {
		return t.db.NewSelect().Model((*BudgetRow)(nil)).Column("br.id").Where("br.budget_id = ?", b.ID)
	}
	if _, err = t.db.NewDelete().Model((*BudgetNotice)(nil)).Where("row_id IN (?)", rows()).Exec(ctx); err != nil {
		return translate(err)
	}
	_, err = t.db.NewUpdate().Model((*BudgetRow)(nil)).Set("warned = ?", false).Set("cap = ?", b.Cap).Where("budget_id = ?", b.ID).Exec(ctx)
	return translate(err)
}

// DeleteBudget deletes a budget with its rows; what was used stays.
func (t *Tx) DeleteBudget(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Budget)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// ErrShort says that a budget has too little left.
var ErrShort = errors.New("a budget has too little left")

// Reserve adds a call that is under way and holds its worst in the rows of all budgets, or
// does nothing: ErrShort when one of them has too little left, or is gone. u.Holds gets the
// rows.
func (t *Tx) Reserve(ctx context.Context, u *Usage, budgets []BudgetNow) error {
	// All calls take their budgets in this order, so that no two wait for each other.
	slices.SortFunc(budgets, func(a, b BudgetNow) int { return strings.Compare(a.ID, b.ID) })
	ids := make([]string, len(budgets))
	for i := range budgets {
		ids[i] = budgets[i].RowID()
		if budgets[i].Begun {
			continue
		}
		if err := t.beginBudget(ctx, &budgets[i]); err != nil {
			return err
		}
	}
	u.Holds = ToJSON(ids)
	if err := t.insert(ctx, u); err != nil {
		return err
	}
	n, err := t.changeRows(ctx, ids, bun.SafeQuery("held = held + ?", amount(u.WorstTokens, u.WorstCost)),
		bun.SafeQuery("AND spent + held + ? <= cap", amount(u.WorstTokens, u.WorstCost)))
	if err == nil && n < int64(len(ids)) {
		err = ErrShort
	}
	return err
}

// beginBudget makes the row of a budget's present period. It holds the budget, so that a
// change of the cap comes wholly before or wholly after it.
func (t *Tx) beginBudget(ctx context.Context, b *BudgetNow) error {
	hold := ""
	if t.PG != nil {
		hold = " FOR SHARE"
	}
	_, err := t.db.NewRaw(`INSERT INTO budget_rows (id, budget_id, period_start, stripe, unit, cap, spent, held, warned)
		SELECT ?, id, ?, 0, unit, cap, 0, 0, FALSE FROM budgets WHERE id = ?`+hold+` ON CONFLICT DO NOTHING`,
		b.RowID(), b.PeriodStart, b.ID).Exec(ctx)
	return translate(err)
}

// amount is what a row counts of a call, in the row's unit.
func amount(tokens, cost int64) schema.QueryWithArgs {
	return bun.SafeQuery("CASE WHEN unit = ? THEN ? ELSE ? END", UnitTokens, tokens, cost)
}

// changeRows changes rows of budgets with one statement. It locks them in the order of their
// ids: two calls that share several budgets could otherwise wait for each other.
func (t *Tx) changeRows(ctx context.Context, ids []string, set, where schema.QueryWithArgs) (int64, error) {
	lock := ""
	if t.PG != nil {
		lock = " ORDER BY id FOR UPDATE"
	}
	return affected(t.db.NewRaw("UPDATE budget_rows SET ? WHERE id IN (SELECT id FROM budget_rows WHERE id IN (?)"+lock+") ?",
		set, bun.List(ids), where).Exec(ctx))
}

// Settle writes what a call used that was held, and frees what was held for it. A call that
// has expired meanwhile has been charged with its worst; that is put right. late is true
// then. Nothing happens for a call that is settled already.
func (t *Tx) Settle(ctx context.Context, u *Usage) (late bool, err error) {
	settle := func(was string) (bool, error) {
		n, err := affected(t.db.NewUpdate().Model(u).Column("state", "outcome", "basis", "input_tokens", "output_tokens", "cached_tokens",
			"cache_write_tokens", "thinking_tokens", "cost", "overrun", "expires_at", "latency_ms").
			Where("id = ?", u.ID).Where("state = ?", was).Exec(ctx))
		return n > 0, err
	}
	return t.settle(ctx, u, settle, amount(u.InputTokens+u.OutputTokens, u.Cost))
}

// Unreserve frees what was held for a call that nobody will bill, and forgets the call.
func (t *Tx) Unreserve(ctx context.Context, u *Usage) (late bool, err error) {
	forget := func(was string) (bool, error) {
		n, err := affected(t.db.NewDelete().Model((*Usage)(nil)).Where("id = ?", u.ID).Where("state = ?", was).Exec(ctx))
		return n > 0, err
	}
	return t.settle(ctx, u, forget, amount(0, 0))
}

func (t *Tx) settle(ctx context.Context, u *Usage, from func(state string) (bool, error),
	used schema.QueryWithArgs) (late bool, err error) {
	worst := amount(u.WorstTokens, u.WorstCost)
	set := bun.SafeQuery("held = held - ?, spent = spent + ?", worst, used)
	found, err := from(UsageHeld)
	if err == nil && !found {
		late, err = from(UsageExpired)
		set = bun.SafeQuery("spent = spent - ? + ?", worst, used)
	}
	if err != nil || !found && !late {
		return false, err
	}
	var ids []string
	if ids, err = u.Held(); err != nil {
		return late, err
	}
	_, err = t.changeRows(ctx, ids, set, bun.SafeQuery(""))
	return late, err
}

// OverdueUsage lists the ids of calls that were to be settled before asOf, the oldest first.
func (q Queries) OverdueUsage(ctx context.Context, asOf time.Time, limit int) (ids []string, err error) {
	err = q.db.NewSelect().Model((*Usage)(nil)).Column("id").Where("us.state = 'held'").Where("us.expires_at <= ?", asOf.UTC()).
		OrderExpr("us.expires_at").Limit(int64(limit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// Expire charges a call with its worst, because nobody has said in time how it ended. It
// does not free it: the call may still run at the provider. It returns nil when the call was
// settled meanwhile.
func (t *Tx) Expire(ctx context.Context, id string, asOf time.Time) (*Usage, error) {
	u := new(Usage)
	res, err := t.db.NewUpdate().Model(u).Set("state = ?", UsageExpired).Set("outcome = ?", UsageExpired).
		Where("id = ?", id).Where("state = 'held'").Where("expires_at <= ?", asOf.UTC()).Returning("*").Exec(ctx)
	switch err := changed(res, err, ErrNotFound); {
	case errors.Is(err, ErrNotFound):
		return nil, nil //nolint:nilnil // somebody was faster
	case err != nil:
		return nil, err
	}
	ids, err := u.Held()
	if err != nil {
		return nil, err
	}
	worst := amount(u.WorstTokens, u.WorstCost)
	_, err = t.changeRows(ctx, ids, bun.SafeQuery("held = held - ?, spent = spent + ?", worst, worst), bun.SafeQuery(""))
	return u, err
}

// WarnOfBudget marks the row of a budget of which 80 % are spent, once for each period. It
// returns false when that is not so, or is marked already.
func (t *Tx) WarnOfBudget(ctx context.Context, rowID string) (bool, error) {
	n, err := affected(t.db.NewUpdate().Model((*BudgetRow)(nil)).Set("warned = ?", true).
		Where("id = ?", rowID).Where("warned = ?", false).Where("cap > 0").Where("spent >= cap - cap / 5").Exec(ctx))
	return n > 0, err
}

// NoteBudget notes that a room is told of an empty budget. It returns false when it was told
// already in this period.
func (t *Tx) NoteBudget(ctx context.Context, b *BudgetNow, roomID string, now time.Time) (bool, error) {
	if err := t.beginBudget(ctx, b); err != nil {
		return false, err
	}
	n, err := affected(t.db.NewRaw(`INSERT INTO budget_notices (row_id, room_id, made_at) SELECT id, ?, ? FROM budget_rows WHERE id = ?
		ON CONFLICT (row_id, room_id) DO NOTHING`, roomID, t.instant(now), b.RowID()).Exec(ctx))
	return n > 0, err
}

// Held returns the ids of the rows of budgets that a call was held in.
func (u *Usage) Held() (ids []string, err error) {
	err = json.Unmarshal([]byte(u.Holds), &ids)
	slices.Sort(ids)
	return ids, err
}
