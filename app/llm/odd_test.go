package llm_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

func deltas(texts ...string) string {
	var b strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&b, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\n", text)
	}
	return b.String() + "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

// What servers were seen to send, and what it says.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	event := func(choice string) string { return `data: {"choices":[` + choice + "]}\n\n" }
	stop := event(`{"delta":{},"finish_reason":"stop"}`)
	for name, c := range map[string]struct {
		raw, label string
		text       string
		thought    string
		kind       llm.ErrorKind
		says       string
	}{
		"odd types":         {raw: `data: {"id":7,"created":1700000000.123,"model":null,"system_fingerprint":{},"service_tier":[1],"choices":[{"index":"0","delta":{"content":"Hi","role":5},"logprobs":NaN}],"usage":"none"}` + "\n\n" + stop, text: "Hi"},
		"list of parts":     {raw: event(`{"delta":{"content":[{"type":"text","text":"H"},{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"i"}]}}`) + stop, text: "Hi", thought: "hm"},
		"one line end":      {raw: strings.ReplaceAll(event(`{"delta":{"content":"H"}}`)+event(`{"delta":{"content":"i"}}`)+stop, "\n\n", "\n") + "data: [DONE]\n", text: "Hi"},
		"no line end":       {raw: event(`{"delta":{"content":"Hi"}}`) + "data: [DONE]", text: "Hi"},
		"whole in an event": {raw: `data: {"object":"chat.completion","choices":[{"message":{"content":"Hi"}}]}` + "\n\n", text: "Hi"},
		"a list of values":  {raw: `[{"choices":[{"message":{"content":"Hi"}}]}]`, label: "application/json", text: "Hi"},
		"lines of JSON":     {raw: `{"choices":[{"delta":{"content":"H"}}]}` + "\n" + `{"choices":[{"delta":{"content":"i"},"finish_reason":"stop"}]}` + "\n", label: "application/x-ndjson", text: "Hi"},
		"finish in each":    {raw: event(`{"delta":{"content":"H"},"finish_reason":"stop"}`) + event(`{"delta":{"content":"i"},"finish_reason":"stop"}`) + "data: [DONE]\n\n", text: "Hi"},
		"STOP":              {raw: event(`{"delta":{"content":"Hi"}}`) + event(`{"delta":{},"finish_reason":"STOP"}`), text: "Hi"},
		"error as a text":   {raw: `data: {"error":"the cat sat on the server"}` + "\n\n", kind: llm.Unavailable, says: "the cat sat"},
		"event: error":      {raw: "event: error\ndata: overloaded, come back\n\n", kind: llm.Unavailable, says: "overloaded, come back"},
		"error as a body":   {raw: `{"error":{"message":"Incorrect API key","code":"invalid_api_key"}}`, label: "application/json", kind: llm.BadKey, says: "Incorrect API key"},
		"no money":          {raw: `data: {"error":{"message":"x","code":"insufficient_quota"}}` + "\n\n", kind: llm.Quota},
		"words":             {raw: "upstream connect error", label: "text/plain", kind: llm.Broken, says: "upstream connect error"},
		"a page":            {raw: "\n <html>Sign in</html>", kind: llm.Broken, says: "page"},
		"cut":               {raw: event(`{"delta":{"content":"Hi"}}`), text: "Hi", kind: llm.Broken, says: "cut off"},
		"another document":  {raw: `{"ok":true}`, label: "application/json", kind: llm.Broken, says: `{"ok":true}`},
		"legacy text":       {raw: event(`{"text":"Hi","finish_reason":"stop"}`), text: "Hi"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{Retry: llm.Retry{Attempts: 1}})
			r.Script(llmtest.Always(llmtest.Response{Raw: c.raw, Label: c.label}))
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.text != c.text || got.kind() != c.kind || c.says != "" && !strings.Contains(got.err.Message, c.says) {
				t.Errorf("got %q, %v, want %q, %s %q", got.text, got.err, c.text, c.kind, c.says)
			}
			if c.thought != "" && (got.last.Reasoning == nil || got.last.Reasoning.Text != c.thought) {
				t.Errorf("got reasoning %+v", got.last.Reasoning)
			}
		})
	}
	t.Run("ArgumentsAsAnObject", func(t *testing.T) {
		t.Parallel()
		r := onNetwork(t, llm.Config{})
		r.Script(llmtest.Always(llmtest.Response{Raw: event(`{"delta":{"tool_calls":[{"id":5,"function":{"name":"f","arguments":{"a":1}}}]}}`) + stop}))
		got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
		if len(got.last.ToolCalls) != 1 || string(got.last.ToolCalls[0].Arguments) != `{"a":1}` || got.last.Finish != llm.FinishToolCalls {
			t.Errorf("got %+v, %v", got.last, got.err)
		}
	})
}

// Thinking, calls and the secrets of a call come in pieces of any size, and none is shown.
func TestSpeechAlone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in, text, thought string
		tools             bool
		malformed         bool
		kind              llm.ErrorKind
	}{
		"think":              {in: "<think>a secret plan</think>\n\nHello.", text: "Hello.", thought: "a secret plan"},
		"blanks before":      {in: "\n <think>plan</think> Hello.", text: "Hello.", thought: "plan"},
		"closing alone":      {in: "a secret plan\n</think>\n\nHello.", text: "Hello.", thought: "a secret plan"},
		"in the middle":      {in: "Well, <think>plan</think>yes.", text: "Well, yes.", thought: "plan"},
		"other marks":        {in: "[THINK]plan[/THINK]Hi ◁think▷more◁/think▷there", text: "Hi there", thought: "planmore"},
		"harmony":            {in: "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>Hi", text: "Hi", thought: "plan"},
		"never closed":       {in: "<think>plan", thought: "plan"},
		"about marks":        {in: "Write `<think>` and\n```\n<tool_call>\n</think>\n```\nin a template.", text: "Write `<think>` and\n```\n<tool_call>\n</think>\n```\nin a template."},
		"no marks":           {in: "a < b, [x], <thin, f(x) and functools", text: "a < b, [x], <thin, f(x) and functools"},
		"tool_call":          {in: "Let me look.\n<tool_call>\n{\"name\":\"lookup\",\"arguments\":{}}\n</tool_call>", text: "Let me look.\n", tools: true, malformed: true},
		"TOOL_CALLS":         {in: `[TOOL_CALLS][{"name":"lookup","arguments":{}}]`, tools: true, malformed: true},
		"python_tag":         {in: `<|python_tag|>lookup.call(q="x")`, tools: true, malformed: true},
		"functools":          {in: `functools[{"name":"lookup","arguments":{}}]`, tools: true, malformed: true},
		"DSML":               {in: "<｜DSML｜function_calls><｜DSML｜invoke name=\"lookup\">", tools: true, malformed: true},
		"JSON alone":         {in: `{"name": "lookup", "parameters": {"q": 1}}`, tools: true, malformed: true},
		"a call in Python":   {in: `[lookup(q="x")]`, tools: true, malformed: true},
		"JSON that is none":  {in: `{"name": "Ada", "age": 7}`, text: `{"name": "Ada", "age": 7}`, tools: true},
		"without tools":      {in: `<tool_call>{"name":"lookup"}</tool_call>`, kind: llm.WroteCall},
		"words without":      {in: `Hello. <tool_call>{"name":"lookup"}</tool_call>`, text: "Hello. "},
		"the key":            {in: "My key is " + testKey + ", and sk-proj is how it begins.", text: "My key is ***, and sk-proj is how it begins."},
		"another secret":     {in: "It is hunter2-hunter2.", text: "It is ***."},
		"a key in thinking":  {in: "<think>" + testKey + "</think>Hi", text: "Hi", thought: "***"},
		"the end of the key": {in: "ends with " + testKey[:12], text: "ends with " + testKey[:12]},
	} {
		for _, size := range []int{1, 3, 1000} {
			t.Run(fmt.Sprint(name, "/", size), func(t *testing.T) {
				t.Parallel()
				r := onNetwork(t, llm.Config{})
				r.Script(llmtest.Always(llmtest.Response{Text: c.in, ChunkRunes: size}))
				req := ask("openai", "Why?")
				req.Secrets = []string{"hunter2-hunter2"}
				if c.tools {
					req.Tools = []llm.Tool{{Name: "lookup"}}
				}
				got := collect(t.Context(), t, r.models, req)
				thought := ""
				if got.last.Reasoning != nil {
					thought = got.last.Reasoning.Text
				}
				if got.text != c.text || thought != c.thought || got.kind() != c.kind {
					t.Errorf("got %q, thought %q, %v, want %q, %q, %q", got.text, thought, got.err, c.text, c.thought, c.kind)
				}
				if calls := got.last.ToolCalls; c.malformed && (len(calls) != 1 || calls[0].Malformed == "") || !c.malformed && len(calls) > 0 {
					t.Errorf("got calls %+v", calls)
				}
			})
		}
	}
	t.Run("KeyInArguments", func(t *testing.T) {
		t.Parallel()
		r := onNetwork(t, llm.Config{})
		escaped := strings.Replace(testKey, "-", `\u002d`, 1)
		r.Script(llmtest.Always(llmtest.Response{ToolCalls: []llmtest.ToolCall{{ID: "a", Name: "post", Arguments: `{"text":"x ` + escaped + `"}`}}}))
		req := ask("openai", "Why?")
		req.Tools = []llm.Tool{{Name: "post"}}
		got := collect(t.Context(), t, r.models, req)
		if len(got.last.ToolCalls) != 1 || string(got.last.ToolCalls[0].Arguments) != `{"text":"x ***"}` {
			t.Errorf("got %+v, %v", got.last.ToolCalls, got.err)
		}
	})
}

// A model whose thinking was shown, because it began long before its closing
// mark, is held back from the next call on.
func TestThoughtAloud(t *testing.T) {
	t.Parallel()
	inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
		r.Script(llmtest.Always(llmtest.Response{Text: "I think about it.\n</think>\nHello.", ChunkRunes: 6, Delay: time.Second}))
		if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.ThoughtAloud {
			t.Fatalf("got %q, %v", got.text, got.err)
		}
		for range 2 {
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.err != nil || got.text != "Hello." || got.last.Reasoning.Text != "I think about it." {
				t.Errorf("got %q, %+v, %v", got.text, got.last.Reasoning, got.err)
			}
		}
		r.Script(llmtest.Say("At once."))
		if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.text != "At once." {
			t.Errorf("got %q, %v", got.text, got.err)
		}
	})
}

// Reasoning and comments keep an answer alive as long as a call may last, and no longer.
func TestSignsOfLife(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]string{
		"comments": ": ping\n\n", "blank lines": "\n", "reasoning": "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}]}\n\n",
		"choices": "data: {\"choices\":[{\"delta\":{}}]}\n\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, llm.Config{Limits: llm.Limits{Total: 5 * time.Minute}}, func(t *testing.T, r *rig) {
				raw := strings.Repeat(event, 12) + deltas("Hi")
				r.Script(llmtest.Always(llmtest.Response{Raw: raw, Every: len(event), Delay: 15 * time.Second}))
				if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.Timeout && got.text != "Hi" || got.took < 3*time.Minute {
					t.Errorf("got %q, %v after %v", got.text, got.err, got.took)
				}
				r.Script(llmtest.Always(llmtest.Response{Raw: strings.Repeat(event, 1000), Every: len(event), Delay: 15 * time.Second}))
				if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.Timeout || got.took != 5*time.Minute {
					t.Errorf("got %v after %v, want the limit of the whole call", got.err, got.took)
				}
			})
		})
	}
}

// No error names an address, a port or a name server.
func TestErrorsNameNoAddress(t *testing.T) {
	t.Parallel()
	inner := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 8443}, Err: errors.New("connection refused")}
	for name, err := range map[string]error{
		"refused": inner, "lookup": &net.DNSError{Err: "no such host", Name: "llm.internal", Server: "10.1.2.3:53", IsNotFound: true},
		"resolver": &net.DNSError{Err: "server misbehaving", Name: "llm.internal", Server: "10.1.2.3:53"},
		"reset":    fmt.Errorf("read tcp 10.1.2.3:4711->10.1.2.3:443: %w", errors.New("connection reset by peer")),
	} {
		m := modelsAt(t, "http://llm.test", llm.Config{Retry: llm.Retry{Attempts: 1}, Transport: roundTrip(func(*http.Request) (*http.Response, error) { return nil, err })})
		got := collect(context.Background(), t, m, ask("openai", "Why?"))
		if printed := fmt.Sprintf("%v %+v %v", got.err, *got.err, got.err.Unwrap()); strings.Contains(printed, "10.1.2.3") || strings.Contains(printed, "internal") {
			t.Errorf("%s: got %s", name, printed)
		}
		if !errors.Is(got.err, err) {
			t.Errorf("%s: the cause is lost", name)
		}
	}
	r := onNetwork(t, llm.Config{})
	r.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "dial tcp 10.1.2.3:80: refused by [fd00::1]:53, see http://10.1.2.3/x"}))
	if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); strings.Contains(got.err.Message, "10.1") || strings.Contains(got.err.Message, "fd00") {
		t.Errorf("got %s", got.err.Message)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestCleanNames(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		" gpt-4o\n": "gpt-4o", "\u200bqwen/通义千问-72B\u00a0": "qwen/通义千问-72B", `"llama3.1:8b"`: "llama3.1:8b", "": "", " \t": "", "a b": "", "a\u200bb": "",
		"https://x.test/v1": "", strings.Repeat("x", 201): "",
	} {
		if got, err := llm.CleanModel(in); got != want || (err == nil) != (want != "") {
			t.Errorf("model %q: got %q, %v, want %q", in, got, err, want)
		}
	}
	for in, want := range map[string]string{
		" sk-1 ": "sk-1", "Bearer sk-1": "sk-1", "bearer  sk-1\r\n": "sk-1", "Authorization: Bearer sk-1": "sk-1", `export OPENAI_API_KEY="sk-1"`: "sk-1",
		"api-key: sk-1": "sk-1", "\ufeff“sk-1”": "sk-1", "Bearer": "", "": "", "sk 1": "", "sk-…1": "", "sk-a***z": "", "ключ": "", "http://x.test": "",
	} {
		if got, err := llm.CleanKey(in); got != want || (err == nil) != (want != "") {
			t.Errorf("key %q: got %q, %v, want %q", in, got, err, want)
		}
	}
}
