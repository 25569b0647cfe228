package llmtest

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"regexp"
	"strings"
)

// openAIFormat is OpenAI's chat completions with stream: true.
type openAIFormat struct{}

type object = map[string]any

func (openAIFormat) decode(req *http.Request) (Request, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return Request{}, err
	}
	var in struct {
		Model          string          `json:"model"`
		Stream         bool            `json:"stream"`
		Temperature    *float64        `json:"temperature"`
		MaxTokens      int             `json:"max_tokens"`
		MaxCompletion  int             `json:"max_completion_tokens"`
		Messages       []openAIMessage `json:"messages"`
		ResponseFormat struct {
			Type string `json:"type"`
		} `json:"response_format"`
		Tools []struct {
			Function struct {
				Name string `json:"name"`
			} `json:"function"`
		} `json:"tools"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Request{}, err
	}
	if !in.Stream || len(in.Messages) == 0 {
		return Request{}, fmt.Errorf("stream and messages are required")
	}
	out := Request{
		Format: "openai", Key: strings.TrimPrefix(req.Header.Get("Authorization"), "Bearer "),
		Model: in.Model, Temperature: in.Temperature, MaxTokens: max(in.MaxTokens, in.MaxCompletion),
		Header: req.Header.Clone(), Body: string(raw), Members: membersOf(raw), ResponseFormat: in.ResponseFormat.Type,
	}
	for _, m := range in.Messages {
		msg := m.message()
		out.wire = append(out.wire, wireMessage{Message: msg, hasContent: m.text != nil, members: m.members})
		if m.Role == "system" {
			out.System = strings.TrimSpace(out.System + "\n\n" + msg.Text)
			continue
		}
		all := []Message{msg}
		if m.parts != nil {
			all = m.parts
		}
		for _, part := range all {
			out.Messages = append(out.Messages, apart(part)...)
		}
	}
	for _, t := range in.Tools {
		out.Tools = append(out.Tools, t.Function.Name)
	}
	return out, nil
}

type openAIMessage struct {
	Role       string          `json:"role"`
	Content    json.RawMessage `json:"content"`
	ToolCallID string          `json:"tool_call_id"`
	ToolCalls  []struct {
		ID       string `json:"id"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
	ReasoningContent string   `json:"reasoning_content"`
	Reasoning        string   `json:"reasoning"`
	ReasoningDetails []object `json:"reasoning_details"`

	text    *string
	parts   []Message // of a content that is a list
	members []string
}

// UnmarshalJSON notes the members too: a text may be missing, and more than it be there.
func (m *openAIMessage) UnmarshalJSON(raw []byte) error {
	type plain openAIMessage
	if err := json.Unmarshal(raw, (*plain)(m)); err != nil {
		return err
	}
	m.members = membersOf(raw)
	if len(m.Content) == 0 || string(m.Content) == "null" {
		return nil
	}
	m.text = new("")
	if m.Content[0] == '[' {
		return m.readParts()
	}
	return json.Unmarshal(m.Content, m.text)
}

// readParts reads a list of texts and pictures. Each picture goes to the text before it.
func (m *openAIMessage) readParts() error {
	var parts []struct {
		Type     string
		Text     *string
		ImageURL *struct{ URL string } `json:"image_url"`
	}
	if err := json.Unmarshal(m.Content, &parts); err != nil {
		return err
	}
	for _, p := range parts {
		switch {
		case p.Type == "text" && p.Text != nil && p.ImageURL == nil:
			*m.text += *p.Text
			m.parts = append(m.parts, Message{Role: m.Role, Text: *p.Text})
		case p.Type == "image_url" && p.ImageURL != nil && p.Text == nil && m.Role == "user":
			kind, data, ok := strings.Cut(strings.TrimPrefix(p.ImageURL.URL, "data:"), ";base64,")
			raw, err := base64.StdEncoding.DecodeString(data)
			if !ok || err != nil || len(raw) == 0 {
				return fmt.Errorf("image_url: invalid base64 image_url")
			}
			m.parts = withPicture(m.parts, Picture{kind, raw})
		default:
			return fmt.Errorf("content: unknown part %q", p.Type)
		}
	}
	return nil
}

// withPicture puts a picture behind the last message.
func withPicture(all []Message, p Picture) []Message {
	if len(all) == 0 || all[len(all)-1].Role != "user" {
		all = append(all, Message{Role: "user"})
	}
	last := &all[len(all)-1]
	last.Pictures = append(last.Pictures, p)
	return all
}

func (m openAIMessage) message() Message {
	out := Message{Role: m.Role, ToolCallID: m.ToolCallID, Reasoning: m.ReasoningContent + m.Reasoning}
	for _, d := range m.ReasoningDetails {
		text, _ := d["text"].(string)
		out.Reasoning += text
	}
	if m.text != nil {
		out.Text = *m.text
	}
	for _, c := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
	}
	return out
}

var (
	fenceStart = regexp.MustCompile(`(?s)^<([a-z]+-[0-9a-f]+) from="[^"]*">\n`)
	spoken     = regexp.MustCompile(`^[^\n:]{1,200} \([^()\n]{1,80}\): [^\n]*$`)
)

// apart takes a message of the user's apart: at its fences, and around lines
// that begin with a name.
func apart(m Message) []Message {
	if m.Role != "user" {
		return []Message{m}
	}
	var out []Message
	open := false // the last message may go on
	rest := m.Text
	for rest != "" {
		if tag := fenceStart.FindStringSubmatch(rest); tag != nil {
			end := "\n</" + tag[1] + ">"
			if i := strings.Index(rest, end); i >= 0 {
				out, open = append(out, Message{Role: "user", Text: rest[:i+len(end)]}), false
				rest = strings.TrimPrefix(rest[i+len(end):], "\n\n")
				continue
			}
		}
		text, after, _ := strings.Cut(rest, "\n\n")
		said := spoken.MatchString(text)
		if open && !said {
			out[len(out)-1].Text += "\n\n" + text
		} else {
			out = append(out, Message{Role: "user", Text: text})
		}
		open, rest = !said, after
	}
	if len(out) == 0 {
		return []Message{m}
	}
	out[len(out)-1].Pictures = m.Pictures
	return out
}

func (f openAIFormat) events(r Request, resp Response, pieces []string) (body, end []string) {
	if r.Dialect == Azure {
		body = append(body, sse(object{"choices": []object{}, "created": 0, "id": "", "model": "", "object": "",
			"prompt_filter_results": []object{{"prompt_index": 0, "content_filter_results": object{}}}}))
	}
	if r.Dialect == DeepSeek {
		body = append(body, ": keep-alive\n\n")
	}
	if r.Dialect == OpenRouter {
		body = append(body, ": OPENROUTER PROCESSING\n\n")
	}
	body = append(body, f.event(r, object{"role": "assistant", "content": ""}, nil))
	for _, p := range cutPieces(resp.Reasoning, resp.ChunkRunes) {
		body = append(body, f.event(r, r.Dialect.thinks(p), nil))
	}
	for _, p := range pieces {
		body = append(body, f.event(r, r.Dialect.says(p), nil))
	}
	calls, open := faultyCalls(resp)
	for i, c := range calls {
		c.ID = r.Dialect.callID(c.ID)
		first, second := halves(c.Arguments)
		if r.Dialect == Ollama || r.Dialect == Mistral {
			first, second = c.Arguments, ""
		}
		index := i
		if r.Dialect == Ollama {
			index = 0
		}
		// The arguments come in two fragments, as the real service sends them in many.
		body = append(body, f.event(r, object{"tool_calls": []object{{
			"index": index, "id": c.ID, "type": "function",
			"function": object{"name": c.Name, "arguments": first},
		}}}, nil))
		if !open && second != "" {
			body = append(body, f.event(r, object{"tool_calls": []object{{
				"index": index, "function": object{"arguments": second},
			}}}, nil))
		}
	}
	if !resp.NoFinish {
		end = append(end, f.event(r, object{}, finishOf(resp)))
	}
	if !resp.NoUsage {
		end = append(end, sse(object{
			"id": "chatcmpl-test", "object": "chat.completion.chunk", "model": r.Model, "choices": []object{},
			"usage": usage(r, resp),
		}))
	}
	if !resp.NoDone {
		end = append(end, "data: [DONE]\n\n")
	}
	return body, end
}

// thinks is a piece of reasoning in the form of a dialect.
func (d Dialect) thinks(text string) object {
	switch d {
	case Mistral:
		return object{"content": []object{{"type": "thinking", "thinking": []object{{"type": "text", "text": text}}}}}
	case VLLM, Ollama:
		return object{"content": "", "reasoning": text}
	case OpenRouter:
		return object{"content": "", "reasoning": text, "reasoning_details": []object{{"type": "reasoning.text", "text": text, "index": 0, "format": "unknown"}}}
	case OpenAI, Azure:
		return object{} // it shows nothing of its reasoning but the count
	}
	return object{"content": nil, "reasoning_content": text}
}

// says is a piece of text in the form of a dialect.
func (d Dialect) says(text string) object {
	switch d {
	case DeepSeek:
		return object{"content": text, "reasoning_content": nil}
	case Mistral:
		return object{"content": []object{{"type": "text", "text": text}}}
	}
	return object{"content": text}
}

// callID is an ID in the form that the dialect gives them.
func (d Dialect) callID(id string) string {
	if d != Mistral || mistralID.MatchString(id) {
		return id
	}
	h := fnv.New64a()
	_, _ = io.WriteString(h, id)
	return fmt.Sprintf("%016x", h.Sum64())[:9]
}

func usage(r Request, resp Response) object {
	return object{"prompt_tokens": words(r.LastUser()), "completion_tokens": words(resp.Text) + words(resp.Reasoning),
		"completion_tokens_details": object{"reasoning_tokens": words(resp.Reasoning)}}
}

// document is the whole answer as one JSON document.
func (f openAIFormat) document(r Request, resp Response) []byte {
	message := object{"role": "assistant", "content": resp.Text}
	for name, value := range r.Dialect.thinks(resp.Reasoning) {
		if resp.Reasoning != "" && name != "content" {
			message[name] = value
		}
	}
	var calls []object
	for _, c := range resp.ToolCalls {
		calls = append(calls, object{"id": r.Dialect.callID(c.ID), "type": "function", "function": object{"name": c.Name, "arguments": c.Arguments}})
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	return encode(object{"id": "chatcmpl-test", "object": "chat.completion", "model": r.Model, "usage": usage(r, resp),
		"choices": []object{{"index": 0, "message": message, "finish_reason": finishOf(resp)}}})
}

func (openAIFormat) event(r Request, delta object, finish any) string {
	return sse(object{
		"id": "chatcmpl-test", "object": "chat.completion.chunk", "model": r.Model,
		"choices": []object{{"index": 0, "delta": delta, "finish_reason": finish}},
	})
}

func (openAIFormat) failure(status int, message string) []byte {
	// The order of members matters to clients that look for {"error": at the beginning.
	return encode(object{"error": object{"message": message, "type": http.StatusText(status), "code": fmt.Sprint(status)}})
}

func finishOf(resp Response) string {
	switch {
	case resp.Finish != "":
		return resp.Finish
	case len(resp.ToolCalls) > 0, resp.Fault == BadArguments:
		return "tool_calls"
	}
	return "stop"
}

// faultyCalls are the tool calls, with the faults that concern them; open means that the arguments stop in the middle.
func faultyCalls(resp Response) (calls []ToolCall, open bool) {
	switch resp.Fault {
	case OpenToolCall:
		return []ToolCall{{ID: "call_open", Name: "lookup", Arguments: `{"topic":"the long way"}`}}, true
	case BadArguments:
		return []ToolCall{{ID: "call_bad", Name: "lookup", Arguments: `{"topic": unquoted`}}, false
	}
	return resp.ToolCalls, false
}

func sse(v any) string { return "data: " + string(encode(v)) + "\n\n" }

func encode(v any) []byte {
	raw, err := json.Marshal(v)
	if err != nil {
		panic("llmtest: " + err.Error())
	}
	return raw
}
