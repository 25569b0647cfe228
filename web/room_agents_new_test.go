package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
)

func TestCreateRoomAgent(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"into a project that is there": func(t *testing.T, w *world) {
			a := w.as(owner).must(t, 201, post, v1+"/rooms/"+w.room+"/agents", body{"type": "teacher", "name": "Plato", "system_prompt": "Ask.",
				"model_provider": "offline", "api_key": apptest.CanaryKey, "project_id": w.project, "room": body{"context_window": 20}})
			got := a.object(t)
			agent, room := got["agent"].(map[string]any), got["room"].(map[string]any)
			if agent["project_id"] != w.project || agent["is_active"] != true || room["own"].(map[string]any)["context_window"] != 20.0 {
				t.Errorf("got %s", a.body)
			}
			if in := w.as(owner).do(t, get, v1+"/rooms/"+w.room+"/agents"); !strings.Contains(in.body, agent["id"].(string)) {
				t.Errorf("the agent is not in the room: %s", in.body)
			}
			again := w.as(owner).do(t, post, v1+"/rooms/"+w.room+"/agents", body{"type": "teacher", "name": "Plato", "system_prompt": "Ask.",
				"model_provider": "offline", "project_id": w.project})
			wantProblem(t, again, 400, "A brain with this name already exists for this agent type.")
		},
		"with a project and an organisation on the way, once": func(t *testing.T, w *world) {
			sent := func() body {
				return body{"type": "student", "name": "Ion " + store.NewID(), "system_prompt": "", "model_provider": "offline"}
			}
			before := len(w.as(ta).do(t, get, v1+"/projects").list(t))
			first := w.as(ta).must(t, 201, post, v1+"/rooms/"+w.room+"/agents", sent()).object(t)["agent"].(map[string]any)
			second := w.as(ta).must(t, 201, post, v1+"/rooms/"+w.room+"/agents", sent()).object(t)["agent"].(map[string]any)
			if first["project_id"] == nil || first["project_id"] != second["project_id"] {
				t.Errorf("got the projects %v and %v, want one", first["project_id"], second["project_id"])
			}
			if after := len(w.as(ta).do(t, get, v1+"/projects").list(t)); after != before+1 {
				t.Errorf("got %d more projects, want one", after-before)
			}
		},
		"all or nothing": func(t *testing.T, w *world) {
			before := w.as(owner).do(t, get, v1+"/agents/"+w.project).body
			a := w.as(owner).do(t, post, v1+"/rooms/"+w.room+"/agents", body{"type": "teacher", "name": "Nobody", "system_prompt": "",
				"model_provider": "offline", "project_id": w.project, "room": body{"context_window": 2000}})
			if a.status != 422 || !strings.Contains(a.body, `"field":"body.room.context_window"`) {
				t.Errorf("got %d %s, want the member of room", a.status, a.body)
			}
			if after := w.as(owner).do(t, get, v1+"/agents/"+w.project).body; after != before {
				t.Errorf("an agent was made: %s", after)
			}
			wantProblem(t, w.as(coTeacher).do(t, post, v1+"/rooms/"+w.room+"/agents", body{"type": "teacher", "name": "Nobody", "system_prompt": "",
				"model_provider": "offline", "project_id": w.project}), 403, "Not enough permissions")
		},
	})
}
