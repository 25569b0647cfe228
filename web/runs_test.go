package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// reviewed adds a run of the review graph in which the draft was approved, in a
// room of its own in the world's course.
func (w *world) reviewed(t testing.TB) (room, run string) {
	t.Helper()
	room = w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Reviewed", "course_id": w.course, "ai_mode": "off"}).text(t, "id")
	return room, w.newRun(t, room)
}

// newRun adds a run to a room, as the engine would.
func (w *world) newRun(t testing.TB, room string) string {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Microsecond)
	turn := store.Turn{ID: store.NewID(), RoomID: room, AgentID: w.agent, TriggerSeq: -now.UnixNano(), State: store.TurnParked, Attempt: 1, CreatedAt: now,
		Workflow: "student_teacher_review", Graph: `{"name":"student_teacher_review","start_node":"start","nodes":{},"edges":[]}`}
	letter := func(kind, from, to string, content store.JSON) store.A2AMessage {
		return store.A2AMessage{MessageID: store.NewID(), CorrelationID: turn.ID, TurnID: turn.ID, RoomID: room, Type: kind, SenderID: from, RecipientID: to,
			Content: content, Metadata: `{"room_id":"x"}`, CreatedAt: now}
	}
	judge := store.NewID()
	letters := []store.A2AMessage{
		letter("proposal", w.agent, judge, `{"draft":"I think it is 42."}`),
		letter("evaluation_result", judge, w.agent, `{"approved":false,"proposal":"I think it is 42.","score":40,"feedback":"Say why."}`),
		letter("proposal", w.agent, judge, `{"draft":"It is 42, since 6 x 7 is."}`),
		letter("evaluation_result", judge, w.agent, `{"approved":true,"proposal":"It is 42, since 6 x 7 is.","score":90,"feedback":null}`),
	}
	step := store.TurnStep{ID: store.NewID(), TurnID: turn.ID, N: 1, Node: "generate_proposal", Kind: store.StepAgent, Name: "speaker", AgentID: w.agent, State: store.StepDone,
		Attempt: 1, StartedAt: now, EndedAt: now, Input: `{}`, Output: `{"output":"draft","text":"I think it is 42."}`}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
		if err := tx.CreateTurns(t.Context(), []store.Turn{turn}); err != nil {
			return err
		}
		if err := tx.SaveSteps(t.Context(), []store.TurnStep{step}); err != nil {
			return err
		}
		return tx.CreateA2AMessages(t.Context(), letters)
	}); err != nil {
		t.Fatal(err)
	}
	return turn.ID
}

func TestExchanges(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		room, first := w.reviewed(t)
		second := w.newRun(t, room)
		at := v1 + "/rooms/" + room + "/a2a"
		t.Run("NewestFirst", func(t *testing.T) {
			all := w.as(ta).must(t, http.StatusOK, get, at).list(t)
			if len(all) != 2 || all[0]["id"] != second || all[1]["id"] != first || all[0]["turn_id"] != second {
				t.Fatalf("got %v", all)
			}
			if all[0]["verdict"] != "approved" || all[0]["state"] != "parked" || all[0]["agent_id"] != w.agent || all[0]["ended_at"] != nil {
				t.Errorf("got %v", all[0])
			}
			letters := all[0]["messages"].([]any)
			if len(letters) != 4 {
				t.Fatalf("got %d messages, want 4", len(letters))
			}
			draft, verdict := letters[0].(map[string]any), letters[1].(map[string]any)
			wantMembers(t, draft, "id", "type", "sender_id", "recipient_id", "content", "correlation_id", "metadata", "created_at")
			if draft["type"] != "proposal" || draft["correlation_id"] != second || draft["content"].(map[string]any)["draft"] != "I think it is 42." {
				t.Errorf("draft: got %v", draft)
			}
			if got := verdict["content"].(map[string]any); got["feedback"] != "Say why." || got["score"] != 40.0 {
				t.Errorf("verdict: got %v", got)
			}
		})
		t.Run("Pages", func(t *testing.T) {
			if got := w.as(ta).must(t, http.StatusOK, get, at+"?limit=1").list(t); len(got) != 1 || got[0]["id"] != second {
				t.Errorf("the first page: got %v", got)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, at+"?limit=1&before="+second).list(t); len(got) != 1 || got[0]["id"] != first {
				t.Errorf("the second page: got %v", got)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, at+"?before="+first).list(t); len(got) != 0 {
				t.Errorf("behind the last: got %v", got)
			}
			w.as(ta).must(t, http.StatusUnprocessableEntity, get, at+"?limit=0")
			w.as(ta).must(t, http.StatusUnprocessableEntity, get, at+"?before=first")
		})
		t.Run("StaffOnly", func(t *testing.T) {
			if a := w.as(student).must(t, http.StatusForbidden, get, at); strings.Contains(a.body, "I think") {
				t.Errorf("got %s", a.body)
			}
		})
		t.Run("GoneWithTheRoom", func(t *testing.T) {
			doomed, _ := w.reviewed(t)
			w.as(owner).must(t, http.StatusNoContent, del, v1+"/rooms/"+doomed)
			w.as(owner).must(t, http.StatusNotFound, get, v1+"/rooms/"+doomed+"/a2a")
		})
	})
}

func TestRuns(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		room, run := w.reviewed(t)
		other, plain, _ := w.parked(t)
		t.Run("List", func(t *testing.T) {
			all := w.as(ta).must(t, http.StatusOK, get, v1+"/rooms/"+room+"/runs").list(t)
			if len(all) != 1 || all[0]["id"] != run || all[0]["workflow"] != "student_teacher_review" || all[0]["paused"] != false || all[0]["state"] != "parked" {
				t.Errorf("got %v", all)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, v1+"/rooms/"+room+"/runs?before="+run).list(t); len(got) != 0 {
				t.Errorf("behind the last: got %v", got)
			}
			if got := w.as(ta).must(t, http.StatusOK, get, v1+"/rooms/"+other+"/runs").list(t); len(got) != 0 {
				t.Errorf("a turn without a graph: got %v, want no run", got)
			}
		})
		t.Run("Details", func(t *testing.T) {
			a := w.as(ta).must(t, http.StatusOK, get, v1+"/runs/"+run).object(t)
			steps := a["steps"].([]any)
			if a["id"] != run || a["graph"].(map[string]any)["start_node"] != "start" || len(steps) != 1 || steps[0].(map[string]any)["node"] != "generate_proposal" {
				t.Errorf("got %v", a)
			}
		})
		t.Run("NoSuchRun", func(t *testing.T) {
			wantProblem(t, w.as(ta).must(t, http.StatusNotFound, get, v1+"/runs/"+store.NewID()), http.StatusNotFound, "Run not found")
			w.as(ta).must(t, http.StatusNotFound, get, v1+"/runs/"+plain)
			wantProblem(t, w.as(otherTeacher).must(t, http.StatusNotFound, get, v1+"/runs/"+run), http.StatusNotFound, "Run not found")
			w.as(student).must(t, http.StatusForbidden, get, v1+"/runs/"+run)
		})
	})
}

func TestRunControl(t *testing.T) {
	const over = "The run is over; there is nothing left to pause, resume or cancel"
	of := func(t *testing.T, w *world) string {
		_, id := w.reviewed(t)
		return v1 + "/runs/" + id
	}
	eachWorld(t, map[string]func(*testing.T, *world){
		"a paused run goes on when it is resumed": func(t *testing.T, w *world) {
			run := of(t, w)
			for range 2 {
				if got := w.as(ta).must(t, http.StatusOK, post, run+"/pause").object(t); got["paused"] != true || got["state"] != "parked" {
					t.Errorf("pause: got %v", got)
				}
			}
			if got := w.as(ta).must(t, http.StatusOK, post, run+"/resume").object(t); got["paused"] != false || got["state"] == "parked" {
				t.Errorf("resume: got %v", got)
			}
		},
		"what waits for a person waits on": func(t *testing.T, w *world) {
			room, id := w.reviewed(t)
			now := time.Now().UTC().Truncate(time.Microsecond)
			step := store.TurnStep{ID: store.NewID(), TurnID: id, N: 2, Node: "ask", Kind: store.StepHuman, Name: "ask", State: store.StepPending,
				Attempt: 1, StartedAt: now, DueAt: now.Add(time.Hour), Input: `{}`}
			if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.SaveSteps(t.Context(), []store.TurnStep{step}) }); err != nil {
				t.Fatal(err)
			}
			run := v1 + "/runs/" + id
			w.as(ta).must(t, http.StatusOK, post, run+"/pause")
			for range 2 { // once more changes nothing
				if got := w.as(ta).must(t, http.StatusOK, post, run+"/resume").object(t); got["paused"] != false || got["state"] != "parked" {
					t.Errorf("resume: got %v", got)
				}
			}
			approval := v1 + "/rooms/" + room + "/approvals/" + step.ID
			// What is approved would end at once, because the agent may not speak there.
			w.as(ta).must(t, http.StatusConflict, post, approval, body{"decision": "approve"})
			w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+room+"/agents/"+w.agent)
			w.as(owner).must(t, http.StatusOK, put, v1+"/rooms/"+room, body{"ai_mode": "both"})
			w.as(ta).must(t, http.StatusOK, post, approval, body{"decision": "approve"})
			if got := w.as(ta).must(t, http.StatusOK, get, run).object(t); got["state"] == "parked" {
				t.Errorf("after the decision: got %v", got["state"])
			}
		},
		"a cancelled run is over": func(t *testing.T, w *world) {
			run := of(t, w)
			for range 2 {
				if got := w.as(ta).must(t, http.StatusOK, post, run+"/cancel").object(t); got["state"] != "stopped" || got["ended_at"] == nil {
					t.Errorf("cancel: got %v", got)
				}
			}
			for _, what := range []string{"/pause", "/resume"} {
				wantProblem(t, w.as(ta).do(t, post, run+what), http.StatusConflict, over)
			}
		},
		"a run that ended by itself cannot be cancelled": func(t *testing.T, w *world) {
			_, id := w.reviewed(t)
			w.exec(t, "UPDATE agent_turns SET state = 'finished', ended_at = created_at WHERE id = '"+id+"'")
			wantProblem(t, w.as(ta).do(t, post, v1+"/runs/"+id+"/cancel"), http.StatusConflict, over)
		},
	})
}
