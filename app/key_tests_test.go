package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store/storetest"
)

// everyProvider lets all built-in providers, and one of the configuration's, speak with
// the stand-in.
func everyProvider(c *config.Config) {
	at := c.LLM.OpenAI.BaseURL
	c.LLM.Gemini.BaseURL, c.LLM.Claude.BaseURL = at, at
	c.LLM.Providers = map[string]config.Provider{"school": {Kind: "openai", BaseURL: at + "/v1", DefaultModel: "small"},
		"unnamed": {Kind: "openai", BaseURL: at + "/v1"}}
}

func TestKeyTests(t *testing.T) {
	t.Parallel()
	const canary = "account-4711"
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, everyProvider)
		me, other := r.User(t, app.RoleTeacher, "Me"), r.User(t, app.RoleTeacher, "Other")
		for provider, asked := range map[string]string{"openai": "gpt-4o", "gemini": "gemini-2.5-flash", "claude": "claude-sonnet-4-5", "school": "small"} {
			for reason, resp := range map[string]llmtest.Response{
				"":              {Text: "ready"},
				"bad_key":       {Status: http.StatusUnauthorized, Message: canary},
				"quota":         {Status: http.StatusPaymentRequired, Message: canary},
				"limited":       {Status: http.StatusTooManyRequests, Message: canary},
				"unknown_model": {Status: http.StatusNotFound, Message: "the model of " + canary + " does not exist"},
				"bad_request":   {Status: http.StatusBadRequest, Message: canary},
				"unavailable":   {Status: http.StatusServiceUnavailable, Message: canary},
				"broken":        {Fault: llmtest.HTML},
			} {
				// Each case has keys of its own, since the failures of one open its breaker.
				key := secret.Text(apptest.CanaryKey + "-" + reason)
				k, err := r.CreateUserKey(t.Context(), me, app.NewUserKey{Provider: provider, Alias: provider + reason, Key: key})
				if err != nil {
					t.Fatal(err)
				}
				r.Model.Script(llmtest.Always(resp))
				stored, err := r.TestUserKey(t.Context(), me, k.ID)
				if err != nil {
					t.Fatal(err)
				}
				typed, err := r.TestNewKey(t.Context(), me, app.KeyToTest{Provider: provider, Key: "Bearer " + key + "-typed", Model: " other "})
				if err != nil {
					t.Fatal(err)
				}
				for model, got := range map[string]model.KeyTest{asked: stored, "other": typed} {
					if got.OK != (reason == "") || got.Reason != reason || got.Provider != provider || got.Model != model || got.Detail == "" {
						t.Errorf("%s, %q: got %+v", provider, reason, got)
					}
					if strings.Contains(got.Detail, canary) || strings.Contains(got.Detail, apptest.CanaryKey) {
						t.Errorf("%s, %q: it says %q", provider, reason, got.Detail)
					}
				}
				_, err = r.TestUserKey(t.Context(), other, k.ID)
				refused(t, err, app.KindNotFound, "", "Key not found")
			}
		}
		for _, req := range r.Model.Requests() {
			if !strings.HasPrefix(req.Key, apptest.CanaryKey) || req.MaxTokens > 16 {
				t.Fatalf("sent the key %q and the limit %d", req.Key, req.MaxTokens)
			}
		}
		if strings.Contains(r.Log(), apptest.CanaryKey) {
			t.Error("the log has the key")
		}
	})
}

// A test that makes no call says what to do instead.
func TestKeyTestsWithoutCall(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		before := apptest.NewStopped(t, url, everyProvider)
		me := before.User(t, app.RoleTeacher, "Me")
		ids := map[string]string{}
		for _, provider := range []string{"school", "claude", "gemini", "unnamed"} {
			k, err := before.CreateUserKey(t.Context(), me, app.NewUserKey{Provider: provider, Alias: provider, Key: apptest.CanaryKey})
			if err != nil {
				t.Fatal(err)
			}
			ids[provider] = k.ID
		}
		before.Stop()
		// The next configuration has lost a provider. The others have moved, since the stand-in has another port.
		r := apptest.NewStopped(t, url, everyProvider, func(c *config.Config) {
			delete(c.LLM.Providers, "school")
		})
		for provider, want := range map[string]string{"school": "unknown_provider", "claude": "wrong_provider", "gemini": "wrong_provider", "unnamed": "wrong_provider"} {
			got, err := r.TestUserKey(t.Context(), me, ids[provider])
			if err != nil || got.OK || got.Reason != want || got.Latency != 0 || strings.Contains(got.Detail, apptest.CanaryKey) {
				t.Errorf("%s: got %+v, %v, want %s", provider, got, err, want)
			}
		}
		storetest.Exec(t, r.DB, "UPDATE user_keys SET encrypted_key = ? WHERE id = ?", "damaged", ids["gemini"])
		if got, err := r.TestUserKey(t.Context(), me, ids["gemini"]); err != nil || got.Reason != "unreadable_key" {
			t.Errorf("a key that cannot be read: got %+v, %v", got, err)
		}
		if got, err := r.TestNewKey(t.Context(), me, app.KeyToTest{Provider: "unnamed", Key: "k-1234567"}); err != nil || got.Reason != "no_model" {
			t.Errorf("without a model: got %+v, %v", got, err)
		}
		for _, in := range []app.KeyToTest{{Provider: "nobody", Key: "k"}, {Provider: "", Key: "k"}, {Provider: "OpenAI", Key: "k"}} {
			_, err := r.TestNewKey(t.Context(), me, in)
			wantKind(t, err, app.KindInvalid, "provider: must be one of claude, gemini, offline, openai, unnamed")
		}
		_, err := r.TestNewKey(t.Context(), me, app.KeyToTest{Provider: "openai", Key: " "})
		refused(t, err, app.KindInvalid, "invalid", "api_key: there is no key")
		_, err = r.TestNewKey(t.Context(), me, app.KeyToTest{Provider: "openai", Key: "k-1234567", Model: "https://x"})
		refused(t, err, app.KindInvalid, "invalid", "model: this is an address, not the name of a model")
		if n := r.Model.Count(); n != 0 {
			t.Errorf("%d calls were made", n)
		}
	})
}

func TestAgentKeyTests(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, everyProvider)
		c := r.Class(t)
		id := c.TeacherAgent.ID
		r.Model.Script(byKey(map[string]llmtest.Response{"key-backup_key": {Status: http.StatusUnauthorized, Message: "no"}}))
		room, backup := secret.Text("key-room_key"), secret.Text("key-backup_key")
		if _, err := r.SetAgentKeys(t.Context(), c.Teacher, id, map[string]*secret.Text{"room_key": &room, "backup_key": &backup}); err != nil {
			t.Fatal(err)
		}
		got, err := r.TestAgentKeys(t.Context(), c.Teacher, id)
		if err != nil || len(got) != 3 || !got["api_key"].OK || !got["room_key"].OK || got["backup_key"].Reason != "bad_key" {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err = r.TestAgentKeys(t.Context(), c.Student, id)
		refused(t, err, app.KindForbidden, "", "Not enough permissions")
		for range 2 { // an agent without keys has nothing to test
			if err := r.ClearAgentKey(t.Context(), c.Teacher, id); err != nil {
				t.Fatal(err)
			}
		}
		empty := secret.Text("")
		if _, err := r.SetAgentKeys(t.Context(), c.Teacher, id, map[string]*secret.Text{"room_key": &empty, "backup_key": nil}); err != nil {
			t.Fatal(err)
		}
		if got, err := r.TestAgentKeys(t.Context(), c.Teacher, id); err != nil || len(got) != 0 {
			t.Errorf("without keys: got %+v, %v", got, err)
		}
	})
}

// A provider that does not answer is no reason to wait, and a person's tests count as
// calls that the person waits for.
func TestKeyTestsAreBounded(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Limits.AnswerWithin, c.Limits.ModelCallsPerMinute = 200*time.Millisecond, 1
		})
		me := r.User(t, app.RoleTeacher, "Me")
		r.Model.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Hang}))
		in := app.KeyToTest{Provider: "openai", Key: apptest.CanaryKey}
		if got, err := r.TestNewKey(t.Context(), me, in); err != nil || got.OK || got.Reason != "timeout" {
			t.Errorf("got %+v, %v", got, err)
		}
		_, err := r.TestNewKey(t.Context(), me, in)
		refused(t, err, app.KindLimited, "", "")
	})
}

// No inlet takes a key for a provider that does not exist.
func TestKeysOfUnknownProviders(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, everyProvider)
		c := r.Class(t)
		const known = "must be one of claude, gemini, offline, openai, school, unnamed"
		for i, provider := range []string{"nobody", "anthropic", "OpenAI", " openai", "", "external", strings.Repeat("x", 100)} {
			_, err := r.CreateUserKey(t.Context(), c.Teacher, app.NewUserKey{Provider: provider, Alias: string(rune('a' + i)), Key: "k-1234567"})
			wantKind(t, err, app.KindInvalid, "provider: "+known)
			_, err = r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{ModelProvider: app.Some(provider),
				APIKey: app.Some(secret.Text("k-1234567"))})
			wantKind(t, err, app.KindInvalid, "model_provider: "+known)
		}
		// An agent whose provider the configuration has lost.
		ag := c.TeacherAgent
		storetest.Exec(t, r.DB, "UPDATE agents SET model_provider = ? WHERE id = ?", "nobody", ag.ID)
		key := secret.Text("k-1234567")
		_, err := r.SetAgentKeys(t.Context(), c.Teacher, ag.ID, map[string]*secret.Text{"room_key": &key})
		wantKind(t, err, app.KindInvalid, "model_provider: "+known)
		if got, err := r.TestAgentKeys(t.Context(), c.Teacher, ag.ID); err != nil || got["api_key"].Reason != "unknown_provider" {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}
