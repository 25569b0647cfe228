package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func decisions(t *testing.T, r *apptest.Rig, c *apptest.Class, f app.DecisionFilter) []app.SeenDecision {
	t.Helper()
	got, err := storetest.All(r.Decisions(t.Context(), c.TA, c.Room.ID, f))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// ruled are the rules of a decision by the agents' names.
func ruled(d app.SeenDecision) string {
	var all []string
	for _, c := range d.Agents {
		all = append(all, fmt.Sprintf("%s %s %v", c.Name, c.Rule, c.Speaks))
	}
	slices.Sort(all)
	return fmt.Sprint(all)
}

func TestDecisions(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("EveryPost", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
			r.Model.Script(counted)
			r.SetRoll(400)
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			r.SetRoll(600)
			post(t, r, c.Student, c.Room.ID, "nobody answers")
			r.Idle(t, c.Room.ID)
			asked := post(t, r, c.Student, c.Room.ID, "@student you")
			r.Idle(t, c.Room.ID)
			all := decisions(t, r, c, app.DecisionFilter{})
			want(t, "the newest first", []string{ruled(all[0]), ruled(all[1]), ruled(all[2])}, []string{
				"[Student mentioned true Teacher others false]", "[Student chance false Teacher chance false]", "[Student others false Teacher chance true]"})
			speaker := all[2].Agents[slices.IndexFunc(all[2].Agents, func(a app.SeenCandidate) bool { return a.Speaks })]
			if *speaker.Roll != 0.4 || *speaker.Chance != 0.5 || speaker.Turn == nil || speaker.Turn.KeyKind != "own" || speaker.Turn.State != store.TurnFinished ||
				speaker.Turn.AskedBy != c.Student.User.ID || speaker.Turn.ReadSeq != 1 {
				t.Errorf("the speaker: got %+v with the turn %+v", speaker, speaker.Turn)
			}
			if page := decisions(t, r, c, app.DecisionFilter{Before: all[0].ID, Limit: 1}); len(page) != 1 || page[0].ID != all[1].ID {
				t.Errorf("the second page: got %+v", page)
			}
			for what, f := range map[string]app.DecisionFilter{"by id": {MessageID: asked.ID}, "by seq": {Seq: asked.Seq}} {
				if got := decisions(t, r, c, f); len(got) != 1 || got[0].ID != all[0].ID {
					t.Errorf("%s: got %+v", what, got)
				}
			}
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 1000}); len(got) != 0 {
				t.Errorf("a line that is not there: got %+v", got)
			}
		})
		t.Run("NoKey", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			if err := r.ClearAgentKey(t.Context(), c.Teacher, c.TeacherAgent.ID); err != nil {
				t.Fatal(err)
			}
			post(t, r, c.Student, c.Room.ID, "@teacher")
			r.Idle(t, c.Room.ID)
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 1})[0].Agents[0]; got.Turn != nil || !got.Called || got.Rule != "no_key" ||
				!strings.Contains(got.Detail, "no usable API key for openai") {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("ReadMeanwhile", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = time.Minute })
			c := r.Class(t)
			r.Model.Script(counted)
			typing := typist(t, r, c.Teacher, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			apptest.Await(t, "the turn", func() bool { return len(turns(t, r, c.Room.ID)) == 1 })
			typing()
			post(t, r, c.Student, c.Room.ID, "and more")
			post(t, r, c.Teacher, c.Room.ID, "and that")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "and more", "and that", "answer 1"})
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 2}); len(got) != 1 || got[0].Cause != "read" || got[0].Agents[0].Turn == nil {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("Unheard", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
			post(t, r, c.Student, c.Room.ID, "@teacher")
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 1}); len(got) != 1 || got[0].Cause != "unheard" {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("StaffOnly", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			if _, err := r.Decisions(t.Context(), c.Student, c.Room.ID, app.DecisionFilter{}); app.KindOf(err) != app.KindForbidden {
				t.Errorf("a student: got %v", err)
			}
		})
	})
}

// typist joins a room and types there; each call types again.
func typist(t *testing.T, r *apptest.Rig, who *app.Actor, room string) func() {
	t.Helper()
	s := r.Join(t, who, room, true, -1)
	s.Seat.Typing(t.Context())
	return func() { s.Seat.Typing(t.Context()) }
}

func TestPeopleFirst(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("WaitsForWhoTypes", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = time.Minute })
			c := r.Class(t)
			r.Model.Script(counted)
			typist(t, r, c.Teacher, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			apptest.Await(t, "the turn", func() bool {
				return turns(t, r, c.Room.ID) != nil && turns(t, r, c.Room.ID)[0].State == store.TurnRunning
			})
			if got := len(r.Model.Requests()); got != 0 {
				t.Errorf("the model was asked while somebody typed")
			}
			post(t, r, c.Teacher, c.Room.ID, "let me add")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "let me add", "answer 1"})
		})
		t.Run("WhileTheModelThinks", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = time.Minute })
			c := r.Class(t)
			gate := llmtest.NewGate(0)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				resp := counted(req)
				if req.Number == 1 {
					resp.Gate = gate
				}
				return resp
			})
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			apptest.Await(t, "the model to be asked", func() bool { return r.Model.Count() == 1 })
			watch := r.Join(t, c.Student, c.Room.ID, true, -1)
			typist(t, r, c.Teacher, c.Room.ID)
			gate.Release()
			post(t, r, c.Teacher, c.Room.ID, "let me add")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "let me add", "answer 2"})
			for _, f := range watch.Frames("delta") {
				if text, _ := f.Fields["text"].(string); strings.Contains(text, "1") {
					t.Errorf("the room saw %q of the first answer", text)
				}
			}
			steps, err := r.DB.TurnSteps(t.Context(), turns(t, r, c.Room.ID)[0].ID)
			if err != nil || len(steps) != 2 || steps[0].State != store.StepFailed || steps[1].State != store.StepDone {
				t.Errorf("steps: got %+v (%v), want one that gave way and one that was said", steps, err)
			}
		})
		// The person's line is there before the first token of the answer, and
		// nobody was seen typing: it is heard all the same, by a graph too.
		for _, flow := range []string{"direct", "graph"} {
			t.Run("NewerThanThePrompt_"+flow, func(t *testing.T) {
				r := apptest.New(t, url)
				c := r.Class(t)
				if flow == "graph" {
					useGraph(t, r, c, &workflow.Graph{Name: "one", Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start},
						"say":  {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeSay, Output: "text"}},
						"post": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "text"}}, "end": {Type: workflow.End}},
						Edges: []workflow.Edge{{From: "s", To: "say"}, {From: "say", To: "post"}, {From: "post", To: "end"}}})
				}
				gate := llmtest.NewGate(0)
				r.Model.Script(func(req llmtest.Request) llmtest.Response {
					resp := counted(req)
					if req.Number == 1 {
						resp.Gate = gate
					}
					return resp
				})
				post(t, r, c.Student, c.Room.ID, "@teacher first")
				apptest.Await(t, "the model to be asked", func() bool { return r.Model.Count() == 1 })
				post(t, r, c.Teacher, c.Room.ID, "let me add")
				gate.Release()
				want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "let me add", "answer 2"})
				if asked := r.Model.Requests()[1]; !strings.Contains(asked.Body, "let me add") {
					t.Errorf("the model was asked %s, want the person's line in it", asked.Body)
				}
			})
		}
		// Lines that nobody may read any more are not newer than the prompt.
		t.Run("TakenBackBefore", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			gate := llmtest.NewGate(0)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				resp := counted(req)
				if req.Number == 1 {
					resp.Gate = gate
				}
				return resp
			})
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			apptest.Await(t, "the model to be asked", func() bool { return r.Model.Count() == 1 })
			oops := post(t, r, c.Teacher, c.Room.ID, "oops")
			if err := r.DeleteMessage(t.Context(), c.Teacher, c.Room.ID, oops.ID); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			want(t, "answers", contents(t, r, c.Room.ID)[2:], []string{"answer 1"})
		})
		t.Run("NotForEver", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = 50 * time.Millisecond })
			c := r.Class(t)
			r.Model.Script(counted)
			typist(t, r, c.Teacher, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "answer 1"})
		})
		t.Run("TurnedOff", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = 0 })
			c := r.Class(t)
			r.Model.Script(counted)
			typist(t, r, c.Teacher, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "answer 1"})
		})
		t.Run("OnAnotherNode", func(t *testing.T) {
			if !strings.HasPrefix(url, "postgres") {
				t.Skip("SQLite has one process")
			}
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = time.Minute })
			c := r.Class(t)
			r.Model.Script(counted)
			other := apptest.NewStopped(t, url)
			s := other.Join(t, c.Teacher, c.Room.ID, true, -1)
			watch := r.Join(t, c.Student, c.Room.ID, true, -1)
			s.Seat.Typing(t.Context())
			watch.Await(t, "the sign", func(f apptest.Frame) bool { return f.Is("typing") })
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			apptest.Await(t, "the turn", func() bool {
				return turns(t, r, c.Room.ID) != nil && turns(t, r, c.Room.ID)[0].State == store.TurnRunning
			})
			if got := len(r.Model.Requests()); got != 0 {
				t.Errorf("the model was asked while somebody typed")
			}
			post(t, other, c.Teacher, c.Room.ID, "let me add")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher first", "let me add", "answer 1"})
		})
		t.Run("AgentsGiveWay", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			r.Types(t, c.Admin, "peer")
			gate := llmtest.NewGate(2)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				switch req.Number {
				case 1:
					return llmtest.Response{Text: "what do you think, @student and @peer?"}
				case 2:
					return llmtest.Response{Text: "let me see", ChunkRunes: 3, Gate: gate}
				}
				return llmtest.Response{Text: fmt.Sprintf("answer %d", req.Number)}
			})
			peer, err := r.CreateAgent(t.Context(), c.Teacher, c.Project.ID, app.AgentSettings{Name: app.Some("Peer"), Type: app.Some("peer"), Category: app.Some("participant"),
				ModelProvider: app.Some("openai"), Model: app.Some("gpt-4o"), APIKey: app.Some(secret.Text(apptest.CanaryKey))})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.AttachAgent(t.Context(), c.Teacher, c.Room.ID, peer.ID); err != nil {
				t.Fatal(err)
			}
			watch := r.Join(t, c.Student, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher")
			reached(t, gate)
			watch.Await(t, "the second one's first words", func(f apptest.Frame) bool { return f.Is("delta") && f.Fields["text"] == "let" })
			post(t, r, c.Student, c.Room.ID, "@teacher what about me?")
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher", "what do you think, @student and @peer?", "@teacher what about me?", "let me see", "answer 3"})
			messages := r.Messages(t, c.Room.ID, 5)
			if messages[4].AgentID != c.TeacherAgent.ID {
				t.Errorf("the last to speak: got %s, want the teacher", messages[4].AgentName)
			}
			var gave int
			for _, turn := range turns(t, r, c.Room.ID) {
				if turn.Reason == "gave_way" && turn.State == store.TurnStopped && turn.AgentID == peer.ID {
					gave++
				}
			}
			if gave != 1 {
				t.Errorf("%d turns gave way, want the peer's", gave)
			}
		})
	})
}

func TestGoOn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		goOn := func(t *testing.T, r *apptest.Rig, c *apptest.Class) bool {
			t.Helper()
			went, err := r.GoOn(t.Context(), c.TA, c.Room.ID)
			if err != nil {
				t.Fatal(err)
			}
			r.Idle(t, c.Room.ID)
			return went
		}
		t.Run("Row", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			staff := r.Join(t, c.Teacher, c.Room.ID, true, -1)
			pupil := r.Join(t, c.Student, c.Room.ID, true, -1)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				return llmtest.Response{Text: fmt.Sprintf("@teacher @student subject %d", req.Number)}
			})
			if goOn(t, r, c) {
				t.Error("went on although nothing was cut off")
			}
			post(t, r, c.Student, c.Room.ID, "@teacher go")
			if got := len(contents(t, r, c.Room.ID)); got != 4 {
				t.Fatalf("got %d lines, want 1 and a row of 3", got)
			}
			guard := staff.Await(t, "the guard", func(f apptest.Frame) bool { return f.Is("guard") })
			if guard.Fields["guard"] != "agent_row" || guard.Fields["state"] != "stopped" {
				t.Errorf("got %s", guard.Text)
			}
			if d := decisions(t, r, c, app.DecisionFilter{Limit: 1})[0]; d.Guard != "agent_row" {
				t.Errorf("got %+v", d)
			}
			if !goOn(t, r, c) {
				t.Error("did not go on")
			}
			if got := len(contents(t, r, c.Room.ID)); got != 7 {
				t.Errorf("got %d lines, want a second row of 3", got)
			}
			staff.Await(t, "that they go on", func(f apptest.Frame) bool { return f.Is("guard") && f.Fields["state"] == "continued" })
			if got := len(pupil.Frames("guard")); got != 0 {
				t.Errorf("a student got %d frames about guards", got)
			}
			if _, err := r.GoOn(t.Context(), c.Student, c.Room.ID); app.KindOf(err) != app.KindForbidden {
				t.Errorf("a student: got %v", err)
			}
		})
		t.Run("CutOffOfSeveral", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.MaxStreak = 1 })
			c := r.Class(t)
			r.Model.Script(counted)
			post(t, r, c.Student, c.Room.ID, "@teacher @student")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher @student", "answer 1"})
			if !goOn(t, r, c) || goOn(t, r, c) {
				t.Error("want it to go on once")
			}
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher @student", "answer 1", "answer 2"})
			if got := r.Messages(t, c.Room.ID, 3)[2].AgentID; got != c.StudentAgent.ID {
				t.Error("not the agent that was cut off went on")
			}
		})
		t.Run("SeveralStaffAtOnce", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.MaxStreak = 1 })
			c := r.Class(t)
			r.Model.Script(counted)
			post(t, r, c.Student, c.Room.ID, "@teacher @student")
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher @student", "answer 1"})
			var went atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if one, err := r.GoOn(t.Context(), c.TA, c.Room.ID); err != nil {
						t.Error(err)
					} else if one {
						went.Add(1)
					}
				})
			}
			all.Wait()
			r.Idle(t, c.Room.ID)
			if went.Load() != 1 {
				t.Errorf("it went on %d times, want once", went.Load())
			}
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher @student", "answer 1", "answer 2"})
		})
		t.Run("ATurn", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.MaxDuration = 2 * time.Second })
			c := r.Class(t)
			r.Model.Script(llmtest.InTurn(llmtest.Response{Fault: llmtest.Hang}, llmtest.Response{Text: "late"}))
			post(t, r, c.Student, c.Room.ID, "@teacher")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher"})
			if !goOn(t, r, c) || goOn(t, r, c) {
				t.Error("want it to go on once")
			}
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher", "late"})
			if got := turns(t, r, c.Room.ID); len(got) != 1 || got[0].State != store.TurnFinished || got[0].Resumed != 1 {
				t.Errorf("want the same turn to go on, got %+v", got)
			}
		})
		t.Run("APersonEndsIt", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.MaxStreak = 1 })
			c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
			r.SetRoll(999)
			r.Model.Script(counted)
			post(t, r, c.Student, c.Room.ID, "@teacher @student")
			r.Idle(t, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "never mind")
			r.Idle(t, c.Room.ID)
			if goOn(t, r, c) {
				t.Error("went on although a person has spoken since")
			}
		})
	})
}
