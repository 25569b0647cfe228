package ledger

import (
	"time"

	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Why a budget refuses a call.
const (
	Empty   = "budget"          // too little is left of it
	NoPrice = "budget_no_price" // it counts money, and the model has no price in it
	NoLimit = "budget_no_limit" // nobody knows how long the model's answer may become
)

// Refused says that a call was not made, because a budget does not allow it.
type Refused struct {
	Reason   string
	Budget   store.BudgetNow
	Worst    int64     // what the call might have used, in the budget's unit
	RenewsAt time.Time // zero when waiting for that is in vain
	Why      string    // the sentence of a refusal of which only that was kept
	what     string    // the model
}

// Error says why in a sentence for those who look after the budget.
func (r *Refused) Error() string { return r.Wording().String() }

// Wording is Error in every language.
func (r *Refused) Wording() wording.Text {
	if r.Why != "" {
		return wording.Of("%s", r.Why)
	}
	name, unit := nameOf(&r.Budget.Budget), r.Budget.Unit
	switch r.Reason {
	case NoPrice:
		return wording.Of("%s refuses %s, which has no price in %s; set one in prices of the configuration", name, r.what, unit)
	case NoLimit:
		return wording.Of("%s refuses %s, which takes no limit of its answer; set its max_output in prices of the configuration", name, r.what)
	}
	if r.Worst > r.Budget.Cap {
		return wording.Of("%s is smaller than what one call may use: %s; raise it, or lower the limits of prompt and answer",
			name, amountOf(r.Worst, unit))
	}
	left, worst := amountOf(r.Budget.Left(), unit), amountOf(r.Worst, unit)
	if r.RenewsAt.IsZero() {
		return wording.Of("%s is used up: %s are left, and a call may use %s; it does not renew", name, left, worst)
	}
	return wording.Of("%s is used up: %s are left, and a call may use %s; it renews at %s", name, left, worst, r.RenewsAt.Format(time.RFC3339))
}

// Name names the budget, for example "the budget of 20 USD a month of this course".
func (r *Refused) Name() string { return Name(&r.Budget.Budget) }

// Name names a budget.
func Name(b *store.Budget) string { return nameOf(b).String() }

func nameOf(b *store.Budget) wording.Text {
	period := map[string]wording.Text{store.PeriodDay: wording.Of("a day"), store.PeriodWeek: wording.Of("a week"),
		store.PeriodMonth: wording.Of("a month"), store.PeriodTotal: wording.Of("in all")}[b.Period]
	of := map[string]wording.Text{store.ScopeKey: wording.Of("key"), store.ScopePerson: wording.Of("person"), store.ScopeCourse: wording.Of("course"),
		store.ScopeRoom: wording.Of("room"), store.ScopeAgent: wording.Of("agent")}[b.ScopeKind]
	return wording.Of("the budget of %s %s of this %s", amountOf(b.Cap, b.Unit), period, of)
}

// Amount writes an amount with its unit.
func Amount(n int64, unit string) string { return amountOf(n, unit).String() }

func amountOf(n int64, unit string) wording.Text {
	if unit == store.UnitTokens {
		return wording.Of("%d tokens", n)
	}
	return wording.Of("%s %s", money.Nano(n), unit)
}
