package llmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
		Model         string   `json:"model"`
		Stream        bool     `json:"stream"`
		Temperature   *float64 `json:"temperature"`
		MaxTokens     int      `json:"max_tokens"`
		MaxCompletion int      `json:"max_completion_tokens"`
		Messages      []struct {
			Role       string `json:"role"`
			Content    string `json:"content"`
			ToolCallID string `json:"tool_call_id"`
			ToolCalls  []struct {
				ID       string `json:"id"`
				Function struct {
					Name      string `json:"name"`
					Arguments string `json:"arguments"`
				} `json:"function"`
			} `json:"tool_calls"`
		} `json:"messages"`
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
		Header: req.Header.Clone(), Body: string(raw),
	}
	for _, m := range in.Messages {
		if m.Role == "system" {
			out.System = strings.TrimSpace(out.System + "\n\n" + m.Content)
			continue
		}
		msg := Message{Role: m.Role, Text: m.Content, ToolCallID: m.ToolCallID}
		for _, c := range m.ToolCalls {
			msg.ToolCalls = append(msg.ToolCalls, ToolCall{ID: c.ID, Name: c.Function.Name, Arguments: c.Function.Arguments})
		}
		out.Messages = append(out.Messages, msg)
	}
	for _, t := range in.Tools {
		out.Tools = append(out.Tools, t.Function.Name)
	}
	return out, nil
}

func (f openAIFormat) events(r Request, resp Response, pieces []string) (body, end []string) {
	body = append(body, f.event(r, object{"role": "assistant", "content": ""}, nil))
	for _, p := range pieces {
		body = append(body, f.event(r, object{"content": p}, nil))
	}
	calls, open := faultyCalls(resp)
	for i, c := range calls {
		// The arguments come in two fragments, as the real service sends them in many.
		first, second := halves(c.Arguments)
		body = append(body, f.event(r, object{"tool_calls": []object{{
			"index": i, "id": c.ID, "type": "function",
			"function": object{"name": c.Name, "arguments": first},
		}}}, nil))
		if !open {
			body = append(body, f.event(r, object{"tool_calls": []object{{
				"index": i, "function": object{"arguments": second},
			}}}, nil))
		}
	}
	end = append(end, f.event(r, object{}, finishOf(resp)))
	if !resp.NoUsage {
		end = append(end, sse(object{
			"id": "chatcmpl-test", "object": "chat.completion.chunk", "model": r.Model, "choices": []object{},
			"usage": object{"prompt_tokens": words(r.LastUser()), "completion_tokens": words(resp.Text)},
		}))
	}
	if !resp.NoDone {
		end = append(end, "data: [DONE]\n\n")
	}
	return body, end
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
