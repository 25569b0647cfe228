package web

import (
	"net/url"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
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
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": nil}), 422, "email: must not be empty")
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": "a@b.org", "role": "king"}), 422,
				"role: must be one of guest, student, ta, teacher, admin, super_admin")
		},
		"list": func(t *testing.T, w *world) {
			list := w.as(admin).must(t, 200, get, v1+"/users/?limit=2").list(t)
			if len(list) != 2 {
				t.Errorf("got %d, want 2", len(list))
			}
			wantMembers(t, list[0], "id", "email", "username", "full_name", "role", "avatar_url", "is_active", "created_at", "two_factor")
			wantProblem(t, w.as(student).do(t, get, v1+"/users/"), 403, "Not enough permissions")
			for _, q := range []string{"limit=-1", "limit=0", "skip=-1", "limit=1001", "limit=x"} {
				if a := w.as(admin).do(t, get, v1+"/users/?"+q); a.status != 422 {
					t.Errorf("%s: got %d, want 422", q, a.status)
				}
			}
		},
		"search": func(t *testing.T, w *world) {
			u := w.users[otherStudent]
			for who, want := range map[string]int{owner: 1, ta: 1, admin: 1, student: 0, guest: 0, otherTeacher: 1} {
				list := w.as(who).must(t, 200, get, v1+"/users/search?q="+url.QueryEscape(strings.ToUpper(u.Email))).list(t)
				if len(list) != want || want == 1 && list[0]["id"] != u.ID {
					t.Errorf("%s: got %v, want %d", who, list, want)
				}
			}
			if n := len(w.as(admin).must(t, 200, get, v1+"/users/search?q=").list(t)); n != 10 {
				t.Errorf("without a limit: got %d, want 10", n)
			}
			wantProblem(t, w.as(admin).do(t, get, v1+"/users/search"), 422, "q: is missing, add it to the address")
			wantProblem(t, w.as(admin).do(t, get, v1+"/users/search?q=a&limit=101"), 422, "limit: must be 100 or less")
		},
		"one": func(t *testing.T, w *world) {
			got := w.as(student).must(t, 200, get, v1+"/users/"+strings.ToUpper(w.users[owner].ID)).object(t)
			if got["id"] != w.users[owner].ID {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(student).do(t, get, v1+"/users/"+w.users[otherStudent].ID), 404, "User not found")
			if a := w.as(student).do(t, get, v1+"/users/nonsense"); a.status != 422 {
				t.Errorf("got %d %s, want 422", a.status, a.body)
			}
		},
		"update oneself": func(t *testing.T, w *world) {
			u := w.addUser(t, app.RoleStudent, "selfie", true)
			me, other := w.session(t, u.ID), w.session(t, u.ID)
			got := me.must(t, 200, put, v1+"/users/me", body{"full_name": "New", "avatar_url": nil, "role": "admin", "is_active": false,
				"email": "other@example.org", "password": ""}).object(t)
			if got["full_name"] != "New" || got["role"] != "student" || got["is_active"] != true || got["email"] != u.Email || got["username"] != *u.Username {
				t.Errorf("got %v", got)
			}
			wantProblem(t, me.do(t, put, v1+"/users/me", body{"username": *w.users[student].Username}), 400, "Username already taken")
			wantProblem(t, me.do(t, put, v1+"/users/me", body{"password": "another horse battery"}), 422,
				"current_password: send the current password along with a new one")
			wantProblem(t, me.do(t, put, v1+"/users/me", body{"password": "another horse battery", "current_password": "x"}), 400, "The current password is not right")
			me.must(t, 200, put, v1+"/users/me", body{"password": "another horse battery", "current_password": testPassword})
			me.must(t, 200, get, v1+"/users/me")
			wantProblem(t, other.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			wantSession(t, w.anon().do(t, post, signInPath, form(u.Email, "another horse battery")))
		},
		"update somebody": func(t *testing.T, w *world) {
			u := w.addUser(t, app.RoleStudent, "changed", true)
			them, path := w.session(t, u.ID), v1+"/users/"+u.ID
			// As the client's form sends it.
			got := w.as(admin).must(t, 200, put, path, body{"full_name": "New", "role": "ta", "username": ""}).object(t)
			if got["full_name"] != "New" || got["role"] != "ta" || got["username"] != nil {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(admin).do(t, put, path, body{"role": "admin"}), 403, "Only Super Admins can promote users to Admin")
			wantProblem(t, w.as(admin).do(t, put, v1+"/users/"+w.users[superAdmin].ID, body{"full_name": "x"}), 403, "Only Super Admins can modify other Admins")
			wantProblem(t, w.as(superAdmin).do(t, put, v1+"/users/"+w.users[superAdmin].ID, body{"role": "admin"}), 400, "Super Admins cannot change their own role")
			wantProblem(t, w.as(admin).do(t, put, path, body{"username": *w.users[student].Username}), 400, "Username already taken")
			wantProblem(t, w.as(admin).do(t, put, v1+"/users/"+store.NewID(), body{}), 404, "User not found")
			wantProblem(t, w.as(student).do(t, put, path, body{"role": "teacher"}), 403, "Not enough permissions")
			if a := w.as(admin).do(t, put, v1+"/users/somebody", body{}); a.status != 422 {
				t.Errorf("a name for an id: got %d %s, want 422", a.status, a.body)
			}
			w.as(admin).must(t, 200, put, path, body{"is_active": false})
			wantProblem(t, them.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
		},
		"delete": func(t *testing.T, w *world) {
			u := w.addUser(t, app.RoleStudent, "leaver", true)
			them, path := w.session(t, u.ID), v1+"/users/"+u.ID
			w.as(owner).must(t, 200, post, v1+"/courses/"+w.course+"/enroll", body{"user_id": u.ID})
			them.must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": "bye", "client_id": "1"})
			dry := w.as(admin).must(t, 200, del, path+"?dry_run=true").object(t)
			if counts, ok := dry["counts"].(map[string]any); !ok || dry["dry_run"] != true || counts["messages"] != 1.0 {
				t.Errorf("got %v", dry)
			}
			if got := w.as(admin).must(t, 200, del, path).object(t); got["id"] != u.ID || got["email"] != u.Email {
				t.Errorf("got %v, want the account as it was", got)
			}
			wantProblem(t, them.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			for _, where := range []string{"/chat/messages/" + w.room, "/rooms/" + w.room + "/events"} {
				a := w.as(owner).must(t, 200, get, v1+where)
				if !strings.Contains(a.body, `"sender":"deleted user"`) || strings.Contains(a.body, u.ID) || strings.Contains(a.body, *u.FullName) {
					t.Errorf("%s: got %s", where, a.body)
				}
			}
			wantProblem(t, w.as(admin).do(t, del, path), 404, "User not found")
			wantProblem(t, w.as(admin).do(t, del, v1+"/users/"+w.users[admin].ID), 400, "Cannot delete your own account")
			wantProblem(t, w.as(student).do(t, del, v1+"/users/"+w.users[student].ID), 400, "Cannot delete your own account")
			wantProblem(t, w.as(admin).do(t, del, v1+"/users/"+w.users[superAdmin].ID), 403, "Only Super Admins can delete Admin accounts")
		},
	})
}
