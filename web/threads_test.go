package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestThreads(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"sandbox": func(t *testing.T, w *world) {
			path := v1 + "/threads/stateless/"
			got := w.as(editor).must(t, 200, post, path+w.agent, body{"message": "hello", "metadata_json": nil}).object(t)
			wantMembers(t, got, "reply", "metadata_json")
			if reply, ok := got["reply"].(string); !ok || reply == "" || got["metadata_json"] != nil {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, post, path+store.NewID(), body{"message": "x"}), 404, "Agent not found")
			wantProblem(t, w.as(owner).do(t, post, path+w.agent, body{"message": " "}), 422, "message: must not be empty")
			wantProblem(t, w.as(owner).do(t, post, path+w.agent, body{}), 422, "message: is missing")
			if a := w.as(owner).do(t, post, path+w.agent, body{"message": strings.Repeat("x", 70<<10)}); a.status != 413 {
				t.Errorf("a long message: got %d %s", a.status, a.body)
			}
			keyless := w.as(owner).must(t, 200, post, v1+"/agents/"+w.project, body{"type": "student", "name": store.NewID(), "system_prompt": "x",
				"model_provider": "openai"}).text(t, "id")
			wantProblem(t, w.as(owner).do(t, post, path+keyless, body{"message": "x"}), 400,
				"Failed to initialize agent: the agent has no usable API key for openai")
		},
		"a thread": func(t *testing.T, w *world) {
			made := w.as(editor).must(t, 200, post, v1+"/threads/", body{"project_id": strings.ToUpper(w.project), "agent_id": w.agent}).object(t)
			wantMembers(t, made, "id", "project_id", "agent_id", "user_id", "name", "metadata_json", "created_at", "updated_at")
			wantTime(t, made["created_at"])
			if made["name"] != "New Thread" || made["metadata_json"] != "{}" || made["project_id"] != w.project || made["agent_id"] != w.agent ||
				made["user_id"] != w.users[editor].ID {
				t.Errorf("got %v", made)
			}
			at := v1 + "/threads/" + made["id"].(string)
			if got := w.as(editor).must(t, 200, get, at).object(t); text(got) != text(made) {
				t.Errorf("got %v, want %v", got, made)
			}
			m := w.as(editor).must(t, 200, post, at+"/messages", body{"message": "hello", "metadata_json": `{"a":1}`}).object(t)
			wantMembers(t, m, "id", "thread_id", "role", "content", "metadata_json", "created_at")
			if m["role"] != "assistant" || m["thread_id"] != made["id"] {
				t.Errorf("got %v, want the agent's line", m)
			}
			list := w.as(editor).must(t, 200, get, at+"/messages").list(t)
			if len(list) != 2 || list[0]["role"] != "user" || list[0]["content"] != "hello" || list[0]["metadata_json"] != `{"a":1}` || list[1]["id"] != m["id"] {
				t.Errorf("got %v", list)
			}
			older := w.as(editor).must(t, 200, get, at+"/messages?before="+m["id"].(string)).list(t)
			if len(older) != 1 || older[0]["id"] != list[0]["id"] {
				t.Errorf("before: got %v", older)
			}
			wantProblem(t, w.as(editor).do(t, get, at+"/messages?before="+store.NewID()), 404, "Message not found")
			wantProblem(t, w.as(admin).do(t, get, at), 403, "Not enough permissions")
			wantProblem(t, w.as(editor).do(t, get, v1+"/threads/"+store.NewID()), 404, "Thread not found")
		},
		"list, rename and delete": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			made := w.as(owner).must(t, 200, post, v1+"/threads", body{"project_id": w.project, "agent_id": agent, "name": " Mine "}).object(t)
			other := w.as(owner).must(t, 200, post, v1+"/threads", body{"project_id": w.project, "agent_id": w.agent}).text(t, "id")
			list := w.as(owner).must(t, 200, get, v1+"/threads?agent_id="+agent).list(t)
			if len(list) != 1 || list[0]["id"] != made["id"] || list[0]["name"] != "Mine" {
				t.Errorf("got %v", list)
			}
			if list := w.as(owner).must(t, 200, get, v1+"/threads?agent_id="+agent+"&project_id="+strings.ToUpper(w.project)).list(t); len(list) != 1 {
				t.Errorf("in the project: got %v", list)
			}
			if list := w.as(owner).must(t, 200, get, v1+"/threads?project_id="+store.NewID()).list(t); len(list) != 0 {
				t.Errorf("in another project: got %v", list)
			}
			if list := w.as(owner).must(t, 200, get, v1+"/threads/?limit=1").list(t); list[0]["id"] != other {
				t.Errorf("got %v, want the last used first", list)
			}
			if list := w.as(projectAdmin).must(t, 200, get, v1+"/threads?agent_id="+agent).list(t); len(list) != 0 {
				t.Errorf("somebody else: got %v", list)
			}
			at := v1 + "/threads/" + made["id"].(string)
			if got := w.as(owner).must(t, 200, put, at, body{"name": "Yours"}).object(t); got["name"] != "Yours" || got["metadata_json"] != "{}" {
				t.Errorf("got %v", got)
			}
			if got := w.as(owner).must(t, 200, put, at, body{"name": nil}).object(t); got["name"] != nil {
				t.Errorf("got %v", got)
			}
			w.as(owner).must(t, 200, post, at+"/messages", body{"message": "hello"})
			if got := w.as(owner).must(t, 200, del, at+"?dry_run=true"); text(got.object(t)["counts"]) != `{"messages":2}` {
				t.Errorf("got %s", got.body)
			}
			w.as(owner).must(t, 204, del, at)
			wantProblem(t, w.as(owner).do(t, get, at), 404, "Thread not found")
		},
	})
}
