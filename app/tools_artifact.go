package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// artifactArgs are the arguments of manage_artifact.
type artifactArgs struct {
	Action   string          `json:"action"`
	Type     string          `json:"artifact_type"`
	ID       string          `json:"artifact_id"`
	Title    string          `json:"title"`
	Content  json.RawMessage `json:"content"`
	ParentID string          `json:"parent_artifact_id"`
	Version  int             `json:"expected_version"`
	Column   string          `json:"column"`
	After    string          `json:"after"`
	Before   string          `json:"before"`
}

// move is where the arguments want a task to stand.
func (a *artifactArgs) move() CardMove {
	to := CardMove{After: strings.ToLower(a.After), Before: strings.ToLower(a.Before)}
	if a.Column != "" {
		to.Column = Some(a.Column)
	}
	return to
}

const manageArtifactText = `Make or change the artifacts of this room: tasks, documents and processes.
create needs artifact_type and title. update needs artifact_id and replaces title and content (of a task only the members that are sent); read the artifact first. What others change meanwhile is kept, and where both change one block you are told. append adds content to the end of a document. add_step adds nodes and edges to a process. move puts a task into a column of the board, right behind the task after, right before the task before, or at the column's end.
A task's content is {"status":"todo|in_progress|review|done","priority":"low|medium|high","assignee":"...","order":0,"dueDate":"..."}.
A document's content is {"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"..."}]}]}; append takes such a document, one node, a list of nodes, or plain text.
A process's content is {"nodes":[{"id":"...","type":"...","data":{"label":"..."},"position":{"x":0,"y":0}}],"edges":[{"id":"...","source":"...","target":"..."}]}.
A call that replaces or deletes what a person made waits for the staff.`

// tool creates and changes artifacts as the agent. With artifact:delete it
// also asks for their deletion.
func (s *artifacts) tool(deletes bool) *turn.Tool {
	actions, needs, text := `"create","update","append","add_step","move"`, []string{turn.CapArtifactWrite}, manageArtifactText
	if deletes {
		actions, needs = actions+`,"delete"`, append(needs, turn.CapArtifactDelete)
		text += "\ndelete needs artifact_id."
	}
	return &turn.Tool{Name: "manage_artifact", Description: text, Needs: needs, Alone: true, Plan: s.plan, Run: s.run,
		Schema: `{"type":"object","properties":{
			"action":{"type":"string","enum":[` + actions + `]},
			"artifact_type":{"type":"string","enum":["task","doc","process"]},
			"artifact_id":{"type":"string","description":"as list_artifacts gives it"},
			"title":{"type":"string","minLength":1,"maxLength":500},
			"content":{"type":["object","array","string"]},
			"column":{"type":"string","minLength":1,"maxLength":100,"description":"of move: a status; without it the task stays in its column"},
			"after":{"type":"string","description":"of move: the artifact_id of a task in that column"},
			"before":{"type":"string","description":"of move: the artifact_id of a task in that column"},
			"parent_artifact_id":{"type":"string","description":"of create: an artifact of this room that it belongs to"},
			"expected_version":{"type":"integer","minimum":1,"description":"the version that was read; the change is refused when it is another by now"}},
			"required":["action"],"additionalProperties":false}`}
}

// plan says what a call would do. An artifact that a person has worked on is not
// replaced or deleted unless a person allows it.
func (s *artifacts) plan(ctx context.Context, c *turn.Call) (p turn.Plan, err error) {
	defer func() { err = toolError(err) }()
	args, err := turn.Arguments[artifactArgs](c)
	if err != nil {
		return turn.Plan{}, err
	}
	if args.Action == "create" {
		switch {
		case args.Type == "":
			return turn.Plan{}, invalid("artifact_type", "is needed to create")
		case args.Title == "":
			return turn.Plan{}, invalid("title", "is needed to create")
		}
		return turn.Plan{Effect: turn.EffectChange}, nil
	}
	f, err := turn.RoomArtifact(ctx, s.db.Queries, c.RoomID(), args.ID)
	if err != nil {
		return turn.Plan{}, err
	}
	p = turn.Plan{Effect: turn.EffectChange, ArtifactID: f.ID, Version: f.Version}
	switch {
	case args.Action == "delete":
		p.Effect, p.Summary = turn.EffectDestructive, fmt.Sprintf("delete the %s %q", f.Type, f.Title)
	case args.Action == "update":
		if _, err := s.seen(ctx, s.db.Queries, c, f, args); err != nil {
			return turn.Plan{}, err
		}
		persons, err := s.db.PersonInArtifact(ctx, f.ID)
		if persons {
			p.Effect, p.Summary = turn.EffectDestructive, fmt.Sprintf("change the %s %q, which people have worked on", f.Type, f.Title)
		}
		s.writes(c, f, p)
		return p, err
	case args.Action == "move":
		to := args.move()
		if err := to.check(f); err != nil {
			return turn.Plan{}, err
		}
		persons, err := s.db.PersonInArtifact(ctx, f.ID)
		if persons {
			p.Effect, p.Summary = turn.EffectDestructive, moveSummary(f, args.Column)
		}
		s.writes(c, f, p)
		return p, err
	case (args.Action == "append" || args.Action == "add_step") && len(args.Content) == 0:
		return turn.Plan{}, invalid("content", "is needed to %s", args.Action)
	}
	s.writes(c, f, p)
	return p, nil
}

// moveSummary says what staff allow.
func moveSummary(f *store.Artifact, column string) string {
	if column == "" {
		return fmt.Sprintf("move the task %q, which people have worked on", f.Title)
	}
	return fmt.Sprintf("move the task %q, which people have worked on, to %q", f.Title, column)
}

// writes shows the room that an agent is about to change an artifact, if it need not wait.
func (s *artifacts) writes(c *turn.Call, f *store.Artifact, p turn.Plan) {
	if !p.Effect.Waits() {
		s.audience.editing(c.RoomID(), nil, event.Editing{ArtifactID: f.ID, AgentID: c.AgentID(), Name: c.AgentName()})
	}
}

// run does the call as the agent, under the same rules as for everybody's
// artifacts.
func (s *artifacts) run(ctx context.Context, tx *store.Tx, c *turn.Call) (result turn.Result, err error) {
	defer func() { err = toolError(err) }()
	args, err := turn.Arguments[artifactArgs](c)
	if err != nil {
		return turn.Result{}, err
	}
	if args.Action == "create" {
		return s.createFor(ctx, tx, c, args)
	}
	// Lock the room: then the changes to its artifacts happen one after another, and no
	// change between reading and writing is lost.
	room, err := tx.OpenRoomForUpdate(ctx, c.RoomID())
	if err != nil {
		return turn.Result{}, err
	}
	if _, err := turn.RoomArtifact(ctx, tx.Queries, room.ID, c.Plan.ArtifactID); err != nil {
		return turn.Result{}, err
	}
	f, err := tx.Artifact(ctx, c.Plan.ArtifactID)
	if err != nil {
		return turn.Result{}, err
	}
	late := args.Version != 0 && args.Version != f.Version && (args.Action != "update" || args.Version > f.Version)
	if late || c.Plan.Effect.Waits() && c.Plan.Version != f.Version {
		return turn.Result{}, errorf(KindConflict, wording.Stale, "the artifact was changed meanwhile, it is version %d now; read it again", f.Version)
	}
	if args.Action == "move" {
		return s.moveFor(ctx, tx, room, c, f, args)
	}
	before := *f
	kind, merged, err := s.changeFor(ctx, tx, c, f, args)
	if err == nil {
		err = s.save(ctx, tx, room, f, agentOf(c), kind)
	}
	if err == nil {
		err = s.keepBase(ctx, tx, &before, f)
	}
	if err != nil {
		return turn.Result{}, err
	}
	return artifactResult(f, args.Action, merged), nil
}

// moveFor moves a task on the board.
func (s *artifacts) moveFor(ctx context.Context, tx *store.Tx, room *store.Room, c *turn.Call, f *store.Artifact, args artifactArgs) (turn.Result, error) {
	before := *f
	_, moved, err := s.move(ctx, tx, room, f, args.move(), agentOf(c))
	if err != nil {
		return turn.Result{}, err
	}
	if !moved { // it stands there already
		return artifactResult(f, args.Action, false), nil
	}
	if err := s.save(ctx, tx, room, f, agentOf(c), event.TypeArtifactUpdate); err != nil {
		return turn.Result{}, err
	}
	if err := s.keepBase(ctx, tx, &before, f); err != nil {
		return turn.Result{}, err
	}
	return artifactResult(f, args.Action, false), nil
}

// createFor makes the artifact that a call asks for.
func (s *artifacts) createFor(ctx context.Context, tx *store.Tx, c *turn.Call, args artifactArgs) (turn.Result, error) {
	n := NewArtifact{Type: args.Type, Title: args.Title, ParentID: strings.ToLower(args.ParentID)}
	if len(args.Content) > 0 {
		n.Content = Some(args.Content)
	}
	f, err := s.make(agentOf(c), c.RoomID(), n)
	if err != nil {
		return turn.Result{}, err
	}
	if err := s.add(ctx, tx, f); err != nil {
		return turn.Result{}, err
	}
	return artifactResult(f, args.Action, false), nil
}

// changeFor changes an artifact that the transaction has locked, keeps its last
// version, and returns the type of the event about it. merged says that others have changed
// it since the agent read it.
func (s *artifacts) changeFor(ctx context.Context, tx *store.Tx, c *turn.Call, f *store.Artifact, args artifactArgs) (kind string, merged bool, err error) {
	if args.Action == "delete" {
		f.DeletedAt = s.now.instant()
		return event.TypeArtifactDelete, false, nil
	}
	before := *f
	change := ArtifactChange{}
	if args.Title != "" {
		change.Title = Some(args.Title)
	}
	switch args.Action {
	case "append":
		change.Content, err = appended(f, args.Content)
	case "add_step":
		change.Content, err = withSteps(f, args.Content)
	default:
		if len(args.Content) > 0 {
			change.Content = Some(args.Content)
		}
		version, err := s.seen(ctx, tx.Queries, c, f, args)
		if err != nil {
			return "", false, err
		}
		if version == 0 {
			version = args.Version
		}
		if merged = version != 0 && version != f.Version; merged {
			change.BaseVersion = Some(version)
		}
	}
	if err != nil {
		return "", false, err
	}
	if err := change.check(int(s.limits.ArtifactBytes)); err != nil {
		return "", false, err
	}
	if err := s.mergeOrApply(ctx, tx, f, change); err != nil {
		return "", false, conflictForModel(err)
	}
	if f.Title == before.Title && f.Content == before.Content {
		return "", false, invalid("content", "nothing would change")
	}
	if more := f.ContentBytes - before.ContentBytes; more > 0 {
		if err := s.fits(ctx, tx, f.RoomID, 0, more); err != nil {
			return "", false, err
		}
	}
	_, err = s.keepVersion(ctx, tx, &before, agentOf(c))
	return event.TypeArtifactUpdate, merged, err
}

// agentOf is the agent that calls a tool as an author.
func agentOf(c *turn.Call) author {
	return author{agent: c.AgentID(), agentName: c.AgentName(), turn: c.TurnID()}
}

func artifactResult(f *store.Artifact, action string, merged bool) turn.Result {
	out := artifactDone{Done: action, ID: f.ID, Type: f.Type, Title: f.Title, Version: f.Version, Merged: merged}
	if merged {
		out.Note = "others have changed it since you read it, and their changes are kept; read it again before you replace it"
	}
	r := turn.Reply(out)
	r.ArtifactID = f.ID
	return r
}

// toolError is an error of a rule in words for the model that called a tool. Any other
// error stays as it is.
func toolError(err error) error {
	var known *Error
	if !errors.As(err, &known) || known.Kind == KindInternal || known.Kind == KindUnavailable {
		return err
	}
	return &turn.ToolError{Code: string(known.Code), Message: known.Message, Err: err}
}
