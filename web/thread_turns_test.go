package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// onThreadTurn is a turn in a thread of the world's owner that has ended.
func onThreadTurn(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		at, _ := onThread(nil)(t, w)
		w.as(owner).must(t, http.StatusOK, post, v1+"/threads/"+at[0]+"/messages", body{"message": "hello"})
		turns := w.as(owner).must(t, http.StatusOK, get, v1+"/threads/"+at[0]+"/turns").list(t)
		return []string{at[0], turns[0]["id"].(string)}, b
	}
}

// onThreadApproval is what waits for the world's owner in a thread.
func onThreadApproval(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		at, _ := onThread(nil)(t, w)
		_, step := w.parkIn(t, at[0], owner, "thread")
		return []string{at[0], step}, b
	}
}

// onThreadArtifact is what an agent has made in a thread of the world's owner.
func onThreadArtifact(t testing.TB, w *world) ([]string, any) {
	at, _ := onThread(nil)(t, w)
	now := time.Now().UTC().Truncate(time.Microsecond)
	f := &store.Artifact{ID: store.NewID(), RoomID: at[0], Type: "doc", Title: "Notes", Version: 1, CreatedByAgent: w.agent, ModifiedByAgent: w.agent,
		CreatedAt: now, UpdatedAt: now, ContentBytes: 2, Content: "{}"}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateArtifact(t.Context(), f) }); err != nil {
		t.Fatal(err)
	}
	return []string{at[0], f.ID}, nil
}

func TestThreadTurns(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"ask, read and stop": func(t *testing.T, w *world) {
			in, _ := onThread(nil)(t, w)
			at := v1 + "/threads/" + in[0]
			asked := w.as(owner).must(t, http.StatusAccepted, post, at+"/turns", body{"message": "hello", "client_id": "a", "metadata_json": `{"x":1}`}).object(t)
			wantMembers(t, asked, "turn", "message", "answer")
			turn, message := asked["turn"].(map[string]any), asked["message"].(map[string]any)
			wantMembers(t, turn, "id", "thread_id", "agent_id", "cause", "question_id", "answer_id", "state", "reason", "detail", "created_at", "started_at", "ended_at")
			wantMembers(t, message, "id", "thread_id", "role", "content", "metadata_json", "created_at")
			if turn["thread_id"] != in[0] || turn["question_id"] != message["id"] || turn["cause"] != "thread" || message["role"] != "user" || message["metadata_json"] != `{"x":1}` {
				t.Errorf("got %v", asked)
			}
			// The old route with the same name waits for the same turn.
			answer := w.as(owner).must(t, http.StatusOK, post, at+"/messages", body{"message": "hello", "client_id": "a"}).object(t)
			got := w.as(owner).must(t, http.StatusOK, get, at+"/turns/"+turn["id"].(string)).object(t)
			said, _ := got["message"].(map[string]any)
			if got["state"] != "finished" || said["id"] != answer["id"] || got["answer_id"] != answer["id"] || said["content"] != answer["content"] {
				t.Errorf("got %v, want the answer %v", got, answer)
			}
			if steps, _ := got["steps"].([]any); len(steps) != 1 {
				t.Errorf("steps for who may change the agent: got %v", got["steps"])
			}
			again := w.as(owner).must(t, http.StatusAccepted, post, at+"/turns", body{"message": "hello", "client_id": "a"}).object(t)
			if fmt.Sprint(again["answer"].(map[string]any)["id"]) != answer["id"] || again["turn"].(map[string]any)["id"] != turn["id"] {
				t.Errorf("sent again: got %v", again)
			}
			stopped := w.as(owner).must(t, http.StatusOK, post, at+"/turns/"+turn["id"].(string)+"/stop").object(t)
			if stopped["state"] != "finished" {
				t.Errorf("stopping what has ended: got %v", stopped)
			}
			wantProblem(t, w.as(owner).do(t, get, at+"/turns/"+store.NewID()), 404, "Turn not found")
			wantProblem(t, w.as(owner).do(t, get, v1+"/threads/"+store.NewID()+"/turns"), 404, "Thread not found")
		},
		"unknown members": func(t *testing.T, w *world) {
			in, _ := onThread(nil)(t, w)
			at := v1 + "/threads/" + in[0]
			for path, b := range map[string]body{at + "/turns": {"message": "x", "temperature": 1}, at + "/approvals/" + store.NewID(): {"decision": "approve", "temperature": 1}} {
				a := w.as(owner).do(t, post, path, b)
				if a.status != 422 || !strings.Contains(a.body, "temperature") {
					t.Errorf("%s: got %d %s, want 422 with the member's name", path, a.status, a.body)
				}
			}
			w.as(owner).must(t, http.StatusOK, post, at+"/messages", body{"message": "x", "temperature": 1})
			for _, b := range []body{{}, {"message": " "}, {"message": "x", "client_id": strings.Repeat("x", 65)}} {
				if a := w.as(owner).do(t, post, at+"/turns", b); a.status != 422 {
					t.Errorf("%v: got %d %s", b, a.status, a.body)
				}
			}
		},
		"who may not change the agent": func(t *testing.T, w *world) {
			// A member of the project may use its agents and change none.
			member := w.addUser(t, app.RoleStudent, "member", true)
			w.as(owner).must(t, http.StatusOK, post, v1+"/projects/"+w.project+"/members", body{"user_id": member.ID, "role": "member"})
			keyless := w.as(owner).must(t, http.StatusOK, post, v1+"/agents/"+w.project, body{"type": "student", "name": store.NewID(), "system_prompt": "x",
				"model_provider": "openai"}).text(t, "id")
			c := w.session(t, member.ID)
			at := v1 + "/threads/" + c.must(t, http.StatusOK, post, v1+"/threads/", body{"project_id": w.project, "agent_id": keyless}).text(t, "id")
			wantProblem(t, c.do(t, post, at+"/messages", body{"message": "x"}), 400, "Failed to initialize agent")
			turn := c.must(t, http.StatusOK, get, at+"/turns").list(t)[0]
			if turn["state"] != "failed" || turn["reason"] != "no_key" || turn["detail"] != nil || turn["answer_id"] != nil {
				t.Errorf("got %v, want the reason alone", turn)
			}
			got := c.must(t, http.StatusOK, get, at+"/turns/"+turn["id"].(string)).object(t)
			if steps, _ := got["steps"].([]any); len(steps) != 0 || got["message"] != nil {
				t.Errorf("got %v, want no steps", got)
			}
			events := c.must(t, http.StatusOK, get, at+"/events")
			if !strings.Contains(events.body, `"reason":"no_key"`) || strings.Contains(events.body, "usable API key") {
				t.Errorf("events: got %s, want the reason without the detail", events.body)
			}
		},
		"a room that no room's route finds": func(t *testing.T, w *world) {
			in, _ := onThreadArtifact(t, w)
			_, step := w.parkIn(t, in[0], owner, "thread")
			thread := in[0]
			asked := 0
			for _, r := range accessTable {
				method, path, _ := strings.Cut(r.route, " ")
				if !strings.HasPrefix(path, v1+"/rooms/{room_id}") && !strings.HasPrefix(path, v1+"/workspaces/{room_id}") && !strings.HasPrefix(path, v1+"/chat/messages/{room_id}") {
					continue
				}
				if strings.Contains(path, "/agents/{agent_id}") && method == "POST" {
					continue // it asks for the agent's project first
				}
				params, b := r.request(t, w)
				params = append([]string{thread}, params[1:]...)
				for _, who := range []string{owner, student, admin, superAdmin} {
					asked++
					if a := w.as(who).do(t, method, fill(path, params), b); a.status != http.StatusNotFound {
						t.Errorf("%s as %s: got %d %s, want 404", r.route, who, a.status, a.body)
					}
				}
			}
			if asked < 80 {
				t.Errorf("only %d requests were sent", asked)
			}
			for _, who := range []string{owner, student, admin} {
				for _, a := range []answer{
					w.as(who).do(t, get, v1+"/workspaces/artifacts/"+in[1]),
					w.as(who).do(t, put, v1+"/workspaces/artifacts/"+in[1], body{"title": "Mine"}),
					w.as(who).do(t, del, v1+"/workspaces/artifacts/"+in[1]),
					w.as(who).do(t, post, v1+"/rooms/"+thread+"/approvals/"+step, body{"decision": "approve"}),
				} {
					if a.status != http.StatusNotFound {
						t.Errorf("as %s: got %d %s, want 404", who, a.status, a.body)
					}
				}
			}
			for _, who := range []string{owner, student, admin, superAdmin} {
				for _, v2 := range []bool{true, false} {
					_, want := w.dial(t, who, store.NewID(), "", v2)
					if _, status := w.dial(t, who, thread, "", v2); status != want || status == http.StatusSwitchingProtocols {
						t.Errorf("a socket as %s: got %d, want %d as for a room that is not there", who, status, want)
					}
				}
			}
			for _, table := range []string{"message", "event", "artifact", "artifactversion"} {
				if a := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/"+table+"?limit=1000"); strings.Contains(a.body, thread) {
					t.Errorf("an operator sees what is in a thread, in %s", table)
				}
			}
			if a := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/threadmessage?limit=1000"); !strings.Contains(a.body, thread) || strings.Contains(a.body, "What is due?") {
				t.Errorf("an operator does not see that there are messages, or sees their texts: %.300s", a.body)
			}
		},
	})
}

// A stream of a thread has the text as it comes, and then the message.
func TestThreadStream(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		in, _ := onThread(nil)(t, w)
		at := v1 + "/threads/" + in[0]
		events, status := w.streamAt(t, owner, at+"/events")
		if status != http.StatusOK {
			t.Fatalf("got %d", status)
		}
		w.as(owner).must(t, http.StatusAccepted, post, at+"/turns", body{"message": "hello"})
		shown, begun := "", false
		for {
			e, ok := wait(t, events)
			if !ok {
				t.Fatal("the stream ended")
			}
			var f struct {
				Text, Content string
				Seq           int64
				Attempt       int
				State         string
			}
			if err := json.Unmarshal([]byte(e.data), &f); err != nil {
				t.Fatal(err)
			}
			switch {
			case e.event == "turn" && e.id == "":
				begun, shown = true, f.Text
			case e.event == "delta" && e.id == "":
				shown += f.Text
			case e.event == "message" && e.id == "2":
				if !begun || shown == "" || !strings.HasPrefix(f.Content, strings.TrimSpace(shown)) {
					t.Errorf("the text came as %q, the message is %q", shown, f.Content)
				}
				again, _ := w.streamAt(t, owner, at+"/events", "Last-Event-ID", "1")
				if e, _ := wait(t, again); e.id != "2" || e.event != "message" {
					t.Errorf("after the first: got %+v", e)
				}
				if _, status := w.streamAt(t, admin, at+"/events"); status != http.StatusForbidden {
					t.Errorf("somebody else: got %d", status)
				}
				return
			}
		}
	})
}
