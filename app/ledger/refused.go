package ledger

import (
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/money"
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
func (r *Refused) Error() string {
	if r.Why != "" {
		return r.Why
	}
	switch r.Reason {
	case NoPrice:
		return fmt.Sprintf("%s refuses %s, which has no price in %s; set one in prices of the configuration", r.Name(), r.what, r.Budget.Unit)
	case NoLimit:
		return fmt.Sprintf("%s refuses %s, which takes no limit of its answer; set its max_output in prices of the configuration",
			r.Name(), r.what)
	}
	if r.Worst > r.Budget.Cap {
		return fmt.Sprintf("%s is smaller than what one call may use: %s; raise it, or lower the limits of prompt and answer",
			r.Name(), Amount(r.Worst, r.Budget.Unit))
	}
	text := fmt.Sprintf("%s is used up: %s are left, and a call may use %s",
		r.Name(), Amount(r.Budget.Left(), r.Budget.Unit), Amount(r.Worst, r.Budget.Unit))
	if r.RenewsAt.IsZero() {
		return text + "; it does not renew"
	}
	return text + "; it renews at " + r.RenewsAt.Format(time.RFC3339)
}

// Name names the budget, for example "the budget of 20 USD a month of this course".
func (r *Refused) Name() string { return Name(&r.Budget.Budget) }

// Name names a budget.
func Name(b *store.Budget) string {
	period := map[string]string{store.PeriodDay: "a day", store.PeriodWeek: "a week",
		store.PeriodMonth: "a month", store.PeriodTotal: "in all"}[b.Period]
	return fmt.Sprintf("the budget of %s %s of this %s", Amount(b.Cap, b.Unit), period, b.ScopeKind)
}

// Amount writes an amount with its unit.
func Amount(n int64, unit string) string {
	if unit == store.UnitTokens {
		return fmt.Sprintf("%d tokens", n)
	}
	return money.Nano(n) + " " + unit
}
