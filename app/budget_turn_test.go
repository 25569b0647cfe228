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
	"github.com/coagent-studio/coagent/app/secret"
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

// A budget that was raised and is used up again is told of again: who is in the room would
// else wait without a word.
func TestRaisedBudgetIsEmptyAgain(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "one two three four", NoUsage: true}))
		b := budget(t, r, c, store.ScopeRoom, c.Room.ID, store.PeriodTotal, store.UnitTokens, "10000")
		call := "@" + c.TeacherAgent.Name + " "
		post(t, r, c.Student, c.Room.ID, call+"first")
		r.Messages(t, c.Room.ID, 2)
		post(t, r, c.Student, c.Room.ID, call+"second")
		parked(t, r, c.Room.ID, 2)
		if _, err := r.UpdateBudget(t.Context(), c.Teacher, b.ID, "20000", nil); err != nil {
			t.Fatal(err)
		}
		r.Messages(t, c.Room.ID, 4)
		post(t, r, c.Student, c.Room.ID, call+"third")
		parked(t, r, c.Room.ID, 3)
		empty := 0
		for _, body := range eventsOf(t, r, c.Room.ID, "budget") {
			if strings.Contains(body, `"empty"`) {
				empty++
			}
		}
		if empty != 2 {
			t.Errorf("the room was told %d times that the budget is used up, want once before and once after the raise", empty)
		}
	})
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

// A budget that renews while no process runs wakes what waits, once, when one starts again.
func TestBudgetRenewsWhileDown(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "one two three four", NoUsage: true}))
		budget(t, r, c, store.ScopeRoom, c.Room.ID, store.PeriodDay, store.UnitTokens, "10000")
		post(t, r, c.Student, c.Room.ID, "@"+c.TeacherAgent.Name+" first")
		r.Messages(t, c.Room.ID, 2)
		post(t, r, c.Student, c.Room.ID, "@"+c.TeacherAgent.Name+" second")
		parked(t, r, c.Room.ID, 2)
		r.Stop()
		again := apptest.New(t, url, priced, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = r.Model.URL })
		again.SetRoll(999)
		again.Advance(24 * time.Hour)
		again.Messages(t, c.Room.ID, 4)
		again.Idle(t, c.Room.ID)
		all := turns(t, again, c.Room.ID)
		if len(all) != 2 || all[1].State != store.TurnFinished || r.Model.Count() != 2 {
			t.Errorf("got %+v, and %d requests", all, r.Model.Count())
		}
		told := eventsOf(t, again, c.Room.ID, "budget")
		if n := strings.Count(strings.Join(told, ""), `"empty"`); n != 1 {
			t.Errorf("the room was told %d times that the budget is empty, want once: %q", n, told)
		}
	})
}

// Calls outside rooms tell of a low budget, too, once for each: in the room that the budget is
// about where somebody spoke last, and admins in the audit log.
func TestLowBudgetOutsideRooms(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, priced)
		c := silentClass(t, r)
		r.Model.Script(llmtest.Say("one two three four"))
		key, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: "openai", Alias: "first", Key: "sk-first-123456789"})
		if err != nil {
			t.Fatal(err)
		}
		ag := newAgentOf(t, r, c, "teacher", func(s *app.AgentSettings) {
			s.UserKeyIDs = app.Some([]string{key.ID})
			s.APIKey = app.Opt[secret.Text]{}
		})
		quiet, err := r.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some("Quiet")})
		if err != nil {
			t.Fatal(err)
		}
		for _, room := range []string{quiet.ID, c.Room.ID} {
			if _, err := r.AttachAgent(t.Context(), c.Teacher, room, ag.ID); err != nil {
				t.Fatal(err)
			}
		}
		post(t, r, c.Student, c.Room.ID, "hello")
		r.Idle(t, c.Room.ID)
		scopes := map[string]string{store.ScopePerson: c.Teacher.User.ID, store.ScopeKey: key.ID, store.ScopeAgent: ag.ID}
		ids := map[string]string{}
		for kind, id := range scopes {
			ids[kind] = budget(t, r, c, kind, id, store.PeriodMonth, store.UnitTokens, "100000").ID
		}
		ask := func() {
			t.Helper()
			if _, _, err := r.Simulate(t.Context(), c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"}); err != nil {
				t.Fatal(err)
			}
		}
		ask()
		r.Exec(t, "UPDATE budget_rows SET spent = 79995")
		ask()
		ask()
		told := eventsOf(t, r, c.Room.ID, "budget")
		if len(told) != 2 || len(eventsOf(t, r, quiet.ID, "budget")) != 0 {
			t.Errorf("got %q, want one notice for the agent and one for the key, in the room of the last message", told)
		}
		for kind, id := range ids {
			if n := audited(t, r, "budget.low", id); n != 1 {
				t.Errorf("the budget of a %s is %d times in the audit log, want once", kind, n)
			}
			if in := strings.Contains(strings.Join(told, ""), id); in != (kind != store.ScopePerson) {
				t.Errorf("a notice about the budget of a %s: %v", kind, in)
			}
		}
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
