package app_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// reviewing answers drafts with numbered texts and evaluations with the
// verdicts in their order, the last one again and again.
func reviewing(r *apptest.Rig, verdicts ...string) {
	var drafts, judged atomic.Int32
	r.Model.Script(func(req llmtest.Request) llmtest.Response {
		if isEvaluation(req) {
			return llmtest.Response{Text: verdicts[min(int(judged.Add(1)), len(verdicts))-1]}
		}
		return llmtest.Response{Text: fmt.Sprintf("draft %d", drafts.Add(1))}
	})
}

func isEvaluation(req llmtest.Request) bool {
	return strings.Contains(req.System, "review what others want to say")
}

const (
	yes = `{"approved": true, "score": 90, "feedback": "Good."}`
	no  = `{"approved": false, "score": 20, "feedback": "CANARY-FEEDBACK: name a source."}`
)

// traces lists what the room was shown of the exchange.
func traces(t *testing.T, r *apptest.Rig, roomID string) []string {
	t.Helper()
	events, err := r.DB.Events(t.Context(), roomID, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range events {
		var body event.Trace
		if e.Type == event.TypeTrace {
			if err := json.Unmarshal([]byte(e.Body), &body); err != nil {
				t.Fatal(err)
			}
			out = append(out, body.Event)
		}
	}
	return out
}

// letters lists the A2A messages of a room's turns as "type: text".
func letters(t *testing.T, r *apptest.Rig, roomID string) (kinds []string, all []store.A2AMessage) {
	t.Helper()
	runs, err := storetest.All(r.DB.Exchanges(t.Context(), roomID, "", 100))
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, run := range runs {
		ids = append(ids, run.ID)
	}
	if all, err = r.DB.A2AMessages(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		kinds = append(kinds, m.Type)
	}
	return kinds, all
}

// TestReview: what one of the class drafts is said when an instructor has
// approved it, and nothing of it is shown before.
func TestReview(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *apptest.Class) {
			r := apptest.New(t, url)
			r.SetRoll(999) // nobody speaks unless called
			return r, r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		}
		begin := func(t *testing.T) (*apptest.Rig, *apptest.Class) {
			r, c := start(t)
			r.UseWorkflow(t, c, "")
			return r, c
		}
		for _, tt := range []struct {
			name     string
			settings string
			verdicts []string
			lines    []string
			traces   []string
			letters  []string
			reason   string
		}{
			{"Approved", `{}`, []string{yes}, []string{"@student?", "draft 1"}, []string{"PROPOSAL", "EVAL_REQUEST", "APPROVED"},
				[]string{"proposal", "evaluation_request", "evaluation_result", "broadcast"}, ""},
			{"ApprovedOnceRevised", `{}`, []string{no, yes}, []string{"@student?", "draft 2"}, []string{"PROPOSAL", "EVAL_REQUEST", "REVISION", "EVAL_REQUEST", "APPROVED"},
				[]string{"proposal", "evaluation_request", "evaluation_result", "proposal", "evaluation_request", "evaluation_result", "broadcast"}, ""},
			{"Denied", `{}`, []string{no}, []string{"@student?"}, []string{"PROPOSAL", "EVAL_REQUEST", "REVISION", "EVAL_REQUEST", "DENIED"},
				[]string{"proposal", "evaluation_request", "evaluation_result", "proposal", "evaluation_request", "evaluation_result"}, "denied"},
			{"NoRevision", `{"review": {"revisions": 0}}`, []string{no}, []string{"@student?"}, []string{"PROPOSAL", "EVAL_REQUEST", "DENIED"},
				[]string{"proposal", "evaluation_request", "evaluation_result"}, "denied"},
			{"TwoRevisions", `{"review": {"revisions": 2}}`, []string{no, no, yes}, []string{"@student?", "draft 3"},
				[]string{"PROPOSAL", "EVAL_REQUEST", "REVISION", "EVAL_REQUEST", "REVISION", "EVAL_REQUEST", "APPROVED"}, nil, ""},
			{"UnreadableIsNoApproval", `{"review": {"revisions": 0}}`, []string{"YES! Approved."}, []string{"@student?"}, []string{"PROPOSAL", "EVAL_REQUEST", "UNREADABLE"}, nil, "unread"},
			{"AskedOnceMore", `{"review": {"revisions": 0}}`, []string{"YES! Approved.", yes}, []string{"@student?", "draft 1"}, []string{"PROPOSAL", "EVAL_REQUEST", "APPROVED"}, nil, ""},
			{"SwitchedOff", `{"review": {"enabled": false}}`, []string{no}, []string{"@student?", "draft 1"}, nil, nil, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				r, c := begin(t)
				reviewing(r, tt.verdicts...)
				if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.StudentAgent.ID, app.AgentSettings{Settings: app.Some(json.RawMessage(tt.settings))}); err != nil {
					t.Fatal(err)
				}
				post(t, r, c.Student, c.Room.ID, "@student?")
				want(t, "lines", contents(t, r, c.Room.ID), tt.lines)
				want(t, "traces", traces(t, r, c.Room.ID), tt.traces)
				if kinds, _ := letters(t, r, c.Room.ID); tt.letters != nil || tt.name == "SwitchedOff" {
					want(t, "A2A messages", kinds, tt.letters)
				}
				turn := turns(t, r, c.Room.ID)[0]
				if turn.Reason != tt.reason || (tt.reason == "") != (turn.State == store.TurnFinished) {
					t.Errorf("got a turn that is %s for %q, want the reason %q", turn.State, turn.Reason, tt.reason)
				}
			})
		}
		t.Run("TheInstructorIsNotReviewed", func(t *testing.T) {
			r, c := begin(t)
			reviewing(r, no)
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher?", "draft 1"})
		})
		t.Run("WithoutAnInstructorTheClassSpeaksForItself", func(t *testing.T) {
			r, c := begin(t)
			reviewing(r, no)
			if err := r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID); err != nil {
				t.Fatal(err)
			}
			post(t, r, c.Student, c.Room.ID, "@student?")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@student?", "draft 1"})
		})
		t.Run("OneExchange", func(t *testing.T) {
			r, c := begin(t)
			reviewing(r, no, yes)
			post(t, r, c.Student, c.Room.ID, "@student?")
			r.Idle(t, c.Room.ID)
			_, all := letters(t, r, c.Room.ID)
			turn := turns(t, r, c.Room.ID)[0]
			ids := map[string]bool{}
			for _, m := range all {
				ids[m.MessageID] = true
				if m.CorrelationID != turn.ID || m.RoomID != c.Room.ID {
					t.Errorf("got %+v, want the turn as what all have in common", m)
				}
			}
			if len(ids) != 7 || all[0].SenderID != c.StudentAgent.ID || all[0].RecipientID != c.TeacherAgent.ID || all[2].SenderID != c.TeacherAgent.ID {
				t.Errorf("got %+v, want 7 messages between the two", all)
			}
			if !strings.Contains(string(all[2].Content), "CANARY-FEEDBACK") {
				t.Errorf("got %s, want the feedback for staff", all[2].Content)
			}
		})
		t.Run("NobodyButStaffSeesDrafts", func(t *testing.T) {
			r, c := begin(t)
			reviewing(r, no)
			post(t, r, c.Student, c.Room.ID, "@student?")
			r.Idle(t, c.Room.ID)
			events, err := r.DB.Events(t.Context(), c.Room.ID, 0, 1000)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if strings.Contains(string(e.Body), "draft 1") || strings.Contains(string(e.Body), "CANARY-FEEDBACK") {
					t.Errorf("got the event %s, want nothing of what was drafted", e.Body)
				}
			}
		})
		t.Run("WhatTheTwoAreTold", func(t *testing.T) {
			r, c := begin(t)
			reviewing(r, no, yes)
			post(t, r, c.Student, c.Room.ID, "@student?")
			r.Idle(t, c.Room.ID)
			asked := r.Model.Requests()
			if len(asked) != 4 {
				t.Fatalf("got %d model calls, want draft, verdict, revision, verdict", len(asked))
			}
			for i, part := range []string{"@student?", "draft 1", "CANARY-FEEDBACK", "draft 2"} {
				if !slices.ContainsFunc(asked[i].Messages, func(m llmtest.Message) bool { return strings.Contains(m.Text, part) }) {
					t.Errorf("call %d: got %+v, want %q in it", i+1, asked[i].Messages, part)
				}
			}
		})
	})
}

// TestPause: a run that is paused while a node is at work parks before the next
// one, and goes on from there; the room goes on meanwhile.
func TestPause(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.SetRoll(999) // nobody speaks unless called
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		r.UseWorkflow(t, c, "")
		gate := llmtest.NewGate(0)
		r.Model.Script(func(req llmtest.Request) llmtest.Response {
			switch {
			case isEvaluation(req):
				return llmtest.Response{Text: yes}
			case req.Number == 1:
				return llmtest.Response{Text: "draft", Gate: gate}
			case req.Number == 2:
				return llmtest.Response{Text: "me first"}
			}
			return llmtest.Response{Text: "draft after that"}
		})
		post(t, r, c.Student, c.Room.ID, "@student?")
		apptest.Await(t, "the draft to be written", func() bool { return r.Model.Count() == 1 })
		run := turns(t, r, c.Room.ID)[0].ID
		if _, err := r.PauseRun(t.Context(), c.TA, run); err != nil {
			t.Fatal(err)
		}
		gate.Release()
		r.Idle(t, c.Room.ID)
		if turn := turns(t, r, c.Room.ID)[0]; turn.State != store.TurnParked || turn.Reason != "paused" || r.Model.Count() != 1 {
			t.Errorf("got a turn that is %s for %q after %d calls, want it parked behind its first node", turn.State, turn.Reason, r.Model.Count())
		}
		post(t, r, c.Student, c.Room.ID, "@teacher?")
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "me first"})
		if _, err := r.ResumeRun(t.Context(), c.TA, run); err != nil {
			t.Fatal(err)
		}
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "me first", "draft after that"})
		if r.Model.Count() != 4 {
			t.Errorf("got %d model calls, want the draft, the teacher's answer, the draft that knows it and the verdict", r.Model.Count())
		}
	})
}

// useGraph has the turns of a class's room go through a graph.
func useGraph(t *testing.T, r *apptest.Rig, c *apptest.Class, g *workflow.Graph) {
	t.Helper()
	body, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	now := r.Now().UTC()
	w := &store.Workflow{ID: store.NewID(), CourseID: c.Course.ID, Name: g.Name, Graph: store.JSON(body), CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := r.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateWorkflow(t.Context(), w) }); err != nil {
		t.Fatal(err)
	}
	r.UseWorkflow(t, c, w.ID)
}

// TestGraph: what the nodes of a graph do.
func TestGraph(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *apptest.Class) {
			r := apptest.New(t, url)
			r.SetRoll(999) // nobody speaks unless called
			return r, r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		}
		begin := func(t *testing.T, g *workflow.Graph) (*apptest.Rig, *apptest.Class) {
			r, c := start(t)
			useGraph(t, r, c, g)
			return r, c
		}
		t.Run("ThreeAtOnceAndASynthesis", func(t *testing.T) {
			g := &workflow.Graph{Name: "panel", Start: "s", Nodes: map[string]workflow.Node{
				"s": {Type: workflow.Start}, "fork": {Type: workflow.Parallel, Config: workflow.Config{Join: "join"}}, "join": {Type: workflow.Join},
				"sum": {Type: workflow.Agent, Handler: "instructor", Config: workflow.Config{Mode: workflow.ModeDraft, Output: "sum", Instruction: "Sum up {{a}}, {{b}} and {{c}}."}},
				"say": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "sum"}}, "end": {Type: workflow.End},
			}, Edges: []workflow.Edge{{From: "s", To: "fork"}, {From: "join", To: "sum"}, {From: "sum", To: "say"}, {From: "say", To: "end"}}}
			for _, id := range []string{"a", "b", "c"} {
				g.Nodes[id] = workflow.Node{Type: workflow.Agent, Handler: "speaker", Config: workflow.Config{Mode: workflow.ModeDraft, Output: id, Instruction: "View " + id}}
				g.Edges = append(g.Edges, workflow.Edge{From: "fork", To: id}, workflow.Edge{From: id, To: "join"})
			}
			r, c := begin(t, g)
			gate := llmtest.NewGate(0)
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				last := req.Messages[len(req.Messages)-1].Text
				if strings.Contains(last, "Sum up") {
					return llmtest.Response{Text: "All agree."}
				}
				return llmtest.Response{Text: "my " + last, Gate: gate}
			})
			post(t, r, c.Student, c.Room.ID, "@student what do you think?")
			apptest.Await(t, "all three to be asked before any has answered", func() bool { return len(r.Model.Requests()) == 3 })
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@student what do you think?", "All agree."})
			sum := r.Model.Requests()[3]
			for _, view := range []string{"my View a", "my View b", "my View c"} {
				if !slices.ContainsFunc(sum.Messages, func(m llmtest.Message) bool { return strings.Contains(m.Text, view) }) {
					t.Errorf("got %+v, want %q in the synthesis", sum.Messages, view)
				}
			}
		})
		human := func() *workflow.Graph {
			return &workflow.Graph{Name: "ask first", Start: "s", Nodes: map[string]workflow.Node{
				"s": {Type: workflow.Start}, "draft": {Type: workflow.Agent, Handler: "speaker", Config: workflow.Config{Mode: workflow.ModeDraft, Output: "draft"}},
				"ask": {Type: workflow.Human, Config: workflow.Config{Text: "say what it drafted"}},
				"say": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "draft"}},
				"end": {Type: workflow.End, Config: workflow.Config{Status: "said"}}, "no": {Type: workflow.End, Config: workflow.Config{Status: workflow.LabelRejected}},
			}, Edges: []workflow.Edge{{From: "s", To: "draft"}, {From: "draft", To: "ask"}, {From: "ask", To: "say", Condition: workflow.LabelApproved},
				{From: "ask", To: "no"}, {From: "say", To: "end"}}}
		}
		for decision, wanted := range map[string][]string{app.DecisionApprove: {"@student?", "meanwhile", "draft 1"}, app.DecisionReject: {"@student?", "meanwhile"}} {
			t.Run("Human_"+decision, func(t *testing.T) {
				r, c := begin(t, human())
				reviewing(r, yes)
				post(t, r, c.Student, c.Room.ID, "@student?")
				r.Idle(t, c.Room.ID)
				post(t, r, c.Student, c.Room.ID, "meanwhile") // parked, the room goes on
				waiting, err := storetest.All(r.Approvals(t.Context(), c.Teacher, c.Room.ID, store.Page{}))
				if err != nil || len(waiting) == 0 || waiting[0].Summary != "say what it drafted" {
					t.Fatalf("got %+v, %v, want one that waits", waiting, err)
				}
				if _, err := r.DecideApproval(t.Context(), c.Teacher, c.Room.ID, waiting[0].Step.ID, decision, ""); err != nil {
					t.Fatal(err)
				}
				r.Idle(t, c.Room.ID)
				var said []string
				for _, line := range contents(t, r, c.Room.ID) {
					if line == "draft 1" || !strings.HasPrefix(line, "draft") {
						said = append(said, line)
					}
				}
				want(t, "lines", said, wanted)
			})
		}
	})
}
