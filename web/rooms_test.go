package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestRooms(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			made := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Lab", "course_id": strings.ReplaceAll(course, "-", "")}).object(t)
			wantMembers(t, made, "id", "course_id", "name", "description", "is_ai_active", "is_analytics_active", "ai_frequency", "ai_mode", "created_at")
			wantTime(t, made["created_at"])
			for member, want := range map[string]any{"course_id": course, "description": nil, "is_ai_active": true, "is_analytics_active": false,
				"ai_frequency": 0.5, "ai_mode": "teacher_only"} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			if list := w.as(owner).must(t, 200, get, v1+"/rooms/?course_id={"+course+"}").list(t); len(list) != 2 {
				t.Errorf("got %d rooms, want 2", len(list))
			}
		},
		"only linked rooms are listed to those without a place in the course": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Second", "course_id": course})
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/assign", body{"user_id": w.users[guest].ID})
			if list := w.as(guest).must(t, 200, get, v1+"/rooms/?course_id="+course).list(t); len(list) != 1 || list[0]["id"] != room {
				t.Errorf("got %v, want the one linked room", list)
			}
		},
		"update changes what is sent": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			path := v1 + "/rooms/" + room
			w.as(owner).must(t, 200, put, path, body{"description": "Old", "ai_frequency": 0.25})
			got := w.as(owner).must(t, 200, put, path, body{"description": nil, "name": "New"}).object(t)
			if got["description"] != nil || got["name"] != "New" || got["ai_frequency"] != 0.25 {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, path, body{"name": nil}), 422, "name: must not be null, leave it out to keep what is stored")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_frequency": 2}), 422, "ai_frequency: must be between 0 and 1")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_mode": "loud"}), 422, "ai_mode: must be one of off, teacher_only, both")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_mode": 5, "is_ai_active": "x"}), 422, "ai_mode: must be a text; is_ai_active: must be true or false")
		},
		"assign": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			for _, want := range []string{"User " + *w.users[guest].FullName + " assigned to room", "User already assigned to room"} {
				if got := w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/assign", body{"user_email": w.users[guest].Email}).text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			w.as(guest).must(t, 200, get, v1+"/rooms/"+room)
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+store.NewID()+"/assign", body{"user_id": w.users[guest].ID}), 404, "Room not found")
		},
		"agents": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			agent := w.newAgent(t)
			at := v1 + "/rooms/" + room + "/agents"
			for _, want := range []string{"Agent assigned to room", "Agent already assigned to room"} {
				if got := w.as(owner).must(t, 200, post, at+"/"+strings.ToUpper(agent)).text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if list := w.as(owner).must(t, 200, get, at).list(t); len(list) != 1 || list[0]["system_prompt"] != "Teach." || list[0]["masked_api_key"] == nil {
				t.Errorf("got %v, want the whole agent for staff", list)
			}
			if got := w.as(owner).must(t, 200, del, at+"/"+agent).text(t, "message"); got != "Agent removed from room" {
				t.Errorf("got %q", got)
			}
			wantProblem(t, w.as(owner).do(t, del, at+"/"+agent), 404, "Agent not assigned to this room")
			wantProblem(t, w.as(owner).do(t, post, at+"/"+store.NewID()), 404, "Agent not found")
		},
		"readers see an agent's face alone": func(t *testing.T, w *world) {
			face := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/agents").list(t)[0]
			wantMembers(t, face, agentMembers...)
			for member, v := range face {
				switch member {
				case "id", "type", "name", "category", "is_active", "is_external":
				default:
					if list, ok := v.([]any); v != nil && v != "" && v != false && v != 0.0 && (!ok || len(list) > 0) {
						t.Errorf("a student sees %s: %v", member, v)
					}
				}
			}
			if face["id"] != w.agent || face["category"] != "instructor" {
				t.Errorf("got %v", face)
			}
		},
	})
}
