package llm

import (
	"strings"
	"testing"
	"time"
)

// What providers were seen to answer, and what it means.
func TestFaultKinds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		body   string
		kind   ErrorKind
		window int
		says   string
		retry  bool
	}{
		"OpenAI too long": {400, `{"error":{"message":"This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
			TooLong, 8192, "maximum context length", false},
		"Anthropic too long": {400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210,000 tokens > 200,000 maximum"}}`, TooLong, 200000, "prompt is too long", false},
		"Gemini too long":    {400, `{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}`, TooLong, 1048576, "input token count", false},
		"Mistral too long":   {400, `{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_prompt","param":null,"code":"3051"}`, TooLong, 32768, "Prompt contains", false},
		"llama.cpp too long": {400, `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5000,"n_ctx":4096}}`, TooLong, 0, "available context size", false},
		"too much in a minute": {429, `{"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.","type":"tokens","code":"rate_limit_exceeded"}}`,
			TooLong, 30000, "Request too large", false},
		"a proxy's limit":    {413, `<html>413</html>`, TooLong, 0, "413", false},
		"limit of an answer": {400, `{"error":{"message":"max_tokens is too large: 100000. This model supports at most 4096 completion tokens","param":"max_tokens"}}`, BadRequest, 0, "4096", false},
		"limit and context":  {400, `{"object":"error","message":"'max_tokens' or 'max_completion_tokens' is too large: 8000. This model's maximum context length is 4096 tokens and your request has 50 input tokens","code":400}`, BadRequest, 0, "too large", false},
		"Azure's filter":     {400, `{"error":{"message":"The response was filtered","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}}`, Filtered, 0, "was filtered", false},
		"OpenRouter's":       {403, `{"error":{"code":403,"message":"Your input was flagged by moderation"}}`, Filtered, 0, "flagged", false},
		"no money":           {429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","code":"insufficient_quota"}}`, Quota, 0, "current quota", false},
		"no balance":         {402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, Quota, 0, "Insufficient Balance", false},
		"Gemini's minute": {429, `{"error":{"code":429,"message":"You exceeded your current quota","status":"RESOURCE_EXHAUSTED","details":[{"retryDelay":"37s"}]}}`,
			Limited, 0, "current quota", false},
		"behind a gateway":    {400, `{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"temperature is not supported\",\"param\":\"temperature\"}}","provider_name":"X"}}}`, BadRequest, 0, "temperature is not supported", false},
		"a document in words": {500, `{"error":{"message":"{\"error\":{\"message\":\"overloaded\",\"code\":503}}","code":null}}`, Unavailable, 0, "overloaded", true},
		"a checker's":         {422, `{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`, BadRequest, 0, "stream_options: Extra inputs", false},
		"inside a stream":     {0, `{"error":"rate limit reached"}`, Limited, 0, "rate limit reached", false},
		"with a number":       {0, `{"error":{"code":"502","message":"upstream"}}`, Unavailable, 0, "upstream", true},
		"overloaded":          {0, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, Unavailable, 0, "Overloaded", true},
		"a key inside":        {0, `{"error":{"type":"authentication_error","message":"no"}}`, BadKey, 0, "no", false},
		"odd types":           {0, `{"error":{"message":["a"],"code":{},"type":7}}`, Unavailable, 0, "a", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readFault(c.status, []byte(c.body)).err(func(s string) string { return sanitise(s, "") })
			if got.Kind != c.kind || got.Window != c.window || got.retry != c.retry || !strings.Contains(got.Message, c.says) {
				t.Errorf("got %s, window %d, retry %v, %q, want %s, %d, %v, %q", got.Kind, got.Window, got.retry, got.Message, c.kind, c.window, c.retry, c.says)
			}
		})
	}
	if got := readFault(429, []byte(`{"error":{"details":[{"retryDelay":"9999999h"}]}}`)); got.wait > 1000*time.Hour {
		t.Errorf("got a wait of %v", got.wait)
	}
}

// What is no JSON but close to it is read all the same.
func TestRepaired(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"a":NaN,"b":-Infinity,"c":[Infinity]}`: `{"a":null,"b":null,"c":[null]}`,
		`{"a":"NaN -Infinity","b":-1}`:           `{"a":"NaN -Infinity","b":-1}`,
		"{\"a\":\"x\ny\t\\\"NaN\"}":              `{"a":"x\u000ay\u0009\"NaN"}`,
		`{"a":`:                                  `{"a":`,
	} {
		if got := string(repaired([]byte(in))); got != want {
			t.Errorf("got %s from %s, want %s", got, in, want)
		}
	}
}
