package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
)

func TestMessages(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			at := v1 + "/rooms/" + room + "/messages"
			first := w.as(owner).must(t, 201, post, at, body{"text": " Guten Tag <b>é</b> ", "client_id": "one"})
			made := first.object(t)
			wantMembers(t, made, "id", "seq", "room_id", "client_id", "content", "sender", "sender_id", "created_at")
			wantTime(t, made["created_at"])
			for member, want := range map[string]any{"seq": 1.0, "room_id": room, "client_id": "one", "content": " Guten Tag <b>é</b> ",
				"sender": *w.users[owner].FullName, "sender_id": w.users[owner].ID} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			again := w.as(owner).must(t, 200, post, at, body{"text": "other text", "client_id": "one"})
			if again.body != first.body {
				t.Errorf("resent: got %s, want the first answer %s", again.body, first.body)
			}
		},
		"history": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			for _, text := range []string{"a", "b", "c"} {
				w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": text})
			}
			at := v1 + "/chat/messages/" + room
			contents := func(query string) string {
				var b strings.Builder
				for _, m := range w.as(owner).must(t, 200, get, at+query).list(t) {
					wantMembers(t, m, "id", "seq", "sender", "sender_id", "content", "agent_type", "agent_id", "agent_name", "turn_id", "created_at", "state", "edited_at", "stopped", "truncated")
					wantTime(t, m["created_at"])
					if m["sender"] != *w.users[owner].FullName || m["sender_id"] != w.users[owner].ID || m["agent_type"] != nil {
						t.Errorf("got %v", m)
					}
					b.WriteString(m["content"].(string))
				}
				return b.String()
			}
			for query, want := range map[string]string{"": "abc", "?limit=2": "bc", "?before=3&limit=1": "b", "?before=1": "", "?before=0": "abc"} {
				if got := contents(query); got != want {
					t.Errorf("%q: got %q, want %q", query, got, want)
				}
			}
			wantProblem(t, w.as(owner).do(t, get, at+"?limit=0"), 422, "limit: must be 1 or more")
			wantProblem(t, w.as(owner).do(t, get, at+"?before=-1"), 422, "before: must be 0 or more")
			wantProblem(t, w.as(owner).do(t, get, v1+"/chat/messages/"+store.NewID()), 404, "Room not found")
		},
		"parts of the history": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			at := v1 + "/rooms/" + room + "/messages"
			second := ""
			for _, text := range []string{"a", "b", "c"} {
				if id := w.as(owner).must(t, 201, post, at, body{"text": text}).text(t, "id"); text == "b" {
					second = id
				}
			}
			for query, want := range map[string]string{"": "abc false false 0", "?limit=2": "bc true false 0", "?before=3&limit=1": "b true true 0",
				"?after=0&limit=1": "a false true 0", "?after=3": " true false 0", "?around=2&limit=1": "b true true 2",
				"?around=" + second + "&limit=2": "ab false true 2", "?around=2026-01-01T00:00:00%2B02:00&limit=1": "a false true 1"} {
				o := w.as(owner).must(t, 200, get, at+query).object(t)
				got := ""
				for _, m := range o["messages"].([]any) {
					got += m.(map[string]any)["content"].(string)
				}
				seq, _ := o["at"].(float64)
				if got := fmt.Sprint(got, " ", o["more_before"], " ", o["more_after"], " ", seq); got != want {
					t.Errorf("%q: got %q, want %q", query, got, want)
				}
			}
			wantProblem(t, w.as(owner).do(t, get, at+"?after=-1"), 422, "after: must be 0 or more")
			wantProblem(t, w.as(owner).do(t, get, at+"?limit=0"), 422, "limit: must be 1 or more")
			wantProblem(t, w.as(owner).do(t, get, at+"?before=2&after=0"), 422, "after: send before or after, not both")
			wantProblem(t, w.as(owner).do(t, get, at+"?around=now"), 422, "around: must be a seq, the id of a message, or a time such as 2026-03-02T08:15:00Z")
			wantProblem(t, w.as(owner).do(t, get, at+"?around="+store.NewID()), 404, "Message not found")
		},
		"an agent's line carries its name": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Live", "course_id": course, "ai_frequency": 1}).text(t, "id")
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/agents/"+w.agent)
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "@teacher hello"})
			var line map[string]any
			apptest.Await(t, "the agent's answer", func() bool {
				list := w.as(owner).must(t, 200, get, v1+"/chat/messages/"+room).list(t)
				line = list[len(list)-1]
				return len(list) > 1
			})
			if line["sender"] != "Teacher AI" || line["agent_type"] != "teacher" || line["agent_id"] != w.agent || line["sender_id"] != nil || line["turn_id"] == nil {
				t.Errorf("got %v, want the teacher agent's line", line)
			}
		},
		"invalid": func(t *testing.T, w *world) {
			at := v1 + "/rooms/" + w.room + "/messages"
			for sent, detail := range map[string]string{`{}`: "text: is missing", `{"text":" "}`: "text: must not be empty", `{"text":null}`: "text: must be a text",
				`{"text":"a\u0000"}`: "text: remove the NUL character"} {
				wantProblem(t, w.as(owner).do(t, post, at, sent), 422, detail)
			}
			wantProblem(t, w.as(owner).do(t, post, at, body{"text": "x", "client_id": strings.Repeat("x", 65)}), 422,
				"client_id: has 65 characters, at most 64 are possible")
			if a := w.as(owner).do(t, post, at, body{"text": strings.Repeat("x", int(w.cfg.Limits.MessageBytes)+1)}); a.status != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d %s, want 413", a.status, a.body)
			}
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+store.NewID()+"/messages", body{"text": "x"}), 404, "Room not found")
		},
	})
}
