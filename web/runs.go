package web

import (
	"context"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
)

// BeforeIn is a page that goes backwards from the newest. Each route sets the maximum of
// limit.
type BeforeIn struct {
	Before id  `query:"before" doc:"Only those made before the one with this id"`
	Limit  int `query:"limit" minimum:"1" maximum:"1000" doc:"100 when left out, which for exchanges is the most"`
}

type (
	envelopeOut struct {
		ID            string     `json:"id" format:"uuid"`
		Type          string     `json:"type" enum:"user_message,proposal,evaluation_request,evaluation_result,broadcast,system"`
		SenderID      string     `json:"sender_id" doc:"An agent's id, or system"`
		RecipientID   string     `json:"recipient_id" doc:"An agent's id, broadcast or all"`
		Content       jsonObject `json:"content" doc:"What its type has: a draft, a verdict with score and feedback, ..."`
		CorrelationID string     `json:"correlation_id" doc:"What the messages of one exchange have in common"`
		Metadata      jsonObject `json:"metadata"`
		CreatedAt     time.Time  `json:"created_at"`
	}
	exchangeOut struct {
		ID        string        `json:"id" format:"uuid" doc:"Of the turn; before takes it"`
		TurnID    string        `json:"turn_id" format:"uuid"`
		AgentID   string        `json:"agent_id" format:"uuid" doc:"Who was to speak"`
		AgentName string        `json:"agent_name"`
		Workflow  string        `json:"workflow" doc:"The name of the graph that the turn goes through"`
		State     string        `json:"state" enum:"waiting,queued,running,parked,finished,failed,stopped"`
		Reason    *string       `json:"reason"`
		Verdict   *string       `json:"verdict" enum:"approved,rejected" doc:"The last one; null before the first"`
		CreatedAt time.Time     `json:"created_at"`
		EndedAt   *time.Time    `json:"ended_at"`
		Messages  []envelopeOut `json:"messages" doc:"In their order"`
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

type exchangesOut = pageOut[exchangeOut]

func (s *Server) exchanges(ctx context.Context, actor *app.Actor, in *runsIn) (*exchangesOut, error) {
	rows, err := s.app.Exchanges(ctx, actor, in.RoomID.String(), in.Before.String(), in.Limit)
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, exchangeForm, before(app.WithinPage(in.Limit, app.MaxExchanges), func(e *app.Exchange) string { return e.ID }))
}

// RunMembers are the members that lists and details of runs share.
type RunMembers struct {
	TurnMembers
	Workflow string `json:"workflow" doc:"The name of the graph"`
	Paused   bool   `json:"paused" doc:"Staff have stopped it between two nodes"`
}

func runForm(t *turn.Named) RunMembers { return RunMembers{turnForm(t), t.Workflow, t.Paused} }

type runsOut = pageOut[RunMembers]

func (s *Server) runs(ctx context.Context, actor *app.Actor, in *runsIn) (*runsOut, error) {
	limit := app.WithinPage(in.Limit, store.MaxLimit)
	rows, err := few(ctx, s, limit, func() ([]turn.Named, error) {
		return s.app.Runs(ctx, actor, in.RoomID.String(), in.Before.String(), limit)
	})
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, runForm, before(limit, func(t *turn.Named) string { return t.ID }))
}

type runDetailsOut struct {
	RunMembers
	Graph jsonObject `json:"graph" doc:"As it was when the run began"`
	Fence string     `json:"fence" doc:"The name of the tags around what people and tools said"`
	Steps []stepOut  `json:"steps" doc:"What was done, node by node"`
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

type oneRunOut struct{ Body RunMembers }

func runAnswer(t *turn.Named, err error) (*oneRunOut, error) {
	if err != nil {
		return nil, err
	}
	return &oneRunOut{runForm(t)}, nil
}

func (s *Server) pauseRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneRunOut, error) {
	return runAnswer(s.app.PauseRun(ctx, actor, in.ID.String()))
}

func (s *Server) resumeRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneRunOut, error) {
	return runAnswer(s.app.ResumeRun(ctx, actor, in.ID.String()))
}

func (s *Server) cancelRun(ctx context.Context, actor *app.Actor, in *oneID) (*oneRunOut, error) {
	return runAnswer(s.app.CancelRun(ctx, actor, in.ID.String()))
}

// workflowRoutes registers the routes about the graphs of turns, for staff.
func (s *Server) workflowRoutes() {
	const tag, room = "Workflows", v1 + "/rooms/{room_id}"
	known, edited := []int{missing}, []int{missing, conflict}
	const one = v1 + "/workflows/{workflow_id}"
	add(s, route{method: get, path: v1 + "/workflows", id: "listWorkflows", tag: tag, summary: "List the workflows that ship with the program and a course's own, for staff", errors: known}, s.workflows)
	add(s, route{method: post, path: v1 + "/workflows", id: "createWorkflow", tag: tag, summary: "Make a workflow; 422 names all that is wrong with its graph",
		status: created, errors: edited}, s.createWorkflow)
	add(s, route{method: get, path: one, id: "getWorkflow", tag: tag, summary: "Show a workflow with its graph", errors: known}, s.workflow)
	add(s, route{method: put, path: one, id: "updateWorkflow", tag: tag, summary: "Change what is sent of a workflow; runs that have begun keep their graph", errors: edited}, s.updateWorkflow)
	add(s, route{method: del, path: one, id: "deleteWorkflow", tag: tag, summary: "Delete a workflow; rooms that have it do what fits their agents",
		status: gone, also: http.StatusOK, errors: edited}, s.deleteWorkflow)
	add(s, route{method: get, path: room + "/workflow", id: "getRoomWorkflow", tag: tag, summary: "Tell which workflow a room's turns go through, for staff", errors: known}, s.roomWorkflow)
	add(s, route{method: put, path: room + "/workflow", id: "setRoomWorkflow", tag: tag, summary: "Have a room's turns go through a workflow from now on", errors: edited}, s.setRoomWorkflow)
	add(s, route{method: get, path: room + "/a2a", id: "listExchanges", tag: tag, summary: "List what a room's agents wrote to each other, newest first, for staff: drafts, verdicts, scores, feedback",
		errors: known}, s.exchanges)
	add(s, route{method: get, path: room + "/runs", id: "listRuns", tag: tag, summary: "List the turns that go through a graph, newest first, for staff", errors: known}, s.runs)
	add(s, route{method: get, path: v1 + "/runs/{run_id}", id: "getRun", large: manyBytes, tag: tag, summary: "Show a run with its graph and its steps, for staff", errors: known}, s.run)
	const run = v1 + "/runs/{run_id}"
	control := []int{missing, conflict}
	add(s, route{method: post, path: run + "/pause", id: "pauseRun", tag: tag, summary: "Let a run stop between two of its nodes", errors: control}, s.pauseRun)
	add(s, route{method: post, path: run + "/resume", id: "resumeRun", tag: tag, summary: "Let a paused run go on", errors: control}, s.resumeRun)
	add(s, route{method: post, path: run + "/cancel", id: "cancelRun", tag: tag, summary: "Stop a run for good", errors: control}, s.cancelRun)
}
