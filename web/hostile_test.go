package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"pgregory.net/rapid"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// hostile are values that have broken servers before.
var hostile = []string{"", " ", "null", "0", "-1", "1e999", "99999999999999999999999", "NaN", "true", "\x00", "a\x00b", "\xff\xfe", "\u202e", "💩",
	"'; DROP TABLE users; --", "%", "%zz", "%00", "..", "../../etc/passwd", "{", "[]", "{}", "<script>", "00000000-0000-0000-0000-000000000000",
	strings.Repeat("x", 5000), strings.Repeat("é", 300), "a@b", "ｔｅａｃｈｅｒ"}

// canary is in everything that another tenant has: its course, room, lines,
// agent, artifact, announcement and report.
const canary = "canary-of-another-tenant"

// mayKnow are the callers that belong to the other tenant or run the place.
var mayKnow = []string{otherTeacher, otherStudent, admin, superAdmin}

// tenant is one set of things to aim at, by the word that path parameters name
// them with.
type tenant map[string]string

// newTenant makes a course with one of everything, named after by's word.
func (w *world) newTenant(t testing.TB, by, word string) tenant {
	t.Helper()
	c := w.as(by)
	course := c.must(t, 200, post, v1+"/courses/", body{"title": word, "description": word}).text(t, "id")
	room := c.must(t, 200, post, v1+"/rooms/", body{"name": word, "description": word, "course_id": course, "ai_mode": "off"}).text(t, "id")
	c.must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": word})
	org := c.must(t, 200, post, v1+"/organizations", body{"name": word}).text(t, "id")
	project := c.must(t, 200, post, v1+"/projects", body{"name": word, "organization_id": org}).text(t, "id")
	agent := c.must(t, 200, post, v1+"/agents/"+project, body{"type": "teacher", "name": word, "system_prompt": word, "model_provider": "offline"}).text(t, "id")
	artifact := c.must(t, 201, post, v1+"/workspaces/"+room+"/artifacts", body{"type": "doc", "title": word, "content": body{"text": word}}).text(t, "id")
	flow := c.must(t, 201, post, v1+"/workflows", body{"course_id": course, "name": word, "graph": graph}).text(t, "id")
	note := c.must(t, 200, post, v1+"/announcements/", body{"title": word, "content": word, "course_id": course}).text(t, "id")
	now := time.Now().UTC()
	report := &store.Report{ID: store.NewID(), CourseID: course, ReportType: "course_summary", Title: word, Content: word, State: store.ReportDone,
		Attempt: 1, CreatedAt: now, EndedAt: now, UpdatedAt: now, Version: 1}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateReport(t.Context(), report) }); err != nil {
		t.Fatal(err)
	}
	return tenant{"course": course, "report": report.ID, "room": room, "org": org, "project": project, "agent": agent, "id": agent, "config": agent, "artifact": artifact,
		"announcement": note, "workflow": flow, "run": w.newRun(t, room)}
}

// aim are the ids that a hostile client knows: its own tenant's and the other's.
type aim struct {
	own, other tenant
	users      []string
	// calm requests are what a real client could send, so that what lies behind
	// the first checks is reached too; at most one member of them is broken.
	calm bool
}

// wordsFor are parameters that hold no id.
var wordsFor = map[string][]string{"agent_type": {"design", "analytics", "teacher"}, "type_name": {"teacher", "student", "own"}, "table_name": {"users", "courses"},
	"path": {"api/queues", "api/states"}, "file": {"x.png"}}

// id draws an id for a member or parameter: mostly one that fits its name.
func (a aim) id(t *rapid.T, name string) string {
	if words := wordsFor[name]; words != nil {
		return rapid.SampledFrom(words).Draw(t, name)
	}
	word, _, _ := strings.Cut(name, "_")
	from := rapid.SampledFrom([]tenant{a.own, a.own, a.own, a.other}).Draw(t, "tenant")
	if a.calm || rapid.IntRange(0, 9).Draw(t, "fits") < 7 {
		if word == "user" {
			return rapid.SampledFrom(a.users).Draw(t, "user")
		}
		if name == "id" && rapid.Bool().Draw(t, "of a project") {
			return from["project"] // see routes
		}
		if id, ok := from[word]; ok {
			return id
		}
	}
	return rapid.SampledFrom(slices.Sorted(maps.Values(from))).Draw(t, "any id")
}

// value draws a value for a member: by its schema, or anything.
func (a aim) value(t *rapid.T, doc huma.Registry, name string, s *huma.Schema) any {
	if strings.HasSuffix(name, "_id") && (a.calm || rapid.Bool().Draw(t, "an id")) {
		return a.id(t, name)
	}
	if a.calm && rapid.IntRange(0, 11).Draw(t, "as it should be") > 0 {
		switch n := rapid.IntRange(0, 1e9).Draw(t, "own name"); name {
		case "name", "title", "username", "alias", "text":
			return fmt.Sprint(exampleOf(doc, name, s, 0), n)
		case "type_name":
			return fmt.Sprint("type-", n)
		case "email":
			return fmt.Sprint("ada", n, "@example.org")
		}
		return exampleOf(doc, name, s, 0)
	}
	switch rapid.IntRange(0, 15).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return rapid.IntRange(-5, 2000).Draw(t, "int")
	case 3:
		return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
	case 4:
		return rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 3).Draw(t, "list")
	case 5:
		return rapid.MapOfN(rapid.String(), rapid.SampledFrom(hostile), 0, 3).Draw(t, "object")
	case 6:
		return rapid.String().Draw(t, "text")
	case 7, 8:
		return rapid.SampledFrom(hostile).Draw(t, "hostile")
	}
	return exampleOf(doc, name, s, 0)
}

// body draws what is sent: near to what the operation takes, broken in one
// place or another, or no JSON at all.
func (a aim) body(t *rapid.T, doc huma.Registry, s *huma.Schema) string {
	for s != nil && s.Ref != "" {
		s = doc.SchemaFromRef(s.Ref)
	}
	if s == nil && a.calm {
		return ""
	}
	if s == nil || s.Type == huma.TypeArray {
		s = &huma.Schema{Properties: map[string]*huma.Schema{"text": {}, "ids": {}}}
	}
	form := -1
	if !a.calm {
		form = rapid.IntRange(0, 9).Draw(t, "form")
	}
	switch form {
	case 0:
		return rapid.SampledFrom(hostile).Draw(t, "raw")
	case 1:
		return strings.Repeat(`{"settings":`, 300) + "1" + strings.Repeat("}", 300)
	case 2:
		return "[" + strings.Repeat(`{"a":[1]},`, 500) + "1e999]"
	}
	var members []string
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if !slices.Contains(s.Required, name) && rapid.IntRange(0, 2).Draw(t, "leave out") == 0 {
			continue
		}
		key, _ := json.Marshal(name)
		value, err := json.Marshal(a.value(t, doc, name, s.Properties[name]))
		if err != nil {
			value = []byte("1e999")
		}
		members = append(members, string(key)+":"+string(value))
		if !a.calm && rapid.IntRange(0, 9).Draw(t, "twice") == 0 {
			members = append(members, string(key)+":"+rapid.SampledFrom([]string{"null", "[]", "-1", `"\ud800"`, `"\u0000"`, "1e400"}).Draw(t, "other"))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

// path fills a route's path and adds a query.
func (a aim) path(t *rapid.T, route string, op *huma.Operation) string {
	parts := strings.Split(route, "/")
	for i, part := range parts {
		name := strings.Trim(part, "{}")
		switch {
		case name == part:
		case !a.calm && rapid.IntRange(0, 4).Draw(t, "hostile segment") == 0:
			parts[i] = url.PathEscape(rapid.SampledFrom(hostile).Draw(t, "segment"))
		default:
			parts[i] = a.id(t, name)
		}
	}
	query := url.Values{}
	if op != nil {
		for _, p := range op.Parameters {
			if p.In != "query" || !p.Required && (a.calm || rapid.Bool().Draw(t, "no "+p.Name)) {
				continue
			}
			value := "x"
			if !a.calm {
				value = rapid.SampledFrom(hostile).Draw(t, p.Name)
			}
			if strings.HasSuffix(p.Name, "_id") {
				value = a.id(t, p.Name)
			}
			query.Add(p.Name, value)
		}
	}
	return strings.Join(parts, "/") + "?" + query.Encode()
}

var hostileTypes = []string{"application/json", "application/json", "", "text/plain", "multipart/form-data; boundary=b",
	"application/x-www-form-urlencoded", "application/json; charset=\xff", ";"}

// Nothing that a client sends is answered with 500, whoever sends it; nobody
// gets a byte of another tenant's; every error has the one shape, and no
// answer holds a secret (see caller.do). Every caller sends something to every
// operation that the server has, again and again while there is time.
func TestHostileInput(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		w := newWorld(t, dbURL)
		w.analyst(t)
		other := w.newTenant(t, otherTeacher, canary)
		routes := slices.Clone(w.server.table)
		// What takes things away comes last, then what signs out.
		late := func(r registered) int {
			switch {
			case strings.HasSuffix(r.path, "/logout") || strings.Contains(r.path, "/sessions"):
				return 2
			case r.method == del:
				return 1
			}
			return 0
		}
		slices.SortStableFunc(routes, func(a, b registered) int { return late(a) - late(b) })
		callers := slices.Sorted(maps.Keys(w.callers))
		// Those who can do most come last, since they may take things away.
		slices.SortStableFunc(callers, func(a, b string) int { return slices.Index(mayKnow, a) - slices.Index(mayKnow, b) })
		var users []string
		for _, who := range []string{student, ta, viewer} {
			users = append(users, w.users[who].ID)
		}
		seen := tally{taken: map[string]bool{}}
		for _, who := range callers {
			t.Run(who, func(t *testing.T) {
				aim{other: other, users: users}.strike(t, w, who, routes, &seen)
			})
		}
		if len(seen.taken) < len(routes)/2 || !seen.canary {
			t.Errorf("only %d of %d routes ever took what was sent, canary seen by its own people: %v", len(seen.taken), len(routes), seen.canary)
		}
	})
}

// tally shows whether the test can fail: which routes took what was sent, and
// whether those who may saw the canary.
type tally struct {
	taken  map[string]bool
	canary bool
}

// hostileTime is how long one caller goes on after its first round.
const hostileTime = 500 * time.Millisecond

func (a aim) strike(t *testing.T, w *world, who string, routes []registered, seen *tally) {
	doc := w.server.api.OpenAPI()
	deadline, first := time.Now().Add(hostileTime), true
	rapid.Check(t, func(rt *rapid.T) {
		if !first && time.Now().After(deadline) {
			return
		}
		first = false
		// The owner's session may have ended in its own turn, and an admin may have
		// removed the people.
		w.callers[owner] = w.session(t, w.users[owner].ID)
		a.own = w.newTenant(t, owner, "own")
		w.as(owner).do(t, post, v1+"/courses/"+a.own["course"]+"/enroll", body{"user_id": w.users[student].ID})
		w.as(owner).do(t, post, v1+"/courses/"+a.own["course"]+"/enroll", body{"user_id": w.users[ta].ID, "role": "ta"})
		as := w.as(who)
		if u, ok := w.users[who]; ok && who != inactive && who != endedSession && who != expiredToken {
			as = w.session(t, u.ID)
		}
		for _, r := range routes {
			var op *huma.Operation
			var schema *huma.Schema
			if item := doc.Paths[r.path]; item != nil {
				op = operationAt(item, r.method)
			}
			if op != nil && op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil {
				schema = op.RequestBody.Content["application/json"].Schema
			}
			a.calm = rapid.Bool().Draw(rt, "calm")
			path, kind := a.path(rt, r.path, op), "application/json"
			if !a.calm {
				kind = rapid.SampledFrom(hostileTypes).Draw(rt, "type")
			}
			c := as.with("Content-Type", kind)
			var got answer
			sent := ""
			if r.method == get {
				got = c.do(t, r.method, path)
			} else {
				sent = a.body(rt, doc.Components.Schemas, schema)
				got = c.do(t, r.method, path, sent)
			}
			if got.status >= 500 && got.status != http.StatusBadGateway {
				rt.Fatalf("%s %s %.500s: got %d %s", r.method, path, sent, got.status, got.body)
			}
			if got.status < 300 {
				seen.taken[r.method+" "+r.path] = true
			}
			switch holds := strings.Contains(got.body, canary); {
			case holds && slices.Contains(mayKnow, who):
				seen.canary = true
			case holds:
				rt.Fatalf("%s %s %.500s: the answer holds what another tenant wrote: %.500s", r.method, path, sent, got.body)
			}
		}
	})
}

// Each member of each body, one at a time, with each hostile value.
func TestHostileMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	for _, r := range accessTable {
		method, path, _ := strings.Cut(r.route, " ")
		_, sample := r.request(t, w)
		fields, ok := sample.(body)
		if !ok || method == get {
			continue
		}
		if strings.HasSuffix(path, "/agents/{id}") {
			fields = body{"type": "teacher", "system_prompt": "x", "name": "n", "category": "utility", "model": "m", "api_key": "k", "settings": body{},
				"trigger_config": body{}, "capabilities": []string{}, "user_key_ids": []string{}, "context_window": 3, "is_active": true}
		}
		if strings.HasSuffix(path, "/rooms/{room_id}") {
			fields = body{"name": "n", "description": "d", "is_ai_active": true, "ai_frequency": 0.5, "ai_mode": "off"}
		}
		t.Run(r.route, func(t *testing.T) {
			values, _ := r.request(t, w)
			for name := range fields {
				for _, v := range append([]any{nil, 1, -1, 1e300, true, []any{nil}, body{"a": body{"b": nil}}}, asAny(hostile)...) {
					sent := maps.Clone(fields)
					sent[name] = v
					if a := w.as(superAdmin).do(t, method, fill(path, values), sent); a.status >= 500 {
						t.Errorf("%s = %s: got %d %s", name, fmt.Sprintf("%.40v", v), a.status, a.body)
					}
				}
			}
		})
	}
}

func asAny(texts []string) []any {
	all := make([]any, len(texts))
	for i, s := range texts {
		all[i] = s
	}
	return all
}
