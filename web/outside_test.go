package web

import (
	"maps"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// The calls of the existing client about an agent outside this program, in their order, and
// then those of the agent.
func TestOutsideWebhook(t *testing.T) {
	const path = v1 + "/a2a/webhook"
	// peer is a new agent in the world's room, with its token.
	peer := func(t *testing.T, w *world) (id string, as *caller) {
		t.Helper()
		made := w.as(admin).must(t, 200, post, v1+"/agents/external/create", external).object(t)
		id, _ = made["id"].(string)
		token, _ := made["external_config"].(map[string]any)["callback_token"].(string)
		w.as(admin).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+id)
		w.as(owner).must(t, 200, put, v1+"/rooms/"+w.room, body{"ai_mode": "both"})
		return id, w.anon().with("X-Agent-ID", id).with("X-Agent-Token", token)
	}
	say := func(w *world, more body) body {
		b := body{"sender_id": "somebody else", "content": "hello", "metadata": body{"room_id": w.room}}
		maps.Copy(b, more)
		return b
	}
	eachWorld(t, map[string]func(*testing.T, *world){
		"the existing client's flow": func(t *testing.T, w *world) {
			w.as(admin).must(t, 200, get, v1+"/a2a/health")
			id, agent := peer(t, w)
			found := false
			for _, a := range w.as(admin).must(t, 200, get, v1+"/agents/external/list").list(t) {
				found = found || a["id"] == id
			}
			w.as(admin).must(t, 200, post, v1+"/agents/external/test-connection", external)
			w.as(admin).must(t, 200, get, v1+"/agents/"+id+"/test-connection")
			got := agent.must(t, 200, post, path, say(w, body{"id": store.NewID(), "type": "broadcast", "recipient_id": "broadcast", "correlation_id": nil, "color": "red"})).object(t)
			wantMembers(t, got, "success", "message_id", "dispatched", "error")
			if !found || got["success"] != true || got["dispatched"] != true || got["error"] != nil {
				t.Errorf("listed %v, got %v", found, got)
			}
			all := w.as(student).must(t, 200, get, v1+"/chat/messages/"+w.room).list(t)
			if m := all[len(all)-1]; m["content"] != "hello" || m["sender"] != "External AI" || m["agent_type"] != "external" || m["sender_id"] != nil {
				t.Errorf("the history has %v", m)
			}
			got = agent.must(t, 200, post, path, body{"sender_id": "x", "content": "no room"}).object(t)
			if got["success"] != true || got["dispatched"] != false || got["error"] == nil || got["message_id"] == "" {
				t.Errorf("got %v", got)
			}
		},
		"errors": func(t *testing.T, w *world) {
			id, agent := peer(t, w)
			anon := w.anon()
			for name, a := range map[string]answer{"none": anon.do(t, post, path, say(w, nil)), "empty": anon.with("X-Agent-ID", "").do(t, post, path, "no JSON")} {
				t.Log(name)
				wantProblem(t, a, 400, "X-Agent-ID header required")
			}
			wantProblem(t, anon.with("X-Agent-ID", "far").do(t, post, path, say(w, nil)), 400, "Invalid X-Agent-ID format")
			wantProblem(t, anon.with("X-Agent-ID", store.NewID()).do(t, post, path, say(w, nil)), 404, "External agent not found")
			wantProblem(t, anon.with("X-Agent-ID", w.agent).with("X-Agent-Token", "x").do(t, post, path, say(w, nil)), 404, "External agent not found")
			for _, token := range []string{"", "wrong", "null", strings.Repeat("x", 5000)} {
				wantProblem(t, anon.with("X-Agent-ID", id).with("X-Agent-Token", token).do(t, post, path, say(w, nil)), 401, "Invalid agent token")
			}
			for member, value := range map[string]any{"type": "gossip", "correlation_id": "x", "content": nil, "sender_id": 5, "metadata": "x", "id": strings.Repeat("x", 201), "recipient_id": 7} {
				if a := agent.do(t, post, path, say(w, body{member: value})); a.status != 422 || !strings.Contains(a.body, member) {
					t.Errorf("%s: got %d %s, want 422", member, a.status, a.body)
				}
			}
			for _, text := range []string{"", "{", "[]", `"x"`, `{"content":"x"}`, `{"sender_id":"x"}`} {
				if a := agent.do(t, post, path, text); a.status != 422 {
					t.Errorf("%s: got %d %s, want 422", text, a.status, a.body)
				}
			}
			for _, more := range []body{{"metadata": body{"room_id": 5}}, {"metadata": body{"room_id": body{}}}, {"metadata": nil}, {"recipient_id": "\u0000"}} {
				if got := agent.must(t, 200, post, path, say(w, more)).object(t); got["dispatched"] != false {
					t.Errorf("%v: got %v", more, got)
				}
			}
			if a := agent.do(t, post, path, say(w, body{"content": strings.Repeat("x", 65<<10)})); a.status != 413 {
				t.Errorf("got %d %s", a.status, a.body)
			}
		},
		"a token of a person opens nothing": func(t *testing.T, w *world) {
			id, _ := peer(t, w)
			wantProblem(t, w.as(admin).with("X-Agent-ID", id).do(t, post, path, say(w, nil)), 401, "Invalid agent token")
		},
	})
}
