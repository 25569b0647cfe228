package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func post(t *testing.T, r *apptest.Rig, who *app.Actor, room, content string) *store.Message {
	t.Helper()
	p, err := r.PostMessage(t.Context(), who, room, content, store.NewID())
	if err != nil {
		t.Fatal(err)
	}
	return p.Message
}

func TestAgentAnswers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Model.Script(llmtest.Say("A cell is the smallest unit of life."))

		post(t, r, c.Student, c.Room.ID, "What is a cell?")
		lines := r.Lines(t, c.Room.ID, 2)
		r.Idle(t, c.Room.ID)

		if got, want := lines[1].Content, "A cell is the smallest unit of life."; got != want {
			t.Errorf("answer: got %q, want %q", got, want)
		}
		if got, want := lines[1].AgentID, c.TeacherAgent.ID; got != want {
			t.Errorf("speaker: got %s, want the teacher agent %s", got, want)
		}
		if got := len(r.Lines(t, c.Room.ID, 2)); got != 2 {
			t.Errorf("lines: got %d, want 2", got)
		}
		req := r.Model.Requests()[0]
		if got := req.LastUser(); !strings.Contains(got, "Sue (student)") || !strings.Contains(got, "What is a cell?") {
			t.Errorf("the model was shown %q, want the speaker's name, role and text", got)
		}
		turns, err := r.DB.Turns(t.Context(), c.Room.ID, store.Page{})
		if err != nil {
			t.Fatal(err)
		}
		if len(turns) != 1 || turns[0].State != store.TurnFinished || turns[0].Attempt != 1 {
			t.Errorf("turns: got %+v, want one finished at its first attempt", turns)
		}
	})
}
