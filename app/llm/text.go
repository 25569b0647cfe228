package llm

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// clean makes a provider's text fit to store and show: valid UTF-8, and no
// NUL, which Postgres refuses.
func clean(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	return s
}

// toolCalls assembles calls that arrive in fragments.
type toolCalls struct {
	calls []partialCall
}

type partialCall struct {
	index     int
	id, name  string
	arguments []byte
}

// add takes one fragment. Most servers number the calls. Some send each call whole,
// without a number or always with number 0, so a new ID begins a new call too.
func (t *toolCalls) add(index *int, id, name, arguments string) {
	p := t.find(index, id, name)
	if p == nil {
		t.calls = append(t.calls, partialCall{index: len(t.calls)})
		p = &t.calls[len(t.calls)-1]
		if index != nil {
			p.index = *index
		}
	}
	if id != "" {
		p.id = id
	}
	if name != "" {
		p.name = name
	}
	p.arguments = append(p.arguments, arguments...)
}

func (t *toolCalls) find(index *int, id, name string) *partialCall {
	for i := len(t.calls) - 1; i >= 0; i-- {
		p := &t.calls[i]
		switch {
		case index != nil && p.index != *index:
			continue
		case id == "" && name != "" && p.name != "" && json.Valid(p.arguments):
			return nil // the call before is complete, and some servers give all calls the same number
		case id != "" && p.id != "" && id != p.id:
			return nil
		case index == nil && id == "" && name != "":
			return nil
		}
		return p
	}
	return nil
}

// take returns the calls in the order in which they began.
func (t *toolCalls) take() []ToolCall {
	var out []ToolCall
	for i := range t.calls {
		p := &t.calls[i]
		out = append(out, ToolCall{ID: p.id, Name: p.name, Arguments: p.arguments})
	}
	t.calls = nil
	return out
}

// toolNames matches the names that providers accept. A call with another name is shown
// to the model again under the name standIn.
var toolNames = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)

const standIn = "unreadable_call"

// checkToolCalls completes the calls, and sets Malformed for those that cannot be used.
func checkToolCalls(calls []ToolCall) {
	for i := range calls {
		c := &calls[i]
		c.ID, c.Name = clean(c.ID), clean(c.Name)
		args := bytes.TrimSpace([]byte(clean(string(c.Arguments))))
		if len(args) == 0 {
			args = []byte("{}")
		}
		c.Arguments = dropNULs(args)
		switch {
		case c.Malformed != "":
		case !toolNames.MatchString(c.Name):
			c.Malformed = fmt.Sprintf("%q is not the name of a tool", sanitise(c.Name, ""))
		case args[0] != '{' || !json.Valid(c.Arguments):
			c.Malformed = "the arguments are not a JSON object"
		}
		if c.Malformed != "" {
			c.Arguments = json.RawMessage("{}")
		}
		if !toolNames.MatchString(c.Name) {
			c.Name = standIn
		}
		if c.ID == "" {
			c.ID = fmt.Sprintf("call_%d_%s", i+1, c.Name)
		}
	}
}

// spared marks an error that comes from the model's text, because it says nothing about
// the service.
func spared(e *Error) *Error {
	e.spare = true
	return e
}

// dropNULs removes the escape \u0000 from JSON text.
func dropNULs(raw []byte) []byte {
	nul := []byte(`\u0000`)
	if !bytes.Contains(raw, nul) {
		return raw
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		switch {
		case bytes.HasPrefix(raw[i:], nul):
			i += len(nul) - 1
		case raw[i] == '\\' && i+1 < len(raw):
			// Copy both bytes together, because after an escaped backslash u0000 is
			// plain text.
			out = append(out, raw[i], raw[i+1])
			i++
		default:
			out = append(out, raw[i])
		}
	}
	return out
}

// printable reports whether s has visible ASCII characters only.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func isObject(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	return len(raw) > 0 && raw[0] == '{' && json.Valid(raw)
}
