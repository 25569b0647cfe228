package event

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// The states of a Budget.
const (
	BudgetEmpty = "empty" // agents pause until it renews or is raised
	BudgetLow   = "low"   // 80 % are spent
)

// Budget is the body of TypeBudget.
type Budget struct {
	State     string `json:"state" enum:"empty,low" doc:"empty: agents pause until it renews or is raised; low: 80 % are spent, for staff"`
	BudgetID  string `json:"budget_id" format:"uuid"`
	ScopeKind string `json:"scope_kind" enum:"key,person,course,room,agent"`
	RenewsAt  string `json:"renews_at,omitempty" format:"date-time" doc:"Absent if it never does"`
	Detail    string `json:"detail,omitempty" doc:"For staff"`
}

// encodeBudget makes the frame of a Budget. Plain sockets get a system message. Only staff
// get the detail, and hear of a budget that is not empty yet.
func encodeBudget(e realtime.Event, v realtime.Variant) []byte {
	var b Budget
	if json.Unmarshal(e.Body, &b) != nil || b.State != BudgetEmpty && v&Staff == 0 {
		return nil
	}
	if v&V2 == 0 {
		return SystemFrame(e.Room, budgetLine(b, v&Staff != 0))
	}
	if v&Staff == 0 {
		b.Detail = ""
	}
	return []byte(store.ToJSON(struct {
		Type string `json:"type"`
		Budget
		Durable
	}{e.Type, b, durableOf(e)}))
}

func budgetLine(b Budget, staff bool) string {
	if staff && b.Detail != "" {
		return strings.ToUpper(b.Detail[:1]) + b.Detail[1:] + "."
	}
	text := "The budget for the answers of agents is used up."
	if at, err := time.Parse(time.RFC3339, b.RenewsAt); err == nil {
		text += " It renews at " + at.UTC().Format("2006-01-02 15:04") + " UTC."
	}
	return text
}
