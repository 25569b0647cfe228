package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
)

// operation is a route as huma knows it.
type operation struct {
	huma.Operation
	route  route
	answer answerParts
}

// handler gets a pointer to the request of its route and returns one to the answer.
type handler func(ctx context.Context, in any) (any, error)

// add registers a route for signed-in people.
func add[I, O any](s *Server, method, path, id string, handle func(context.Context, *app.Actor, *I) (*O, error), r route) {
	r.method, r.path, r.id = method, path, id
	register[I](s, s.closed(r, reflect.TypeFor[O]()), func(ctx context.Context, in any) (any, error) {
		return handle(ctx, actorOf(ctx), in.(*I))
	})
}

func (s *Server) closed(r route, answer reflect.Type) *operation {
	op := s.operation(r, answer, false)
	op.Middlewares = huma.Middlewares{s.authenticated(r), s.received(s.bodyLimit(r))}
	if r.streams {
		op.Middlewares[1] = withFiber
	}
	return op
}

type fiberKey struct{}

// withFiber gives the handler of a route the request itself, see fiberOf.
func withFiber(ctx huma.Context, next func(huma.Context)) {
	next(huma.WithValue(ctx, fiberKey{}, humafiber.Unwrap(ctx)))
}

func fiberOf(ctx context.Context) *fiber.Ctx {
	c, _ := ctx.Value(fiberKey{}).(*fiber.Ctx)
	return c
}

// open registers a public route. Its handler gets the request itself, for cookies and
// addresses.
func open[I, O any](s *Server, method, path, id string, handle func(context.Context, *fiber.Ctx, *I) (*O, error), r route) {
	r.method, r.path, r.id = method, path, id
	register[I](s, s.opened(r, reflect.TypeFor[O]()), func(ctx context.Context, in any) (any, error) {
		return handle(ctx, fiberOf(ctx), in.(*I))
	})
}

func (s *Server) opened(r route, answer reflect.Type) *operation {
	op := s.operation(r, answer, true)
	op.Middlewares = huma.Middlewares{s.received(s.cfg.HTTP.OpenBodyLimit), withFiber}
	if r.peer {
		op.Middlewares = huma.Middlewares{s.fromPeer, s.received(s.bodyLimit(r))}
	}
	return op
}

// register registers an operation with huma. For huma every answer has the same type,
// which writes itself: huma.Register is compiled anew for each pair of request and
// answer, at 25 kB of the binary each. The document and the bytes sent come from the
// answer's own type, by huma's rules.
func register[I any](s *Server, op *operation, handle handler) {
	op.documentIn(s.api.OpenAPI().Components.Schemas, reflect.TypeFor[I]())
	huma.Register(s.api, op.Operation, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		return s.answered(ctx, op, handle, in)
	})
	s.enter(op)
}

// oneID is the request of a route whose address has one id and which takes nothing else.
// huma reads other requests from their tags. Here the name of the parameter comes from
// the path, so that all these routes share one type.
type oneID struct{ ID id }

// twoIDs is oneID for an address with two ids, in their order.
type twoIDs struct{ First, Second id }

// pageOf is the request of a list in pages, of what the id in the address names.
type pageOf struct {
	ID id
	PageIn
}

// deletionOf is the request to delete what the id in the address names, or to count what
// would go with it.
type deletionOf struct {
	ID id
	DryRunIn
}

// decisionIn is the decision on what an agent wants to do. The first id in the address is
// that of the room or the thread, the second that of the step.
type decisionIn struct {
	First, Second id
	Body          struct {
		Decision string `json:"decision" enum:"approve,reject"`
		Note     string `json:"note,omitempty" doc:"Told to the agent when refused"`
	}
}

// idRequests are the requests whose ids huma does not see.
var idRequests = []reflect.Type{reflect.TypeFor[oneID](), reflect.TypeFor[twoIDs](), reflect.TypeFor[pageOf](), reflect.TypeFor[eventsIn](),
	reflect.TypeFor[deletionOf](), reflect.TypeFor[decisionIn]()}

// documentIn documents the ids of a request that huma does not see.
func (op *operation) documentIn(schemas huma.Registry, in reflect.Type) {
	if !slices.Contains(idRequests, in) {
		return
	}
	op.Parameters = nil
	for _, param := range pathParam.FindAllStringSubmatch(op.Path, -1) {
		schema := huma.SchemaFromField(schemas, in.Field(0), "")
		op.Parameters = append(op.Parameters, &huma.Param{Name: param[1], In: "path", Description: schema.Description, Required: true, Schema: schema})
	}
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

// Resolve reads and checks the id in the address, as huma would.
func (in *oneID) Resolve(ctx huma.Context) []error { return resolveIDs(ctx, &in.ID) }

// Resolve reads and checks both ids.
func (in *twoIDs) Resolve(ctx huma.Context) []error { return resolveIDs(ctx, &in.First, &in.Second) }

// Resolve reads and checks the id.
func (in *pageOf) Resolve(ctx huma.Context) []error { return resolveIDs(ctx, &in.ID) }

// Resolve reads and checks the id.
func (in *eventsIn) Resolve(ctx huma.Context) []error { return resolveIDs(ctx, &in.ID) }

// Resolve reads and checks the id and the flag. huma asks the outermost type alone.
func (in *deletionOf) Resolve(ctx huma.Context) []error {
	return append(resolveIDs(ctx, &in.ID), in.DryRunIn.Resolve(ctx)...)
}

// Resolve reads and checks both ids.
func (in *decisionIn) Resolve(ctx huma.Context) []error {
	return resolveIDs(ctx, &in.First, &in.Second)
}

func resolveIDs(ctx huma.Context, into ...*id) []error {
	res := &huma.ValidateResult{}
	for i, to := range into {
		param := ctx.Operation().Parameters[i]
		value := ctx.Param(param.Name)
		at := huma.NewPathBuffer(nil, 0)
		at.Push(param.In)
		at.Push(param.Name)
		huma.Validate(nil, param.Schema, at, huma.ModeWriteToServer, value, res)
		*to = id(value)
	}
	return res.Errors
}

// answered runs the handler of a route within the route's limits of time and memory.
func (s *Server) answered(ctx context.Context, op *operation, handle handler, in any) (*huma.StreamResponse, error) {
	if op.route.patient {
		var done context.CancelFunc
		ctx, done = context.WithTimeout(context.WithoutCancel(ctx), patientTimeout)
		defer done()
	}
	if op.route.large > 0 {
		if err := s.reserve(ctx, requestOf(ctx), op.route.large); err != nil {
			return nil, s.problemOf(ctx, err)
		}
	}
	out, err := handle(ctx, in)
	if err != nil {
		return nil, s.problemOf(ctx, err)
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) { op.answer.send(s.api, hc, reflect.ValueOf(out)) }}, nil
}

// enter adds a route to the table. It also documents what huma cannot express: an example
// of the body, a second status of success, and a body that may be null.
func (s *Server) enter(op *operation) {
	r := op.route
	s.table = append(s.table, registered{r.method, r.path, op.Security == nil, false})
	documented := operationAt(s.api.OpenAPI().Paths[r.path], r.method)
	if r.twin {
		documented.Extensions = map[string]any{isTwin: true}
	}
	if r.streams {
		documented.RequestBody = r.form
	}
	if r.example != "" {
		documented.RequestBody.Content[fiber.MIMEApplicationJSON].Example = json.RawMessage(r.example)
	}
	if r.also == 0 && !r.nullable {
		return
	}
	responses := documented.Responses
	success := responses[fmt.Sprint(op.DefaultStatus)]
	if r.nullable {
		body := success.Content[fiber.MIMEApplicationJSON]
		body.Schema = &huma.Schema{AnyOf: []*huma.Schema{body.Schema, {Type: "null"}}}
	}
	if r.also != 0 {
		twin := *success
		twin.Description = http.StatusText(r.also)
		responses[fmt.Sprint(r.also)] = &twin
		switch {
		case r.also == http.StatusNotModified:
			twin.Content = nil
		case r.status == http.StatusNoContent:
			success.Content = nil
		}
	}
}

func operationAt(item *huma.PathItem, method string) *huma.Operation {
	return map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPost: item.Post,
		http.MethodPut: item.Put, http.MethodPatch: item.Patch, http.MethodDelete: item.Delete}[method]
}

func (s *Server) operation(r route, answer reflect.Type, public bool) *operation {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	op := &operation{route: r, answer: partsOf(answer)}
	op.Operation = huma.Operation{Method: r.method, Path: r.path, OperationID: r.id, Summary: r.summary, Description: r.description,
		Tags:          []string{r.tag},
		DefaultStatus: r.status,
		// received has read the body before huma asks for it.
		MaxBodyBytes: -1, BodyReadTimeout: -1}
	op.answer.document(s.api.OpenAPI().Components.Schemas, &op.Operation)
	if r.form != nil && !r.streams { // huma would read a body of which it knows
		op.RequestBody, op.SkipValidateBody = r.form, true
	}
	op.Errors = append(op.Errors, r.errors...)
	if !public {
		op.Security = []map[string][]string{{"cookie": {}}, {"bearer": {}}, {"password": {}}}
		op.Errors = append(op.Errors, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden)
	}
	if r.visitors {
		op.Security = append(op.Security, map[string][]string{})
	}
	if r.method != http.MethodGet {
		op.Errors = append(op.Errors, http.StatusForbidden, http.StatusRequestEntityTooLarge)
	}
	op.Errors = append(op.Errors, http.StatusUnprocessableEntity, http.StatusServiceUnavailable)
	if strings.HasPrefix(r.path, v1) {
		op.Errors = append(op.Errors, http.StatusTooManyRequests) // see Server.admitAddress
	}
	return op
}

// answerParts says where the parts of an answer are in its type. Each may be missing: a
// Status, a Body, and texts or cookies with the tag header.
type answerParts struct {
	of           reflect.Type
	status, body int // indexes of fields, -1 when missing
	headers      []int
}

func partsOf(of reflect.Type) answerParts {
	form := answerParts{of: of, status: -1, body: -1}
	for i := range of.NumField() {
		switch f := of.Field(i); {
		case f.Tag.Get("header") != "":
			form.headers = append(form.headers, i)
		case f.Name == "Status":
			form.status = i
		case f.Name == "Body":
			form.body = i
		}
	}
	return form
}

// document describes the answer in an operation.
func (a answerParts) document(schemas huma.Registry, op *huma.Operation) {
	success := &huma.Response{Description: http.StatusText(op.DefaultStatus)}
	op.Responses = map[string]*huma.Response{strconv.Itoa(op.DefaultStatus): success}
	if a.body >= 0 && a.of.Field(a.body).Type.Kind() != reflect.Func {
		schema := huma.SchemaFromField(schemas, a.of.Field(a.body), a.of.Name()+"Body")
		success.Content = map[string]*huma.MediaType{fiber.MIMEApplicationJSON: {Schema: schema}}
	}
	for _, i := range a.headers {
		f := a.of.Field(i)
		f.Type = reflect.TypeFor[string]() // a cookie is documented as text too
		if success.Headers == nil {
			success.Headers = map[string]*huma.Param{}
		}
		success.Headers[f.Tag.Get("header")] = &huma.Header{Schema: huma.SchemaFromField(schemas, f, "")}
	}
}

// send writes an answer. An error makes it panic, as huma would: the answer has begun.
func (a answerParts) send(api huma.API, hc huma.Context, out reflect.Value) {
	status := hc.Operation().DefaultStatus
	if out.IsNil() {
		hc.SetStatus(status)
		return
	}
	out = out.Elem()
	for _, i := range a.headers {
		name := a.of.Field(i).Tag.Get("header")
		switch value := out.Field(i).Interface().(type) {
		case string:
			hc.SetHeader(name, value)
		case []http.Cookie:
			for _, cookie := range value {
				hc.AppendHeader(name, cookie.String())
			}
		}
	}
	if a.status >= 0 {
		status = int(out.Field(a.status).Int())
	}
	if a.body < 0 {
		hc.SetStatus(status)
		return
	}
	body := out.Field(a.body).Interface()
	if stream, ok := body.(func(huma.Context)); ok {
		stream(hc)
		return
	}
	if other, ok := body.(textual); ok {
		if kind, text := other.asText(); kind != "" {
			hc.SetHeader(fiber.HeaderContentType, kind)
			hc.SetStatus(status)
			_, _ = hc.BodyWriter().Write(text) // it goes into memory
			return
		}
	}
	hc.SetHeader(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
	hc.SetStatus(status)
	if status == http.StatusNoContent {
		return
	}
	if err := api.Marshal(hc.BodyWriter(), fiber.MIMEApplicationJSON, body); err != nil {
		panic(fmt.Errorf("answer of %s %s: %w", hc.Operation().Method, hc.Operation().Path, err))
	}
}
