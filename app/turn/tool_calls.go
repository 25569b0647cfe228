package turn

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// maxCalls is how many tools one answer of a model may call.
const maxCalls = 16

// savedCall is a model's call of a tool, as its step keeps it.
type savedCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
	Malformed string          `json:"malformed,omitempty"`
	Signature []byte          `json:"signature,omitempty"` // the provider's signature of the call
}

// ToolInput is what a tool was called with. Call is the place of the call in its
// answer, from 0.
type ToolInput struct {
	Call      int             `json:"call"`
	Arguments json.RawMessage `json:"arguments"`
	Plan      *Plan           `json:"plan,omitempty"`
}

// answerCalls runs the tools that an answer calls and shows the model their results.
// done holds the calls that earlier attempts have answered, by their place. It
// returns errParked when a call has to wait, for a person or for an agent outside this
// program; the other calls have run then.
func (t *conversation) answerCalls(ctx context.Context, calls []savedCall, done map[int]*store.TurnStep) error {
	steps, waits := make([]*store.TurnStep, len(calls)), false
	for i, call := range calls {
		var err error
		if tool := t.part.find(call.Name); t.part.show && done[i] == nil && tool.slow() {
			if err = t.attempt.leaveFloor(ctx); err != nil {
				return err
			}
		}
		switch step := done[i]; {
		case step == nil:
			steps[i], err = t.callTool(ctx, i, call)
		case step.State == store.StepApproved:
			steps[i], err = step, t.runApproved(ctx, step, call)
		default:
			steps[i] = step
		}
		if errors.Is(err, errParked) { // whom it asks will answer later; then the call is made again
			waits = true
			continue
		}
		if err != nil {
			return err
		}
		waits = waits || steps[i].State == store.StepPending
	}
	if waits {
		return t.attempt.park(ctx)
	}
	for i, step := range steps {
		text, err := t.attempt.resultText(ctx, step)
		if err != nil {
			return err
		}
		t.prompt.Req.Messages = append(t.prompt.Req.Messages,
			llm.Message{Role: llm.RoleTool, Name: calls[i].Name, ToolCallID: calls[i].ID, Text: text, Data: true})
	}
	return nil
}

// callTool answers one call: it runs the tool, or says why that cannot be done, or
// leaves a step that waits for a person.
func (t *conversation) callTool(ctx context.Context, i int, call savedCall) (*store.TurnStep, error) {
	c := &Call{run: t.attempt, part: t.part, args: call.Arguments, node: fmt.Sprintf("%d.%d", t.answers, i),
		step: t.attempt.newStep(t.part.node, store.StepTool, call.Name, t.part.agent.ID)}
	in := ToolInput{Call: i, Arguments: call.Arguments}
	c.step.Input = store.ToJSON(in)
	tool, err := t.prepare(ctx, c, i, call)
	if tool != nil && err == nil && tool.Plan != nil {
		in.Plan = &c.Plan
		c.step.Input, c.step.ArtifactID = store.ToJSON(in), c.Plan.ArtifactID
	}
	key := callKey(call)
	if err == nil && c.Plan.Effect.Waits() {
		if t.refused[key] {
			c.step.State = store.StepRejected
			c.step.Note = "it was refused in this turn already"
			t.attempt.endStep(c.step, Result{}, llm.Usage{})
		} else {
			t.attempt.wait(c.step)
		}
		return c.step, nil
	}
	if err == nil && c.Plan.Effect == EffectChange {
		// A change would take effect, so count the repeats before it, not after.
		if fault := t.repeats(call.Name, key, ""); fault != nil {
			return nil, errors.Join(t.failStep(c.step, toolErrorf(reasonRepeats, "%s", fault.Detail)), fault)
		}
	}
	if err == nil {
		err = t.runTool(ctx, tool, c)
	}
	if err != nil {
		if err = t.failStep(c.step, err); err != nil {
			return nil, err
		}
	}
	if c.Plan.Effect != EffectChange || c.step.State == store.StepFailed {
		if fault := t.repeats(call.Name, key, string(c.step.Output)); fault != nil {
			return nil, fault
		}
	}
	return c.step, nil
}

// prepare finds the tool of a call, checks the arguments and plans what the call will
// do. The model is told a *ToolError.
func (t *conversation) prepare(ctx context.Context, c *Call, i int, call savedCall) (*Tool, error) {
	tool := t.part.find(call.Name)
	switch {
	case call.Malformed != "":
		return nil, toolErrorf("malformed", "the call could not be read: %s", call.Malformed)
	case tool == nil:
		return nil, toolErrorf("unknown_tool", "there is no tool %q; there are: %s", store.Cut(call.Name, 100),
			strings.Join(t.part.toolNames(), ", "))
	case i >= maxCalls:
		return nil, toolErrorf("too_many", "an answer may call %d tools; call this one in the next", maxCalls)
	}
	if err := tool.Check(call.Arguments); err != nil {
		return nil, err
	}
	c.Plan = Plan{Effect: EffectRead}
	if tool.Plan == nil {
		return tool, nil
	}
	err := t.attempt.engine.background.Do(ctx, func() (err error) { c.Plan, err = tool.Plan(ctx, c); return err })
	return tool, err
}

// runTool runs a call and saves its step together with its effect.
func (t *conversation) runTool(ctx context.Context, tool *Tool, c *Call) error {
	var result Result
	if tool.ask != nil {
		var err error
		if result, err = tool.ask(ctx, c); err != nil {
			return err
		}
		c.step.Output, c.step.EndedAt = store.ToJSON(result), t.attempt.engine.instant()
		return t.attempt.commit(ctx, nil, c.step)
	}
	return t.attempt.commit(ctx, func(tx *store.Tx) (err error) {
		if result, err = tool.Run(ctx, tx, c); err != nil {
			return err
		}
		if result.ArtifactID != "" {
			c.step.ArtifactID = result.ArtifactID
		}
		c.step.Output, c.step.EndedAt = store.ToJSON(result), t.attempt.engine.instant()
		return nil
	}, c.step)
}

// failStep ends a step with an error that the model is told. It returns any other
// error unchanged.
func (t *conversation) failStep(step *store.TurnStep, err error) error {
	var known *ToolError
	if !errors.As(err, &known) {
		return err
	}
	step.State = store.StepFailed
	t.attempt.endStep(step, failedOutput{Reason: known.Code, Error: known.Message}, llm.Usage{})
	return nil
}

// runApproved runs a call that a person has allowed. The object of the call must
// still be as the person saw it; each tool checks this against the plan.
func (t *conversation) runApproved(ctx context.Context, step *store.TurnStep, call savedCall) error {
	var in ToolInput
	tool := t.part.find(call.Name)
	if json.Unmarshal([]byte(step.Input), &in) != nil || in.Plan == nil || tool == nil || tool.Run == nil {
		return t.endApproved(ctx, step, store.StepFailed,
			failedOutput{Error: "what was to be done is not known any more, or the agent may not do it now"})
	}
	c := &Call{run: t.attempt, part: t.part, args: in.Arguments, Plan: *in.Plan, step: step}
	err := t.attempt.commit(ctx, func(tx *store.Tx) error {
		result, err := tool.Run(ctx, tx, c)
		if err != nil {
			return err
		}
		return t.decided(ctx, tx, step, store.StepDone, result)
	})
	var known *ToolError
	if errors.As(err, &known) {
		return t.endApproved(ctx, step, store.StepFailed, failedOutput{Reason: known.Code, Error: known.Message})
	}
	return err
}

func (t *conversation) endApproved(ctx context.Context, step *store.TurnStep, state string, output any) error {
	return t.attempt.commit(ctx, func(tx *store.Tx) error { return t.decided(ctx, tx, step, state, output) })
}

func (t *conversation) decided(ctx context.Context, tx *store.Tx, step *store.TurnStep, state string, output any) error {
	step.State, step.Output, step.EndedAt = state, store.ToJSON(output), t.attempt.engine.instant()
	err := tx.EndStep(ctx, step, store.StepApproved)
	if errors.Is(err, store.ErrStale) {
		return ErrLeaseLost // another attempt has run it
	}
	return err
}

// resultText is what the model is told about a call's result, with messages and
// artifacts as they may be read now.
func (r *attempt) resultText(ctx context.Context, step *store.TurnStep) (string, error) {
	switch step.State {
	case store.StepRejected:
		if step.Note != "" {
			return "Refused by a person of the staff, who says: " + step.Note, nil
		}
		return "Refused by a person of the staff.", nil
	case store.StepExpired:
		return "Refused: nobody of the staff allowed it in time.", nil
	case store.StepFailed:
		var out failedOutput
		if json.Unmarshal([]byte(step.Output), &out) != nil || out.Error == "" {
			out.Error = "it failed"
		}
		return "Error: " + out.Error, nil
	}
	var out Result
	if json.Unmarshal([]byte(step.Output), &out) != nil {
		return "", errErased
	}
	text := ""
	err := r.engine.background.Do(ctx, func() (err error) { text, err = r.engine.toolText(ctx, r.turn.RoomID, &out); return err })
	return text, err
}

// toolText is a result with the messages or artifacts that it refers to, as they may
// be read now.
func (e *Engine) toolText(ctx context.Context, roomID string, out *Result) (string, error) {
	switch {
	case out.Messages != nil:
		return e.messagesText(ctx, roomID, out.Messages)
	case out.Artifacts != nil:
		return e.artifactsText(ctx, roomID, out.Artifacts)
	case out.Erased:
		return "(erased)", nil
	}
	return out.Text, nil
}

// callKey returns the name and arguments of a call in one form, whatever the order of
// their members and their white space.
func callKey(call savedCall) string {
	var v any
	dec := json.NewDecoder(bytes.NewReader(call.Arguments))
	dec.UseNumber()
	if dec.Decode(&v) != nil || call.Malformed != "" {
		v = call.Malformed
	}
	canonical, err := json.Marshal(v) // maps come out in the order of their keys
	if err != nil {
		canonical = call.Arguments
	}
	return call.Name + " " + string(canonical)
}

// maxRepeats is how often the same call may come before the turn is stopped.
const maxRepeats = 3

// repeats counts a call with its outcome, and returns a fault when the turn goes
// round in circles. The same call with another outcome is no repeat.
func (t *conversation) repeats(name, key, outcome string) *Fault {
	t.calls[key+"\x00"+outcome]++
	if t.calls[key+"\x00"+outcome] < maxRepeats {
		return nil
	}
	return &Fault{Reason: reasonRepeats, State: store.TurnStopped,
		Detail: fmt.Sprintf("it called %s %d times with the same arguments", store.Cut(name, 64), maxRepeats)}
}
