package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/event"
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
}

const manageArtifactText = `Make or change the artifacts of this room: tasks, documents and processes.
create needs artifact_type and title. update needs artifact_id and replaces title and content (of a task only the members that are sent). append adds content to the end of a document. add_step adds nodes and edges to a process.
A task's content is {"status":"todo|in_progress|review|done","priority":"low|medium|high","assignee":"...","order":0,"dueDate":"..."}.
A document's content is {"type":"doc","content":[{"type":"paragraph","content":[{"type":"text","text":"..."}]}]}; append takes such a document, one node, a list of nodes, or plain text.
A process's content is {"nodes":[{"id":"...","type":"...","data":{"label":"..."},"position":{"x":0,"y":0}}],"edges":[{"id":"...","source":"...","target":"..."}]}.`

// manageArtifact creates and changes artifacts as the agent. With artifact:delete it
// also asks for their deletion.
func manageArtifact(deletes bool) *tool {
	actions, needs, text := `"create","update","append","add_step"`, []string{CapArtifactWrite}, manageArtifactText
	if deletes {
		actions, needs = actions+`,"delete"`, append(needs, CapArtifactDelete)
		text += "\ndelete needs artifact_id."
	}
	return &tool{name: "manage_artifact", description: text, needs: needs, plan: planArtifact, run: runArtifact,
		schema: `{"type":"object","properties":{
			"action":{"type":"string","enum":[` + actions + `]},
			"artifact_type":{"type":"string","enum":["task","doc","process"]},
			"artifact_id":{"type":"string","description":"as list_artifacts gives it"},
			"title":{"type":"string","minLength":1,"maxLength":500},
			"content":{"type":["object","array","string"]},
			"parent_artifact_id":{"type":"string","description":"of create: an artifact of this room that it belongs to"},
			"expected_version":{"type":"integer","minimum":1,"description":"the version that was read; the change is refused when it is another by now"}},
			"required":["action"],"additionalProperties":false}`}
}

// planArtifact says what a call would do. An artifact that a person has worked on is not
// replaced or deleted unless a person allows it.
func planArtifact(ctx context.Context, c *toolCall) (plan, error) {
	args, err := arguments[artifactArgs](c)
	if err != nil {
		return plan{}, err
	}
	if args.Action == "create" {
		switch {
		case args.Type == "":
			return plan{}, invalid("artifact_type", "is needed to create")
		case args.Title == "":
			return plan{}, invalid("title", "is needed to create")
		}
		return plan{Effect: effectChange}, nil
	}
	db := c.run.app.db
	f, err := c.run.app.roomArtifact(ctx, db.Queries, c.run.turn.RoomID, args.ID)
	if err != nil {
		return plan{}, err
	}
	p := plan{Effect: effectChange, ArtifactID: f.ID, Version: f.Version}
	switch {
	case args.Action == "delete":
		p.Effect, p.Summary = effectDestructive, fmt.Sprintf("delete the %s %q", f.Type, f.Title)
	case args.Action == "update":
		persons, err := db.PersonInArtifact(ctx, f.ID)
		if persons {
			p.Effect, p.Summary = effectDestructive, fmt.Sprintf("change the %s %q, which people have worked on", f.Type, f.Title)
		}
		return p, err
	case (args.Action == "append" || args.Action == "add_step") && len(args.Content) == 0:
		return plan{}, invalid("content", "is needed to %s", args.Action)
	}
	return p, nil
}

// roomArtifact loads an artifact of the agent's own room, without its content. An
// artifact of any other room is not found.
func (a *App) roomArtifact(ctx context.Context, q store.Queries, roomID, id string) (*store.Artifact, error) {
	if id == "" {
		return nil, invalid("artifact_id", "is needed")
	}
	f, err := q.ArtifactHead(ctx, strings.ToLower(store.Cut(id, 100)))
	if errors.Is(err, store.ErrNotFound) || err == nil && (f.RoomID != roomID || f.Deleted()) {
		return nil, errorf(KindNotFound, "not_found", "there is no artifact with this artifact_id in the room; list_artifacts tells which there are")
	}
	return f, err
}

// runArtifact does the call as the agent, under the same rules as for everybody's
// artifacts.
func runArtifact(ctx context.Context, tx *store.Tx, c *toolCall) (toolResult, error) {
	args, err := arguments[artifactArgs](c)
	if err != nil {
		return toolResult{}, err
	}
	if args.Action == "create" {
		return c.createArtifact(ctx, tx, args)
	}
	// Lock the room: then the changes to its artifacts happen one after another, and no
	// change between reading and writing is lost.
	a := c.run.app
	room, err := tx.RoomForUpdate(ctx, c.run.turn.RoomID)
	if err != nil {
		return toolResult{}, err
	}
	if _, err := a.roomArtifact(ctx, tx.Queries, room.ID, c.plan.ArtifactID); err != nil {
		return toolResult{}, err
	}
	f, err := tx.Artifact(ctx, c.plan.ArtifactID)
	if err != nil {
		return toolResult{}, err
	}
	if args.Version != 0 && args.Version != f.Version || c.plan.Effect.waits() && c.plan.Version != f.Version {
		return toolResult{}, errorf(KindConflict, "stale", "the artifact was changed meanwhile, it is version %d now; read it again", f.Version)
	}
	kind, err := c.changeArtifact(ctx, tx, f, args)
	if err == nil {
		err = a.storeArtifact(ctx, tx, room, f, c.by(), kind)
	}
	if err != nil {
		return toolResult{}, err
	}
	return artifactResult(f, args.Action), nil
}

func (c *toolCall) createArtifact(ctx context.Context, tx *store.Tx, args artifactArgs) (toolResult, error) {
	a := c.run.app
	n := NewArtifact{Type: args.Type, Title: args.Title, ParentID: strings.ToLower(args.ParentID)}
	if len(args.Content) > 0 {
		n.Content = Some(args.Content)
	}
	f, err := a.newArtifact(c.by(), c.run.turn.RoomID, n)
	if err != nil {
		return toolResult{}, err
	}
	if err := a.storeNewArtifact(ctx, tx, f); err != nil {
		return toolResult{}, err
	}
	return artifactResult(f, args.Action), nil
}

// changeArtifact changes an artifact that the transaction has locked, keeps its last
// version, and returns the type of the event about it.
func (c *toolCall) changeArtifact(ctx context.Context, tx *store.Tx, f *store.Artifact, args artifactArgs) (kind string, err error) {
	a := c.run.app
	if args.Action == "delete" {
		f.DeletedAt = a.instant()
		return event.TypeArtifactDelete, nil
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
	}
	if err != nil {
		return "", err
	}
	if err := change.check(int(a.cfg.Limits.ArtifactBytes)); err != nil {
		return "", err
	}
	if err := a.applyArtifact(f, change); err != nil {
		return "", err
	}
	if f.Title == before.Title && f.Content == before.Content {
		return "", invalid("content", "nothing would change")
	}
	if more := f.ContentBytes - before.ContentBytes; more > 0 {
		if err := a.artifactFits(ctx, tx, f.RoomID, 0, more); err != nil {
			return "", err
		}
	}
	return event.TypeArtifactUpdate, a.keepVersion(ctx, tx, &before, c.by())
}

func artifactResult(f *store.Artifact, action string) toolResult {
	r := reply(struct {
		Done    string `json:"done"`
		ID      string `json:"artifact_id"`
		Type    string `json:"type"`
		Title   string `json:"title"`
		Version int    `json:"version"`
	}{action, f.ID, f.Type, f.Title, f.Version})
	r.artifactID = f.ID
	return r
}
