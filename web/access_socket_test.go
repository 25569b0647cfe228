package web

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// frameKinds are the frames that a client of coagent.v2 can send; what a plain
// socket sends is always a line. A kind that the server knows and this list
// does not fails the test.
var frameKinds = []string{"post", "typing", "resume", "stop", "editing", "react"}

// socketTable is who gets into the world's room, and what becomes of each of
// frameKinds that they send there: ok, or the code of the refusal. Tokens are
// named by their person and scopes.
var socketTable = map[string]string{
	anonymous:    "401",
	guest:        "403",
	student:      "101 ok ok ok forbidden ok ok",
	assigned:     "101 ok ok ok ok ok ok",
	otherStudent: "403",
	ta:           "101 ok ok ok ok ok ok",
	coTeacher:    "101 ok ok ok ok ok ok",
	owner:        "101 ok ok ok ok ok ok",
	otherTeacher: "403",
	viewer:       "403",
	editor:       "403",
	projectAdmin: "403",
	admin:        "101 ok ok ok ok ok ok",
	superAdmin:   "101 ok ok ok ok ok ok",
	inactive:     "400",
	endedSession: "401",
	expiredToken: "101 ok ok ok ok ok ok", // clients reconnect without refreshing first

	"super admin as student":                 "101 ok ok ok forbidden ok ok",
	"super admin as other course's student":  "403",
	"student: read":                          "101 scope scope ok forbidden scope scope",
	"student: write":                         "403",
	"student: admin":                         "403",
	"student: read write":                    "101 ok ok ok forbidden ok ok",
	"super admin: read":                      "101 scope scope ok scope scope scope",
	"super admin: read write":                "101 ok ok ok ok ok ok",
	"super admin: admin":                     "403",
	"other course's student: read write":     "403",
	"super admin: read write admin, revoked": "401",
	"bot":                                    "101 ok ok ok bot not_found ok",
}

// socketCaller is the caller that a row of socketTable names.
func (w *world) socketCaller(t *testing.T, name string) *caller {
	t.Helper()
	if as, ok := strings.CutPrefix(name, "super admin as "); ok {
		in := w.as(superAdmin).must(t, http.StatusOK, post, v1+"/login/impersonate/"+w.users[as].ID)
		return &caller{r: w.rig, token: cookieValue(t, in, cookieAccess)}
	}
	if name == "bot" {
		return w.watcher(t)
	}
	if who, rest, ok := strings.Cut(name, ": "); ok {
		rest, revoked := strings.CutSuffix(rest, ", revoked")
		id, secret := w.newToken(t, who, strings.Fields(rest)...)
		if revoked {
			w.as(who).must(t, http.StatusNoContent, del, tokensPath+"/"+id)
		}
		return w.bearer(secret)
	}
	return w.as(name)
}

// dialAs opens a socket in the world's room as any caller.
func (w *world) dialAs(t *testing.T, c *caller, v2 bool) (*wire, int) {
	t.Helper()
	w.callers["dialling"] = c
	defer delete(w.callers, "dialling")
	return w.dial(t, "dialling", w.room, "", v2, "Authorization", c.extra.Get("Authorization"))
}

func TestSocketFrames(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	t.Run("everybody is in the table", func(t *testing.T) {
		for _, who := range append(slices.Clone(columns), slices.Collect(maps.Keys(w.callers))...) {
			if _, ok := socketTable[who]; !ok {
				t.Errorf("%s is missing", who)
			}
		}
	})
	t.Run("every frame is in the table", func(t *testing.T) {
		c := w.join(t, owner, "", true)
		c.send(`{"type":"burn"}`)
		if got, want := c.next("error")["detail"], "type: must be one of "+strings.Join(frameKinds, ", "); got != want {
			t.Errorf("the server knows other frames: got %q, want %q", got, want)
		}
	})
	witness := w.join(t, owner, "", true)
	witness.next("presence") // it is in the room before anybody types
	first := w.say(t, owner, "the first line")["id"].(string)
	turn, artifact := w.newTurn(t, assigned), w.newArtifact(t, "doc")
	for name, row := range socketTable {
		want := strings.Fields(row)
		t.Run(name, func(t *testing.T) {
			c := w.socketCaller(t, name)
			v2, got := w.dialAs(t, c, true)
			plain, gotPlain := w.dialAs(t, c, false)
			if fmt.Sprint(got) != want[0] || gotPlain != got {
				t.Fatalf("the handshakes: got %d and %d, want %s", got, gotPlain, want[0])
			}
			if got != http.StatusSwitchingProtocols {
				return
			}
			if len(want) != 1+len(frameKinds) {
				t.Fatalf("the row has %d answers, want one for each of %v", len(want)-1, frameKinds)
			}
			for i, kind := range frameKinds {
				v2.frameBecomes(t, witness, kind, turn, artifact, first, want[i+1])
			}
			for _, kind := range frameKinds { // all of them are lines there
				plain.lineBecomes(t, `{"type":"`+kind+`"} of `+name, want[1])
			}
		})
	}
}

// frameBecomes sends one frame of coagent.v2 and looks for what it must lead to.
func (c *wire) frameBecomes(t *testing.T, witness *wire, kind, turn, artifact, message, want string) {
	t.Helper()
	c.send(map[string]string{"post": `{"type":"post","client_id":"frame","text":"said"}`, "typing": `{"type":"typing"}`,
		"resume": `{"type":"resume","after":0}`, "stop": `{"type":"stop","turn_id":"` + turn + `"}`, "editing": `{"type":"editing","artifact_id":"` + artifact + `"}`,
		"react": `{"type":"react","message_id":"` + message + `","emoji":"👍"}`}[kind])
	if want != "ok" {
		if got := c.next("error"); got["code"] != want {
			t.Errorf("%s: got %v, want a refusal with code %s", kind, got, want)
		}
		return
	}
	switch kind {
	case "post":
		c.next("ack")
	case "typing", "editing":
		witness.next(kind)
	case "stop":
		if got := c.next("stop")["turn_id"]; got != turn {
			t.Errorf("stop: got the turn %v", got)
		}
	case "react":
		got := c.next("react")
		if got["message_id"] != message || got["reactions"].([]any)[0].(map[string]any)["mine"] != true {
			t.Errorf("react: got %v", got)
		}
	case "resume":
		for c.next("message")["content"] != "the first line" {
		}
	}
}

// lineBecomes sends one line on a plain socket: it comes back, or a notice.
func (c *wire) lineBecomes(t *testing.T, line, want string) {
	t.Helper()
	c.send(line)
	if want != "ok" {
		c.notice(want)
		return
	}
	for c.next("message")["content"] != line {
	}
}

// A stream of events is open to whom the same route is without one.
func TestStreamAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	i := slices.IndexFunc(accessTable, func(r row) bool { return r.route == get+" "+pathEvents })
	for column, want := range strings.Fields(accessTable[i].want) {
		if _, got := w.stream(t, columns[column], ""); fmt.Sprint(got) != want {
			t.Errorf("%s: got %d, want %s", columns[column], got, want)
		}
	}
	for name, want := range map[string]int{anonymous: 401, endedSession: 401, expiredToken: 401, inactive: 400, "student: read": 200,
		"student: write": 403, "other course's student: read": 403, "super admin: admin": 403, "super admin: read, revoked": 401, "bot": 200} {
		c := w.socketCaller(t, name)
		header := []string{}
		if bearer := c.extra.Get("Authorization"); bearer != "" {
			header = []string{"Authorization", bearer}
		}
		w.callers["streaming"] = c
		if _, got := w.stream(t, "streaming", "", header...); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
	}
}
