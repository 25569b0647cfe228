package web

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// workflowID is a UUID, or the name of a workflow that ships with the program.
type workflowID string

// String returns the stored form. A text that is neither names no workflow.
func (i workflowID) String() string {
	if u, err := uuid.Parse(string(i)); err == nil {
		return u.String()
	}
	return strings.TrimSpace(string(i))
}

type workflowOut struct {
	ID        string     `json:"id" example:"01900000-0000-7000-8000-000000000001" doc:"A UUID, or the name of a built-in one"`
	CourseID  *string    `json:"course_id" format:"uuid" doc:"null: built in"`
	Name      string     `json:"name"`
	BuiltIn   bool       `json:"built_in" doc:"It ships with the program"`
	Graph     jsonObject `json:"graph" doc:"null in lists"`
	Version   int64      `json:"version"`
	CreatedBy *string    `json:"created_by" format:"uuid"`
	CreatedAt *time.Time `json:"created_at"`
	UpdatedAt *time.Time `json:"updated_at"`
}

func workflowForm(w *store.Workflow) workflowOut {
	return workflowOut{ID: w.ID, CourseID: nullable(w.CourseID), Name: w.Name, BuiltIn: w.CourseID == "", Graph: jsonObject(w.Graph), Version: w.Version,
		CreatedBy: nullable(w.CreatedBy), CreatedAt: optionalInstant(w.CreatedAt), UpdatedAt: optionalInstant(w.UpdatedAt)}
}

func oneWorkflow(w *store.Workflow, err error) (*oneOut[workflowOut], error) {
	return formed(w, err, workflowForm)
}

type workflowsIn struct {
	CourseID id `query:"course_id" required:"true"`
}

func (s *Server) workflows(ctx context.Context, actor *app.Actor, in *workflowsIn) (*listOut[workflowOut], error) {
	rows, err := few(ctx, s, store.MaxLimit, func() ([]store.Workflow, error) { return s.app.Workflows(ctx, actor, in.CourseID.String()) })
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, workflowForm)
}

type createWorkflowIn struct {
	Body struct {
		CourseID id                   `json:"course_id"`
		Name     opt[string]          `json:"name"`
		Graph    opt[json.RawMessage] `json:"graph" doc:"See docs/agents.md"`
	}
}

func (s *Server) createWorkflow(ctx context.Context, actor *app.Actor, in *createWorkflowIn) (*oneOut[workflowOut], error) {
	return oneWorkflow(s.app.CreateWorkflow(ctx, actor, in.Body.CourseID.String(), app.WorkflowSettings{Name: in.Body.Name.Opt, Graph: in.Body.Graph.Opt}))
}

type workflowIn struct {
	WorkflowID workflowID `path:"workflow_id" doc:"A UUID, direct or student_teacher_review"`
}

func (s *Server) workflow(ctx context.Context, actor *app.Actor, in *workflowIn) (*oneOut[workflowOut], error) {
	return oneWorkflow(s.app.Workflow(ctx, actor, in.WorkflowID.String()))
}

type updateWorkflowIn struct {
	WorkflowID workflowID `path:"workflow_id"`
	Body       struct {
		Name    opt[string]          `json:"name,omitempty"`
		Graph   opt[json.RawMessage] `json:"graph,omitempty" doc:"The whole graph"`
		Version opt[int64]           `json:"version,omitempty" doc:"409 when there is a newer one"`
	}
}

func (s *Server) updateWorkflow(ctx context.Context, actor *app.Actor, in *updateWorkflowIn) (*oneOut[workflowOut], error) {
	return oneWorkflow(s.app.UpdateWorkflow(ctx, actor, in.WorkflowID.String(),
		app.WorkflowSettings{Name: in.Body.Name.Opt, Graph: in.Body.Graph.Opt, Version: in.Body.Version.Opt}))
}

type deleteWorkflowIn struct {
	WorkflowID workflowID `path:"workflow_id"`
	DryRunIn
}

func (s *Server) deleteWorkflow(ctx context.Context, actor *app.Actor, in *deleteWorkflowIn) (*deletedOut, error) {
	return deleted(s.app.DeleteWorkflow(ctx, actor, in.WorkflowID.String(), in.DryRun))
}

type roomWorkflowOut struct {
	Body struct {
		WorkflowID *string `json:"workflow_id" doc:"null: what fits the agents"`
		Name       *string `json:"name"`
	}
}

func roomWorkflowForm(w *store.Workflow, err error) (*roomWorkflowOut, error) {
	if err != nil {
		return nil, err
	}
	out := &roomWorkflowOut{}
	if w != nil {
		out.Body.WorkflowID, out.Body.Name = &w.ID, &w.Name
	}
	return out, nil
}

func (s *Server) roomWorkflow(ctx context.Context, actor *app.Actor, in *oneID) (*roomWorkflowOut, error) {
	return roomWorkflowForm(s.app.RoomWorkflow(ctx, actor, in.ID.String()))
}

type setRoomWorkflowIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		WorkflowID *string `json:"workflow_id" nullable:"true" example:"student_teacher_review" doc:"A UUID, direct or student_teacher_review; null: what fits the agents"`
	}
}

func (s *Server) setRoomWorkflow(ctx context.Context, actor *app.Actor, in *setRoomWorkflowIn) (*roomWorkflowOut, error) {
	chosen := in.Body.WorkflowID
	if chosen != nil {
		id := workflowID(*chosen).String()
		chosen = &id
	}
	return roomWorkflowForm(s.app.SetRoomWorkflow(ctx, actor, in.RoomID.String(), chosen))
}
