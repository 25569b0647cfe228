package web

import (
	"encoding/json"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"
)

// This file makes /openapi.json. The document of huma is what requests are checked by, and
// it lists every answer of every operation. The published one is a source of clients: it
// says each thing once, by reference, and leaves out what says nothing.

type object = map[string]any

// openAPI returns /openapi.json.
func (s *Server) openAPI() ([]byte, error) {
	doc, err := decoded(s.api.OpenAPI())
	if err != nil {
		return nil, err
	}
	components := doc["components"].(object)
	if err := addColumns(components["schemas"].(object)); err != nil {
		return nil, err
	}
	withoutTwins(doc["paths"].(object))
	shared := object{}
	p := &publisher{shared: shared}
	eachOperation(doc, p.lean)
	for _, parts := range []eachPart{eachSmall, eachAnswer} { // an answer has headers, which are parts themselves
		p.counted = map[string]map[string]int{}
		eachOperation(doc, func(op object) { parts(op, p.count) })
		eachOperation(doc, func(op object) { parts(op, p.share) })
	}
	responses := p.responses()
	maps.Copy(responses, shared["responses"].(object))
	maps.Copy(components, shared)
	components["responses"] = responses
	doc["security"] = p.security
	plain(doc)
	shareTwins(components["schemas"].(object))
	shareNamed(doc)
	compose(components["schemas"].(object), s.api.OpenAPI().Components.Schemas)
	shareTwins(components["schemas"].(object)) // those of embedded structs are new
	withoutRepeats(doc["paths"].(object))
	inlineRare(doc)
	return json.Marshal(doc)
}

// decoded returns a document of huma as the values of its JSON, which can be changed
// without changing what requests are checked by.
func decoded(doc any) (object, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	out := object{}
	return out, json.Unmarshal(text, &out)
}

// plain leaves out of a document that an object may have other members, which is so
// unless a schema says otherwise. Generators would make every member of every object
// optional of it, so that they find no misspelt name. An object without any listed member
// keeps it in the form that they read as an object of anything.
func plain(v any) {
	switch v := v.(type) {
	case object:
		if v["description"] == idText {
			delete(v, "description")
		}
		if v["additionalProperties"] == true {
			delete(v, "additionalProperties")
			if v["properties"] == nil {
				v["additionalProperties"] = object{}
			}
		}
		for name, below := range v {
			if name != "example" && name != "examples" {
				plain(below)
			}
		}
	case []any:
		for _, below := range v {
			plain(below)
		}
	}
}

// isTwin marks an operation whose address is another spelling of one that is published.
const isTwin = "x-internal"

func withoutTwins(paths object) {
	for path, item := range paths {
		item := item.(object)
		maps.DeleteFunc(item, func(_ string, op any) bool { return op.(object)[isTwin] == true })
		if len(item) == 0 {
			delete(paths, path)
		}
	}
}

// withoutRepeats says the parameters that all operations of an address have, such as the
// ids in it, once for the address.
func withoutRepeats(paths object) {
	for _, item := range paths {
		item, common := item.(object), map[string]int{}
		for _, op := range item {
			for _, param := range parametersOf(op.(object)) {
				common[jsonOf(param)]++
			}
		}
		if len(item) < 2 {
			continue
		}
		maps.DeleteFunc(common, func(_ string, n int) bool { return n < len(item) })
		var all []any
		for _, method := range slices.Sorted(maps.Keys(item)) {
			op := item[method].(object)
			params, _ := op["parameters"].([]any)
			all, op["parameters"] = nil, slices.DeleteFunc(slices.Clone(params), func(param any) bool { return common[jsonOf(param)] > 0 })
			for _, param := range params {
				if common[jsonOf(param)] > 0 {
					all = append(all, param)
				}
			}
			if len(op["parameters"].([]any)) == 0 {
				delete(op, "parameters")
			}
		}
		if len(all) > 0 {
			item["parameters"] = all
		}
	}
}

// publisher makes the operations of a document lean.
type publisher struct {
	shared   object                    // the parts that several operations have, by kind and name
	security any                       // of all operations but those that are public
	counted  map[string]map[string]int // how often a part is used, by kind and name and its JSON
}

func eachOperation(doc object, do func(op object)) {
	paths := doc["paths"].(object)
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		item := paths[path].(object)
		for _, method := range slices.Sorted(maps.Keys(item)) {
			if op, ok := item[method].(object); ok {
				do(op)
			}
		}
	}
}

// inDefault are the errors that the document describes once for all operations.
var inDefault = []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict,
	http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable}

// lean says by reference what operations have alike.
func (p *publisher) lean(op object) {
	if op["security"] == nil {
		op["security"] = []any{}
	} else {
		p.security = op["security"]
		delete(op, "security")
	}
	responses := op["responses"].(object)
	for status := range responses {
		code, err := strconv.Atoi(status)
		switch {
		case err != nil || code < http.StatusBadRequest:
		case slices.Contains(inDefault, code):
			delete(responses, status)
		default:
			responses[status] = refTo("responses", responseName(code))
		}
	}
	responses["default"] = refTo("responses", "Error")
	summary, _ := op["summary"].(string)
	for _, param := range parametersOf(op) {
		leanParameter(param, summary)
	}
}

// leanParameter says once what huma says twice. An id is described by what it is the id
// of, unless its name says that; for a parameter that is called id alone, the summary does
// before {id}. What its bounds say of a number's size needs no format.
func leanParameter(param object, summary string) {
	schema, _ := param["schema"].(object)
	if param["description"] == schema["description"] {
		delete(schema, "description")
	}
	if schema["type"] != huma.TypeArray {
		delete(param, "explode")
	}
	if most, ok := schema["maximum"].(float64); ok && most <= math.MaxInt32 {
		delete(schema, "format")
	}
	if param["description"] != idText {
		return
	}
	delete(param, "description")
	if found := beforeID.FindStringSubmatch(summary); param["name"] == "id" && found != nil {
		param["description"] = "Id of the " + found[1]
	}
}

var beforeID = regexp.MustCompile(`(\w+) \{id\}`)

func parametersOf(op object) []object {
	var all []object
	params, _ := op["parameters"].([]any)
	for _, param := range params {
		all = append(all, param.(object))
	}
	return all
}

// eachPart calls do for parts of an operation that others may have too. do may return
// another part in place of one.
type eachPart func(op object, do func(kind, name string, part object) object)

func eachSmall(op object, do func(kind, name string, part object) object) {
	params, _ := op["parameters"].([]any)
	for i, param := range params {
		param := param.(object)
		params[i] = do("parameters", param["name"].(string), param)
	}
	for _, response := range op["responses"].(object) {
		headers, _ := response.(object)["headers"].(object)
		for name, header := range headers {
			headers[name] = do("headers", name, header.(object))
		}
	}
}

// eachAnswer is for answers with one named schema, or a list of them, which gives them their
// name; others are named after what they contain, such as a stream of events.
func eachAnswer(op object, do func(kind, name string, part object) object) {
	responses := op["responses"].(object)
	for status, response := range responses {
		content, _ := response.(object)["content"].(object)
		media, _ := content["application/json"].(object)
		schema, _ := media["schema"].(object)
		suffix := ""
		if items, ok := schema["items"].(object); ok {
			schema, suffix = items, "List"
		}
		if ref, ok := schema["$ref"].(string); ok {
			responses[status] = do("responses", ref[strings.LastIndexByte(ref, '/')+1:]+suffix, response.(object))
		} else if media == nil && len(content) > 0 {
			responses[status] = do("responses", wordsOf(slices.Min(slices.Collect(maps.Keys(content)))), response.(object))
		}
	}
}

func (p *publisher) count(kind, name string, part object) object {
	of := kind + " " + name
	if p.counted[of] == nil {
		p.counted[of] = map[string]int{}
	}
	p.counted[of][jsonOf(part)]++
	return part
}

// share moves a part that is used more than once into the components. The one that is used
// most has the name, and the others have a number behind it.
func (p *publisher) share(kind, name string, part object) object {
	counts, text := p.counted[kind+" "+name], jsonOf(part)
	if counts[text] < 2 {
		return part
	}
	place := 1
	for other, n := range counts {
		if n > counts[text] || n == counts[text] && other < text {
			place++
		}
	}
	if place > 1 {
		name += strconv.Itoa(place)
	}
	if p.shared[kind] == nil {
		p.shared[kind] = object{}
	}
	p.shared[kind].(object)[name] = part
	return refTo(kind, name)
}

// wordsOf writes the words of a media type as a name, such as TextEventStream.
func wordsOf(media string) string {
	name := ""
	for _, word := range strings.FieldsFunc(media, func(r rune) bool { return !unicode.IsLetter(r) }) {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}

// inlineRare writes out the shared parts whose name costs more than it saves, because few
// use them.
func inlineRare(doc object) {
	components := doc["components"].(object)
	for _, kind := range []string{"responses", "parameters", "headers"} { // an answer has headers
		parts, text := components[kind].(object), jsonOf(doc)
		rare := map[string]object{}
		for name, part := range parts {
			ref, whole := jsonOf(refTo(kind, name)), jsonOf(part)
			if n := strings.Count(text, ref); n > 0 && n*len(whole) <= n*len(ref)+len(name)+len(whole)+len(`"":,`) {
				rare[refTo(kind, name)["$ref"].(string)] = part.(object)
				delete(parts, name)
			}
		}
		writeOut(doc, rare)
	}
}

// writeOut replaces references by what they refer to.
func writeOut(v any, parts map[string]object) any {
	switch v := v.(type) {
	case object:
		if ref, ok := v["$ref"].(string); ok && parts[ref] != nil {
			return maps.Clone(parts[ref])
		}
		for name, below := range v {
			v[name] = writeOut(below, parts)
		}
	case []any:
		for i, below := range v {
			v[i] = writeOut(below, parts)
		}
	}
	return v
}

// responses describes the errors.
func (p *publisher) responses() object {
	body := object{"application/json": object{"schema": refTo("schemas", "Problem")}}
	all := object{"Error": object{"content": body,
		"description": "400 and 422: the request is wrong; 401: no session; 403: no right; 404: not there, or not to be known of; " +
			"409: something else is in the way, code says what; 413: too large; 429 and 503: come back after Retry-After seconds; 500: a fault of the server",
		"headers": object{"Retry-After": object{"schema": object{"type": "integer"}}}}}
	for code, text := range map[int]string{http.StatusBadGateway: "A model did not answer",
		http.StatusRequestedRangeNotSatisfiable: "The file has no such range"} {
		all[responseName(code)] = object{"description": text, "content": body}
	}
	return all
}

func responseName(status int) string { return strings.ReplaceAll(http.StatusText(status), " ", "") }

func refTo(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

func jsonOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // it was read from JSON
	}
	return string(text)
}

// The tags of the operations, in the order in which pages show them.
var tags = [][2]string{
	{"Sign-in", "Sessions, the first account, and links for a new password"},
	{"Users", "Accounts, and a person's own keys, tokens and sessions"},
	{"Courses", "Courses with their people, the ways into them, and announcements"},
	{"Rooms", "Rooms, what is said in them, and the agents in them"},
	{"Files", "Files and pictures in rooms"},
	{"Turns", "What agents did in a room and wait for, for its staff"},
	{"Artifacts", "The tasks, documents and processes of a room"},
	{"Agents", "Agents of projects, templates, and agents outside this program"},
	{"Bots", "Programs that speak in rooms under accounts of their own"},
	{"Agent types", "What agents can be"},
	{"Threads", "Conversations of one person with one agent"},
	{"Workflows", "The graphs that turns go through, and runs of them"},
	{"Workspaces", "Organisations and projects, which own agents"},
	{"Analytics", "Reports on courses"},
	{"Usage and budgets", "What calls of models cost, and what bounds it"},
	{"Administration", "The audit log and the tables, for admins"},
	{"Operation", "For whoever keeps the server running"},
}

func documentTags() (all []*huma.Tag) {
	for _, t := range tags {
		all = append(all, &huma.Tag{Name: t[0], Description: t[1]})
	}
	return all
}

// addFrames describes the frames of the room's socket for generators, which read no
// AsyncAPI: what the server sends and what it takes, told apart by type.
func addFrames(schemas huma.Registry) {
	for _, union := range []struct {
		name, text string
		fromClient bool
	}{
		{"RoomFrame", "What the server sends over a room's socket with coagent.v2, see /asyncapi.json. Pass over a frame whose type you do not know", false},
		{"RoomRequest", "What the server takes over a room's socket with coagent.v2", true},
		{"MyFrame", "What the server sends over a person's socket, see /asyncapi.json. room_id is the room of a frame. Pass over a frame whose type you do not know", false},
		{"MyRequest", "What the server takes over a person's socket", true},
	} {
		protocol := chanV2
		if strings.HasPrefix(union.name, "My") {
			protocol = chanMe
		}
		all := &huma.Schema{Description: union.text, Discriminator: &huma.Discriminator{PropertyName: "type", Mapping: map[string]string{}}}
		if union.name == "MyFrame" { // with those of rooms, which have their own
			all.OneOf, all.Discriminator = []*huma.Schema{{Ref: refTo("schemas", "RoomFrame")["$ref"].(string)}}, nil
		}
		for _, f := range socketFrames() {
			if f.protocol == protocol && f.fromClient == union.fromClient {
				schema := f.schema(schemas)
				schemas.SchemaFromRef(schema.Ref).AdditionalProperties = !f.fromClient // as the socket takes it
				all.OneOf = append(all.OneOf, schema)
				if all.Discriminator != nil {
					all.Discriminator.Mapping[f.kind] = schema.Ref
				}
			}
		}
		schemas.Map()[union.name] = all
	}
}
