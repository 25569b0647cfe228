package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// botPath is where the bots of the world's course are.
func (w *world) botPath() string { return v1 + "/courses/" + w.course + "/bots" }

// newBot makes a bot in the world's room. token is the answer that has its token.
func (w *world) newBot(t testing.TB) (id string, token answer) {
	t.Helper()
	id = w.as(owner).must(t, http.StatusCreated, post, w.botPath(), body{"name": "Bot " + store.NewID(), "room_ids": []string{w.room}}).text(t, "id")
	return id, w.as(owner).must(t, http.StatusCreated, post, w.botPath()+"/"+id+"/tokens", body{"name": "program", "expires_in_days": 1})
}

// watcher is a bot in the world's room that stays.
func (w *world) watcher(t testing.TB) *caller {
	t.Helper()
	made := w.as(owner).must(t, http.StatusCreated, post, w.botPath(), body{"name": "Watcher", "room_ids": []string{w.room},
		"token": body{"name": "program", "expires_in_days": 1}}).object(t)
	secret, _ := made["token"].(map[string]any)["token"].(string)
	return w.bearer(secret)
}

// onBot is a request about a new bot of the world's course.
func onBot(b func(*world) body) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		id, _ := w.newBot(t)
		if b == nil {
			return []string{w.course, id}, nil
		}
		return []string{w.course, id}, b(w)
	}
}

func TestBots(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"a program in a room": func(t *testing.T, w *world) {
			path := w.botPath()
			made := w.as(coTeacher).must(t, 201, post, path, body{"name": "Quiz", "room_ids": []string{w.room, w.room},
				"token": body{"name": "server", "scopes": []string{"write", "read"}, "expires_in_days": 30}}).object(t)
			wantMembers(t, made, "id", "kind", "name", "course_id", "room_ids", "is_active", "created_at", "token")
			token, _ := made["token"].(map[string]any)
			wantMembers(t, token, "id", "name", "scopes", "created_at", "expires_at", "last_used_at", "token")
			secret, _ := token["token"].(string)
			id, bot := fmt.Sprint(made["id"]), w.bearer(secret)
			me := bot.must(t, 200, get, v1+"/users/me").object(t)
			if me["kind"] != "bot" || me["course_id"] != w.course || me["id"] != id || me["full_name"] != "Quiz" || me["role"] != "guest" {
				t.Errorf("it is %v", me)
			}
			rooms := bot.must(t, 200, get, v1+"/rooms/?course_id="+w.course).list(t)
			if len(rooms) != 1 || rooms[0]["id"] != w.room {
				t.Errorf("its rooms are %v", rooms)
			}
			v2, plain := w.join(t, student, "", true), w.join(t, student, "", false)
			said := bot.must(t, 201, post, v1+"/rooms/"+w.room+"/messages", body{"text": "first question", "client_id": "1"}).object(t)
			if said["sender"] != "Quiz" || said["sender_id"] != id {
				t.Errorf("it has said %v", said)
			}
			got := v2.next("message")
			about, _ := got["metadata"].(map[string]any)
			if got["sender"] != "Quiz" || got["sender_kind"] != "bot" || about["sender_kind"] != "bot" || about["is_ai"] != false || about["sender_id"] != id {
				t.Errorf("coagent.v2 got %v", got)
			}
			got = plain.next("message")
			about, _ = got["metadata"].(map[string]any)
			if got["sender"] != "Quiz" || about["is_ai"] != false || about["sender_kind"] != "bot" || about["sender_id"] != id {
				t.Errorf("the plain protocol got %v", got)
			}
			all := w.as(student).must(t, 200, get, v1+"/chat/messages/"+w.room).list(t)
			last := all[len(all)-1]
			if last["sender_kind"] != "bot" || last["sender"] != "Quiz" || last["agent_type"] != nil || last["sender_id"] != id {
				t.Errorf("the history has %v", last)
			}
			if out := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/export?format=json").body; !strings.Contains(out, `"sender_kind":"bot"`) {
				t.Errorf("the export has %s", out)
			}
			for _, m := range w.as(owner).must(t, 200, get, v1+"/courses/"+w.course+"/members").list(t) {
				if m["user_id"] == id {
					t.Error("it is in the class list")
				}
			}
			listed := w.as(ta).must(t, 200, get, path+"?limit=1").list(t)
			if len(listed) != 1 || listed[0]["id"] != id || listed[0]["token"] != nil {
				t.Errorf("listed are %v", listed)
			}
			found := false
			for _, u := range w.as(admin).must(t, 200, get, v1+"/users/").list(t) {
				found = found || u["id"] == id && u["kind"] == "bot"
				if u["id"] == w.users[student].ID && u["kind"] != nil {
					t.Errorf("a person is %v", u)
				}
			}
			if !found {
				t.Error("admins do not see that it is a bot")
			}
			mine := fmt.Sprintf("%s/rooms/%s/messages/%v", v1, w.room, said["id"])
			if edited := bot.must(t, 200, put, mine, body{"text": "second question"}).object(t); edited["sender_kind"] != "bot" {
				t.Errorf("edited: got %v", edited)
			}
			socket, status := w.dialAs(t, bot, true)
			if socket == nil {
				t.Fatalf("its socket: got %d", status)
			}
			w.as(owner).must(t, 204, del, fmt.Sprintf("%s/%s/tokens/%v", path, id, token["id"]))
			if code := socket.closed(); code != 4001 {
				t.Errorf("its socket was closed with %d", code)
			}
			wantProblem(t, bot.do(t, get, v1+"/users/me"), 401, "Could not validate credentials")
			w.as(owner).must(t, 204, del, path+"/"+id)
			all = w.as(student).must(t, 200, get, v1+"/chat/messages/"+w.room).list(t)
			last = all[len(all)-1]
			if last["sender_kind"] != "bot" || last["sender"] != "Quiz" || last["sender_id"] != nil || last["content"] != "second question" {
				t.Errorf("after its deletion the history has %v", last)
			}
		},
		"what is wrong": func(t *testing.T, w *world) {
			path := w.botPath()
			id, token := w.newBot(t)
			_, foreign := w.newRoom(t, otherTeacher)
			for text, member := range map[string]string{
				`{}`: "name", `{"name":null}`: "name", `{"name":5}`: "name", `{"name":""}`: "name", `{"name":"x","kind":"person"}`: "kind", `{"name":"x","Role":"teacher"}`: "Role",
				`{"name":"x","role":"teacher"}`: "role", `{"name":"x","room_ids":["x"]}`: "room_ids", `{"name":"x","room_ids":"x"}`: "room_ids",
				`{"name":"x","room_ids":["` + foreign + `"]}`: "room_ids", `{"name":"x","room_ids":["` + store.NewID() + `"]}`: "room_ids",
				`{"name":"x","token":{"name":"y","expires_in_days":0}}`:                        "expires_in_days",
				`{"name":"x","token":{"name":"y","expires_in_days":9999}}`:                     "expires_in_days",
				`{"name":"x","token":{"name":"","expires_in_days":1}}`:                         "name",
				`{"name":"x","token":{"name":"y","expires_in_days":1,"scopes":["admin"]}}`:     "scopes",
				`{"name":"x","token":{"name":"y","expires_in_days":1,"scopes":["session"]}}`:   "scopes",
				`{"name":"x","token":{"name":"y","expires_in_days":1,"user_id":"` + id + `"}}`: "user_id",
				`{"name":"full student"}`: "name", `{"name":"[x]"}`: "name", `{"name":"x\u0000"}`: "name",
			} {
				if a := w.as(owner).do(t, post, path, text); a.status != 422 || !strings.Contains(a.body, member) {
					t.Errorf("%s: got %d %s, want 422 for %s", text, a.status, a.body, member)
				}
			}
			for text, member := range map[string]string{`{"name":null}`: "name", `{"is_active":null}`: "is_active", `{"is_active":"x"}`: "is_active",
				`{"course_id":"x"}`: "course_id", `{"kind":"person"}`: "kind", `{"room_ids":["` + foreign + `"]}`: "room_ids"} {
				if a := w.as(owner).do(t, "PATCH", path+"/"+id, text); a.status != 422 || !strings.Contains(a.body, member) {
					t.Errorf("%s: got %d %s, want 422 for %s", text, a.status, a.body, member)
				}
			}
			if got := w.as(owner).must(t, 200, "PATCH", path+"/"+id, `{"room_ids":null}`).object(t); fmt.Sprint(got["room_ids"]) != "["+w.room+"]" {
				t.Errorf("room_ids null: got %v", got)
			}
			w.as(owner).must(t, 200, get, path+"/"+id+"/tokens")
			other, _ := w.newRoom(t, owner)
			for _, at := range []string{v1 + "/courses/" + other + "/bots/" + id, path + "/" + store.NewID(), path + "/" + w.users[student].ID} {
				wantProblem(t, w.as(owner).do(t, "PATCH", at, body{}), 404, "Bot not found")
				wantProblem(t, w.as(owner).do(t, del, at), 404, "Bot not found")
				wantProblem(t, w.as(owner).do(t, get, at+"/tokens"), 404, "Bot not found")
				wantProblem(t, w.as(owner).do(t, post, at+"/tokens", body{"name": "x", "expires_in_days": 1}), 404, "Bot not found")
				wantProblem(t, w.as(owner).do(t, del, at+"/tokens/"+token.text(t, "id")), 404, "Bot not found")
			}
			wantProblem(t, w.as(owner).do(t, del, path+"/"+id+"/tokens/"+store.NewID()), 404, "Token not found")
			wantProblem(t, w.as(owner).do(t, get, v1+"/courses/"+store.NewID()+"/bots"), 404, "Course not found")
			if a := w.as(owner).do(t, put, path+"/"+id, body{}); a.status != 405 {
				t.Errorf("PUT: got %d", a.status)
			}
			// A token of staff makes bots, and no token of theirs.
			_, secret := w.newToken(t, owner, "read", "write")
			w.bearer(secret).must(t, 201, post, path, body{"name": "Made by a token"})
			if a := w.bearer(secret).do(t, post, path, body{"name": "Another", "token": body{"name": "x", "expires_in_days": 1}}); !lacks(t, a) {
				t.Errorf("a token made a token: got %d %s", a.status, a.body)
			}
		},
	})
}
