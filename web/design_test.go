package web

import (
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
)

func TestGenerate(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"as the client sends it": func(t *testing.T, w *world) {
			path := v1 + "/agents/generate"
			sent := body{"requirement": "Ask back", "target_agent_type": "teacher", "provider": "gemini", "custom_system_prompt": "", "custom_model": nil}
			wantProblem(t, w.as(owner).do(t, post, path, sent), 400, "API Key is required. Please set it in the Design Agent settings for this course.")
			w.as(admin).must(t, 200, put, v1+"/agents/system/design", body{"system_prompt": "Write prompts.", "model_provider": "offline", "api_key": apptest.CanaryKey})
			got := w.as(otherTeacher).must(t, 200, post, path, sent).object(t)
			wantMembers(t, got, "generated_prompt")
			if prompt, ok := got["generated_prompt"].(string); !ok || prompt == "" {
				t.Errorf("got %v", got)
			}
			sent["project_id"] = w.project
			w.as(owner).must(t, 200, post, path, sent)
			wantProblem(t, w.as(otherTeacher).do(t, post, path, sent), 404, "Project not found")
			sent["project_id"] = store.NewID()
			wantProblem(t, w.as(admin).do(t, post, path, sent), 404, "Project not found")
			wantProblem(t, w.as(student).do(t, post, path, body{}), 403, "Not enough permissions")
			wantProblem(t, w.as(owner).do(t, post, path, body{"requirement": " ", "target_agent_type": "teacher"}), 422, "requirement: must not be empty")
			if a := w.as(owner).do(t, post, path, body{"target_agent_type": "teacher"}); a.status != 422 {
				t.Errorf("got %d %s", a.status, a.body)
			}
		},
	})
}
