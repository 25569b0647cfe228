package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// needs tells which scope a token must have for a route, beside what its person
// may: reading for GET, admin for what only admins get a good answer from,
// otherwise writing; the exceptions are below.
func (r row) needs() app.Scope {
	if scope, ok := scopes[r.route]; ok {
		return scope
	}
	if slices.ContainsFunc(sessionRoutes, func(prefix string) bool { return strings.Contains(r.route, prefix) }) {
		return "session"
	}
	answers := strings.Fields(r.want)
	good := func(status string) bool { return strings.HasPrefix(status, "2") }
	switch {
	case !slices.ContainsFunc(answers[:slices.Index(columns, admin)], good) && slices.ContainsFunc(answers, good):
		return app.ScopeAdmin
	case strings.HasPrefix(r.route, get+" "):
		return app.ScopeRead
	}
	return app.ScopeWrite
}

// sessionRoutes are for people who are signed in as themselves: no token and
// nobody who acts as somebody else gets in.
var sessionRoutes = []string{"/admin/backups", "/login/impersonate/", "/users/keys", "/users/me/tokens", "/sessions", "/password",
	"/two-factor", "/me/identities", "/tokens", "/keys", "/api_key", "/callback_token", "/agents/external/create", "/agents/external/test-connection"}

// lateCookieRoutes take the expired token of a live session from the cookie:
// the existing client calls them without renewing it first.
var lateCookieRoutes = []string{"GET /api/v1/users/keys", "POST /api/v1/users/keys", "DELETE /api/v1/users/keys/{key_id}"}

// scopes are the routes whose scope their columns do not tell.
var scopes = map[string]app.Scope{
	// What admins do there to others takes more than what others do to themselves.
	"PUT /api/v1/users/{user_id}": app.ScopeAdmin,
	// The row's agent is in no project; in one its writers may.
	"GET /api/v1/agents/{id}/test-connection": app.ScopeWrite,
	"GET /api/v1/agents/{id}/keys":            app.ScopeRead, // masked
	"POST /api/v1/schedules/preview":          app.ScopeRead, // it changes nothing
	"GET /api/v1/users/me/two-factor":         app.ScopeRead,
	"GET /api/v1/users/me/identities":         app.ScopeRead,
	// Their bodies have a key; without one a token does.
	"POST /api/v1/agents/global":             "session",
	"PUT /api/v1/agents/system/{agent_type}": "session",
}

// otherCallers are those beside the columns of the table: nobody, people whose
// session or token is over, tokens of the super admin and of the student, and
// the super admin as the student.
type otherCallers struct {
	w                                   *world
	reader, writer, full, pupil         *caller // tokens
	revoked, lapsed, ofInactive, orphan *caller
	bot                                 *caller
}

func newOtherCallers(t *testing.T, w *world) *otherCallers {
	t.Helper()
	token := func(who string, scopes ...string) (string, *caller) {
		id, secret := w.newToken(t, who, scopes...)
		return id, w.bearer(secret)
	}
	o := &otherCallers{w: w}
	_, o.reader = token(superAdmin, "read")
	_, o.writer = token(superAdmin, "read", "write")
	_, o.full = token(superAdmin, "read", "write", "admin")
	_, o.pupil = token(student, "read", "write", "admin")
	id, revoked := token(superAdmin, "read", "write", "admin")
	o.revoked = revoked
	w.as(superAdmin).must(t, http.StatusNoContent, del, tokensPath+"/"+id)
	id, o.lapsed = token(superAdmin, "read", "write", "admin")
	w.exec(t, "UPDATE access_tokens SET expires_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Second).Truncate(time.Microsecond), id)
	gone := w.addUser(t, app.RoleAdmin, "gone", true)
	w.callers["gone"] = w.session(t, gone.ID)
	_, o.ofInactive = token("gone", "read", "write", "admin")
	w.exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, gone.ID)
	o.bot = w.watcher(t)
	o.orphan = w.bearer("coa_" + strings.Repeat("A", 52))
	return o
}

// check asks a row's route as each of the others; want are the answers to the
// columns.
func (o *otherCallers) check(t *testing.T, r row, want []string) {
	t.Helper()
	for who, c := range map[string]*caller{"a revoked token": o.revoked, "an expired token": o.lapsed, "a token that never was": o.orphan,
		endedSession: o.w.as(endedSession), "an expired token of an ended session": o.w.as(endedSession).expired(t),
		expiredToken: o.w.as(expiredToken), "an expired token in the header": o.w.as(expiredToken).inHeader(), anonymous: o.w.as(anonymous)} {
		if who == expiredToken && slices.Contains(lateCookieRoutes, r.route) {
			o.late(t, r, c, want[slices.Index(columns, admin)])
			continue
		}
		detail := "Could not validate credentials"
		if who == anonymous {
			detail = "Not authenticated"
		}
		a := r.ask(t, o.w, c)
		wantProblem(t, a, http.StatusUnauthorized, detail)
		if got := a.header.Get("WWW-Authenticate"); got != "Bearer" {
			t.Errorf("%s: WWW-Authenticate is %q, want Bearer", who, got)
		}
	}
	for _, c := range []*caller{o.w.as(inactive), o.ofInactive} {
		wantProblem(t, r.ask(t, o.w, c), http.StatusBadRequest, "Inactive user")
	}
	super, pupil := want[slices.Index(columns, superAdmin)], want[slices.Index(columns, student)]
	o.token(t, r, "the super admin's token for reading", o.reader, super, app.ScopeRead)
	o.token(t, r, "the super admin's token for reading and writing", o.writer, super, app.ScopeRead, app.ScopeWrite)
	o.token(t, r, "the super admin's token for everything", o.full, super, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
	o.token(t, r, "the student's token for everything", o.pupil, pupil, app.ScopeRead, app.ScopeWrite, app.ScopeAdmin)
	o.impersonated(t, r, pupil)
	o.asBot(t, r)
}

// botRoutes are what a bot may do, and the answers to it; everything else it may not.
var botRoutes = map[string]int{
	"GET /api/v1/users/me":                  200,
	"GET /api/v1/rooms/":                    200,
	"GET /api/v1/rooms/{room_id}":           200,
	"GET /api/v1/rooms/{room_id}/agents":    200,
	"GET /api/v1/rooms/{room_id}/events":    200,
	"GET /api/v1/chat/messages/{room_id}":   200,
	"GET /api/v1/rooms/{room_id}/messages":  200,
	"POST /api/v1/rooms/{room_id}/messages": 201,

	"POST /api/v1/rooms/{room_id}/files":    201,
	"GET /api/v1/rooms/{room_id}/files":     200,
	"GET /api/v1/files/{file_id}":           200,
	"GET /api/v1/files/{file_id}/image":     200,
	"GET /api/v1/files/{file_id}/thumbnail": 200,
	"DELETE /api/v1/files/{file_id}":        404,

	"GET /api/v1/workspaces/{room_id}/artifacts":                        200,
	"GET /api/v1/workspaces/artifacts/{artifact_id}":                    200,
	"GET /api/v1/workspaces/artifacts/{artifact_id}/versions":           200,
	"GET /api/v1/workspaces/artifacts/{artifact_id}/versions/{version}": 200,
	"GET /api/v1/users/me/mentions":                                     200,
	"GET /api/v1/rooms/{room_id}/messages/{message_id}/replies":         200,
	"GET /api/v1/search":                                                200,
	"PUT /api/v1/rooms/{room_id}/messages/{message_id}/reactions":       200,
	"DELETE /api/v1/rooms/{room_id}/messages/{message_id}/reactions":    200,
	"GET /api/v1/rooms/{room_id}/messages/{message_id}/reactions":       200,
	"GET /api/v1/rooms/{room_id}/pins":                                  200,
	"PUT /api/v1/users/me/mentions/read":                                200,
	"GET /api/v1/users/me/rooms":                                        200,
	"PUT /api/v1/users/me/rooms/{room_id}":                              200,
	"PUT /api/v1/rooms/{room_id}/read":                                  200,
	"POST /api/v1/rooms/{room_id}/unread":                               200,
	"GET /api/v1/rooms/{room_id}/people":                                200,
}

// asBot asks as a bot that is in the world's room.
func (o *otherCallers) asBot(t *testing.T, r row) {
	t.Helper()
	a := r.ask(t, o.w, o.bot)
	if want, may := botRoutes[r.route]; may {
		if a.status != want {
			t.Errorf("a bot: got %d %s, want %d", a.status, a.body, want)
		}
		return
	}
	// A body that nobody could send is refused before anybody is asked.
	if a.status != http.StatusForbidden && a.status != http.StatusNotFound && (a.status != http.StatusUnprocessableEntity || !strings.HasPrefix(r.want, "422")) {
		t.Errorf("a bot: got %d %s, want it refused", a.status, a.body)
	}
}

// late asks with the cookie of a live session whose token has run out: the
// answer is that to the person, but to nobody's pages except ours.
func (o *otherCallers) late(t *testing.T, r row, c *caller, person string) {
	t.Helper()
	host := "http://" + o.w.Addr.String()
	for _, own := range []*caller{c, c.with("Origin", host), c.with("Sec-Fetch-Site", "same-origin")} {
		if a := r.ask(t, o.w, own); fmt.Sprint(a.status) != person {
			t.Errorf("an expired cookie of a live session: got %d %s, want %s", a.status, a.body, person)
		}
	}
	for _, foreign := range []*caller{c.with("Origin", "https://evil.example"), c.with("Origin", "null"), c.with("Sec-Fetch-Site", "cross-site")} {
		wantProblem(t, r.ask(t, o.w, foreign), http.StatusForbidden, foreignDetail(foreign.extra.Get("Origin"), host))
	}
}

// token asks as somebody with a token: the answer is that to the person unless
// the token lacks the scope.
func (o *otherCallers) token(t *testing.T, r row, who string, c *caller, person string, scopes ...app.Scope) {
	t.Helper()
	a := r.ask(t, o.w, c)
	need := r.needs()
	same := fmt.Sprint(a.status) == person && !lacks(t, a)
	switch {
	case !strings.HasPrefix(person, "2"): // refused anyway, whatever is looked at first
		if !same && !lacks(t, a) {
			t.Errorf("%s: got %d %s, want %s or a refusal for its scopes", who, a.status, a.body, person)
		}
	case slices.Contains(scopes, need):
		if !same {
			t.Errorf("%s: got %d %s, want %s: it has the scope %s; see sessionRoutes and scopes", who, a.status, a.body, person, need)
		}
	case !lacks(t, a):
		t.Errorf("%s: got %d %s, want 403 for want of the scope %s", who, a.status, a.body, need)
	}
}

// lacks tells whether an answer refuses a token for its scopes.
func lacks(t *testing.T, a answer) bool {
	t.Helper()
	return a.status == http.StatusForbidden && a.text(t, "code") == "scope"
}

// impersonated asks as the super admin who acts as the student: the answer is
// that to the student, except where passwords, tokens and keys are at stake.
func (o *otherCallers) impersonated(t *testing.T, r row, pupil string) {
	t.Helper()
	in := o.w.as(superAdmin).must(t, http.StatusOK, post, v1+"/login/impersonate/"+o.w.users[student].ID)
	a := r.ask(t, o.w, &caller{r: o.w.rig, token: cookieValue(t, in, cookieAccess)})
	own := a.status == http.StatusForbidden && a.text(t, "code") == "impersonating"
	if r.needs() == "session" && (own || strings.HasPrefix(pupil, "2")) {
		if !own {
			t.Errorf("the super admin as the student: got %d %s, want to be told to be oneself first", a.status, a.body)
		}
		return
	}
	if fmt.Sprint(a.status) != pupil {
		t.Errorf("the super admin as the student: got %d %s, want %s", a.status, a.body, pupil)
	}
}

// noSecretIsLogged searches what all the routes left in the audit log.
func noSecretIsLogged(t *testing.T, w *world) {
	lines := 0
	for before := ""; ; {
		rows, err := storetest.All(w.opened.DB.AuditEntries(t.Context(), store.AuditFilter{}, before, 200))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range rows {
			for _, secret := range []string{apptest.CanaryKey, testPassword, "$argon2id$", tokenStart} {
				if strings.Contains(string(e.Before+e.After), secret) {
					t.Errorf("%s holds %q: %s %s", e.Action, secret, e.Before, e.After)
				}
			}
			before = e.ID
			lines++
		}
		if len(rows) == 0 {
			break
		}
	}
	if lines < 100 {
		t.Errorf("the log has %d lines, want one for each change", lines)
	}
}

// tokenStart begins every personal access token.
const tokenStart = "coa_"
