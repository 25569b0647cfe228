package web_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// checkBeside: one agent thinks, and another one answers beside it; each has its own
// place on the page, also for who comes later.
func checkBeside(t *testing.T, s *site) {
	draft, speech := llmtest.NewGate(0), llmtest.NewGate(openingChunks)
	t.Cleanup(draft.Release)
	t.Cleanup(speech.Release)
	room := s.room(t, func(r llmtest.Request) llmtest.Response {
		switch {
		case strings.Contains(r.System, "review what others want to say"):
			return llmtest.Response{Text: `{"approved": true, "score": 90, "feedback": ""}`}
		case strings.HasPrefix(r.System, "You wonder."):
			return llmtest.Response{Text: "I wonder, too.", Gate: draft}
		}
		return llmtest.Response{Text: answer, Gate: speech}
	})
	s.pupil(t, room)
	first, late := s.person(t), s.person(t)
	first.enter(app.RoleStudent, room)
	first.say("@Wonderer and you?")
	const running = "li[data-kind=agent][data-streaming]"
	first.see(running, "Wonderer")
	first.say("@teacher " + asked)
	first.see(running+" .text", partial)
	late.enter(app.RoleTeacher, room)
	for _, b := range []*tab{first, late} {
		b.see(running, "Wonderer")
		b.see(running+" .text", partial)
		b.await(fmt.Sprintf("document.querySelectorAll(%q).length === 2", running))
	}
	speech.Release()
	for _, b := range []*tab{first, late} {
		b.see("li[data-kind=agent]:not([data-streaming]) .text", answer)
		b.see(running, "Wonderer")
	}
	draft.Release()
	for _, b := range []*tab{first, late} {
		b.settled("@Wonderer and you?", "@teacher "+asked, answer, "I wonder, too.")
	}
}

// pupil puts an agent of the class into a room, which a teaching one reviews.
func (s *site) pupil(t *testing.T, room string) {
	t.Helper()
	projects, err := storetest.All(s.App.Projects(t.Context(), s.teacher, "", store.Page{Limit: 10}))
	if err != nil || len(projects) != 1 {
		t.Fatalf("got %d projects (%v), want the demo's", len(projects), err)
	}
	ag, err := s.App.CreateAgent(t.Context(), s.teacher, projects[0].ID, app.AgentSettings{Type: app.Some("student"), Name: app.Some("Wonderer"),
		SystemPrompt: app.Some("You wonder."), ModelProvider: app.Some("openai"), APIKey: app.Some(secret.Text(apptest.CanaryKey)), IsActive: app.Some(true)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.AttachAgent(t.Context(), s.teacher, room, ag.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.UpdateRoom(t.Context(), s.teacher, room, app.RoomSettings{AIMode: app.Some(store.ModeBoth)}); err != nil {
		t.Fatal(err)
	}
}
