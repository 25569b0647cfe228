package web_test

import (
	"encoding/json"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
)

// checkStop: who asked stops the answer, as staff may; what was said until then
// stays and is marked.
func checkStop(t *testing.T, s *site) {
	gate := llmtest.NewGate(openingChunks)
	t.Cleanup(gate.Release)
	room := s.room(t, llmtest.Always(llmtest.Response{Text: answer, Gate: gate}))
	const stop = "li[data-streaming] .foot button"
	teacher, student := s.person(t), s.person(t)
	teacher.enter(app.RoleTeacher, room)
	student.enter(app.RoleStudent, room)
	teacher.see("#presence-count", "2 here")
	student.say(asked)
	for _, b := range []*tab{teacher, student} {
		b.see("li[data-streaming] .text", partial)
		b.see(stop, "Stop")
	}
	student.click(stop)
	for _, b := range []*tab{teacher, student} {
		b.settled(asked, partial+" (stopped)")
		b.run(chromedp.Reload())
		b.connected()
		b.settled(asked, partial+" (stopped)")
	}
	s.stored(t, room, asked, partial)
}

// checkAllow: staff are asked what an agent's workflow waits for, also when
// they come later, and their decision goes on; students are not asked.
func checkAllow(t *testing.T, s *site) {
	room := s.room(t, llmtest.Say(answer))
	s.asksFirst(t, room)
	const choices = "li[data-kind=notice] .choices button"
	teacher, student := s.person(t), s.person(t)
	teacher.enter(app.RoleTeacher, room)
	student.enter(app.RoleStudent, room)
	student.say(asked)
	teacher.see("li[data-kind=notice]", "Teacher wants to say what it wrote.")
	teacher.see(choices, "Allow")
	student.see("li[data-kind=notice]", "Teacher waits for a decision of the staff.")
	student.gone(choices)
	teacher.run(chromedp.Reload())
	teacher.connected()
	teacher.see(choices, "Allow")
	teacher.click(choices)
	teacher.see("#messages", "Demo teacher has allowed Teacher to say what it wrote.")
	teacher.gone(choices)
	for _, b := range []*tab{teacher, student} {
		b.settled(asked, answer)
	}
}

// asksFirst has a room's agent ask the staff before it speaks.
func (s *site) asksFirst(t *testing.T, room string) {
	t.Helper()
	g, err := json.Marshal(workflow.Graph{Name: t.Name(), Start: "start", Nodes: map[string]workflow.Node{
		"start": {Type: workflow.Start},
		"draft": {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "draft"}},
		"ask":   {Type: workflow.Human, Config: workflow.Config{Text: "say what it wrote"}},
		"say":   {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "draft"}},
		"end":   {Type: workflow.End},
	}, Edges: []workflow.Edge{{From: "start", To: "draft"}, {From: "draft", To: "ask"}, {From: "ask", To: "say", Condition: workflow.LabelApproved},
		{From: "ask", To: "end"}, {From: "say", To: "end"}}})
	if err != nil {
		t.Fatal(err)
	}
	w, err := s.App.CreateWorkflow(t.Context(), s.teacher, s.course, app.WorkflowSettings{Name: app.Some("asks first"), Graph: app.Some(json.RawMessage(g))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.SetRoomWorkflow(t.Context(), s.teacher, room, &w.ID); err != nil {
		t.Fatal(err)
	}
}
