package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file has the model calls that a person waits for: sandbox, threads, generated
// instructions. It also has what rooms and reports share with them.

// modelRequest is a request to an agent's model with the agent's settings.
func (a *App) modelRequest(ag *store.Agent, system string, messages []llm.Message) llm.Request {
	req := llm.Request{Provider: ag.ModelProvider, System: system, Messages: messages, MaxTokens: a.cfg.Turns.MaxTokens}
	if ag.Model != nil {
		req.Model = *ag.Model
	}
	var s struct {
		Temperature *float64 `json:"temperature"`
		MaxTokens   int      `json:"max_tokens"`
	}
	if json.Unmarshal([]byte(ag.Settings), &s) == nil {
		req.Temperature = s.Temperature
		if s.MaxTokens > 0 {
			req.MaxTokens = min(s.MaxTokens, a.cfg.Turns.MaxTokens)
		}
	}
	return req
}

// eachKey makes a model call with one key after the other. When a key fails before
// any text was shown, the next key takes over.
func (a *App) eachKey(ctx context.Context, agentID string, keys []chainKey, req llm.Request, call func(req llm.Request, kind string) (shown bool, err error)) error {
	var err error
	req.Secrets = plainKeys(keys)
	for i, key := range keys {
		req.Key = key.key.Reveal()
		var shown bool
		if shown, err = call(req, key.kind); err == nil || shown {
			a.noteKeyUse(ctx, key, agentID)
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		var failed *llm.Error
		if !errors.As(err, &failed) {
			return err
		}
		if handOver := a.cooling.failed(req.Provider, key.key, failed, a.now()); !handOver || shown || i == len(keys)-1 {
			return err
		}
		a.log.WarnContext(ctx, "model key failed, the next one takes over", "agent", agentID, "provider", req.Provider, "kind", failed.Kind)
	}
	return err
}

// plainKeys are the keys of a chain in plain text. No answer may show one of them.
func plainKeys(keys []chainKey) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.key.Reveal()
	}
	return out
}

// spoken is a whole answer of a model.
type spoken struct {
	text string
	cut  bool // the text was cut before its end
}

// answerOf asks a model for a whole answer of at most most bytes; it cuts a longer
// one. When the prompt is too long for the model, it is shortened and sent once more.
func (a *App) answerOf(ctx context.Context, keys []chainKey, p *prompt, most int) (said spoken, err error) {
	a.fit(p)
	if said, err = a.wholeAnswer(ctx, keys, p, most); a.shorten(p, err) {
		said, err = a.wholeAnswer(ctx, keys, p, most)
	}
	return said, err
}

func (a *App) wholeAnswer(ctx context.Context, keys []chainKey, p *prompt, most int) (said spoken, err error) {
	err = a.eachKey(ctx, p.agent.ID, keys, p.req, func(req llm.Request, _ string) (shown bool, err error) {
		said, err = a.hearOut(ctx, p.agent, req, most)
		if llm.KindOf(err) == llm.ThoughtAloud {
			said, err = a.hearOut(ctx, p.agent, req, most) // nobody has seen the answer, and now it is known how this model thinks
		}
		return false, err
	})
	return said, err
}

// hearOut makes one call of an agent's model and reads the answer to its end.
func (a *App) hearOut(ctx context.Context, ag *store.Agent, req llm.Request, most int) (spoken, error) {
	var b strings.Builder
	finish, mouth := "", newImitationFilter(req.Fence, ag.Name, event.AgentLabel(ag.Type))
	for chunk, err := range a.callModel(ctx, req) {
		if err != nil {
			return spoken{}, err
		}
		b.WriteString(mouth.say(chunk.Text))
		finish = chunk.Finish
	}
	b.WriteString(mouth.rest())
	text := strings.TrimSpace(b.String())
	if text == "" {
		return spoken{}, silentFault(finish, "the")
	}
	return spoken{cut(text, most), len(text) > most || cutShort(finish)}, nil
}

// errSlow ends a model call that a person waits for after limits.answer_within.
var errSlow = &turnFault{reason: reasonTooLong, detail: "the answer took too long"}

// waiting bounds a model call that a person waits for. When the process shuts down,
// the call gets the same time to end as jobs get.
func (a *App) waiting(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	ctx, done := context.WithTimeoutCause(ctx, a.cfg.Limits.AnswerWithin, errSlow)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-a.closing:
		}
		grace, end := context.WithTimeout(ctx, a.cfg.Jobs.DrainTimeout)
		defer end()
		<-grace.Done()
		cancel(errStopped)
	}()
	return ctx, func() { done(); cancel(nil) }
}

// askModel asks an agent's model while a person waits. mayKnow says that the person
// may change the agent, and so may know why the model failed.
func (a *App) askModel(ctx context.Context, ag *store.Agent, said []llm.Message, mayKnow bool) (spoken, error) {
	keys, err := a.modelKeys(ctx, ag)
	if err != nil {
		return spoken{}, a.notAnswered(err, mayKnow)
	}
	ctx, done := a.waiting(ctx)
	defer done()
	answer, err := a.answerOf(ctx, keys, a.newPrompt(ag, ag.SystemPrompt, said), int(a.cfg.Limits.MessageBytes))
	return answer, a.notAnswered(err, mayKnow)
}

// retryModelAfter is when to ask a model again that did not answer, unless its
// provider says when.
const retryModelAfter = 5 * time.Second

// notAnswered is the error that a person gets for a failed model call. The reason may
// name the provider and the model, so only those who look after the agent get it.
func (a *App) notAnswered(err error, mayKnow bool) error {
	var fault *turnFault
	var model *llm.Error
	e := &Error{Kind: KindUpstream, Code: "model_failed", Message: "The agent could not answer", Err: err}
	why := ""
	switch {
	case errors.As(err, &fault) && fault.reason == reasonNoKey:
		e.Kind, e.Code, e.Message, why = KindRejected, fault.reason, "Failed to initialize agent", fault.detail
	case errors.As(err, &fault) && fault.reason == reasonStopped:
		e.Kind, e.Code, e.Message, e.RetryAfter = KindUnavailable, fault.reason, "The server is restarting; send it again", time.Second
	case errors.As(err, &fault) && fault.reason == reasonTooLong:
		e.Kind, e.Code, e.Message, e.RetryAfter = KindUnavailable, "timeout", "The agent took too long to answer; try again", time.Second
	case errors.As(err, &fault):
		e.Code, why = fault.reason, fault.detail
	case errors.As(err, &model):
		e.Code, why = faultOf(err, 1).reason, model.Message
		switch model.Kind {
		case llm.Limited:
			e.Kind, e.RetryAfter = KindLimited, max(model.RetryAfter, retryModelAfter)
		case llm.Open, llm.Unavailable, llm.Timeout:
			e.Kind, e.RetryAfter = KindUnavailable, max(model.RetryAfter, retryModelAfter)
		}
	default:
		return err
	}
	if why != "" && mayKnow {
		e.Message += ": " + why
	}
	return e
}

// modelCallSlots bounds the model calls in this process that people wait for. The
// slots of a person are numbered, so that all nodes together can bound them: each
// slot has a lease.
type modelCallSlots struct {
	mu  sync.Mutex
	by  map[string]map[int]bool
	all int
}

// callSlack is how long a call may take in addition to the model's answer.
const callSlack = 15 * time.Second

// takeCall lets a person make one more model call. The caller must call release at
// its end.
func (a *App) takeCall(ctx context.Context, actor *Actor) (release func(), err error) {
	who := actor.User.ID
	slot, err := a.takeCallSlot(ctx, who)
	if err != nil {
		return nil, err
	}
	release = func() { a.freeCallSlot(ctx, who, slot) }
	if err := a.spend(ctx, a.asks, who); err != nil {
		release()
		return nil, err
	}
	return release, nil
}

// takeCallSlot takes the first of a person's slots that no node holds. A slot of
// another node is free again when that node gives it back, or when its lease runs out
// after that node died.
func (a *App) takeCallSlot(ctx context.Context, who string) (slot int, err error) {
	for ; ; slot++ {
		if slot, err = a.calls.take(who, slot, a.cfg.Limits.ModelCallsAtOnce, a.cfg.Limits.ModelCalls); err != nil || !a.db.Postgres() {
			return slot, err
		}
		leads, err := a.db.Single().Lead(ctx, callLease(who, slot), a.cfg.Limits.AnswerWithin+callSlack)
		if leads {
			return slot, nil
		}
		a.calls.free(who, slot)
		if err != nil {
			return 0, err
		}
	}
}

func (a *App) freeCallSlot(ctx context.Context, who string, slot int) {
	// Free the slot last. The next holder takes the same lease, which resign would
	// give back.
	defer a.calls.free(who, slot)
	a.resign(ctx, callLease(who, slot))
}

func callLease(who string, slot int) string { return fmt.Sprintf("call:%s:%d", who, slot) }

// take gives out a person's first free slot, counting from the slot from.
func (s *modelCallSlots) take(who string, from, most, all int) (slot int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for slot = from; s.by[who][slot]; slot++ {
	}
	switch {
	case slot >= most:
		return 0, &Error{Kind: KindLimited, Code: "rate_limited", Message: "You are waiting for other answers; try again when they have come", RetryAfter: retryModelAfter}
	case s.all >= all:
		return 0, &Error{Kind: KindUnavailable, Code: reasonOverload, Message: "Too many people wait for an answer just now; try again in a moment", RetryAfter: retryModelAfter}
	case s.by == nil:
		s.by = map[string]map[int]bool{}
	}
	if s.by[who] == nil {
		s.by[who] = map[int]bool{}
	}
	s.by[who][slot] = true
	s.all++
	return slot, nil
}

func (s *modelCallSlots) free(who string, slot int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all--
	if delete(s.by[who], slot); len(s.by[who]) == 0 {
		delete(s.by, who)
	}
}
