package a2a

import (
	"encoding/json"
	"errors"
	"fmt"
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
