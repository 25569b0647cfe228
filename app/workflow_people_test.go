package app_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What a person says while a draft is written or judged is heard by what is said
// in the end, whatever the graph.
func TestPeopleFirstInGraphs(t *testing.T) {
	t.Parallel()
	draftThen := func(next string, node workflow.Node) *workflow.Graph {
		return &workflow.Graph{Name: next, Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start}, next: node,
			"draft": {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "draft"}},
			"say":   {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "draft"}}, "end": {Type: workflow.End}},
			Edges: []workflow.Edge{{From: "s", To: "draft"}, {From: "draft", To: next}, {From: next, To: "say"}, {From: "say", To: "end"}}}
	}
	second := workflow.Node{Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "other", Instruction: "Think again."}}
	for name, c := range map[string]struct {
		graph  *workflow.Graph
		held   string // what the model is asked for when the person speaks
		drafts int    // the number of the draft that is said
	}{
		"review, while it is drafted": {nil, "informal contribution", 2},
		"review, while it is judged":  {nil, "Judge the draft", 2},
		"graph, while it is drafted":  {draftThen("more", second), "informal contribution", 2},
		"graph, while it goes on":     {draftThen("more", second), "Think again", 2},
		"graph, before a tool":        {draftThen("look", workflow.Node{Type: workflow.Tool, Handler: "list_members"}), "informal contribution", 2},
		"graph, behind a tool": {&workflow.Graph{Name: "tool", Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start},
			"look":  {Type: workflow.Tool, Handler: "list_members"},
			"draft": {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "draft"}},
			"say":   {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "draft"}}, "end": {Type: workflow.End}},
			Edges: []workflow.Edge{{From: "s", To: "look"}, {From: "look", To: "draft"}, {From: "draft", To: "say"}, {From: "say", To: "end"}}}, "informal contribution", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url)
				cl := silentClass(t, r)
				_, err := r.UpdateAgent(t.Context(), cl.Teacher, cl.StudentAgent.ID, app.AgentSettings{Capabilities: app.Some(allCaps)})
				must(t, err)
				r.UseWorkflow(t, cl, "")
				if c.graph != nil {
					useGraph(t, r, cl, c.graph)
				}
				gate := llmtest.NewGate(0)
				var drafts, held atomic.Int32
				r.Model.Script(func(q llmtest.Request) llmtest.Response {
					resp := llmtest.Response{Text: "thought"}
					last := q.Messages[len(q.Messages)-1].Text
					switch {
					case strings.Contains(last, "Judge the draft"):
						resp.Text = yes
					case strings.Contains(last, "informal contribution"):
						resp.Text = fmt.Sprintf("draft %d", drafts.Add(1))
					}
					if strings.Contains(last, c.held) && held.Add(1) == 1 {
						resp.Gate = gate
					}
					return resp
				})
				post(t, r, cl.Student, cl.Room.ID, "@student first")
				reached(t, gate)
				post(t, r, cl.Teacher, cl.Room.ID, "let me add")
				gate.Release()
				want(t, "lines", contents(t, r, cl.Room.ID), []string{"@student first", "let me add", fmt.Sprintf("draft %d", c.drafts)})
				var asked []string
				for _, q := range r.Model.Requests() {
					if strings.Contains(q.Body, "informal contribution") {
						asked = append(asked, q.Body)
					}
				}
				if c.drafts == 2 && !strings.Contains(asked[1], "let me add") {
					t.Errorf("the second draft was asked for with %s, want the person's line in it", asked[1])
				}
				if all := turns(t, r, cl.Room.ID); all[0].State != store.TurnFinished || c.drafts == 2 && (len(all) != 1 || all[0].ReadSeq < 2) {
					t.Errorf("got the turns %+v", all)
				}
			})
		})
	}
}

// What was done before a person was heard counts no more, for a later attempt
// neither.
func TestHeardBeforeTheWorkerFails(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick, func(cfg *config.Config) { cfg.Turns.MaxAttempts = 2 })
		c := silentClass(t, r)
		r.UseWorkflow(t, c, "")
		gate := llmtest.NewGate(0)
		var drafts, judged atomic.Int32
		r.Model.Script(func(q llmtest.Request) llmtest.Response {
			if !isEvaluation(q) {
				return llmtest.Response{Text: fmt.Sprintf("draft %d", drafts.Add(1))}
			}
			switch judged.Add(1) {
			case 1:
				return llmtest.Response{Text: yes, Gate: gate}
			case 2, 3, 4: // however often the provider is asked within an attempt
				if turns(t, r, c.Room.ID)[0].Attempt == 1 {
					return llmtest.Response{Status: 500, Message: "it burns"}
				}
			}
			return llmtest.Response{Text: yes}
		})
		post(t, r, c.Student, c.Room.ID, "@student first")
		reached(t, gate)
		post(t, r, c.Teacher, c.Room.ID, "let me add")
		gate.Release()
		hurry(t, r, c.Room.ID, 2)
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@student first", "let me add", "draft 2"})
		if n := drafts.Load(); n != 2 {
			t.Errorf("got %d drafts, want two", n)
		}
	})
}
