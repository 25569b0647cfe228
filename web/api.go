package web

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
)

// route is one entry of the table in the files routes*.go. add and open set the method,
// the path and the id, which is the operationId for generated clients.
type route struct {
	method, path, id string
	summary          string
	description      string
	example          string // JSON of a body that is accepted; a test sends it
	tag              string
	status           int               // status of success, 200 when zero
	also             int               // a second status of success with the same body
	nullable         bool              // the body of success may be null
	errors           []int             // in addition to those that every route of its kind has
	role             app.Action        // what the caller's role must allow; checked before the body is read
	form             *huma.RequestBody // describes a body that the handler parses itself
	patient          bool              // waits for a model: patientTimeout bounds it
	upload           bool              // the body holds a file: http.upload_limit bounds it
	streams          bool              // the handler itself reads the body, by pieces
	peer             bool              // an agent outside this program calls it: its token is checked before the body is read
	twin             bool              // another spelling of an address that is documented; clients need one
	visitors         bool              // people without a session may come too: the handler's actor is nil then
	lateCookie       bool              // the cookie's token may have expired while its session lives
	large            int64             // about how many bytes making a large answer takes
}

// registered is a route as the access tests see it.
type registered struct {
	method, path string
	public       bool
	head         bool // HEAD is answered too
}

// apiConfig is huma's configuration for the contract: no $schema members, no Link
// headers, no routes of huma's own. Of unknown members see names.
func apiConfig(version, base string) huma.Config {
	cfg := huma.DefaultConfig("CoAgent Studio", version)
	cfg.CreateHooks = nil
	cfg.OpenAPIPath, cfg.DocsPath, cfg.SchemasPath = "", "", ""
	cfg.AllowAdditionalPropertiesByDefault = true
	cfg.Formats = map[string]huma.Format{
		"application/json": {Marshal: marshal, Unmarshal: unmarshal},
		"json":             {Marshal: marshal, Unmarshal: unmarshal},
	}
	cfg.Info.Description = "Rooms in which a class and AI agents talk in real time. Every error is a Problem. An id is a UUID in any spelling; answers use " +
		"lower case with hyphens. A body whose schema has additionalProperties or unevaluatedProperties false is refused for a member that is not listed, or that comes twice; in other " +
		"bodies such members are ignored. A change keeps what is not sent. A list that comes in pages has a Link to the next one, which is missing behind the last page."
	cfg.Info.License = &huma.License{Name: "MIT", Identifier: "MIT"}
	cfg.Servers = []*huma.Server{{URL: cmp.Or(base, "/"), Description: "Where this document is"}}
	cfg.Tags = documentTags()
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"cookie": {Type: "apiKey", In: "cookie", Name: cookieAccess, Description: "What signing in sets; browsers send it by themselves."},
		"bearer": {Type: "http", Scheme: "bearer", BearerFormat: "JWT", Description: "The same token in the Authorization header."},
		"password": {Type: "oauth2", Flows: &huma.OAuthFlows{Password: &huma.OAuthFlow{
			TokenURL: v1 + "/login/access-token", RefreshURL: v1 + "/login/refresh", Scopes: map[string]string{}}}},
	}
	return cfg
}

const (
	// maxDepth is how deep a JSON body may nest. No body of the API needs more than a few
	// levels.
	maxDepth = 64
	// maxValues is how many members and elements a JSON body may have; bytesPerValue
	// allows larger bodies more of them. Each takes in memory a hundred times the two
	// bytes that it may have in the text.
	maxValues     = 100_000
	bytesPerValue = 16
)

// tooDeep tells whether a JSON text nests objects and lists deeper than maxDepth.
func tooDeep(data []byte) bool {
	depth := 0
	for b := range structure(data) {
		switch b {
		case '{', '[':
			if depth++; depth > maxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// tooMany tells whether a JSON text has more members and elements than most.
func tooMany(data []byte, most int) bool {
	values := 0
	for b := range structure(data) {
		if b == '{' || b == '[' || b == ',' {
			values++
		}
		if values > most {
			return true
		}
	}
	return false
}

// structure yields the bytes of a JSON text outside its strings. It does not stop at
// invalid JSON: the decoder reports that.
func structure(data []byte) iter.Seq[byte] {
	return func(yield func(byte) bool) {
		quoted := false
		for i := 0; i < len(data); i++ {
			switch b := data[i]; {
			case quoted && b == '\\':
				i++ // skip the escaped byte: it does not end the string
			case b == '"':
				quoted = !quoted
			case !quoted && !yield(b):
				return
			}
		}
	}
}

// unmarshal is json.Unmarshal with errors that a person can act on.
func unmarshal(data []byte, v any) error {
	if tooDeep(data) {
		return wording.Errorf("nests more than %d levels deep: send a flatter one", maxDepth)
	}
	if most := max(maxValues, len(data)/bytesPerValue); tooMany(data, most) {
		return wording.Errorf("holds more than %d values: send fewer at once", most)
	}
	err := json.Unmarshal(data, v)
	if whole := wholeNumbers(err, data); whole != nil {
		err = json.Unmarshal(whole, v)
	}
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return wording.Errorf("must be valid JSON: %v at byte %d", err, syntax.Offset)
	case errors.As(err, &kind) && kind.Field != "":
		member := kind.Field[strings.LastIndexByte(kind.Field, '.')+1:]
		return wording.Errorf("%s does not fit: it holds a %s", member, kind.Value)
	case errors.As(err, &kind):
		return wording.Errorf("holds a %s that does not fit", kind.Value)
	}
	return err
}

// wholeNumbers returns a JSON text with 5.0 and 5e0 rewritten to 5 when err says that a
// number did not fit; else nil. For JSON Schema both are whole numbers, for the decoder
// they are not.
func wholeNumbers(err error, data []byte) []byte {
	var kind *json.UnmarshalTypeError
	if !errors.As(err, &kind) || !strings.HasPrefix(kind.Value, "number") {
		return nil
	}
	var out []byte
	quoted, from := false, 0
	for i := 0; i < len(data); i++ {
		switch b := data[i]; {
		case quoted && b == '\\':
			i++
		case b == '"':
			quoted = !quoted
		case !quoted && (b == '-' || b >= '0' && b <= '9'):
			end := i + 1
			for end < len(data) && strings.IndexByte("0123456789+-.eE", data[end]) >= 0 {
				end++
			}
			if n, err := strconv.ParseFloat(string(data[i:end]), 64); err == nil && n == math.Trunc(n) && math.Abs(n) <= maxWhole {
				out = strconv.AppendFloat(append(out, data[from:i]...), n, 'f', -1, 64)
				from = end
			}
			i = end - 1
		}
	}
	return append(out, data[from:]...)
}

// maxWhole is the bound up to which a float64 holds every whole number exactly.
const maxWhole = 1 << 53

type humaContext = huma.Context

// adapted corrects four things in huma's view of a Fiber request.
type adapted struct{ humaContext }

func adapt(ctx huma.Context, next func(huma.Context)) { next(adapted{ctx}) }

// Unwrap lets humafiber find its own context.
func (a adapted) Unwrap() huma.Context { return a.humaContext }

// AppendHeader adds one more header line. Fiber would join two cookies into one.
func (a adapted) AppendHeader(name, value string) {
	humafiber.Unwrap(a.humaContext).Response().Header.Add(name, value)
}

// Param returns a decoded path parameter. Fiber leaves it percent-encoded.
func (a adapted) Param(name string) string {
	raw := a.humaContext.Param(name)
	if decoded, err := url.PathUnescape(raw); err == nil {
		return decoded
	}
	return raw
}

// BodyReader returns the body that received has read. Afterwards only the caller holds
// the body.
func (a adapted) BodyReader() io.Reader {
	req := humafiber.Unwrap(a.humaContext).Request()
	body := req.Body()
	req.SetBodyRaw(nil)
	return bytes.NewReader(body)
}

// Header returns a header, but hides Accept: every answer is JSON, whatever a client
// prefers.
func (a adapted) Header(name string) string {
	if name == fiber.HeaderAccept {
		return ""
	}
	return a.humaContext.Header(name)
}

// bodyLimit returns the largest body of a route for signed-in people.
func (s *Server) bodyLimit(r route) config.Bytes {
	if r.upload {
		return s.cfg.HTTP.UploadLimit
	}
	if r.visitors {
		return s.cfg.HTTP.OpenBodyLimit
	}
	return s.cfg.HTTP.BodyLimit
}

// received reads the body before huma asks for it, and checks the names in it.
func (s *Server) received(most config.Bytes) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		person := ""
		if actor := actorOf(ctx.Context()); actor != nil {
			person = actor.User.ID
		}
		if err := s.receive(humafiber.Unwrap(ctx), most, person); err != nil {
			s.fail(ctx, err)
			return
		}
		if err := s.namesFit(ctx); err != nil {
			s.fail(ctx, err)
			return
		}
		next(ctx)
	}
}

// plain registers a page or a file that is not part of the documented API.
func (s *Server) plain(path string, handle ...fiber.Handler) {
	s.fiber.Get(path, handle...)
	s.table = append(s.table, registered{http.MethodGet, fiberParam.ReplaceAllString(path, "{$1}"), true, true})
}

var fiberParam = regexp.MustCompile(`:([a-z_]+)`)
