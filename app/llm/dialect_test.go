package llm_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// speaking is a rig with a server that behaves like a dialect, and a request of
// a talk of three people in which a tool was called.
func speaking(t *testing.T, d llmtest.Dialect) (*rig, llm.Request) {
	t.Helper()
	r := onNetwork(t, llm.Config{})
	r.Speak(d)
	return r, ask(d.Kind(), "Why?")
}

var temperature = 0.7

// Whatever a dialect refuses, a talk goes on, and the second call is right at once.
func TestDialects(t *testing.T) {
	t.Parallel()
	for _, d := range llmtest.Dialects() {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			t.Run("Talk", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				req.Messages = append([]llm.Message{{Role: llm.RoleAssistant, Text: "Hello."}}, append(req.Messages,
					llm.Message{Role: llm.RoleUser, Name: "Bob", Text: "And?"}, llm.Message{Role: llm.RoleUser, Name: "Cy", Text: "So?"})...)
				req.Temperature, req.MaxTokens, req.Model = &temperature, 50, "my/gpt-5-o3-deployment"
				for range 2 {
					if got := collect(t.Context(), t, r.models, req); got.err != nil || !strings.Contains(got.text, "So?") {
						t.Fatalf("got %q, %v; refused: %v", got.text, got.err, r.Refusals())
					}
				}
				if d != llmtest.Azure && d != llmtest.OpenAI && d != llmtest.Mistral && len(r.Refusals()) > 0 || len(r.Refusals()) > 3 {
					t.Errorf("got %d refusals: %+v", len(r.Refusals()), r.Refusals())
				}
				refused := len(r.Refusals())
				collect(t.Context(), t, r.models, req)
				if len(r.Refusals()) != refused {
					t.Error("what was refused once was sent again")
				}
			})
			t.Run("Tools", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				req.Tools = []llm.Tool{{Name: "lookup"}}
				r.Script(llmtest.InTurn(llmtest.Response{Reasoning: "I need the tool.", ToolCalls: []llmtest.ToolCall{
					{ID: "call_abc", Name: "lookup", Arguments: `{"q":1}`}, {ID: "call_def", Name: "lookup", Arguments: `{"q":2}`}}}, llmtest.Response{Text: "Found."}))
				got := collect(t.Context(), t, r.models, req)
				if got.err != nil || len(got.last.ToolCalls) != 2 {
					t.Fatalf("got %+v, %v", got.last, got.err)
				}
				said := llm.Message{Role: llm.RoleAssistant, ToolCalls: got.last.ToolCalls, Reasoning: got.last.Reasoning}
				req.Messages = append(req.Messages, said)
				for _, c := range got.last.ToolCalls {
					req.Messages = append(req.Messages, llm.Message{Role: llm.RoleTool, Name: c.Name, ToolCallID: c.ID, Text: "x"})
				}
				if got = collect(t.Context(), t, r.models, req); got.err != nil || got.text != "Found." {
					t.Fatalf("got %q, %v; refused: %v", got.text, got.err, r.Refusals())
				}
				// The same talk with another provider: its IDs are its own, and the reasoning stays where it was.
				other, foreign := speaking(t, d)
				foreign.Messages, foreign.Tools, foreign.Model = req.Messages, req.Tools, "another"
				if got = collect(t.Context(), t, other.models, foreign); got.err != nil {
					t.Fatalf("got %v; refused: %v", got.err, other.Refusals())
				}
				if body := other.Requests()[0].Body; strings.Contains(body, "I need the tool.") {
					t.Errorf("reasoning went to another model: %s", body)
				}
			})
			t.Run("Reasoning", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				r.Script(llmtest.Always(llmtest.Response{Reasoning: "Let me think.", Text: "Yes."}))
				got := collect(t.Context(), t, r.models, req)
				if got.err != nil || got.text != "Yes." {
					t.Fatalf("got %q, %v", got.text, got.err)
				}
				if shows := d != llmtest.OpenAI && d != llmtest.Azure; shows && (got.last.Reasoning == nil || got.last.Reasoning.Text != "Let me think.") {
					t.Errorf("got reasoning %+v", got.last.Reasoning)
				}
			})
			t.Run("LimitInThinking", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				r.Script(llmtest.Always(llmtest.Response{Reasoning: "Let me think", Finish: "length"}))
				if got := collect(t.Context(), t, r.models, req); got.err != nil || got.last.Finish != llm.FinishThinking {
					t.Errorf("got %+v, %v", got.last, got.err)
				}
			})
			t.Run("Schema", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				req.Schema = json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean"}}}`)
				r.Script(llmtest.Say(`{"ok":true}`))
				if got := collect(t.Context(), t, r.models, req); got.err != nil || got.text != `{"ok":true}` {
					t.Errorf("got %q, %v", got.text, got.err)
				}
			})
			t.Run("TooLong", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				r.Window(1000)
				req.Messages[0].Text = strings.Repeat("word ", 2000)
				got := collect(t.Context(), t, r.models, req)
				if got.kind() != llm.TooLong || got.err.Window != 1000 && d != llmtest.Ollama {
					t.Errorf("got %v, window %d", got.err, got.err.Window)
				}
				if w := r.models.Window(req.Provider, req.Model); w != got.err.Window {
					t.Errorf("remembers %d", w)
				}
			})
			t.Run("Blocked", func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				r.Script(llmtest.Always(llmtest.Response{Blocked: true}))
				if got := collect(t.Context(), t, r.models, req); got.kind() != llm.Filtered || r.Count() != 1 {
					t.Errorf("got %v after %d requests", got.err, r.Count())
				}
			})
			t.Run("Ends", func(t *testing.T) {
				t.Parallel()
				for name, resp := range map[string]llmtest.Response{
					"Plain": {Text: "All.", Plain: true}, "TextPlain": {Text: "All.", Label: "text/plain"}, "NoLabel": {Text: "All.", Label: "-"},
					"NoDone": {Text: "All.", NoDone: true},
				} {
					r, req := speaking(t, d)
					r.Script(llmtest.Always(resp))
					if got := collect(t.Context(), t, r.models, req); got.err != nil || got.text != "All." || r.Count() != 1 {
						t.Errorf("%s: got %q, %v after %d requests", name, got.text, got.err, r.Count())
					}
				}
				r, req := speaking(t, d)
				r.Script(llmtest.Always(llmtest.Response{Text: "All.", NoFinish: true}))
				if got := collect(t.Context(), t, r.models, req); (got.err == nil) != (d.Kind() == "openai") {
					t.Errorf("without a finish reason: got %q, %v", got.text, got.err)
				}
			})
		})
	}
}

// A model may refuse any part of a request; the rest is sent without it, and it is not sent again.
func TestRefusedParts(t *testing.T) {
	t.Parallel()
	for _, d := range llmtest.Dialects() {
		for _, part := range []string{"max_tokens", "temperature", "tools", "response_format", "system", "stream_options"} {
			if d == llmtest.Gemini && part == "stream_options" {
				continue
			}
			t.Run(string(d)+"/"+part, func(t *testing.T) {
				t.Parallel()
				r, req := speaking(t, d)
				r.Refuse(part)
				req.Temperature, req.MaxTokens = &temperature, 50
				if part == "tools" {
					req.Tools, req.ToolRule = []llm.Tool{{Name: "lookup"}}, " You have tools."
				}
				if part == "response_format" {
					req.Schema = json.RawMessage(`{"type":"object"}`)
				}
				for range 2 {
					if got := collect(t.Context(), t, r.models, req); got.err != nil {
						t.Fatalf("got %v; refused: %+v", got.err, r.Refusals())
					}
				}
				sent := r.Requests()[1]
				if part == "tools" && (len(sent.Tools) > 0 || strings.Contains(sent.System, "You have tools")) {
					t.Errorf("sent tools %v, system %q", sent.Tools, sent.System)
				}
				if part == "system" && (sent.System != "" || !strings.Contains(sent.Body, "You teach physics.")) {
					t.Errorf("sent %s", sent.Body)
				}
				if part == "max_tokens" && d != llmtest.Gemini && d != llmtest.Mistral && sent.MaxTokens != 50 {
					t.Errorf("the limit was left out although it has another name: %s", sent.Body)
				}
			})
		}
	}
	t.Run("OtherStatuses", func(t *testing.T) {
		t.Parallel()
		for _, c := range []struct {
			status  int
			message string
			tools   int
		}{
			{404, "No endpoints found that support tool use.", 0}, {500, "tools param requires --jinja flag", 0},
			{501, "tools are not implemented", 0}, {500, "the function that runs the model is not available", 1},
		} {
			r := onNetwork(t, llm.Config{Retry: llm.Retry{Base: time.Millisecond}})
			r.Script(llmtest.InTurn(llmtest.Response{Status: c.status, Message: c.message}, llmtest.Response{Text: "Yes."}))
			req := ask("openai", "Why?")
			req.Tools = []llm.Tool{{Name: "lookup"}}
			got := collect(t.Context(), t, r.models, req)
			if sent := r.Requests(); got.text != "Yes." || len(sent) != 2 || len(sent[1].Tools) != c.tools {
				t.Errorf("%s: got %q, %v with %d requests", c.message, got.text, got.err, len(sent))
			}
		}
	})
	t.Run("NotLearntFromAFailure", func(t *testing.T) {
		t.Parallel()
		r := onNetwork(t, llm.Config{})
		r.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "temperature is not supported"}))
		req := ask("openai", "Why?")
		req.Temperature = &temperature
		collect(t.Context(), t, r.models, req)
		r.Script(nil)
		if got := collect(t.Context(), t, r.models, req); got.err != nil || r.Requests()[r.Count()-1].Temperature == nil {
			t.Errorf("got %v, want the temperature sent again", got.err)
		}
	})
}
