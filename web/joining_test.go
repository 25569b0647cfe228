package web

import (
	"regexp"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestJoining(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"code": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			at := v1 + "/courses/" + course + "/join-code"
			wantProblem(t, w.as(owner).do(t, get, at), 404, "Join code not found")
			made := w.as(owner).must(t, 200, put, at).object(t)
			wantMembers(t, made, "code", "created_at", "open", "makes_accounts", "addresses")
			code, _ := made["code"].(string)
			if !regexp.MustCompile(`^[A-Z2-9]{4}-[A-Z2-9]{4}$`).MatchString(code) {
				t.Errorf("got code %q", code)
			}
			got := w.as(guest).must(t, 200, post, v1+"/courses/join", body{"code": strings.ToLower(code)}).object(t)
			if got["id"] != course {
				t.Errorf("got %v, want the course", got)
			}
			w.as(guest).must(t, 200, get, v1+"/courses/"+course)
			w.as(owner).must(t, 204, del, at)
			wantProblem(t, w.as(student).do(t, post, v1+"/courses/join", body{"code": code}), 404, "Join code not found")
			wantProblem(t, w.as(student).do(t, post, v1+"/courses/join", body{"code": " "}), 422, "code: must not be empty")
		},
		"newcomer": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			at := v1 + "/courses/" + course
			code := w.as(owner).must(t, 200, put, at+"/join-code").text(t, "code")
			account := body{"full_name": "Ada Byron", "password": "correct horse battery"}
			const join = v1 + "/courses/join"
			wantProblem(t, w.anon().do(t, post, join, body{"code": code}), 401, "Not authenticated")
			a := w.anon().must(t, 200, post, join, body{"code": code, "account": account})
			made, _ := a.object(t)["user"].(object)
			if a.text(t, "id") != course || made["username"] != "ada.byron" || made["no_email"] != true {
				t.Errorf("got %s", a.body)
			}
			if got := len(a.header.Values("Set-Cookie")); got != 3 {
				t.Errorf("got %d cookies, want those of a session and the device's", got)
			}
			wantProblem(t, w.as(student).do(t, post, join, body{"code": code, "account": account}), 409,
				"You are signed in. Leave account out to join as yourself, or sign out first.")
			for sent, detail := range map[string]string{`{}`: "code: send either code or token", `{"code":"A","token":"B"}`: "code: send either code or token",
				`{"code":"` + code + `","account":{"full_name":"A","password":"x"}}`:       "account.password: use at least 8 characters",
				`{"code":"` + code + `","account":{"full_name":" ","password":"x"}}`:       `"detail":"account.full_name: must not be empty"`,
				`{"code":"` + code + `","account":{"full_name":"A"}}`:                      "account.password: is missing",
				`{"code":"` + code + `","account":{"full_name":"A","password":"x","z":1}}`: "account.z: is not known here"} {
				if got := w.anon().do(t, post, join, sent); got.status != 422 || !strings.Contains(got.body, detail) {
					t.Errorf("%s: got %d %s, want %s", sent, got.status, got.body, detail)
				}
			}
			list := w.as(owner).must(t, 200, get, at+"/arrivals?account_made=true&came_with="+strings.ReplaceAll(code, "-", "")).list(t)
			if len(list) != 1 || list[0]["user_id"] != made["id"] || list[0]["came_by"] != "code" || list[0]["name"] != "Ada Byron" {
				t.Errorf("got %v", list)
			}
			w.as(owner).must(t, 200, del, at+"/members/"+made["id"].(string)+"?account=true")
			wantProblem(t, w.as(admin).do(t, get, v1+"/users/"+made["id"].(string)), 404, "User not found")
			off := w.as(owner).must(t, 200, patch, at+"/join-code", body{"open": false}).object(t)
			if off["open"] != false || off["makes_accounts"] != true {
				t.Errorf("got %v", off)
			}
			wantProblem(t, w.anon().do(t, post, join, body{"code": code, "account": account}), 404, "Join code not found")
		},
		"invitation": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			at := v1 + "/courses/" + course + "/invitations"
			made := w.as(owner).must(t, 200, post, at, body{"role": "ta", "expires_in_hours": 2}).object(t)
			wantMembers(t, made, "id", "course_id", "created_by", "role", "max_uses", "uses", "created_at", "expires_at", "token")
			wantTime(t, made["expires_at"])
			if made["max_uses"] != 1.0 || made["role"] != "ta" || made["created_by"] != w.users[owner].ID {
				t.Errorf("got %v", made)
			}
			if got := w.as(student).must(t, 200, post, v1+"/courses/accept-invitation", body{"token": made["token"]}).text(t, "id"); got != course {
				t.Errorf("got course %s, want %s", got, course)
			}
			const void = "This invitation is not valid any more. Ask for a new one."
			wantProblem(t, w.as(guest).do(t, post, v1+"/courses/accept-invitation", body{"token": made["token"]}), 404, void)
			list := w.as(owner).must(t, 200, get, at).list(t)
			if len(list) != 1 || list[0]["uses"] != 1.0 || list[0]["token"] != nil {
				t.Errorf("got %v", list)
			}
			w.as(owner).must(t, 204, del, at+"/"+made["id"].(string))
			wantProblem(t, w.as(owner).do(t, del, at+"/"+made["id"].(string)), 404, "Invitation not found")
			for sent, detail := range map[string]string{`{"role":"owner"}`: "role: must be one of student, ta, teacher",
				`{"expires_in_hours":9999999999999}`: "expires_in_hours: must be between 1 and 8760", `{"max_uses":0}`: "max_uses: must be between 1 and 1000"} {
				wantProblem(t, w.as(owner).do(t, post, at, sent), 422, detail)
			}
		},
		"transfer": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			at := v1 + "/courses/" + course + "/transfer"
			if got := w.as(owner).must(t, 200, post, at, body{"user_id": w.users[otherTeacher].ID}).text(t, "owner_id"); got != w.users[otherTeacher].ID {
				t.Errorf("got owner %s", got)
			}
			wantProblem(t, w.as(owner).do(t, post, at, body{"user_id": w.users[owner].ID}), 403, "Not enough permissions")
			wantProblem(t, w.as(admin).do(t, post, at, body{"user_id": store.NewID()}), 404, "User not found")
			wantProblem(t, w.as(admin).do(t, post, at, body{"user_id": w.users[student].ID}), 422,
				"user_id: must be somebody active who teaches in the course or may have courses")
		},
	})
}
