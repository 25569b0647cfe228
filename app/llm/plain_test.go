package llm

import (
	"net/http"
	"strings"
	"testing"
)

// What people read about a failure says what is to be done, and quotes nobody.
func TestPlain(t *testing.T) {
	t.Parallel()
	const canary = "org-4711"
	for name, c := range map[string]struct {
		status int
		body   string
		reason string
		says   string
	}{
		"OpenAI's key":       {401, `{"error":{"message":"Incorrect API key provided: sk-ab**yz, org-4711","code":"invalid_api_key"}}`, "bad_key", "wrong, revoked"},
		"Gemini's key":       {400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}`, "bad_key", "wrong, revoked"},
		"Claude's key":       {401, `{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}`, "bad_key", "wrong, revoked"},
		"no permission":      {403, `{"type":"error","error":{"type":"permission_error","message":"org-4711 may not"}}`, "bad_key", "does not let"},
		"OpenAI's credit":    {429, `{"error":{"message":"You exceeded your current quota, org-4711","code":"insufficient_quota"}}`, "quota", "no credit"},
		"Claude's credit":    {400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}`, "quota", "no credit"},
		"DeepSeek's credit":  {402, `{"error":{"message":"Insufficient Balance"}}`, "quota", "no credit"},
		"a limit":            {429, `{"error":{"message":"Rate limit reached for org-4711"}}`, "limited", "no more calls"},
		"OpenAI's model":     {404, `{"error":{"message":"The model ` + "`gpt-9.5`" + ` does not exist or you do not have access to it.","code":"model_not_found"}}`, "unknown_model", "no such model"},
		"a project's model":  {403, `{"error":{"message":"Project org-4711 does not have access to model gpt-9","code":"model_not_found"}}`, "unknown_model", "no such model"},
		"Gemini's model":     {404, `{"error":{"code":404,"message":"models/gemini-9 is not found for API version v1beta, or is not supported for generateContent.","status":"NOT_FOUND"}}`, "unknown_model", "no such model"},
		"Claude's model":     {404, `{"type":"error","error":{"type":"not_found_error","message":"model: claude-9"}}`, "unknown_model", "no such model"},
		"Ollama's model":     {404, `{"error":{"message":"model \"llama9\" not found, try pulling it first"}}`, "unknown_model", "no such model"},
		"Mistral's model":    {400, `{"object":"error","message":"Invalid model: mistral-9","type":"invalid_model","code":"1500"}`, "unknown_model", "no such model"},
		"OpenRouter's model": {400, `{"error":{"message":"x/y is not a valid model ID","code":400}}`, "unknown_model", "no such model"},
		"DeepSeek's model":   {400, `{"error":{"message":"Model Not Exist"}}`, "unknown_model", "no such model"},
		"Azure's model":      {404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`, "unknown_model", "no such model"},
		"another address":    {404, `<html>nginx org-4711</html>`, "bad_request", "base_url"},
		"a redirect":         {301, ``, "broken", "base_url"},
		"a busy provider":    {529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded org-4711"}}`, "unavailable", "try again later"},
		"inside a stream":    {0, `{"type":"error","error":{"type":"api_error","message":"org-4711"}}`, "unavailable", "try again later"},
		"a refusal":          {400, `{"error":{"message":"User location is not supported for the API use. org-4711"}}`, "bad_request", "refuses the call"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := readFault(c.status, []byte(c.body)).err(func(s string) string { return sanitise(s, "") })
			reason, detail := e.Plain()
			if reason != c.reason || !strings.Contains(detail, c.says) || strings.Contains(detail, canary) || e.Began() {
				t.Errorf("got %s, %q, want %s, %q", reason, detail, c.reason, c.says)
			}
		})
	}
	for _, e := range []*Error{networkError(http.ErrServerClosed), broken("answered with %s", canary), {Kind: UnknownProvider}, {Kind: Open}} {
		if reason, detail := e.Plain(); reason != string(e.Kind) || detail == "" || strings.Contains(detail, canary) {
			t.Errorf("%v: got %s, %q", e, reason, detail)
		}
	}
}

// A model that thought until its limit was used up took the request, and its limit is
// not left out from then on.
func TestNoRoom(t *testing.T) {
	t.Parallel()
	f := readFault(400, []byte(`{"error":{"message":"Could not finish the message because max_tokens or model output limit was reached. Please try again with higher max_tokens.","type":"invalid_request_error"}}`))
	if part := f.refusedPart(func(string) bool { return true }); part != "" {
		t.Errorf("got %s as what is refused", part)
	}
	if e := f.err(func(s string) string { return s }); !e.Began() {
		t.Errorf("%v: the model did begin", e)
	}
}
