package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// geminiFormat is Google's streamGenerateContent with alt=sse.
type geminiFormat struct{}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text       string `json:"text"`
		InlineData *struct {
			MIMEType string `json:"mimeType"`
			Data     []byte `json:"data"`
		} `json:"inlineData"`
		FunctionCall *struct {
			Name string          `json:"name"`
			Args json.RawMessage `json:"args"`
		} `json:"functionCall"`
		FunctionResponse *struct {
			Name     string         `json:"name"`
			Response map[string]any `json:"response"`
		} `json:"functionResponse"`
	} `json:"parts"`
}

func (geminiFormat) decode(req *http.Request) (Request, error) {
	raw, err := io.ReadAll(req.Body)
	if err != nil {
		return Request{}, err
	}
	var in struct {
		Contents          []geminiContent `json:"contents"`
		SystemInstruction geminiContent   `json:"systemInstruction"`
		Tools             []struct {
			FunctionDeclarations []struct {
				Name string `json:"name"`
			} `json:"functionDeclarations"`
		} `json:"tools"`
		GenerationConfig json.RawMessage `json:"generationConfig"`
	}
	var settings struct {
		Temperature      *float64 `json:"temperature"`
		MaxOutputTokens  int      `json:"maxOutputTokens"`
		ResponseMIMEType string   `json:"responseMimeType"`
	}
	if err := json.Unmarshal(raw, &in); err != nil {
		return Request{}, err
	}
	if len(in.GenerationConfig) > 0 {
		if err := json.Unmarshal(in.GenerationConfig, &settings); err != nil {
			return Request{}, err
		}
	}
	if req.URL.Query().Get("alt") != "sse" || len(in.Contents) == 0 {
		return Request{}, fmt.Errorf("alt=sse and contents are required")
	}
	model, _, _ := strings.Cut(path.Base(req.URL.Path), ":")
	out := Request{
		Format: "gemini", Key: req.Header.Get("X-Goog-Api-Key"), Model: model,
		System: in.SystemInstruction.text(), Temperature: settings.Temperature,
		MaxTokens: settings.MaxOutputTokens, Header: req.Header.Clone(), Body: string(raw),
		ResponseFormat: settings.ResponseMIMEType, Members: append(membersOf(raw), membersOf(in.GenerationConfig)...),
	}
	for _, c := range in.Contents {
		out.Messages = append(out.Messages, c.messages()...)
	}
	for _, t := range in.Tools {
		for _, d := range t.FunctionDeclarations {
			out.Tools = append(out.Tools, d.Name)
		}
	}
	return out, nil
}

func (c geminiContent) text() string {
	var out []string
	for _, p := range c.Parts {
		out = append(out, p.Text)
	}
	return strings.Join(out, "\n")
}

// messages gives one Message per part, because a content may join what several people said.
func (c geminiContent) messages() []Message {
	role := "user"
	if c.Role == "model" {
		role = "assistant"
	}
	var out []Message
	for _, p := range c.Parts {
		switch {
		case p.InlineData != nil:
			out = withPicture(out, Picture{p.InlineData.MIMEType, p.InlineData.Data})
		case p.FunctionCall != nil:
			out = append(out, Message{Role: role, ToolCalls: []ToolCall{{Name: p.FunctionCall.Name, Arguments: string(p.FunctionCall.Args)}}})
		case p.FunctionResponse != nil:
			text, _ := p.FunctionResponse.Response["output"].(string)
			out = append(out, Message{Role: "tool", ToolName: p.FunctionResponse.Name, Text: text})
		default:
			out = append(out, apart(Message{Role: role, Text: p.Text})...)
		}
	}
	return out
}

func (f geminiFormat) events(r Request, resp Response, pieces []string) (body, end []string) {
	if resp.Blocked {
		return nil, []string{strings.ReplaceAll(sse(object{"promptFeedback": object{"blockReason": "PROHIBITED_CONTENT"},
			"usageMetadata": object{"promptTokenCount": words(r.LastUser())}}), "\n", "\r\n")}
	}
	for _, p := range cutPieces(resp.Reasoning, resp.ChunkRunes) {
		body = append(body, f.event(r, []object{{"text": p, "thought": true}}, "", nil))
	}
	for _, p := range pieces {
		body = append(body, f.event(r, []object{{"text": p}}, "", nil))
	}
	switch resp.Fault {
	case OpenToolCall:
		body = append(body, "data: {\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"lookup\",\"args\":{\"topic\":\"the")
	case BadArguments:
		end = append(end, f.event(r, nil, "MALFORMED_FUNCTION_CALL", nil))
	default:
		for _, c := range resp.ToolCalls {
			args := json.RawMessage("{}")
			if c.Arguments != "" {
				args = json.RawMessage(c.Arguments)
			}
			body = append(body, f.event(r, []object{{"functionCall": object{"name": c.Name, "args": args}}}, "", nil))
		}
	}
	var usage object
	if !resp.NoUsage {
		usage = object{"promptTokenCount": words(r.LastUser()), "candidatesTokenCount": words(resp.Text), "thoughtsTokenCount": words(resp.Reasoning)}
	}
	if resp.NoFinish {
		return body, end
	}
	finish := map[string]string{"": "STOP", "stop": "STOP", "tool_calls": "STOP", "length": "MAX_TOKENS", "content_filter": "SAFETY"}[resp.Finish]
	return body, append(end, f.event(r, []object{{"text": ""}}, finish, usage))
}

// document is the answer without alt=sse: a list of what would be the events.
func (f geminiFormat) document(r Request, resp Response) []byte {
	body, end := f.events(r, resp, []string{resp.Text})
	var all []string
	for _, e := range append(body, end...) {
		all = append(all, strings.TrimSpace(strings.TrimPrefix(e, "data: ")))
	}
	return []byte("[" + strings.Join(all, ",\r\n") + "]")
}

func (geminiFormat) event(r Request, parts []object, finish string, usage object) string {
	candidate := object{"index": 0, "content": object{"role": "model", "parts": parts}}
	if finish != "" {
		candidate["finishReason"] = finish
	}
	out := object{"candidates": []object{candidate}, "modelVersion": r.Model}
	if usage != nil {
		out["usageMetadata"] = usage
	}
	return strings.ReplaceAll(sse(out), "\n", "\r\n")
}

func (geminiFormat) failure(status int, message string) []byte {
	return encode(object{"error": object{"code": status, "message": message, "status": strings.ToUpper(http.StatusText(status))}})
}
