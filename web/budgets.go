package web

import (
	"context"
	"strconv"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/money"
	"github.com/coagent-studio/coagent/store"
)

// budgetOut is a budget in its present period.
type budgetOut struct {
	ID          string     `json:"id" format:"uuid"`
	ScopeKind   string     `json:"scope_kind" enum:"key,person,course,room,agent"`
	ScopeID     string     `json:"scope_id" format:"uuid"`
	Period      string     `json:"period" enum:"day,week,month,total" doc:"In the server's time zone; weeks from Monday"`
	Unit        string     `json:"unit" doc:"tokens, or the code of a currency" example:"USD"`
	Cap         exact      `json:"cap" example:"20"`
	Spent       exact      `json:"spent" doc:"Above cap if a provider counted more, or cap was lowered"`
	Held        exact      `json:"held" doc:"The worst case of calls under way"`
	Left        exact      `json:"left" doc:"A call starts if its worst case fits"`
	PeriodStart *string    `json:"period_start" format:"date" doc:"null for total"`
	RenewsAt    *time.Time `json:"renews_at" doc:"null for total"`
	CreatedBy   *string    `json:"created_by" format:"uuid"`
	CreatedAt   time.Time  `json:"created_at"`
	UpdatedAt   time.Time  `json:"updated_at"`
	Version     int        `json:"version"`
}

func budgetForm(b *app.SeenBudget) budgetOut {
	in := func(n int64) exact {
		if b.Unit == store.UnitTokens {
			return exact(strconv.FormatInt(n, 10))
		}
		return exact(money.Nano(n))
	}
	return budgetOut{ID: b.ID, ScopeKind: b.ScopeKind, ScopeID: b.ScopeID, Period: b.Period, Unit: b.Unit,
		Cap: in(b.Cap), Spent: in(b.Spent), Held: in(b.Held), Left: in(b.Left()),
		PeriodStart: textOrNil(b.PeriodStart), RenewsAt: since(b.RenewsAt),
		CreatedBy: textOrNil(b.CreatedBy), CreatedAt: instant(b.CreatedAt), UpdatedAt: instant(b.UpdatedAt), Version: b.Version}
}

type budgetsIn struct {
	ScopeKind string `query:"scope_kind" enum:"key,person,course,room,agent" doc:"With scope_id"`
	ScopeID   id     `query:"scope_id"`
	PageIn
}

func (s *Server) budgets(ctx context.Context, actor *app.Actor, in *budgetsIn) (*pageOut[budgetOut], error) {
	rows, err := s.app.Budgets(ctx, actor, store.Scope{Kind: in.ScopeKind, ID: in.ScopeID.String()}, in.page())
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, store.Of(rows), budgetForm, skipping[app.SeenBudget](in.PageIn))
}

func (s *Server) oneBudget(b *app.SeenBudget, err error) (*oneOut[budgetOut], error) {
	return formed(b, err, budgetForm)
}

type createBudgetIn struct {
	Body struct {
		ScopeKind string `json:"scope_kind" enum:"key,person,course,room,agent"`
		ScopeID   id     `json:"scope_id"`
		Period    string `json:"period" enum:"day,week,month,total"`
		Unit      string `json:"unit" doc:"tokens, or a currency in which models have prices" example:"USD"`
		Cap       amount `json:"cap"`
	}
}

func (s *Server) createBudget(ctx context.Context, actor *app.Actor, in *createBudgetIn) (*oneOut[budgetOut], error) {
	b := &in.Body
	return s.oneBudget(s.app.CreateBudget(ctx, actor, app.NewBudget{Scope: store.Scope{Kind: b.ScopeKind, ID: b.ScopeID.String()},
		Period: b.Period, Unit: b.Unit, Cap: string(b.Cap)}))
}

func (s *Server) budget(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[budgetOut], error) {
	return s.oneBudget(s.app.Budget(ctx, actor, in.ID.String()))
}

type updateBudgetIn struct {
	BudgetID id `path:"budget_id"`
	Body     struct {
		Cap     amount `json:"cap"`
		Version *int64 `json:"version,omitempty" doc:"409 when there is a newer one"`
	}
}

func (s *Server) updateBudget(ctx context.Context, actor *app.Actor, in *updateBudgetIn) (*oneOut[budgetOut], error) {
	return s.oneBudget(s.app.UpdateBudget(ctx, actor, in.BudgetID.String(), string(in.Body.Cap), in.Body.Version))
}

func (s *Server) deleteBudget(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.DeleteBudget(ctx, actor, in.ID.String())
}
