package llm

import (
	"encoding/json"
	"strings"
)

// This file has the parts of Anthropic's API that are sent.

type claudeBody struct {
	Model       string          `json:"model"`
	MaxTokens   int             `json:"max_tokens"`
	System      []claudePart    `json:"system,omitempty"`
	Messages    []claudeMessage `json:"messages"`
	Tools       []claudeTool    `json:"tools,omitempty"`
	Temperature *float64        `json:"temperature,omitempty"`
	Stream      bool            `json:"stream"`
}

type claudeMessage struct {
	Role    string       `json:"role"`
	Content []claudePart `json:"content"`
}

// claudePart is a text, a picture, a call of a tool, its result, or thinking.
type claudePart struct {
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	Source    *claudeSource   `json:"source,omitempty"` // of a picture
	ID        string          `json:"id,omitempty"`
	Name      string          `json:"name,omitempty"`
	Input     json.RawMessage `json:"input,omitempty"`
	ToolUseID string          `json:"tool_use_id,omitempty"`
	Content   []claudePart    `json:"content,omitempty"`  // of a result
	Thinking  *string         `json:"thinking,omitempty"` // of thinking, even when empty
	Signature string          `json:"signature,omitempty"`
	Data      string          `json:"data,omitempty"` // of redacted thinking
	Cache     *claudeCache    `json:"cache_control,omitempty"`
}

// claudeSource is a picture.
type claudeSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type"`
	Data      []byte `json:"data"`
}

// claudeCache marks the end of a beginning that later requests repeat. This provider
// caches only what is marked.
type claudeCache struct {
	Type string `json:"type"`
}

var claudeKept = &claudeCache{Type: "ephemeral"}

type claudeTool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema"`
}

// The API wants a limit in each request. claudeLimit is sent where none is asked for, and
// claudeLeast where the model has refused the limit: every model of the API takes it.
const (
	claudeLimit = 8192
	claudeLeast = 4096
)

// claudeTokens is the limit that is sent.
func claudeTokens(r Request, h habits) int {
	if h.drop[partLimit] || h.renamed {
		return min(r.MaxTokens, claudeLeast)
	}
	return r.MaxTokens
}

// claudeRequest makes the body of r for a model with these habits. Thinking is sent back
// only in messages whose Reasoning.From is from.
func claudeRequest(r Request, h habits, from string) claudeBody {
	out := claudeBody{Model: r.Model, MaxTokens: claudeTokens(r, h), Stream: true}
	if r.Temperature != nil && !h.drop["temperature"] {
		// OpenAI's scale ends at 2, this one at 1.
		warm := min(*r.Temperature, 1)
		out.Temperature = &warm
	}
	if h.drop[partTools] {
		r.Tools = nil
	}
	if h.drop[partPictures] {
		r = r.withoutPictures()
	}
	for _, t := range r.Tools {
		if len(t.Schema) == 0 {
			t.Schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		out.Tools = append(out.Tools, claudeTool{Name: t.Name, Description: t.Description, InputSchema: t.Schema})
	}
	instructions, messages := r.instructions(), r.shaped(from)
	if h.noSystem {
		instructions, messages = "", folded(instructions, messages)
	}
	if instructions != "" {
		out.System = []claudePart{{Type: claudeText, Text: instructions, Cache: claudeKept}}
	}
	for _, m := range messages {
		role := RoleUser
		if m.Role == RoleAssistant {
			role = RoleAssistant
		}
		parts := claudeParts(m, h)
		// The results of several calls have to be in one message.
		if last := len(out.Messages) - 1; last >= 0 && out.Messages[last].Role == string(role) {
			out.Messages[last].Content = append(out.Messages[last].Content, parts...)
			continue
		}
		out.Messages = append(out.Messages, claudeMessage{Role: string(role), Content: parts})
	}
	// The last message grows with what people say next, so the beginning ends before it.
	if n := len(out.Messages); n > 1 {
		parts := out.Messages[n-2].Content
		parts[len(parts)-1].Cache = claudeKept
	}
	return out
}

func claudeParts(m Message, h habits) []claudePart {
	if m.Role == RoleTool {
		result := claudePart{Type: claudeResult, ToolUseID: claudeID(m.ToolCallID)}
		if strings.TrimSpace(m.Text) != "" {
			result.Content = []claudePart{{Type: claudeText, Text: m.Text}}
		}
		return []claudePart{result}
	}
	var parts []claudePart
	if t := m.Reasoning; t != nil && t.Member == claudeThinking && !h.drop[claudeThinking] {
		var thinking []claudePart
		if json.Unmarshal(t.Details, &thinking) == nil {
			parts = append(parts, thinking...)
		}
	}
	before := len(parts)
	m.inParts(func(text string) {
		if strings.TrimSpace(text) != "" {
			parts = append(parts, claudePart{Type: claudeText, Text: text})
		}
	}, func(p Picture) {
		parts = append(parts, claudePart{Type: claudeImage, Source: &claudeSource{"base64", p.Type, p.Data}})
	})
	if len(parts) == before && len(m.ToolCalls) == 0 {
		parts = append(parts, claudePart{Type: claudeText, Text: "-"}) // blanks alone are refused
	}
	for _, c := range m.ToolCalls {
		parts = append(parts, claudePart{Type: claudeCall, ID: claudeID(c.ID), Name: c.Name, Input: objectOrEmpty(c.Arguments)})
	}
	return parts
}

// claudeID returns the ID of a call with only the characters that the API takes. Other
// providers' IDs may have others.
func claudeID(id string) string {
	out := []byte(id)
	for i, c := range out {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-':
		default:
			out[i] = '_'
		}
	}
	return string(out)
}
