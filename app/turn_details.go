package app

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/coagent-studio/coagent/store"
)

// RoomTurn is a turn with the name of its agent.
type RoomTurn struct {
	store.Turn
	AgentName string
}

// TurnDetails is a turn with all that went into it and came out, for the
// room's staff. Fence is the name of the tags that stood around what people
// and tools said.
type TurnDetails struct {
	RoomTurn
	Fence string
	Steps *store.Listing[StepDetails] // to be read once, in their order
}

// StepDetails is a step with its prompt and its answer, where it is a model's,
// and what a tool was called with and told.
type StepDetails struct {
	store.TurnStep
	Prompt  *Prompt
	Answer  *ModelAnswer
	Call    json.RawMessage // the arguments of a tool
	Summary string          // what it wants to do, of what waits for a person
	Result  string          // what the model was told of a call
	Error   string
}

// Prompt is what a model was shown; that of a step with Continues is the
// prompt of that step and what has come of it since.
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

// PromptMessage is one message of a prompt: Seq is the number of the line that
// it is, 0 for others. The text of a line is what staff may read of it now.
type PromptMessage struct {
	Role string
	Name string
	Text string
	Data bool
	Seq  int64
}

// ModelAnswer is what a model said: MessageID is the message that it became.
type ModelAnswer struct {
	Text      string
	MessageID string
	Finish    string
	Note      string // why it ended so, or what was left out of the request
	// Reasoning is what the model thought; "" too when a line that it was shown
	// is not to be read any more, or reads otherwise, for it may quote that.
	Reasoning string
	Calls     []AnswerCall
}

// AnswerCall is a tool that a model called.
type AnswerCall struct {
	Name      string
	Arguments json.RawMessage
	Malformed string
}

// Turns lists the turns of a room, newest first, for its staff.
func (a *App) Turns(ctx context.Context, actor *Actor, roomID string, p store.Page) ([]RoomTurn, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	rows, err := a.db.Turns(ctx, roomID, p)
	if err != nil {
		return nil, err
	}
	return a.named(ctx, rows)
}

// Turn returns a turn of a room with its steps, for the room's staff.
func (a *App) Turn(ctx context.Context, actor *Actor, roomID, id string) (*TurnDetails, error) {
	if _, _, err := a.roomAccess(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	t, err := a.db.TurnWithName(ctx, id)
	if err == nil && t.RoomID != roomID {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, fromStore(err, "Turn")
	}
	return a.turnDetails(ctx, &t.Turn, t.AgentName)
}

// turnDetails reads what went into a turn and came out.
func (a *App) turnDetails(ctx context.Context, t *store.Turn, agentName string) (*TurnDetails, error) {
	steps, err := a.db.ListTurnSteps(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	d := &turnReader{app: a, turn: t, base: map[string]int{}, changed: map[string]bool{}}
	return &TurnDetails{RoomTurn: RoomTurn{*t, agentName}, Fence: a.fence(t.ID), Steps: store.Map(steps, d.steps)}, nil
}

// turnReader puts what the steps refer to in its place.
type turnReader struct {
	app      *App
	turn     *store.Turn
	messages map[int64]store.Message
	heads    map[string]store.Artifact
	message  *store.Message // that the turn has become
	base     map[string]int // the step with the whole prompt of a node
	// changed are the nodes that were shown a line which reads otherwise now.
	changed map[string]bool
}

// steps are the next few steps, with only what these refer to in memory.
func (d *turnReader) steps(ctx context.Context, rows []store.TurnStep) ([]StepDetails, error) {
	if err := d.readMessages(ctx, rows); err != nil {
		return nil, err
	}
	out := make([]StepDetails, len(rows))
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
		var out toolResult
		if s.Kind == store.StepModel && json.Unmarshal([]byte(s.Input), &in) == nil {
			seqs = append(seqs, in.Lines...)
		}
		if s.Kind == store.StepTool && json.Unmarshal([]byte(s.Output), &out) == nil {
			seqs = append(seqs, out.Messages...)
			for _, ref := range out.Artifacts {
				ids = append(ids, ref.ID)
			}
		}
	}
	slices.Sort(ids)
	heads, err := d.app.db.ArtifactHeadsByID(ctx, d.turn.RoomID, slices.Compact(ids))
	if err != nil {
		return err
	}
	d.heads = make(map[string]store.Artifact, len(heads))
	for _, f := range heads {
		d.heads[f.ID] = f
	}
	slices.Sort(seqs)
	rows, err := d.app.db.MessagesOfTurn(ctx, d.turn.RoomID, d.turn.ID, slices.Compact(seqs))
	if err != nil {
		return err
	}
	d.messages = make(map[int64]store.Message, len(rows))
	for _, m := range asRead(rows, true) {
		d.messages[m.Seq] = m
		if m.TurnID == d.turn.ID {
			d.message = &m
		}
	}
	return nil
}

func (d *turnReader) step(s store.TurnStep) StepDetails {
	out := StepDetails{TurnStep: s}
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
		var in toolInput
		var result toolResult
		if json.Unmarshal([]byte(s.Input), &in) == nil {
			out.Call = in.Arguments
		}
		if s.State == store.StepDone && json.Unmarshal([]byte(s.Output), &result) == nil {
			switch out.Result = result.Text; {
			case result.Messages != nil:
				d.note(&s, result.Messages)
				out.Result = d.app.foundText(d.of(result.Messages), true)
			case result.Artifacts != nil:
				out.Result = d.artifacts(result.Artifacts)
			case result.Erased:
				out.Result = "(erased)"
			}
		}
	}
	out.Summary = summaryOf(&s)
	return out
}

// artifacts is a list of those that are there now.
func (d *turnReader) artifacts(refs []artifactRef) string {
	out := []listedArtifact{}
	for _, ref := range refs {
		if f, ok := d.heads[ref.ID]; ok {
			out = append(out, listed(&f))
		}
	}
	return string(toJSON(out))
}

// of are the lines with these numbers that there are, in their order.
func (d *turnReader) of(seqs []int64) (lines []store.Message) {
	for _, seq := range seqs {
		if m, ok := d.messages[seq]; ok {
			lines = append(lines, m)
		}
	}
	return lines
}

// note marks the step's node when a line that the step read is not shown any
// more, or was edited since.
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
	d.note(s, in.Lines)
	lines := d.of(in.Lines)
	for i, m := range transcript(&store.Agent{ID: s.AgentID}, lines) {
		p.Messages = append(p.Messages, PromptMessage{Role: string(m.Role), Name: m.Name, Text: m.Text, Data: m.Data, Seq: lines[i].Seq})
	}
	for _, m := range in.Asked {
		p.Messages = append(p.Messages, PromptMessage{Role: m.Role, Name: m.Name, Text: m.Text, Data: m.Data})
	}
	return p
}

func (d *turnReader) modelAnswer(s *store.TurnStep) *ModelAnswer {
	var out modelOutput
	if json.Unmarshal([]byte(s.Output), &out) != nil {
		return nil
	}
	a := &ModelAnswer{Text: out.Text, MessageID: out.Line, Finish: out.Finish, Note: out.Note}
	if out.Reasoning != nil && !d.changed[s.Node] {
		a.Reasoning = out.Reasoning.Text
	}
	if out.Line != "" && d.message != nil {
		a.Text = d.message.Content
	}
	for _, c := range out.Calls {
		a.Calls = append(a.Calls, AnswerCall{Name: c.Name, Arguments: c.Arguments, Malformed: c.Malformed})
	}
	return a
}
