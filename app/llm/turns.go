package llm

import (
	"slices"
	"strings"
)

// This file puts a request into the shape that every provider and every
// template takes: instructions first, then the user and the model in turn.

// The words that stand where a conversation would begin or end with the model
// itself, which many templates refuse, or go on behind a tool's result without it.
const (
	wordsBefore  = "(The conversation began earlier.)"
	wordsBehind  = "(It is your turn.)"
	wordsBetween = "(I have read that.)"
)

// instructions are all that the program tells the model: System, and what its
// messages of that role say.
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

// shaped are the messages of r in turn, with their texts as the model reads
// them. Reasoning stays only where from gave it.
func (r Request) shaped(from string) []Message {
	var out []Message
	for _, m := range r.Messages {
		m.Text = m.spoken(r.Fence)
		if m.Role == RoleSystem || m.Text == "" && len(m.ToolCalls) == 0 {
			continue
		}
		m.ToolCalls = slices.Clone(m.ToolCalls)
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

// follow puts m behind out, or into the last message when one of its role
// stands there.
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
		last.Text = strings.TrimPrefix(last.Text+"\n\n"+m.Text, "\n\n")
		last.Text = strings.TrimSuffix(last.Text, "\n\n")
		last.ToolCalls, last.Reasoning = m.ToolCalls, m.Reasoning
		return out
	}
	return append(out, m)
}

// folded puts instructions into the first message of the user, for models that
// know no role for them.
func folded(instructions string, messages []Message) []Message {
	if instructions == "" {
		return messages
	}
	if len(messages) == 0 || messages[0].Role != RoleUser {
		return append([]Message{{Role: RoleUser, Text: instructions}}, messages...)
	}
	messages[0].Text = instructions + "\n\n" + messages[0].Text
	return messages
}
