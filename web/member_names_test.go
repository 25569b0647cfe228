package web

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// olderRoutes are the routes of the older contract that may be sent a body, by their numbers
// in its list (1 to 89).
var olderRoutes = map[string]int{
	"POST /login/access-token": 1, "POST /login/refresh": 2, "POST /login/logout": 3, "POST /login/test-token": 4,
	"POST /login/impersonate/{user_id}": 5, "POST /login/stop-impersonate": 6,
	"PUT /users/me": 8, "PUT /users/{user_id}": 11, "DELETE /users/{user_id}": 12, "POST /users/": 13, "POST /users/me/avatar": 14,
	"POST /users/keys": 16, "DELETE /users/keys/{key_id}": 17, "POST /organizations": 19, "POST /projects": 22,
	"POST /threads/stateless/{agent_id}": 24, "POST /threads/": 25, "POST /threads": 25, "POST /threads/{thread_id}/messages": 27,
	"POST /courses/": 29, "PUT /courses/{course_id}": 32, "DELETE /courses/{course_id}": 33, "POST /courses/{course_id}/enroll": 34,
	"PUT /courses/{course_id}/members/{user_id}": 36, "DELETE /courses/{course_id}/members/{user_id}": 37,
	"POST /rooms/": 38, "PUT /rooms/{room_id}": 41, "DELETE /rooms/{room_id}": 42, "POST /rooms/{room_id}/assign": 43,
	"POST /rooms/{room_id}/agents/{agent_id}": 44, "DELETE /rooms/{room_id}/agents/{agent_id}": 45, "POST /announcements/": 47,
	"POST /agents/generate": 50, "PUT /agents/system/{agent_type}": 52, "POST /agents/{id}": 54, "PUT /agents/{id}": 55, "PUT /agents/{id}/activate": 56,
	"DELETE /agents/{id}": 57, "PUT /agents/{id}/keys": 59, "POST /agents/global": 61, "POST /agents/global/{id}/clone-to-project/{project_id}": 62,
	"POST /agents/{id}/sync-from-parent": 63, "POST /agents/external/create": 65, "POST /agents/external/test-connection": 66,
	"PUT /agent-config/{project_id}/{agent_type}": 69, "POST /agent-config/{config_id}/versions": 70,
	"POST /agent-config/{config_id}/versions/{version_id}/restore": 72, "POST /agent-types": 74, "DELETE /agent-types/{type_name}": 76, "POST /a2a/webhook": 78,
	"POST /analytics/{course_id}/generate": 80, "POST /workspaces/{room_id}/artifacts": 85, "PUT /workspaces/artifacts/{artifact_id}": 87,
	"DELETE /workspaces/artifacts/{artifact_id}": 88,
}

const surplus = "surplus"

// surplusIn makes bodies of which each has one member too much: in itself, or in an object
// within it. The keys are the addresses of that member.
func surplusIn(schemas huma.Registry, schema *huma.Schema, at string, all map[string]any, wrap func(any) any) {
	for schema.Ref != "" {
		schema = schemas.SchemaFromRef(schema.Ref)
	}
	if strings.Count(at, ".") > 6 {
		return
	}
	if schema.Items != nil {
		surplusIn(schemas, schema.Items, at+"[0]", all, func(v any) any { return wrap([]any{v}) })
	}
	if of, ok := schema.AdditionalProperties.(*huma.Schema); ok {
		surplusIn(schemas, of, at+".any", all, func(v any) any { return wrap(body{"any": v}) })
	}
	if schema.Properties == nil {
		return
	}
	all[at+"."+surplus] = wrap(body{surplus: 1})
	for name, member := range schema.Properties {
		surplusIn(schemas, member, at+"."+name, all, func(v any) any { return wrap(body{name: v}) })
	}
}

// Each route says of a member that it does not know that it does not, wherever the member
// is, unless the route is one of the older contract.
func TestUnknownMembers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	doc, c, seen, nested := w.server.api.OpenAPI(), w.as(superAdmin), map[string]bool{}, 0
	for _, route := range w.server.table {
		item := doc.Paths[route.path]
		if item == nil || route.method == get {
			continue
		}
		op, name := operationAt(item, route.method), route.method+" "+strings.TrimPrefix(route.path, v1)
		older := olderRoutes[name] > 0
		if seen[name] = true; isStrict(op) == older && !op.SkipValidateBody {
			t.Errorf("%s is strict: %v, want the contrary", name, !older)
		}
		if op.SkipValidateBody || name == "DELETE /users/me/sessions" || strings.HasPrefix(name, "POST /login/") || strings.HasPrefix(name, "DELETE /users/{user_id}") && older {
			continue // a form, or what would end the caller's session
		}
		if op.RequestBody != nil && op.RequestBody.Content["application/json"] == nil {
			continue // a file
		}
		bodies := map[string]any{"body." + surplus: body{surplus: 1}}
		if op.RequestBody != nil {
			surplusIn(doc.Components.Schemas, op.RequestBody.Content["application/json"].Schema, "body", bodies, func(v any) any { return v })
		}
		nested += len(bodies) - 1
		at := pathParam.ReplaceAllString(route.path, store.NewID())
		for where, sent := range bodies {
			a := c.do(t, route.method, at, sent)
			told := slices.ContainsFunc(wrongMembers(a), func(field string) bool { return field == where })
			if told == (older && name != "PUT /agents/{id}/keys") || // the keys have any names
				!older && (!told || a.status != 422 || !strings.Contains(a.text(t, "detail"), strings.TrimPrefix(where, "body.")+": is not known here: ")) {
				t.Errorf("%s: %s: got %d %s", name, where, a.status, a.body)
			}
		}
	}
	for name := range olderRoutes {
		if !seen[name] {
			t.Errorf("there is no %s", name)
		}
	}
	if nested < 3 {
		t.Errorf("got %d objects within bodies", nested)
	}
}

// wrongMembers are the addresses of what an answer says is wrong.
func wrongMembers(a answer) (all []string) {
	var p struct {
		Errors []struct{ Field string } `json:"errors"`
	}
	_ = json.Unmarshal([]byte(a.body), &p)
	for _, e := range p.Errors {
		all = append(all, e.Field)
	}
	return all
}

// A name counts as it is written, once.
func TestMemberNames(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.as(superAdmin)
		for sent, want := range map[string]string{ // of the older contract: "" for no course
			`{"title":"A","surplus":1,"more":{"a":[{"title":"no"}]}}`: "A",
			`{"t\u0069tle":"A"}`:                                       "A",
			`{"title":"A","Title":"B"}`:                                "A",
			`{"Title":"B","title":"A"}`:                                "A",
			`{"title":"A","TITLE":null,"description":"x"}`:             "A",
			`{"title":"B","title":"A"}`:                                "A",
			`{"title":5,"title":"A"}`:                                  "A",
			`{"title":"A","description":"x","description":null}`:       "A",
			"\t{\"title\"\t:\n\"A\"\t,\"Title\":\"B\"}\n":              "A",
			`{"Title":"A"}`:                                            "",
			`{"title":"A","title":null}`:                               "",
			`{"tıtle":"A"}`:                                            "",
			`{"title":"A","title":"B"`:                                 "",
			`{"title":"A"}{"title":"B"}`:                               "",
			`{"title":"A","de\u0073cription":"x","description":["x"]}`: "",
		} {
			a := c.do(t, post, v1+"/courses/", sent)
			if want == "" && a.status != 422 || want != "" && (a.status != 200 || a.text(t, "title") != want || a.object(t)["description"] != nil && !strings.Contains(sent, `"x"}`)) {
				t.Errorf("%s: got %d %s, want %q", sent, a.status, a.body, want)
			}
		}
		at := v1 + "/rooms/" + w.room + "/messages"
		for sent, want := range map[string]string{ // not of it: "" for a message that is stored
			`{"text":"A"}`:                                      "",
			`{"t\u0065xt":"A","client_id":""}`:                  "",
			`{"Text":"A"}`:                                      "Text: is not known here: write text",
			`{"text":"A","TEXT":null}`:                          "TEXT: is not known here: write text",
			`{"text":"A","text":"A"}`:                           "text: is there twice: send it once",
			`{"text":"A","te\u0078t":"A"}`:                      "text: is there twice: send it once",
			`{"text":"A","":1}`:                                 ": is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text",
			`{"text":"A","role":null}`:                          "role: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text",
			`{"text":"A","a":1,"b":[{"text":1}],"a":2}`:         "a: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text; b: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text; a: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text",
			`{"text":"A","` + strings.Repeat("x", 500) + `":1}`: strings.Repeat("x", shownName) + ": is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text",
		} {
			if a := c.do(t, post, at, sent); want == "" && a.status != http.StatusCreated || want != "" && (a.status != 422 || a.text(t, "detail") != want) {
				t.Errorf("%s: got %d %s, want %q", sent, a.status, a.body, want)
			}
		}
		many := c.do(t, post, at, `{"text":"A"`+strings.Repeat(`,"x":1`, 1000)+`}`)
		if many.status != 422 || len(wrongMembers(many)) != maxNameFaults {
			t.Errorf("got %d %.200s", many.status, many.body)
		}
		// An object that the program does not look into may have any names, but each once.
		flow := func(extra string) string {
			return `{"course_id":"` + w.course + `","name":"` + store.NewID() + `","graph":` + strings.Replace(text(graph), "{", "{"+extra, 1) + `}`
		}
		if a := c.do(t, post, v1+"/workflows", flow(`"nodes":[],`)); a.status != 422 || !strings.Contains(a.text(t, "detail"), "graph.nodes: is there twice") {
			t.Errorf("got %d %s", a.status, a.body)
		}
		// Of parameters in the address only those count that are documented.
		c.must(t, 200, get, v1+"/rooms/"+w.room+"/events?after=0&surplus=1&Limit=x")
		c.must(t, http.StatusCreated, post, at+"?surplus=1", body{"text": "A"})
	})
}

// The same of frames. A frame of the plain protocol is a message, whatever it looks like.
func TestUnknownMembersOfFrames(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		c := w.join(t, student, "", true)
		for frame, want := range map[string]string{
			`{"type":"post","client_id":"c","text":"x","color":"red"}`:  "color: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text, type",
			`{"type":"post","client_id":"c","text":"x","after":1}`:      "after: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text, type",
			`{"type":"post","client_id":"c","text":"x","Text":"y"}`:     "Text: is not known here: write text",
			`{"type":"post","client_id":"c","text":"x","text":"y"}`:     "text: is there twice: send it once",
			`{"type":"post","client_id":"c","text":"x","role":null}`:    "role: is not known here: leave it out, or send one of client_id, files, mentions, reply_to, text, type",
			`{"Type":"post","client_id":"c","text":"x"}`:                "Type: is not known here: write type",
			`{"type":"typing","text":"x"}`:                              "text: is not known here: leave it out, or send one of type",
			`{"type":"resume","after":1,"limit":5}`:                     "limit: is not known here: leave it out, or send one of after, type",
			`{"type":"stop","turn_id":"` + store.NewID() + `","why":1}`: "why: is not known here: leave it out, or send one of turn_id, type",
			`{"type":"dance","color":"red"}`:                            "type: must be one of post, typing, resume, stop, editing, react",
		} {
			c.send(frame)
			e := c.next("error")
			if e["code"] != "invalid" || e["detail"] != want || strings.Contains(frame, `"c"`) && e["client_id"] != "c" {
				t.Errorf("%s: got %v, want %q", frame, e, want)
			}
		}
		c.send(`{"type":"post","client_id":"c","te\u0078t":"fine"}`)
		if ack := c.next("ack"); ack["dup"] != false {
			t.Errorf("got %v, want that none of the others was stored", ack)
		}
		plain := w.join(t, ta, "", false)
		odd := `{"type":"post","client_id":"c","text":"x","color":"red","color":"red"}`
		plain.send(odd)
		m := c.next("message")
		if m["content"] == "fine" { // it may come before its ack, or behind it
			m = c.next("message")
		}
		if m["content"] != odd {
			t.Errorf("got %v, want %s", m, odd)
		}
	})
}

// What a strict route refuses, the document says of its body, and of no other.
func TestDocumentedNames(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	doc, said := r.server.api.OpenAPI(), 0
	for path, item := range doc.Paths {
		for _, method := range []string{post, put, del} {
			op := operationAt(item, method)
			if op == nil || op.RequestBody == nil || op.RequestBody.Content["application/json"] == nil {
				continue
			}
			schema := op.RequestBody.Content["application/json"].Schema
			for schema.Ref != "" {
				schema = doc.Components.Schemas.SchemaFromRef(schema.Ref)
			}
			closed := schema.AdditionalProperties == false
			if said++; closed && !isStrict(op) || !closed && isStrict(op) && schema.Properties != nil {
				t.Errorf("%s %s: additionalProperties is %v", method, path, schema.AdditionalProperties)
			}
		}
	}
	if said < 50 {
		t.Errorf("got %d bodies", said)
	}
}

// Whatever is sent, names change nothing but names, and what is JSON stays JSON.
func FuzzMemberNames(f *testing.F) {
	for _, seed := range []string{`{"text":1,"TEXT":2,"text":3}`, `{"a":{"b":[{"c":1,"C":2}]},"A":0}`, `[{}]`, `"x"`, `1e999`, `{"\ud800":1,"\"":2}`, "{\"te\\u0078t\" : {} , \"text\":[]}"} {
		f.Add([]byte(seed))
	}
	inner := &huma.Schema{Type: huma.TypeObject, Properties: map[string]*huma.Schema{"c": {}, "text": {}}, AdditionalProperties: true}
	schema := &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true,
		Properties: map[string]*huma.Schema{"text": {}, "a": {Properties: map[string]*huma.Schema{"b": {Items: inner}}, AdditionalProperties: true}}}
	f.Fuzz(func(t *testing.T, data []byte) {
		if tooDeep(data) {
			return
		}
		n := names{}
		if read := n.read(data, "body", schema); json.Valid(data) && !read {
			t.Fatalf("%q was not read", data)
		}
		if !json.Valid(data) {
			return
		}
		out := n.without(data)
		if !json.Valid(out) || len(n.hidden) == 0 && !bytes.Equal(out, data) || len(n.faults) > 0 {
			t.Fatalf("%q became %q, with %v", data, out, n.faults)
		}
		again := names{}
		if again.read(out, "body", schema); len(again.hidden) > 0 {
			t.Fatalf("%q became %q, which hides %v", data, out, again.hidden)
		}
	})
}
