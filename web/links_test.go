package web

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

func TestPasswordLinks(t *testing.T) {
	const usePath = v1 + "/login/password-link"
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			u := w.addUser(t, app.RoleStudent, "forgetful", true)
			them := w.session(t, u.ID)
			l := w.as(admin).must(t, 200, post, v1+"/users/"+u.ID+"/password-link").object(t)
			wantMembers(t, l, "url", "url_path", "token", "expires_at")
			wantTime(t, l["expires_at"])
			a := w.anon().do(t, post, usePath, body{"token": l["token"], "password": "another horse battery"})
			wantSession(t, a)
			wantProblem(t, them.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			wantSession(t, w.anon().do(t, post, signInPath, form(u.Email, "another horse battery")))
			wantProblem(t, w.anon().do(t, post, usePath, body{"token": l["token"], "password": "another horse battery"}), 403,
				"This link is not valid any more. Ask for a new one.")
		},
		"the form": func(t *testing.T, w *world) {
			w.anon().must(t, 200, get, "/reset")
		},
		"refused": func(t *testing.T, w *world) {
			wantProblem(t, w.as(student).do(t, post, v1+"/users/"+store.NewID()+"/password-link"), 404, "User not found")
			if a := w.anon().do(t, post, usePath, body{"token": "x"}); a.status != 422 {
				t.Errorf("got %d %s, want 422", a.status, a.body)
			}
		},
	})
}

func TestImport(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			path, mail := v1+"/courses/"+course+"/members/import", store.NewID()+"@example.org"
			list := "email;full_name\n" + mail + ";Ada\nnobody;\n"
			csv := w.as(owner).with("Content-Type", "text/csv; charset=utf-8")
			dry := csv.must(t, 200, post, path+"?dry_run=true", list).object(t)
			if dry["dry_run"] != true || dry["created"] != 1.0 || dry["errors"] != 1.0 {
				t.Errorf("got %v", dry)
			}
			got := csv.must(t, 200, post, path, list).object(t)
			lines, ok := got["lines"].([]any)
			if !ok || len(lines) != 2 || got["created"] != 1.0 || got["enrolled"] != 0.0 || got["errors"] != 1.0 {
				t.Fatalf("got %v", got)
			}
			first, ok := lines[0].(map[string]any)
			if !ok || first["line"] != 2.0 || first["email"] != mail || first["status"] != "created" {
				t.Errorf("got %v", first)
			}
			wantMembers(t, first, "line", "email", "name", "status", "message", "link")
			if got := w.as(owner).send(t, path, "list.csv", "text/csv", []byte(list)).object(t); got["already"] != 1.0 {
				t.Errorf("as a form, again: got %v", got)
			}
		},
		"who may": func(t *testing.T, w *world) {
			for who, want := range map[string]int{guest: 403, student: 403, assigned: 403, otherStudent: 403, ta: 200, coTeacher: 200, owner: 200,
				otherTeacher: 403, viewer: 403, admin: 200, superAdmin: 200} {
				if a := w.as(who).with("Content-Type", "text/csv").do(t, post, v1+"/courses/"+w.course+"/members/import", "email\n"); a.status != want {
					t.Errorf("%s: got %d %s, want %d", who, a.status, a.body, want)
				}
			}
		},
		"refused": func(t *testing.T, w *world) {
			path := v1 + "/courses/" + w.course + "/members/import"
			csv := w.as(owner).with("Content-Type", "text/csv")
			wantProblem(t, csv.do(t, post, path, "nickname\nAda\n"), 422,
				"file: begin with a line that names the columns: email, full_name, username, role; one of the first three is enough")
			wantProblem(t, csv.do(t, post, path, "email\n"+string(make([]byte, 1<<20))), 413, "The list has 1048582 bytes, at most 1048576 are possible")
			wantProblem(t, w.as(owner).do(t, post, path, body{}), 422, "body: must be text/csv, or a form with the list as its file")
			wantProblem(t, csv.do(t, post, v1+"/courses/"+store.NewID()+"/members/import", "email\n"), 404, "Course not found")
		},
	})
}
