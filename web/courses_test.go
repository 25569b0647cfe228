package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestCourses(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			made := w.as(otherTeacher).must(t, 200, post, v1+"/courses/", body{"title": " Maths ", "description": nil}).object(t)
			wantMembers(t, made, "id", "title", "description", "owner_id", "owner_name", "created_at")
			wantTime(t, made["created_at"])
			if made["title"] != "Maths" || made["owner_name"] != nil || made["owner_id"] != w.users[otherTeacher].ID {
				t.Errorf("got %v", made)
			}
			got := w.as(otherTeacher).must(t, 200, get, v1+"/courses/"+made["id"].(string)).object(t)
			if got["owner_name"] != nil || got["id"] != made["id"] {
				t.Errorf("got %v, want what was made", got)
			}
		},
		"the list has the owner's name": func(t *testing.T, w *world) {
			list := w.as(student).must(t, 200, get, v1+"/courses/").list(t)
			if len(list) != 1 || list[0]["id"] != w.course || list[0]["owner_name"] != *w.users[owner].FullName {
				t.Errorf("got %v, want the one course with its owner's name", list)
			}
			if list := w.as(guest).must(t, 200, get, v1+"/courses/"); strings.TrimSpace(list.body) != "[]" {
				t.Errorf("got %s, want []", list.body)
			}
		},
		"unknown and malformed": func(t *testing.T, w *world) {
			wantProblem(t, w.as(guest).do(t, get, v1+"/courses/"+store.NewID()), 404, "Course not found")
			a := w.as(guest).do(t, get, v1+"/courses/nonsense")
			if a.status != 422 || !strings.HasPrefix(a.text(t, "detail"), "course_id: must be a UUID") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		},
		"enrol": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			path := v1 + "/courses/" + course + "/enroll"
			u := w.users[otherStudent]
			said := func(a answer, want string) {
				t.Helper()
				if got := a.text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			said(w.as(owner).must(t, 200, post, path, body{"user_email": strings.ToUpper(u.Email), "user_id": nil}), "User "+*u.FullName+" enrolled as student")
			said(w.as(owner).must(t, 200, post, path, body{"user_id": u.ID, "role": "ta"}), "User already enrolled")
			said(w.as(owner).must(t, 200, post, path, body{"user_id": w.users[ta].ID, "role": "ta"}), "User "+*w.users[ta].FullName+" enrolled as ta")
			wantProblem(t, w.as(ta).do(t, post, path, body{"user_id": w.users[guest].ID, "role": "ta"}), 403, "TAs can enroll students only")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_id": store.NewID()}), 404, "User not found")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_email": "nobody@example.org"}), 404, "User not found")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_email": nil, "user_id": nil}), 422, "user_email: send user_email or user_id")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_id": u.ID, "role": "king"}), 422, "role: must be one of student, ta, teacher")
			wantProblem(t, w.as(owner).do(t, post, v1+"/courses/"+store.NewID()+"/enroll", body{"user_id": u.ID}), 404, "Course not found")
		},
		"members": func(t *testing.T, w *world) {
			list := w.as(student).must(t, 200, get, v1+"/courses/"+w.course+"/members").list(t)
			roles := map[any]any{}
			for _, m := range list {
				wantMembers(t, m, "user_id", "email", "full_name", "avatar_url", "role")
				roles[m["user_id"]] = m["role"]
			}
			for who, want := range map[string]string{owner: "teacher", coTeacher: "teacher", ta: "ta", student: "student"} {
				if got := roles[w.users[who].ID]; got != want {
					t.Errorf("%s: got role %v, want %s", who, got, want)
				}
			}
			if len(list) != 4 {
				t.Errorf("got %d members, want 4", len(list))
			}
		},
	})
}
