package a2a

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

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
