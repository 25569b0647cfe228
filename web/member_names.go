package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file checks the names of members in what clients send, before anything else reads
// it. Go's decoder alone takes "Content" for content, merges a member that comes twice, and
// passes over a misspelled one, so that a client believes it was heard.
//
//   - Routes of the older contract pass over members that they do not know, as their
//     clients expect. A member in another case is one that they do not know. Of a member
//     that comes twice the last one counts.
//   - All other routes, and the frames of coagent.v2, refuse each of the three by its name.
//
// A member that is null is there: what null means is said with each member.

// olderOperations are the operations of the older contract that may be sent a body: first
// those that read one, then those that do not.
var olderOperations = []string{
	"updateMe", "updateUser", "createUser", "createUserKey", "createOrganization", "createProject", "simulateAgent", "createThread", "createThreadBare",
	"talkInThread", "createCourse", "updateCourse", "enrol", "changeMember", "createRoom", "updateRoom", "assignToRoom", "announce", "generateInstructions",
	"setSystemAgent", "createAgent", "updateAgent", "setAgentKeys", "createTemplate", "createExternalAgent", "testExternalAgent", "setAgentConfig",
	"keepAgentVersion", "createAgentType", "a2aWebhook", "createArtifact", "updateArtifact",
	"refresh", "signOut", "whoami", "impersonate", "stopImpersonating", "deleteUser", "deleteUserKey", "deleteCourse", "removeMember", "deleteRoom",
	"attachAgent", "detachAgent", "activateAgent", "deleteAgent", "cloneTemplate", "syncAgent", "restoreAgentVersion", "deleteAgentType", "generateReport",
	"deleteArtifact",
}

// isStrict tells whether an operation refuses members that it does not know. Reads take no
// body at all, so nobody expects anything of one.
func isStrict(op *huma.Operation) bool {
	return op.Method != http.MethodGet && !slices.Contains(olderOperations, op.OperationID)
}

// namesFit checks the names in the body of a request. It takes from the body those that the
// decoder must not see, and returns an error about those that are refused. Forms and files
// have no members, and what is no JSON is for the decoder, which says so.
func (s *Server) namesFit(ctx huma.Context) error {
	op, req := ctx.Operation(), humafiber.Unwrap(ctx).Request()
	body, strict := req.Body(), isStrict(op)
	if len(body) == 0 || op.SkipValidateBody || tooDeep(body) {
		return nil
	}
	schema := &huma.Schema{AdditionalProperties: false}
	if op.RequestBody != nil {
		content := op.RequestBody.Content[fiber.MIMEApplicationJSON]
		if content == nil {
			return nil
		}
		schema = content.Schema
	}
	n := names{schemas: s.api.OpenAPI().Components.Schemas, strict: strict}
	if !n.read(body, "body", schema) {
		return nil
	}
	if len(n.faults) > 0 {
		return validationProblem(requestOf(ctx.Context()), http.StatusUnprocessableEntity, "", n.faults)
	}
	if len(n.hidden) > 0 {
		req.SetBodyRaw(n.without(body))
	}
	return nil
}

const (
	// maxNameFaults is how many wrong names one answer lists.
	maxNameFaults = 10
	// shownName is how many bytes of a client's name an answer repeats.
	shownName = 64
)

// names are the names of members in one JSON text.
type names struct {
	schemas huma.Registry
	strict  bool
	faults  []error
	hidden  []span // names that the decoder must not see

	levels []*nameLevel
}

// span is a part of a text.
type span struct{ from, to int }

// nameLevel is an object or a list that the reader is in.
type nameLevel struct {
	at      string
	schema  *huma.Schema // of it; nil for anything
	object  bool
	seen    map[string]span // the names in it that mean something
	name    string          // of the member whose value comes next
	isValue bool            // that value comes next, not a name
	count   int             // of the elements so far
}

// read checks a JSON text. It returns false if that is no JSON.
func (n *names) read(text []byte, at string, schema *huma.Schema) bool {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	n.levels = nil
	for first := true; first || len(n.levels) > 0; first = false {
		begin := int(dec.InputOffset())
		token, err := dec.Token()
		if err != nil {
			return false
		}
		delim, _ := token.(json.Delim)
		switch top := n.top(); {
		case delim == '}' || delim == ']':
			n.levels = n.levels[:len(n.levels)-1]
		case top != nil && top.object && !top.isValue:
			top.name, top.isValue = token.(string), true
			n.check(top, span{begin + bytes.IndexByte(text[begin:], '"'), int(dec.InputOffset())})
		default:
			inner := nameLevel{at: at, schema: n.resolved(schema)}
			if top != nil {
				inner.at, inner.schema = n.inner(top)
			}
			if delim != 0 {
				inner.object = delim == '{'
				n.levels = append(n.levels, &inner)
			}
		}
	}
	return true
}

func (n *names) top() *nameLevel {
	if len(n.levels) == 0 {
		return nil
	}
	return n.levels[len(n.levels)-1]
}

// inner returns where the value that comes next is, and its schema.
func (n *names) inner(of *nameLevel) (at string, schema *huma.Schema) {
	of.isValue = false
	if !of.object {
		of.count++
		if of.schema != nil {
			schema = of.schema.Items
		}
		return fmt.Sprintf("%s[%d]", of.at, of.count-1), n.resolved(schema)
	}
	if of.schema != nil {
		if schema = of.schema.Properties[of.name]; schema == nil {
			schema, _ = of.schema.AdditionalProperties.(*huma.Schema)
		}
	}
	return of.at + "." + store.Cut(of.name, shownName), n.resolved(schema)
}

func (n *names) resolved(schema *huma.Schema) *huma.Schema {
	for schema != nil && schema.Ref != "" {
		schema = n.schemas.SchemaFromRef(schema.Ref)
	}
	return schema
}

// check judges a name that was just read.
func (n *names) check(in *nameLevel, where span) {
	known := in.knows(in.name)
	before, again := in.seen[in.name]
	switch {
	case again && n.strict:
		n.fault(in, wording.Of("is there twice: send it once"))
	case again:
		n.hidden = append(n.hidden, before)
	case known:
	case n.strict:
		n.fault(in, in.remedy())
	case in.alike() != "":
		n.hidden = append(n.hidden, where)
	}
	if known && (n.strict || !in.free()) {
		if in.seen == nil {
			in.seen = map[string]span{}
		}
		in.seen[in.name] = where
	}
}

func (n *names) fault(in *nameLevel, text wording.Text) {
	if len(n.faults) < maxNameFaults {
		n.faults = append(n.faults, &huma.ErrorDetail{Location: in.at + "." + store.Cut(in.name, shownName), Message: text.String()})
	}
}

// free tells whether an object may have any names.
func (l *nameLevel) free() bool {
	if l.schema == nil {
		return true
	}
	_, each := l.schema.AdditionalProperties.(*huma.Schema)
	return each || l.schema.Properties == nil && l.schema.AdditionalProperties != false
}

func (l *nameLevel) knows(name string) bool {
	return l.free() || l.schema.Properties[name] != nil
}

// alike is the known name that differs from the one just read in its case alone. Go's
// decoder takes one for the other.
func (l *nameLevel) alike() string {
	for name := range l.schema.Properties {
		if strings.EqualFold(name, l.name) {
			return name
		}
	}
	return ""
}

// remedy says what to send in place of a name that is not known.
func (l *nameLevel) remedy() wording.Text {
	if name := l.alike(); name != "" {
		return wording.Of("is not known here: write %s", name)
	}
	if len(l.schema.Properties) == 0 {
		return wording.Of("is not known here: nothing is read, so leave it out")
	}
	return wording.Of("is not known here: leave it out, or send one of %s", strings.Join(slices.Sorted(maps.Keys(l.schema.Properties)), ", "))
}

// without is the text with the hidden names replaced by the empty one, which no struct has.
func (n *names) without(text []byte) []byte {
	slices.SortFunc(n.hidden, func(a, b span) int { return a.from - b.from })
	out, from := make([]byte, 0, len(text)), 0
	for _, h := range n.hidden {
		out = append(append(out, text[from:h.from]...), `""`...)
		from = h.to
	}
	return append(out, text[from:]...)
}
