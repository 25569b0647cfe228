package llm_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

// ledger notes what it is told, and refuses when refuse says so.
type ledger struct {
	mu     sync.Mutex
	worst  []llm.Worst
	prompt []int
	ended  []llm.Metered
	refuse func(n int) error
}

func (l *ledger) Begin(_ context.Context, w llm.Worst) (func(llm.Metered), error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse != nil {
		if err := l.refuse(len(l.worst)); err != nil {
			return nil, err
		}
	}
	l.worst, l.prompt = append(l.worst, w), append(l.prompt, w.PromptTokens())
	return func(m llm.Metered) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended = append(l.ended, m)
	}, nil
}

// Each attempt is told before and after, with the limit that is really sent.
func TestMeter(t *testing.T) {
	t.Parallel()
	for _, provider := range []string{"openai", "gemini"} {
		for name, c := range map[string]struct {
			script  llmtest.Script
			refuse  []string
			limits  []int // of each attempt
			sent    []bool
			whole   bool
			counted bool
		}{
			"answer":      {script: llmtest.Say("one two three"), limits: []int{100}, sent: []bool{true}, whole: true, counted: true},
			"no usage":    {script: llmtest.Always(llmtest.Response{Text: "hello", NoUsage: true}), limits: []int{100}, sent: []bool{true}, whole: true},
			"cut":         {script: llmtest.Always(llmtest.Response{Text: strings.Repeat("word ", 40), Fault: llmtest.Cut}), limits: []int{100}, sent: []bool{true}},
			"refused":     {script: llmtest.Always(llmtest.Response{Status: 401, Message: "no"}), limits: []int{100}, sent: []bool{false}},
			"busy, twice": {script: llmtest.InTurn(llmtest.Response{Status: 503, Message: "overloaded"}, llmtest.Response{Status: 503, Message: "overloaded"}, llmtest.Response{Text: "hello"}), limits: []int{100, 100, 100}, sent: []bool{false, false, true}, whole: true, counted: true},
			"lost, once":  {script: llmtest.InTurn(llmtest.Response{Fault: llmtest.CutHeader}, llmtest.Response{Text: "hello"}), limits: []int{100, 100}, sent: []bool{true, true}, whole: true, counted: true},
			"no limit":    {script: llmtest.Say("hello"), refuse: []string{"max_tokens", "max_completion_tokens", "maxOutputTokens"}, whole: true, counted: true},
		} {
			t.Run(provider+"/"+name, func(t *testing.T) {
				t.Parallel()
				r := onNetwork(t, llm.Config{Retry: llm.Retry{Base: 1}})
				r.Script(c.script)
				if c.refuse != nil {
					r.Refuse(c.refuse...)
				}
				l := new(ledger)
				ask := ask(provider, "Why is the sky blue?")
				ask.MaxTokens, ask.Meter = 100, l
				got := collect(t.Context(), t, r.models, ask)
				if len(l.ended) != len(l.worst) || len(l.worst) == 0 {
					t.Fatalf("began %d attempts, ended %d", len(l.worst), len(l.ended))
				}
				if c.refuse != nil {
					if last := l.worst[len(l.worst)-1]; last.MaxTokens != 0 || got.err != nil {
						t.Errorf("got a limit of %d, %v, want none", last.MaxTokens, got.err)
					}
					return
				}
				var limits []int
				var sent []bool
				for i := range l.worst {
					limits, sent = append(limits, l.worst[i].MaxTokens), append(sent, l.ended[i].Sent)
					if l.worst[i].Provider != provider || l.worst[i].Model == "" || l.worst[i].Free {
						t.Errorf("got %+v", l.worst[i])
					}
					if want := len("You teach physics.Ada: Why is the sky blue?") + 16; l.prompt[i] < want {
						t.Errorf("got %d tokens of prompt, want %d at least", l.prompt[i], want)
					}
				}
				last := l.ended[len(l.ended)-1]
				if !slices.Equal(limits, c.limits) || !slices.Equal(sent, c.sent) || last.Whole != c.whole || (last.Usage != nil) != c.counted || (last.Err == nil) != c.whole {
					t.Errorf("got limits %v, sent %v, last %+v", limits, sent, last)
				}
				if r.Count() != len(c.limits) {
					t.Errorf("got %d requests", r.Count())
				}
			})
		}
	}
}

// Nothing is sent that the meter refuses, neither at first nor for a retry.
func TestMeterRefuses(t *testing.T) {
	t.Parallel()
	errPoor := errors.New("no money left")
	for _, at := range []int{0, 1} {
		r := onNetwork(t, llm.Config{Retry: llm.Retry{Base: 1}})
		r.Script(llmtest.Always(llmtest.Response{Status: 503, Message: "overloaded"}))
		l := &ledger{refuse: func(n int) error {
			if n == at {
				return errPoor
			}
			return nil
		}}
		ask := ask("openai", "Why?")
		ask.Meter = l
		got := collect(t.Context(), t, r.models, ask)
		if got.kind() != llm.Refused || !errors.Is(got.err, errPoor) || r.Count() != at || len(l.ended) != at {
			t.Errorf("got %v after %d requests, %d ended", got.err, r.Count(), len(l.ended))
		}
	}
}

// A call that nobody books is not made.
func TestNoMeter(t *testing.T) {
	t.Parallel()
	r := onNetwork(t, llm.Config{})
	ask := ask("openai", "Why?")
	ask.Meter = nil
	if got := collect(t.Context(), t, r.models, ask); got.kind() != llm.Refused || r.Count() != 0 {
		t.Errorf("got %v after %d requests", got.err, r.Count())
	}
}

// What does not reach the provider is not billed; a consumer who leaves in the middle pays.
func TestMeterEnds(t *testing.T) {
	t.Parallel()
	models, err := llm.New(llm.Config{Providers: map[string]llm.ProviderConfig{"openai": {BaseURL: "http://127.0.0.1:1/v1"}}, Retry: llm.Retry{Attempts: 1}})
	if err != nil {
		t.Fatal(err)
	}
	l := new(ledger)
	ask1 := ask("openai", "Why?")
	ask1.Meter = l
	collect(t.Context(), t, models, ask1)
	if len(l.ended) != 1 || l.ended[0].Sent || l.ended[0].Err == nil {
		t.Errorf("got %+v", l.ended)
	}
	r := onNetwork(t, llm.Config{})
	r.Script(llmtest.Say(strings.Repeat("word ", 2000)))
	l = new(ledger)
	ask2 := ask("openai", "Why?")
	ask2.Meter = l
	for range r.models.Stream(t.Context(), ask2) {
		break
	}
	if len(l.ended) != 1 || !l.ended[0].Sent || l.ended[0].Whole || l.ended[0].Err == nil || l.ended[0].Err.Kind != llm.Canceled || l.ended[0].Bytes == 0 {
		t.Errorf("got %+v", l.ended)
	}
	offline := ask("offline", "Why?")
	l = new(ledger)
	offline.Meter = l
	collect(t.Context(), t, models, offline)
	if len(l.ended) != 1 || !l.ended[0].Sent || !l.worst[0].Free || l.ended[0].Usage == nil {
		t.Errorf("got %+v", l.ended)
	}
}
