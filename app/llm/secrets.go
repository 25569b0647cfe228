package llm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// masker hides secrets in what a model says. The model's server may have told it the
// key, and the instructions may hold another secret.
type masker struct {
	secrets []string // the longest first
	rest    string   // the end of the text so far, which may be the beginning of a secret
}

const masked = "***"

// newMasker makes a masker for the key and the other secrets of r.
func newMasker(r Request) *masker {
	m := &masker{}
	for _, s := range append([]string{r.Key}, r.Secrets...) {
		if s = strings.TrimSpace(s); isSecret(s) && !slices.Contains(m.secrets, s) {
			m.secrets = append(m.secrets, s)
		}
	}
	slices.SortFunc(m.secrets, func(a, b string) int { return len(b) - len(a) })
	return m
}

// isSecret tells a secret from a placeholder. Servers without keys are given words such
// as "ollama" or "lm-studio" as a key, and these may well be part of an answer.
func isSecret(s string) bool {
	return len(s) >= 16 || len(s) >= 8 && strings.ContainsAny(s, "0123456789")
}

// all hides the secrets in a whole text.
func (m *masker) all(text string) string {
	for _, s := range m.secrets {
		if strings.Contains(text, s) {
			text = strings.ReplaceAll(text, s, masked)
		}
	}
	return text
}

// add takes the next piece of a text and returns the part that can be shown already.
func (m *masker) add(text string) string {
	if len(m.secrets) == 0 {
		return text
	}
	text = m.all(m.rest + text)
	keep := 0
	for _, s := range m.secrets {
		keep = max(keep, overlap(text, s))
	}
	m.rest = text[len(text)-keep:]
	return text[:len(text)-keep]
}

// end returns the text that was held back because a secret could have begun there.
func (m *masker) end() string {
	rest := m.rest
	m.rest = ""
	return rest
}

// value hides the secrets in the strings of a JSON value, also where they are escaped.
// Without a secret the value is not changed.
func (m *masker) value(raw json.RawMessage) json.RawMessage {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var doc any
	if len(m.secrets) == 0 || d.Decode(&doc) != nil {
		return raw
	}
	found := false
	doc = m.inside(doc, &found)
	if !found {
		return raw
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if e.Encode(doc) != nil {
		return json.RawMessage("{}")
	}
	return bytes.TrimSpace(out.Bytes())
}

func (m *masker) inside(v any, found *bool) any {
	switch v := v.(type) {
	case string:
		hidden := m.all(v)
		*found = *found || hidden != v
		return hidden
	case []any:
		for i := range v {
			v[i] = m.inside(v[i], found)
		}
	case map[string]any:
		for name, inner := range v {
			hidden := m.all(name)
			if hidden != name {
				*found = true
				delete(v, name)
			}
			v[hidden] = m.inside(inner, found)
		}
	}
	return v
}

// calls hides the secrets in tool calls.
func (m *masker) calls(calls []ToolCall) {
	for i := range calls {
		c := &calls[i]
		c.ID, c.Name, c.Malformed = m.all(c.ID), m.all(c.Name), m.all(c.Malformed)
		c.Arguments = m.value(c.Arguments)
	}
}
