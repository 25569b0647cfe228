package app_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/turn"
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
			message := r.Messages(t, c.Room.ID, 2)[1]
			if in, out := string(got[0].Input), string(got[0].Output); !strings.Contains(in, `"lines":[1]`) || strings.Contains(in, "What is a cell") ||
				!strings.Contains(out, message.ID) || strings.Contains(out, "small") {
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

// What staff read of a turn: its prompts as they were, as far as they may be
// read by now.
func TestTurnDetails(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := silentClass(t, r)
		equip(t, r, c, allCaps...)
		gone := put(t, r, c, "doc", "Gone", `{"type":"doc","secret":"of the doc"}`)
		post(t, r, c.Student, c.Room.ID, "the cell is small")
		r.Idle(t, c.Room.ID)
		ask(t, r, c, llmtest.InTurn(use("search_messages", `{"text":"cell"}`), use("list_artifacts", `{}`), use("read_artifact", `{"artifact_id":"`+gone.ID+`"}`), say("I see.")))
		id := turns(t, r, c.Room.ID)[0].ID
		details := func() (*turn.Details, []turn.Step) {
			t.Helper()
			d, err := r.Turn(t.Context(), c.TA, c.Room.ID, id)
			must(t, err)
			steps, err := storetest.All(d.Steps, nil)
			if err != nil || len(steps) != 7 {
				t.Fatalf("got %+v (%v), want 7 steps", steps, err)
			}
			return d, steps
		}
		d, steps := details()
		first, sent := steps[0].Prompt, r.Model.Requests()[0]
		if first.System != sent.System || len(first.Messages) != len(sent.Messages) || len(first.Tools) != len(sent.Tools) || first.Model != sent.Model {
			t.Errorf("prompt: got %+v, want what was sent: %+v", first, sent)
		}
		for i, m := range first.Messages {
			if got := m.Name + ": " + m.Text; got != unfenced(sent.Messages[i].Text) || !m.Data {
				t.Errorf("message %d: got %q, sent %q", i, got, sent.Messages[i].Text)
			}
		}
		if d.Fence == "" || !strings.Contains(sent.System, d.Fence) {
			t.Errorf("fence: got %q", d.Fence)
		}
		for i, want := range map[int]string{1: "the cell is small", 3: `"title":"Gone"`, 5: "of the doc"} {
			if got := steps[i].Result; !strings.Contains(got, want) {
				t.Errorf("step %d: got %s, want %s", i+1, got, want)
			}
		}
		if last := steps[6]; last.Prompt.Continues != 1 || last.Answer.Text != "I see." || last.Answer.MessageID == "" {
			t.Errorf("last step: got %+v and %+v", last.Prompt, last.Answer)
		}

		message := r.Messages(t, c.Room.ID, 1)[0]
		if err := r.DeleteMessage(t.Context(), c.Student, c.Room.ID, message.ID); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteArtifact(t.Context(), c.Teacher, gone.ID, true); err != nil {
			t.Fatal(err)
		}
		_, left := details()
		if all := fmt.Sprintf("%+v", left); strings.Contains(all, "the cell is small") || strings.Contains(all, "of the doc") || strings.Contains(all, "Gone") {
			t.Errorf("it still shows what was taken back or erased: %s", all)
		}
		if dump := r.Dump(t); strings.Contains(dump, "of the doc") {
			t.Error("the erased content is still stored")
		}
	})
}

// What a model thought is for staff, as long as it can quote nothing that is
// not to be read any more.
func TestReasoningIsForStaff(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := t.Context()
		thought := func(t *testing.T, id string) string {
			t.Helper()
			got, err := r.Turn(ctx, c.Teacher, c.Room.ID, id)
			if err != nil {
				t.Fatal(err)
			}
			all, err := storetest.All(got.Steps, nil)
			if err != nil {
				t.Fatal(err)
			}
			return all[0].Answer.Reasoning
		}
		ask := func(t *testing.T, text string) (*store.Message, string) {
			t.Helper()
			r.Model.Script(llmtest.Always(llmtest.Response{Reasoning: "They say: " + text, Text: "Well."}))
			m := post(t, r, c.Student, c.Room.ID, text)
			r.Idle(t, c.Room.ID)
			all := turns(t, r, c.Room.ID)
			return m, all[len(all)-1].ID
		}
		first, one := ask(t, "@teacher, my secret is blue")
		if got := thought(t, one); !strings.Contains(got, "blue") {
			t.Fatalf("staff read %q, want what the model thought", got)
		}
		if _, err := r.EditMessage(ctx, c.Student, c.Room.ID, first.ID, "@teacher, my secret is none"); err != nil {
			t.Fatal(err)
		}
		if got := thought(t, one); got != "" {
			t.Errorf("after the edit staff read %q", got)
		}
		second, two := ask(t, "@teacher, my secret is green")
		if err := r.DeleteMessage(ctx, c.Student, c.Room.ID, second.ID); err != nil {
			t.Fatal(err)
		}
		if got := thought(t, two); got != "" {
			t.Errorf("after the deletion staff read %q", got)
		}
		third, three := ask(t, "@teacher, what else?")
		at := third.CreatedAt.Add(-time.Microsecond)
		r.Exec(t, "UPDATE messages SET deleted_at = ? WHERE id = ?", at, second.ID)
		if err := r.DB.InTx(ctx, func(tx *store.Tx) error {
			_, err := tx.EraseDeletedMessages(ctx, at.Add(time.Microsecond), 10)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(r.Dump(t), "green") {
			t.Error("what the model thought of a line that is gone is still in the database")
		}
		if got := thought(t, three); !strings.Contains(got, "what else") {
			t.Errorf("staff read %q of a turn that came later, want what the model thought", got)
		}
	})
}
