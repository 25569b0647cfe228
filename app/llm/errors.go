package llm

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"
)

// ErrorKind says what kind of failure an Error is.
type ErrorKind string

// The kinds of failure.
const (
	BadKey          ErrorKind = "bad_key"          // the provider refuses the key, or there is none
	BadRequest      ErrorKind = "bad_request"      // the provider refuses the request, or it cannot be sent
	Limited         ErrorKind = "limited"          // rate or quota; see RetryAfter
	Unavailable     ErrorKind = "unavailable"      // not reachable, or an error of its own
	Timeout         ErrorKind = "timeout"          // one of the times in Limits ran out
	Broken          ErrorKind = "broken"           // the answer is unusable: cut off, not a stream, bad JSON, too long
	UnknownProvider ErrorKind = "unknown_provider" // not in the configuration
	Canceled        ErrorKind = "canceled"         // the caller's context ended
	Open            ErrorKind = "open"             // not tried: the circuit breaker is open
	TooLong         ErrorKind = "too_long"         // the prompt is longer than the model's context; see Window
	Quota           ErrorKind = "quota"            // the key's account has no credit left
	Filtered        ErrorKind = "filtered"         // the provider refuses to answer this prompt
	WroteCall       ErrorKind = "wrote_call"       // the answer was only a tool call, written as text
	Refused         ErrorKind = "refused"          // not made, because the request's Meter refused it
	ThoughtAloud    ErrorKind = "thought_aloud"    // thinking was shown as text; the next call holds the text back until the thinking ends
)

// Error is the only type of error that a stream ends with. Message is written for
// staff. It never holds the key, and it quotes at most 200 characters of the provider's
// text.
type Error struct {
	Kind       ErrorKind
	Provider   string
	Status     int           // HTTP, 0 when there was no answer
	RetryAfter time.Duration // as the provider or the breaker asks; 0 when unknown
	Message    string
	Window     int // for TooLong: the model's context in tokens, 0 when the provider does not say
	Err        error

	// fault is what the provider said; nil when the failure was not the provider's.
	fault *fault
	// retry: the same request may succeed when it is sent again.
	retry bool
	// spare: the error says nothing about the provider's health, so the breaker ignores
	// it.
	spare bool
}

// Error returns the provider, the kind and the message on one line.
func (e *Error) Error() string {
	if e.Provider == "" {
		return fmt.Sprintf("llm: %s: %s", e.Kind, e.Message)
	}
	return fmt.Sprintf("llm: %s: %s: %s", e.Provider, e.Kind, e.Message)
}

// Unwrap returns the cause, so that errors.Is finds context.Canceled, for example.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the kind of err. It is empty when err is nil or not an *Error.
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return ""
}

// feedsBreaker reports whether e is a sign that the provider is not healthy.
func (e *Error) feedsBreaker() bool {
	switch e.Kind {
	case BadKey, BadRequest, Canceled, UnknownProvider, Open, TooLong, Quota, Filtered, WroteCall, Refused, ThoughtAloud:
		return false
	default:
		return !e.spare
	}
}

func broken(format string, args ...any) *Error {
	return &Error{Kind: Broken, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *Error {
	return &Error{Kind: BadRequest, Message: fmt.Sprintf(format, args...)}
}

const maxRemoteText = 200

// sanitise makes a provider's text fit for an error message: valid UTF-8, on one line,
// short, and without the key or a word that begins like the key.
func sanitise(text, key string) string {
	// Providers may answer with megabytes. Only the part that could be shown, and a
	// little more, is searched for the key.
	if len(text) > 16*maxRemoteText {
		text = text[:16*maxRemoteText]
	}
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return ' '
		}
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = withoutAddress(redact(w, key))
	}
	out := []rune(strings.Join(words, " "))
	if len(out) > maxRemoteText {
		return string(out[:maxRemoteText-1]) + "…"
	}
	return string(out)
}

// withoutAddress hides the address of a machine. A gateway's message may name addresses
// of its own network, or of the network that this program runs in.
func withoutAddress(word string) string {
	inner := strings.Trim(word, ".,;:()<>\"'`")
	host := inner
	if _, after, found := strings.Cut(inner, "://"); found {
		host, _, _ = strings.Cut(after, "/")
	}
	for part := range strings.SplitSeq(host, "->") {
		if _, err := netip.ParseAddrPort(part); err == nil {
			return strings.ReplaceAll(word, inner, "(address)")
		}
		addr, err := netip.ParseAddr(strings.Trim(part, "[]"))
		if err == nil && (addr.Is4() || strings.Count(part, ":") > 2) {
			return strings.ReplaceAll(word, inner, "(address)")
		}
	}
	return word
}

// redact hides a word that holds the key, or the beginning of the key as in "Incorrect
// API key: sk-abcd****wxyz".
func redact(word, key string) string {
	const telling = 8
	switch {
	case key == "":
		return word
	case strings.Contains(word, key), len(key) > telling && strings.Contains(word, key[:telling]):
		return "***"
	}
	return word
}
