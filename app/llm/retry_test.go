package llm_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

func TestStatus(t *testing.T) {
	t.Parallel()
	cases := []struct {
		status     int
		retryAfter string
		message    string
		kind       llm.ErrorKind
		requests   int
		asked      time.Duration
	}{
		{status: 400, kind: llm.BadRequest, requests: 1},
		{status: 400, message: "API key not valid. Please pass a valid API key.", kind: llm.BadKey, requests: 1},
		{status: 401, kind: llm.BadKey, requests: 1},
		{status: 402, kind: llm.Quota, requests: 1},
		{status: 403, kind: llm.BadKey, requests: 1},
		{status: 404, kind: llm.BadRequest, requests: 1},
		{status: 408, kind: llm.Timeout, requests: 3},
		{status: 409, kind: llm.Unavailable, requests: 3},
		{status: 413, kind: llm.TooLong, requests: 1},
		{status: 422, kind: llm.BadRequest, requests: 1},
		{status: 429, kind: llm.Limited, requests: 1},
		{status: 429, retryAfter: "0", kind: llm.Limited, requests: 3},
		{status: 429, retryAfter: "2", kind: llm.Limited, requests: 3, asked: 2 * time.Second},
		{status: 429, retryAfter: "3600", kind: llm.Limited, requests: 1, asked: time.Hour},
		{status: 429, retryAfter: "Sat, 01 Jan 2000 00:00:03 GMT", kind: llm.Limited, requests: 3},
		{status: 429, retryAfter: "soon", kind: llm.Limited, requests: 1},
		{status: 500, kind: llm.Unavailable, requests: 3},
		{status: 502, kind: llm.Unavailable, requests: 3},
		{status: 503, retryAfter: "1", kind: llm.Unavailable, requests: 3, asked: time.Second},
		{status: 503, retryAfter: "60", kind: llm.Unavailable, requests: 1, asked: time.Minute},
		{status: 529, kind: llm.Unavailable, requests: 3},
	}
	for _, c := range cases {
		for _, provider := range []string{"openai", "gemini", "claude"} {
			t.Run(fmt.Sprintf("%s/%d%s", provider, c.status, c.retryAfter), func(t *testing.T) {
				t.Parallel()
				inBubble(t, llm.Config{Now: time.Now}, func(t *testing.T, r *rig) {
					r.Script(llmtest.Always(llmtest.Response{Status: c.status, RetryAfter: c.retryAfter, Message: c.message}))
					got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
					if got.kind() != c.kind || got.err.Status != c.status || got.err.Provider != provider {
						t.Errorf("got %+v, want kind %s, status %d", got.err, c.kind, c.status)
					}
					if r.Count() != c.requests {
						t.Errorf("got %d requests, want %d", r.Count(), c.requests)
					}
					if c.asked > 0 && got.err.RetryAfter != c.asked {
						t.Errorf("got RetryAfter %v, want %v", got.err.RetryAfter, c.asked)
					}
					if want := time.Duration(c.requests-1) * c.asked; got.took < want {
						t.Errorf("took %v, want at least the %v that were asked for", got.took, want)
					}
				})
			})
		}
	}
}

func TestRetry(t *testing.T) {
	t.Parallel()
	fails := llmtest.Response{Status: 503}
	t.Run("Recovers", func(t *testing.T) {
		t.Parallel()
		inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
			r.Script(llmtest.InTurn(fails, llmtest.Response{Fault: llmtest.Refuse}, llmtest.Response{Text: "Here."}))
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.err != nil || got.text != "Here." || r.Count() != 3 {
				t.Errorf("got %q, %v after %d requests, want the third answer", got.text, got.err, r.Count())
			}
		})
	})
	t.Run("NeverAfterText", func(t *testing.T) {
		t.Parallel()
		inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
			r.Script(llmtest.InTurn(llmtest.Response{Text: "Half an answer.", Fault: llmtest.Cut}, llmtest.Response{Text: "Another."}))
			got := collect(t.Context(), t, r.models, ask("gemini", "Why?"))
			if got.kind() != llm.Broken || r.Count() != 1 {
				t.Errorf("got %q, %v after %d requests, want broken after one", got.text, got.err, r.Count())
			}
		})
	})
	for attempts, most := range map[int]time.Duration{2: 200 * time.Millisecond, 3: 600 * time.Millisecond, 7: 11200 * time.Millisecond,
		9: 21200 * time.Millisecond} { // 0.2 + 0.4 + 0.8 + 1.6 + 3.2 s, and then 5 s each
		t.Run(fmt.Sprintf("Pauses%d", attempts), func(t *testing.T) {
			t.Parallel()
			cfg := llm.Config{Retry: llm.Retry{Attempts: attempts}, Breaker: llm.Breaker{Failures: 100}, Limits: llm.Limits{Total: time.Hour}}
			inBubble(t, cfg, func(t *testing.T, r *rig) {
				r.Script(llmtest.Always(fails))
				waits := map[time.Duration]bool{}
				for range 8 {
					got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
					if got.took < most/2-time.Microsecond || got.took > most+time.Microsecond {
						t.Errorf("waited %v in all, want between %v and %v", got.took, most/2, most)
					}
					waits[got.took] = true
				}
				if len(waits) == 1 {
					t.Error("all calls waited equally long; want calls that fail together to return apart")
				}
			})
		})
	}
	t.Run("TotalBoundsAllAttempts", func(t *testing.T) {
		t.Parallel()
		cfg := llm.Config{Limits: llm.Limits{Total: 3 * time.Second}}
		inBubble(t, cfg, func(t *testing.T, r *rig) {
			r.Script(llmtest.Always(llmtest.Response{Status: 503, RetryAfter: "2"}))
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.kind() != llm.Timeout || got.took != 3*time.Second {
				t.Errorf("got %v after %v, want timeout after 3s", got.err, got.took)
			}
		})
	})
}

func TestBreaker(t *testing.T) {
	t.Parallel()
	once := llm.Config{Retry: llm.Retry{Attempts: 1}}
	fail := func(t *testing.T, r *rig, n int) {
		t.Helper()
		r.Script(llmtest.Always(llmtest.Response{Status: 500}))
		for range n {
			if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.Unavailable {
				t.Fatalf("got %v, want unavailable", got.err)
			}
		}
	}
	t.Run("OpensAfterFailures", func(t *testing.T) {
		t.Parallel()
		inBubble(t, once, func(t *testing.T, r *rig) {
			fail(t, r, 5)
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.kind() != llm.Open || r.Count() != 5 {
				t.Errorf("got %v after %d requests, want open after 5", got.err, r.Count())
			}
			if got.err != nil && got.err.RetryAfter != 30*time.Second {
				t.Errorf("got RetryAfter %v, want 30s", got.err.RetryAfter)
			}
		})
	})
	t.Run("IsPerKeyAndProvider", func(t *testing.T) {
		t.Parallel()
		inBubble(t, once, func(t *testing.T, r *rig) {
			fail(t, r, 5)
			r.Script(nil)
			other := ask("openai", "Why?")
			other.Key = "another"
			for _, req := range []llm.Request{other, ask("gemini", "Why?"), ask("mirror", "Why?")} {
				if got := collect(t.Context(), t, r.models, req); got.err != nil {
					t.Errorf("%s: got %v, want an answer", req.Provider, got.err)
				}
			}
		})
	})
	t.Run("HalfOpenAdmitsOne", func(t *testing.T) {
		t.Parallel()
		inBubble(t, once, func(t *testing.T, r *rig) {
			fail(t, r, 5)
			<-time.After(31 * time.Second)
			gate := llmtest.NewGate(0)
			r.Script(llmtest.Always(llmtest.Response{Text: "Back.", Gate: gate}))
			probe := make(chan result)
			go func() { probe <- collect(t.Context(), t, r.models, ask("openai", "Why?")) }()
			<-gate.Reached()
			if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.Open {
				t.Errorf("got %v beside the probe, want open", got.err)
			}
			gate.Release()
			if got := <-probe; got.err != nil {
				t.Errorf("got %v from the probe, want an answer", got.err)
			}
			if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.err != nil {
				t.Errorf("got %v after the probe, want closed", got.err)
			}
		})
	})
	t.Run("FailedProbeOpensAgain", func(t *testing.T) {
		t.Parallel()
		inBubble(t, once, func(t *testing.T, r *rig) {
			fail(t, r, 5)
			<-time.After(31 * time.Second)
			fail(t, r, 1)
			if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.kind() != llm.Open {
				t.Errorf("got %v, want open", got.err)
			}
		})
	})
	t.Run("LeavingFreesTheProbe", func(t *testing.T) {
		t.Parallel()
		inBubble(t, once, func(t *testing.T, r *rig) {
			fail(t, r, 5)
			<-time.After(31 * time.Second)
			r.Script(nil)
			for range r.models.Stream(t.Context(), ask("openai", "Why?")) {
				break
			}
			if got := collect(t.Context(), t, r.models, ask("openai", "Why?")); got.err != nil {
				t.Errorf("got %v, want the next call to be the probe", got.err)
			}
		})
	})
	t.Run("RetriesStopWhenItOpens", func(t *testing.T) {
		t.Parallel()
		inBubble(t, llm.Config{Breaker: llm.Breaker{Failures: 2}}, func(t *testing.T, r *rig) {
			r.Script(llmtest.Always(llmtest.Response{Status: 500}))
			got := collect(t.Context(), t, r.models, ask("openai", "Why?"))
			if got.kind() != llm.Unavailable || r.Count() != 2 {
				t.Errorf("got %v after %d requests, want the real fault after 2", got.err, r.Count())
			}
		})
	})
	t.Run("NotFedBy", func(t *testing.T) {
		t.Parallel()
		for name, resp := range map[string]llmtest.Response{
			"400": {Status: 400}, "401": {Status: 401}, "403": {Status: 403}, "404": {Status: 404}, "422": {Status: 422},
			"bad arguments": {Fault: llmtest.BadArguments},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, once, func(t *testing.T, r *rig) {
					r.Script(llmtest.Always(resp))
					for range 12 {
						if got := collect(t.Context(), t, r.models, ask("gemini", "Why?")); got.kind() == llm.Open || got.err == nil {
							t.Fatalf("got %v, want the fault itself", got.err)
						}
					}
				})
			})
		}
		t.Run("leaving", func(t *testing.T) {
			t.Parallel()
			inBubble(t, once, func(t *testing.T, r *rig) {
				for range 12 {
					for _, err := range r.models.Stream(t.Context(), ask("openai", "Why?")) {
						if err != nil {
							t.Fatal(err)
						}
						break
					}
				}
			})
		})
	})
}
