package app

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// agentPart is what an agent is to say at one place of a turn.
type agentPart struct {
	node   string // of the turn's graph; "" is the direct answer
	agent  *store.Agent
	system string          // the agent's instructions and the house rules
	lines  []store.Message // of the room
	asked  []llm.Message   // behind the lines: what the program or another agent wants to know
	show   bool            // the room sees the text as it streams
}

// answer is what a model said to one call.
type answer struct {
	text   string
	finish string
	usage  llm.Usage
}

// converse has an agent speak and returns what it said. Each call of the model
// is a step of the turn; those that an earlier attempt has saved are not made
// again. The steps of the direct answer commit with the turn's end, those of a
// graph's node before converse returns.
func (r *turnRun) converse(ctx context.Context, part agentPart) (string, error) {
	for _, s := range r.savedIn(part.node) {
		var out modelOutput
		if s.Kind == store.StepModel && s.State == store.StepDone && json.Unmarshal([]byte(s.Output), &out) == nil {
			r.shownOf(&part, out.Text)
			return out.Text, nil
		}
	}
	req := r.app.modelRequest(part.agent, part.system, append(transcript(part.agent, part.lines), part.asked...))
	said, err := r.ask(ctx, &part, req)
	if err != nil {
		return "", err
	}
	if part.node != "" {
		err = r.commit(ctx, nil)
	}
	return strings.TrimSpace(said.text), err
}

// ask makes one call of the agent's model, with one key after the other, and
// hands its step to the next commit.
func (r *turnRun) ask(ctx context.Context, part *agentPart, req llm.Request) (said answer, err error) {
	step := r.newStep(part.node, store.StepModel, part.agent.Name, part.agent.ID)
	step.Input = toJSON(part.input(req))
	keys, err := r.app.modelKeys(ctx, part.agent)
	if err == nil {
		err = r.app.eachKey(ctx, part.agent.ID, keys, req, func(req llm.Request) (shown bool, err error) {
			said, err = r.call(ctx, part, req)
			return said.text != "", err
		})
	}
	if err != nil {
		f := faultOf(err, r.turn.Attempt)
		step.State = store.StepFailed
		r.endStep(step, failedOutput{Reason: f.reason, Error: f.detail}, said.usage)
		return said, err
	}
	r.endStep(step, modelOutput{Text: said.text, Finish: said.finish}, said.usage)
	return said, nil
}

// call streams one answer, to the room too where the part is shown.
func (r *turnRun) call(ctx context.Context, part *agentPart, req llm.Request) (said answer, err error) {
	var text strings.Builder
	for chunk, err := range r.app.callModel(ctx, req) {
		if chunk.Usage != nil {
			said.usage = *chunk.Usage
		}
		if chunk.Text != "" {
			r.shownOf(part, chunk.Text)
			text.WriteString(chunk.Text)
			said.text = text.String()
		}
		if err != nil {
			return said, err
		}
		said.finish = chunk.Finish // the last one carries it
	}
	return said, nil
}

// shownOf shows a piece of a part's text to the room, where it is one to show.
func (r *turnRun) shownOf(part *agentPart, text string) {
	if part.show && text != "" {
		r.add(text)
	}
}

// input is what is kept of a call.
func (p *agentPart) input(req llm.Request) modelInput {
	in := modelInput{System: req.System, Provider: req.Provider, Model: req.Model, Temperature: req.Temperature, MaxTokens: req.MaxTokens}
	for _, m := range p.lines {
		in.Lines = append(in.Lines, m.Seq)
	}
	for _, m := range p.asked {
		in.Asked = append(in.Asked, askedText{Role: string(m.Role), Name: m.Name, Text: m.Text})
	}
	return in
}
