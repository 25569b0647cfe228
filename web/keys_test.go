package web

import (
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestKeyTests(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		model := llmtest.New(t)
		w := newWorldOf(t, url, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = model.URL })
		c := w.as(owner).with("Accept-Language", "en")
		const at = v1 + "/users/keys/test"
		typed := body{"provider": "openai", "api_key": apptest.CanaryKey, "model": "gpt-4o-mini"}
		got := c.must(t, http.StatusOK, post, at, typed).object(t)
		if got["ok"] != true || got["provider"] != "openai" || got["model"] != "gpt-4o-mini" || got["reason"] != nil || got["latency_ms"].(float64) <= 0 {
			t.Errorf("a key that works: got %v", got)
		}
		model.Script(llmtest.Always(llmtest.Response{Status: http.StatusUnauthorized, Message: "Incorrect API key provided: " + apptest.CanaryKey}))
		for _, a := range []answer{c.must(t, http.StatusOK, post, at, typed), c.must(t, http.StatusOK, post, v1+"/users/keys/"+ownersKey(t, w)+"/test")} {
			if got := a.object(t); got["ok"] != false || got["reason"] != "bad_key" || !strings.Contains(got["detail"].(string), "refuses the key") {
				t.Errorf("a key that does not: got %v", got)
			}
		}
		wantField := func(a answer, field string) {
			t.Helper()
			if a.status != http.StatusUnprocessableEntity || !strings.Contains(a.body, `"field":"`+field+`"`) {
				t.Errorf("got %d %s, want 422 of %s", a.status, a.body, field)
			}
		}
		// New routes refuse members that they do not know; a misspelt model would be ignored.
		wantField(c.do(t, post, at, body{"provider": "openai", "api_key": "k-1234567", "modell": "x"}), "body.modell")
		wantField(c.do(t, post, at, body{"provider": "anthropic", "api_key": "k-1234567"}), "body.provider")
		wantField(c.do(t, post, at, body{"provider": "openai", "api_key": ""}), "body.api_key")
		wantField(c.do(t, post, v1+"/users/keys", body{"provider": "anthropic", "alias": "a", "api_key": "k-1234567"}), "body.provider")
		wantField(c.do(t, put, v1+"/agents/"+w.newAgent(t), body{"model_provider": "anthropic", "api_key": "k-1234567"}), "body.model_provider")
	})
}

// Keys and agents of every provider that the configuration has are taken.
func TestKeysOfEveryProvider(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	c := w.as(owner)
	for _, provider := range []string{"claude", "gemini", "openai"} {
		key := c.must(t, http.StatusOK, post, v1+"/users/keys", body{"provider": provider, "alias": store.NewID(), "api_key": apptest.CanaryKey}).object(t)
		if key["provider"] != provider || key["masked_key"] != "sk******9c" {
			t.Errorf("got %v", key)
		}
		agent := c.must(t, http.StatusOK, put, v1+"/agents/"+w.newAgent(t), body{"model_provider": provider, "model": nil, "api_key": apptest.CanaryKey}).object(t)
		if agent["model_provider"] != provider || agent["masked_api_key"] != "sk******9c" {
			t.Errorf("got %v", agent)
		}
	}
}
