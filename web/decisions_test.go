package web

import (
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

func TestDecisions(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			room := w.listening(t)
			line := w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "@teacher hello"}).object(t)
			at := v1 + "/rooms/" + room + "/decisions"
			var made map[string]any
			apptest.Await(t, "the answer", func() bool {
				list := w.as(owner).must(t, 200, get, at).list(t)
				if len(list) == 0 {
					return false
				}
				made = list[len(list)-1] // its answer may call for another look
				turn, _ := made["candidates"].([]any)[0].(map[string]any)["turn"].(map[string]any)
				return turn["ended_at"] != nil
			})
			wantMembers(t, made, "id", "room_id", "cause", "from_seq", "seq", "guard", "created_at", "candidates")
			who := made["candidates"].([]any)[0].(map[string]any)
			wantMembers(t, who, "agent_id", "agent_name", "speaks", "rule", "detail", "roll", "chance", "turn")
			if made["cause"] != "post" || made["seq"] != line["seq"] || who["agent_id"] != w.agent || who["rule"] != "mentioned" || who["speaks"] != true {
				t.Errorf("got %v", made)
			}
			turn := who["turn"].(map[string]any)
			wantMembers(t, turn, "id", "state", "reason", "detail", "key", "read_seq", "asked_by", "stopped_by", "stopped_at", "created_at", "started_at", "ended_at")
			if turn["asked_by"] != w.users[owner].ID || turn["stopped_by"] != nil {
				t.Errorf("got the turn %v", turn)
			}
			for _, query := range []string{"?seq=1", "?message_id=" + line["id"].(string)} {
				if list := w.as(ta).must(t, 200, get, at+query).list(t); len(list) != 1 || list[0]["id"] != made["id"] {
					t.Errorf("%s: got %v", query, list)
				}
			}
			if list := w.as(ta).must(t, 200, get, at+"?before="+made["id"].(string)).list(t); len(list) != 0 {
				t.Errorf("before the first: got %v", list)
			}
			if got := w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/go-on").object(t); got["continued"] != false {
				t.Errorf("nothing was cut off: got %v", got)
			}
		},
		"nobody listened": func(t *testing.T, w *world) {
			line := w.as(owner).must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": "hello"}).text(t, "id")
			list := w.as(owner).must(t, 200, get, v1+"/rooms/"+w.room+"/decisions?message_id="+line).list(t)
			if len(list) != 1 || list[0]["cause"] != "unheard" || list[0]["id"] != nil || len(list[0]["candidates"].([]any)) != 0 {
				t.Errorf("got %v", list)
			}
		},
		"unknown": func(t *testing.T, w *world) {
			for _, path := range []string{"/decisions", "/go-on", "/turns/" + store.NewID() + "/stop"} {
				method := post
				if path == "/decisions" {
					method = get
				}
				wantProblem(t, w.as(owner).do(t, method, v1+"/rooms/"+store.NewID()+path), 404, "Room not found")
			}
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+w.room+"/turns/"+store.NewID()+"/stop"), 404, "Turn not found")
			wantProblem(t, w.as(owner).do(t, get, v1+"/rooms/"+w.room+"/decisions?message_id="+store.NewID()), 404, "Message not found")
			wantProblem(t, w.as(student).do(t, post, v1+"/rooms/"+w.room+"/turns/"+w.newTurn(t, assigned)+"/stop"), 403, "Only staff and the person who asked can stop it")
		},
		"stop": func(t *testing.T, w *world) {
			turn := w.newTurn(t, student)
			at := v1 + "/rooms/" + w.room + "/turns/" + turn + "/stop"
			for _, who := range []string{student, owner} {
				got := w.as(who).must(t, 200, post, at).object(t)
				wantMembers(t, got, "turn_id", "state")
				if got["state"] != "stopped" || got["turn_id"] != turn {
					t.Errorf("%s: got %v", who, got)
				}
			}
		},
		"a stopped line says so": func(t *testing.T, w *world) {
			v2, plain := w.join(t, owner, "", true), w.join(t, owner, "", false)
			now := time.Now().UTC().Truncate(time.Microsecond)
			m := &store.Message{ID: store.NewID(), RoomID: w.room, AgentID: w.agent, AgentType: "teacher", AgentName: "Agent", Content: "one two", CreatedAt: now, StoppedAt: now}
			e := &store.Event{RoomID: w.room, ID: m.ID, Type: event.TypeMessage, CreatedAt: now,
				Body: `{"sender":"Teacher AI","agent_type":"teacher","content":"one two","stopped":true}`}
			if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
				_, _, err := tx.AddMessage(t.Context(), m, e, store.Heard{Unheard: true})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			if got := v2.next("message"); got["stopped"] != true || got["metadata"].(map[string]any)["stopped"] != true {
				t.Errorf("coagent.v2: got %v", got)
			}
			if got := plain.next("message"); got["stopped"] != nil || got["metadata"].(map[string]any)["stopped"] != true {
				t.Errorf("plain: got %v", got)
			}
			if got := w.as(owner).must(t, 200, get, v1+"/chat/messages/"+w.room).list(t); got[len(got)-1]["stopped"] != true {
				t.Errorf("history: got %v", got)
			}
		},
	})
}

// listening makes a room in which the world's agent answers who calls it.
func (w *world) listening(t testing.TB) string {
	t.Helper()
	room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Listening", "course_id": w.course, "ai_mode": "both", "ai_frequency": 0}).text(t, "id")
	w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/agents/"+w.agent)
	return room
}
