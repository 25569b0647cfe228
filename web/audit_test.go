package web

import (
	"net/url"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
)

func TestAuditLog(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			made := w.as(otherTeacher).must(t, 200, post, v1+"/courses/", body{"title": "Maths"})
			list := w.as(admin).must(t, 200, get, v1+"/admin/audit?limit=1&target_id="+made.text(t, "id")).list(t)
			if len(list) != 1 {
				t.Fatalf("got %v, want one line", list)
			}
			line := list[0]
			wantMembers(t, line, "id", "created_at", "actor_id", "actor_name", "on_behalf_of", "action", "target_type", "target_id", "before", "after", "request_id")
			wantTime(t, line["created_at"])
			if line["actor_id"] != w.users[otherTeacher].ID || line["actor_name"] != w.users[otherTeacher].Email || line["action"] != "course.create" ||
				line["target_type"] != "course" || line["on_behalf_of"] != nil || line["before"] != nil || line["request_id"] != made.header.Get(requestIDHeader) {
				t.Errorf("got %v", line)
			}
			if after := line["after"].(map[string]any); after["title"] != "Maths" {
				t.Errorf("after: got %v", after)
			}
		},
		"dates and pages": func(t *testing.T, w *world) {
			all := w.as(admin).must(t, 200, get, v1+"/admin/audit").list(t)
			if len(all) < 3 {
				t.Fatalf("got %d lines", len(all))
			}
			rest := w.as(admin).must(t, 200, get, v1+"/admin/audit?limit=1&before="+all[0]["id"].(string)).list(t)
			if len(rest) != 1 || rest[0]["id"] != all[1]["id"] {
				t.Errorf("got %v, want the second line", rest)
			}
			since := url.QueryEscape(time.Now().Add(time.Hour).Format(time.RFC3339))
			if late := w.as(admin).must(t, 200, get, v1+"/admin/audit?since="+since).list(t); len(late) != 0 {
				t.Errorf("got %v from the future", late)
			}
		},
		"malformed": func(t *testing.T, w *world) {
			for _, query := range []string{"limit=0", "limit=201", "limit=x", "before=x", "since=yesterday", "until=0", "action=%00"} {
				if a := w.as(admin).do(t, get, v1+"/admin/audit?"+query); a.status != 422 {
					t.Errorf("%s: got %d %s, want 422", query, a.status, a.body)
				}
			}
			for _, query := range []string{"since=0000-01-01T00:00:00Z", "until=9999-12-31T23:59:59-14:00", "target_id=" + store.NewID() + "&action=%F0%9F%92%A9"} {
				w.as(admin).must(t, 200, get, v1+"/admin/audit?"+query)
			}
		},
	})
}
