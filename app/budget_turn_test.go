package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// parked waits until the room's last turn waits for a budget and returns all of them.
func parked(t *testing.T, r *apptest.Rig, room string, n int) []store.Turn {
	t.Helper()
	var all []store.Turn
	apptest.Await(t, "a turn that waits for a budget", func() bool {
		all = turns(t, r, room)
		return len(all) == n && all[n-1].State == store.TurnParked && all[n-1].Reason == "budget"
	})
	return all
}

// events are a room's durable events of one type.
func eventsOf(t *testing.T, r *apptest.Rig, room, kind string) (bodies []string) {
	t.Helper()
	events, err := r.DB.Events(t.Context(), room, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Type == kind {
			bodies = append(bodies, string(e.Body))
		}
	}
	return bodies
}

// An empty budget pauses the agents of a room: people go on, the room is told once, and
// what waits goes on when the budget is raised, renews or is deleted, if it is of use then.
func TestTurnWaitsForBudget(t *testing.T) {
	t.Parallel()
	for name, refill := range map[string]func(t *testing.T, r *apptest.Rig, c *apptest.Class, b *app.SeenBudget){
		"raise": func(t *testing.T, r *apptest.Rig, c *apptest.Class, b *app.SeenBudget) {
			t.Helper()
			if _, err := r.UpdateBudget(t.Context(), c.Teacher, b.ID, "100000", nil); err != nil {
				t.Fatal(err)
			}
		},
		"renewal": func(_ *testing.T, r *apptest.Rig, _ *apptest.Class, _ *app.SeenBudget) { r.Advance(24 * time.Hour) },
		"deletion": func(t *testing.T, r *apptest.Rig, c *apptest.Class, b *app.SeenBudget) {
			t.Helper()
			if err := r.DeleteBudget(t.Context(), c.Teacher, b.ID); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, priced)
				c := silentClass(t, r)
				// The provider tells no usage, so the first call is charged with its worst case.
				r.Model.Script(llmtest.Always(llmtest.Response{Text: "one two three four", NoUsage: true}))
				b := budget(t, r, c, store.ScopeRoom, c.Room.ID, store.PeriodDay, store.UnitTokens, "10000")
				member, plain, staff := r.Join(t, c.Student, c.Room.ID, true, -1), r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, true, -1)
				call := "@" + c.TeacherAgent.Name + " "
				post(t, r, c.Student, c.Room.ID, call+"first")
				r.Messages(t, c.Room.ID, 2)
				if u := usage(t, r, 1)[0]; u.InputTokens+u.OutputTokens != u.WorstTokens || u.WorstTokens < 5000 {
					t.Fatalf("got %+v", u)
				}
				post(t, r, c.Student, c.Room.ID, call+"second")
				all := parked(t, r, c.Room.ID, 2)
				if !strings.Contains(all[1].Detail, "is used up") || !strings.Contains(all[1].Detail, "it renews at") {
					t.Errorf("got detail %q", all[1].Detail)
				}
				post(t, r, c.Student, c.Room.ID, "people may always write")
				post(t, r, c.Student, c.Room.ID, call+"third")
				all = parked(t, r, c.Room.ID, 3)
				apptest.Await(t, "the older turn to end", func() bool { all = turns(t, r, c.Room.ID); return all[1].State == store.TurnStopped })
				if all[1].Reason != "outdated" {
					t.Errorf("got %+v", all[1])
				}
				// Staff were told before that 80 % are spent.
				if got := eventsOf(t, r, c.Room.ID, "budget"); len(got) != 2 || !strings.Contains(got[0], `"low"`) || !strings.Contains(got[1], `"empty"`) {
					t.Errorf("got notices %q, want one that it is empty", got)
				}
				said := member.Await(t, "the notice", func(f apptest.Frame) bool { return f.Is("budget") })
				if said.Fields["state"] != "empty" || said.Fields["detail"] != nil || said.Fields["scope_kind"] != "room" {
					t.Errorf("a member got %s", said.Text)
				}
				if said = staff.Await(t, "the notice", func(f apptest.Frame) bool { return f.Is("budget") && f.Fields["state"] == "empty" }); said.Fields["detail"] == nil {
					t.Errorf("staff got %s", said.Text)
				}
				plain.Await(t, "the notice", func(f apptest.Frame) bool {
					return f.Is("system") && strings.HasPrefix(fmt.Sprint(f.Fields["content"]), "The budget for the answers of agents is used up")
				})
				storetest.Balanced(t, r.DB)
				asked := r.Model.Count()
				refill(t, r, c, b)
				r.Messages(t, c.Room.ID, 6) // three by hand, one more, and two answers
				r.Idle(t, c.Room.ID)
				if n := r.Model.Count(); n != asked+1 {
					t.Errorf("the model was asked %d times more, want once", n-asked)
				}
				if last := shownLast(r); !strings.Contains(last, "third") || !strings.Contains(last, "second") {
					t.Errorf("the model was shown %q", last)
				}
				all = turns(t, r, c.Room.ID)
				if all[2].State != store.TurnFinished || all[2].Attempt != 2 {
					t.Errorf("got %+v", all[2])
				}
				if name != "renewal" {
					storetest.Balanced(t, r.DB)
				}
			})
		})
	}
}

// shownLast is all that the model was shown last.
func shownLast(r *apptest.Rig) string {
	var b strings.Builder
	for _, m := range asked(r).Messages {
		b.WriteString(m.Text + "\n")
	}
	return b.String()
}

// What waits for a budget outlives the process; staff may stop it; a turn of which nobody has
// use any more is not asked.
func TestWaitForBudgetIsKept(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		b := budget(t, r, c, store.ScopeCourse, c.Course.ID, store.PeriodTotal, "USD", "0")
		post(t, r, c.Student, c.Room.ID, "@"+c.TeacherAgent.Name+" hello")
		post(t, r, c.Student, c.Room.ID, "@"+c.StudentAgent.Name+" hello")
		apptest.Await(t, "two turns that wait", func() bool {
			all := turns(t, r, c.Room.ID)
			return len(all) == 2 && all[0].State == store.TurnParked && all[1].State == store.TurnParked
		})
		stopped := turns(t, r, c.Room.ID)[1]
		if _, err := r.StopTurn(t.Context(), c.TA, c.Room.ID, stopped.ID); err != nil {
			t.Fatal(err)
		}
		r.Stop()
		// The agents' keys are bound to the address of the first provider.
		again := apptest.New(t, url, priced, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = r.Model.URL })
		again.SetRoll(999)
		r.Model.Script(llmtest.Say("one two three four"))
		if _, err := again.UpdateBudget(t.Context(), c.Teacher, b.ID, "1", nil); err != nil {
			t.Fatal(err)
		}
		again.Messages(t, c.Room.ID, 3)
		again.Idle(t, c.Room.ID)
		all := turns(t, again, c.Room.ID)
		if all[0].State != store.TurnFinished || all[1].State != store.TurnStopped || r.Model.Count() != 1 {
			t.Errorf("got %+v, and %d requests", all, r.Model.Count())
		}
		storetest.Balanced(t, again.DB)
	})
}

// Staff alone are told once when 80 % of a budget are spent.
func TestLowBudget(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say(strings.Repeat("word ", 100)))
		b := budget(t, r, c, store.ScopeRoom, c.Room.ID, store.PeriodMonth, store.UnitTokens, "100000")
		staff := r.Join(t, c.TA, c.Room.ID, true, -1)
		call := func(n int) {
			t.Helper()
			post(t, r, c.Student, c.Room.ID, "@"+c.TeacherAgent.Name+" hello")
			r.Messages(t, c.Room.ID, 2*n)
			r.Idle(t, c.Room.ID)
		}
		call(1)
		if got := eventsOf(t, r, c.Room.ID, "budget"); len(got) != 0 {
			t.Errorf("too early: %q", got)
		}
		// As if most had been used before.
		r.Exec(t, "UPDATE budget_rows SET spent = 79990")
		call(2)
		call(3)
		if got := eventsOf(t, r, c.Room.ID, "budget"); len(got) != 1 || !strings.Contains(got[0], `"low"`) || !strings.Contains(got[0], b.ID) {
			t.Errorf("got %q, want one event", got)
		}
		staff.Await(t, "the warning", func(f apptest.Frame) bool { return f.Is("budget") && f.Fields["state"] == "low" })
	})
}
