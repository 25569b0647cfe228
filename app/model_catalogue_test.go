package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store/storetest"
)

// listed is a catalogue in one line: each provider with whose key, its models and its fault.
func listed(providers []app.ProviderModels) string {
	var out []string
	for _, p := range providers {
		ids := []string{}
		for _, m := range p.Models {
			ids = append(ids, m.ID)
		}
		line := p.Provider + "/" + p.Key + ":" + strings.Join(ids, ",")
		if p.Fault != nil {
			reason, _ := p.Fault.Plain()
			line += "!" + reason
		}
		out = append(out, line)
	}
	return strings.Join(out, " ")
}

func TestModels(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		rate := func(text string) config.Rate {
			var r config.Rate
			if _, err := fmt.Sscan(text, (*int64)(&r)); err != nil {
				t.Fatal(err)
			}
			return r
		}
		tune := func(c *config.Config) {
			c.Prices = []config.Price{{Model: "small*", Input: rate("2500000000000"), Output: rate("10000000000000"), MaxOutput: 4096, Currency: "USD"}}
		}
		r := apptest.NewStopped(t, url, tune)
		c, ctx := r.Class(t), t.Context()
		list := `{"data":[{"id":"small-1","context_length":32000},{"id":"big"}]}`
		r.Model.Lists(http.StatusOK, list, nil)
		key := func(who *app.Actor, provider, alias string, shared bool) string {
			k, err := r.CreateUserKey(ctx, who, app.NewUserKey{Provider: provider, Alias: alias, Key: secret.Text("key-of-" + alias + "-0123456789")})
			if err != nil {
				t.Fatal(err)
			}
			if shared {
				if _, err := r.ShareUserKey(ctx, who, k.ID, true); err != nil {
					t.Fatal(err)
				}
			}
			return k.ID
		}
		check := func(t *testing.T, who *app.Actor, w app.ModelsWanted, want string) []app.ProviderModels {
			t.Helper()
			got, err := r.Models(ctx, who, w)
			if err != nil || listed(got) != want {
				t.Errorf("got %q, %v, want %q", listed(got), err, want)
			}
			return got
		}
		t.Run("WithoutAKey", func(t *testing.T) {
			check(t, c.Student, app.ModelsWanted{}, "offline/none:offline")
			if n := len(r.Model.Listings()); n != 0 {
				t.Errorf("%d questions, want none", n)
			}
		})
		t.Run("OwnKey", func(t *testing.T) {
			key(c.Student, "openai", "mine", false)
			got := check(t, c.Student, app.ModelsWanted{}, "offline/none:offline openai/own:big,small-1")
			if m := got[1].Models[1]; m.Context != 32000 || m.Output != 4096 || m.Price == nil || m.Price.Input.String() != "2.5" || got[1].Models[0].Price != nil {
				t.Errorf("got %+v", got[1].Models)
			}
			for range 5 {
				check(t, c.Student, app.ModelsWanted{}, "offline/none:offline openai/own:big,small-1")
			}
			if keys := r.Model.Listings(); len(keys) != 1 || keys[0] != "key-of-mine-0123456789" {
				t.Errorf("asked with %q, want once", keys)
			}
			r.Advance(11 * time.Minute)
			check(t, c.Student, app.ModelsWanted{}, "offline/none:offline openai/own:big,small-1")
			if n := len(r.Model.Listings()); n != 2 {
				t.Errorf("%d questions, want the list asked for again", n)
			}
		})
		t.Run("SharedKey", func(t *testing.T) {
			key(c.Teacher, "openai", "shared", true)
			check(t, c.TA, app.ModelsWanted{}, "offline/none:offline")
			_, err := r.Models(ctx, c.TA, app.ModelsWanted{ProjectID: c.Project.ID})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			check(t, c.Admin, app.ModelsWanted{ProjectID: c.Project.ID}, "offline/none:offline openai/shared:big,small-1")
			check(t, c.Teacher, app.ModelsWanted{ProjectID: c.Project.ID}, "offline/none:offline openai/own:big,small-1")
		})
		t.Run("KeyOfTheAgent", func(t *testing.T) {
			check(t, c.Admin, app.ModelsWanted{AgentID: c.TeacherAgent.ID}, "offline/none:offline openai/agent:big,small-1")
			_, err := r.Models(ctx, c.TA, app.ModelsWanted{AgentID: c.TeacherAgent.ID})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("ManyAtOnceAskOnce", func(t *testing.T) {
			gate, before := make(chan struct{}), len(r.Model.Listings())
			r.Model.Lists(http.StatusOK, list, gate)
			key(c.Outsider, "openai", "outside", false)
			var wg sync.WaitGroup
			for range 20 {
				wg.Go(func() { check(t, c.Outsider, app.ModelsWanted{}, "offline/none:offline openai/own:big,small-1") })
			}
			apptest.Await(t, "the question", func() bool { return len(r.Model.Listings()) > before })
			close(gate)
			wg.Wait()
			if n := len(r.Model.Listings()) - before; n != 1 {
				t.Errorf("%d questions, want one", n)
			}
			r.Model.Lists(http.StatusOK, list, nil)
		})
		t.Run("TheProviderIsDown", func(t *testing.T) {
			r.Model.Lists(http.StatusServiceUnavailable, `{"error":{"message":"key-of-down-0123456789"}}`, nil)
			who := r.User(t, app.RoleTeacher, "Down")
			key(who, "openai", "down", false)
			got := check(t, who, app.ModelsWanted{}, "offline/none:offline openai/own:gpt-4o!unavailable")
			if _, detail := got[1].Fault.Plain(); strings.Contains(detail, "key-of-down") {
				t.Errorf("it says %q", detail)
			}
			before := len(r.Model.Listings())
			check(t, who, app.ModelsWanted{}, "offline/none:offline openai/own:gpt-4o!unavailable")
			if n := len(r.Model.Listings()); n != before {
				t.Errorf("%d more questions, want the failure kept for a minute", n-before)
			}
			r.Model.Lists(http.StatusOK, list, nil)
			r.Advance(61 * time.Second)
			check(t, who, app.ModelsWanted{}, "offline/none:offline openai/own:big,small-1")
		})
		t.Run("AKeyForAnotherAddress", func(t *testing.T) {
			other := llmtest.New(t)
			moved := apptest.NewStopped(t, url, func(c *config.Config) { c.LLM.OpenAI.BaseURL = other.URL })
			got, err := moved.Models(ctx, c.Student, app.ModelsWanted{})
			if err != nil || listed(got) != "offline/none:offline" || len(other.Listings()) != 0 {
				t.Errorf("got %q, %v, %d questions, want the key sent to nobody", listed(got), err, len(other.Listings()))
			}
		})
	})
}
