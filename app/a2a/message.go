package a2a

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// The types of messages between agents.
const (
	TypeUserMessage       = "user_message"
	TypeProposal          = "proposal"
	TypeEvaluationRequest = "evaluation_request"
	TypeEvaluationResult  = "evaluation_result"
	TypeBroadcast         = "broadcast"
	TypeSystem            = "system"
)

// Types lists all types of messages.
var Types = []string{TypeUserMessage, TypeProposal, TypeEvaluationRequest, TypeEvaluationResult, TypeBroadcast, TypeSystem}

// The payloads, one for each type.
type (
	// UserMessage is what a person said.
	UserMessage struct {
		Content string  `json:"content"`
		UserID  *string `json:"user_id,omitempty"`
	}
	// Proposal is a draft that its author would like to send to the room.
	Proposal struct {
		Draft       string         `json:"draft"`
		Intent      *string        `json:"intent,omitempty"`
		Annotations map[string]any `json:"annotations,omitempty"`
	}
	// EvaluationRequest asks for a verdict on a proposal.
	EvaluationRequest struct {
		Proposal string `json:"proposal"`
		Context  string `json:"context,omitempty"`
		Urgency  string `json:"urgency,omitempty"` // low, normal or high; normal when empty
	}
	// EvaluationResult is the verdict.
	EvaluationResult struct {
		Approved bool     `json:"approved"`
		Proposal string   `json:"proposal"`
		Score    *float64 `json:"score"` // 0..100
		Feedback *string  `json:"feedback"`
	}
	// Broadcast is said to everybody.
	Broadcast struct {
		Content string `json:"content"`
		Format  string `json:"format,omitempty"` // text, markdown or html; text when empty
	}
	// System is a notice of the program.
	System struct {
		Event   string         `json:"event"` // join, leave, error, info or warning
		Message string         `json:"message"`
		Details map[string]any `json:"details,omitempty"`
	}
)

// maxProposal is the longest proposal, in characters.
const maxProposal = 50000

// FieldError says what is wrong with one member of a payload.
type FieldError struct{ Field, Problem string }

// Error returns the member and the problem.
func (e *FieldError) Error() string { return e.Field + ": " + e.Problem }

// Validate checks a payload against the type of its message. Unknown members are
// allowed.
func Validate(kind string, content json.RawMessage) error {
	switch kind {
	case TypeUserMessage:
		var p UserMessage
		return check(content, &p, func() error { return filled("content", p.Content, 0) })
	case TypeProposal:
		var p Proposal
		return check(content, &p, func() error { return filled("draft", p.Draft, 0) })
	case TypeEvaluationRequest:
		var p EvaluationRequest
		return check(content, &p, func() error {
			return errors.Join(filled("proposal", p.Proposal, maxProposal), oneOf("urgency", p.Urgency, "low", "normal", "high"))
		})
	case TypeEvaluationResult:
		var p EvaluationResult
		return check(content, &p, func() error { return errors.Join(present(content, "approved", "proposal"), inRange(p.Score)) })
	case TypeBroadcast:
		var p Broadcast
		return check(content, &p, func() error {
			return errors.Join(filled("content", p.Content, 0), oneOf("format", p.Format, "text", "markdown", "html"))
		})
	case TypeSystem:
		var p System
		return check(content, &p, func() error {
			return errors.Join(present(content, "event", "message"), oneOf("event", p.Event, "join", "leave", "error", "info", "warning"))
		})
	}
	return &FieldError{"type", fmt.Sprintf("%q is none of %s", kind, strings.Join(Types, ", "))}
}

func check(content json.RawMessage, into any, rules func() error) error {
	if err := json.Unmarshal(content, into); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return &FieldError{wrong.Field, "must not be a " + wrong.Value}
		}
		return &FieldError{"content", "must be an object"}
	}
	return first(rules())
}

// first returns the first of several joined errors, because one is enough to act on.
func first(err error) error {
	var field *FieldError
	if errors.As(err, &field) {
		return field
	}
	return err
}

func filled(field, text string, most int) error {
	switch n := utf8.RuneCountInString(text); {
	case n == 0:
		return &FieldError{field, "must not be empty"}
	case most > 0 && n > most:
		return &FieldError{field, fmt.Sprintf("has %d characters, at most %d are possible", n, most)}
	}
	return nil
}

func oneOf(field, value string, known ...string) error {
	if value != "" && !slices.Contains(known, value) {
		return &FieldError{field, fmt.Sprintf("must be one of %s, not %q", strings.Join(known, ", "), value)}
	}
	return nil
}

func present(content json.RawMessage, fields ...string) error {
	var members map[string]json.RawMessage
	if json.Unmarshal(content, &members) != nil {
		return &FieldError{"content", "must be an object"}
	}
	for _, f := range fields {
		if v, ok := members[f]; !ok || string(v) == "null" {
			return &FieldError{f, "is missing"}
		}
	}
	return nil
}

func inRange(score *float64) error {
	if score != nil && (*score < 0 || *score > 100) {
		return &FieldError{"score", "must be between 0 and 100"}
	}
	return nil
}

// maxFeedback is how many bytes of a reviewer's feedback are kept.
const maxFeedback = 4000

// maxVerdict is the longest answer that may hold a verdict, in bytes.
const maxVerdict = 16 << 10

// ParseVerdict reads the answer of a reviewing model. The answer must be one JSON
// object. It may stand alone, or in a fence that is the only fence and ends the answer;
// before the fence any text is allowed. Line breaks within strings are accepted, and so
// are true, false and numbers in quotes.
//
// Anything else is an error. A JSON object within prose is refused, because an answer
// that quotes the draft would include what the draft says about itself. An object with
// the member approved twice, in upper or lower case, is refused for the same reason.
func ParseVerdict(text string) (EvaluationResult, error) {
	if len(text) > maxVerdict {
		return EvaluationResult{}, fmt.Errorf("it has %d bytes, a verdict has at most %d", len(text), maxVerdict)
	}
	members, err := objectIn(lineBreaksEscaped(Unfenced(text)))
	if err != nil {
		return EvaluationResult{}, err
	}
	var v EvaluationResult
	raw, ok := members["approved"]
	if word := string(raw); word == `"true"` || word == `"false"` {
		raw = json.RawMessage(strings.Trim(word, `"`))
	}
	if !ok || json.Unmarshal(raw, &v.Approved) != nil || bytes.Equal(raw, []byte("null")) {
		return EvaluationResult{}, errors.New("approved is neither true nor false")
	}
	if raw, ok := members["score"]; ok && (json.Unmarshal(unquoted(raw), &v.Score) != nil || inRange(v.Score) != nil) {
		return EvaluationResult{}, errors.New("score is no number from 0 to 100")
	}
	if raw, ok := members["feedback"]; ok && json.Unmarshal(raw, &v.Feedback) != nil {
		return EvaluationResult{}, errors.New("feedback is no text")
	}
	if v.Feedback != nil {
		f := cutText(strings.ReplaceAll(*v.Feedback, "\x00", ""), maxFeedback)
		v.Feedback = &f
	}
	return v, nil
}

// unquoted returns a number without the quotes that a model has put around it.
func unquoted(raw json.RawMessage) json.RawMessage {
	if inner := strings.Trim(string(raw), `"`); len(inner) == len(raw)-2 && json.Valid([]byte(inner)) {
		return json.RawMessage(inner)
	}
	return raw
}

// Unfenced returns the content of the only fence, if the text ends with it. Otherwise
// it returns the text.
func Unfenced(text string) string {
	text = strings.TrimSpace(text)
	body, ok := strings.CutSuffix(text, "```")
	if !ok || strings.Count(body, "```") != 1 {
		return text
	}
	_, inner, _ := strings.Cut(body, "```")
	return strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(inner, "json"), "JSON"))
}

// lineBreaksEscaped escapes the control characters within JSON strings, as JSON
// requires.
func lineBreaksEscaped(text string) string {
	var b strings.Builder
	inside, escaped := false, false
	for _, c := range []byte(text) {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case inside && c < ' ':
			fmt.Fprintf(&b, "\\u%04x", c)
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// objectIn reads the members of a text that is one JSON object. No member may come
// twice, even with other upper and lower case.
func objectIn(text string) (map[string]json.RawMessage, error) {
	errNone := errors.New("it is not one JSON object alone")
	dec := json.NewDecoder(strings.NewReader(text))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNone
	}
	members, seen := map[string]json.RawMessage{}, map[string]bool{}
	for dec.More() {
		name, err := dec.Token()
		key, ok := name.(string)
		var value json.RawMessage
		if err != nil || !ok || dec.Decode(&value) != nil {
			return nil, errNone
		}
		if seen[strings.ToLower(key)] {
			return nil, fmt.Errorf("it says %s twice", cutText(key, 40))
		}
		members[key], seen[strings.ToLower(key)] = value, true
	}
	if _, err := dec.Token(); err != nil { // the closing brace
		return nil, errNone
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, errNone
	}
	return members, nil
}

func cutText(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most]
}
