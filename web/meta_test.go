package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestMeta(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url)
		path := v1 + "/meta"
		before := r.anon().do(t, get, path)
		if before.status != 200 || before.object(t)["set_up"] != false {
			t.Fatalf("got %d %s, want a server that is not set up", before.status, before.body)
		}
		if again := r.anon().with("If-None-Match", before.header.Get("ETag")).do(t, get, path); again.status != 304 || again.body != "" {
			t.Errorf("got %d %q, want 304 without a body", again.status, again.body)
		}
		r.addUser(t, app.RoleSuperAdmin, "root", true)
		after := r.anon().with("If-None-Match", before.header.Get("ETag")).do(t, get, path)
		got := after.object(t)
		if after.status != 200 || got["set_up"] != true || got["sign_up"] != true || got["version"] == "" || text(got["languages"]) != `["en","zh-TW"]` {
			t.Errorf("got %d %s, want a server that is set up", after.status, after.body)
		}
		limits, _ := got["limits"].(map[string]any)
		if limits["message_bytes"] != float64(r.cfg.Limits.MessageBytes) || limits["restore_seconds"] != 900.0 ||
			limits["file_bytes"] != float64(r.cfg.Files.UploadLimit) || limits["files_per_message"] != float64(r.cfg.Files.PerMessage) {
			t.Errorf("got limits %v", limits)
		}
		if limits["person_file_bytes"] != float64(r.cfg.Files.PerPerson) || limits["room_file_bytes"] != float64(r.cfg.Files.PerRoom) || limits["pins"] != 50.0 {
			t.Errorf("got limits %v", limits)
		}
		if features := text(got["features"]); !strings.Contains(features, `"search"`) || !strings.Contains(features, `"room_include"`) {
			t.Errorf("got features %s", features)
		}
		if text(got["my_protocols"]) != `["coagent.me.v1"]` || got["email"] != false {
			t.Errorf("got %s", after.body)
		}
		root := r.session(t, r.addUser(t, app.RoleTeacher, "keys", true).ID)
		root.must(t, 200, post, v1+"/users/keys", body{"provider": "claude", "alias": "mine", "api_key": "key"})
		if keyed := r.anon().do(t, get, path); keyed.body != after.body {
			t.Errorf("a key shows: %s", keyed.body)
		}
		if !strings.Contains(text(got["providers"]), `"openai"`) {
			t.Errorf("got providers %v", got["providers"])
		}
	})
}
