package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// statusOf is the only table from kinds of errors to HTTP status codes.
var statusOf = map[app.Kind]int{
	app.KindInvalid:         http.StatusUnprocessableEntity,
	app.KindRejected:        http.StatusBadRequest,
	app.KindUnauthenticated: http.StatusUnauthorized,
	app.KindForbidden:       http.StatusForbidden,
	app.KindNotFound:        http.StatusNotFound,
	app.KindConflict:        http.StatusConflict,
	app.KindTooLarge:        http.StatusRequestEntityTooLarge,
	app.KindLimited:         http.StatusTooManyRequests,
	app.KindUpstream:        http.StatusBadGateway,
	app.KindUnavailable:     http.StatusServiceUnavailable,
	app.KindInternal:        http.StatusInternalServerError,
}

// problem is the body of every error.
type problem struct {
	Detail    string        `json:"detail" doc:"What went wrong, in English" example:"Course not found"`
	Message   string        `json:"message" doc:"detail in the language of Accept-Language" example:"Course not found"`
	Code      problemCode   `json:"code" doc:"See docs/problems.md" example:"not_found"`
	Params    textParams    `json:"params,omitempty"`
	Errors    []fieldError  `json:"errors,omitempty"`
	Conflicts []conflictOut `json:"conflicts,omitempty" doc:"Of merge_conflict: the first 20 blocks that both have changed"`
	RequestID string        `json:"request_id" doc:"As in the server's log"`

	status int
	header http.Header
}

// Error returns the text for the person.
func (p *problem) Error() string { return p.Detail }

// GetStatus returns the HTTP status, for huma.
func (p *problem) GetStatus() int { return p.status }

// GetHeaders returns the headers that go with the error, for huma.
func (p *problem) GetHeaders() http.Header { return p.header }

// problemOf turns any error into the answer. It logs errors of the server (5xx).
func (s *Server) problemOf(ctx context.Context, err error) *problem {
	var known *problem
	if errors.As(err, &known) {
		return known
	}
	var e *app.Error
	switch {
	case errors.As(err, &e) && e.Kind != app.KindInternal:
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		e = &app.Error{Kind: app.KindUnavailable, Code: wording.Timeout, Message: "The server took too long. Try again in a moment."}
	case errors.Is(err, store.ErrFull):
		e = app.StorageFull(err)
	default:
		e = &app.Error{Kind: app.KindInternal, Code: wording.Internal, Message: "Internal server error"}
	}
	p := newProblem(requestOf(ctx), statusOf[e.Kind], e)
	if p.status >= http.StatusInternalServerError {
		s.log.LogAttrs(ctx, slog.LevelError, "request failed", slog.Int("status", p.status), slog.String("error", err.Error()))
	}
	return p
}

// newProblem makes the answer for an error, in the language of the person.
func newProblem(r *request, status int, e *app.Error) *problem {
	lang := r.language()
	said := *e
	said.Fields = located(e.Fields, r.query)
	p := &problem{Detail: e.Message, Message: said.In(lang), Code: problemCode(e.Code), Params: said.Wording().Params(), RequestID: r.id,
		status: status, header: http.Header{}}
	for _, f := range said.Fields {
		text := f.Wording()
		p.Errors = append(p.Errors, fieldError{f.Field, text.In(lang), fieldCode(text.Code()), text.Params()})
	}
	for _, c := range e.Conflicts {
		p.Conflicts = append(p.Conflicts, conflictOut(c))
	}
	if e.RetryAfter > 0 {
		p.header.Set("Retry-After", strconv.Itoa(e.RetrySeconds()))
	}
	if e.Kind == app.KindUnauthenticated {
		p.header.Set("WWW-Authenticate", "Bearer")
	}
	return p
}

// located says of members that are in the address that they are not in the body, where
// app expects all of them.
func located(fields []app.FieldError, query string) []app.FieldError {
	if len(fields) == 0 || query == "" {
		return fields
	}
	in, err := url.ParseQuery(query)
	if err != nil {
		return fields
	}
	fields = slices.Clone(fields)
	for i, f := range fields {
		if name := strings.TrimPrefix(f.Field, "body."); in.Has(name) {
			fields[i].Field = "query." + name
		}
	}
	return fields
}

// failed writes an error from Fiber or from one of our Fiber handlers.
func (s *Server) failed(c *fiber.Ctx, err error) error {
	begin(c, "")
	ctx := c.UserContext()
	var fe *fiber.Error
	if errors.As(err, &fe) {
		err = newProblem(requestOf(ctx), fe.Code, fiberFault(fe.Code))
	}
	p := s.problemOf(ctx, err)
	for name, values := range p.header {
		for _, v := range values {
			c.Response().Header.Add(name, v)
		}
	}
	return c.Status(p.status).JSON(p)
}

// fiberFault is the error for a request that Fiber or huma refuses before it reaches a
// rule.
func fiberFault(status int) *app.Error {
	e := &app.Error{Code: httpCode(status)}
	switch status {
	case http.StatusRequestEntityTooLarge:
		e.Message = "The request is too large"
	case http.StatusRequestHeaderFieldsTooLarge:
		e.Message = "The header of the request is too large; delete this site's cookies and try again"
	default:
		e.Message = http.StatusText(status)
	}
	return e
}

// httpCode returns the machine-readable code of a status: 404 is "not_found".
func httpCode(status int) wording.Code {
	code := wording.Code(strings.ReplaceAll(strings.ToLower(http.StatusText(status)), " ", "_"))
	switch {
	case status == http.StatusRequestEntityTooLarge:
		return wording.TooLarge
	case slices.Contains(wording.Codes(false), string(code)):
		return code
	case status >= http.StatusInternalServerError:
		return wording.Internal
	}
	return wording.BadRequest
}

// fail writes an error from a middleware of huma.
func (s *Server) fail(ctx huma.Context, err error) {
	// Encoding these few texts as JSON cannot fail.
	_ = s.failed(humafiber.Unwrap(ctx), err)
}

// installProblems makes huma answer with our errors. huma keeps its error functions in
// package variables, so they are set once for the process.
var installProblems = sync.OnceFunc(func() {
	huma.DefaultArrayNullable = false // no answer has null for a list
	huma.NewErrorWithContext = func(ctx huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return validationProblem(requestOf(ctx.Context()), status, msg, errs)
	}
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError {
		return validationProblem(new(request), status, msg, errs)
	}
	validation.MsgExpectedBoolean = "must be true or false"
	validation.MsgExpectedNumber = "must be a number"
	validation.MsgExpectedInteger = "must be a whole number"
	validation.MsgExpectedString = "must be a text"
	validation.MsgExpectedArray = "must be a list"
	validation.MsgExpectedObject = "must be an object"
	validation.MsgExpectedMinimumNumber = "must be %v or more"
	validation.MsgExpectedMaximumNumber = "must be %v or less"
	validation.MsgExpectedRFC4122UUID = "must be a UUID such as 0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90 (%v)"
	validation.MsgExpectedRequiredProperty = missingMember + "%s"
})

// missingMember comes before the name of a member that was not sent. huma reports such a
// fault at the object that lacks the member.
const missingMember = "is missing: "

// plainer has simpler words for those messages of huma that no variable can change.
var plainer = map[string]string{
	"invalid integer":                     "must be a whole number",
	"invalid float":                       "must be a number",
	"invalid boolean":                     "must be true or false",
	"required query parameter is missing": "is missing: add it to the address",
	"required path parameter is missing":  "is missing in the address",
	"request body is required":            "is missing: send one",
	"invalid UUID format":                 "must be a UUID",
	"expected at most one value, but received multiple values": "must be sent once",
}

// validationProblem is the answer to a request that does not fit its schema. It never
// repeats values: a body may contain a password.
func validationProblem(r *request, status int, msg string, errs []error) *problem {
	unreadable := status == http.StatusUnsupportedMediaType
	if status != http.StatusBadRequest && !unreadable && status != http.StatusUnprocessableEntity {
		e := fiberFault(status)
		e.Message = msg
		return newProblem(r, status, e)
	}
	e := &app.Error{Kind: app.KindInvalid, Code: wording.Invalid}
	for _, err := range errs {
		field := app.FieldError{Field: "body", Message: err.Error()}
		var d *huma.ErrorDetail
		if errors.As(err, &d) {
			field = app.FieldError{Field: d.Location, Message: d.Message}
		}
		if member, ok := strings.CutPrefix(field.Message, missingMember); ok {
			field = app.FieldError{Field: field.Field + "." + member, Message: "is missing"}
		}
		if unreadable && strings.HasPrefix(field.Message, huma.ErrUnknownContentType.Error()) {
			field.Message = "must be JSON, with Content-Type: application/json"
		}
		e.Fields = append(e.Fields, field)
	}
	if len(errs) == 0 {
		e.Fields = []app.FieldError{{Field: "body", Message: msg}}
	}
	for i := range e.Fields {
		f := &e.Fields[i]
		if better, ok := plainer[f.Message]; ok {
			f.Message = better
		}
		f.Text = wording.Recognise(f.Message)
	}
	e.Message = sentence(e.Fields)
	return newProblem(r, http.StatusUnprocessableEntity, e)
}

// sentence joins all wrong members into one text. It leaves out the "body." that only
// programs need.
func sentence(fields []app.FieldError) string {
	parts := make([]string, len(fields))
	for i, f := range fields {
		name := f.Field
		if _, member, ok := strings.Cut(name, "."); ok {
			name = member
		}
		parts[i] = fmt.Sprintf("%s: %s", name, f.Message)
	}
	return strings.Join(parts, "; ")
}
