package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps the steps of a turn: what went into each and what came out.
// A step's effect commits together with its row, fenced by the turn's attempt,
// so that an attempt that goes on for one that died does nothing twice. The
// last step of a turn commits with its end.

// modelInput is what a model was shown. The lines of the room are kept by
// their numbers: what is hidden or taken back later is in no stored prompt.
// Same says that it was shown what the call before it in its node was, and
// what has come of that.
type modelInput struct {
	Same        bool        `json:"same,omitempty"`
	System      string      `json:"system,omitempty"`
	Lines       []int64     `json:"lines,omitempty"` // their seqs
	Asked       []askedText `json:"asked,omitempty"`
	Tools       []string    `json:"tools,omitempty"`
	Provider    string      `json:"provider,omitempty"`
	Model       string      `json:"model,omitempty"`
	Temperature *float64    `json:"temperature,omitempty"`
	MaxTokens   int         `json:"max_tokens,omitempty"`
}

// askedText is what a model was asked behind the lines of the room.
type askedText struct {
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
	Data bool   `json:"data,omitempty"` // the words of somebody else
}

// modelOutput is what a model answered: Line is the message that it became,
// where it became one; Erased that an artifact in it was erased for good.
type modelOutput struct {
	Text   string      `json:"text,omitempty"`
	Line   string      `json:"line,omitempty"`
	Calls  []savedCall `json:"tool_calls,omitempty"`
	Finish string      `json:"finish,omitempty"`
	Note   string      `json:"note,omitempty"` // why it ended so, or what was left out of the request
	Erased bool        `json:"erased,omitempty"`

	Reasoning *llm.Reasoning `json:"reasoning,omitempty"` // what the model thought, for staff

	streamed bool // the room has seen it
}

// failedOutput is why a step failed, for the room's staff.
type failedOutput struct {
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error"`
}

// loadSteps reads what earlier attempts of the turn have saved; the first has
// none before it.
func (r *attempt) loadSteps(ctx context.Context) (err error) {
	if r.turn.Attempt == 1 {
		return nil
	}
	if r.saved, err = r.app.db.TurnSteps(ctx, r.turn.ID); err != nil {
		return err
	}
	from := 0
	for i, s := range r.saved {
		r.steps = s.N
		r.acted = r.acted || acts(s.Kind, s.Node)
		if s.Kind == store.StepHuman && s.Name == stepHeard {
			from, r.anew = i+1, true
		}
		if s.Kind == store.StepHuman && s.Name == stepGoOn {
			r.asked, r.spent = 0, 0
		}
		if s.Kind == store.StepModel && s.State == store.StepDone {
			r.asked++
		}
		r.count(llm.Usage{PromptTokens: s.PromptTokens, CompletionTokens: s.CompletionTokens})
	}
	r.saved = r.saved[from:]
	return nil
}

// acts tells whether a step of this kind is one that may not be done again.
func acts(kind, node string) bool {
	return kind == store.StepTool || kind == store.StepHuman && node != ""
}

// count adds to what the turn has cost.
func (r *attempt) count(u llm.Usage) {
	r.usage.PromptTokens += u.PromptTokens
	r.usage.CompletionTokens += u.CompletionTokens
	r.spent += u.PromptTokens + u.CompletionTokens
}

// savedIn are the saved steps of one place in the turn's graph.
func (r *attempt) savedIn(node string) []store.TurnStep {
	return slices.DeleteFunc(slices.Clone(r.saved), func(s store.TurnStep) bool { return s.Node != node })
}

// messagesShown are the lines that the model was shown when a part began in an
// earlier attempt, without those that were taken back or hidden since; nil
// when none has saved anything of it.
func (r *attempt) messagesShown(ctx context.Context, node string) ([]store.Message, error) {
	var seqs []int64
	for _, s := range r.savedIn(node) {
		if s.Kind != store.StepModel {
			continue
		}
		var in modelInput
		if json.Unmarshal([]byte(s.Input), &in) == nil && !in.Same {
			seqs = in.Lines
		}
		if s.State != store.StepDone {
			continue
		}
		lines, err := r.app.db.MessagesBySeq(ctx, r.turn.RoomID, seqs)
		lines = slices.DeleteFunc(lines, func(m store.Message) bool { return m.State() != store.MessageShown })
		return append([]store.Message{}, lines...), err
	}
	return nil, nil
}

// newStep begins the next step of the turn.
func (r *attempt) newStep(node, kind, name, agentID string) *store.TurnStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.steps++
	r.acted = r.acted || acts(kind, node)
	return &store.TurnStep{ID: store.NewID(), TurnID: r.turn.ID, N: r.steps, Node: node, Kind: kind, Name: name, AgentID: agentID,
		State: store.StepDone, Attempt: r.turn.Attempt, StartedAt: r.app.instant()}
}

// endStep hands a step to the next commit; a call that failed counts what it
// has cost.
func (r *attempt) endStep(s *store.TurnStep, output any, usage llm.Usage) {
	s.Output, s.EndedAt = toJSON(output), r.app.instant()
	s.PromptTokens, s.CompletionTokens = usage.PromptTokens, usage.CompletionTokens
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = append(r.unsaved, *s)
	r.count(usage)
}

// commit saves the steps that have ended, and own, together with what effect
// does, which also ends own; nil saves the steps alone. errLeaseLost when
// another attempt has begun.
func (r *attempt) commit(ctx context.Context, effect func(*store.Tx) error, own ...*store.TurnStep) error {
	steps := r.keepSteps()
	err := r.app.yielding(ctx, func() error {
		return r.app.db.InTx(ctx, func(tx *store.Tx) error {
			if effect != nil {
				if err := effect(tx); err != nil {
					return err
				}
			}
			all := slices.Clone(steps)
			for _, s := range own {
				all = append(all, *s)
			}
			if err := tx.SaveSteps(ctx, all); err != nil {
				return err
			}
			err := tx.RenewTurnLease(ctx, r.turn.ID, r.turn.Attempt, r.app.instant().Add(r.app.cfg.Turns.Lease))
			if errors.Is(err, store.ErrStale) {
				return errLeaseLost
			}
			return err
		})
	})
	if err != nil {
		r.giveBack(steps)
	}
	return err
}

// keepSteps hands over the steps that are to be saved.
func (r *attempt) keepSteps() []store.TurnStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	steps := r.unsaved
	r.unsaved = nil
	return steps
}

// giveBack leaves steps to the next commit, since theirs has failed.
func (r *attempt) giveBack(steps []store.TurnStep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = append(steps, r.unsaved...)
}

// ending are the steps that the commit that ends the turn adds. The last words
// are kept as the line that they have become.
func (r *attempt) ending(messageID string) []store.TurnStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	steps := slices.Clone(r.unsaved)
	if i := len(steps) - 1; i >= 0 && steps[i].Kind == store.StepModel && steps[i].Node == "" {
		var out modelOutput
		if json.Unmarshal([]byte(steps[i].Output), &out) == nil {
			out.Text, out.Line = "", messageID
			steps[i].Output = toJSON(out)
		}
	}
	return steps
}

// usesKey notes which kind of key the turn's own agent calls its model with.
func (r *attempt) usesKey(ag *store.Agent, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ag.ID == r.agent.ID {
		r.turn.KeyKind = kind
	}
}

// withFault is what an error means for the turn, with what the attempt has cost
// and done until then.
func (r *attempt) withFault(err error) *turnFault {
	f := *faultOf(err, r.turn.Attempt)
	r.mu.Lock()
	defer r.mu.Unlock()
	f.usage, f.steps = r.usage, r.unsaved
	return &f
}
