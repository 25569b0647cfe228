package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// told is an answer of a provider that tells this about its use.
func told(text, usage string) llmtest.Response {
	return llmtest.Response{Raw: fmt.Sprintf(`data: {"choices":[{"index":0,"delta":{"role":"assistant","content":%q}}]}

data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}

data: {"choices":[],"usage":%s}

data: [DONE]

`, text, usage)}
}

// A provider may tell anything about what a call used. What it has counted is charged, also
// when it is more than was possible; of what it has not counted, the worst is, and without a
// budget an estimate.
func TestUsageAsToldByProviders(t *testing.T) {
	t.Parallel()
	const short = "one two three"
	long := strings.Repeat("word ", 20_000)
	// -1 stands for the worst case of that part, -2 for any estimate above 0.
	for name, c := range map[string]struct {
		text, usage   string
		basis         string
		input, output int64
		cached        int64
		overrun       bool
		free          string // the basis without a budget
		freeIn        int64
		freeOut       int64
	}{
		"zeros":          {short, `{"prompt_tokens":0,"completion_tokens":0}`, store.BasisWorst, -1, -1, 0, false, store.BasisEstimate, -2, 5},
		"an empty count": {short, `{}`, store.BasisWorst, -1, -1, 0, false, store.BasisEstimate, -2, 5},
		"null":           {short, `null`, store.BasisWorst, -1, -1, 0, false, store.BasisEstimate, -2, 5},
		"a text":         {short, `"many"`, store.BasisWorst, -1, -1, 0, false, store.BasisEstimate, -2, 5},
		"below zero":     {short, `{"prompt_tokens":-10,"completion_tokens":-3}`, store.BasisWorst, -1, -1, 0, false, store.BasisEstimate, -2, 5},
		"no input":       {short, `{"completion_tokens":3}`, store.BasisWorst, -1, 3, 0, false, store.BasisEstimate, -2, 3},
		"no output":      {short, `{"prompt_tokens":11}`, store.BasisWorst, 11, -1, 0, false, store.BasisEstimate, 11, 5},
		"more cached than there is": {short, `{"prompt_tokens":11,"completion_tokens":3,"prompt_tokens_details":{"cached_tokens":5000000}}`,
			store.BasisReported, 11, 3, 11, false, store.BasisReported, 11, 3},
		"more thought than said": {short, `{"prompt_tokens":11,"completion_tokens":3,"completion_tokens_details":{"reasoning_tokens":99}}`,
			store.BasisReported, 11, 3, 0, false, store.BasisReported, 11, 3},
		"more than was allowed":       {short, `{"prompt_tokens":11,"completion_tokens":50000}`, store.BasisReported, 11, 50000, 0, true, store.BasisReported, 11, 50000},
		"more than there is":          {short, `{"prompt_tokens":11,"completion_tokens":999999999999}`, store.BasisReported, 11, 100_000_000, 0, true, store.BasisReported, 11, 100_000_000},
		"heard more than was allowed": {long, `null`, store.BasisWorst, -1, int64(len(long)) / 16, 0, true, store.BasisEstimate, -2, int64(len(long)+2) / 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, priced)
				cl := silentClass(t, r)
				r.Model.Script(llmtest.Always(told(c.text, c.usage)))
				ask := func() error {
					_, _, err := r.Simulate(t.Context(), cl.Teacher, cl.TeacherAgent.ID, app.ThreadMessage{Message: "hello there"})
					return err
				}
				cost := func(u *store.Usage) int64 { return u.InputTokens*2500 + u.OutputTokens*10000 }
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				u := usage(t, r, 1)[0]
				if u.Basis != c.free || u.InputTokens != c.freeIn && (c.freeIn != -2 || u.InputTokens <= 0) || u.OutputTokens != c.freeOut || u.Cost != cost(&u) || u.Overrun {
					t.Errorf("without a budget: got %+v, want %s of %d and %d tokens", u, c.free, c.freeIn, c.freeOut)
				}
				budget(t, r, cl, store.ScopeAgent, cl.TeacherAgent.ID, store.PeriodTotal, store.UnitTokens, "20000")
				b := budget(t, r, cl, store.ScopeAgent, cl.TeacherAgent.ID, store.PeriodTotal, "USD", "1000")
				if err := ask(); err != nil {
					t.Fatal(err)
				}
				u = usage(t, r, 2)[1]
				input, output := c.input, c.output
				if input == -1 {
					input = u.WorstTokens - 4096
				}
				if output == -1 {
					output = 4096
				}
				if u.Basis != c.basis || u.InputTokens != input || u.OutputTokens != output || u.CachedTokens != c.cached || u.Overrun != c.overrun ||
					u.Cost != cost(&u) || u.ThinkingTokens > u.OutputTokens || u.State != store.UsageSettled {
					t.Errorf("got %+v, want %s of %d and %d tokens", u, c.basis, input, output)
				}
				if got, err := r.Budget(t.Context(), cl.Admin, b.ID); err != nil || got.Spent != u.Cost || got.Held != 0 {
					t.Errorf("got %+v (%v), want %d spent", got, err, u.Cost)
				}
				if refused := ask() != nil; refused != (u.InputTokens+u.OutputTokens+u.WorstTokens > 20_000) {
					t.Errorf("after %d tokens of 20000 the next call is refused: %v", u.InputTokens+u.OutputTokens, refused)
				}
			})
		})
	}
}

// A budget counts one currency: a price in another one is none, and is never converted.
func TestBudgetOfAnotherCurrency(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) {
			c.Prices = []config.Price{{Model: "openai/*", Input: 80e12, Output: 320e12, Currency: "TWD"}}
		})
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say("one two three four"))
		ask := func() error {
			_, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello there"})
			return err
		}
		own := budget(t, r, c, store.ScopeAgent, c.TeacherAgent.ID, store.PeriodDay, "TWD", "100")
		budget(t, r, c, store.ScopeAgent, c.TeacherAgent.ID, store.PeriodDay, store.UnitTokens, "100000")
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		u := usage(t, r, 1)[0]
		if got, err := r.Budget(t.Context(), c.Admin, own.ID); err != nil || got.Spent != u.Cost || u.Cost != u.InputTokens*80_000+u.OutputTokens*320_000 {
			t.Errorf("got %+v (%v) after %+v", got, err, u)
		}
		other := budget(t, r, c, store.ScopeAgent, c.TeacherAgent.ID, store.PeriodDay, "USD", "100")
		var e *app.Error
		if err := ask(); !errors.As(err, &e) || e.Code != "budget_no_price" || !strings.Contains(e.Message, "no price in USD") {
			t.Errorf("got %v", err)
		}
		if err := r.DeleteBudget(t.Context(), c.Admin, other.ID); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Error(err)
		}
		storetest.Balanced(t, r.DB)
	})
}
