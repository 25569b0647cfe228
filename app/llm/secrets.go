package llm

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// masker hides secrets in what a model says: it may have been told its own key
// by its server, or another by whoever wrote its instructions.
type masker struct {
	secrets []string // the longest first
	rest    string   // an end that a secret may begin with
}

const masked = "***"

// newMasker hides the key of a call and what else it names.
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

// isSecret tells secrets from the words that servers without keys are given for
// one, such as "ollama" or "lm-studio", which answers may well contain.
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

// add takes the next piece of a text and returns what of it can be shown.
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

// end returns what was kept for a secret that has not come.
func (m *masker) end() string {
	rest := m.rest
	m.rest = ""
	return rest
}

// value hides the secrets in the texts of a JSON value, however they are
// written there; without one it stays as it is.
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
