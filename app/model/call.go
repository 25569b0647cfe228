package model

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
)

// request is a request to an agent's model with the agent's settings.
func (c *Caller) request(ag *store.Agent, system string, messages []llm.Message) llm.Request {
	req := llm.Request{Provider: ag.ModelProvider, System: system, Messages: messages, MaxTokens: c.turns.MaxTokens}
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
			req.MaxTokens = min(s.MaxTokens, c.turns.MaxTokens)
		}
	}
	return req
}

// EachKey makes a call of an agent's model with one key after the other. When a key
// fails before any text was shown, the next key takes over. call gets the request with
// the key in it, and the kind of the key.
func (c *Caller) EachKey(ctx context.Context, agentID string, keys []Key, req llm.Request, call func(req llm.Request, kind string) (shown bool, err error)) error {
	var err error
	req.Secrets = plainKeys(keys)
	for i, key := range keys {
		req.Key = key.Plain.Reveal()
		var shown bool
		if shown, err = call(req, key.Kind); err == nil || shown {
			c.noteKeyUse(ctx, key, agentID)
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		var failed *llm.Error
		if !errors.As(err, &failed) {
			return err
		}
		if handOver := c.cooling.failed(req.Provider, key.Plain, failed, c.now()); !handOver || shown || i == len(keys)-1 {
			return err
		}
		c.log.WarnContext(ctx, "model key failed, the next one takes over", "agent", agentID, "provider", req.Provider, "kind", failed.Kind)
	}
	return err
}

// plainKeys are the keys of a chain in plain text. No answer may show one of them.
func plainKeys(keys []Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = k.Plain.Reveal()
	}
	return out
}

// Answer is a whole answer of a model.
type Answer struct {
	Text string
	Cut  bool // the text was cut before its end
}

// Ask asks a model for a whole answer of at most most bytes; it cuts a longer one. When
// the prompt is too long for the model, it is shortened and sent once more. It returns a
// *Fault for an answer without text.
func (c *Caller) Ask(ctx context.Context, keys []Key, p *Prompt, most int) (said Answer, err error) {
	c.Fit(p)
	if said, err = c.askOnce(ctx, keys, p, most); c.Shorten(p, err) {
		said, err = c.askOnce(ctx, keys, p, most)
	}
	return said, err
}

func (c *Caller) askOnce(ctx context.Context, keys []Key, p *Prompt, most int) (said Answer, err error) {
	err = c.EachKey(ctx, p.agent.ID, keys, p.Req, func(req llm.Request, _ string) (shown bool, err error) {
		said, err = c.hearOut(ctx, p.agent, req, most)
		if llm.KindOf(err) == llm.ThoughtAloud {
			said, err = c.hearOut(ctx, p.agent, req, most) // nobody has seen the answer, and now it is known how this model thinks
		}
		return false, err
	})
	return said, err
}

// hearOut makes one call of an agent's model and reads the answer to its end.
func (c *Caller) hearOut(ctx context.Context, ag *store.Agent, req llm.Request, most int) (Answer, error) {
	var b strings.Builder
	finish, mouth := "", FilterFor(ag, req.Fence)
	for chunk, err := range c.Stream(ctx, req) {
		if err != nil {
			return Answer{}, err
		}
		b.WriteString(mouth.Say(chunk.Text))
		finish = chunk.Finish
	}
	b.WriteString(mouth.Rest())
	text := strings.TrimSpace(b.String())
	if text == "" {
		return Answer{}, Unspoken(finish, "the")
	}
	return Answer{store.Cut(text, most), len(text) > most || WasCut(finish)}, nil
}

// FilterFor is the filter for the answers of an agent.
func FilterFor(ag *store.Agent, fence string) *ImitationFilter {
	return NewImitationFilter(fence, ag.Name, mention.Label(ag.Type))
}

// outcomeAbandoned is the outcome of a call whose answer was not read to its end.
const outcomeAbandoned = "abandoned"

// Stream calls a model once with the key of the request, and counts, traces and logs the
// call.
func (c *Caller) Stream(ctx context.Context, req llm.Request) iter.Seq2[llm.Chunk, error] {
	return func(yield func(llm.Chunk, error) bool) {
		ctx, end := c.telemetry.ModelCall(ctx, req.Provider)
		started, outcome, usage := c.now(), outcomeAbandoned, llm.Usage{}
		defer func() {
			c.log.LogAttrs(ctx, slog.LevelInfo, "model call", slog.String("provider", req.Provider), slog.String("outcome", outcome),
				telemetry.Millis("ms", c.now().Sub(started)), slog.Int("prompt_tokens", usage.PromptTokens),
				slog.Int("completion_tokens", usage.CompletionTokens))
			end(outcome, usage.PromptTokens, usage.CompletionTokens)
		}()
		for chunk, err := range c.models.Stream(ctx, req) {
			if chunk.Usage != nil {
				usage = *chunk.Usage
			}
			if err != nil {
				outcome = outcomeOf(err)
			}
			if !yield(chunk, err) || err != nil {
				return
			}
		}
		outcome = telemetry.OutcomeOK
	}
}

func outcomeOf(err error) string {
	if kind := llm.KindOf(err); kind != "" {
		return string(kind)
	}
	return "internal"
}
