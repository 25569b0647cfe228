package storetest

import (
	"encoding/json"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

const usageColumns = `SELECT id, origin, COALESCE(turn_id, ''), COALESCE(agent_id, ''), COALESCE(room_id, ''), COALESCE(thread_id, ''), COALESCE(report_id, ''),
	COALESCE(course_id, ''), COALESCE(project_id, ''), COALESCE(person_id, ''), COALESCE(key_id, ''), COALESCE(key_owner, ''), COALESCE(key_kind, ''), provider, model,
	state, COALESCE(outcome, ''), basis, input_tokens, output_tokens, cached_tokens, cache_write_tokens, thinking_tokens, cost, COALESCE(currency, ''),
	COALESCE(price_version, ''), worst_tokens, worst_cost, CAST(COALESCE(holds, '[]') AS TEXT), overrun, day FROM usage ORDER BY id`

// Usage reads all calls of models, the oldest first, without their times.
func Usage(tb testing.TB, db *store.DB) []store.Usage {
	tb.Helper()
	var all []store.Usage
	scan := func(rows interface {
		Next() bool
		Scan(dest ...any) error
		Err() error
	}) {
		for rows.Next() {
			var u store.Usage
			var holds string
			if err := rows.Scan(&u.ID, &u.Origin, &u.TurnID, &u.AgentID, &u.RoomID, &u.ThreadID, &u.ReportID, &u.CourseID, &u.ProjectID, &u.PersonID, &u.KeyID,
				&u.KeyOwner, &u.KeyKind, &u.Provider, &u.Model, &u.State, &u.Outcome, &u.Basis, &u.InputTokens, &u.OutputTokens, &u.CachedTokens,
				&u.CacheWriteTokens, &u.ThinkingTokens, &u.Cost, &u.Currency, &u.PriceVersion, &u.WorstTokens, &u.WorstCost, &holds, &u.Overrun, &u.Day); err != nil {
				tb.Fatal(err)
			}
			u.Holds = store.JSON(holds)
			all = append(all, u)
		}
		if err := rows.Err(); err != nil {
			tb.Fatal(err)
		}
	}
	if db.Postgres() {
		rows, err := db.Pool().Query(tb.Context(), usageColumns)
		if err != nil {
			tb.Fatal(err)
		}
		defer rows.Close()
		scan(rows)
		return all
	}
	rows, err := db.Writer().QueryContext(tb.Context(), usageColumns)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	scan(rows)
	return all
}

// BudgetRows reads what is spent and held of all budgets, by the ids of their rows.
func BudgetRows(tb testing.TB, db *store.DB) map[string]store.BudgetRow {
	tb.Helper()
	const query = "SELECT id, budget_id, period_start, unit, cap, spent, held FROM budget_rows"
	all := map[string]store.BudgetRow{}
	scan := func(next func() bool, read func(dest ...any) error) {
		for next() {
			var r store.BudgetRow
			if err := read(&r.ID, &r.BudgetID, &r.PeriodStart, &r.Unit, &r.Cap, &r.Spent, &r.Held); err != nil {
				tb.Fatal(err)
			}
			all[r.ID] = r
		}
	}
	if db.Postgres() {
		rows, err := db.Pool().Query(tb.Context(), query)
		if err != nil {
			tb.Fatal(err)
		}
		defer rows.Close()
		scan(rows.Next, rows.Scan)
		return all
	}
	rows, err := db.Writer().QueryContext(tb.Context(), query)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	scan(rows.Next, rows.Scan)
	if err := rows.Err(); err != nil {
		tb.Fatal(err)
	}
	return all
}

// Balanced fails unless each row of a budget has spent what its calls used and holds what
// those under way may use, to the last billionth, and has spent no more than its cap.
func Balanced(tb testing.TB, db *store.DB) {
	tb.Helper()
	spent, held := map[string]int64{}, map[string]int64{}
	rows := BudgetRows(tb, db)
	for _, u := range Usage(tb, db) {
		for _, id := range HoldsOf(tb, &u) {
			used, worst := u.Cost, u.WorstCost
			if rows[id].Unit == store.UnitTokens {
				used, worst = u.InputTokens+u.OutputTokens, u.WorstTokens
			}
			switch u.State {
			case store.UsageHeld:
				held[id] += worst
			case store.UsageExpired:
				spent[id] += worst
			default:
				spent[id] += used
			}
		}
	}
	for id, r := range rows {
		if r.Spent != spent[id] || r.Held != held[id] {
			tb.Errorf("budget row %s has spent %d and holds %d; its calls used %d and hold %d", id, r.Spent, r.Held, spent[id], held[id])
		}
		if r.Spent > r.Cap || r.Spent+r.Held > r.Cap {
			tb.Errorf("budget row %s has spent %d and holds %d of %d", id, r.Spent, r.Held, r.Cap)
		}
	}
}

// HoldsOf are the ids of the rows of budgets that a call was held in.
func HoldsOf(tb testing.TB, u *store.Usage) (ids []string) {
	tb.Helper()
	if err := json.Unmarshal([]byte(u.Holds), &ids); err != nil {
		tb.Fatal(err)
	}
	return ids
}
