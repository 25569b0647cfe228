package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/turn"
)

// TurnMembers are the members that lists and details of turns share.
type TurnMembers struct {
	ID               string     `json:"id" format:"uuid"`
	RoomID           string     `json:"room_id" format:"uuid"`
	AgentID          string     `json:"agent_id" format:"uuid"`
	AgentName        string     `json:"agent_name"`
	TriggerSeq       int64      `json:"trigger_seq" doc:"The room's newest then"`
	State            string     `json:"state" enum:"waiting,queued,running,parked,finished,failed,stopped" doc:"parked: a person has to decide"`
	Reason           *string    `json:"reason" doc:"Why it ended so, waits or is tried again"`
	Detail           *string    `json:"detail"`
	Attempt          int        `json:"attempt"`
	PromptTokens     int        `json:"prompt_tokens"`
	CompletionTokens int        `json:"completion_tokens"`
	CreatedAt        time.Time  `json:"created_at"`
	StartedAt        *time.Time `json:"started_at" doc:"Since it was last parked"`
	EndedAt          *time.Time `json:"ended_at"`
}

func turnForm(t *turn.Named) TurnMembers {
	return TurnMembers{ID: t.ID, RoomID: t.RoomID, AgentID: t.AgentID, AgentName: t.AgentName, TriggerSeq: t.TriggerSeq, State: t.State,
		Reason: nullable(t.Reason), Detail: nullable(t.Detail), Attempt: t.Attempt, PromptTokens: t.PromptTokens, CompletionTokens: t.CompletionTokens,
		CreatedAt: instant(t.CreatedAt), StartedAt: optionalInstant(t.StartedAt), EndedAt: optionalInstant(t.EndedAt)}
}

// optionalInstant returns nil for the zero time.
func optionalInstant(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	at := instant(t)
	return &at
}

type (
	promptMessageOut struct {
		Role string `json:"role" enum:"system,user,assistant,tool"`
		Name string `json:"name,omitempty"`
		Text string `json:"text" doc:"Of a message: what staff may read now"`
		Data bool   `json:"data,omitempty" doc:"Somebody else's words, not the program's"`
		Seq  int64  `json:"seq,omitempty" doc:"Of a message"`

		Files []promptFileOut `json:"files,omitempty" doc:"Those that the model got"`
	}
	promptFileOut struct {
		ID    string `json:"id" format:"uuid"`
		Name  string `json:"name"`
		Type  string `json:"type"`
		Given string `json:"given" enum:"picture,text"`
	}
	promptOut struct {
		Continues   int                `json:"continues,omitempty" doc:"The prompt of the step with this n, and what came of it"`
		System      string             `json:"system,omitempty"`
		Messages    []promptMessageOut `json:"messages,omitempty"`
		Tools       []string           `json:"tools,omitempty" doc:"Those that were offered"`
		Provider    string             `json:"provider,omitempty"`
		Model       string             `json:"model,omitempty" doc:"Absent: the provider's default"`
		Temperature *float64           `json:"temperature,omitempty"`
		MaxTokens   int                `json:"max_tokens,omitempty"`
	}
	answerCallOut struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
		Malformed string          `json:"malformed,omitempty" doc:"Why it could not be read"`
	}
	modelAnswerOut struct {
		Text      string          `json:"text"`
		LineID    string          `json:"line_id,omitempty" format:"uuid"`
		Finish    string          `json:"finish,omitempty" doc:"Why it ended"`
		Note      string          `json:"note,omitempty" doc:"More about finish, or what was left out of the request"`
		Reasoning string          `json:"reasoning,omitempty" doc:"Left out when a message it read was edited, deleted or hidden since"`
		Calls     []answerCallOut `json:"tool_calls,omitempty"`
	}
	stepOut struct {
		ID               string          `json:"id" format:"uuid"`
		N                int             `json:"n"`
		Node             string          `json:"node" doc:"Empty in the direct answer"`
		Kind             string          `json:"kind" enum:"model,tool,agent,condition,action,human"`
		Name             string          `json:"name" doc:"Of the agent, or of the tool"`
		AgentID          *string         `json:"agent_id" format:"uuid"`
		State            string          `json:"state" enum:"done,pending,approved,rejected,expired,failed"`
		Attempt          int             `json:"attempt"`
		PromptTokens     int             `json:"prompt_tokens"`
		CompletionTokens int             `json:"completion_tokens"`
		StartedAt        time.Time       `json:"started_at"`
		EndedAt          *time.Time      `json:"ended_at"`
		DueAt            *time.Time      `json:"due_at"`
		DecidedBy        *string         `json:"decided_by" format:"uuid"`
		Note             *string         `json:"note"`
		Summary          *string         `json:"summary" doc:"What it wants to do"`
		Prompt           *promptOut      `json:"prompt,omitempty"`
		Answer           *modelAnswerOut `json:"answer,omitempty"`
		Arguments        jsonObject      `json:"arguments"`
		Result           *string         `json:"result" doc:"What the model was told"`
		Error            *string         `json:"error"`
	}
	turnDetailsOut struct {
		TurnMembers
		Fence string    `json:"fence" doc:"Name of the tags around what people and tools said"`
		Steps []stepOut `json:"steps"`
	}
)

func promptForm(p *turn.Prompt) *promptOut {
	if p == nil {
		return nil
	}
	out := &promptOut{Continues: p.Continues, System: p.System, Tools: p.Tools, Provider: p.Provider, Model: p.Model, Temperature: p.Temperature, MaxTokens: p.MaxTokens}
	for _, m := range p.Messages {
		message := promptMessageOut{Role: m.Role, Name: m.Name, Text: m.Text, Data: m.Data, Seq: m.Seq}
		for _, f := range m.Files {
			message.Files = append(message.Files, promptFileOut(f))
		}
		out.Messages = append(out.Messages, message)
	}
	return out
}

func answerForm(a *turn.ModelAnswer) *modelAnswerOut {
	if a == nil {
		return nil
	}
	out := &modelAnswerOut{Text: a.Text, LineID: a.MessageID, Finish: a.Finish, Note: a.Note, Reasoning: a.Reasoning}
	for _, c := range a.Calls {
		out.Calls = append(out.Calls, answerCallOut(c))
	}
	return out
}

func stepForm(s *turn.Step) stepOut {
	return stepOut{ID: s.ID, N: s.N, Node: s.Node, Kind: s.Kind, Name: s.Name, AgentID: nullable(s.AgentID), State: s.State, Attempt: s.Attempt,
		PromptTokens: s.PromptTokens, CompletionTokens: s.CompletionTokens, StartedAt: instant(s.StartedAt), EndedAt: optionalInstant(s.EndedAt),
		DueAt: optionalInstant(s.DueAt), DecidedBy: nullable(s.DecidedBy), Note: nullable(s.Note), Summary: nullable(s.Summary),
		Prompt: promptForm(s.Prompt), Answer: answerForm(s.Answer), Arguments: jsonObject(s.Call), Result: nullable(s.Result), Error: nullable(s.Error)}
}

func (s *Server) turns(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[TurnMembers], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]turn.Named, error) { return s.app.Turns(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, turnForm, skipping[turn.Named](in.PageIn))
}

type turnOut struct{ Body around[turnDetailsOut] }

func (s *Server) turn(ctx context.Context, actor *app.Actor, in *twoIDs) (*turnOut, error) {
	t, err := s.app.Turn(ctx, actor, in.First.String(), in.Second.String())
	if err != nil {
		return nil, err
	}
	body, err := enclosed(ctx, s, turnDetailsOut{turnForm(&t.Named), t.Fence, []stepOut{}}, t.Steps, stepForm)
	return &turnOut{body}, err
}

type approvalOut struct {
	StepID    string     `json:"step_id" format:"uuid"`
	TurnID    string     `json:"turn_id" format:"uuid"`
	AgentID   string     `json:"agent_id" format:"uuid"`
	AgentName string     `json:"agent_name"`
	Kind      string     `json:"kind" enum:"tool,human"`
	Name      string     `json:"name" doc:"Of the tool, or the node"`
	Summary   string     `json:"summary" doc:"What it wants to do"`
	State     string     `json:"state" enum:"pending,approved,rejected,expired"`
	CreatedAt time.Time  `json:"created_at"`
	DueAt     time.Time  `json:"due_at" doc:"No decision until then is a refusal"`
	DecidedBy *string    `json:"decided_by" format:"uuid"`
	Note      *string    `json:"note"`
	Arguments jsonObject `json:"arguments"`
}

func approvalForm(a *app.Approval) approvalOut {
	return approvalOut{StepID: a.Step.ID, TurnID: a.Turn.ID, AgentID: a.Turn.AgentID, AgentName: a.AgentName, Kind: a.Step.Kind, Name: a.Step.Name,
		Summary: a.Summary, State: a.Step.State, CreatedAt: instant(a.Step.StartedAt), DueAt: instant(a.Step.DueAt),
		DecidedBy: nullable(a.Step.DecidedBy), Note: nullable(a.Step.Note), Arguments: jsonObject(a.Call)}
}

func (s *Server) approvals(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[approvalOut], error) {
	rows, err := s.app.Approvals(ctx, actor, in.ID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, approvalForm, skipping[app.Approval](in.PageIn))
}

// myApprovalOut is an approval with its room.
type myApprovalOut struct {
	RoomID   string      `json:"room_id" format:"uuid"`
	RoomName string      `json:"room_name"`
	CourseID string      `json:"course_id" format:"uuid"`
	Approval approvalOut `json:"approval"`
}

func (s *Server) myApprovals(ctx context.Context, actor *app.Actor, in *PageIn) (*pageOut[myApprovalOut], error) {
	rows, err := s.app.MyApprovals(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, func(m *app.MyApproval) myApprovalOut {
		return myApprovalOut{RoomID: m.Room.ID, RoomName: m.Room.Name, CourseID: m.Room.CourseID, Approval: approvalForm(&m.Approval)}
	}, skipping[app.MyApproval](*in))
}

func (s *Server) decideApproval(ctx context.Context, actor *app.Actor, in *decisionIn) (*oneOut[approvalOut], error) {
	done, err := s.app.DecideApproval(ctx, actor, in.First.String(), in.Second.String(), in.Body.Decision, in.Body.Note)
	if err != nil {
		return nil, err
	}
	return &oneOut[approvalOut]{approvalForm(done)}, nil
}
