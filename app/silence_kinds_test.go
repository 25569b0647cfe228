package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// toldOf wants a word about an agent on a socket; to staff it ends with why.
func toldOf(t *testing.T, s *apptest.Socket, agent, why string) {
	t.Helper()
	s.Await(t, "a word about "+agent+": "+why, func(f apptest.Frame) bool {
		text, _ := f.Fields["content"].(string)
		return f.Is("system") && strings.HasPrefix(text, agent+" c") && strings.Contains(text, why) && (why == "") == !strings.Contains(text, ":")
	})
}

// Further kinds of silence: what comes between a call and an answer.
func TestKindsOfSilence(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("Asleep", func(t *testing.T) {
			r := apptest.NewStopped(t, url)
			c := silentClass(t, r)
			s := r.Join(t, c.Student, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher quick")
			_, err := r.PutToSleep(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID) // before anybody has looked
			must(t, err)
			must(t, r.Start(t.Context()))
			toldOf(t, s, "Teacher", "")
			r.Idle(t, c.Room.ID)
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 1})[0].Agents[0]; got.Rule != "asleep" || !got.Called {
				t.Errorf("the decision: got %+v", got)
			}
		})
		t.Run("TwoWhoCall", func(t *testing.T) {
			r := apptest.NewStopped(t, storeOf(t, url))
			c := silentClass(t, r)
			_, err := r.MuteAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID, app.Opt[time.Time]{}, app.Some(5))
			must(t, err)
			pupil, staff := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher one")
			post(t, r, c.TA, c.Room.ID, "@teacher two")
			must(t, r.Start(t.Context()))
			toldOf(t, pupil, "Teacher", "")
			toldOf(t, staff, "Teacher", "muted")
		})
		t.Run("Guard", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url), func(cfg *config.Config) { cfg.Turns.MaxStreak = 2 })
			c := silentClass(t, r)
			r.UseWorkflow(t, c, "direct")
			r.Model.Script(func(q llmtest.Request) llmtest.Response {
				if strings.Contains(q.System, `"Teacher"`) {
					return say("@student, and what do you make of it?")
				}
				return say("@teacher, how about you, then?")
			})
			s, staff := r.Join(t, c.Student, c.Room.ID, true, -1), r.Join(t, c.TA, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher begin")
			toldOf(t, s, "Teacher", "")
			staff.Await(t, "the guard", func(f apptest.Frame) bool { return f.Is("guard") })
			r.Idle(t, c.Room.ID)
			if got := decisions(t, r, c, app.DecisionFilter{})[0]; got.Guard == "" || got.Agents[0].Rule != "guard" {
				t.Errorf("the decision: got %+v", got)
			}
		})
		t.Run("Gone", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			r.UseWorkflow(t, c, "direct")
			s := r.Join(t, c.TA, c.Room.ID, true, -1)
			r.Model.Script(llmtest.Say("Here."))
			post(t, r, c.Student, c.Room.ID, "@Teacher and @Student")
			r.Messages(t, c.Room.ID, 3)
			r.Idle(t, c.Room.ID)
			must(t, r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, c.StudentAgent.ID))
			post(t, r, c.TA, c.Room.ID, "@Student still here?")
			toldOf(t, s, "Student", "not in this room any more")
			r.Idle(t, c.Room.ID)
			all := decisions(t, r, c, app.DecisionFilter{})[0].Agents
			if got := all[len(all)-1]; got.Rule != "gone" || !got.Called || got.AgentID != c.StudentAgent.ID {
				t.Errorf("the decision: got %+v", got)
			}
			must(t, r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID))
			post(t, r, c.TA, c.Room.ID, "@Teacher and you?")
			toldOf(t, s, "Teacher", "not in this room any more")
		})
		t.Run("NobodyOfTheType", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			for _, ag := range []*store.Agent{c.TeacherAgent, c.StudentAgent} {
				must(t, r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, ag.ID))
			}
			pupil, staff := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher help, mail to me@student.example")
			post(t, r, c.TA, c.Room.ID, "@student?")
			toldOf(t, pupil, "Teacher AI", "")
			toldOf(t, staff, "Student AI", "none of this type")
			r.Idle(t, c.Room.ID)
			if got := pupil.Frames("system"); len(got) != 1 {
				t.Errorf("got %s, want one word", pupil.Text())
			}
		})
		t.Run("DeletedWhileItThinks", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			gate := llmtest.NewGate(0)
			defer gate.Release()
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "late", Gate: gate}))
			s := r.Join(t, c.Student, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher think")
			reached(t, gate)
			must(t, r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID))
			toldOf(t, s, "Teacher", "")
		})
		t.Run("TakenOutWhileItThinks", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			gate := llmtest.NewGate(0)
			defer gate.Release()
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "late", Gate: gate}))
			plain := r.Join(t, c.Student, c.Room.ID, false, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher think")
			reached(t, gate)
			must(t, r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID))
			gate.Release()
			toldOf(t, plain, "Teacher", "")
		})
		t.Run("WaitsForApproval", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			plain := r.Join(t, c.Student, c.Room.ID, false, -1)
			deletion(t, r, c)
			toldOf(t, plain, "Teacher", "")
		})
		t.Run("NotLetGoOn", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			useGraph(t, r, c, &workflow.Graph{Name: "ask first", Start: "s", Nodes: map[string]workflow.Node{
				"s": {Type: workflow.Start}, "ask": {Type: workflow.Human, Config: workflow.Config{Text: "let it speak"}},
				"say": {Type: workflow.Agent, Handler: "speaker", Config: workflow.Config{Mode: workflow.ModeSay}},
				"end": {Type: workflow.End, Config: workflow.Config{Status: "said"}}, "no": {Type: workflow.End, Config: workflow.Config{Status: workflow.LabelRejected}},
			}, Edges: []workflow.Edge{{From: "s", To: "ask"}, {From: "ask", To: "say", Condition: workflow.LabelApproved}, {From: "ask", To: "no"}, {From: "say", To: "end"}}})
			plain := r.Join(t, c.Student, c.Room.ID, false, -1)
			post(t, r, c.Student, c.Room.ID, "@student?")
			r.Idle(t, c.Room.ID)
			_, err := r.DecideApproval(t.Context(), c.Teacher, c.Room.ID, waiting(t, r, c).Step.ID, app.DecisionReject, "")
			must(t, err)
			plain.Await(t, "the end", func(f apptest.Frame) bool {
				return f.Is("system") && f.Fields["content"] == "Student could not answer."
			})
		})
		for name, resp := range map[string]llmtest.Response{"ProviderDown": {Status: 503, Message: "down"}, "OverQuota": {Status: 429, RetryAfter: "3600", Message: "quota"},
			"BadKey": {Status: 401, Message: "no such key"}} {
			t.Run(name, func(t *testing.T) {
				r := apptest.New(t, storeOf(t, url), func(cfg *config.Config) { cfg.Turns.MaxAttempts = 1 })
				c := silentClass(t, r)
				r.Model.Script(llmtest.Always(resp))
				plain, staff := r.Join(t, c.Student, c.Room.ID, false, -1), r.Join(t, c.TA, c.Room.ID, false, -1)
				post(t, r, c.Student, c.Room.ID, "@teacher?")
				toldOf(t, plain, "Teacher", "")
				toldOf(t, staff, "Teacher", resp.Message)
			})
		}
		t.Run("TooManySteps", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url), func(cfg *config.Config) { cfg.Turns.MaxSteps = 1 })
			c := silentClass(t, r)
			equip(t, r, c, allCaps...)
			plain := r.Join(t, c.Student, c.Room.ID, false, -1)
			ask(t, r, c, llmtest.Always(use("list_members", `{}`)))
			toldOf(t, plain, "Teacher", "")
		})
		t.Run("Refused", func(t *testing.T) {
			r := apptest.New(t, storeOf(t, url))
			c := silentClass(t, r)
			if _, err := r.PostMessage(t.Context(), c.Outsider, c.Room.ID, "@teacher?", ""); app.KindOf(err) == "" {
				t.Error("who may not call an agent is not told")
			}
		})
	})
}
