package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// Whom an edit calls is told on their own socket, once, whichever node it was made on.
func TestMentionByEdit(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		by := *w.as(owner)
		if !strings.HasPrefix(url, "sqlite:") {
			by.r = start(t, url)
		}
		messages := v1 + "/rooms/" + w.room + "/messages"
		say := func(text string) string { return w.say(t, owner, text)["id"].(string) }
		edit := func(id, text string) { by.must(t, 200, put, messages+"/"+id, body{"text": text}) }
		at := func(who string) string { return "@" + *w.users[who].FullName }
		first, second := say("look"), say("here")
		w.as(student).must(t, 200, put, v1+"/rooms/"+w.room+"/read", body{"seq": 2})
		c, other := w.me(t, student), w.me(t, assigned)
		c.news("the room", w.room, func(r map[string]any) bool { return r["unread"] == 0.0 && r["mentions"] == 0.0 })
		other.next("rooms")
		inbox := func(who string) int {
			return len(w.as(who).must(t, 200, get, v1+"/users/me/mentions").list(t))
		}
		t.Run("who is called by an edit is told, and counts it", func(t *testing.T) {
			edit(first, "look, "+at(student))
			if f := c.next("mention"); f["room_id"] != w.room || f["message_id"] != first || f["seq"] != 1.0 || f["excerpt"] != "look, "+at(student) {
				t.Errorf("got %v", f)
			}
			c.news("the mention", w.room, func(r map[string]any) bool { return r["mentions"] == 1.0 })
			if inbox(student) != 1 {
				t.Error("the inbox has no entry")
			}
		})
		t.Run("who was called is not called again", func(t *testing.T) {
			edit(first, "look here, "+at(student))
			edit(second, "here, "+at(student)+" and "+at(assigned))
			if f := c.next("mention"); f["message_id"] != second {
				t.Errorf("got %v", f)
			}
			if f := other.next("mention"); f["message_id"] != second || f["sender_id"] != w.users[owner].ID {
				t.Errorf("the other: got %v", f)
			}
			c.news("both", w.room, func(r map[string]any) bool { return r["mentions"] == 2.0 })
		})
		t.Run("who is not called any more has nothing to read", func(t *testing.T) {
			edit(first, "look here")
			c.news("one", w.room, func(r map[string]any) bool { return r["mentions"] == 1.0 })
			if got := inbox(student); got != 1 {
				t.Errorf("the inbox has %d entries", got)
			}
		})
		t.Run("everybody is called by an edit, once", func(t *testing.T) {
			edit(first, "@everyone, look here")
			edit(first, "@everyone, look there")
			for _, who := range []*wire{c, other} {
				if f := who.next("mention"); f["message_id"] != first {
					t.Errorf("got %v", f)
				}
			}
			w.as(owner).must(t, 200, post, v1+"/courses/"+w.course+"/enroll", body{"user_id": w.users[guest].ID})
			edit(first, "@everyone, look everywhere")
			if got := inbox(guest); got != 0 {
				t.Errorf("who came later is called by %d messages", got)
			}
		})
		t.Run("nothing was told twice", func(t *testing.T) {
			id := say("the end, " + at(student) + " and " + at(assigned))
			for _, who := range []*wire{c, other} {
				if f := who.next("mention"); f["message_id"] != id {
					t.Errorf("got %v", f)
				}
			}
		})
		t.Run("a message that is gone calls nobody", func(t *testing.T) {
			id := say("soon gone")
			w.as(owner).must(t, 204, del, messages+"/"+id)
			if got := fmt.Sprint(by.do(t, put, messages+"/"+id, body{"text": at(student)}).status); got != "409" {
				t.Errorf("got %s", got)
			}
			last := say(at(student))
			if f := c.next("mention"); f["message_id"] != last {
				t.Errorf("got %v", f)
			}
		})
	})
}
