package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestMembers(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"role": func(t *testing.T, w *world) {
			at := v1 + "/courses/" + w.course + "/members/"
			who := at + w.newMember(t)
			if got := w.as(coTeacher).must(t, 200, put, who, body{"role": "ta"}).text(t, "message"); got != "Role updated" {
				t.Errorf("got %q", got)
			}
			wantProblem(t, w.as(ta).do(t, put, who, body{"role": "student"}), 403, "TAs cannot modify TAs/Teachers")
			wantProblem(t, w.as(ta).do(t, put, at+w.users[student].ID, body{"role": "ta"}), 403, "TAs cannot promote to TA/Teacher")
			wantProblem(t, w.as(owner).do(t, put, at+w.users[owner].ID, body{"role": "ta"}), 400, "Cannot change owner role")
			wantProblem(t, w.as(owner).do(t, put, at+store.NewID(), body{"role": "ta"}), 404, "User not enrolled")
			wantProblem(t, w.as(owner).do(t, put, who, body{"role": "king"}), 422, "role: must be one of student, ta, teacher")
			wantProblem(t, w.as(owner).do(t, put, v1+"/courses/"+store.NewID()+"/members/"+w.users[student].ID, body{"role": "ta"}), 404, "Course not found")
		},
		"remove": func(t *testing.T, w *world) {
			at := v1 + "/courses/" + w.course + "/members/"
			who := at + w.newMember(t)
			if got := w.as(ta).must(t, 200, del, who).text(t, "message"); got != "User removed from course" {
				t.Errorf("got %q", got)
			}
			wantProblem(t, w.as(ta).do(t, del, who), 404, "User not found in course")
			wantProblem(t, w.as(ta).do(t, del, at+w.users[coTeacher].ID), 403, "TAs cannot remove TAs/Teachers")
			wantProblem(t, w.as(owner).do(t, del, at+w.users[owner].ID), 400, "Cannot remove owner")
		},
		"course": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			at := v1 + "/courses/" + course
			got := w.as(owner).must(t, 200, put, at, body{"title": " New ", "description": "d", "owner_id": store.NewID()}).object(t)
			wantMembers(t, got, "id", "title", "description", "owner_id", "owner_name", "created_at")
			if got["title"] != "New" || got["description"] != "d" || got["owner_id"] != w.users[owner].ID {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, at, body{"title": nil}), 422, "title: must not be null, leave it out to keep what is stored")
			if got := w.as(owner).must(t, 200, put, at, body{"description": nil}).object(t); got["title"] != "New" || got["description"] != nil {
				t.Errorf("got %v", got)
			}
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "hello"})
			for _, empty := range []string{"?dry_run", "?dry_run=", "?dry_run=&dry_run=true"} {
				if a := w.as(owner).must(t, 422, del, at+empty); !strings.Contains(a.body, `"detail":"dry_run: must be true or false"`) || !strings.Contains(a.body, `"field":"query.dry_run"`) {
					t.Errorf("%s: got %s", empty, a.body)
				}
			}
			if a := w.as(owner).must(t, 422, get, v1+"/users/search?q=%00"); !strings.Contains(a.body, `"field":"query.q"`) {
				t.Errorf("got %s, want the member named where it is", a.body)
			}
			dry := w.as(owner).must(t, 200, del, at+"?dry_run=true").object(t)
			wantMembers(t, dry, "dry_run", "counts")
			counts, _ := dry["counts"].(map[string]any)
			if dry["dry_run"] != true || counts["rooms"] != 1.0 || counts["messages"] != 1.0 || counts["members"] != 1.0 {
				t.Errorf("got %v", dry)
			}
			gone := w.as(owner).must(t, 200, del, at).object(t)
			wantMembers(t, gone, "id", "title", "description", "owner_id", "owner_name", "created_at")
			wantProblem(t, w.as(owner).do(t, del, at), 404, "Course not found")
			wantProblem(t, w.as(owner).do(t, get, v1+"/rooms/"+room), 404, "Room not found")
		},
		"room": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			at := v1 + "/rooms/" + room
			agent := w.newAgent(t)
			w.as(owner).must(t, 200, post, at+"/agents/"+agent)
			w.as(owner).must(t, 201, post, at+"/messages", body{"text": "hello"})
			dry := w.as(ta).do(t, del, at+"?dry_run=true")
			wantProblem(t, dry, 403, "Not enough permissions")
			counts, _ := w.as(owner).must(t, 200, del, at+"?dry_run=true").object(t)["counts"].(map[string]any)
			if counts["messages"] != 1.0 || counts["agents"] != 1.0 {
				t.Errorf("got %v", counts)
			}
			if a := w.as(owner).must(t, 204, del, at); a.body != "" {
				t.Errorf("got body %s, want none", a.body)
			}
			wantProblem(t, w.as(owner).do(t, del, at), 404, "Room not found")
			w.as(owner).must(t, 200, put, v1+"/agents/"+agent, body{})
		},
	})
}
