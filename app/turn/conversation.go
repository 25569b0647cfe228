package turn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/store"
)

// part is what an agent has to say at one node of a turn.
type part struct {
	node     string // of the turn's graph; "" is the direct answer
	agent    *store.Agent
	system   string            // the agent's instructions and the house rules
	messages []store.Message   // the messages of the room that it is shown
	texts    map[string]string // what it reads of the messages' files, by their ids
	heard    int64             // seq of the newest message of a person at that time
	asked    []llm.Message     // comes after the messages: a question of the program or of another agent
	tools    []*Tool           // the tools that it may call, see toolsFor
	schema   json.RawMessage   // the JSON Schema of the answer, when the answer is data
	show     bool              // the room sees the text as it streams
}

// conversation is the way from a part to its text: the answers of the model, and the
// results of the tools that it called. It leaves its steps to its attempt.
type conversation struct {
	attempt *attempt
	part    *part
	prompt  *model.Prompt
	said    []string        // the texts of the answer, also those that came with tool calls
	answers int             // how many answers the model gave so far
	base    *modelInput     // the input that later calls repeat, see modelInput.Same
	calls   map[string]int  // how often each call was made, see repeats
	refused map[string]bool // the calls that a person has refused
}

func (r *attempt) newConversation(part *part) *conversation {
	return &conversation{attempt: r, part: part, prompt: new(model.Prompt), calls: map[string]int{}, refused: map[string]bool{}}
}

// answer is what a model said to one call.
type answer struct {
	text   string
	finish string
	calls  []llm.ToolCall
	usage  llm.Usage

	reasoning *llm.Reasoning
	note      string
	blind     bool // the model got no pictures, because it takes none
}

// converse has an agent speak and returns its text. It asks the model, runs the tools
// that the model calls, shows it their results, and so on until the model calls no
// tool. A guard may stop this, see mayAsk and repeats. errParked says that a person
// has to decide first. Each answer and each call is a step; steps that an earlier
// attempt has saved are not done again. The last step of the direct answer commits
// with the turn's end. The last step of a graph's node commits before converse
// returns.
func (r *attempt) converse(ctx context.Context, part part) (string, error) {
	t, err := r.prepare(ctx, &part)
	if err != nil {
		return "", err
	}
	if part.show { // what was said before is shown again
		if err := r.takeFloor(ctx); err != nil {
			return "", err
		}
	}
	last, done, err := t.replay(ctx)
	for err == nil {
		if last != nil && len(last.Calls) == 0 {
			if part.node != "" {
				err = r.commit(ctx, nil)
			}
			return strings.Join(t.said, "\n\n"), err
		}
		if last != nil {
			if err = t.answerCalls(ctx, last.Calls, done); err != nil {
				break
			}
		}
		last, err = t.ask(ctx)
		done = nil
	}
	return "", err
}

// prepare begins a conversation with its prompt, before anything was asked.
func (r *attempt) prepare(ctx context.Context, part *part) (*conversation, error) {
	t := r.newConversation(part)
	said, fence, err := r.transcript(ctx, part)
	if err != nil {
		return nil, err
	}
	t.prompt = r.engine.model.NewPrompt(part.agent, r.origin(), part.system, said, part.asked...)
	t.prompt.Req.Fence, t.prompt.Req.Schema, t.prompt.Steady = fence, part.schema, true
	if len(part.tools) > 0 {
		t.prompt.Req.Tools, t.prompt.Req.ToolRule = part.offered(), toolRule
		if r.alone() {
			t.prompt.Req.ToolRule = ""
			for i := range t.prompt.Req.Tools {
				t.prompt.Req.Tools[i].Description += aloneRule(fence)
			}
		}
	}
	return t, nil
}

// stepGoOn is the name of the step with which a person lets a stopped turn go on. The
// guards count from it anew.
const stepGoOn = "go_on"

// replay puts the steps of earlier attempts into the conversation. It returns the
// last answer and those of its calls that have been answered already.
func (t *conversation) replay(ctx context.Context) (last *modelOutput, done map[int]*store.TurnStep, err error) {
	for i := range t.attempt.saved {
		s := &t.attempt.saved[i]
		switch {
		case s.Kind == store.StepHuman && s.Name == stepGoOn:
			clear(t.calls)
		case s.Node != t.part.node:
		case s.Kind == store.StepModel:
			in := new(modelInput)
			if json.Unmarshal([]byte(s.Input), in) == nil && !in.Same {
				t.base = in
			}
			if s.State != store.StepDone {
				continue
			}
			if last != nil {
				if err := t.answerCalls(ctx, last.Calls, done); err != nil {
					return nil, nil, err
				}
			}
			last, done = new(modelOutput), map[int]*store.TurnStep{}
			if err := json.Unmarshal([]byte(s.Output), last); err != nil || last.Erased {
				return nil, nil, errErased
			}
			t.addAnswer(last)
		case s.Kind == store.StepTool && last != nil:
			t.remember(s, last, done)
		}
	}
	return last, done, nil
}

// remember notes a saved call for the results of its answer and for the guards.
func (t *conversation) remember(s *store.TurnStep, of *modelOutput, done map[int]*store.TurnStep) {
	var in ToolInput
	if json.Unmarshal([]byte(s.Input), &in) != nil || in.Call < 0 || in.Call >= len(of.Calls) {
		return
	}
	done[in.Call] = s
	key, outcome := callKey(of.Calls[in.Call]), string(s.Output)
	if in.Plan != nil && in.Plan.Effect == EffectChange && s.State != store.StepFailed {
		outcome = ""
	}
	t.calls[key+"\x00"+outcome]++
	t.refused[key] = t.refused[key] || s.State == store.StepRejected || s.State == store.StepExpired
}

// addAnswer puts an answer into the conversation.
func (t *conversation) addAnswer(said *modelOutput) {
	t.answers++
	t.attempt.noteEnd(t.part.node, said.Finish)
	m := llm.Message{Role: llm.RoleAssistant, Text: said.Text, Reasoning: said.Reasoning}
	for _, c := range said.Calls {
		m.ToolCalls = append(m.ToolCalls, llm.ToolCall{ID: c.ID, Name: c.Name, Arguments: c.Arguments, Signature: c.Signature})
	}
	t.prompt.Req.Messages = append(t.prompt.Req.Messages, m)
	if text := strings.TrimSpace(said.Text); text != "" {
		if !said.streamed {
			if len(t.said) > 0 {
				t.show("\n\n")
			}
			t.show(text)
		}
		t.said = append(t.said, text)
	}
}

// show streams a piece of the answer to the room, if the room sees this part.
func (t *conversation) show(text string) {
	if t.part.show {
		t.attempt.add(text)
	}
}

// mayAsk returns a fault when the turn has used up its model calls or tokens;
// otherwise it counts one more call.
func (r *attempt) mayAsk() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	most := r.engine.cfg.Turns
	switch {
	case r.asked >= most.MaxSteps:
		return &Fault{Reason: reasonSteps, State: store.TurnStopped, Detail: fmt.Sprintf("it came to no end in %d steps, which is all that a turn may take", r.asked)}
	case r.spent >= most.MaxTurnTokens:
		return &Fault{Reason: reasonTokens, State: store.TurnStopped, Detail: fmt.Sprintf("it took %d tokens, a turn may take %d", r.spent, most.MaxTurnTokens)}
	}
	r.asked++
	return nil
}

// ask makes one call of the agent's model and leaves its step to the next commit.
func (t *conversation) ask(ctx context.Context) (*modelOutput, error) {
	if t.part.show {
		if err := t.attempt.takeFloor(ctx); err != nil {
			return nil, err
		}
	}
	if err := t.attempt.mayAsk(); err != nil {
		return nil, err
	}
	step := t.attempt.newStep(t.part.node, store.StepModel, t.part.agent.Name, t.part.agent.ID)
	t.attempt.engine.model.Fit(t.prompt)
	said, err := t.call(ctx)
	if said.text == "" && t.attempt.engine.model.Shorten(t.prompt, err) {
		said, err = t.call(ctx)
	}
	step.Input = store.ToJSON(t.input(said.blind))
	if err != nil {
		f := FaultOf(err, t.attempt.turn.Attempt)
		step.State = store.StepFailed
		t.attempt.endStep(step, failedCall(err, f), said.usage)
		return nil, err
	}
	out := &modelOutput{Text: said.text, Finish: said.finish, Note: said.note, Reasoning: said.reasoning, streamed: true}
	for _, c := range said.calls {
		out.Calls = append(out.Calls, savedCall{ID: c.ID, Name: c.Name, Arguments: c.Arguments, Malformed: c.Malformed, Signature: c.Signature})
	}
	t.attempt.endStep(step, out, said.usage)
	t.addAnswer(out)
	return out, nil
}

// call streams one answer, with one key of the chain after the other.
func (t *conversation) call(ctx context.Context) (said answer, err error) {
	keys, err := t.attempt.engine.model.Keys(ctx, t.part.agent)
	if err != nil {
		return said, err
	}
	err = t.attempt.engine.model.EachKey(ctx, t.prompt, keys, func(call *model.Call) (shown bool, err error) {
		t.attempt.usesKey(t.part.agent, call.KeyKind)
		said, err = t.stream(ctx, call)
		return said.text != "", err
	})
	return said, err
}

// origin is what is kept with what the turn's calls use.
func (r *attempt) origin() ledger.Origin {
	if r.alone() {
		return r.originAlone()
	}
	return ledger.Origin{Kind: ledger.ForTurn, TurnID: r.turn.ID, RoomID: r.turn.RoomID, CourseID: r.room.CourseID, PersonID: r.turn.AskedBy}
}

func (t *conversation) stream(ctx context.Context, call *model.Call) (said answer, err error) {
	var text strings.Builder
	ag := t.part.agent
	mouth := model.FilterFor(ag, t.prompt.Req.Fence)
	say := func(piece string) error {
		if piece == "" {
			return nil
		}
		if err := t.mayShow(ctx); err != nil {
			return err
		}
		if len(t.said) > 0 && text.Len() == 0 {
			t.show("\n\n")
		}
		t.show(piece)
		text.WriteString(piece)
		said.text = text.String()
		return nil
	}
	for chunk, err := range t.attempt.engine.model.Stream(ctx, call) {
		if chunk.Usage != nil {
			said.usage = *chunk.Usage
		}
		if err := say(mouth.Say(chunk.Text)); err != nil {
			return said, err
		}
		if err != nil {
			return said, err
		}
		said.finish, said.calls = chunk.Finish, chunk.ToolCalls // the last chunk carries them
		said.reasoning, said.note, said.blind = chunk.Reasoning, chunk.Note, chunk.Blind
	}
	err = say(mouth.Rest())
	return said, err
}

// mayShow lets people go first while the room has seen nothing of the turn. It waits
// for people who type. When a person has spoken since the messages were read,
// errNewerMessage makes the model answer that message, too: once, and only before any
// tool has run. A turn that answers agents ends with errGaveWay.
func (t *conversation) mayShow(ctx context.Context) error {
	if !t.part.show || t.attempt.units > 0 || t.attempt.alone() {
		return nil
	}
	err := t.attempt.letPeopleFirst(ctx, t.part.heard, t.answers == 0 && !t.attempt.anew)
	t.attempt.anew = t.attempt.anew || errors.Is(err, errNewerMessage)
	return err
}

// input is what the step keeps of the request that was just made.
func (t *conversation) input(blind bool) modelInput {
	in := modelInput{System: t.prompt.Req.System + t.prompt.Req.ToolRule, Provider: t.prompt.Req.Provider, Model: t.prompt.Req.Model, Temperature: t.prompt.Req.Temperature,
		MaxTokens: t.prompt.Req.MaxTokens, Tools: t.part.toolNames()}
	in.read(t.part.messages[t.prompt.Left:], t.part.asked)
	if !blind {
		in.Pictures = t.prompt.Pictures()
	}
	in.Texts = textsIn(t.part.messages[t.prompt.Left:], t.part.texts)
	if t.base != nil && t.base.System == in.System && slices.Equal(t.base.Messages, in.Messages) && slices.Equal(t.base.Asked, in.Asked) &&
		slices.Equal(t.base.Pictures, in.Pictures) && slices.Equal(t.base.Texts, in.Texts) {
		return modelInput{Same: true}
	}
	t.base = &in
	return in
}

// toolNames are the names of the tools that the part offers.
func (p *part) toolNames() []string {
	var names []string
	for _, t := range p.tools {
		names = append(names, t.Name)
	}
	return names
}
