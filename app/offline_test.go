package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// prompted stands in every part of a prompt; the offline provider says it nowhere.
const prompted = "XYZZY"

// program are words that only the program's own orders to a model have.
var program = []string{"Write a short", "Judge the", "short, informal", "<data-", "Messages begin with who speaks", "your own words only"}

func saysNothing(t *testing.T, where, text string) {
	t.Helper()
	for _, word := range append([]string{prompted}, program...) {
		if strings.Contains(text, word) {
			t.Errorf("%s: got %q, which has %q of a prompt", where, text, word)
		}
	}
	if !strings.Contains(text, llm.OfflineLabel) {
		t.Errorf("%s: got %q, which does not say what it is", where, text)
	}
}

// TestOfflineSaysNothingOfPrompts: in no mode is any part of a prompt in what
// agents without a model say, or do to each other.
func TestOfflineSaysNothingOfPrompts(t *testing.T) {
	t.Parallel()
	own := &workflow.Graph{Name: "own", Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start}, "end": {Type: workflow.End},
		"a": {Type: workflow.Agent, Handler: "speaker", Config: workflow.Config{Mode: workflow.ModeDraft, Output: "a", Instruction: prompted + " first"}},
		"b": {Type: workflow.Agent, Handler: "instructor", Config: workflow.Config{Mode: workflow.ModeEvaluate, Of: "a", Output: "b", Instruction: prompted + " judge {{a}}"}},
		"c": {Type: workflow.Agent, Handler: "speaker", Config: workflow.Config{Mode: workflow.ModeSay, Of: "a", Output: "c", Instruction: prompted + " say {{a}}"}},
		"d": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "c"}}},
		Edges: []workflow.Edge{{From: "s", To: "a"}, {From: "a", To: "b"}, {From: "b", To: "c"}, {From: "c", To: "d"}, {From: "d", To: "end"}}}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.SetRoll(0) // whoever may speaks
		c := r.Class(t)
		settings := app.AgentSettings{ModelProvider: app.Some("offline"), SystemPrompt: app.Some(prompted + " be kind"), Capabilities: app.Some(allCaps),
			Settings: app.Some(json.RawMessage(`{"note": "` + prompted + `"}`))}
		for _, ag := range []*store.Agent{c.TeacherAgent, c.StudentAgent} {
			_, err := r.UpdateAgent(t.Context(), c.Teacher, ag.ID, settings)
			must(t, err)
		}
		for _, kind := range []string{store.AgentAnalytics, store.AgentDesign} {
			_, err := r.SetSystemAgent(t.Context(), c.Admin, kind, settings)
			must(t, err)
		}
		put(t, r, c, "doc", "Notes of "+prompted, `{"text":"`+prompted+`"}`)
		for _, flow := range []string{"", "direct", "student_teacher_review", "own"} {
			for _, mode := range []string{store.ModeBoth, store.ModeTeacherOnly} {
				for _, message := range []string{"@teacher " + prompted, "@student " + prompted, prompted + "?", "@teacher /tool read_chat {}", "@teacher /tool search_chat {\"query\":\"" + prompted + "\"}",
					"@teacher /tool " + prompted + " {}", "@teacher /tool list_artifacts {broken " + prompted} {
					room, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, app.RoomSettings{AIMode: app.Some(mode)})
					must(t, err)
					if flow == "own" {
						if room.Workflow == "" || room.Workflow == "student_teacher_review" {
							useGraph(t, r, c, own)
						}
					} else {
						r.UseWorkflow(t, c, flow)
					}
					s := r.Join(t, c.Student, c.Room.ID, true, -1)
					post(t, r, c.Student, c.Room.ID, message)
					r.Idle(t, c.Room.ID)
					for _, f := range s.Frames("delta") {
						if text := fmt.Sprint(f.Fields["text"]); strings.Contains(text, prompted) {
							t.Errorf("%q %s %q: streamed %q", flow, mode, message, text)
						}
					}
					for _, f := range s.Frames("trace") {
						if strings.Contains(f.Text, prompted) {
							t.Errorf("%q %s %q: traced %q", flow, mode, message, f.Text)
						}
					}
				}
			}
		}
		said := 0
		messages, err := r.DB.ShownMessages(t.Context(), c.Room.ID, 0, store.MaxLimit)
		must(t, err)
		for _, m := range messages {
			if m.ByAgent() {
				said++
				saysNothing(t, "a line", m.Content)
			}
		}
		if said < 20 {
			t.Errorf("got %d lines of agents, want many", said)
		}
		var ids []string
		for _, turn := range turns(t, r, c.Room.ID) {
			ids = append(ids, turn.ID)
			d, err := r.Turn(t.Context(), c.Teacher, c.Room.ID, turn.ID)
			must(t, err)
			steps, err := storetest.All(d.Steps, nil)
			must(t, err)
			for _, step := range steps {
				if step.Answer != nil && strings.Contains(step.Answer.Text, prompted) {
					t.Errorf("a step: got %q", step.Answer.Text)
				}
			}
		}
		letters, err := r.DB.A2AMessages(t.Context(), ids)
		must(t, err)
		for _, l := range letters {
			if strings.Contains(string(l.Content), prompted) {
				t.Errorf("a letter: got %s", l.Content)
			}
		}

		th := newThread(t, r, c, c.TeacherAgent.ID)
		for range 2 {
			m, err := r.TalkInThread(t.Context(), c.Teacher, th.ID, app.ThreadMessage{Message: prompted})
			must(t, err)
			saysNothing(t, "a thread", m.Content)
		}
		text, _, err := r.Simulate(t.Context(), c.Teacher, c.StudentAgent.ID, app.ThreadMessage{Message: prompted})
		must(t, err)
		saysNothing(t, "the sandbox", text)
		text, _, err = r.GenerateInstructions(t.Context(), c.Teacher, app.Design{Requirement: prompted, TargetAgentType: "teacher", CourseContext: prompted})
		must(t, err)
		saysNothing(t, "instructions", text)
		generate(t, r, c)
		apptest.Await(t, "the report", func() bool { all := reports(t, r, c); return len(all) > 0 && all[0].Ended() })
		saysNothing(t, "the report", reports(t, r, c)[0].Content)
	})
}
