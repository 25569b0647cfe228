package store

import (
	"context"
	"math"
	"time"

	"github.com/uptrace/bun"
)

// The states of what a call uses. A held one is under way: the worst that it can cost is
// kept free in its budgets.
const (
	UsageHeld    = "held"
	UsageSettled = "settled"
	UsageExpired = "expired" // nobody said how it ended in time, so the worst was charged
)

// What the numbers of a call rest on.
const (
	BasisReported = "reported" // the provider has counted them
	BasisWorst    = "worst"    // the provider said nothing, and the worst had been held for it
	BasisEstimate = "estimate" // the provider said nothing, and there was no budget
)

// Usage is what one attempt at a model used. Its ids are plain texts without references: it
// outlives what they name.
type Usage struct {
	bun.BaseModel    `bun:"table:usage,alias:us"`
	ID               string `bun:",pk"`
	Origin           string // turn, thread and so on, see package ledger
	TurnID           string `bun:",nullzero"`
	AgentID          string `bun:",nullzero"`
	RoomID           string `bun:",nullzero"`
	ThreadID         string `bun:",nullzero"`
	ReportID         string `bun:",nullzero"`
	CourseID         string `bun:",nullzero"`
	ProjectID        string `bun:",nullzero"`
	PersonID         string `bun:",nullzero"` // who caused it; "" when the agent spoke by itself
	KeyID            string `bun:",nullzero"` // of a person's key
	KeyOwner         string `bun:",nullzero"`
	KeyKind          string `bun:",nullzero"`
	Provider         string
	Model            string
	State            string
	Outcome          string `bun:",nullzero"` // ok, abandoned or why it failed; "" while it is held
	Basis            string
	InputTokens      int64 // with those that were cached and written
	OutputTokens     int64 // with those of the thinking
	CachedTokens     int64
	CacheWriteTokens int64
	ThinkingTokens   int64
	Cost             int64  // in billionths of Currency
	Currency         string `bun:",nullzero"` // "" when the model has no price
	PriceVersion     string `bun:",nullzero"`
	WorstTokens      int64  // what was held, in tokens ...
	WorstCost        int64  // ... and in money
	Holds            JSON   `bun:",nullzero"` // the ids of the rows of budgets that it was held in
	Overrun          bool   // it used more than was held
	Day              string // of StartedAt, in the configuration's zone
	StartedAt        time.Time
	ExpiresAt        time.Time `bun:",nullzero"` // when a held one is charged with the worst
	LatencyMS        int64     `bun:"latency_ms"`
}

// CreateUsage adds what a call used that was held in no budget.
func (t *Tx) CreateUsage(ctx context.Context, u *Usage) error { return t.insert(ctx, u) }

// UsageGroups are the columns that usage can be grouped by, by the name that people use.
var UsageGroups = map[string][]string{
	"day": {"day"}, "room": {"room_id"}, "course": {"course_id"}, "agent": {"agent_id"}, "person": {"person_id"},
	"model": {"provider", "model"}, "key": {"key_id"},
}

// UsageFilter says which calls count: those that started from From on and before Until. A
// zero member narrows nothing.
type UsageFilter struct {
	TurnID                                     string
	From, Until                                time.Time
	CourseID, RoomID, AgentID, KeyID, PersonID string
}

// UsageSum is what the calls of one group used. The members that it is not grouped by are
// empty. Money is summed by currency, so calls without a price are a group of their own.
type UsageSum struct {
	Day, RoomID, CourseID, AgentID, PersonID, Provider, Model, KeyID, Currency string

	Calls            int64
	InputTokens      int64
	OutputTokens     int64
	CachedTokens     int64
	CacheWriteTokens int64
	ThinkingTokens   int64
	Cost             int64 // the largest number when the sum is larger
	Failed           int64 // calls that did not end well
	Unreported       int64 // calls whose numbers the provider did not count
}

// usageSums are the sums of UsageSum. Postgres would make larger numbers of them. Costs are
// summed in two parts, because a hostile provider can make the sum too large for a number.
const usageSums = `count(*) AS calls, CAST(COALESCE(sum(us.input_tokens), 0) AS BIGINT) AS input_tokens,
	CAST(COALESCE(sum(us.output_tokens), 0) AS BIGINT) AS output_tokens, CAST(COALESCE(sum(us.cached_tokens), 0) AS BIGINT) AS cached_tokens,
	CAST(COALESCE(sum(us.cache_write_tokens), 0) AS BIGINT) AS cache_write_tokens,
	CAST(COALESCE(sum(us.thinking_tokens), 0) AS BIGINT) AS thinking_tokens,
	CAST(COALESCE(sum(us.cost / 1000000000), 0) AS BIGINT) AS cost_whole, CAST(COALESCE(sum(us.cost % 1000000000), 0) AS BIGINT) AS cost_rest,
	count(CASE WHEN us.outcome <> 'ok' THEN 1 END) AS failed, count(CASE WHEN us.basis <> 'reported' THEN 1 END) AS unreported`

// costPart is the number at which usageSums cuts the costs in two.
const costPart = 1_000_000_000

// UsageSums sums the calls by columns of UsageGroups and by currency, in the order of the
// columns, the latest day first. Calls that are under way do not count yet.
func (q Queries) UsageSums(ctx context.Context, f UsageFilter, columns []string, p Page) ([]UsageSum, error) {
	var parts []struct {
		UsageSum  `bun:",extend"`
		CostWhole int64
		CostRest  int64
	}
	query := q.usage(f).ColumnExpr("COALESCE(us.currency, '') AS currency").ColumnExpr(usageSums)
	for _, c := range columns {
		query = query.ColumnExpr("COALESCE(us.?, '') AS ?", bun.Ident(c), bun.Ident(c)).GroupExpr("us.?", bun.Ident(c))
		if c == "day" {
			query = query.OrderExpr("us.day DESC")
		} else {
			query = query.OrderExpr("COALESCE(us.?, '')", bun.Ident(c))
		}
	}
	err := p.on(query.GroupExpr("us.currency").OrderExpr("COALESCE(us.currency, '')")).Scan(ctx, &parts)
	rows := make([]UsageSum, len(parts))
	for i, p := range parts {
		rows[i] = p.UsageSum
		rows[i].Cost = math.MaxInt64
		if whole := p.CostWhole + p.CostRest/costPart; whole < math.MaxInt64/costPart {
			rows[i].Cost = whole*costPart + p.CostRest%costPart
		}
	}
	return rows, translate(err)
}

// usage selects the calls of a filter that are over.
func (q Queries) usage(f UsageFilter) *bun.SelectQuery {
	query := q.db.NewSelect().TableExpr("usage AS us").Where("us.state <> ?", UsageHeld)
	if !f.From.IsZero() {
		query = query.Where("us.started_at >= ?", f.From.UTC())
	}
	if !f.Until.IsZero() {
		query = query.Where("us.started_at < ?", f.Until.UTC())
	}
	for _, c := range []struct{ column, value string }{{"course_id", f.CourseID}, {"room_id", f.RoomID}, {"agent_id", f.AgentID},
		{"key_id", f.KeyID}, {"person_id", f.PersonID}, {"turn_id", f.TurnID}} {
		if c.value != "" {
			query = query.Where("us.? = ?", bun.Ident(c.column), c.value)
		}
	}
	return query
}

// NamesOf returns the names of rooms, courses, agents, people and keys that still exist, by
// id. kind is a name of UsageGroups.
func (q Queries) NamesOf(ctx context.Context, kind string, ids []string) (map[string]string, error) {
	from := map[string]string{"room": "id, name FROM rooms", "course": "id, title AS name FROM courses", "agent": "id, name FROM agents",
		"person": "id, COALESCE(NULLIF(full_name, ''), username, email) AS name FROM users", "key": "id, alias AS name FROM user_keys"}[kind]
	names := make(map[string]string, len(ids))
	if from == "" || len(ids) == 0 {
		return names, nil
	}
	var rows []struct{ ID, Name string }
	err := q.db.NewRaw("SELECT "+from+" WHERE id IN (?)", bun.List(ids)).Scan(ctx, &rows)
	for _, r := range rows {
		names[r.ID] = r.Name
	}
	return names, translate(err)
}
