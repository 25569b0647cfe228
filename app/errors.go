package app

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Kind is the sort of failure of an Error. The web package maps it to an HTTP status,
// the job queue to a job's outcome.
type Kind string

// The kinds of failure, with the HTTP status that web gives each.
const (
	KindInvalid         Kind = "invalid"         // 422: a member is missing or out of range
	KindRejected        Kind = "rejected"        // 400: refused by a rule for which the API's contract says 400
	KindUnauthenticated Kind = "unauthenticated" // 401
	KindForbidden       Kind = "forbidden"       // 403
	KindNotFound        Kind = "not_found"       // 404
	KindConflict        Kind = "conflict"        // 409
	KindTooLarge        Kind = "too_large"       // 413
	KindLimited         Kind = "limited"         // 429
	KindUpstream        Kind = "upstream"        // 502: a model provider or another agent failed
	KindUnavailable     Kind = "unavailable"     // 503: try again later
	KindInternal        Kind = "internal"        // 500: our fault; the person sees only a request id
)

// Error is the only error type that leaves this package. Message and Fields are written
// for the person who caused it. Err is only for the log.
type Error struct {
	Kind       Kind
	Code       wording.Code
	Message    string       // in English
	Text       wording.Text // the same in every language; without it, Message is the pattern of one
	Fields     []FieldError
	Conflicts  []Conflict    // for wording.MergeConflict
	RetryAfter time.Duration // for KindLimited and KindUnavailable; zero when unknown
	Err        error
}

// Conflict is a block of an artifact that two have changed in different ways.
type Conflict struct {
	Block         string
	Yours, Theirs *string // nil when that side has deleted it, or never had it
}

// FieldError names one wrong member of the request and says how to correct it.
type FieldError struct {
	Field   string
	Message string       // in English
	Text    wording.Text // the same in every language; without it, Message is the pattern of one
}

// Wording is the text of the error in every language.
func (e *Error) Wording() wording.Text { return wordingOf(e.Text, e.Message) }

// Wording is the text about the member in every language.
func (f FieldError) Wording() wording.Text { return wordingOf(f.Text, f.Message) }

// In is the error for the person in a language.
func (e *Error) In(lang wording.Lang) string {
	if lang == wording.English || len(e.Fields) == 0 {
		return e.Wording().In(lang)
	}
	parts := make([]string, len(e.Fields))
	for i, f := range e.Fields {
		_, member, _ := strings.Cut(f.Field, ".")
		parts[i] = wording.Of("%s: %s", cmp.Or(member, f.Field), f.Wording()).In(lang)
	}
	return strings.Join(parts, "; ")
}

func wordingOf(text wording.Text, message string) wording.Text {
	if text.Pattern == "" {
		return wording.Of(message)
	}
	return text
}

// Error is the text for the log: the message, then the cause.
func (e *Error) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Message, e.Err)
	}
	return string(e.Kind) + ": " + e.Message
}

// Unwrap returns the cause, for errors.Is and errors.As.
func (e *Error) Unwrap() error { return e.Err }

// RetrySeconds is RetryAfter in whole seconds, as clients are told: rounded up, because a
// client that comes too early is refused again.
func (e *Error) RetrySeconds() int { return int(math.Ceil(e.RetryAfter.Seconds())) }

func errorf(kind Kind, code wording.Code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...), Text: wording.Of(format, args...)}
}

// invalid is the error for one bad member: field is the name the client sent.
func invalid(field, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Kind: KindInvalid, Code: wording.Invalid, Message: field + ": " + msg,
		Fields: []FieldError{{Field: "body." + field, Message: msg, Text: wording.Of(format, args...)}}}
}

func forbidden(message string) *Error {
	return errorf(KindForbidden, wording.Forbidden, "%s", wording.Of(message))
}

// notFound is the error for a thing that does not exist, or that this person may not
// know of. noun is capitalised, for example "Course".
func notFound(noun string) *Error {
	return errorf(KindNotFound, wording.NotFound, "%s not found", wording.Of(noun))
}

// notFoundAs makes e, which is of notFound, about the member of a request that names the thing.
func notFoundAs(field string, e *Error) *Error {
	e.Fields = []FieldError{{Field: "body." + field, Message: e.Message, Text: e.Text}}
	e.Message = field + ": " + e.Message
	return e
}

// fromStore turns a store error into an Error with the right kind and with noun in its
// text. It returns nil and any *Error unchanged.
func fromStore(err error, noun string) error {
	var known, e *Error
	switch thing := wording.Of(noun); {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrNotFound):
		e = notFound(noun)
	case errors.Is(err, store.ErrExists):
		e = errorf(KindConflict, wording.Exists, "%s already exists", thing)
	case errors.Is(err, store.ErrReferenced):
		e = errorf(KindConflict, wording.Referenced, "%s is gone or still in use; load it again", thing)
	case errors.Is(err, store.ErrFull):
		e = StorageFull(nil)
	case errors.Is(err, store.ErrArchived):
		return errArchived
	case errors.Is(err, store.ErrStale):
		e = errorf(KindConflict, wording.Stale, "%s was changed by somebody else; load it again", thing)
	default:
		return err
	}
	e.Err = err
	return e
}

// StorageFull is the error for a person when the disk or the database is full. err is
// the cause.
func StorageFull(err error) *Error {
	return &Error{Kind: KindUnavailable, Code: wording.StorageFull, Err: err,
		Message: "The server has no space left to store this. Tell its operator."}
}

// KindOf is the kind of err. It is KindInternal for an error of unknown kind.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
