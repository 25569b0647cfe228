package turn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// This file keeps the steps of a turn: the input and the output of each. A step's
// effect commits together with its row, fenced by the turn's attempt, so an attempt
// that continues after a crash does nothing twice. The last step of a turn commits
// with the turn's end.

// modelInput is what a model was shown. Messages of the room are kept as their
// numbers, so a message that is hidden or taken back later is in no stored prompt.
// Same says that the model was shown the same as in the call before it in its node,
// and what came of that call.
type modelInput struct {
	Same        bool        `json:"same,omitempty"`
	System      string      `json:"system,omitempty"`
	Messages    []int64     `json:"lines,omitempty"` // the seqs of the messages
	Asked       []askedText `json:"asked,omitempty"`
	Pictures    []string    `json:"pictures,omitempty"` // the ids of the files that it saw
	Texts       []string    `json:"texts,omitempty"`    // of those whose beginning it read
	Tools       []string    `json:"tools,omitempty"`
	Provider    string      `json:"provider,omitempty"`
	Model       string      `json:"model,omitempty"`
	Temperature *float64    `json:"temperature,omitempty"`
	MaxTokens   int         `json:"max_tokens,omitempty"`
}

// read sets what was read: messages of the room, and what was asked after them.
func (in *modelInput) read(messages []store.Message, asked []llm.Message) {
	for _, m := range messages {
		in.Messages = append(in.Messages, m.Seq)
	}
	for _, m := range asked {
		in.Asked = append(in.Asked, askedText{Role: string(m.Role), Name: m.Name, Text: m.Text, Data: m.Data})
	}
}

// askedText is what a model was asked after the messages of the room.
type askedText struct {
	Role string `json:"role"`
	Name string `json:"name,omitempty"`
	Text string `json:"text"`
	Data bool   `json:"data,omitempty"` // somebody else's words
}

// modelOutput is what a model answered. MessageID is the id of the message that the answer
// became, if it became one. Erased says that an artifact in the answer was erased for
// good.
type modelOutput struct {
	Text      string      `json:"text,omitempty"`
	MessageID string      `json:"line,omitempty"`
	Calls     []savedCall `json:"tool_calls,omitempty"`
	Finish    string      `json:"finish,omitempty"`
	Note      string      `json:"note,omitempty"` // why it ended like this, or what was left out of the request
	Erased    bool        `json:"erased,omitempty"`

	Reasoning *llm.Reasoning `json:"reasoning,omitempty"` // the model's thinking, for staff

	streamed bool // the room has seen it already
}

// failedOutput is why a step failed, for the room's staff.
type failedOutput struct {
	Reason string `json:"reason,omitempty"`
	Error  string `json:"error"`
	Kind   string `json:"kind,omitempty"` // of a failed call of an agent outside this program
	// RetryAfter is for how many seconds the provider wants to be left alone.
	RetryAfter float64 `json:"retry_after,omitempty"`
	// RenewsAt is when the budget renews that did not allow the call.
	RenewsAt time.Time `json:"renews_at,omitzero"`
}

// failedCall is the output of a call of a model that failed.
func failedCall(err error, f *Fault) failedOutput {
	out := failedOutput{Reason: f.Reason, Error: f.Detail}
	var failed *llm.Error
	if errors.As(err, &failed) {
		out.RetryAfter = failed.RetryAfter.Seconds()
	}
	if no := emptyBudget(err); no != nil {
		out.RenewsAt = no.RenewsAt
	}
	return out
}

// loadSteps reads the steps that earlier attempts of the turn have saved. The first
// attempt has none.
func (r *attempt) loadSteps(ctx context.Context) (err error) {
	if r.turn.Attempt == 1 {
		return nil
	}
	if r.saved, err = r.engine.db.TurnSteps(ctx, r.turn.ID); err != nil {
		return err
	}
	from := 0
	for i, s := range r.saved {
		r.steps = s.N
		r.acted = r.acted || acts(s.Kind, s.Node) || isQuestion(&s)
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

// acts tells whether a step of this kind may not be done a second time.
func acts(kind, node string) bool {
	return kind == store.StepTool || kind == store.StepHuman && node != ""
}

// mostTokens is the most of one attempt. The database adds those of a turn, and has no number for
// more than twenty of them.
const mostTokens = 100_000_000

// count adds to the tokens that the turn has cost.
func (r *attempt) count(u llm.Usage) {
	r.usage.PromptTokens = min(r.usage.PromptTokens+u.PromptTokens, mostTokens)
	r.usage.CompletionTokens = min(r.usage.CompletionTokens+u.CompletionTokens, mostTokens)
	r.spent += u.PromptTokens + u.CompletionTokens
}

// savedIn returns the saved steps of one node of the turn's graph; "" is the direct
// answer.
func (r *attempt) savedIn(node string) []store.TurnStep {
	return slices.DeleteFunc(slices.Clone(r.saved), func(s store.TurnStep) bool { return s.Node != node })
}

// messagesShown returns the messages that an earlier attempt showed to the model at
// node, without those that were taken back or hidden since. It returns nil when no
// earlier attempt has saved an answer there.
func (r *attempt) messagesShown(ctx context.Context, node string) ([]store.Message, error) {
	var seqs []int64
	for _, s := range r.savedIn(node) {
		if s.Kind != store.StepModel {
			continue
		}
		var in modelInput
		if json.Unmarshal([]byte(s.Input), &in) == nil && !in.Same {
			seqs = in.Messages
		}
		if s.State != store.StepDone {
			continue
		}
		messages, err := r.engine.db.MessagesBySeq(ctx, r.turn.RoomID, seqs)
		messages = slices.DeleteFunc(messages, func(m store.Message) bool { return m.State() != store.MessageShown })
		return append([]store.Message{}, r.threadLast(messages)...), err
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
		State: store.StepDone, Attempt: r.turn.Attempt, StartedAt: r.engine.instant()}
}

// endStep ends a step and leaves it to the next commit. A failed call counts the
// tokens that it has cost, too.
func (r *attempt) endStep(s *store.TurnStep, output any, usage llm.Usage) {
	s.Output, s.EndedAt = store.ToJSON(output), r.engine.instant()
	s.PromptTokens, s.CompletionTokens = usage.PromptTokens, usage.CompletionTokens
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = append(r.unsaved, *s)
	r.count(usage)
}

// commit runs effect and saves the steps that have ended, and own, in one
// transaction. effect also ends own; when it is nil, only the steps are saved. commit
// returns ErrLeaseLost when another attempt has begun.
func (r *attempt) commit(ctx context.Context, effect func(*store.Tx) error, own ...*store.TurnStep) error {
	steps := r.keepSteps()
	err := r.engine.background.Do(ctx, func() error {
		return r.engine.db.InTx(ctx, func(tx *store.Tx) error {
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
			err := tx.RenewTurnLease(ctx, r.turn.ID, r.turn.Attempt, r.engine.instant().Add(r.engine.cfg.Turns.Lease))
			if errors.Is(err, store.ErrStale) {
				return ErrLeaseLost
			}
			return err
		})
	})
	if err != nil {
		r.giveBack(steps)
	}
	return err
}

// keepSteps takes the steps that are to be saved.
func (r *attempt) keepSteps() []store.TurnStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	steps := r.unsaved
	r.unsaved = nil
	return steps
}

// giveBack leaves steps to the next commit, because their own commit failed.
func (r *attempt) giveBack(steps []store.TurnStep) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.unsaved = append(steps, r.unsaved...)
}

// ending returns the steps that commit with the turn's end. The last answer keeps the
// id of the message that it became, instead of its text.
func (r *attempt) ending(messageID string) []store.TurnStep {
	r.mu.Lock()
	defer r.mu.Unlock()
	steps := slices.Clone(r.unsaved)
	if i := len(steps) - 1; i >= 0 && steps[i].Kind == store.StepModel && steps[i].Node == "" {
		var out modelOutput
		if json.Unmarshal([]byte(steps[i].Output), &out) == nil {
			out.Text, out.MessageID = "", messageID
			steps[i].Output = store.ToJSON(out)
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

// withFault returns what an error means for the turn, with the tokens and steps of
// the attempt so far.
func (r *attempt) withFault(err error) *Fault {
	f := *FaultOf(err, r.turn.Attempt)
	if r.alone() {
		f.once(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f.Usage, f.Steps = r.usage, r.unsaved
	return &f
}
