package app

import (
	"context"
	"encoding/json"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// A run is a turn that has a graph. This file shows staff the runs of a room, and what
// the agents wrote to each other in them.

// Exchange is what agents wrote to each other in one turn, in that order. Verdict says
// what was decided about the draft: approved or rejected, "" before the first
// evaluation.
type Exchange struct {
	turn.Named
	Verdict  string
	Messages []store.A2AMessage
}

// Exchanges lists the turns of a room in which agents wrote to each other, newest first,
// for its staff. before is the id of a turn: only turns made before it are listed. A
// before of "" begins with the newest turn.
func (a *App) Exchanges(ctx context.Context, actor *Actor, roomID, before string, limit int) (*store.Listing[Exchange], error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	rows, err := a.db.Exchanges(ctx, roomID, before, WithinPage(limit, MaxExchanges))
	if err != nil {
		return nil, err
	}
	return store.Map(rows, func(ctx context.Context, rows []store.Exchange) ([]Exchange, error) {
		return withVerdicts(ctx, a.db, rows)
	}), nil
}

// withVerdicts adds the names and the verdicts to what agents wrote.
func withVerdicts(ctx context.Context, db *store.DB, rows []store.Exchange) ([]Exchange, error) {
	turns := make([]store.Turn, len(rows))
	for i := range rows {
		turns[i] = rows[i].Turn
	}
	named, err := withNames(ctx, db, turns)
	if err != nil {
		return nil, err
	}
	out := make([]Exchange, len(rows))
	for i, t := range named {
		out[i] = Exchange{Named: t, Messages: rows[i].Messages}
		for _, m := range rows[i].Messages {
			if m.Type == a2a.TypeEvaluationResult {
				out[i].Verdict = verdictWord(m.Content)
			}
		}
	}
	return out, nil
}

// MaxExchanges is the most exchanges on one page. It is low because each has whole
// drafts.
const MaxExchanges = 100

// WithinPage is the length of a page: limit if that is 1 to most, otherwise the default.
func WithinPage(limit, most int) int {
	if limit <= 0 || limit > most {
		return min(store.DefaultLimit, most)
	}
	return limit
}

func verdictWord(content store.JSON) string {
	var v a2a.EvaluationResult
	if json.Unmarshal([]byte(content), &v) == nil && v.Approved {
		return workflow.LabelApproved
	}
	return workflow.LabelRejected
}

// Runs lists the turns of a room that have a graph, newest first, for its staff. before
// is the id of a turn: only turns made before it are listed. A before of "" begins with
// the newest turn.
func (a *App) Runs(ctx context.Context, actor *Actor, roomID, before string, limit int) ([]turn.Named, error) {
	if _, err := a.roomFor(ctx, actor, roomID, ActReadTurns); err != nil {
		return nil, err
	}
	turns, err := a.db.Runs(ctx, roomID, before, WithinPage(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	return withNames(ctx, a.db, turns)
}

// CourseRuns is Runs for all rooms of a course.
func (a *App) CourseRuns(ctx context.Context, actor *Actor, courseID, before string, limit int) ([]turn.Named, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActReadTurns); err != nil {
		return nil, err
	}
	turns, err := a.db.RunsInCourse(ctx, courseID, before, WithinPage(limit, store.MaxLimit))
	if err != nil {
		return nil, err
	}
	return withNames(ctx, a.db, turns)
}

// Run returns a turn that has a graph, with the graph and its steps, for the room's
// staff.
func (a *App) Run(ctx context.Context, actor *Actor, id string) (*turn.Details, error) {
	t, err := a.runFor(ctx, actor, id, ActReadTurns)
	if err != nil {
		return nil, err
	}
	names, err := a.db.AgentNames(ctx, []string{t.AgentID})
	if err != nil {
		return nil, err
	}
	return a.engine.Describe(ctx, t, names[t.AgentID])
}

// runFor loads a run and checks that the actor may do the action in its room. To an
// actor who may not enter the room, the run is not found.
func (a *App) runFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Turn, error) {
	if actor == nil {
		return nil, errNotAuthenticated
	}
	t, err := a.db.Turn(ctx, id)
	if err != nil {
		return nil, fromStore(err, "Run")
	}
	acc, err := a.db.RoomAccess(ctx, t.RoomID, actor.User.ID)
	if err != nil {
		return nil, fromStore(err, "Run")
	}
	res := roomResource(acc)
	res.Noun = "Run"
	if err := Check(actor, ActReadRoom, res); err != nil {
		return nil, err
	}
	if err := Check(actor, action, res); err != nil {
		return nil, err
	}
	if t.Workflow == "" {
		return nil, notFound("Run")
	}
	return t, nil
}

// withNames adds the names of their agents to turns.
func withNames(ctx context.Context, db *store.DB, rows []store.Turn) ([]turn.Named, error) {
	ids := make([]string, len(rows))
	for i, t := range rows {
		ids[i] = t.AgentID
	}
	names, err := db.AgentNames(ctx, ids)
	out := make([]turn.Named, len(rows))
	for i, t := range rows {
		out[i] = turn.Named{Turn: t, AgentName: names[t.AgentID]}
	}
	return out, err
}
