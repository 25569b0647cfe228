package model

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// ImitationFilter removes from an answer, while it streams, what a model imitates of
// its transcript: the tags of our fence anywhere, and its own name with a colon at
// the beginning ("Ada: Hello"). It holds back text that may become one of the two
// until this is clear.
type ImitationFilter struct {
	open, end string         // how the opening and the closing tag begin
	label     *regexp.Regexp // made when an answer may begin with it
	names     []string
	held      string
	begun     bool // some of the answer was let through
}

const (
	maxTag   = 400 // bytes of a tag, with the name in it
	maxLabel = 3   // names one after another at the beginning
)

// decoration is what may stand around a name: Markdown or brackets.
const (
	decoration  = `[*_\[\]]{0,2}`
	decorations = "*_[]"
)

// labelRest matches the beginning of what may come between a name and its colon.
var labelRest = regexp.MustCompile(`^` + decoration + `\s*(\((A(I( [^)\n]{0,80}(\)` + decoration + `\s*)?)?)?)?)?$`)

// NewImitationFilter makes the filter for an agent with these names. Without a fence
// it removes no tags.
func NewImitationFilter(fence string, names ...string) *ImitationFilter {
	m := new(ImitationFilter)
	if fence != "" {
		m.open, m.end = "<"+fence, "</"+fence
	}
	for _, n := range names {
		if n = strings.TrimSpace(n); n != "" {
			m.names = append(m.names, n)
		}
	}
	return m
}

// labelIn returns where the label at the beginning of a text is; nil without one.
func (m *ImitationFilter) labelIn(text string) []int {
	// To compile the expression takes longer than all else here, and hardly any answer
	// begins like this.
	first := func(s string) string {
		_, n := utf8.DecodeRuneInString(s)
		return s[:n]
	}
	begins := first(strings.TrimLeft(text, decorations))
	if !slices.ContainsFunc(m.names, func(n string) bool {
		return strings.EqualFold(first(n), begins) || strings.Contains(decorations, first(n))
	}) {
		return nil
	}
	if m.label == nil {
		var quoted []string
		for _, n := range m.names {
			quoted = append(quoted, regexp.QuoteMeta(n))
		}
		m.label = regexp.MustCompile(`(?i)^` + decoration + `(?:` + strings.Join(quoted, "|") + `)` + decoration +
			`\s*(?:\(AI [^)\n]{0,80}\))?` + decoration + `\s*[:：]` + decoration + `\s*`)
	}
	return m.label.FindStringIndex(text)
}

// Say takes the next piece of the answer and returns the text that may be shown now.
func (m *ImitationFilter) Say(piece string) string {
	m.held += piece
	safe, rest := m.untag(m.held, false)
	if m.begun {
		m.held = rest
		return safe
	}
	safe, open := m.unlabel(safe, false)
	if open {
		m.held = safe + rest
		return ""
	}
	m.begun, m.held = safe != "", rest
	return safe
}

// Rest returns the text that was still held back when the answer ended.
func (m *ImitationFilter) Rest() string {
	safe, _ := m.untag(m.held, true)
	if !m.begun {
		safe, _ = m.unlabel(safe, true)
	}
	m.held = ""
	return safe
}

// untag removes whole tags from a text. rest may be the beginning of another tag; it
// is empty when the text has ended.
func (m *ImitationFilter) untag(text string, ended bool) (safe, rest string) {
	for {
		i := m.tag(text)
		if i < 0 {
			break
		}
		long := strings.IndexByte(text[i:], '>')
		if long < 0 {
			if ended || len(text)-i > maxTag {
				return text[:i], ""
			}
			return text[:i], text[i:]
		}
		before, after := text[:i], text[i+long+1:]
		if strings.HasPrefix(text[i:], m.end) {
			before = strings.TrimSuffix(before, "\n")
		} else {
			after = strings.TrimPrefix(after, "\n")
		}
		text = before + after
	}
	if i := strings.LastIndexByte(text, '<'); i >= 0 && !ended && (strings.HasPrefix(m.open, text[i:]) || strings.HasPrefix(m.end, text[i:])) {
		if i > 0 && text[i-1] == '\n' {
			i-- // the line break goes with a closing tag
		}
		return text[:i], text[i:]
	}
	if !ended && strings.HasSuffix(text, "\n") {
		return text[:len(text)-1], "\n"
	}
	return text, ""
}

// tag returns where the first tag of our fence begins, or -1.
func (m *ImitationFilter) tag(text string) int {
	if m.open == "" {
		return -1
	}
	i, j := strings.Index(text, m.open), strings.Index(text, m.end)
	if i < 0 || j >= 0 && j < i {
		return j
	}
	return i
}

// unlabel removes the model's own name from the beginning of a text. open tells that
// the text may still become such a name; it is of no use when the text has ended.
func (m *ImitationFilter) unlabel(text string, ended bool) (out string, open bool) {
	out = strings.TrimLeft(text, " \t\r\n")
	if len(m.names) == 0 {
		return out, out == ""
	}
	for range maxLabel {
		at := m.labelIn(out)
		if at == nil {
			break
		}
		out = out[at[1]:]
	}
	if !ended && strings.Trim(out, "*_[] \t\r\n") == "" {
		return text, true
	}
	bare := strings.TrimLeft(out, "*_[")
	if len(out)-len(bare) > 2 {
		return out, false
	}
	for _, n := range m.names {
		switch {
		case len(bare) <= len(n):
			open = open || strings.EqualFold(bare, n[:len(bare)])
		case strings.EqualFold(bare[:len(n)], n):
			open = open || labelRest.MatchString(bare[len(n):])
		}
	}
	return out, open
}
