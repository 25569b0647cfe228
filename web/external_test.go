package web

import (
	"maps"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
)

func TestExternalAgents(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"the callback token is shown once": func(t *testing.T, w *world) {
			made := w.as(admin).must(t, 200, post, v1+"/agents/external/create", external).object(t)
			wantMembers(t, made, agentMembers...)
			cfg := made["external_config"].(map[string]any)
			wantMembers(t, cfg, "webhook_url", "auth_type", "timeout_ms", "fallback_message", "callback_token")
			token, _ := cfg["callback_token"].(string)
			if len(token) != 43 || made["is_external"] != true || made["category"] != "external" || made["model_provider"] != "external" {
				t.Errorf("got %v", made)
			}
			path := v1 + "/agents/" + made["id"].(string)
			rotated := w.as(admin).must(t, 200, post, path+"/callback_token").text(t, "callback_token")
			for name, a := range map[string]answer{"list": w.as(admin).do(t, get, v1+"/agents/external/list"), "put": w.as(admin).do(t, put, path, body{"name": "Farther"}),
				"room": w.as(admin).do(t, post, v1+"/rooms/"+w.room+"/agents/"+made["id"].(string)), "faces": w.as(student).do(t, get, v1+"/rooms/"+w.room+"/agents"),
				"agents": w.as(admin).do(t, get, v1+"/rooms/"+w.room+"/agents")} {
				if a.status != 200 || strings.Contains(a.body, token) || strings.Contains(a.body, rotated) {
					t.Errorf("%s: got %d %s, want no token", name, a.status, a.body)
				}
			}
			for _, a := range w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/agents").list(t) {
				if a["external_config"] != nil {
					t.Errorf("got %v, want its public face", a)
				}
			}
			w.as(admin).must(t, 204, del, path)
		},
		"what was read can be sent back whole": func(t *testing.T, w *world) {
			made := w.as(admin).must(t, 200, post, v1+"/agents/external/create", external).object(t)
			path := v1 + "/agents/" + made["id"].(string)
			got := w.as(admin).must(t, 200, put, path, made).object(t)
			delete(made["external_config"].(map[string]any), "callback_token")
			if text(got["external_config"]) != text(made["external_config"]) {
				t.Errorf("got %v, want %v", got["external_config"], made["external_config"])
			}
		},
		"test of a connection": func(t *testing.T, w *world) {
			got := w.as(admin).must(t, 200, post, v1+"/agents/external/test-connection", external).object(t)
			wantMembers(t, got, "success", "status_code", "latency_ms", "error")
			if got["success"] != false || got["status_code"] != nil || got["error"] != "The address is not public; an operator can allow its network with external.allow" {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(admin).do(t, get, v1+"/agents/"+w.agent+"/test-connection"), 400, "Not an external agent")
		},
		"oauth": func(t *testing.T, w *world) {
			b := maps.Clone(external)
			b["auth_type"], b["oauth_config"] = "oauth2", body{"token_url": "https://id.example/token", "client_id": "us", "client_secret": apptest.CanaryKey, "scope": "talk"}
			cfg := w.as(admin).must(t, 200, post, v1+"/agents/external/create", b).object(t)["external_config"].(map[string]any)
			wantMembers(t, cfg["oauth_config"].(map[string]any), "token_url", "client_id", "scope")
		},
		"invalid": func(t *testing.T, w *world) {
			for member, c := range map[string]struct {
				value  any
				detail string
			}{
				"webhook_url": {"ftp://a.example", "webhook_url: must be an address such as https://agent.example.org/hook"},
				"auth_type":   {"basic", "auth_type: must be one of none, bearer, oauth2"},
				"timeout_ms":  {5, "timeout_ms: must be 1000 or more"},
			} {
				b := maps.Clone(external)
				b[member] = c.value
				wantProblem(t, w.as(admin).do(t, post, v1+"/agents/external/create", b), 422, c.detail)
			}
		},
		"health": func(t *testing.T, w *world) {
			got := w.anon().must(t, 200, get, v1+"/a2a/health").object(t)
			wantMembers(t, got, "status", "timestamp")
			wantTime(t, got["timestamp"])
		},
	})
}
