package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestLines(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"edit": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			id := w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "one"}).text(t, "id")
			at := v1 + "/rooms/" + room + "/messages/" + id
			got := w.as(owner).must(t, 200, put, at, body{"text": "two"}).object(t)
			wantMembers(t, got, "id", "seq", "sender", "sender_id", "content", "agent_type", "agent_id", "agent_name", "turn_id", "created_at", "state", "edited_at", "stopped", "truncated")
			wantTime(t, got["edited_at"])
			if got["content"] != "two" || got["state"] != "shown" || got["id"] != id {
				t.Errorf("got %v", got)
			}
			line := w.as(owner).must(t, 200, get, v1+"/chat/messages/"+room).list(t)[0]
			if text(line) != text(got) {
				t.Errorf("the history has %v, want %v", line, got)
			}
			wantProblem(t, w.as(admin).do(t, put, at, body{"text": "three"}), 403, "Only your own messages can be changed")
			wantProblem(t, w.as(owner).do(t, put, at, body{"text": " "}), 422, "text: must not be empty")
			wantProblem(t, w.as(owner).do(t, put, v1+"/rooms/"+room+"/messages/"+store.NewID(), body{"text": "x"}), 404, "Message not found")
		},
		"delete, restore, hide and show": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/assign", body{"user_id": w.users[student].ID})
			id := w.as(student).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "one"}).text(t, "id")
			at := v1 + "/rooms/" + room + "/messages/" + id
			w.as(student).must(t, 204, del, at)
			line := w.as(student).must(t, 200, get, v1+"/chat/messages/"+room).list(t)[0]
			if line["content"] != "(deleted)" || line["state"] != "deleted" || line["edited_at"] != nil {
				t.Errorf("got %v", line)
			}
			wantProblem(t, w.as(student).do(t, put, at, body{"text": "x"}), 409, "This message is deleted")
			if got := w.as(student).must(t, 200, post, at+"/restore").text(t, "content"); got != "one" {
				t.Errorf("got %q back", got)
			}
			if got := w.as(owner).must(t, 200, post, at+"/hide").object(t); got["state"] != "hidden" || got["content"] != "one" {
				t.Errorf("got %v", got)
			}
			if line := w.as(student).must(t, 200, get, v1+"/chat/messages/"+room).list(t)[0]; line["content"] != "(hidden by staff)" || line["state"] != "hidden" {
				t.Errorf("got %v", line)
			}
			wantProblem(t, w.as(student).do(t, post, at+"/unhide"), 403, "Not enough permissions")
			if got := w.as(owner).must(t, 200, post, at+"/unhide").text(t, "state"); got != "shown" {
				t.Errorf("got state %q", got)
			}
		},
		"export": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Zelle \"1\"/細胞\r\n", "course_id": course, "ai_mode": "off"}).text(t, "id")
			at := v1 + "/rooms/" + room + "/export"
			empty := w.as(owner).must(t, 200, get, at+"?format=json").object(t)
			if list, ok := empty["lines"].([]any); !ok || len(list) != 0 {
				t.Errorf("got %v", empty)
			}
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "# hello"})
			a := w.as(owner).must(t, 200, get, at)
			if got := a.header.Get("Content-Type"); got != "text/markdown; charset=utf-8" {
				t.Errorf("got type %q", got)
			}
			if got, want := a.header.Get("Content-Disposition"), `attachment; filename="Zelle-1.md"; filename*=UTF-8''Zelle%20%221%22-%E7%B4%B0%E8%83%9E.md`; got != want {
				t.Errorf("got %q, want %q", got, want)
			}
			if !strings.HasPrefix(a.body, "# Zelle \"1\"/細胞\n") || !strings.Contains(a.body, "### Full owner, ") || !strings.Contains(a.body, "\n> \\# hello") {
				t.Errorf("got %s", a.body)
			}
			got := w.as(owner).must(t, 200, get, at+"?format=json").object(t)
			wantMembers(t, got, "room", "exported_at", "lines")
			if lines, _ := got["lines"].([]any); len(lines) != 1 || lines[0].(map[string]any)["content"] != "# hello" {
				t.Errorf("got %v", got)
			}
			if a := w.as(owner).do(t, get, at+"?format=pdf"); a.status != 422 {
				t.Errorf("got %d %s, want 422", a.status, a.body)
			}
			wantProblem(t, w.as(guest).do(t, get, at), 404, "Room not found")
		},
	})
}
