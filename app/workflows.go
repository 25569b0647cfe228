package app

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// Workflows are graphs (app/workflow) that a course's staff write for the turns of its
// rooms. Two are built in: their ids are their names, and nobody can change them. A room
// without a workflow uses what fits its agents: see graphOfRoom.

// maxProblems is how many problems of a graph one error lists.
const maxProblems = 100

// workflowHandlers are the handlers that the nodes of a graph may name.
func workflowHandlers(engine *turn.Engine) workflow.Handlers {
	return workflow.Handlers{
		Agents: func(handler string) bool {
			if kind, ok := strings.CutPrefix(handler, "type:"); ok {
				return typeNames.MatchString(kind)
			}
			if id, ok := strings.CutPrefix(handler, "agent:"); ok {
				return uuid.Validate(id) == nil && strings.ToLower(id) == id
			}
			return slices.Contains([]string{workflow.WhoSpeaker, categoryInstructor, categoryParticipant, categoryUtility}, handler)
		},
		Conditions: map[string][]string{
			workflow.IsApproved:   {workflow.LabelApproved, workflow.LabelRejected},
			workflow.ScoreAtLeast: {workflow.LabelYes, workflow.LabelNo},
			workflow.Contains:     {workflow.LabelYes, workflow.LabelNo},
			workflow.IsEmpty:      {workflow.LabelYes, workflow.LabelNo},
		},
		Actions: []string{workflow.Broadcast, workflow.Note},
		Tools:   engine.ToolNames(),
	}
}

// builtinWorkflows are the workflows of the program itself.
func builtinWorkflows() []store.Workflow {
	graphs := []*workflow.Graph{workflow.Direct(), workflow.Review(1)}
	out := make([]store.Workflow, len(graphs))
	for i, g := range graphs {
		out[i] = store.Workflow{ID: g.Name, Name: g.Name, Graph: store.ToJSON(g), Version: 1}
	}
	return out
}

// builtinWorkflow is the built-in workflow with this id, nil if there is none.
func builtinWorkflow(id string) *store.Workflow {
	all := builtinWorkflows()
	if i := slices.IndexFunc(all, func(w store.Workflow) bool { return w.ID == id }); i >= 0 {
		return &all[i]
	}
	return nil
}

// graphText checks a graph and returns it as text. The text keeps what editors have
// added to it. The error lists all problems of the graph.
func graphText(engine *turn.Engine, raw json.RawMessage) (store.JSON, error) {
	text, err := boundedObject("graph", raw, "", maxGraph, maxDepth)
	if err != nil {
		return "", err
	}
	if text == "" {
		return "", invalid("graph", "is missing, send an object with name, start_node, nodes and edges")
	}
	g, err := workflow.Parse([]byte(text))
	if err != nil {
		return "", invalid("graph", "%s", err)
	}
	problems := workflow.Check(g, workflowHandlers(engine))
	if len(problems) == 0 {
		return text, nil
	}
	first := problems[0]
	bad := invalid("graph", "%s", first)
	bad.Fields = nil
	for _, p := range problems[:min(len(problems), maxProblems)] {
		field := "body.graph"
		if p.At != "" {
			field += "." + p.At
		}
		bad.Fields = append(bad.Fields, FieldError{Field: field, Message: p.Text, Text: p.Wording})
	}
	return "", bad
}

// maxGraph is the longest graph, in bytes.
const maxGraph = 64 << 10

// WorkflowSettings are the members of a workflow that staff set. A member that is not
// sent keeps the stored value. Version, if sent, is the version that the client changed.
type WorkflowSettings struct {
	Name    Opt[string]
	Graph   Opt[json.RawMessage]
	Version Opt[int64]
}

func applyWorkflow(engine *turn.Engine, s WorkflowSettings, w *store.Workflow) error {
	if err := s.Name.set("name", &w.Name); err != nil {
		return err
	}
	if err := name("name", &w.Name); err != nil {
		return err
	}
	if builtinWorkflow(w.Name) != nil {
		return invalid("name", "%q ships with the program, choose another name", w.Name)
	}
	if s.Graph.Sent || w.Graph == "" {
		text, err := graphText(engine, s.Graph.Value)
		if err != nil {
			return err
		}
		w.Graph = text
	}
	return nil
}

// workflowChanges is a workflow as the audit log shows it.
func workflowChanges(w *store.Workflow) changes {
	return changes{"course_id": w.CourseID, "name": w.Name, "graph": sum(string(w.Graph))}
}

// Workflows lists the built-in workflows and those of a course, without their graphs,
// for the course's staff.
func (a *App) Workflows(ctx context.Context, actor *Actor, courseID string) ([]store.Workflow, error) {
	if _, err := a.courseRead(ctx, actor, courseID, ActListWorkflows); err != nil {
		return nil, err
	}
	own, err := a.db.Workflows(ctx, courseID, store.Page{Limit: store.MaxLimit})
	if err != nil {
		return nil, err
	}
	all := builtinWorkflows()
	for i := range all {
		all[i].Graph = ""
	}
	return append(all, own...), nil
}

// CreateWorkflow adds a workflow to a course.
func (a *App) CreateWorkflow(ctx context.Context, actor *Actor, courseID string, s WorkflowSettings) (*store.Workflow, error) {
	now := a.instant()
	w := &store.Workflow{ID: store.NewID(), CourseID: courseID, CreatedAt: now, UpdatedAt: now, Version: 1}
	err := a.changeCourse(ctx, actor, courseID, ActWriteWorkflows, func(tx *store.Tx, _ *store.Course, _ Resource) error {
		w.CreatedBy = actor.User.ID
		if err := applyWorkflow(a.engine, s, w); err != nil {
			return err
		}
		if err := tx.CreateWorkflow(ctx, w); err != nil {
			return fromStore(err, "Workflow")
		}
		if err := a.quotas.inCourse(ctx, tx, actor, store.PlacedWorkflows, courseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteWorkflows, target{"workflow", w.ID}, nil, workflowChanges(w))
	})
	if err != nil {
		return nil, err
	}
	return w, nil
}

// Workflow returns one workflow with its graph.
func (a *App) Workflow(ctx context.Context, actor *Actor, id string) (*store.Workflow, error) {
	if w := builtinWorkflow(id); w != nil {
		return w, Check(actor, ActReadBuiltin, Resource{})
	}
	return a.workflowFor(ctx, actor, id, ActReadWorkflow)
}

// workflowFor loads a workflow of a course and checks that the actor may do the action.
// To an actor who may not read it, it is not found.
func (a *App) workflowFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Workflow, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	if uuid.Validate(id) != nil {
		return nil, notFound("Workflow")
	}
	w, err := a.db.Workflow(ctx, id)
	if err != nil {
		return nil, fromStore(err, "Workflow")
	}
	_, res, err := a.course(ctx, actor, w.CourseID)
	if err != nil {
		return nil, err
	}
	res.Noun = "Workflow"
	if err := Check(actor, ActReadWorkflow, res); err != nil {
		return nil, err
	}
	return w, Check(actor, action, res)
}

// changeWorkflow runs fn in a transaction that locks a workflow, if the actor may change
// it.
func (a *App) changeWorkflow(ctx context.Context, actor *Actor, id string, fn func(*store.Tx, *store.Workflow) error) error {
	if builtinWorkflow(id) != nil {
		if err := Check(actor, ActReadBuiltin, Resource{}); err != nil {
			return err
		}
		return errorf(KindConflict, wording.BuiltIn, "%s ships with the program and stays as it is; make a workflow of your own", id)
	}
	seen, err := a.workflowFor(ctx, actor, id, ActWriteWorkflows)
	if err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.OpenCourse(ctx, seen.CourseID); err != nil {
			return err
		}
		w, err := tx.WorkflowForUpdate(ctx, id)
		if err != nil {
			return err
		}
		return fn(tx, w)
	}), "Workflow")
}

// UpdateWorkflow changes the sent members of a workflow. Runs that have begun keep the
// graph with which they began.
func (a *App) UpdateWorkflow(ctx context.Context, actor *Actor, id string, s WorkflowSettings) (w *store.Workflow, err error) {
	err = a.changeWorkflow(ctx, actor, id, func(tx *store.Tx, held *store.Workflow) error {
		w = held
		if s.Version.Sent && !s.Version.Null && s.Version.Value != w.Version {
			return store.ErrStale
		}
		before, size := workflowChanges(w), len(w.Graph)
		if err := applyWorkflow(a.engine, s, w); err != nil {
			return err
		}
		w.UpdatedAt = a.instant()
		if err := tx.UpdateWorkflow(ctx, w); err != nil {
			return err
		}
		if len(w.Graph) > size {
			if err := a.quotas.courseGrew(ctx, tx, w.CourseID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActWriteWorkflows, target{"workflow", id}, before, workflowChanges(w))
	})
	return w, err
}

// DeleteWorkflow deletes a workflow. The rooms that have it then use what fits their
// agents. A dry run only counts those rooms.
func (a *App) DeleteWorkflow(ctx context.Context, actor *Actor, id string, dryRun bool) (counts store.Counts, err error) {
	err = a.changeWorkflow(ctx, actor, id, func(tx *store.Tx, w *store.Workflow) error {
		if dryRun {
			counts, err = tx.WorkflowContents(ctx, id)
			return err
		}
		if err := tx.DeleteWorkflow(ctx, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteWorkflows, target{"workflow", id}, workflowChanges(w), nil)
	})
	return counts, err
}
