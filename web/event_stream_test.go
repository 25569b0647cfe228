package web

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// sse is one server-sent event.
type sse struct{ id, event, data string }

// stream opens a room's events as a stream; the channel closes with it.
func (w *world) stream(t *testing.T, who, query string, header ...string) (<-chan sse, int) {
	t.Helper()
	return w.streamAt(t, who, v1+"/rooms/"+w.room+"/events"+query, header...)
}

// streamAt is stream with the path of the events.
func (w *world) streamAt(t *testing.T, who, path string, header ...string) (<-chan sse, int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), get, "http://"+w.Addr.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if token := w.as(who).token; token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan sse, 100)
	t.Cleanup(func() { _ = res.Body.Close() })
	if kind := res.Header.Get("Content-Type"); res.StatusCode == http.StatusOK && kind != "text/event-stream" {
		t.Errorf("Content-Type: got %q", kind)
	}
	go func() {
		defer close(events)
		var e sse
		for in := bufio.NewScanner(res.Body); in.Scan(); {
			name, value, _ := strings.Cut(in.Text(), ": ")
			switch {
			case in.Text() == "" && e.event != "":
				events <- e
				e = sse{}
			case name == "id":
				e.id = value
			case name == "event":
				e.event = value
			case name == "data":
				e.data = value
			}
		}
	}()
	return events, res.StatusCode
}

func wait(t *testing.T, events <-chan sse) (e sse, ok bool) {
	t.Helper()
	select {
	case e, ok = <-events:
	case <-time.After(10 * time.Second):
		t.Fatal("waited too long for an event")
	}
	return e, ok
}

func (w *world) say(t *testing.T, who, line string) map[string]any {
	t.Helper()
	return w.as(who).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": line, "client_id": store.NewID()}).object(t)
}

func TestEvents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		path := v1 + "/rooms/" + w.room + "/events"
		for _, line := range []string{"one", "two", "three"} {
			w.say(t, student, line)
		}
		t.Run("as JSON, page by page", func(t *testing.T) {
			first := w.as(ta).must(t, http.StatusOK, get, path+"?after=0&limit=2").object(t)
			if len(first["events"].([]any)) != 2 || first["more"] != true || first["next"] != 2.0 || first["resync"] != false {
				t.Errorf("first page: got %v", first)
			}
			rest := w.as(ta).must(t, http.StatusOK, get, path+"?after=2").object(t)
			if events := rest["events"].([]any); len(events) != 1 || events[0].(map[string]any)["content"] != "three" || rest["more"] != false {
				t.Errorf("second page: got %v", rest)
			}
			end := w.as(ta).must(t, http.StatusOK, get, path+"?after=99").object(t)
			if len(end["events"].([]any)) != 0 || end["next"] != 3.0 {
				t.Errorf("behind the end: got %v", end)
			}
		})
		t.Run("as a stream", func(t *testing.T) {
			events, status := w.stream(t, student, "?after=1")
			if status != http.StatusOK {
				t.Fatalf("got %d", status)
			}
			for _, want := range []string{"2", "3"} {
				if e, _ := wait(t, events); e.id != want || e.event != "message" {
					t.Errorf("got %+v, want the event %s", e, want)
				}
			}
			w.say(t, owner, "four")
			if e, _ := wait(t, events); e.id != "4" || !strings.Contains(e.data, `"content":"four"`) {
				t.Errorf("live: got %+v", e)
			}
		})
		t.Run("resumed by Last-Event-ID", func(t *testing.T) {
			events, _ := w.stream(t, student, "?after=0", "Last-Event-ID", "3")
			if e, _ := wait(t, events); e.id != "4" {
				t.Errorf("got %+v, want the event 4", e)
			}
		})
		t.Run("it begins with the turns that run", func(t *testing.T) {
			now := time.Now().UTC().Truncate(time.Microsecond)
			turn := store.Turn{ID: store.NewID(), RoomID: w.room, AgentID: w.agent, State: store.TurnRunning, Attempt: 2, Node: "elsewhere",
				CreatedAt: now, StartedAt: now, LeaseUntil: now.Add(time.Hour)}
			if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateTurns(t.Context(), []store.Turn{turn}) }); err != nil {
				t.Fatal(err)
			}
			events, _ := w.stream(t, student, "?after=3")
			e, _ := wait(t, events)
			if e.id != "" || e.event != "turn" || !strings.Contains(e.data, `"turn_id":"`+turn.ID+`"`) || !strings.Contains(e.data, `"attempt":2`) ||
				!strings.Contains(e.data, `"agent_id":"`+w.agent+`"`) || !strings.Contains(e.data, `"text":""`) {
				t.Errorf("got %+v", e)
			}
			if e, _ := wait(t, events); e.id != "4" {
				t.Errorf("behind it: got %+v, want the event 4", e)
			}
			if f := w.join(t, student, "", true).next("turn"); f["turn_id"] != turn.ID || f["state"] != "retrying" {
				t.Errorf("a socket: got %v", f)
			}
			w.exec(t, "DELETE FROM agent_turns WHERE id = ?", turn.ID)
		})
		t.Run("a stream of a lost right ends", func(t *testing.T) {
			events, _ := w.stream(t, assigned, "?after=4")
			w.exec(t, "DELETE FROM room_members WHERE user_id = ?", w.users[assigned].ID)
			w.say(t, owner, "five")
			for {
				e, ok := wait(t, events)
				if !ok {
					break
				}
				t.Errorf("got %+v after the membership ended", e)
			}
		})
		t.Run("refused", func(t *testing.T) {
			for who, want := range map[string]int{anonymous: 401, guest: 403, otherStudent: 403, endedSession: 401} {
				if _, got := w.stream(t, who, ""); got != want {
					t.Errorf("%s: got %d, want %d", who, got, want)
				}
			}
			if _, got := w.stream(t, owner, "?after=x"); got != http.StatusUnprocessableEntity {
				t.Errorf("after=x: got %d, want 422", got)
			}
		})
		t.Run("a cursor older than what is kept", func(t *testing.T) {
			w.exec(t, "DELETE FROM events WHERE room_id = ? AND seq < 4", w.room)
			got := w.as(ta).must(t, http.StatusOK, get, path+"?after=1").object(t)
			if got["resync"] != true || len(got["events"].([]any)) != 0 || got["next"] != 5.0 {
				t.Errorf("JSON: got %v", got)
			}
			events, _ := w.stream(t, ta, "?after=1")
			if e, _ := wait(t, events); e.event != "resync" || e.id != "5" {
				t.Errorf("stream: got %+v", e)
			}
			if f := w.join(t, ta, "?after=1", true).next("resync"); f["after"] != 5.0 {
				t.Errorf("socket: got %v", f)
			}
		})
	})
}

// Who reads a room by an event stream and calls an agent that may not speak is told so,
// as on a socket: alone, and with the reason for staff.
func TestEventsTellOfSilence(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url) // in its room the agents are switched off
		readers := []string{student, ta, owner}
		streams := make([]<-chan sse, len(readers))
		for i, who := range readers {
			streams[i], _ = w.stream(t, who, "")
		}
		w.say(t, student, "@teacher one")
		w.say(t, ta, "@teacher two")
		for i, want := range []string{` cannot answer now."`, ` cannot answer now: the room's AI is switched off."`} {
			for {
				e, ok := wait(t, streams[i])
				if !ok {
					t.Fatalf("%s: the stream ended", readers[i])
				}
				if e.event != "system" {
					continue
				}
				if e.id != "" || !strings.Contains(e.data, want) {
					t.Errorf("%s: got %+v, want %s", readers[i], e, want)
				}
				break
			}
		}
		w.say(t, student, "the last one")
		for said := 0; said < 3; said++ {
			if e, ok := wait(t, streams[2]); !ok || e.event != "message" {
				t.Errorf("%s, who has called nobody: got %+v", readers[2], e)
			}
		}
	})
}
