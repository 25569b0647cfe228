package llm_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// A model whose answers are shorter than the limit that is sent gets a limit that each takes.
func TestClaudeRefusesTheLimit(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int{"Default": 0, "Asked": 10_000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, req := speaking(t, llmtest.Claude)
			r.Refuse("max_tokens")
			req.MaxTokens = limit
			for range 2 {
				if got := collect(t.Context(), t, r.models, req); got.err != nil {
					t.Fatalf("got %v; refused: %+v", got.err, r.Refusals())
				}
			}
			if sent := r.Requests(); len(r.Refusals()) != 1 || sent[0].MaxTokens != 4096 || sent[1].MaxTokens != 4096 {
				t.Errorf("got %d refusals and sent %d, %d tokens", len(r.Refusals()), sent[0].MaxTokens, sent[1].MaxTokens)
			}
		})
	}
}

// Without message_stop an answer was cut off, also when its reason has come.
func TestClaudeStreams(t *testing.T) {
	t.Parallel()
	const begun = `event: message_start` + "\n" + `data: {"type":"message_start","message":{"usage":{"input_tokens":7,"cache_read_input_tokens":90,"cache_creation_input_tokens":3,"output_tokens":1}}}` + "\n\n" +
		`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
		`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Be"}}` + "\n\n" +
		`data: {"type":"ping"}` + "\n\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"cause."}}` + "\n\n"
	const reason = `data: {"type":"message_delta","delta":{"stop_reason":"%"},"usage":{"output_tokens":12}}` + "\n\n"
	const stop = `data: {"type":"message_stop"}` + "\n\n"
	for name, c := range map[string]struct {
		raw    string
		kind   llm.ErrorKind
		finish string
		says   string
	}{
		"Whole":        {begun + strings.Replace(reason, "%", "end_turn", 1) + stop, "", llm.FinishStop, ""},
		"Length":       {begun + strings.Replace(reason, "%", "max_tokens", 1) + stop, "", llm.FinishLength, ""},
		"Window":       {begun + strings.Replace(reason, "%", "model_context_window_exceeded", 1) + stop, "", llm.FinishLength, ""},
		"Refused":      {begun + strings.Replace(reason, "%", "refusal", 1) + stop, "", llm.FinishContentFilter, ""},
		"NewReason":    {begun + strings.Replace(reason, "%", "pause_turn", 1) + stop, "", llm.FinishOther, ""},
		"NoStop":       {begun + strings.Replace(reason, "%", "end_turn", 1), llm.Broken, "", "cut off"},
		"NoReason":     {begun + stop, "", llm.FinishStop, ""},
		"Overloaded":   {begun + "event: error\ndata: " + `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}` + "\n\n", llm.Unavailable, "", "Overloaded"},
		"Limited":      {begun + "event: error\ndata: " + `{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}` + "\n\n", llm.Limited, "", "slow down"},
		"UnnamedError": {begun + `data: {"type":"error","error":{"type":"api_error","message":"Internal server error"}}` + "\n\n", llm.Unavailable, "", "Internal"},
		"Interleaved": {begun + `data: {"type":"content_block_start","index":1,"content_block":{"type":"thinking","thinking":"Hm"}}` + "\n\n" +
			`data: {"type":"content_block_start","index":2,"content_block":{"type":"thinking","thinking":"m","signature":"a"}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":1,"delta":{"type":"signature_delta","signature":"b"}}` + "\n\n" +
			`data: {"type":"content_block_delta","index":1,"delta":{"type":"thinking_delta","thinking":"."}}` + "\n\n" + strings.Replace(reason, "%", "end_turn", 1) + stop, "", llm.FinishStop, ""},
		"PromptAgain":     {begun + strings.Replace(reason, `"usage":{`, `"usage":{"input_tokens":7,`, 1) + stop, "", llm.FinishOther, ""},
		"StrangeEvents":   {begun + `data: {"type":"content_block_delta","index":99999999,"delta":{"text":"x"}}` + "\n\n" + `data: {"type":"telemetry","x":[1]}` + "\n\n" + `data: 7` + "\n\n" + strings.Replace(reason, "%", "end_turn", 1) + stop, "", llm.FinishStop, ""},
		"SomethingElse":   {`{"status":"fine"}`, llm.Broken, "", "no answer"},
		"ErrorOfAGateway": {`{"error":{"message":"no route"}}`, llm.Unavailable, "", "no route"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{Retry: llm.Retry{Attempts: 1}})
			r.Script(llmtest.Always(llmtest.Response{Raw: c.raw}))
			got := collect(t.Context(), t, r.models, ask("claude", "Why?"))
			if got.kind() != c.kind || c.kind != "" && !strings.Contains(got.err.Message, c.says) {
				t.Fatalf("got %v, want %q with %q", got.err, c.kind, c.says)
			}
			if c.kind != "" {
				return
			}
			if got.text != "Because." || got.last.Finish != c.finish {
				t.Errorf("got %q and %+v", got.text, got.last)
			}
			if u := got.last.Usage; u == nil || u.PromptTokens != 100 || name != "NoReason" && u.CompletionTokens != 12 {
				t.Errorf("got usage %+v", u)
			}
		})
	}
}

// The address may be written with or without the version of the interface.
func TestClaudeAddress(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", "/", "/v1", "/v1/", "/proxy", "/proxy/v1"} {
		server := llmtest.New(t)
		m, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{"claude": {BaseURL: server.URL + path}}})
		if err != nil {
			t.Fatal(err)
		}
		if got := collect(t.Context(), t, m, ask("claude", "Why?")); got.err != nil || server.Requests()[0].Format != "claude" {
			t.Errorf("%q: got %v", path, got.err)
		}
	}
}

// Thinking goes back beside the calls that it led to, as it came, and to nobody else.
func TestClaudeThinkingGoesBack(t *testing.T) {
	t.Parallel()
	const sealed = `data: {"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"c2VjcmV0"}}` + "\n\n" +
		`data: {"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"toolu_1","name":"lookup","input":{"q":"a<b"}}}` + "\n\n" +
		`data: {"type":"message_delta","delta":{"stop_reason":"tool_use"}}` + "\n\n" + `data: {"type":"message_stop"}` + "\n\n"
	r := onNetwork(t, llm.Config{})
	req := ask("claude", "Why?")
	req.Tools = []llm.Tool{{Name: "lookup"}}
	r.Script(llmtest.InTurn(llmtest.Response{Raw: sealed}, llmtest.Response{Text: "Found."}))
	got := collect(t.Context(), t, r.models, req)
	if got.err != nil || len(got.last.ToolCalls) != 1 || string(got.last.ToolCalls[0].Arguments) != `{"q":"a<b"}` {
		t.Fatalf("got %+v, %v", got.last, got.err)
	}
	req.Messages = append(req.Messages, llm.Message{Role: llm.RoleAssistant, ToolCalls: got.last.ToolCalls, Reasoning: got.last.Reasoning},
		llm.Message{Role: llm.RoleTool, Name: "lookup", ToolCallID: "toolu_1", Text: "x"})
	if got = collect(t.Context(), t, r.models, req); got.err != nil || got.text != "Found." {
		t.Fatalf("got %q, %v", got.text, got.err)
	}
	var sent struct {
		Messages []struct{ Content json.RawMessage }
	}
	if err := json.Unmarshal([]byte(r.Requests()[1].Body), &sent); err != nil {
		t.Fatal(err)
	}
	if want := `{"type":"redacted_thinking","data":"c2VjcmV0"}`; !strings.Contains(string(sent.Messages[1].Content), want) {
		t.Errorf("got %s, want %s in it", sent.Messages[1].Content, want)
	}
}
