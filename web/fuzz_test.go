package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// fuzzWorld is a world whose limits are out of the way.
func fuzzWorld(f *testing.F) *world {
	return newWorldOf(f, storetest.SQLite(f), func(c *config.Config) {
		c.Limits.PostsPerMinute, c.Limits.PostsBurst, c.Limits.TypingPerMinute, c.Limits.HandshakesPerMinute = 100_000, 100_000, 100_000, 100_000
	})
}

// Whatever a client sends in a frame, the server answers in frames as they are
// described (see wire.read), or ends the socket with a code that is.
func FuzzSocketFrame(f *testing.F) {
	for _, seed := range []string{`{"type":"post","client_id":"1","text":"x"}`, `{"type":"resume","after":-1}`, `{"type":"typing"}`, `{"type":"post","client_id":null}`,
		"", "null", "[]", "[A2A]|PROPOSAL|x", "\x00", "\xff", strings.Repeat("[", 1000), `{"type":"resume","after":1e99}`, strings.Repeat("x", 70_000)} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	w := fuzzWorld(f)
	f.Fuzz(func(t *testing.T, data []byte, v2 bool) {
		c, status := w.dial(t, student, w.room, "", v2)
		if c == nil {
			t.Fatalf("the handshake was answered with %d", status)
		}
		if err := c.ws.WriteMessage(websocket.TextMessage, data); err != nil {
			t.Fatal(err)
		}
		// A line of our own shows that the frame before it is done with.
		mark := store.NewID()
		last := mark
		if v2 {
			last = fmt.Sprintf(`{"type":"post","client_id":%q,"text":"x"}`, mark)
		}
		_ = c.ws.WriteMessage(websocket.TextMessage, []byte(last)) // the socket may have ended
		deadline := time.After(10 * time.Second)
		for {
			select {
			case frame := <-c.frames:
				if frame["content"] == mark || frame["client_id"] == mark {
					return
				}
			case err := <-c.ended:
				var closed *websocket.CloseError
				if !errors.As(err, &closed) || closeCodes[closed.Code] == "" {
					t.Fatalf("the socket ended with %v", err)
				}
				if utf8.Valid(data) && len(data) <= int(w.cfg.Limits.MessageBytes) {
					t.Fatalf("the socket ended with %d for a valid text", closed.Code)
				}
				return
			case <-deadline:
				t.Fatal("the socket neither answered nor ended")
			}
		}
	})
}

// Every query parameter of every reading route, cursors above all, takes any
// text without a fault of the server.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "9223372036854775808", "1e3", "\x00", "%", "0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90", "2026-03-02T08:15:30Z", "eyJpZCI6MX0", "'", "null", "true"} {
		f.Add(seed)
	}
	w := fuzzWorld(f)
	f.Fuzz(func(t *testing.T, text string) {
		for path, item := range w.server.api.OpenAPI().Paths {
			if item.Get == nil {
				continue
			}
			query := url.Values{}
			for _, p := range item.Get.Parameters {
				if p.In == "query" {
					query.Set(p.Name, text)
				}
			}
			if len(query) == 0 {
				continue
			}
			// The route's own things, so that the cursor is looked at.
			at := strings.NewReplacer("{room_id}", w.room, "{course_id}", w.course, "{id}", w.agent, "{user_id}", w.users[student].ID).Replace(path)
			if a := w.as(superAdmin).do(t, get, at+"?"+query.Encode()); a.status >= 500 {
				t.Errorf("%s?%s: got %d %s", at, query.Encode(), a.status, a.body)
			}
		}
	})
}

// The bound of depth agrees with the decoder about every valid text, and
// members that may be absent, null or a value are told apart.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{`{"text":null,"number":1,"object":{}}`, `{"text":"\u0000"}`, `{"TEXT":"x","text":5}`, "[[[", `{"a":"\\"}`, strings.Repeat("[", 65) + strings.Repeat("]", 65)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var in struct {
			Text   opt[string]          `json:"text"`
			Number opt[int]             `json:"number"`
			Object opt[json.RawMessage] `json:"object"`
		}
		err := unmarshal(data, &in)
		if !json.Valid(data) {
			if err == nil {
				t.Fatalf("%q was taken", data)
			}
			return
		}
		if got, want := tooDeep(data), depthOf(t, data) > maxDepth; got != want {
			t.Fatalf("%q: got %v, want %v", data, got, want)
		}
	})
}

// depthOf is how deep a valid JSON text nests, by the decoder's own account.
func depthOf(t *testing.T, data []byte) (deepest int) {
	t.Helper()
	depth, dec := 0, json.NewDecoder(strings.NewReader(string(data)))
	for {
		token, err := dec.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
			deepest = max(deepest, depth)
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
}
