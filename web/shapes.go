package web

import (
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// id is the id of a thing in any spelling of a UUID; String is the one under
// which it is stored.
type id string

// Schema describes an id; huma refuses what is no UUID by it.
func (id) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "uuid", Description: "Any spelling of a UUID; answers use lower case with hyphens"}
}

// String is the canonical form, lower case with hyphens (RFC 9562).
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

// Schema is that of the value, and null.
func (opt[T]) Schema(r huma.Registry) *huma.Schema {
	if reflect.TypeFor[T]() == reflect.TypeFor[json.RawMessage]() {
		return &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true, Nullable: true}
	}
	s := *huma.SchemaFromType(r, reflect.TypeFor[T]())
	s.Nullable = true
	return &s
}

// jsonObject is a JSON object that a client owns, in the order it was sent.
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

// PageIn is the window that a client asks for. Like every struct that requests
// embed it is exported, because huma passes over the others.
type PageIn struct {
	Skip  int `query:"skip" minimum:"0" maximum:"1000000" default:"0" doc:"How many to leave out"`
	Limit int `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"How many to list at most"`
}

func (p PageIn) page() store.Page { return store.Page{Skip: p.Skip, Limit: p.Limit} }

// everything is the window of lists that the contract does not cut into pages.
var everything = store.Page{Limit: store.MaxLimit}

// empty is an answer without a body, or a request without one.
type empty struct{}

// saidOut is the answer of routes that only say what happened.
type saidOut struct {
	Message string `json:"message" doc:"What happened"`
}

type messageOut struct{ Body saidOut }

func said(text string) *messageOut { return &messageOut{saidOut{text}} }

// DryRunIn lets a deletion tell what it would take along.
type DryRunIn struct {
	DryRun bool `query:"dry_run" doc:"true deletes nothing and answers 200 with counts of what would go"`
}

// countsOut is the answer to a dry run.
type countsOut struct {
	DryRun bool         `json:"dry_run" enum:"true"`
	Counts store.Counts `json:"counts" doc:"What would be deleted along, by kind"`
}

// deletedOut is 204 without a body, or 200 with what a dry run has counted;
// the route says also: 200.
type deletedOut struct {
	Status int
	Body   *countsOut
}

// deleted is the answer of a deletion; counts is nil unless it was a dry run.
func deleted(counts store.Counts) *deletedOut {
	if counts == nil {
		return &deletedOut{Status: http.StatusNoContent}
	}
	return &deletedOut{Status: http.StatusOK, Body: &countsOut{true, counts}}
}

// orCounts is the body of a deletion that answers with what it deleted: that,
// or what a dry run has counted.
type orCounts[T any] struct {
	deleted T
	counts  store.Counts
}

// MarshalJSON gives one or the other.
func (o orCounts[T]) MarshalJSON() ([]byte, error) {
	if o.counts != nil {
		return json.Marshal(countsOut{true, o.counts})
	}
	return json.Marshal(o.deleted)
}

// Schema is either.
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

// listOf turns rows into their public form; no rows are [], never null.
func listOf[R, O any](rows []R, form func(*R) O) []O {
	out := make([]O, len(rows))
	for i := range rows {
		out[i] = form(&rows[i])
	}
	return out
}

// instant is a time as it leaves: UTC, in microseconds, RFC 3339 with Z.
func instant(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
