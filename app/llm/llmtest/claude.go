package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// claudeFormat is Anthropic's Messages API with stream: true.
type claudeFormat struct{}

type claudeMessage struct {
	Role    string          `json:"role"`
	Content json.RawMessage `json:"content"`
}

type claudePart struct {
	Type   string `json:"type"`
	Text   string `json:"text"`
	Source *struct {
		Type      string `json:"type"`
		MediaType string `json:"media_type"`
		Data      []byte `json:"data"`
	} `json:"source"`
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Input     json.RawMessage `json:"input"`
	ToolUseID string          `json:"tool_use_id"`
	Content   []claudePart    `json:"content"`
	Thinking  string          `json:"thinking"`
	Signature string          `json:"signature"`
}

func (claudeFormat) decode(req *http.Request) (Request, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return Request{}, err
	}
	var in struct {
		Model       string          `json:"model"`
		Stream      bool            `json:"stream"`
		System      []claudePart    `json:"system"`
		Temperature *float64        `json:"temperature"`
		MaxTokens   int             `json:"max_tokens"`
		Messages    []claudeMessage `json:"messages"`
		Tools       []struct {
			Name string `json:"name"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Request{}, err
	}
	if !in.Stream || len(in.Messages) == 0 || req.Header.Get("Anthropic-Version") == "" {
		return Request{}, fmt.Errorf("stream, messages and the header anthropic-version are required")
	}
	out := Request{Format: "claude", Key: req.Header.Get("X-Api-Key"), Model: in.Model, System: textOfParts(in.System), Temperature: in.Temperature,
		MaxTokens: in.MaxTokens, Header: req.Header.Clone(), Body: string(raw), Members: membersOf(raw)}
	for _, m := range in.Messages {
		parts, err := m.parts()
		if err != nil {
			return Request{}, err
		}
		for _, msg := range parts {
			out.wire = append(out.wire, wireMessage{Message: msg, hasContent: true})
			if msg.Role != "user" {
				out.Messages = append(out.Messages, msg)
				continue
			}
			out.Messages = append(out.Messages, apart(msg)...)
		}
	}
	for _, t := range in.Tools {
		out.Tools = append(out.Tools, t.Name)
	}
	return out, nil
}

// parts gives one Message for what the model said, and one for each text and result of
// the user's.
func (m claudeMessage) parts() ([]Message, error) {
	var text string
	if json.Unmarshal(m.Content, &text) == nil {
		return []Message{{Role: m.Role, Text: text}}, nil
	}
	var parts []claudePart
	if err := json.Unmarshal(m.Content, &parts); err != nil {
		return nil, err
	}
	var out []Message
	said := Message{Role: m.Role}
	for _, p := range parts {
		switch p.Type {
		case "tool_result":
			out = append(out, Message{Role: "tool", ToolCallID: p.ToolUseID, Text: textOfParts(p.Content)})
		case "tool_use":
			said.ToolCalls = append(said.ToolCalls, ToolCall{ID: p.ID, Name: p.Name, Arguments: string(p.Input)})
		case "thinking":
			if p.Signature != sealOf(p.Thinking) {
				return nil, fmt.Errorf("messages: Invalid `signature` in `thinking` block")
			}
			said.Reasoning += p.Thinking
		case "redacted_thinking":
		case "image":
			if p.Source == nil || p.Source.Type != "base64" || len(p.Source.Data) == 0 || m.Role != "user" {
				return nil, fmt.Errorf("messages: image: source is no picture")
			}
			out = withPicture(out, Picture{p.Source.MediaType, p.Source.Data})
		default:
			if strings.TrimSpace(p.Text) == "" {
				return nil, fmt.Errorf("messages: text content blocks must contain non-whitespace text")
			}
			if m.Role == "user" {
				out = append(out, Message{Role: m.Role, Text: p.Text})
				continue
			}
			said.Text += p.Text
		}
	}
	if m.Role != "user" {
		out = append(out, said)
	}
	return out, nil
}

func textOfParts(parts []claudePart) string {
	var texts []string
	for _, p := range parts {
		texts = append(texts, p.Text)
	}
	return strings.Join(texts, "\n\n")
}

// sealOf is the signature of a thought, which has to come back with it.
func sealOf(thought string) string { return fmt.Sprintf("seal-%d", len(thought)) }

func (f claudeFormat) events(r Request, resp Response, pieces []string) (body, end []string) {
	start := object{"input_tokens": words(r.LastUser()), "cache_read_input_tokens": 0, "output_tokens": 1}
	if resp.NoUsage {
		start = nil
	}
	body = append(body, named("message_start", object{"message": object{"id": "msg_test", "type": "message", "role": "assistant", "model": r.Model,
		"content": []object{}, "stop_reason": nil, "usage": start}})+named("ping", object{}))
	block := 0
	open := func(content object) { body[len(body)-1] += f.block(block, content) }
	shut := func() { body[len(body)-1] += named("content_block_stop", object{"index": block}); block++ }
	if resp.Reasoning != "" {
		open(object{"type": "thinking", "thinking": "", "signature": ""})
		for _, p := range cutPieces(resp.Reasoning, resp.ChunkRunes) {
			body = append(body, f.delta(block, object{"type": "thinking_delta", "thinking": p}))
		}
		body = append(body, f.delta(block, object{"type": "signature_delta", "signature": sealOf(resp.Reasoning)}))
		shut()
	}
	if len(pieces) > 0 {
		open(object{"type": "text", "text": ""})
		for _, p := range pieces {
			body = append(body, f.delta(block, object{"type": "text_delta", "text": p}))
		}
		shut()
	}
	calls, cut := faultyCalls(resp)
	for _, c := range calls {
		body = append(body, f.block(block, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": object{}}))
		first, second := halves(c.Arguments)
		body = append(body, f.delta(block, object{"type": "input_json_delta", "partial_json": first}))
		if cut {
			return body, nil
		}
		body = append(body, f.delta(block, object{"type": "input_json_delta", "partial_json": second}))
		shut()
	}
	if resp.NoFinish {
		return body, nil
	}
	delta := object{"delta": object{"stop_reason": claudeReason(resp), "stop_sequence": nil}}
	if !resp.NoUsage {
		delta["usage"] = object{"output_tokens": words(resp.Text) + words(resp.Reasoning)}
	}
	return body, []string{named("message_delta", delta), named("message_stop", object{})}
}

func claudeReason(resp Response) string {
	return map[string]string{"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}[finishOf(resp)]
}

func (claudeFormat) block(index int, content object) string {
	return named("content_block_start", object{"index": index, "content_block": content})
}

func (claudeFormat) delta(index int, delta object) string {
	return named("content_block_delta", object{"index": index, "delta": delta})
}

// named is an event with its type as its name.
func named(kind string, data object) string {
	data["type"] = kind
	return "event: " + kind + "\n" + sse(data)
}

// document is the answer to a request without stream: true.
func (claudeFormat) document(r Request, resp Response) []byte {
	var content []object
	if resp.Reasoning != "" {
		content = append(content, object{"type": "thinking", "thinking": resp.Reasoning, "signature": sealOf(resp.Reasoning)})
	}
	if resp.Text != "" {
		content = append(content, object{"type": "text", "text": resp.Text})
	}
	for _, c := range resp.ToolCalls {
		content = append(content, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": json.RawMessage(c.Arguments)})
	}
	return encode(object{"id": "msg_test", "type": "message", "role": "assistant", "model": r.Model, "content": content, "stop_reason": claudeReason(resp),
		"usage": object{"input_tokens": words(r.LastUser()), "output_tokens": words(resp.Text)}})
}

func (claudeFormat) failure(status int, message string) []byte {
	kind := map[int]string{400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
		413: "request_too_large", 429: "rate_limit_error", 503: "overloaded_error", 529: "overloaded_error"}[status]
	if kind == "" {
		kind = "api_error"
	}
	return encode(object{"type": "error", "error": object{"type": kind, "message": message}, "request_id": "req_test"})
}
