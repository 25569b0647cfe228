package turn

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// Named is a turn with the name of its agent.
type Named struct {
	store.Turn
	AgentName string
}

// Details is a turn with its whole input and output, for the room's staff. Fence is
// the name of the tags in the prompts of the turn's agent.
type Details struct {
	Named
	Fence string
	Steps *store.Listing[Step] // read them once, in their order
}

// Step is a step. A model's step has its prompt and its answer, a tool's step has
// its arguments and its result.
type Step struct {
	store.TurnStep
	Prompt  *Prompt
	Answer  *ModelAnswer
	Call    json.RawMessage // the arguments of a tool
	Summary string          // what a call that waits for a person is going to do
	Result  string          // the result that the model got
	Error   string
}

// Prompt is what a model got. If Continues is set, the other members are empty: the model
// got the prompt of that step and what the node has added since.
type Prompt struct {
	Continues   int
	System      string
	Messages    []PromptMessage
	Tools       []string
	Provider    string
	Model       string
	Temperature *float64
	MaxTokens   int
}

// PromptMessage is one message of a prompt. Data says that it is somebody else's words.
// Seq is the seq of the room's message that it is, 0 if it is none. The text of a room's
// message is what staff may read of it now.
type PromptMessage struct {
	Role string
	Name string
	Text string
	Data bool
	Seq  int64
	// Files are those of the message of which the model got more than the name, as staff may
	// read them now.
	Files []PromptFile
}

// The forms in which a model gets a file.
const (
	GivenPicture = "picture"
	GivenText    = "text" // its beginning
)

// PromptFile is a file that a model got.
type PromptFile struct{ ID, Name, Type, Given string }

// ModelAnswer is a model's answer. MessageID is the message that was made of it.
type ModelAnswer struct {
	Text      string
	MessageID string
	Finish    string
	Note      string // why it ended in this way, or what was left out of the request
	// Reasoning is what the model thought. It may quote messages that the model got, so
	// it is also "" if one of these was edited, deleted or hidden since.
	Reasoning string
	Calls     []AnswerCall
}

// AnswerCall is a model's call of a tool.
type AnswerCall struct {
	Name      string
	Arguments json.RawMessage
	Malformed string
}

// Describe loads the whole input and output of a turn.
func (e *Engine) Describe(ctx context.Context, t *store.Turn, agentName string) (*Details, error) {
	steps, err := e.db.ListTurnSteps(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	d := &turnReader{engine: e, turn: t, base: map[string]int{}, changed: map[string]bool{}}
	return &Details{Named: Named{*t, agentName}, Fence: Fence(&e.cfg.Auth, t.AgentID, t.RoomID), Steps: store.Map(steps, d.steps)}, nil
}

// turnReader replaces the references in steps by what they refer to.
type turnReader struct {
	engine   *Engine
	turn     *store.Turn
	messages map[int64]store.Message
	heads    map[string]store.Artifact
	message  *store.Message // the message that the turn has posted
	base     map[string]int // the step that has the whole prompt, by node
	// changed has the nodes whose model got a message that has another text now.
	changed map[string]bool
}

// steps returns the details of the next few steps. It loads only what these refer to.
func (d *turnReader) steps(ctx context.Context, rows []store.TurnStep) ([]Step, error) {
	if err := d.readMessages(ctx, rows); err != nil {
		return nil, err
	}
	out := make([]Step, len(rows))
	for i, s := range rows {
		out[i] = d.step(s)
	}
	return out, nil
}

func (d *turnReader) readMessages(ctx context.Context, steps []store.TurnStep) error {
	var seqs []int64
	var ids []string
	for _, s := range steps {
		var in modelInput
		var out Result
		if s.Kind == store.StepModel && json.Unmarshal([]byte(s.Input), &in) == nil {
			seqs = append(seqs, in.Messages...)
		}
		if s.Kind == store.StepTool && json.Unmarshal([]byte(s.Output), &out) == nil {
			seqs = append(seqs, out.Messages...)
			for _, ref := range out.Artifacts {
				ids = append(ids, ref.ID)
			}
		}
	}
	slices.Sort(ids)
	heads, err := d.engine.db.ArtifactHeadsByID(ctx, d.turn.RoomID, slices.Compact(ids))
	if err != nil {
		return err
	}
	d.heads = make(map[string]store.Artifact, len(heads))
	for _, f := range heads {
		d.heads[f.ID] = f
	}
	slices.Sort(seqs)
	rows, err := d.engine.db.MessagesOfTurn(ctx, d.turn.RoomID, d.turn.ID, slices.Compact(seqs))
	if err != nil {
		return err
	}
	d.messages = make(map[int64]store.Message, len(rows))
	for _, m := range event.AsRead(rows, true) {
		d.messages[m.Seq] = m
		if m.TurnID == d.turn.ID {
			d.message = &m
		}
	}
	return nil
}

func (d *turnReader) step(s store.TurnStep) Step {
	out := Step{TurnStep: s}
	var failed failedOutput
	if s.State == store.StepFailed && json.Unmarshal([]byte(s.Output), &failed) == nil {
		out.Error = failed.Error
	}
	switch s.Kind {
	case store.StepModel:
		out.Prompt = d.prompt(&s)
		if s.State == store.StepDone {
			out.Answer = d.modelAnswer(&s)
		}
	case store.StepTool:
		var in ToolInput
		var result Result
		if json.Unmarshal([]byte(s.Input), &in) == nil {
			out.Call = in.Arguments
		}
		if s.State == store.StepDone && json.Unmarshal([]byte(s.Output), &result) == nil {
			switch out.Result = result.Text; {
			case result.Messages != nil:
				d.note(&s, result.Messages)
				out.Result = d.engine.foundText(d.of(result.Messages), true)
			case result.Artifacts != nil:
				out.Result = d.artifacts(result.Artifacts)
			case result.Erased:
				out.Result = "(erased)"
			}
		}
	}
	out.Summary = SummaryOf(&s)
	return out
}

// artifacts is a list of those artifacts that are not deleted now.
func (d *turnReader) artifacts(refs []ArtifactRef) string {
	out := []listedArtifact{}
	for _, ref := range refs {
		if f, ok := d.heads[ref.ID]; ok {
			out = append(out, listed(&f))
		}
	}
	return string(store.ToJSON(out))
}

// of returns the messages that exist with these seqs, in their order.
func (d *turnReader) of(seqs []int64) (messages []store.Message) {
	for _, seq := range seqs {
		if m, ok := d.messages[seq]; ok {
			messages = append(messages, m)
		}
	}
	return messages
}

// note marks the step's node if a message that the step read is not shown any more, or
// was edited since.
func (d *turnReader) note(s *store.TurnStep, seqs []int64) {
	for _, seq := range seqs {
		m, ok := d.messages[seq]
		if !ok || m.State() != store.MessageShown || m.EditedAt.After(s.StartedAt) {
			d.changed[s.Node] = true
		}
	}
}

func (d *turnReader) prompt(s *store.TurnStep) *Prompt {
	var in modelInput
	if json.Unmarshal([]byte(s.Input), &in) != nil {
		return nil
	}
	if in.Same {
		return &Prompt{Continues: d.base[s.Node]}
	}
	d.base[s.Node] = s.N
	p := &Prompt{System: in.System, Tools: in.Tools, Provider: in.Provider, Model: in.Model, Temperature: in.Temperature, MaxTokens: in.MaxTokens}
	d.note(s, in.Messages)
	messages := d.of(in.Messages)
	said := Transcript(&store.Agent{ID: s.AgentID}, messages, d.turn.RootID, nil)
	if isAlone(d.turn) {
		said = plainly(messages)
	}
	for i, m := range said {
		p.Messages = append(p.Messages, PromptMessage{Role: string(m.Role), Name: m.Name, Text: m.Text, Data: m.Role == llm.RoleUser, Seq: messages[i].Seq,
			Files: in.filesOf(&messages[i])})
	}
	for _, m := range in.Asked {
		p.Messages = append(p.Messages, PromptMessage{Role: m.Role, Name: m.Name, Text: m.Text, Data: m.Data})
	}
	return p
}

// filesOf are those files of a message that the model got.
func (in *modelInput) filesOf(m *store.Message) (files []PromptFile) {
	if m.Files == "" {
		return nil
	}
	for _, f := range event.FilesOf(m) {
		switch {
		case slices.Contains(in.Pictures, f.ID):
			files = append(files, PromptFile{f.ID, f.Name, f.Type, GivenPicture})
		case slices.Contains(in.Texts, f.ID):
			files = append(files, PromptFile{f.ID, f.Name, f.Type, GivenText})
		}
	}
	return files
}

func (d *turnReader) modelAnswer(s *store.TurnStep) *ModelAnswer {
	var out modelOutput
	if json.Unmarshal([]byte(s.Output), &out) != nil {
		return nil
	}
	a := &ModelAnswer{Text: out.Text, MessageID: out.MessageID, Finish: out.Finish, Note: out.Note}
	if out.Reasoning != nil && !d.changed[s.Node] {
		a.Reasoning = out.Reasoning.Text
	}
	if out.MessageID != "" && d.message != nil {
		a.Text = d.message.Content
	}
	for _, c := range out.Calls {
		a.Calls = append(a.Calls, AnswerCall{Name: c.Name, Arguments: c.Arguments, Malformed: c.Malformed})
	}
	return a
}
