package web

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A react frame does what the route does, over a room's socket and over a person's.
func TestReactFrame(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		message, other := w.say(t, owner, "the first line")["id"].(string), w.say(t, owner, "the second line")["id"].(string)
		witness, plain := w.join(t, ta, "", true), w.join(t, ta, "", false)
		room, mine := w.join(t, student, "", true), w.me(t, student)
		react := func(id, more string) string { return fmt.Sprintf(`{"type":"react","message_id":%q%s}`, id, more) }
		at := func(id, more string) string { return react(id, `,"room_id":"`+w.room+`"`+more) }
		t.Run("it gives an emoji, once", func(t *testing.T) {
			for range 2 {
				room.send(react(message, `,"emoji":"👍"`))
				if got := fmt.Sprint(room.next("react")["reactions"]); got != "[map[count:1 emoji:👍 mine:true]]" {
					t.Errorf("got %s", got)
				}
			}
			if got := witness.next("reaction"); got["message_id"] != message || fmt.Sprint(got["reactions"]) != "[map[count:1 emoji:👍]]" {
				t.Errorf("the others: got %v", got)
			}
		})
		t.Run("a person's socket takes it back", func(t *testing.T) {
			mine.send(at(message, `,"emoji":"👍","remove":true`))
			if got := mine.about("react", w.room); got["message_id"] != message || len(got["reactions"].([]any)) != 0 {
				t.Errorf("got %v", got)
			}
			if got := witness.next("reaction"); len(got["reactions"].([]any)) != 0 {
				t.Errorf("the others: got %v", got)
			}
		})
		t.Run("what is refused leaves the socket open", func(t *testing.T) {
			w.as(owner).must(t, 204, del, v1+"/rooms/"+w.room+"/messages/"+other)
			for frame, want := range map[string]string{
				react("x", `,"emoji":"👍"`):                                  "message_id: must be the id of a message",
				react(message, ""):                                          "emoji: must be one emoji",
				react(message, `,"emoji":"thumb"`):                          "emoji: must be one emoji",
				react(message, `,"emoji":"👍\u0000"`):                        "emoji: must be one emoji",
				react(message, `,"emoji":"\ud83d"`):                         "emoji: must be one emoji",
				react(message, `,"emoji":"`+strings.Repeat("👍", 400)+`"`):   "emoji: must be one emoji",
				react(message, `,"emoji":"👍","take_back":true`):             "take_back",
				react(store.NewID(), `,"emoji":"👍"`):                        "Message not found",
				react(other, `,"emoji":"👍"`):                                "This message is deleted or hidden",
				`{"type":"react","message_id":"` + message + `","emoji":7}`: "emoji: holds a number that does not fit",
			} {
				room.send(frame)
				if got := fmt.Sprint(room.next("error")["detail"]); !strings.Contains(got, want) {
					t.Errorf("%.80s: got %q, want %q", frame, got, want)
				}
			}
			mine.send(react(message, `,"emoji":"👍"`))
			if got := mine.next("error")["detail"]; got != "room_id: must be the id of a room" {
				t.Errorf("without a room: got %v", got)
			}
		})
		t.Run("a line of the plain protocol stays a line", func(t *testing.T) {
			plain.lineBecomes(t, react(message, `,"emoji":"👍"`), "ok")
		})
	})
}
