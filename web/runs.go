package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// BeforeIn is a page that goes backwards from the newest. Each route sets the maximum of
// limit.
type BeforeIn struct {
	Before id  `query:"before" doc:"Only those before the one with this id"`
	Limit  int `query:"limit" minimum:"1" maximum:"1000" doc:"100 when left out, which for exchanges is the most"`
}

type (
	envelopeOut struct {
		ID            string     `json:"id" format:"uuid"`
		Type          string     `json:"type" enum:"user_message,proposal,evaluation_request,evaluation_result,broadcast,system"`
		SenderID      string     `json:"sender_id" doc:"An agent's id, or system"`
		RecipientID   string     `json:"recipient_id" doc:"An agent's id, broadcast or all"`
		Content       jsonObject `json:"content"`
		CorrelationID string     `json:"correlation_id" doc:"The same in one exchange"`
		Metadata      jsonObject `json:"metadata"`
		CreatedAt     time.Time  `json:"created_at"`
	}
	exchangeOut struct {
		ID        string        `json:"id" format:"uuid"`
		TurnID    string        `json:"turn_id" format:"uuid"`
		AgentID   string        `json:"agent_id" format:"uuid" doc:"Who was to speak"`
		AgentName string        `json:"agent_name"`
		Workflow  string        `json:"workflow"`
		State     string        `json:"state" enum:"waiting,queued,running,parked,finished,failed,stopped"`
		Reason    *string       `json:"reason"`
		Verdict   *string       `json:"verdict" enum:"approved,rejected" doc:"The last one"`
		CreatedAt time.Time     `json:"created_at"`
		EndedAt   *time.Time    `json:"ended_at"`
		Messages  []envelopeOut `json:"messages" doc:"Oldest first"`
	}
)

func envelopeForm(m *store.A2AMessage) envelopeOut {
	return envelopeOut{ID: m.MessageID, Type: m.Type, SenderID: m.SenderID, RecipientID: m.RecipientID, Content: jsonObject(m.Content),
		CorrelationID: m.CorrelationID, Metadata: jsonObject(m.Metadata), CreatedAt: instant(m.CreatedAt)}
}

func exchangeForm(e *app.Exchange) exchangeOut {
	return exchangeOut{ID: e.ID, TurnID: e.ID, AgentID: e.AgentID, AgentName: e.AgentName, Workflow: e.Workflow, State: e.State, Reason: nullable(e.Reason),
		Verdict: nullable(e.Verdict), CreatedAt: instant(e.CreatedAt), EndedAt: optionalInstant(e.EndedAt), Messages: listOf(e.Messages, envelopeForm)}
}

type runsIn struct {
	RoomID id `path:"room_id"`
	BeforeIn
}

func (s *Server) exchanges(ctx context.Context, actor *app.Actor, in *runsIn) (*pageOut[exchangeOut], error) {
	rows, err := s.app.Exchanges(ctx, actor, in.RoomID.String(), in.Before.String(), in.Limit)
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, exchangeForm, before(app.WithinPage(in.Limit, app.MaxExchanges), func(e *app.Exchange) string { return e.ID }))
}

// RunMembers are the members that lists and details of runs share.
type RunMembers struct {
	TurnMembers
	Workflow string `json:"workflow"`
	Paused   bool   `json:"paused" doc:"Between two nodes"`
}

func runForm(t *turn.Named) RunMembers { return RunMembers{turnForm(t), t.Workflow, t.Paused} }

func (s *Server) runs(ctx context.Context, actor *app.Actor, in *runsIn) (*pageOut[RunMembers], error) {
	limit := app.WithinPage(in.Limit, store.MaxLimit)
	rows, err := few(ctx, s, limit, func() ([]turn.Named, error) {
		return s.app.Runs(ctx, actor, in.RoomID.String(), in.Before.String(), limit)
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, runForm, before(limit, func(t *turn.Named) string { return t.ID }))
}

type courseRunsIn struct {
	CourseID id `path:"course_id"`
	BeforeIn
}

func (s *Server) courseRuns(ctx context.Context, actor *app.Actor, in *courseRunsIn) (*pageOut[RunMembers], error) {
	limit := app.WithinPage(in.Limit, store.MaxLimit)
	rows, err := few(ctx, s, limit, func() ([]turn.Named, error) {
		return s.app.CourseRuns(ctx, actor, in.CourseID.String(), in.Before.String(), limit)
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, runForm, before(limit, func(t *turn.Named) string { return t.ID }))
}

type runDetailsOut struct {
	RunMembers
	Graph jsonObject `json:"graph" doc:"As it was at the beginning"`
	Fence string     `json:"fence" doc:"Name of the tags around what people and tools said"`
	Steps []stepOut  `json:"steps"`
}

type runOut struct{ Body around[runDetailsOut] }

func (s *Server) run(ctx context.Context, actor *app.Actor, in *oneID) (*runOut, error) {
	t, err := s.app.Run(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	body, err := enclosed(ctx, s, runDetailsOut{runForm(&t.Named), jsonObject(t.Graph), t.Fence, []stepOut{}}, t.Steps, stepForm)
	return &runOut{body}, err
}

func runAnswer(t *turn.Named, err error) (*oneOut[RunMembers], error) {
	return formed(t, err, runForm)
}

func (s *Server) pauseRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[RunMembers], error) {
	return runAnswer(s.app.PauseRun(ctx, actor, in.ID.String()))
}

func (s *Server) resumeRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[RunMembers], error) {
	return runAnswer(s.app.ResumeRun(ctx, actor, in.ID.String()))
}

func (s *Server) cancelRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[RunMembers], error) {
	return runAnswer(s.app.CancelRun(ctx, actor, in.ID.String()))
}
