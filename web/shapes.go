package web

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/validation"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// id is an id in any spelling of a UUID. String returns the stored spelling.
type id string

// Schema describes an id. By it huma refuses what is no UUID.
func (id) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", Description: idText}
}

// idText is what /openapi.json says of all ids at once.
const idText = "Any spelling of a UUID; answers use lower case with hyphens"

// String returns the canonical form, lower case with hyphens (RFC 9562).
func (i id) String() string {
	if i == "" {
		return ""
	}
	u, err := uuid.Parse(string(i))
	if err != nil {
		return string(i)
	}
	return u.String()
}

// opt is a member that may be absent, null or a value.
type opt[T any] struct{ app.Opt[T] }

// Schema returns the schema of the value, or null.
func (opt[T]) Schema(r huma.Registry) *huma.Schema {
	if reflect.TypeFor[T]() == reflect.TypeFor[json.RawMessage]() {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
	}
	s := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return &s
}

// maybe is an object, or null.
type maybe[T any] struct{ object *T }

// MarshalJSON gives the object, or null.
func (m maybe[T]) MarshalJSON() ([]byte, error) { return json.Marshal(m.object) }

// Schema returns the schema of the object, or null.
func (maybe[T]) Schema(r huma.Registry) *huma.Schema {
	s := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return &s
}

// jsonObject is a JSON object of a client, with its members in the order in which they
// were sent.
type jsonObject store.JSON

// MarshalJSON gives the stored text.
func (j jsonObject) MarshalJSON() ([]byte, error) { return storedJSON(string(j), "null"), nil }

// Schema is any object, or null.
func (jsonObject) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
}

// jsonTexts is a stored list of texts.
type jsonTexts store.JSON

// MarshalJSON gives the stored text.
func (j jsonTexts) MarshalJSON() ([]byte, error) { return storedJSON(string(j), "[]"), nil }

// Schema is a list of texts.
func (jsonTexts) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeArray, Items: &huma.Schema{Type: huma.TypeString}}
}

func storedJSON(text, empty string) []byte {
	if text == "" {
		return []byte(empty)
	}
	return []byte(text)
}

// PageIn is the part of a list that a client asks for. It is exported, like every struct
// that requests embed: huma ignores others.
type PageIn struct {
	Skip  int `query:"skip" minimum:"0" maximum:"1000000" default:"0"`
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

func (p PageIn) page() store.Page { return store.Page{Skip: p.Skip, Limit: p.Limit} }

// everything is the page for lists that the contract does not split.
var everything = store.Page{Limit: store.MaxLimit}

// empty is an answer without a body, or a request without one.
type empty struct{}

// saidOut is the answer of routes that only report what happened.
type saidOut struct {
	Message string `json:"message"`
}

type messageOut struct{ Body saidOut }

// said returns the answer that says what happened, or the error of what failed.
func said(text string, err error) (*messageOut, error) { return &messageOut{saidOut{text}}, err }

// oneOut is the answer with one object.
type oneOut[O any] struct{ Body O }

// formed returns the answer with a row in its public form, or the error of what should
// have given the row.
func formed[R, O any](row *R, err error, form func(*R) O) (*oneOut[O], error) {
	if err != nil {
		return nil, err
	}
	return &oneOut[O]{form(row)}, nil
}

// DryRunIn makes a deletion only count what it would delete too.
type DryRunIn struct {
	DryRun bool `query:"dry_run" doc:"true deletes nothing and answers 200 with counts of what would go"`
}

// Resolve refuses a dry run without a value.
func (*DryRunIn) Resolve(ctx huma.Context) []error { return flagged(ctx, "dry_run") }

// flagged refuses a query parameter that is there without a value. huma takes it for an
// absent one, so who writes ?dry_run would delete.
func flagged(ctx huma.Context, name string) []error {
	at := ctx.URL()
	if q := at.Query(); q.Has(name) && q.Get(name) == "" {
		return []error{&huma.ErrorDetail{Location: "query." + name, Message: validation.MsgExpectedBoolean}}
	}
	return nil
}

// countsOut is the answer to a dry run.
type countsOut struct {
	DryRun bool         `json:"dry_run" enum:"true"`
	Counts store.Counts `json:"counts" doc:"By kind"`
}

// deletedOut is 204 without a body, or 200 with the counts of a dry run. The route needs
// also: 200.
type deletedOut struct {
	Status int
	Body   *countsOut
}

// deleted returns the answer of a deletion, or its error. counts is nil unless it was a
// dry run.
func deleted(counts store.Counts, err error) (*deletedOut, error) {
	if counts == nil {
		return &deletedOut{Status: http.StatusNoContent}, err
	}
	return &deletedOut{Status: http.StatusOK, Body: &countsOut{true, counts}}, err
}

// orCounts is the body of a deletion: what it deleted, or the counts of a dry run.
type orCounts[T any] struct {
	deleted T
	counts  store.Counts
}

// MarshalJSON encodes the one that is set.
func (o orCounts[T]) MarshalJSON() ([]byte, error) {
	if o.counts != nil {
		return json.Marshal(countsOut{true, o.counts})
	}
	return json.Marshal(o.deleted)
}

// Schema allows either.
func (orCounts[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), r.Schema(reflect.TypeFor[countsOut](), true, "")}}
}

// orNull is an object that may be missing.
type orNull[T any] struct{ of *T }

// MarshalJSON gives the object or null.
func (o orNull[T]) MarshalJSON() ([]byte, error) { return json.Marshal(o.of) }

// Schema is that of the object, or null.
func (orNull[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{r.Schema(reflect.TypeFor[T](), true, ""), {Type: "null"}}}
}

// listOf turns rows into their public form. No rows give [], never null.
func listOf[R, O any](rows []R, form func(*R) O) []O {
	out := make([]O, len(rows))
	for i := range rows {
		out[i] = form(&rows[i])
	}
	return out
}

// worded is a reason in the language of the request. Those that are stored are in English.
func worded(ctx context.Context, text string) string {
	return wording.Reword(text, requestOf(ctx).language())
}

// wordedOrNil is worded for what may be missing.
func wordedOrNil(ctx context.Context, text *string) *string {
	if text == nil {
		return nil
	}
	return new(worded(ctx, *text))
}

// instant returns a time as clients see it: UTC, in microseconds, RFC 3339 with Z.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
