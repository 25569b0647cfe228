// Package ledger keeps the books of the calls of models: what each of them used, and that no
// budget is overspent.
//
// Each attempt at a model is one row of usage. Without a budget it is written when the attempt
// is over. With budgets, the worst that the attempt can cost is reserved before it is sent, in
// all of its budgets or in none, and settled when it is over. What nobody settles in time is
// charged with its worst, because it may have run on at the provider: a reservation is never
// given back by the clock alone.
//
// # Where to find things
//
//   - Where a call comes from: Origin, below.
//   - What is asked before and told after each attempt: meter.go.
//   - Periods of budgets: period.go.
//   - Why a call is refused: Refused, in refused.go.
package ledger

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/price"
	"github.com/coagent-studio/coagent/store"
)

// What calls are made for: the kinds of Origin.
const (
	ForTurn    = "turn"
	ForThread  = "thread"
	ForSandbox = "sandbox" // somebody tries an agent, and nothing is stored
	ForDesign  = "design"  // an agent writes another one's instructions
	ForReport  = "report"
	ForKeyTest = "key_test"
)

// Origin says where a call of a model comes from. It must have a kind: without one no call
// is made.
type Origin struct {
	Kind                               string
	TurnID, RoomID, ThreadID, ReportID string
	CourseID, ProjectID, AgentID       string
	PersonID                           string // who caused it, "" when nobody did
}

// Key is the key of a call, without the key itself.
type Key struct {
	ID    string // of a person's key
	Owner string // that person
	Kind  string // why the agent may use it
}

// Deps are what a Ledger needs.
type Deps struct {
	DB     *store.DB
	Log    *slog.Logger
	Now    func() time.Time
	Prices *price.Table
	Zone   *time.Location // in which periods begin
	// Within is longer than any attempt takes. What is not settled then has expired.
	Within     time.Duration
	Background *limit.Gate // for the database work of calls
	Count      Counter
	// Spent is called after a call was charged to budgets, with their rows. It may be nil.
	Spent func(ctx context.Context, u *store.Usage)
}

// Counter counts what an operator wants to know.
type Counter interface {
	BudgetRefused(reason string)
	UsageExpired()
	UsageOverrun()
}

// Ledger keeps the books. Make it with New.
type Ledger struct {
	Deps
}

// New makes a Ledger.
func New(d Deps) *Ledger { return &Ledger{d} }

// sweepBatch is how many overdue calls one sweep charges.
const sweepBatch = 200

// Sweep charges what was to be settled before asOf with its worst. All nodes may sweep at
// once.
func (l *Ledger) Sweep(ctx context.Context, asOf time.Time) error {
	ids, err := l.DB.OverdueUsage(ctx, asOf, sweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		var u *store.Usage
		err := l.DB.InTx(ctx, func(tx *store.Tx) (err error) {
			u, err = tx.Expire(ctx, id, asOf)
			return err
		})
		if errs = append(errs, err); err != nil || u == nil {
			continue
		}
		l.Count.UsageExpired()
		l.Log.WarnContext(ctx, "a model call was not settled in time and is charged with the worst case",
			"usage", u.ID, "turn", u.TurnID, "agent", u.AgentID)
		l.spent(ctx, u)
	}
	return errors.Join(errs...)
}

func (l *Ledger) spent(ctx context.Context, u *store.Usage) {
	if l.Spent != nil {
		l.Spent(ctx, u)
	}
}

func (l *Ledger) instant() time.Time { return l.Now().UTC().Truncate(time.Microsecond) }
