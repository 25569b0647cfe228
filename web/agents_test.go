package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

var agentMembers = []string{"id", "project_id", "type", "name", "category", "model_provider", "model", "system_prompt", "settings",
	"trigger_config", "schedule_config", "context_window", "is_active", "parent_config_id", "is_template", "is_external", "external_config",
	"capabilities", "created_by", "updated_at", "masked_api_key", "user_key_ids"}

func TestAgents(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			made := w.as(owner).must(t, 200, post, v1+"/agents/"+w.project, body{"type": "design", "system_prompt": "Draw.", "model_provider": "offline",
				"name": "Painter", "capabilities": []string{"draw"}, "user_key_ids": []string{strings.ToUpper(w.agent)}, "context_window": 7}).object(t)
			wantMembers(t, made, agentMembers...)
			wantTime(t, made["updated_at"])
			for member, want := range map[string]any{"project_id": w.project, "name": "Painter", "category": "utility", "is_active": true,
				"context_window": 7.0, "created_by": w.users[owner].ID, "masked_api_key": nil, "model": nil} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			if keys := made["user_key_ids"].([]any); len(keys) != 1 || keys[0] != w.agent {
				t.Errorf("got key ids %v, want the id in lower case", keys)
			}
		},
		"a name is taken once for each type": func(t *testing.T, w *world) {
			b := body{"type": "analytics", "system_prompt": "", "model_provider": "offline", "name": "Twin"}
			w.as(owner).must(t, 200, post, v1+"/agents/"+w.project, b)
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+w.project, b), 400, "A brain with this name already exists for this agent type.")
		},
		"type and prompt are required": func(t *testing.T, w *world) {
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+w.project, body{}), 422, "system_prompt: is missing; type: is missing")
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+store.NewID(), body{"type": "teacher", "system_prompt": ""}), 404, "Project not found")
		},
		"a key is shown as its mask, which keeps it": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			const mask = "sk******9c" // of apptest.CanaryKey
			for _, key := range []any{mask, "", nil} {
				if got := w.as(owner).must(t, 200, put, path, body{"api_key": key}).object(t)["masked_api_key"]; got != mask {
					t.Errorf("after %v: got %v, want %s", key, got, mask)
				}
			}
			if got := w.as(owner).must(t, 200, put, path, body{"api_key": "new-key-0123"}).object(t)["masked_api_key"]; got != "ne******23" {
				t.Errorf("got %v, want the mask of the new key", got)
			}
		},
		"objects keep the order of their members": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			const sent = `{"zeta":1,"a":{"y":[1,2.50],"b":"<é>"},"m":null}`
			a := w.as(owner).must(t, 200, put, path, `{"trigger_config": `+sent+`, "settings": `+sent+`}`)
			for _, member := range []string{"trigger_config", "settings"} {
				if !strings.Contains(a.body, `"`+member+`":`+sent) {
					t.Errorf("got %s, want %s as it was sent", a.body, member)
				}
			}
			got := w.as(owner).must(t, 200, put, path, body{"trigger_config": nil}).object(t)
			if got["trigger_config"] != nil || got["settings"] == nil {
				t.Errorf("got %v, want no trigger and the old settings", got)
			}
		},
		"what was read can be sent back whole": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			read := w.as(owner).must(t, 200, put, path, body{"schedule_config": body{"general": body{"mode": "none"}}}).object(t)
			again := w.as(owner).must(t, 200, put, path, read).object(t)
			delete(read, "updated_at")
			delete(again, "updated_at")
			for member, want := range read {
				if text(again[member]) != text(want) {
					t.Errorf("%s: got %v, want %v", member, again[member], want)
				}
			}
		},
		"invalid": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			for sent, detail := range map[string]string{
				`{"context_window": 1e30}`:          "context_window: must be 1000 or less",
				`{"context_window": 0}`:             "context_window: must be 1 or more",
				`{"context_window": "ten"}`:         "context_window: must be a whole number",
				`{"name": null}`:                    "name: must not be null, leave it out to keep what is stored",
				`{"settings": []}`:                  "settings: must be an object",
				`{"settings": null}`:                "settings: must not be null, leave it out to keep what is stored",
				`{"capabilities": [1]}`:             "capabilities[0]: must be a text",
				`{"name": "a\u0000b"}`:              "name: remove the NUL character",
				`{"trigger_config": {"a\u0000":1}}`: "trigger_config: remove the NUL character",
				`{"category": "king"}`:              "category: must be one of instructor, participant, utility",

				`{"trigger_config": {"type":"time_based"}}`:                                                             "trigger_config.type: must be one of chance, message_count, time_interval, silence, manual",
				`{"trigger_config": {"trigger":{"enabled_conditions":["message_count"],"message_count":0}}}`:            "trigger_config.trigger.message_count: must be a number from 1 to 10000",
				`{"schedule_config": {"mode":"whitelist","rules":[{"type":"everyday","time_range":["9:00","17:00"]}]}}`: "schedule_config.rules[0].time_range[0]: must be a time of the day from 00:00 to 23:59, as HH:MM",
			} {
				wantProblem(t, w.as(owner).do(t, put, path, sent), 422, detail)
			}
		},
		"activate": func(t *testing.T, w *world) {
			first, second := w.newAgent(t), w.newAgent(t)
			w.as(owner).must(t, 200, put, v1+"/agents/"+first+"/activate")
			if got := w.as(owner).must(t, 200, put, v1+"/agents/"+second+"/activate").object(t); got["is_active"] != true {
				t.Errorf("got %v", got)
			}
			for _, a := range w.as(owner).must(t, 200, get, v1+"/agents/"+w.project).list(t) {
				if a["id"] == first && a["is_active"] != false {
					t.Error("the other agent of the type is still active")
				}
			}
		},
		"delete": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			w.as(owner).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+agent)
			if a := w.as(owner).must(t, http.StatusNoContent, del, v1+"/agents/"+agent); a.body != "" {
				t.Errorf("got %q, want no body", a.body)
			}
			wantProblem(t, w.as(owner).do(t, del, v1+"/agents/"+agent), 404, "Agent config not found")
			wantProblem(t, w.as(owner).do(t, put, v1+"/agents/"+agent, body{}), 404, "Agent config not found")
			wantProblem(t, w.as(owner).do(t, put, v1+"/agents/"+agent+"/activate"), 404, "Agent config not found")
		},
	})
}
