package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// myFrameKinds are the frames that a client of a person's socket can send.
var myFrameKinds = []string{"subscribe", "unsubscribe", "post", "typing", "stop", "editing", "react"}

// mySocketTable is who gets a socket of their own, and what becomes of each of myFrameKinds
// about the world's room: ok, or the code of the refusal. Whoever is in no room has a socket
// all the same: it tells when that changes.
var mySocketTable = map[string]string{
	anonymous:    "401",
	guest:        "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	student:      "101 ok ok ok ok forbidden ok ok",
	assigned:     "101 ok ok ok ok ok ok ok",
	otherStudent: "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	ta:           "101 ok ok ok ok ok ok ok",
	coTeacher:    "101 ok ok ok ok ok ok ok",
	owner:        "101 ok ok ok ok ok ok ok",
	otherTeacher: "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	viewer:       "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	editor:       "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	projectAdmin: "101 forbidden ok forbidden not_subscribed not_found not_subscribed forbidden",
	admin:        "101 ok ok ok ok ok ok ok",
	superAdmin:   "101 ok ok ok ok ok ok ok",
	inactive:     "400",
	endedSession: "401",
	expiredToken: "101 ok ok ok ok ok ok ok",

	"super admin as student":                 "101 ok ok ok ok forbidden ok ok",
	"student: read":                          "101 ok ok scope scope forbidden scope scope",
	"student: write":                         "403",
	"student: read write":                    "101 ok ok ok ok forbidden ok ok",
	"super admin: read":                      "101 ok ok scope scope scope scope scope",
	"super admin: admin":                     "403",
	"super admin: read write admin, revoked": "401",
	"bot":                                    "101 ok ok ok ok bot not_found ok",
}

// me opens a person's socket.
func (w *world) me(t testing.TB, who string) *wire {
	t.Helper()
	c, status := w.dial(t, who, "", "", false)
	if c == nil {
		t.Fatalf("%s: the handshake was answered with %d", who, status)
	}
	return c
}

// about is the next frame of a type about a room.
func (c *wire) about(kind, room string) map[string]any {
	c.t.Helper()
	for {
		if f := c.next(kind); f["room_id"] == room {
			return f
		}
	}
}

// news waits until a frame tells of a room what ok wants.
func (c *wire) news(what, room string, ok func(map[string]any) bool) map[string]any {
	c.t.Helper()
	for {
		for _, it := range c.next("rooms")["rooms"].([]any) {
			if r := it.(map[string]any); r["room_id"] == room && ok(r) {
				return r
			}
		}
	}
}

func subscribeTo(room string, after int) string {
	return fmt.Sprintf(`{"type":"subscribe","rooms":[{"room_id":%q,"after":%d}]}`, room, after)
}

func TestMySocketFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	for _, who := range columns {
		if _, ok := mySocketTable[who]; !ok {
			t.Errorf("%s is missing", who)
		}
	}
	witness := w.join(t, owner, "", true)
	witness.next("presence")
	first := w.say(t, owner, "the first line")["id"].(string)
	turn, artifact := w.newTurn(t, assigned), w.newArtifact(t, "doc")
	w.me(t, owner).send(`{"type":"burn"}`)
	for name, row := range mySocketTable {
		want := strings.Fields(row)
		t.Run(name, func(t *testing.T) {
			caller := w.socketCaller(t, name)
			w.callers["dialling"] = caller
			defer delete(w.callers, "dialling")
			c, got := w.dial(t, "dialling", "", "", false, "Authorization", caller.extra.Get("Authorization"))
			if fmt.Sprint(got) != want[0] {
				t.Fatalf("the handshake: got %d, want %s", got, want[0])
			}
			if c == nil {
				return
			}
			c.next("rooms")
			at := func(kind, more string) string { return fmt.Sprintf(`{"type":%q,"room_id":%q%s}`, kind, w.room, more) }
			for _, kind := range []string{"subscribe", "post", "typing", "stop", "editing", "react", "unsubscribe"} {
				c.send(map[string]string{"subscribe": subscribeTo(w.room, 0), "unsubscribe": `{"type":"unsubscribe","room_ids":["` + w.room + `"]}`,
					"post": at("post", `,"client_id":"mine","text":"said"`), "typing": at("typing", ""), "stop": at("stop", `,"turn_id":"`+turn+`"`),
					"editing": at("editing", `,"artifact_id":"`+artifact+`"`), "react": at("react", `,"message_id":"`+first+`","emoji":"👍"`)}[kind])
				if becomes := want[1+slices.Index(myFrameKinds, kind)]; becomes != "ok" {
					if f := c.next("error"); f["code"] != becomes {
						t.Errorf("%s: got %v, want a refusal with code %s", kind, f, becomes)
					}
					continue
				}
				switch kind {
				case "subscribe":
					if c.about("joined", w.room); c.about("message", w.room)["content"] == nil {
						t.Error("the log does not come")
					}
				case "post":
					c.about("ack", w.room)
				case "typing", "editing":
					witness.next(kind)
				case "stop", "react":
					c.about(kind, w.room)
				case "unsubscribe":
					if want[1] == "ok" {
						c.about("unsubscribed", w.room)
					}
				}
			}
		})
	}
	t.Run("what is no frame", func(t *testing.T) {
		c, _ := w.dial(t, student, "", "", false, "Accept-Language", "zh-TW")
		for text, want := range map[string]string{
			`{"type":"burn"}`:                          "type: must be one of " + strings.Join(myFrameKinds, ", "),
			`[]`:                                       "frame: send one JSON object",
			`{"type":"subscribe","rooms":[]}`:          "rooms: must have 1 to 100 members",
			`{"type":"unsubscribe","room_ids":7}`:      "room_ids: holds a number that does not fit",
			`{"type":"post","client_id":"1","text":7}`: "text: holds a number that does not fit",
			`{"type":"post","room_id":"` + w.room + `","text":"x","client_id":"1","zap":1}`:             "zap: is not known here",
			`{"type":"subscribe","rooms":[{"room_id":"` + w.room + `","after":99999999999999999999}]}`:  "rooms.after: holds a number 99999999999999999999 that does not fit",
			`{"type":"subscribe","rooms":[{"room_id":"x"}]}`:                                            "rooms[0]: must have the id of a room",
			`{"type":"subscribe","rooms":[{"room_id":"` + w.room + `","after":-1}]}`:                    "rooms[0]: must have the id of a room",
			`{"type":"subscribe","rooms":[{"room_id":"` + w.room + `","aftre":1}]}`:                     "rooms[0].aftre",
			`{"type":"subscribe","rooms":[{"room_id":"` + store.NewID() + `"}]}`:                        "Room not found",
			`{"type":"unsubscribe","room_ids":["x"]}`:                                                   "room_ids: must be ids of rooms",
			`{"type":"post","client_id":"1","text":"x"}`:                                                "room_id: must be the id of a room",
			`{"type":"post","room_id":"` + w.room + `","text":"x"}`:                                     "client_id",
			`{"type":"post","room_id":"` + store.NewID() + `","text":"x","client_id":"1"}`:              "Room not found",
			`{"type":"stop","room_id":"` + w.room + `","turn_id":"x"}`:                                  "turn_id",
			`{"type":"subscribe","rooms":[` + strings.Repeat(`{"room_id":"`+w.room+`"},`, 100) + `{}]}`: "rooms: must have",
		} {
			c.send(text)
			f := c.next("error")
			if got := fmt.Sprint(f["detail"]); !strings.HasPrefix(got, want) {
				t.Errorf("%.80s: got %q, want %q", text, got, want)
			}
			if message := fmt.Sprint(f["message"]); !strings.ContainsFunc(message, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
				t.Errorf("%.80s: %q is not in the language of the handshake", text, message)
			}
			if strings.Contains(text, `"client_id":"1"`) && f["client_id"] != "1" {
				t.Errorf("%.80s: got %v, which does not say of which post", text, f)
			}
		}
	})
	t.Run("foreign origin", func(t *testing.T) {
		if _, got := w.dial(t, owner, "", "", false, "Origin", "http://evil.example"); got != http.StatusForbidden {
			t.Errorf("got %d, want 403", got)
		}
	})
}

// A person's socket tells what is new in all rooms, and of those that it subscribes to
// everything.
func TestMySocket(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		course, first := w.newRoom(t, owner)
		enrol := func() {
			w.as(owner).must(t, 200, post, v1+"/courses/"+course+"/enroll", body{"user_id": w.users[guest].ID})
		}
		said := func(room, text string) {
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": text})
		}
		c := w.me(t, guest)
		if f := c.next("rooms"); f["all"] != true || len(f["rooms"].([]any)) != 0 {
			t.Fatalf("got %v, want no rooms", f)
		}
		t.Run("a course's rooms appear", func(t *testing.T) {
			enrol()
			c.news("the room", first, func(r map[string]any) bool { return r["unread"] == 0.0 })
		})
		second := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Second", "course_id": course, "ai_mode": "off"}).text(t, "id")
		t.Run("a new room appears", func(t *testing.T) {
			c.news("the room", second, func(r map[string]any) bool { return r["name"] == "Second" })
		})
		t.Run("what others say is unread, and whom they call is told", func(t *testing.T) {
			said(first, "hello")
			r := c.news("the message", first, func(r map[string]any) bool { return r["unread"] == 1.0 })
			if last := r["last_message"].(map[string]any); last["excerpt"] != "hello" || last["seq"] != 1.0 || r["last_seq"] != 1.0 {
				t.Errorf("got %v", r)
			}
			said(first, "@"+*w.users[guest].FullName+" look")
			if f := c.next("mention"); f["room_id"] != first || f["seq"] != 2.0 {
				t.Errorf("got %v", f)
			}
			c.news("the mention", first, func(r map[string]any) bool { return r["unread"] == 2.0 && r["mentions"] == 1.0 })
		})
		t.Run("what is read on another device is read", func(t *testing.T) {
			w.as(guest).must(t, 200, put, v1+"/rooms/"+first+"/read", body{"seq": 2})
			c.news("the mark", first, func(r map[string]any) bool { return r["unread"] == 0.0 && r["mentions"] == 0.0 && r["read_seq"] == 2.0 })
		})
		t.Run("hidden messages do not count", func(t *testing.T) {
			id := w.as(owner).must(t, 201, post, v1+"/rooms/"+first+"/messages", body{"text": "secret"}).text(t, "id")
			c.news("the message", first, func(r map[string]any) bool { return r["unread"] == 1.0 })
			w.as(owner).must(t, 200, post, v1+"/rooms/"+first+"/messages/"+id+"/hide")
			r := c.news("the hiding", first, func(r map[string]any) bool { return r["unread"] == 0.0 })
			if last := r["last_message"].(map[string]any); strings.Contains(fmt.Sprint(last), "secret") {
				t.Errorf("got %v", last)
			}
		})
		t.Run("rooms are subscribed to", func(t *testing.T) {
			said(second, "one")
			c.send(fmt.Sprintf(`{"type":"subscribe","rooms":[{"room_id":%q,"after":1},{"room_id":%q,"after":0}]}`, first, second))
			joined := c.about("joined", first)
			if joined["my_role"] != "student" || joined["head"] != 4.0 || joined["can"].(map[string]any)["post"] != true || joined["can"].(map[string]any)["hide"] != false {
				t.Errorf("got %v", joined)
			}
			got := map[any]any{} // the rooms come in any order
			for len(got) < 2 {
				f := c.next("message")
				if got[f["room_id"]] == nil {
					got[f["room_id"]] = f["seq"]
				}
			}
			if got[first] != 2.0 || got[second] != 1.0 {
				t.Errorf("got %v, want what follows seq 1, and all", got)
			}
			c.send(fmt.Sprintf(`{"type":"post","room_id":%q,"client_id":"x","text":"two"}`, second))
			for acked, came := false, false; !acked || !came; { // in any order
				select {
				case f := <-c.frames:
					acked = acked || f["type"] == "ack" && f["seq"] == 2.0 && f["client_id"] == "x" && f["room_id"] == second
					came = came || f["type"] == "message" && f["content"] == "two" && f["room_id"] == second
				case <-time.After(10 * time.Second):
					t.Fatalf("acked %v, came %v", acked, came)
				}
			}
		})
		t.Run("an archived course is told of", func(t *testing.T) {
			w.as(owner).must(t, 200, post, v1+"/courses/"+course+"/archive")
			gone := map[any]bool{}
			for told := 0; len(gone) < 2 || told < 2; {
				select {
				case f := <-c.frames:
					switch f["type"] {
					case "room_gone":
						gone[f["room_id"]] = f["archived"] == true
					case "archived":
						told++
					case "unsubscribed":
						t.Errorf("got %v", f)
					}
				case <-time.After(10 * time.Second):
					t.Fatalf("got %v, and %d frames in the rooms", gone, told)
				}
			}
			if !gone[first] || !gone[second] {
				t.Errorf("got %v, want that both are archived", gone)
			}
			c.send(fmt.Sprintf(`{"type":"post","room_id":%q,"client_id":"y","text":"three"}`, second))
			if f := c.next("error"); f["code"] != "archived" {
				t.Errorf("got %v", f)
			}
			w.as(owner).must(t, 200, del, v1+"/courses/"+course+"/archive")
			if f := c.about("archived", first); f["archived"] != false {
				t.Errorf("got %v", f)
			}
			for back := map[any]bool{}; !back[first] || !back[second]; {
				for _, r := range c.next("rooms")["rooms"].([]any) {
					back[r.(map[string]any)["room_id"]] = true
				}
			}
		})
		t.Run("a lost membership ends them", func(t *testing.T) {
			w.as(owner).must(t, 200, del, v1+"/courses/"+course+"/members/"+w.users[guest].ID)
			gone := map[string]bool{}
			for len(gone) < 2 {
				f := c.next("unsubscribed")
				if f["reason"] != "not_member" {
					t.Errorf("got %v", f)
				}
				gone[f["room_id"].(string)] = true
			}
			c.next("room_gone")
			said(first, "not for you")
			c.send(`{"type":"unsubscribe","room_ids":["` + first + `"]}`)
			c.send(`{"type":"burn"}`)
			for {
				f := <-c.frames
				if f["type"] == "error" {
					break
				}
				if strings.Contains(fmt.Sprint(f), "not for you") {
					t.Errorf("got %v", f)
				}
			}
		})
		t.Run("it ends with the session", func(t *testing.T) {
			w.as(guest).must(t, 200, post, v1+"/login/logout")
			if got := c.closed(); got != 4001 {
				t.Errorf("got %d, want 4001", got)
			}
		})
	})
}

// The socket of a room tells at its beginning how the room is.
func TestJoined(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	first := w.join(t, owner, "", true)
	if f := first.next("joined"); f["my_role"] != "owner" || f["can"].(map[string]any)["hide"] != true || len(f["members"].([]any)) != 1 {
		t.Errorf("got %v", f)
	}
	first.next("presence")
	first.send(`{"type":"typing"}`)
	first.send(`{"type":"burn"}`)
	first.next("error") // the frame before was taken
	f := w.join(t, student, "", true).next("joined")
	if got := fmt.Sprint(f["typing"]); !strings.Contains(got, w.users[owner].ID) {
		t.Errorf("typing: got %s", got)
	}
	if len(f["members"].([]any)) != 2 || f["my_role"] != "student" || f["can"].(map[string]any)["stop"] != false {
		t.Errorf("got %v", f)
	}
}

// Who changes an artifact is shown to the others in its room, and to nobody else.
func TestEditing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	artifact, gone := w.newArtifact(t, "doc"), w.newArtifact(t, "doc")
	w.as(owner).must(t, 204, del, v1+"/workspaces/artifacts/"+gone)
	_, room := w.newRoom(t, owner)
	foreign := w.as(owner).must(t, 201, post, v1+"/workspaces/"+room+"/artifacts", body{"type": "doc", "title": "x"}).text(t, "id")
	first, second := w.join(t, owner, "", true), w.join(t, student, "", true)
	second.next("joined") // signals reach those who are there
	first.send(`{"type":"editing","artifact_id":"` + strings.ToUpper(artifact) + `","block_id":"3"}`)
	want := map[string]any{"type": "editing", "artifact_id": artifact, "block_id": "3", "user_id": w.users[owner].ID, "name": "Full owner"}
	if got := second.next("editing"); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	third := w.join(t, assigned, "", true)
	delete(want, "type")
	if got := third.next("joined")["editing"]; fmt.Sprint(got) != fmt.Sprint([]any{want}) {
		t.Errorf("who comes in: got %v, want %v", got, want)
	}
	for text, want := range map[string]string{
		`{"type":"editing","artifact_id":"` + gone + `"}`:          "artifact_id: is no artifact of this room",
		`{"type":"editing","artifact_id":"` + foreign + `"}`:       "artifact_id: is no artifact of this room",
		`{"type":"editing","artifact_id":"` + store.NewID() + `"}`: "artifact_id: is no artifact of this room",
		`{"type":"editing"}`: "artifact_id: must be a UUID",
		`{"type":"editing","artifact_id":"` + artifact + `","block_id":"` + strings.Repeat("x", 65) + `"}`: "block_id: has 65 characters, at most 64 are possible",
		`{"type":"editing","artifact_id":"` + artifact + `","block_id":"\u0000"}`:                          "block_id: remove the NUL character",
		`{"type":"editing","artifact_id":"` + artifact + `","blok":1}`:                                     "blok",
	} {
		second.send(text)
		if got := fmt.Sprint(second.next("error")["detail"]); !strings.Contains(got, want) {
			t.Errorf("%.80s: got %q, want %q", text, got, want)
		}
	}
	first.send(`{"type":"editing","artifact_id":"` + artifact + `","done":true}`)
	if got := second.next("editing"); got["done"] != true {
		t.Errorf("done: got %v", got)
	}
	if got := w.join(t, student, "", true).next("joined")["editing"]; fmt.Sprint(got) != "[]" {
		t.Errorf("after that: got %v", got)
	}
}

// The stream of a person has what the socket has, and goes on where it was.
func TestMyStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	_, other := w.newRoom(t, owner)
	_, third := w.newRoom(t, owner)
	said := func(room, text string) {
		w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": text})
	}
	said(other, "one")
	said(third, "one")
	path := pathMyEvents + "?rooms=" + other + "," + third
	events, status := w.streamAt(t, owner, path+"&after=0,1")
	if status != http.StatusOK {
		t.Fatalf("got %d", status)
	}
	next := func(events <-chan sse, kind string) sse {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for {
			select {
			case e, ok := <-events:
				if !ok {
					t.Fatalf("the stream ended before %s", kind)
				}
				var f map[string]any
				if err := json.Unmarshal([]byte(e.data), &f); err != nil {
					t.Fatal(err)
				}
				if e.event != "end" {
					for _, problem := range frameProblems(chanMe, f) {
						t.Errorf("%s: %s", e.data, problem)
					}
				}
				if e.event == kind {
					return e
				}
			case <-deadline:
				t.Fatalf("no %s came", kind)
			}
		}
	}
	// Neither the list of rooms nor the rooms that are subscribed to wait for the other.
	if e := next(events, "message"); e.id != "1,1" || !strings.Contains(e.data, other) {
		t.Errorf("got %+v", e)
	}
	said(third, "two")
	last := next(events, "message")
	if last.id != "1,2" || !strings.Contains(last.data, third) {
		t.Errorf("got %+v", last)
	}
	said(other, "three")
	events, _ = w.streamAt(t, owner, path, "Last-Event-ID", last.id)
	if e := next(events, "message"); e.id != "2,2" || !strings.Contains(e.data, "three") {
		t.Errorf("got %+v", e)
	}
	for query, want := range map[string]int{"?rooms=x": 422, "?rooms=" + other + "&after=1,2": 422, "?rooms=" + other + "&after=x": 422,
		"?rooms=" + strings.Repeat(other+",", 20) + other: 422} {
		if _, got := w.streamAt(t, owner, pathMyEvents+query); got != want {
			t.Errorf("%s: got %d, want %d", query, got, want)
		}
	}
	for who, want := range map[string]int{anonymous: 401, guest: 200, inactive: 400, endedSession: 401, expiredToken: 401} {
		if _, got := w.streamAt(t, who, pathMyEvents); got != want {
			t.Errorf("%s: got %d, want %d", who, got, want)
		}
	}
	w.as(owner).must(t, 200, post, v1+"/login/logout")
	if e := next(events, "end"); !strings.Contains(e.data, "4001") {
		t.Errorf("got %+v", e)
	}
}

// What the table of docs/api.md says of the side list and of a room: a client needs no more
// than that.
func TestFirstRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	w.say(t, owner, "hello")
	c := w.me(t, student)
	list := c.next("rooms")["rooms"].([]any)
	if len(list) != 1 {
		t.Fatalf("the side list: got %v", list)
	}
	room := list[0].(map[string]any)
	for _, member := range []string{"room_id", "course_id", "name", "last_seq", "read_seq", "unread", "mentions", "online", "last_message", "agents_at_work"} {
		if room[member] == nil {
			t.Errorf("the side list lacks %s", member)
		}
	}
	requests := 1
	opened := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"?include=agents,me,running,pins").object(t)
	for _, member := range []string{"name", "my_role", "can", "me", "agents", "running", "pins"} {
		if _, there := opened[member]; !there {
			t.Errorf("a room that is opened lacks %s", member)
		}
	}
	history := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/messages").object(t)["messages"].([]any)
	requests++
	c.send(subscribeTo(w.room, int(history[len(history)-1].(map[string]any)["seq"].(float64))))
	joined := c.about("joined", w.room)
	for _, member := range []string{"my_role", "can", "members", "typing", "editing", "head"} {
		if joined[member] == nil {
			t.Errorf("the room lacks %s", member)
		}
	}
	text, err := os.ReadFile(filepath.Join("..", "docs", "api.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"| 0 requests, 1 frame of the socket |", fmt.Sprintf("| %d requests (`?include=`, history), 1 frame sent (`subscribe`) |", requests)} {
		if !strings.Contains(string(text), row) {
			t.Errorf("docs/api.md does not say %q", row)
		}
	}
}
