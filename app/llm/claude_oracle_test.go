package llm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// Anthropic's own SDK reads from the stand-in what the provider reads, and it knows all that
// the provider sends.
func TestClaudeAsItsSDK(t *testing.T) {
	t.Parallel()
	for name, resp := range map[string]llmtest.Response{
		"Text":     {Text: "Because light scatters. 因為。"},
		"Thinking": {Reasoning: "Let me think.", Text: "Yes."},
		"Calls": {Reasoning: "I need it.", Text: "Let me look.", ToolCalls: []llmtest.ToolCall{
			{ID: "toolu_1", Name: "lookup", Arguments: `{"topic":"light & <shade>"}`}, {ID: "toolu_2", Name: "lookup", Arguments: `{}`}}},
		"Length": {Text: "Because", Finish: "length"},
		"Filter": {Text: "Be", Finish: "content_filter"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := llmtest.New(t)
			server.Speak(llmtest.Claude)
			server.Script(llmtest.Always(resp))
			models, err := llm.New(llm.Config{Providers: providersAt(server.URL)})
			if err != nil {
				t.Fatal(err)
			}
			req := ask("claude", "Why?")
			req.Temperature, req.MaxTokens = &temperature, 300
			req.Tools = []llm.Tool{{Name: "lookup", Description: "Looks up.", Schema: json.RawMessage(`{"type":"object","properties":{"topic":{"type":"string"}},"required":["topic"]}`)}}
			req.Messages = append(req.Messages, llm.Message{Role: llm.RoleAssistant, Text: "I look.", ToolCalls: []llm.ToolCall{{ID: "a.b", Name: "lookup", Arguments: json.RawMessage(`{"topic":"x"}`)}}},
				llm.Message{Role: llm.RoleTool, Name: "lookup", ToolCallID: "a.b", Text: "found"})
			got := collect(t.Context(), t, models, req)
			if got.err != nil {
				t.Fatal(got.err)
			}

			// What was sent is all there once the SDK has read and written it.
			sent := server.Requests()[0]
			var params anthropic.MessageNewParams
			if err := json.Unmarshal([]byte(sent.Body), &params); err != nil {
				t.Fatalf("the SDK does not read %s: %v", sent.Body, err)
			}
			again, err := json.Marshal(params)
			if err != nil {
				t.Fatal(err)
			}
			if want := strings.Replace(sent.Body, `,"stream":true`, "", 1); !sameJSON(t, again, []byte(want)) {
				t.Errorf("the SDK sends\n%s\nwe send\n%s", again, want)
			}

			service := anthropic.NewMessageService(option.WithBaseURL(server.URL), option.WithAPIKey(testKey), option.WithMaxRetries(0))
			stream := service.NewStreaming(t.Context(), params)
			var message anthropic.Message
			for stream.Next() {
				if err := message.Accumulate(stream.Current()); err != nil {
					t.Fatal(err)
				}
			}
			if err := stream.Err(); err != nil {
				t.Fatal(err)
			}
			var text, thought string
			var calls []string
			for _, block := range message.Content {
				text += block.Text
				thought += block.Thinking
				if block.Type == "tool_use" {
					calls = append(calls, block.ID+" "+block.Name+" "+string(block.Input))
				}
			}
			var ours []string
			for _, c := range got.last.ToolCalls {
				ours = append(ours, c.ID+" "+c.Name+" "+string(c.Arguments))
			}
			if text != got.text || strings.Join(calls, "; ") != strings.Join(ours, "; ") {
				t.Errorf("the SDK reads %q and %q, we read %q and %q", text, calls, got.text, ours)
			}
			if r := got.last.Reasoning; (r == nil) != (thought == "") || r != nil && r.Text != thought {
				t.Errorf("the SDK reads the thought %q, we read %+v", thought, r)
			}
			if u := got.last.Usage; int(message.Usage.OutputTokens) != u.CompletionTokens || int(message.Usage.InputTokens) != u.PromptTokens {
				t.Errorf("the SDK counts %+v, we count %+v", message.Usage, u)
			}
		})
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var one, other any
	if err := json.Unmarshal(a, &one); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &other); err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(one)
	y, _ := json.Marshal(other)
	return string(x) == string(y)
}
