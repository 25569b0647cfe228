package llm_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// A school behind a proxy names it, and what is on this machine is still reached directly.
func TestProxy(t *testing.T) {
	t.Setenv("NO_PROXY", "models.inside.example")
	handler := llmtest.NewHandler(nil)
	t.Cleanup(handler.Close)
	var mu sync.Mutex
	var hosts []string
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		hosts = append(hosts, r.URL.Host)
		mu.Unlock()
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	here := llmtest.New(t)
	m, err := llm.New(llm.Config{Proxy: proxy.URL, Retry: llm.Retry{Attempts: 1}, Providers: map[string]llm.ProviderConfig{
		"openai": {BaseURL: "http://models.example/v1"}, "claude": {BaseURL: here.URL}, "gemini": {BaseURL: "http://models.inside.example"}}})
	if err != nil {
		t.Fatal(err)
	}
	for provider, reached := range map[string]bool{"openai": true, "claude": true, "gemini": false} {
		if got := collect(t.Context(), t, m, ask(provider, "Why?")); (got.err == nil) != reached {
			t.Errorf("%s: got %v", provider, got.err)
		}
	}
	if len(hosts) != 1 || hosts[0] != "models.example" || here.Count() != 1 {
		t.Errorf("the proxy was asked for %q, the server here %d times", hosts, here.Count())
	}
}
