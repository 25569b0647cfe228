package llm_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// Each fault of a provider has one outcome: a kind, a number of requests, and a bound on the time it takes.
func TestFaults(t *testing.T) {
	t.Parallel()
	const any = 0
	cases := []struct {
		name     string
		resp     llmtest.Response
		only     string // a provider, both when empty
		hold     int    // for ever, after so many chunks
		kind     llm.ErrorKind
		requests int
		text     bool          // some was shown
		within   time.Duration // of fake time
	}{
		{name: "no answer", resp: llmtest.Response{Fault: llmtest.Refuse}, kind: llm.Unavailable, requests: 3, within: time.Second},
		{name: "cut after the header", resp: llmtest.Response{Fault: llmtest.CutHeader}, kind: llm.Broken, requests: 3, within: time.Second},
		{name: "hang", resp: llmtest.Response{Fault: llmtest.Hang}, kind: llm.Timeout, requests: 1, within: 30 * time.Second},
		{name: "silence", resp: llmtest.Response{Fault: llmtest.Silence}, only: "gemini", kind: llm.Timeout, requests: 1, text: true, within: 20 * time.Second},
		{name: "silence after the role", resp: llmtest.Response{Fault: llmtest.Silence}, only: "openai", kind: llm.Timeout, requests: 1, within: 30 * time.Second},
		{name: "silence in mid-answer", resp: llmtest.Response{Text: "Some words of the answer"}, hold: 3, kind: llm.Timeout, requests: 1, text: true, within: 20 * time.Second},
		{name: "html", resp: llmtest.Response{Fault: llmtest.HTML}, kind: llm.Broken, requests: 1},
		{name: "json", resp: llmtest.Response{Fault: llmtest.PlainJSON}, only: "gemini", kind: llm.Broken, requests: 1},
		{name: "json, which is an answer", resp: llmtest.Response{Fault: llmtest.PlainJSON}, only: "openai", requests: 1, text: true},
		{name: "broken json", resp: llmtest.Response{Fault: llmtest.BrokenJSON}, kind: llm.Broken, requests: 1},
		{name: "cut in mid-token", resp: llmtest.Response{Fault: llmtest.Cut}, kind: llm.Broken, requests: 1, text: true},
		{name: "no finish", resp: llmtest.Response{Fault: llmtest.NoFinish}, kind: llm.Broken, requests: 1, text: true},
		{name: "endless", resp: llmtest.Response{Fault: llmtest.Endless}, kind: llm.Broken, requests: 1, text: true},
		{name: "endless and slow", resp: llmtest.Response{Fault: llmtest.Endless, Delay: time.Second}, kind: llm.Timeout, requests: 1, text: true, within: 2 * time.Minute},
		{name: "50 MB", resp: llmtest.Response{Fault: llmtest.Huge}, kind: llm.Broken, requests: 1},
		{name: "one byte a second", resp: llmtest.Response{Fault: llmtest.Drip, Delay: time.Second}, kind: llm.Timeout, requests: 1, within: 30 * time.Second},
		{name: "unfinished tool call", resp: llmtest.Response{Fault: llmtest.OpenToolCall}, kind: llm.Broken, requests: any, within: time.Second},
		{name: "bad tool arguments", resp: llmtest.Response{Fault: llmtest.BadArguments}, kind: llm.Broken, requests: 1},
		{name: "tool call without a call", resp: llmtest.Response{Finish: "tool_calls"}, only: "openai", kind: llm.Broken, requests: 1},
		{name: "error before any text", resp: llmtest.Response{Fault: llmtest.StreamError}, kind: llm.Unavailable, requests: 3, within: time.Second},
		{name: "error in mid-answer", resp: llmtest.Response{Text: "Well", Fault: llmtest.StreamError}, kind: llm.Unavailable, requests: 1, text: true},
		{name: "finish reason error", resp: llmtest.Response{Finish: "error"}, only: "openai", kind: llm.Unavailable, requests: 3, within: time.Second},
		{name: "huge header", resp: llmtest.Response{Fault: llmtest.BigHeader}, kind: llm.Broken, requests: 1},
		{name: "redirect", resp: llmtest.Response{Fault: llmtest.Redirect}, kind: llm.Broken, requests: 1},
		{name: "content encoding", resp: llmtest.Response{Fault: llmtest.Encoded}, kind: llm.Broken, requests: 1},
		{name: "open after the end", resp: llmtest.Response{Text: "All.", Fault: llmtest.KeepOpen}, only: "openai", requests: 1, text: true, within: 20 * time.Millisecond},
		{name: "open without a last event", resp: llmtest.Response{Text: "All.", Fault: llmtest.KeepOpen, NoDone: true}, only: "openai", requests: 1, text: true, within: 2 * time.Second},
		{name: "no DONE", resp: llmtest.Response{Text: "All.", NoDone: true}, requests: 1, text: true},
		{name: "no usage", resp: llmtest.Response{Text: "All.", NoUsage: true}, requests: 1, text: true},
	}
	for _, c := range cases {
		for _, provider := range []string{"openai", "gemini", "claude"} {
			if c.only != "" && c.only != provider {
				continue
			}
			t.Run(provider+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
					if c.hold > 0 {
						// A bubble waits only for channels that were made in it.
						c.resp.Gate = llmtest.NewGate(c.hold)
					}
					r.Script(llmtest.Always(c.resp))
					got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
					if got.kind() != c.kind {
						t.Errorf("got kind %q (%v), want %q", got.kind(), got.err, c.kind)
					}
					if c.requests != any && r.Count() != c.requests {
						t.Errorf("got %d requests, want %d", r.Count(), c.requests)
					}
					if (got.text != "") != c.text {
						t.Errorf("got text %.60q, want some: %v", got.text, c.text)
					}
					if got.took > c.within {
						t.Errorf("took %v, want at most %v", got.took, c.within)
					}
					if len(got.text) > 4<<20 {
						t.Errorf("got %d bytes of text, want at most 4 MiB", len(got.text))
					}
				})
			})
		}
	}
}

func TestInvalidUTF8IsReplaced(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider, func(t *testing.T) {
			t.Parallel()
			r := onNetwork(t, llm.Config{})
			r.Script(llmtest.Always(llmtest.Response{Fault: llmtest.InvalidUTF8, ChunkRunes: 50}))
			got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
			if got.err != nil {
				t.Fatal(got.err)
			}
			if !strings.HasPrefix(got.text, "a\uFFFD") || !strings.HasSuffix(got.text, "\uFFFDz.") {
				t.Errorf("got %q, want the bad bytes replaced and the rest kept", got.text)
			}
		})
	}
}

func TestConnectionFaults(t *testing.T) {
	t.Parallel()
	t.Run("Refused", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		url := "http://" + listener.Addr().String()
		_ = listener.Close()
		m := modelsAt(t, url, llm.Config{Retry: llm.Retry{Base: time.Millisecond}})
		got := collect(t.Context(), t, m, ask("openai", "Why?"))
		if got.kind() != llm.Unavailable {
			t.Errorf("got %v, want unavailable", got.err)
		}
	})
	t.Run("TLSHandshakeHangs", func(t *testing.T) {
		t.Parallel()
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = listener.Close() }()
		m := modelsAt(t, "https://"+listener.Addr().String(), llm.Config{
			Limits: llm.Limits{Connect: 30 * time.Millisecond}, Retry: llm.Retry{Attempts: 2, Base: time.Millisecond},
		})
		got := collect(t.Context(), t, m, ask("openai", "Why?"))
		if got.kind() != llm.Timeout {
			t.Errorf("got %v, want timeout", got.err)
		}
	})
}

func modelsAt(t *testing.T, url string, cfg llm.Config) *llm.Models {
	t.Helper()
	cfg.Providers = providersAt(url)
	m, err := llm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestKeyIsInNoError(t *testing.T) {
	t.Parallel()
	echoes := map[string]llmtest.Response{
		"status 401":   {Status: 401, Message: "Incorrect API key provided: " + testKey},
		"masked":       {Status: 401, Message: "Incorrect API key provided: " + testKey[:10] + "****" + testKey[20:]},
		"status 400":   {Status: 400, Message: "bad header Authorization: Bearer " + testKey + ","},
		"status 500":   {Status: 500, Message: strings.Repeat("x ", 90) + testKey},
		"stream error": {Text: "So", Fault: llmtest.StreamError},
	}
	for name, resp := range echoes {
		for _, provider := range []string{"openai", "gemini", "claude"} {
			t.Run(provider+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := onNetwork(t, llm.Config{Retry: llm.Retry{Attempts: 1}})
				r.Script(llmtest.Always(resp))
				got := collect(t.Context(), t, r.models, ask(provider, "Why?"))
				if got.err == nil {
					t.Fatal("got no error, want one")
				}
				printed := fmt.Sprintf("%v %+v %#v %v", got.err, *got.err, *got.err, got.err.Unwrap())
				if strings.Contains(printed, testKey[:10]) {
					t.Errorf("the key is in %s", printed)
				}
				if len(got.err.Message) > 300 {
					t.Errorf("got a message of %d bytes, want it short", len(got.err.Message))
				}
			})
		}
	}
}

func TestCallerLeaves(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini", "claude"} {
		t.Run(provider+"/Cancel", func(t *testing.T) {
			t.Parallel()
			inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
				gate := llmtest.NewGate(2)
				r.Script(llmtest.Always(llmtest.Response{Text: "a long answer in many chunks", Gate: gate}))
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					<-gate.Reached()
					cancel()
				}()
				got := collect(ctx, t, r.models, ask(provider, "Why?"))
				if got.kind() != llm.Canceled || !errors.Is(got.err, context.Canceled) {
					t.Errorf("got %v, want canceled", got.err)
				}
			})
		})
		t.Run(provider+"/Break", func(t *testing.T) {
			t.Parallel()
			inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
				r.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Endless, Delay: time.Millisecond}))
				for range 20 {
					for range r.models.Stream(t.Context(), ask(provider, "Why?")) {
						break
					}
				}
			})
		})
		t.Run(provider+"/Panic", func(t *testing.T) {
			t.Parallel()
			inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
				defer func() {
					if recover() == nil {
						t.Error("got no panic, want the consumer's")
					}
				}()
				for range r.models.Stream(t.Context(), ask(provider, "Why?")) {
					panic("consumer")
				}
			})
		})
		t.Run(provider+"/Slow", func(t *testing.T) {
			t.Parallel()
			inBubble(t, llm.Config{}, func(t *testing.T, r *rig) {
				r.Script(llmtest.Say("twelve words"))
				var text string
				for chunk, err := range r.models.Stream(t.Context(), ask(provider, "Why?")) {
					if err != nil {
						t.Fatalf("got %v, want no limit to count the consumer's own time", err)
					}
					text += chunk.Text
					<-time.After(25 * time.Second)
				}
				if text != "twelve words" {
					t.Errorf("got %q, want all of it", text)
				}
			})
		})
	}
}
