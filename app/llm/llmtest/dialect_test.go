package llmtest_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// Each dialect refuses what the real one refuses, in its words.
func TestDialectsAreStrict(t *testing.T) {
	t.Parallel()
	const chat = "/v1/chat/completions"
	talk := func(members, messages string) string {
		return `{"model":"m","stream":true` + members + `,"messages":[` + messages + `]}`
	}
	hi, two := `{"role":"user","content":"Hi"}`, `{"role":"user","content":"Hi"},{"role":"user","content":"Hello"}`
	called := `{"role":"user","content":"Hi"},{"role":"assistant"%s,"tool_calls":[{"id":"%s","type":"function","function":{"name":"f","arguments":"{}"}}]},` +
		`{"role":"tool","tool_call_id":"%s","content":"x"}`
	calls := func(content, id string) string {
		return strings.NewReplacer("\"assistant\"%s", "\"assistant\""+content, "%s", id).Replace(called)
	}
	for name, c := range map[string]struct {
		dialect llmtest.Dialect
		path    string
		body    string
		status  int
		says    string
	}{
		"OpenAI":                {llmtest.OpenAI, chat, talk(`,"stream_options":{"include_usage":true}`, two), 200, "[DONE]"},
		"OpenAI/Unknown":        {llmtest.OpenAI, chat, talk(`,"top_k":1`, hi), 400, "Unrecognized request argument supplied: top_k"},
		"OpenAI/Reasons":        {llmtest.OpenAI, chat, strings.Replace(talk(`,"max_tokens":5`, hi), `"m"`, `"o3-mini"`, 1), 400, "max_completion_tokens"},
		"OpenAI/LooseResult":    {llmtest.OpenAI, chat, talk("", hi+`,{"role":"tool","tool_call_id":"x","content":"y"}`), 400, "preceding message"},
		"Azure/StreamOptions":   {llmtest.Azure, chat, talk(`,"stream_options":{}`, hi), 400, "stream_options"},
		"DeepSeek/NoContent":    {llmtest.DeepSeek, chat, talk("", calls("", "a")), 422, "missing field `content`"},
		"DeepSeek/Content":      {llmtest.DeepSeek, chat, talk("", calls(`,"content":""`, "a")), 200, ": keep-alive"},
		"DeepSeek/Schema":       {llmtest.DeepSeek, chat, talk(`,"response_format":{"type":"json_schema"}`, hi), 400, "unavailable"},
		"Mistral/Turns":         {llmtest.Mistral, chat, talk("", two), 400, "alternate"},
		"Mistral/Extra":         {llmtest.Mistral, chat, talk(`,"stream_options":{}`, hi), 422, "extra_forbidden"},
		"Mistral/ID":            {llmtest.Mistral, chat, talk("", calls(`,"content":""`, "call_1")), 400, "length of 9"},
		"VLLM/Turns":            {llmtest.VLLM, chat, talk("", two), 400, "alternate"},
		"Ollama":                {llmtest.Ollama, chat, talk(`,"anything":1`, two), 200, "[DONE]"},
		"OpenRouter":            {llmtest.OpenRouter, chat, talk("", two), 200, ": OPENROUTER PROCESSING"},
		"Gemini/Unknown":        {llmtest.Gemini, geminiPath, `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"x":1}`, 400, "Unknown name"},
		"Gemini/BeginsWithUser": {llmtest.Gemini, geminiPath, `{"contents":[{"role":"model","parts":[{"text":"Hi"}]}]}`, 400, "begin with a user"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := llmtest.New(t)
			server.Speak(c.dialect)
			status, got := post(t, server.URL+c.path, c.body)
			if status != c.status || !strings.Contains(got, c.says) {
				t.Errorf("got %d %s, want %d with %q", status, got, c.status, c.says)
			}
			if refused := len(server.Refusals()); (refused == 1) != (c.status != 200) || server.Count()+refused != 1 {
				t.Errorf("got %d refused and %d others, want one in all", refused, server.Count())
			}
		})
	}
}

func TestDialectForms(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[llmtest.Dialect]string{
		llmtest.DeepSeek: `"reasoning_content":"Hm."`, llmtest.Mistral: `"type":"thinking"`, llmtest.VLLM: `"reasoning":"Hm."`,
		llmtest.OpenRouter: `"reasoning_details"`, llmtest.OpenAI: `"reasoning_tokens":1`, llmtest.Gemini: `"thought":true`,
	} {
		server := llmtest.New(t)
		server.Speak(dialect)
		server.Script(llmtest.Always(llmtest.Response{Text: "Yes", Reasoning: "Hm."}))
		path, body := "/v1/chat/completions", openAIBody
		if dialect.Kind() == "gemini" {
			path, body = geminiPath, geminiBody
		}
		if _, got := post(t, server.URL+path, body); !strings.Contains(got, want) {
			t.Errorf("%s: got %s, want %s in it", dialect, got, want)
		}
		server.Window(1)
		if status, got := post(t, server.URL+path, strings.Replace(body, "Hi", "Hi, how are you?", 1)); status != 400 {
			t.Errorf("%s: got %d %s for a long prompt, want 400", dialect, status, got)
		}
	}
}
