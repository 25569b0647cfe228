package llm_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

func TestAnswer(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider+"/TextFinishUsage", func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Say("Because light scatters."))
			got := collect(t.Context(), t, r.models, ask(provider, "Why is the sky blue?"))
			if got.err != nil || got.text != "Because light scatters." || got.last.Finish != llm.FinishStop {
				t.Fatalf("got %q, finish %q, %v", got.text, got.last.Finish, got.err)
			}
			if len(got.chunks) != 3 {
				t.Errorf("got %d chunks, want the 3 that were sent", len(got.chunks))
			}
			if want := (llm.Usage{PromptTokens: 6, CompletionTokens: 3}); got.last.Usage == nil || *got.last.Usage != want {
				t.Errorf("got usage %v, want %v", got.last.Usage, want)
			}
		})
		t.Run(provider+"/Length", func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Always(llmtest.Response{Text: "Because", Finish: "length"}))
			if got := collect(t.Context(), t, r.models, ask(provider, "Why?")); got.last.Finish != llm.FinishLength {
				t.Errorf("got finish %q, want length", got.last.Finish)
			}
		})
		t.Run(provider+"/ContentFilter", func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Always(llmtest.Response{Finish: "content_filter"}))
			if got := collect(t.Context(), t, r.models, ask(provider, "Why?")); got.last.Finish != llm.FinishContentFilter {
				t.Errorf("got finish %q, want content_filter", got.last.Finish)
			}
		})
		t.Run(provider+"/ToolCalls", func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Always(llmtest.Response{Text: "Let me look.", ToolCalls: []llmtest.ToolCall{
				{ID: "a", Name: "lookup", Arguments: `{"topic":"<light> & \u0000shade"}`}, {ID: "b", Name: "now"},
			}}))
			got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
			if got.err != nil || got.text != "Let me look." || got.last.Finish != llm.FinishToolCalls || len(got.last.ToolCalls) != 2 {
				t.Fatalf("got %+v", got)
			}
			first, second := got.last.ToolCalls[0], got.last.ToolCalls[1]
			if first.Name != "lookup" || string(first.Arguments) != `{"topic":"<light> & shade"}` {
				t.Errorf("got call %s %s, want lookup without the NUL", first.Name, first.Arguments)
			}
			if second.Name != "now" || string(second.Arguments) != "{}" {
				t.Errorf("got call %s %s, want now {}", second.Name, second.Arguments)
			}
			if first.ID == "" || first.ID == second.ID {
				t.Errorf("got IDs %q and %q, want two", first.ID, second.ID)
			}
		})
		t.Run(provider+"/ToolCallEvenWithStop", func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Always(llmtest.Response{Finish: "stop", ToolCalls: []llmtest.ToolCall{{ID: "a", Name: "now", Arguments: "{}"}}}))
			if got := collect(t.Context(), t, r.models, ask(provider, "Why?")); got.last.Finish != llm.FinishToolCalls {
				t.Errorf("got finish %q, want tool_calls", got.last.Finish)
			}
		})
	}
}

func TestWhatIsSent(t *testing.T) {
	t.Parallel()
	temperature := 0.0
	req := llm.Request{
		Meter: llm.NoMeter{},
		Key:   testKey, Model: "some-model", System: "You teach.", Temperature: &temperature, MaxTokens: 77,
		Tools: []llm.Tool{{Name: "lookup", Description: "Looks up.", Schema: json.RawMessage(`{"type":"object"}`)}, {Name: "now"}},
		Messages: []llm.Message{
			{Role: llm.RoleUser, Name: "Ada\nBob", Text: "What is light?"},
			{Role: llm.RoleUser, Text: "Nobody's line"},
			{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{ID: "c1", Name: "lookup", Arguments: json.RawMessage(`{"q":1}`)}}},
			{Role: llm.RoleTool, ToolCallID: "c1"},
			{Role: llm.RoleAssistant, Text: "A wave."},
			{Role: llm.RoleAssistant},
			{Role: llm.RoleSystem, Text: "Be brief."},
			{Role: llm.RoleUser, Name: "Ada", Text: "And?"},
		},
	}
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			req := req
			req.Provider = provider
			if got := collect(t.Context(), t, r.models, req); got.err != nil || got.text != "You said: Ada: And?" {
				t.Fatalf("got %q, %v", got.text, got.err)
			}
			sent := r.Requests()[0]
			if sent.Key != testKey || sent.Model != "some-model" || sent.MaxTokens != 77 || sent.System != "You teach.\n\nBe brief." {
				t.Errorf("got key %q, model %q, max %d, system %q", sent.Key, sent.Model, sent.MaxTokens, sent.System)
			}
			if sent.Temperature == nil || *sent.Temperature > 1e-6 {
				t.Errorf("got temperature %v, want 0", sent.Temperature)
			}
			if want := []string{"lookup", "now"}; !slices.Equal(sent.Tools, want) {
				t.Errorf("got tools %v, want %v", sent.Tools, want)
			}
			var lines []string
			for _, m := range sent.Messages {
				lines = append(lines, fmt.Sprint(m.Role, "|", m.Text, "|", len(m.ToolCalls)))
			}
			want := []string{
				"user|Ada Bob: What is light?\n\nNobody's line|0", "assistant||1", "tool|(no output)|0",
				"assistant|A wave.|0", "user|Ada: And?|0",
			}
			if !slices.Equal(lines, want) {
				t.Errorf("got messages\n%q, want\n%q", lines, want)
			}
			if call := sent.Messages[1].ToolCalls[0]; call.Name != "lookup" || call.Arguments != `{"q":1}` {
				t.Errorf("got call %+v, want lookup {\"q\":1}", call)
			}
			result := sent.Messages[2]
			if provider == "gemini" && result.ToolName != "lookup" || provider == "openai" && result.ToolCallID != "c1" {
				t.Errorf("got tool result %+v, want it tied to its call", result)
			}
		})
	}
	t.Run("DefaultModelsAndKeyless", func(t *testing.T) {
		t.Parallel()
		r := onNetwork(t, llm.Config{})
		for _, provider := range []string{"openai", "gemini", "claude", "mirror"} {
			req := ask(provider, "Why?")
			if provider == "mirror" {
				req.Key = ""
			}
			if got := collect(t.Context(), t, r.models, req); got.err != nil {
				t.Fatal(got.err)
			}
		}
		var got []string
		for _, sent := range r.Requests() {
			got = append(got, sent.Model+"|"+sent.Key)
		}
		if want := []string{"gpt-4o|" + testKey, "gemini-2.0-flash|" + testKey, "claude-sonnet-4-5|" + testKey, "small|"}; !slices.Equal(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestRefusedBeforeSending(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change func(*llm.Request)
		kind   llm.ErrorKind
	}{
		"unknown provider": {func(r *llm.Request) { r.Provider = "nobody" }, llm.UnknownProvider},
		"no key":           {func(r *llm.Request) { r.Key = " " }, llm.BadKey},
		"key with a line":  {func(r *llm.Request) { r.Key = "a\r\nX-Evil: 1" }, llm.BadKey},
		"no message":       {func(r *llm.Request) { r.Messages = nil }, llm.BadRequest},
		"unknown role":     {func(r *llm.Request) { r.Messages[0].Role = "boss" }, llm.BadRequest},
		"bad model":        {func(r *llm.Request) { r.Model = "a b" }, llm.BadRequest},
		"path as a model":  {func(r *llm.Request) { r.Provider, r.Model = "gemini", "../../files?x=" }, llm.BadRequest},
		"bad schema":       {func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "x", Schema: json.RawMessage("[")}} }, llm.BadRequest},
		"bad earlier call": {func(r *llm.Request) {
			r.Messages[0] = llm.Message{Role: llm.RoleAssistant, ToolCalls: []llm.ToolCall{{Name: "x", Arguments: json.RawMessage("1")}}}
		}, llm.BadRequest},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			req := ask("openai", "Why?")
			c.change(&req)
			if got := collect(t.Context(), t, r.models, req); got.kind() != c.kind {
				t.Errorf("got %v, want %s", got.err, c.kind)
			}
			if r.Count() != 0 {
				t.Errorf("got %d requests, want none", r.Count())
			}
		})
	}
}

// However a text is cut, into tokens and into packets, the same text comes out.
func TestAnySplitGivesTheSameText(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			rapid.Check(t, func(rt *rapid.T) {
				text := rapid.StringOfN(rapid.RuneFrom([]rune("aé漢😀\n\"\\ \u2028\u202e\x00")), 1, 60, -1).Draw(rt, "text")
				r.Script(llmtest.Always(llmtest.Response{
					Text:       text,
					ChunkRunes: rapid.IntRange(1, 9).Draw(rt, "runes per chunk"),
					WireBytes:  rapid.IntRange(1, 400).Draw(rt, "bytes per packet"),
				}))
				got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
				want := strings.ReplaceAll(text, "\x00", "")
				if got.err != nil || got.text != want {
					rt.Fatalf("got %q, %v, want %q", got.text, got.err, want)
				}
			})
		})
	}
}

func TestManyStreamsAtOnceAreWhole(t *testing.T) {
	t.Parallel()
	r := onNetwork(t, llm.Config{})
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			provider := []string{"openai", "gemini", "claude"}[i%3]
			for n := range 5 {
				line := strings.Repeat(fmt.Sprintf("%d-%d ", i, n), 40)
				got := collect(t.Context(), t, r.models, ask(provider, line))
				if want := "You said: Ada: " + line; got.text != want || got.err != nil {
					t.Errorf("got %d bytes, %v, want %d bytes", len(got.text), got.err, len(want))
				}
			}
		})
	}
	wg.Wait()
}

// Whatever JSON a server sends, a stream ends with a finish or an error, and nothing panics.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	events := []string{
		`null`, `[]`, `1`, `"x"`, `{}`, `{"choices":null}`, `{"choices":[null]}`, `{"choices":"x"}`, `{"choices":[{"delta":null}]}`,
		`{"choices":[{"delta":{"content":null}}]}`, `{"choices":[{"delta":{"tool_calls":[{"index":-1}]},"finish_reason":"stop"}]}`,
		`{"choices":[{"delta":{"content":5}}]}`, `{"usage":5}`, `{"error":"x"}`, `{"error":null}`, `{"error":{"code":"x"}}`,
		`{"error":{"message":["a"],"code":{}}}`, `{"candidates":"x"}`, `{"candidates":{}}`, `{"candidates":[null]}`, `{"candidates":[1]}`,
		`{"candidates":[{"content":"x"}]}`, `{"candidates":[{"content":{"parts":"x"}}]}`, `{"candidates":[{"content":{"parts":[null]}}]}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":5}]}}]}`, `{"candidates":[{"content":{"parts":[{"functionCall":{"args":[]}}]}}]}`,
		`{"candidates":[{"finishReason":7}]}`, `{"usageMetadata":5}`, `{"usageMetadata":{"promptTokenCount":"x"}}`, `{"promptFeedback":1}`,
		`{"promptFeedback":{"blockReason":"SAFETY"}}`, `{"candidates":[{"citationMetadata":{"citationSources":1}}]}`, `{"candidates":[{"safetyRatings":1}]}`,
	}
	var event atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = fmt.Fprintf(w, "data: %s\n\n", event.Load())
	}))
	t.Cleanup(server.Close)
	m := modelsAt(t, server.URL, llm.Config{Retry: llm.Retry{Attempts: 1}, Breaker: llm.Breaker{Failures: 1000}})
	for _, e := range events {
		event.Store(e)
		for _, provider := range []string{"openai", "gemini", "claude"} {
			got := collect(t.Context(), t, m, ask(provider, "Why?"))
			if got.err == nil && got.last.Finish == "" {
				t.Errorf("%s: %s: got neither finish nor error", provider, e)
			}
		}
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			var dials atomic.Int64
			transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				dials.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			r := onNetwork(t, llm.Config{Transport: transport})
			for range 20 {
				if got := collect(t.Context(), t, r.models, ask(provider, "Why?")); got.err != nil {
					t.Fatal(got.err)
				}
			}
			if got := dials.Load(); got > 2 {
				t.Errorf("got %d connections for 20 calls, want them used again", got)
			}
		})
	}
}
