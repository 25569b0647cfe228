package web

import (
	"net/http"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
)

func TestSystemAgents(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"masked, and no templates": func(t *testing.T, w *world) {
			made := w.as(admin).must(t, 200, put, v1+"/agents/system/analytics", body{"type": "analytics", "system_prompt": "Analyse.", "model_provider": "openai",
				"api_key": apptest.CanaryKey}).object(t)
			wantMembers(t, made, agentMembers...)
			if made["masked_api_key"] != "sk******9c" || made["project_id"] != nil || made["category"] != "utility" {
				t.Errorf("got %v", made)
			}
			// What the client sends when nobody has typed a key again.
			made = w.as(admin).must(t, 200, put, v1+"/agents/system/analytics", body{"type": "analytics", "system_prompt": "Better.", "model_provider": "openai",
				"api_key": ""}).object(t)
			if made["masked_api_key"] != "sk******9c" || made["system_prompt"] != "Better." {
				t.Errorf("got %v, want the key kept", made)
			}
			found := false
			for _, a := range w.as(admin).must(t, 200, get, v1+"/agents/system").list(t) {
				if a["is_template"] != false || a["is_external"] != false || a["project_id"] != nil {
					t.Errorf("got %v among the system's agents", a)
				}
				found = found || a["id"] == made["id"]
			}
			if !found {
				t.Error("the new one is not in the list")
			}
		},
		"a key alone leaves the design agent's prompt": func(t *testing.T, w *world) {
			path := v1 + "/agents/system/design"
			w.as(admin).must(t, 200, put, path, body{"type": "design", "system_prompt": "Write well.", "model_provider": "openai", "api_key": nil, "model": nil})
			got := w.as(admin).must(t, 200, put, path, body{"name": "System Design Agent", "type": "design", "system_prompt": "System Design Agent",
				"model_provider": "openai", "api_key": apptest.CanaryKey, "model": ""}).object(t)
			if got["system_prompt"] != "Write well." || got["masked_api_key"] != "sk******9c" {
				t.Errorf("got %v", got)
			}
		},
	})
}

func TestAgentTypes(t *testing.T) {
	members := []string{"id", "type_name", "display_name", "description", "category", "icon", "color", "default_system_prompt",
		"default_model_provider", "default_model", "default_settings", "default_capabilities", "is_system"}
	eachWorld(t, map[string]func(*testing.T, *world){
		"whole life": func(t *testing.T, w *world) {
			path := v1 + "/agent-types/coach"
			made := w.as(admin).must(t, http.StatusCreated, post, v1+"/agent-types", body{"type_name": "coach", "display_name": "Coach", "category": "participant",
				"default_settings": body{"temperature": 0.2}, "default_capabilities": []string{"cheer"}}).object(t)
			wantMembers(t, made, members...)
			wantProblem(t, w.as(admin).do(t, post, v1+"/agent-types", body{"type_name": "coach", "display_name": "Coach"}), 400, "Agent type 'coach' already exists")
			if got := w.as(admin).must(t, 200, put, path, body{"icon": "star", "description": nil}).object(t); got["icon"] != "star" || got["display_name"] != "Coach" {
				t.Errorf("got %v", got)
			}
			schema := w.as(owner).must(t, 200, get, path+"/schema").object(t)
			wantMembers(t, schema, "type_name", "category", "defaults", "is_external")
			if got := text(schema["defaults"]); got != `{"capabilities":["cheer"],"model":null,"model_provider":"gemini","settings":{"temperature":0.2},"system_prompt":null}` {
				t.Errorf("got %s", got)
			}
			w.as(admin).must(t, http.StatusNoContent, del, path)
			wantProblem(t, w.as(admin).do(t, get, path), 404, "Agent type 'coach' not found")
		},
		"list": func(t *testing.T, w *world) {
			list := w.as(owner).must(t, 200, get, v1+"/agent-types").list(t)
			if len(list) < 4 || list[0]["display_name"] != "Analytics" || list[3]["display_name"] != "Teacher" {
				t.Errorf("got %v, want the system's types first, by name", list)
			}
			for query, want := range map[string]bool{"?category=utility": true, "?include_system=false": false, "?category=nonsense": false} {
				got := false
				for _, at := range w.as(owner).must(t, 200, get, v1+"/agent-types"+query).list(t) {
					got = got || at["type_name"] == "design"
				}
				if got != want {
					t.Errorf("%s: has design: %v, want %v", query, got, want)
				}
			}
		},
		"system types stay": func(t *testing.T, w *world) {
			wantProblem(t, w.as(admin).do(t, del, v1+"/agent-types/teacher"), 400, "Cannot delete system type 'teacher'")
		},
	})
}
