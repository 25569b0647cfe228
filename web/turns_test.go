package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// parked adds a turn of the world's agent that waits for a person, in a room of
// its own in the world's course, as a model's call of a tool would.
func (w *world) parked(t testing.TB) (room, turn, step string) {
	t.Helper()
	room = w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Parked", "course_id": w.course, "ai_mode": "off"}).text(t, "id")
	turn, step = w.parkIn(t, room, student, "")
	return room, turn, step
}

// parkIn is parked in a room that is there, after a message of somebody.
func (w *world) parkIn(t testing.TB, room, asks, cause string) (turn, step string) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	row := store.Turn{ID: store.NewID(), RoomID: room, AgentID: w.agent, State: store.TurnParked, Attempt: 1, Reason: "approval", CreatedAt: now, StartedAt: now, Cause: cause}
	line := &store.Message{ID: store.NewID(), RoomID: room, SenderID: w.users[asks].ID, Content: "What is due?", CreatedAt: now}
	steps := []store.TurnStep{
		{ID: store.NewID(), TurnID: row.ID, N: 1, Kind: store.StepModel, Name: "Agent", AgentID: w.agent, State: store.StepDone, Attempt: 1, StartedAt: now, EndedAt: now,
			PromptTokens: 12, CompletionTokens: 3, Input: `{"system":"Be kind.","lines":[1],"tools":["manage_artifact"],"provider":"openai","model":"gpt-4o"}`,
			Output: `{"text":"Let me see.","tool_calls":[{"id":"a","name":"manage_artifact","arguments":{"action":"delete","artifact_id":"x"}}],"finish":"tool_calls"}`},
		{ID: store.NewID(), TurnID: row.ID, N: 2, Kind: store.StepTool, Name: "manage_artifact", AgentID: w.agent, State: store.StepPending, Attempt: 1, StartedAt: now, DueAt: now.Add(time.Hour),
			Input: `{"call":0,"arguments":{"action":"delete","artifact_id":"x"},"plan":{"effect":"destructive","summary":"delete the task \"Homework\""}}`},
	}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
		if _, _, err := tx.AddMessage(t.Context(), line, &store.Event{RoomID: room, ID: line.ID, Type: "message", Body: `{}`, CreatedAt: now}, store.Heard{Unheard: true}); err != nil {
			return err
		}
		if cause != "" {
			row.TriggerSeq = line.Seq
		}
		if err := tx.CreateTurns(t.Context(), []store.Turn{row}); err != nil {
			return err
		}
		return tx.SaveSteps(t.Context(), steps)
	}); err != nil {
		t.Fatal(err)
	}
	return row.ID, steps[1].ID
}

func TestTurns(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		room, turn, step := w.parked(t)
		at := v1 + "/rooms/" + room
		t.Run("List", func(t *testing.T) {
			all := w.as(ta).must(t, http.StatusOK, get, at+"/turns").list(t)
			if len(all) != 1 || all[0]["id"] != turn || all[0]["state"] != "parked" || all[0]["reason"] != "approval" || all[0]["ended_at"] != nil {
				t.Errorf("got %v", all)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, at+"/turns?skip=1").list(t); len(got) != 0 {
				t.Errorf("behind the first: got %v", got)
			}
		})
		t.Run("Details", func(t *testing.T) {
			a := w.as(ta).must(t, http.StatusOK, get, at+"/turns/"+turn)
			steps, _ := a.object(t)["steps"].([]any)
			if len(steps) != 2 {
				t.Fatalf("got %s", a.body)
			}
			first, second := steps[0].(map[string]any), steps[1].(map[string]any)
			prompt, _ := first["prompt"].(map[string]any)
			messages, _ := prompt["messages"].([]any)
			if prompt["system"] != "Be kind." || len(messages) != 1 || !strings.Contains(fmt.Sprint(messages[0]), "What is due?") || first["prompt_tokens"] != 12.0 {
				t.Errorf("prompt: got %v", first)
			}
			if second["summary"] != `delete the task "Homework"` || second["state"] != "pending" || fmt.Sprint(second["arguments"]) != "map[action:delete artifact_id:x]" {
				t.Errorf("call: got %v", second)
			}
			if strings.Contains(a.body, apptest.CanaryKey) {
				t.Error("it shows the key")
			}
		})
		t.Run("ALineTakenBackLeavesThePrompt", func(t *testing.T) {
			line := w.as(student).must(t, http.StatusOK, get, v1+"/rooms/"+room+"/events").body
			if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
				rows, err := tx.Messages(t.Context(), room, 0, 1)
				if err != nil {
					return err
				}
				rows[0].DeletedAt = time.Now().UTC().Truncate(time.Microsecond)
				return tx.UpdateMessage(t.Context(), &rows[0], `{}`, &store.Event{ID: store.NewID(), Type: "message_deleted", Body: `{}`, CreatedAt: rows[0].DeletedAt})
			}); err != nil {
				t.Fatal(err, line)
			}
			if a := w.as(ta).must(t, http.StatusOK, get, at+"/turns/"+turn); strings.Contains(a.body, "What is due?") || !strings.Contains(a.body, "(deleted)") {
				t.Errorf("got %s", a.body)
			}
		})
		t.Run("OfAnotherRoom", func(t *testing.T) {
			w.as(owner).must(t, http.StatusNotFound, get, v1+"/rooms/"+w.room+"/turns/"+turn)
			w.as(owner).must(t, http.StatusNotFound, post, v1+"/rooms/"+w.room+"/approvals/"+step, body{"decision": "approve"})
			w.as(owner).must(t, http.StatusNotFound, get, at+"/turns/"+store.NewID())
		})
		t.Run("Decide", func(t *testing.T) {
			all := w.as(ta).must(t, http.StatusOK, get, at+"/approvals").list(t)
			if len(all) != 1 || all[0]["step_id"] != step || all[0]["turn_id"] != turn || all[0]["summary"] != `delete the task "Homework"` {
				t.Errorf("got %v", all)
			}
			w.as(ta).must(t, http.StatusUnprocessableEntity, post, at+"/approvals/"+step, body{"decision": "perhaps"})
			done := w.as(ta).must(t, http.StatusOK, post, at+"/approvals/"+step, body{"decision": "reject", "note": "Not yet."}).object(t)
			if done["state"] != "rejected" || done["decided_by"] != w.users[ta].ID || done["note"] != "Not yet." {
				t.Errorf("got %v", done)
			}
			late := w.as(owner).must(t, http.StatusConflict, post, at+"/approvals/"+step, body{"decision": "approve"})
			if got := late.text(t, "detail"); !strings.Contains(got, "has rejected this already") {
				t.Errorf("detail: got %q", got)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, at+"/approvals").list(t); len(got) != 0 {
				t.Errorf("afterwards: got %v", got)
			}
		})
	})
}
