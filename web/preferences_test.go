package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
)

// What a person has set holds where a request does not say otherwise.
func TestPreferencesAreUsed(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"the language of errors": func(t *testing.T, w *world) {
			u := w.addUser(t, app.RoleStudent, "speaker", true)
			me := w.session(t, u.ID)
			missing := func(accept string) string {
				return me.with("Accept-Language", accept).must(t, http.StatusNotFound, get, v1+"/rooms/00000000-0000-7000-8000-000000000000").text(t, "message")
			}
			english := missing("")
			me.must(t, http.StatusOK, put, v1+"/users/me/preferences", body{"locale": "zh-TW", "time_zone": "Asia/Taipei"})
			chinese := missing("")
			if english != "Room not found" || chinese == english || missing("en") != english || missing("zh-TW") != chinese {
				t.Errorf("got %q, then %q", english, chinese)
			}
			preview := me.must(t, http.StatusOK, post, v1+"/schedules/preview", body{"from": "2026-11-30T00:30:00Z",
				"schedule_config": body{"mode": "whitelist", "rules": []body{{"type": "day_of_week", "days": []int{1, 3}, "time_range": []string{"08:00", "09:59"}}}}}).object(t)
			if preview["timezone"] != "Asia/Taipei" || !strings.HasSuffix(text(preview["windows"].([]any)[0].(map[string]any)["from"].(map[string]any)["local"]), `+08:00"`) {
				t.Errorf("got %v", preview)
			}
		},
		"a name in place of an e-mail": func(t *testing.T, w *world) {
			u := w.as(superAdmin).must(t, http.StatusOK, post, v1+"/users/", body{"email": "nameless@example.org", "role": "student"})
			w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+w.course+"/enroll", body{"user_id": u.text(t, "id")})
			people := w.as(student).must(t, http.StatusOK, get, v1+"/rooms/"+w.room+"/people?limit=200")
			if text := people.body; strings.Contains(text, "nameless@") || !strings.Contains(text, `"name":"Someone"`) {
				t.Errorf("got %s", text)
			}
		},
		"an account without an e-mail": func(t *testing.T, w *world) {
			u := w.as(superAdmin).must(t, http.StatusOK, post, v1+"/users/", body{"username": "mailless", "role": "student"}).object(t)
			if u["no_email"] != true || u["username"] != "mailless" {
				t.Errorf("got %v", u)
			}
			for _, bad := range []body{{"role": "student"}, {"username": " "}, {"email": "x@no-mail.invalid", "username": "other"}} {
				if a := w.as(superAdmin).do(t, post, v1+"/users/", bad); a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, "email") {
					t.Errorf("%v: got %d %s", bad, a.status, a.body)
				}
			}
		},
		"what joined says": func(t *testing.T, w *world) {
			w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "One"})
			seq := w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "Two"}).object(t)["seq"].(float64)
			w.as(student).must(t, http.StatusOK, put, v1+"/rooms/"+w.room+"/read", body{"seq": int64(seq) - 1})
			f := w.join(t, student, "", true).next("joined")
			can := f["can"].(map[string]any)
			if f["read_seq"] != seq-1 || can["react"] != true || can["pin"] != false {
				t.Errorf("got %v, want it read up to %v", f, seq-1)
			}
			if can := w.join(t, owner, "", true).next("joined")["can"].(map[string]any); can["pin"] != true {
				t.Errorf("got %v", can)
			}
		},
	})
}
