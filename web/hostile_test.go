package web

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/coagent-studio/coagent/store/storetest"
)

// hostile are values that have broken servers before.
var hostile = []string{"", " ", "null", "0", "-1", "1e999", "99999999999999999999999", "NaN", "true", "\x00", "a\x00b", "\xff\xfe", "\u202e", "💩",
	"'; DROP TABLE users; --", "%", "%zz", "%00", "..", "../../etc/passwd", "{", "[]", "{}", "<script>", "00000000-0000-0000-0000-000000000000",
	strings.Repeat("x", 5000), strings.Repeat("é", 300), "a@b", "ｔｅａｃｈｅｒ"}

// anyJSON draws a JSON text: values that fit, that do not, or no JSON at all.
func anyJSON(members []string, ids []string) *rapid.Generator[string] {
	value := rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 9).Draw(t, "kind") {
		case 0:
			return nil
		case 1:
			return rapid.Bool().Draw(t, "bool")
		case 2:
			return rapid.IntRange(-5, 2000).Draw(t, "int")
		case 3:
			return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
		case 4:
			return rapid.SampledFrom(ids).Draw(t, "id")
		case 5:
			return rapid.SliceOfN(rapid.SampledFrom(hostile), 0, 3).Draw(t, "list")
		case 6:
			return rapid.MapOfN(rapid.String(), rapid.SampledFrom(hostile), 0, 3).Draw(t, "object")
		case 7:
			return rapid.String().Draw(t, "text")
		default:
			return rapid.SampledFrom(hostile).Draw(t, "hostile")
		}
	})
	return rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 11).Draw(t, "form") {
		case 0:
			return rapid.SampledFrom(hostile).Draw(t, "raw")
		case 1:
			return `{"` + rapid.SampledFrom(members).Draw(t, "member") + `":1e999}`
		case 2:
			return strings.Repeat(`{"settings":`, 300) + "1" + strings.Repeat("}", 300)
		}
		b, err := json.Marshal(rapid.MapOfN(rapid.SampledFrom(members), value, 0, len(members)).Draw(t, "body"))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	})
}

// Nothing that a client sends is answered with 500, whoever sends it; every
// error has the one shape, and no answer holds a secret (see caller.do).
func TestHostileInput(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		w := newWorld(t, dbURL)
		members := bodyMembers(w)
		ids := []string{w.room, w.course, w.project, w.agent, w.users[student].ID, strings.ToUpper(w.room), "nonsense"}
		bodies := anyJSON(members, ids)
		rapid.Check(t, func(rt *rapid.T) {
			r := rapid.SampledFrom(w.server.table).Draw(rt, "route")
			who := rapid.SampledFrom([]string{anonymous, student, owner, superAdmin}).Draw(rt, "who")
			segment := rapid.OneOf(rapid.SampledFrom(ids), rapid.Map(rapid.SampledFrom(hostile), url.PathEscape))
			path := fill(r.path, []string{segment.Draw(rt, "first"), segment.Draw(rt, "second")}[:strings.Count(r.path, "{")])
			path += "?" + url.Values{
				rapid.SampledFrom([]string{"skip", "limit", "before", "course_id", "org_id", "artifact_type", "deleted", "hard_delete", "x"}).Draw(rt, "key"): {rapid.SampledFrom(append(ids, hostile...)).Draw(rt, "value")},
			}.Encode()
			c := w.as(who).with("Content-Type", rapid.SampledFrom([]string{"application/json", "", "text/plain", "multipart/form-data; boundary=b",
				"application/x-www-form-urlencoded", "application/json; charset=\xff", ";"}).Draw(rt, "type"))
			var a answer
			if r.method == get {
				a = c.do(t, r.method, path)
			} else {
				a = c.do(t, r.method, path, bodies.Draw(rt, "body"))
			}
			if a.status >= 500 {
				rt.Fatalf("%s %s as %s: got %d %s", r.method, path, who, a.status, a.body)
			}
		})
	})
}

// bodyMembers are the names of all members that any body has.
func bodyMembers(w *world) []string {
	names := map[string]bool{"unknown": true}
	for _, s := range w.server.api.OpenAPI().Components.Schemas.Map() {
		for name := range s.Properties {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
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
