package web

import "testing"

func TestTemplates(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"my agents": func(t *testing.T, w *world) {
			// As the client's form sends it.
			made := w.as(student).must(t, 200, post, v1+"/agents/global", body{"name": "Helper", "type": "teacher", "system_prompt": "Help.",
				"model_provider": "offline", "model": "gemini-2.0-flash", "api_key": "", "is_template": true}).object(t)
			wantMembers(t, made, agentMembers...)
			if made["is_template"] != true || made["project_id"] != nil || made["created_by"] != w.users[student].ID || made["name"] != "Helper" {
				t.Errorf("got %v", made)
			}
			if list := w.as(student).must(t, 200, get, v1+"/agents/global/list").list(t); len(list) != 1 || list[0]["id"] != made["id"] {
				t.Errorf("got %v, want the one that was made", list)
			}
			path := v1 + "/agents/" + made["id"].(string)
			if got := w.as(student).must(t, 200, put, path, body{"name": "Better"}).object(t); got["name"] != "Better" {
				t.Errorf("got %v", got)
			}
			w.as(student).must(t, 204, del, path)
		},
		"clone and sync": func(t *testing.T, w *world) {
			tpl := w.newTemplate(t, owner)
			clone := w.as(owner).must(t, 200, post, v1+"/agents/global/"+tpl+"/clone-to-project/"+w.project).object(t)
			wantMembers(t, clone, agentMembers...)
			if clone["parent_config_id"] != tpl || clone["is_active"] != false || clone["masked_api_key"] != "sk******9c" || clone["is_template"] != false {
				t.Errorf("got %v", clone)
			}
			w.as(owner).must(t, 200, put, v1+"/agents/"+tpl, body{"system_prompt": "Newer."})
			path := v1 + "/agents/" + clone["id"].(string) + "/sync-from-parent"
			if got := w.as(owner).must(t, 200, post, path).text(t, "system_prompt"); got != "Newer." {
				t.Errorf("got %q", got)
			}
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+w.agent+"/sync-from-parent"), 400, "Agent has no parent template to sync from")
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/global/"+w.agent+"/clone-to-project/"+w.project), 400, "Source agent is not a template")
		},
	})
}

func TestAgentVersions(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"keep, list and restore": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			path := v1 + "/agent-config/" + agent + "/versions"
			kept := w.as(owner).must(t, 200, post, path, body{"version_label": "first"}).object(t)
			wantMembers(t, kept, "id", "config_id", "version_label", "system_prompt", "model_provider", "model", "created_at", "created_by")
			wantTime(t, kept["created_at"])
			if kept["config_id"] != agent || kept["version_label"] != "first" || kept["created_by"] != w.users[owner].ID {
				t.Errorf("got %v", kept)
			}
			w.as(owner).must(t, 200, put, v1+"/agents/"+agent, body{"system_prompt": "Worse."})
			got := w.as(owner).must(t, 200, post, path+"/"+kept["id"].(string)+"/restore").object(t)
			wantMembers(t, got, agentMembers...)
			if got["system_prompt"] != "Teach." || got["masked_api_key"] != "sk******9c" {
				t.Errorf("got %v", got)
			}
			list := w.as(viewer).must(t, 200, get, path).list(t)
			if len(list) != 2 || list[0]["version_label"] != "before restore of first" || list[0]["system_prompt"] != "Worse." {
				t.Errorf("got %v", list)
			}
			wantProblem(t, w.as(owner).do(t, post, v1+"/agent-config/"+w.agent+"/versions/"+kept["id"].(string)+"/restore"), 404, "Version not found")
			wantProblem(t, w.as(owner).do(t, post, path, body{}), 422, "version_label: is missing")
		},
		"by project and type": func(t *testing.T, w *world) {
			for _, a := range w.as(viewer).must(t, 200, get, v1+"/agent-config/"+w.project).list(t) {
				wantMembers(t, a, agentMembers...)
				if a["masked_api_key"] != nil {
					t.Errorf("got %v, want no mask", a)
				}
			}
			path := v1 + "/agent-config/" + w.project + "/critic"
			made := w.as(editor).must(t, 200, put, path, body{"type": "critic", "system_prompt": "Criticise.", "model_provider": "offline"}).object(t)
			again := w.as(superAdmin).must(t, 200, put, path, body{"type": "critic", "system_prompt": "Criticise well."}).object(t)
			if again["id"] != made["id"] || again["model_provider"] != "offline" || again["system_prompt"] != "Criticise well." {
				t.Errorf("got %v after %v", again, made)
			}
		},
	})
}
