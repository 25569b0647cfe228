package app

import (
	"errors"
	"fmt"
	"time"

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
	Code       string // stable, machine readable, for example "course_not_found"; "" means the Kind
	Message    string
	Fields     []FieldError
	RetryAfter time.Duration // for KindLimited and KindUnavailable; zero when unknown
	Err        error
}

// FieldError names one wrong member of the request and says how to correct it.
type FieldError struct {
	Field   string `json:"field" doc:"The member, for example body.name"`
	Message string `json:"message" doc:"What is wrong with it and what to send instead"`
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

func errorf(kind Kind, code, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Message: fmt.Sprintf(format, args...)}
}

// invalid is the error for one bad member: field is the name the client sent.
func invalid(field, format string, args ...any) *Error {
	msg := fmt.Sprintf(format, args...)
	return &Error{Kind: KindInvalid, Code: "invalid", Message: field + ": " + msg,
		Fields: []FieldError{{Field: "body." + field, Message: msg}}}
}

func forbidden(message string) *Error { return errorf(KindForbidden, "forbidden", "%s", message) }

// notFound is the error for a thing that does not exist, or that this person may not
// know of. noun is capitalised, for example "Course".
func notFound(noun string) *Error { return errorf(KindNotFound, "not_found", "%s not found", noun) }

// fromStore turns a store error into an Error with the right kind and with noun in its
// text. It returns nil and any *Error unchanged.
func fromStore(err error, noun string) error {
	var known *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	case errors.Is(err, store.ErrNotFound):
		return &Error{Kind: KindNotFound, Code: "not_found", Message: noun + " not found", Err: err}
	case errors.Is(err, store.ErrExists):
		return &Error{Kind: KindConflict, Code: "exists", Message: noun + " already exists", Err: err}
	case errors.Is(err, store.ErrReferenced):
		return &Error{Kind: KindConflict, Code: "referenced", Message: noun + " is gone or still in use; load it again", Err: err}
	case errors.Is(err, store.ErrFull):
		return StorageFull(err)
	case errors.Is(err, store.ErrStale):
		return &Error{Kind: KindConflict, Code: "stale", Message: noun + " was changed by somebody else; load it again", Err: err}
	}
	return err
}

// StorageFull is the error for a person when the disk or the database is full. err is
// the cause.
func StorageFull(err error) *Error {
	return &Error{Kind: KindUnavailable, Code: "storage_full", Message: "The server has no space left to store this. Tell its operator.", Err: err}
}

// KindOf is the kind of err. It is KindInternal for an error of unknown kind.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindInternal
}
