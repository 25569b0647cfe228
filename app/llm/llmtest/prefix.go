package llmtest

import (
	"strings"
)

// Repeated counts what a provider that keeps what it has read would not have to
// read again: the bytes at the beginning of each request that an earlier
// request to the same model began with, out of the bytes of all requests. A
// model reads the names of the tools, then the instructions, then the messages.
func (h *Handler) Repeated() (repeated, all int) {
	var before []string
	for _, r := range h.Requests() {
		text, most := r.read(), 0
		for _, old := range before {
			most = max(most, common(old, text))
		}
		repeated, all, before = repeated+most, all+len(text), append(before, text)
	}
	return repeated, all
}

// read is the request as a model reads it.
func (r Request) read() string {
	var b strings.Builder
	b.WriteString(r.Model + "\n" + strings.Join(r.Tools, "\n") + "\n" + r.System)
	for _, m := range r.Messages {
		b.WriteString("\n\n" + m.Role + "\n" + m.Text)
		for _, c := range m.ToolCalls {
			b.WriteString("\n" + c.Name + " " + c.Arguments)
		}
	}
	return b.String()
}

// common is how many bytes two texts begin with alike.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
