package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestUsers(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			email := store.NewID() + "@example.org"
			got := w.as(admin).must(t, 200, post, v1+"/users/", body{"email": email, "username": "", "full_name": "Ada", "role": "ta",
				"password": testPassword, "unknown": 1}).object(t)
			wantMembers(t, got, "id", "email", "username", "full_name", "role", "avatar_url", "is_active", "created_at")
			wantTime(t, got["created_at"])
			if got["email"] != email || got["username"] != nil || got["full_name"] != "Ada" || got["role"] != "ta" || got["is_active"] != true {
				t.Errorf("got %v", got)
			}
			wantSession(t, w.anon().do(t, post, signInPath, form(email, testPassword)))
			// A second blank user name is no duplicate.
			w.as(admin).must(t, 200, post, v1+"/users/", body{"email": store.NewID() + "@example.org", "username": " "})
		},
		"only super admins make admins": func(t *testing.T, w *world) {
			b := body{"email": store.NewID() + "@example.org", "role": "admin"}
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", b), 403, "Only Super Admins can create Admin accounts")
			w.as(superAdmin).must(t, 200, post, v1+"/users/", b)
		},
		"taken": func(t *testing.T, w *world) {
			u := w.users[student]
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": strings.ToUpper(u.Email)}), 400, "User already exists")
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": store.NewID() + "@x.org", "username": *u.Username}), 400, "User already exists")
		},
		"the role comes before the body": func(t *testing.T, w *world) {
			wantProblem(t, w.as(student).do(t, post, v1+"/users/", "{"), 403, "Not enough permissions")
			wantProblem(t, w.anon().do(t, post, v1+"/users/", "{"), 401, "Not authenticated")
		},
		"invalid": func(t *testing.T, w *world) {
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": nil}), 422, "email: must be a text")
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": "a@b.org", "role": "king"}), 422,
				"role: must be one of guest, student, ta, teacher, admin, super_admin")
		},
	})
}
