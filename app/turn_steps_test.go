package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// steps are those of a room's one turn, in their order.
func steps(t *testing.T, r *apptest.Rig, room string) []store.TurnStep {
	t.Helper()
	all := turns(t, r, room)
	if len(all) != 1 {
		t.Fatalf("got %d turns, want one", len(all))
	}
	got, err := r.DB.TurnSteps(t.Context(), all[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestDirectAnswerIsOneStep(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("Finished", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			r.Model.Script(llmtest.Say("A cell is small."))
			post(t, r, c.Student, c.Room.ID, "What is a cell?")
			r.Idle(t, c.Room.ID)
			got := steps(t, r, c.Room.ID)
			if len(got) != 1 || got[0].Kind != store.StepModel || got[0].State != store.StepDone || got[0].Node != "" || got[0].CompletionTokens == 0 || got[0].EndedAt.IsZero() {
				t.Fatalf("got %+v, want one model call", got)
			}
			// What was said is kept where it can be taken back: in the lines.
			line := r.Lines(t, c.Room.ID, 2)[1]
			if in, out := string(got[0].Input), string(got[0].Output); !strings.Contains(in, `"lines":[1]`) || strings.Contains(in, "What is a cell") ||
				!strings.Contains(out, line.ID) || strings.Contains(out, "small") {
				t.Errorf("got %s and %s, want references to the lines", in, out)
			}
			if strings.Contains(string(got[0].Input), apptest.CanaryKey) {
				t.Error("the step holds the key")
			}
		})
		t.Run("Failed", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 401, Message: "no such key"}))
			post(t, r, c.Student, c.Room.ID, "What is a cell?")
			r.Idle(t, c.Room.ID)
			if got := steps(t, r, c.Room.ID); len(got) != 1 || got[0].State != store.StepFailed || !strings.Contains(string(got[0].Output), "bad_key") {
				t.Errorf("got %+v, want one failed model call with its reason", got)
			}
		})
		t.Run("Retried", func(t *testing.T) {
			r := apptest.New(t, url, quick)
			c := r.Class(t)
			r.Model.Script(llmtest.InTurn(llmtest.Response{Text: "This is broken off in the middle of the answer.", Fault: llmtest.Cut}, llmtest.Response{Text: "whole"}))
			post(t, r, c.Student, c.Room.ID, "What is a cell?")
			hurry(t, r, c.Room.ID, 2)
			r.Idle(t, c.Room.ID)
			got := steps(t, r, c.Room.ID)
			if len(got) != 2 || got[0].State != store.StepFailed || got[0].Attempt != 1 || got[1].State != store.StepDone || got[1].Attempt != 2 {
				t.Errorf("got %+v, want one failed and one done", got)
			}
		})
	})
}
