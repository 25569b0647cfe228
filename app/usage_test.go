package app_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// priced sets prices: 2.5 and 10 for a million tokens of every model of openai.
func priced(c *config.Config) {
	c.Prices = []config.Price{{Model: "openai/*", Input: 2.5e12, Output: 10e12, Currency: "USD"}}
}

// usage waits until n calls were booked and returns all of them.
func usage(t *testing.T, r *apptest.Rig, n int) []store.Usage {
	t.Helper()
	var all []store.Usage
	apptest.Await(t, fmt.Sprint(n, " booked calls"), func() bool {
		all = storetest.Usage(t, r.DB)
		return len(all) >= n
	})
	if len(all) != n {
		t.Errorf("got %d booked calls, want %d: %+v", len(all), n, all)
	}
	return all
}

// Every way to a model is booked, with where the call came from and what it cost.
func TestUsageOfEveryDoor(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say("one two three four"))
		want := func(n int, what store.Usage) {
			t.Helper()
			u := usage(t, r, n)[n-1]
			if u.Origin != what.Origin || u.AgentID != what.AgentID || u.RoomID != what.RoomID || u.CourseID != what.CourseID || u.PersonID != what.PersonID ||
				u.ThreadID != what.ThreadID || u.ReportID != what.ReportID || u.ProjectID != what.ProjectID || u.KeyKind != what.KeyKind || u.TurnID != what.TurnID {
				t.Errorf("got %+v\nwant %+v", u, what)
			}
			cost := u.InputTokens*2500 + u.OutputTokens*10000
			if u.State != store.UsageSettled || u.Outcome != "ok" || u.Basis != store.BasisReported || u.OutputTokens != 4 || u.InputTokens == 0 || u.Cost != cost ||
				u.Currency != "USD" || len(u.PriceVersion) != 12 || u.Provider != "openai" || u.Model == "" || u.WorstTokens != 0 || u.Day == "" {
				t.Errorf("%s: got %+v, want a cost of %d", what.Origin, u, cost)
			}
		}
		post(t, r, c.Student, c.Room.ID, "@"+c.TeacherAgent.Name+" hello")
		r.Messages(t, c.Room.ID, 2)
		want(1, store.Usage{Origin: "turn", AgentID: c.TeacherAgent.ID, RoomID: c.Room.ID, CourseID: c.Course.ID, PersonID: c.Student.User.ID,
			ProjectID: c.Project.ID, KeyKind: "own", TurnID: turns(t, r, c.Room.ID)[0].ID})
		if _, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"}); err != nil {
			t.Fatal(err)
		}
		want(2, store.Usage{Origin: "sandbox", TurnID: storetest.Usage(t, r.DB)[1].TurnID, AgentID: c.TeacherAgent.ID, PersonID: c.Teacher.User.ID, ProjectID: c.Project.ID, KeyKind: "own"})
		th := newThread(t, r, c, c.TeacherAgent.ID)
		if _, err := r.TalkInThread(t.Context(), c.Teacher, th.ID, app.ThreadMessage{Message: "hello"}); err != nil {
			t.Fatal(err)
		}
		want(3, store.Usage{Origin: "thread", AgentID: c.TeacherAgent.ID, PersonID: c.Teacher.User.ID, ProjectID: c.Project.ID, ThreadID: th.ID,
			KeyKind: "own", TurnID: turns(t, r, th.ID)[0].ID})
		if _, _, err := r.GenerateInstructions(t.Context(), c.Teacher, app.Design{Requirement: "Be kind", TargetAgentType: "teacher", Suggested: "openai",
			Key: "sk-own-123456789"}); err != nil {
			t.Fatal(err)
		}
		want(4, store.Usage{Origin: "design", AgentID: storetest.Usage(t, r.DB)[3].AgentID, PersonID: c.Teacher.User.ID, KeyKind: "typed"})
		analyst(t, r)
		rp := generate(t, r, c)
		want(5, store.Usage{Origin: "report", AgentID: storetest.Usage(t, r.DB)[4].AgentID, RoomID: c.Room.ID, CourseID: c.Course.ID, PersonID: c.Teacher.User.ID,
			ReportID: rp.ID, KeyKind: "own"})

		// The books stay when all of it is deleted.
		if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.DeleteRoom(t.Context(), c.Room.ID) }); err != nil {
			t.Fatal(err)
		}
		usage(t, r, 5)
	})
}

// A provider's refusal costs nothing; an answer that was cut is booked by what came of it.
func TestUsageOfFailures(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		resp    llmtest.Response
		rows    int
		outcome string
		basis   string
	}{
		"refused key":     {llmtest.Response{Status: 401, Message: "bad key"}, 0, "", ""},
		"refused request": {llmtest.Response{Status: 400, Message: "no such model"}, 0, "", ""},
		"server error":    {llmtest.Response{Status: 500, Message: "it burns"}, 0, "", ""},
		"cut":             {llmtest.Response{Text: strings.Repeat("word ", 30), Fault: llmtest.Cut}, 1, "broken", store.BasisEstimate},
		"no usage":        {llmtest.Response{Text: "one two three", NoUsage: true}, 1, "ok", store.BasisEstimate},
		"silent":          {llmtest.Response{}, 1, "ok", store.BasisReported},
		"retried":         {llmtest.Response{Fault: llmtest.CutHeader}, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, priced)
				cl := silentClass(t, r)
				r.Model.Script(llmtest.Always(c.resp))
				_, _, err := r.Simulate(t.Context(), cl.Teacher, cl.TeacherAgent.ID, app.ThreadMessage{Message: "hello there"})
				if (err == nil) != (name == "no usage") {
					t.Errorf("got %v", err)
				}
				all := storetest.Usage(t, r.DB)
				if name == "retried" {
					// The request had left, so each of the attempts may have been billed.
					if len(all) != 3 || all[2].Basis != store.BasisEstimate || all[2].InputTokens == 0 {
						t.Errorf("got %+v, want three attempts", all)
					}
					return
				}
				if len(all) != c.rows {
					t.Fatalf("got %+v, want %d", all, c.rows)
				}
				for _, u := range all {
					if u.Outcome != c.outcome || u.Basis != c.basis || u.InputTokens == 0 || u.Cost == 0 || name != "silent" && u.OutputTokens == 0 {
						t.Errorf("got %+v, want outcome %s by %s", u, c.outcome, c.basis)
					}
				}
			})
		})
	}
}

// budget makes a budget as an admin.
func budget(t *testing.T, r *apptest.Rig, c *apptest.Class, kind, scope, period, unit, most string) *app.SeenBudget {
	t.Helper()
	who := c.Admin
	if kind == store.ScopeKey {
		who = c.Teacher
	}
	b, err := r.CreateBudget(t.Context(), who, app.NewBudget{Scope: store.Scope{Kind: kind, ID: scope}, Period: period, Unit: unit, Cap: most})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A call is held in all of its budgets and settled with what it used. An empty one refuses
// the next, by name and with its renewal.
func TestBudgetsOfACall(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say("one two three four"))
		person, agent := c.Teacher.User.ID, c.TeacherAgent.ID
		tokens := budget(t, r, c, store.ScopePerson, person, store.PeriodDay, store.UnitTokens, "7000")
		money := budget(t, r, c, store.ScopeAgent, agent, store.PeriodMonth, "USD", "1")
		other := budget(t, r, c, store.ScopeAgent, c.StudentAgent.ID, store.PeriodMonth, "USD", "1")
		ask := func() error {
			_, _, err := r.Simulate(t.Context(), c.Teacher, agent, app.ThreadMessage{Message: "hello there"})
			return err
		}
		if err := ask(); err != nil {
			t.Fatal(err)
		}
		u := usage(t, r, 1)[0]
		if holds := storetest.HoldsOf(t, &u); len(holds) != 2 || u.Basis != store.BasisReported || u.WorstTokens < 4096+11 || u.WorstCost < 40_960_000 {
			t.Errorf("got %+v", u)
		}
		storetest.Balanced(t, r.DB)
		if got, _ := r.Budget(t.Context(), c.Admin, money.ID); got.Spent != u.Cost || got.Held != 0 || !got.Begun {
			t.Errorf("got %+v, want %d spent", got, u.Cost)
		}
		if got, _ := r.Budget(t.Context(), c.Admin, other.ID); got.Spent != 0 || got.Begun {
			t.Errorf("the budget of another agent: got %+v", got)
		}
		// A lower cap than the worst case: nothing new starts.
		if _, err := r.UpdateBudget(t.Context(), c.Admin, tokens.ID, "4000", nil); err != nil {
			t.Fatal(err)
		}
		asked := len(r.Model.Requests())
		err := ask()
		var e *app.Error
		if !errors.As(err, &e) || e.Kind != app.KindLimited || e.Code != "budget" || !strings.Contains(e.Message, "smaller than what one call may use") {
			t.Errorf("got %v", err)
		}
		// Used up, with its renewal at midnight in Taipei.
		if _, err := r.UpdateBudget(t.Context(), c.Admin, tokens.ID, fmt.Sprint(u.WorstTokens+1), nil); err != nil {
			t.Fatal(err)
		}
		err = ask()
		if !errors.As(err, &e) || e.Code != "budget" || !strings.Contains(e.Message, "it renews at") || e.RetryAfter <= 0 || e.RetryAfter > 24*time.Hour {
			t.Errorf("got %v", err)
		}
		if n := len(r.Model.Requests()); n != asked {
			t.Errorf("the model was asked %d times more", n-asked)
		}
		usage(t, r, 1)
		storetest.Balanced(t, r.DB)
		r.Advance(24 * time.Hour)
		if err := ask(); err != nil {
			t.Errorf("on the next day: %v", err)
		}
		usage(t, r, 2)
		storetest.Balanced(t, r.DB)
	})
}

// What the provider refuses frees its reservation, what is cut is charged with its worst, and
// a model without a price is refused by a budget in money alone.
func TestBudgetsAndFailures(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) {
			c.Prices = []config.Price{{Model: "gpt-4o", Input: 2.5e12, Output: 10e12, Currency: "USD"}}
		})
		c := silentClass(t, r)
		b := budget(t, r, c, store.ScopePerson, c.Teacher.User.ID, store.PeriodTotal, "USD", "10")
		budget(t, r, c, store.ScopePerson, c.Teacher.User.ID, store.PeriodTotal, store.UnitTokens, "1000000")
		ask := func(resp llmtest.Response) error {
			r.Model.Script(llmtest.Always(resp))
			_, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello there"})
			return err
		}
		if err := ask(llmtest.Response{Status: 400, Message: "no"}); err == nil {
			t.Error("got no error")
		}
		if got := storetest.Usage(t, r.DB); len(got) != 0 {
			t.Errorf("a refusal is booked: %+v", got)
		}
		storetest.Balanced(t, r.DB)
		if err := ask(llmtest.Response{Text: strings.Repeat("word ", 30), Fault: llmtest.Cut}); err == nil {
			t.Error("got no error")
		}
		u := usage(t, r, 1)[0]
		if u.Basis != store.BasisWorst || u.Cost != u.WorstCost || u.InputTokens+u.OutputTokens != u.WorstTokens || u.Outcome != "broken" {
			t.Errorf("got %+v, want the worst case", u)
		}
		storetest.Balanced(t, r.DB)
		if got, _ := r.Budget(t.Context(), c.Admin, b.ID); got.Spent != u.WorstCost {
			t.Errorf("got %+v", got)
		}
		model := "gpt-unpriced"
		if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{Model: app.Some(model)}); err != nil {
			t.Fatal(err)
		}
		err := ask(llmtest.Response{Text: "hello"})
		var e *app.Error
		if !errors.As(err, &e) || e.Code != "budget_no_price" || e.Kind != app.KindLimited || !strings.Contains(e.Message, "gpt-unpriced, which has no price in USD") {
			t.Errorf("got %v", err)
		}
		if err := r.DeleteBudget(t.Context(), c.Admin, b.ID); err != nil {
			t.Fatal(err)
		}
		if err := ask(llmtest.Response{Text: "hello"}); err != nil {
			t.Errorf("a budget in tokens needs no price: %v", err)
		}
		// A model that takes no limit of its answer has no worst case.
		r.Model.Refuse("max_tokens", "max_completion_tokens")
		err = ask(llmtest.Response{Text: "hello"})
		if !errors.As(err, &e) || e.Code != "budget_no_limit" {
			t.Errorf("got %v", err)
		}
	})
}

// A budget of a key hands over to the next key; a budget of something else does not.
func TestBudgetOfAKey(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say("hello"))
		key, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "openai", Alias: "first", Key: "sk-first-123456789"})
		if err != nil {
			t.Fatal(err)
		}
		ag := newAgentOf(t, r, c, "teacher", func(s *app.AgentSettings) {
			s.UserKeyIDs = app.Some([]string{key.ID})
			s.APIKey = app.Opt[secret.Text]{}
		})
		ask := func() store.Usage {
			t.Helper()
			n := len(storetest.Usage(t, r.DB))
			if _, _, err := r.Simulate(t.Context(), c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"}); err != nil {
				t.Fatal(err)
			}
			return usage(t, r, n+1)[n]
		}
		if u := ask(); u.KeyID != key.ID || u.KeyOwner != c.Teacher.User.ID || u.KeyKind != "lent" {
			t.Errorf("got %+v", u)
		}
		budget(t, r, c, store.ScopeKey, key.ID, store.PeriodTotal, store.UnitTokens, "0")
		backup := secret.Text("sk-backup-123456789")
		if _, err := r.SetAgentKeys(t.Context(), c.Teacher, ag.ID, map[string]*secret.Text{"backup_key": &backup}); err != nil {
			t.Fatal(err)
		}
		if u := ask(); u.KeyKind != "backup_key" || u.KeyID != "" {
			t.Errorf("got %+v, want the next key", u)
		}
	})
}
