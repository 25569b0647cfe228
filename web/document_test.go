package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/coagent-studio/coagent/store/storetest"
)

// maxDocument is how large /openapi.json may be, in bytes.
const maxDocument = 316_000

// publishedOf is /openapi.json of a server.
func publishedOf(t testing.TB, r *rig) object {
	t.Helper()
	text, err := r.server.openAPI()
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > maxDocument {
		t.Errorf("/openapi.json has %d bytes, at most %d are wanted", len(text), maxDocument)
	}
	doc := object{}
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// schemasOf compiles schemas of a document by their names.
func schemasOf(t testing.TB, doc any) func(name string) *jsonschema.Schema {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	read, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("openapi.json", read); err != nil {
		t.Fatal(err)
	}
	return func(name string) *jsonschema.Schema {
		t.Helper()
		s, err := c.Compile("openapi.json#/components/schemas/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
}

// What a generator of clients needs of every part of the document.
func TestDocumentIsLean(t *testing.T) {
	t.Parallel()
	doc := publishedOf(t, start(t, storetest.SQLite(t)))
	sent := map[string]bool{} // in requests, where null clears a list
	for name := range bodiesOf(doc) {
		addParts(doc, name, sent)
	}
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch v := v.(type) {
		case object:
			if v["additionalProperties"] == true {
				t.Errorf("%s lets every misspelt name pass: additionalProperties is true", at)
			}
			kinds, _ := v["type"].([]any)
			if name, _, _ := strings.Cut(strings.TrimPrefix(at, "#/components/schemas/"), "/"); slices.Contains(kinds, any("array")) &&
				slices.Contains(kinds, any("null")) && !sent[name] {
				t.Errorf("%s may be null in place of a list", at)
			}
			if ref, ok := v["$ref"].(string); ok {
				if found := lookUp(doc, ref); found == nil {
					t.Errorf("%s names %s, which is not there", at, ref)
				}
			}
			for name, below := range v {
				walk(at+"/"+name, below)
			}
		case []any:
			for i, below := range v {
				walk(fmt.Sprint(at, "/", i), below)
			}
		}
	}
	walk("#", doc)
	known := map[string]bool{}
	for _, tag := range doc["tags"].([]any) {
		known[tag.(object)["name"].(string)] = true
	}
	if servers, _ := doc["servers"].([]any); len(servers) == 0 || doc["security"] == nil {
		t.Error("no servers or no security")
	}
	operations := 0
	for path, item := range doc["paths"].(object) {
		for method, op := range item.(object) {
			op, ok := op.(object)
			if !ok {
				continue // what the operations have in common
			}
			at := method + " " + path
			operations++
			if op["description"] == nil || op["description"] == op["summary"] {
				t.Errorf("%s has no description", at)
			}
			for _, tag := range op["tags"].([]any) {
				if !known[tag.(string)] {
					t.Errorf("%s has the tag %s, which the document does not declare: see tags", at, tag)
				}
			}
			for status, response := range op["responses"].(object) {
				if status >= "4" && response.(object)["$ref"] == nil {
					t.Errorf("%s writes its error %s out", at, status)
				}
			}
		}
	}
	if operations < 150 {
		t.Errorf("got %d operations, want the whole API", operations)
	}
}

// What the published schemas of answers are put together from is what huma checks by.
func TestComposedSchemas(t *testing.T) {
	t.Parallel()
	r := start(t, storetest.SQLite(t))
	doc, composed := publishedOf(t, r), 0
	var members func(name string) (all, needed []string)
	members = func(name string) (all, needed []string) {
		schema := lookUp(doc, "#/components/schemas/"+name).(object)
		own, _ := schema["properties"].(object)
		all = slices.Collect(maps.Keys(own))
		required, _ := schema["required"].([]any)
		for _, member := range required {
			needed = append(needed, member.(string))
		}
		parts, _ := schema["allOf"].([]any)
		if schema["$ref"] != nil { // it has a twin
			parts = []any{schema}
		}
		for _, part := range parts {
			composed++
			more, also := members(strings.TrimPrefix(part.(object)["$ref"].(string), "#/components/schemas/"))
			all, needed = append(all, more...), append(needed, also...)
		}
		slices.Sort(all)
		slices.Sort(needed)
		return all, needed
	}
	for name, schema := range r.server.api.OpenAPI().Components.Schemas.Map() {
		all, needed := members(name)
		want := slices.Sorted(slices.Values(schema.Required))
		if !slices.Equal(all, slices.Sorted(maps.Keys(schema.Properties))) || !slices.Equal(needed, want) {
			t.Errorf("%s has the members %v and needs %v", name, all, needed)
		}
	}
	if composed < 5 {
		t.Errorf("%d schemas are made of others", composed)
	}
}

// lookUp returns what a reference of a document names.
func lookUp(doc object, ref string) any {
	var at any = doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		below, _ := at.(object)
		at = below[part]
	}
	return at
}

// closed are the names of members of requests whose values are a closed set.
var closed = regexp.MustCompile(`^(role|type|kind|category|state|status|period|decision|ai_mode|auth_type|scope_kind|.*_provider|provider)$`)

// unclosed are those of them for which a client may send what it likes: the types of agents
// that somebody has made, and a provider that is passed over unless a key is for it.
var unclosed = []string{"NewAgent.type", "UpdateAgentInBody.type", "ExternalAgentInBody.type", "GenerateInBody.provider", "GenerateInBody.custom_provider",
	"CreateRoomAgentInBody.type",
	"LinkInBody.provider"} // of sign-on, as the configuration names it

// A member of a request with a closed set of values lists them, and one that is needed is
// not null.
func TestRequestsHaveEnums(t *testing.T) {
	t.Parallel()
	doc := publishedOf(t, start(t, storetest.SQLite(t)))
	found := 0
	for name, members := range bodiesOf(doc) {
		required, _ := lookUp(doc, "#/components/schemas/"+name+"/required").([]any)
		for member, is := range members {
			if kinds, _ := is.(object)["type"].([]any); slices.Contains(required, any(member)) && slices.Contains(kinds, any("null")) && name != "SetRoomWorkflowInBody" {
				t.Errorf("%s.%s is needed and may be null", name, member)
			}
			if !closed.MatchString(member) || slices.Contains(unclosed, name+"."+member) {
				continue
			}
			if ref, ok := is.(object)["$ref"].(string); ok {
				is = lookUp(doc, ref)
			}
			if found++; is.(object)["enum"] == nil {
				t.Errorf("%s.%s does not list its values", name, member)
			}
		}
	}
	if found < 25 {
		t.Errorf("found %d members with a closed set of values", found)
	}
}

// bodiesOf are the members of the bodies of requests, by the names of their schemas.
func bodiesOf(doc object) map[string]object {
	all := map[string]object{}
	for _, item := range doc["paths"].(object) {
		for _, op := range item.(object) {
			op, _ := op.(object)
			body, _ := op["requestBody"].(object)
			content, _ := body["content"].(object)
			for _, media := range content {
				schema, _ := media.(object)["schema"].(object)
				if ref, ok := schema["$ref"].(string); ok {
					all[strings.TrimPrefix(ref, "#/components/schemas/")] = membersOf(doc, lookUp(doc, ref).(object))
				}
			}
		}
	}
	return all
}

// addParts adds a schema and what it is made of.
func addParts(doc object, name string, into map[string]bool) {
	into[name] = true
	parts, _ := lookUp(doc, "#/components/schemas/"+name).(object)["allOf"].([]any)
	for _, part := range parts {
		addParts(doc, strings.TrimPrefix(part.(object)["$ref"].(string), "#/components/schemas/"), into)
	}
}

// membersOf are the members of a schema with those of its parts.
func membersOf(doc, schema object) object {
	all := object{}
	parts, _ := schema["allOf"].([]any)
	for _, part := range parts {
		maps.Copy(all, membersOf(doc, lookUp(doc, part.(object)["$ref"].(string)).(object)))
	}
	own, _ := schema["properties"].(object)
	maps.Copy(all, own)
	return all
}

// The frames of the room's socket are there for generators, each under its type.
func TestFramesInTheDocument(t *testing.T) {
	t.Parallel()
	doc := publishedOf(t, start(t, storetest.SQLite(t)))
	compile := schemasOf(t, doc)
	for _, f := range socketFrames() {
		if f.protocol != chanV2 {
			continue
		}
		name := map[bool]string{false: "RoomFrame", true: "RoomRequest"}[f.fromClient]
		union := lookUp(doc, "#/components/schemas/"+name).(object)
		mapping := union["discriminator"].(object)["mapping"].(object)
		ref, _ := mapping[f.kind].(string)
		if !strings.Contains(jsonOf(union["oneOf"]), `"`+ref+`"`) || ref == "" {
			t.Errorf("%s has no %s", name, f.kind)
			continue
		}
		for _, example := range append([]any{f.example}, thenOf(f.name)...) {
			v, err := jsonschema.UnmarshalJSON(strings.NewReader(jsonOf(example)))
			if err != nil {
				t.Fatal(err)
			}
			if err := compile(name).Validate(v); err != nil {
				t.Errorf("%s: %v", f.name, err)
			}
		}
	}
}

// The schemas of stored objects take what the papers show and what clients send, and
// refuse what app refuses.
func TestColumnsAreDescribed(t *testing.T) {
	t.Parallel()
	doc := publishedOf(t, start(t, storetest.SQLite(t)))
	compile := schemasOf(t, doc)
	schemas := doc["components"].(object)["schemas"].(object)
	used := jsonOf(schemas)
	for _, name := range slices.Sorted(maps.Values(jsonColumns)) {
		if !strings.Contains(used, `"#/components/schemas/`+name+`"`) {
			t.Errorf("no member has the schema %s", name)
		}
	}
	for name, text := range map[string][]string{
		"TriggerConfig": {`{}`, `{"type":"silence","value":60}`, `{"type":"chance"}`, `{"type":"message_count","value":""}`, `{"logic":"and"}`,
			`{"trigger":{"enabled_conditions":["time_interval_mins"],"time_interval_mins":0.5},"self_modification":{"duration_hours":-1,"bounds":{"message_count":{"min":2}}}}`},
		"ScheduleConfig": {`{}`, `{"mode":"blacklist","rules":[{"type":"everyday","time_range":null},{"type":"specific_date","date":"2026-12-24"}]}`,
			`{"general":{"mode":"range_weekly","start_date":"","rules":[{"start_time":"08:00","end_time":"16:00","days":[0,4]}]},"specific":[{"date":"2026-12-24","start":"08:00","end":"09:00"}]}`},
		"WorkflowGraph": {text(graph)},
		"ArtifactContent": {`{}`, `{"status":"todo","order":1}`, `{"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"a"}]}]}`,
			`{"nodes":[{"id":1,"position":{"x":0,"y":0}}],"edges":[]}`},
		"AgentSettings": {`{}`, `{"temperature":0.2,"review":{"enabled":false,"revisions":0},"own":1}`},
	} {
		for _, b := range blocksOf(t, func(kind string) bool { return jsonColumns[strings.TrimPrefix(kind, "json ")] == name }) {
			text = append(text, b.text)
		}
		for _, text := range text {
			if err := fits(t, compile(name), text); err != nil {
				t.Errorf("%s refuses %s: %v", name, text, err)
			}
		}
	}
	for name, text := range map[string][]string{
		"TriggerConfig":  {`{"type":"sometimes","logic":"xor"}`, `{"type":1,"trigger":1}`},
		"ScheduleConfig": {`{"mode":"whitelist","rules":[{"type":"day_of_week","days":[8]}],"general":1}`},
		"WorkflowGraph":  {`{"start_node":"a","nodes":{"a":{"type":"loop"}},"edges":[]}`, `{}`},
	} {
		for _, text := range text {
			if fits(t, compile(name), text) == nil {
				t.Errorf("%s takes %s", name, text)
			}
		}
	}
}

func fits(t testing.TB, schema *jsonschema.Schema, text string) error {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(v)
}
