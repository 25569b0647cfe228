package llm

import (
	"slices"
	"strings"
)

// This file puts a request into the form that every provider and every chat template
// accepts: instructions first, then the user and the model in alternation.

// These texts fill gaps, because many templates refuse a conversation that begins or
// ends with the model, or a user's message directly after a tool's result.
const (
	wordsBefore  = "(The conversation began earlier.)"
	wordsBehind  = "(It is your turn.)"
	wordsBetween = "(I have read that.)"
)

// instructions are everything that the program tells the model: System, and the
// messages with the role system.
func (r Request) instructions() string {
	all := []string{clean(r.System)}
	if len(r.Tools) > 0 {
		all[0] += r.ToolRule
	}
	for _, m := range r.Messages {
		if m.Role == RoleSystem {
			all = append(all, clean(m.Text))
		}
	}
	all = slices.DeleteFunc(all, func(s string) bool { return strings.TrimSpace(s) == "" })
	return strings.Join(all, "\n\n")
}

// shaped returns the messages of r in alternation, with their texts as the model reads
// them. Reasoning stays only if it came from the source from.
func (r Request) shaped(from string) []Message {
	var out []Message
	for _, m := range r.Messages {
		m.Text = m.spoken(r.Fence)
		if m.Role != RoleUser {
			m.Pictures = nil
		}
		if m.Role == RoleSystem || m.Text == "" && len(m.ToolCalls) == 0 && len(m.Pictures) == 0 {
			continue
		}
		m.ToolCalls, m.Pictures = slices.Clone(m.ToolCalls), behind(m.Pictures, len(m.Text))
		if m.Reasoning != nil && (m.Reasoning.From != from || m.Reasoning.Member == "" || len(m.ToolCalls) == 0) {
			m.Reasoning = nil
		}
		out = follow(out, m)
	}
	if len(out) > 0 && out[len(out)-1].Role == RoleAssistant {
		out = append(out, Message{Role: RoleUser, Text: wordsBehind})
	}
	return out
}

// follow appends m to out. When the last message has the same role, m is added to it
// instead.
func follow(out []Message, m Message) []Message {
	if len(out) == 0 {
		if m.Role == RoleAssistant {
			out = append(out, Message{Role: RoleUser, Text: wordsBefore})
		}
		return append(out, m)
	}
	last := &out[len(out)-1]
	switch {
	case m.Role == RoleUser && last.Role == RoleTool:
		out = append(out, Message{Role: RoleAssistant, Text: wordsBetween})
	case m.Role == last.Role && m.Role != RoleTool && len(last.ToolCalls) == 0:
		joined := last.Text + "\n\n" + m.Text
		last.Text = strings.TrimPrefix(joined, "\n\n")
		last.Pictures = append(last.Pictures, behind(m.Pictures, len(last.Text)-len(m.Text))...)
		last.Text = strings.TrimSuffix(last.Text, "\n\n")
		last.ToolCalls, last.Reasoning = m.ToolCalls, m.Reasoning
		return out
	}
	return append(out, m)
}

// folded puts the instructions into the user's first message, for models that refuse
// the role system.
func folded(instructions string, messages []Message) []Message {
	if instructions == "" {
		return messages
	}
	if len(messages) == 0 || messages[0].Role != RoleUser {
		return append([]Message{{Role: RoleUser, Text: instructions}}, messages...)
	}
	messages[0].Text = instructions + "\n\n" + messages[0].Text
	messages[0].Pictures = behind(messages[0].Pictures, len(instructions)+2)
	return messages
}
