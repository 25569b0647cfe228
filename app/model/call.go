package model

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"log/slog"
	"strings"

	"github.com/coagent-studio/coagent/app/ledger"
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

// Call is a call of a model with one key. It is made by booked alone, so that each call is
// booked.
type Call struct {
	KeyKind string // why the agent may use its key
	req     llm.Request
}

// booked makes a call of a request with a key, which is booked as one of from.
func (c *Caller) booked(req llm.Request, from ledger.Origin, key Key) *Call {
	req.Key = key.Plain.Reveal()
	req.Meter = c.ledger.Meter(from, ledger.Key{ID: key.userKeyID, Owner: key.owner, Kind: key.Kind})
	return &Call{KeyKind: key.Kind, req: req}
}

// EachKey makes the call of a prompt with one key after the other. When a key fails before
// any text was shown, or when a budget of the key is empty, the next key takes over.
func (c *Caller) EachKey(ctx context.Context, p *Prompt, keys []Key, call func(call *Call) (shown bool, err error)) error {
	if p.from.Kind == "" {
		return errNoOrigin
	}
	var err error
	req, agentID := p.Req, p.agent.ID
	req.Secrets = plainKeys(keys)
	for i, key := range keys {
		var shown bool
		if shown, err = call(c.booked(req, p.from, key)); err == nil || shown {
			c.noteKeyUse(ctx, key, agentID)
		}
		if cause := context.Cause(ctx); err != nil && cause != nil {
			return cause
		}
		var no *ledger.Refused
		if errors.As(err, &no) && no.Budget.ScopeKind == store.ScopeKey && !shown && i < len(keys)-1 {
			continue
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

// errNoOrigin is a fault of the program: a prompt was made by nobody for nothing.
var errNoOrigin = errors.New("a model was to be called, and nothing says for what")

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
	err = c.EachKey(ctx, p, keys, func(call *Call) (shown bool, err error) {
		said, err = c.hearOut(ctx, p.agent, call, most)
		if llm.KindOf(err) == llm.ThoughtAloud {
			said, err = c.hearOut(ctx, p.agent, call, most) // nobody has seen the answer, and now it is known how this model thinks
		}
		return false, err
	})
	return said, err
}

// hearOut makes one call of an agent's model and reads the answer to its end.
func (c *Caller) hearOut(ctx context.Context, ag *store.Agent, call *Call, most int) (Answer, error) {
	var b strings.Builder
	finish, mouth := "", FilterFor(ag, call.req.Fence)
	for chunk, err := range c.Stream(ctx, call) {
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

// Stream calls a model once, and books, counts, traces and logs the call. It ends with a
// *ledger.Refused when a budget does not allow it.
func (c *Caller) Stream(ctx context.Context, call *Call) iter.Seq2[llm.Chunk, error] {
	return func(yield func(llm.Chunk, error) bool) {
		req := call.req
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
