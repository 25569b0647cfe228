package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/store"
)

// ArtifactMembers are the members of an artifact that the frames show too.
type ArtifactMembers struct {
	ID               string     `json:"id" format:"uuid"`
	RoomID           string     `json:"room_id" format:"uuid"`
	Type             string     `json:"type" enum:"task,doc,process"`
	Title            string     `json:"title"`
	Content          jsonObject `json:"content" doc:"null in the list of deleted artifacts"`
	ParentArtifactID *string    `json:"parent_artifact_id" format:"uuid"`
	Version          int        `json:"version"`
	CreatedBy        *string    `json:"created_by" format:"uuid" doc:"null: an agent, or account gone"`
	LastModifiedBy   *string    `json:"last_modified_by" format:"uuid"`
	CreatedAt        time.Time  `json:"created_at"`
	UpdatedAt        time.Time  `json:"updated_at"`
}

type artifactOut struct {
	ArtifactMembers
	CreatedByAgentID *string `json:"created_by_agent_id" format:"uuid"`
	Modification
}

// Modification says who made something what it is.
type Modification struct {
	LastModifiedName    string  `json:"last_modified_name" doc:"The person, \"deleted user\", or the agent's name then"`
	LastModifiedAgentID *string `json:"last_modified_agent_id" format:"uuid" doc:"null: a person, or agent gone"`
	LastModifiedTurnID  *string `json:"last_modified_turn_id" format:"uuid"`
}

func modification(person *store.User, agentName, agentID, turnID string) Modification {
	return Modification{event.AuthorName(person, agentName), nullable(agentID), nullable(turnID)}
}

func artifactForm(f *store.Artifact) artifactOut {
	return artifactOut{ArtifactMembers: ArtifactMembers{ID: f.ID, RoomID: f.RoomID, Type: f.Type, Title: f.Title, Content: jsonObject(f.Content),
		ParentArtifactID: nullable(f.ParentID), Version: f.Version, CreatedBy: nullable(f.CreatedBy),
		LastModifiedBy: nullable(f.ModifiedBy), CreatedAt: instant(f.CreatedAt), UpdatedAt: instant(f.UpdatedAt)},
		CreatedByAgentID: nullable(f.CreatedByAgent), Modification: modification(f.Modifier, f.ModifiedAgentName, f.ModifiedByAgent, f.ModifiedTurnID)}
}

func oneArtifact(f *store.Artifact, err error) (*oneOut[artifactOut], error) {
	return formed(f, err, artifactForm)
}

type artifactsIn struct {
	RoomID  id     `path:"room_id"`
	Type    string `query:"artifact_type" doc:"task, doc or process"`
	Deleted bool   `query:"deleted" doc:"What can be restored instead; for staff"`
	Skip    int    `query:"skip" minimum:"0" maximum:"1000000" default:"0" doc:"Of deleted artifacts alone"`
	Limit   int    `query:"limit" minimum:"1" maximum:"1000" default:"100" doc:"Of deleted artifacts alone"`
}

func (s *Server) artifacts(ctx context.Context, actor *app.Actor, in *artifactsIn) (*pageOut[artifactOut], error) {
	if in.Deleted {
		rows, err := few(ctx, s, in.Limit, func() ([]store.Artifact, error) {
			return s.app.DeletedArtifacts(ctx, actor, in.RoomID.String(), in.Type, store.Page{Skip: in.Skip, Limit: in.Limit})
		})
		if err != nil {
			return nil, err
		}
		return paged(ctx, s, rows, artifactForm, skipping[store.Artifact](PageIn{in.Skip, in.Limit}))
	}
	rows, err := s.app.Artifacts(ctx, actor, in.RoomID.String(), in.Type)
	if err != nil {
		return nil, err
	}
	all, err := whole(ctx, s, rows, artifactForm)
	return &pageOut[artifactOut]{Body: all.Body}, err
}

type createArtifactIn struct {
	RoomID id `path:"room_id"`
	Body   struct {
		Type             string               `json:"type"`
		Title            string               `json:"title"`
		Content          opt[json.RawMessage] `json:"content,omitempty"`
		ParentArtifactID *id                  `json:"parent_artifact_id,omitempty" doc:"Another artifact of the room"`
	}
}

func (s *Server) createArtifact(ctx context.Context, actor *app.Actor, in *createArtifactIn) (*oneOut[artifactOut], error) {
	n := app.NewArtifact{Type: in.Body.Type, Title: in.Body.Title, Content: in.Body.Content.Opt}
	if in.Body.ParentArtifactID != nil {
		n.ParentID = in.Body.ParentArtifactID.String()
	}
	return oneArtifact(s.app.CreateArtifact(ctx, actor, in.RoomID.String(), n))
}

func (s *Server) artifact(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[artifactOut], error) {
	return oneArtifact(s.app.Artifact(ctx, actor, in.ID.String()))
}

type updateArtifactIn struct {
	ArtifactID id `path:"artifact_id"`
	Body       struct {
		Title           opt[string]          `json:"title,omitempty"`
		Content         opt[json.RawMessage] `json:"content,omitempty" doc:"Of a task only the members that it has"`
		ExpectedVersion opt[int]             `json:"expected_version,omitempty" doc:"409 when there is a newer one"`
		BaseVersion     opt[int]             `json:"base_version,omitempty" doc:"The same, but what was changed since is merged by blocks: 409 merge_conflict with conflicts where both have changed one, base_gone after an hour"`
	}
}

func (s *Server) updateArtifact(ctx context.Context, actor *app.Actor, in *updateArtifactIn) (*oneOut[artifactOut], error) {
	return oneArtifact(s.app.UpdateArtifact(ctx, actor, in.ArtifactID.String(), app.ArtifactChange{Title: in.Body.Title.Opt,
		Content: in.Body.Content.Opt, ExpectedVersion: in.Body.ExpectedVersion.Opt, BaseVersion: in.Body.BaseVersion.Opt}))
}

type moveCardIn struct {
	ArtifactID id `path:"artifact_id"`
	Body       struct {
		Column opt[string] `json:"column,omitempty" maxLength:"100" doc:"The task's status; its own when left out"`
		After  *id         `json:"after,omitempty" doc:"Right behind this task"`
		Before *id         `json:"before,omitempty" doc:"Right before this task; without both at the end"`
	}
}

func (s *Server) moveCard(ctx context.Context, actor *app.Actor, in *moveCardIn) (*oneOut[artifactOut], error) {
	to := app.CardMove{Column: in.Body.Column.Opt}
	if in.Body.After != nil {
		to.After = in.Body.After.String()
	}
	if in.Body.Before != nil {
		to.Before = in.Body.Before.String()
	}
	return oneArtifact(s.app.MoveCard(ctx, actor, in.ArtifactID.String(), to))
}

type deleteArtifactIn struct {
	ArtifactID id   `path:"artifact_id"`
	Hard       bool `query:"hard_delete" doc:"For good; for staff"`
}

// Resolve refuses hard_delete without a value.
func (*deleteArtifactIn) Resolve(ctx huma.Context) []error { return flagged(ctx, "hard_delete") }

func (s *Server) deleteArtifact(ctx context.Context, actor *app.Actor, in *deleteArtifactIn) (*empty, error) {
	return nil, s.app.DeleteArtifact(ctx, actor, in.ArtifactID.String(), in.Hard)
}

func (s *Server) restoreArtifact(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[artifactOut], error) {
	return oneArtifact(s.app.RestoreArtifact(ctx, actor, in.ID.String()))
}

type artifactVersionOut struct {
	ArtifactID     string     `json:"artifact_id" format:"uuid"`
	Version        int        `json:"version"`
	Title          string     `json:"title"`
	Content        jsonObject `json:"content" doc:"null in lists"`
	ContentBytes   int64      `json:"content_bytes"`
	LastModifiedBy *string    `json:"last_modified_by" format:"uuid" doc:"Who had made it so; null: an agent, or account gone"`
	UpdatedAt      time.Time  `json:"updated_at" doc:"When it became so"`
	Modification
}

func artifactVersionForm(v *store.ArtifactVersion) artifactVersionOut {
	return artifactVersionOut{ArtifactID: v.ArtifactID, Version: v.Version, Title: v.Title, Content: jsonObject(v.Content),
		ContentBytes: v.ContentBytes, LastModifiedBy: nullable(v.ModifiedBy), UpdatedAt: instant(v.UpdatedAt),
		Modification: modification(v.Modifier, v.ModifiedAgentName, v.ModifiedByAgent, v.ModifiedTurnID)}
}

func (s *Server) artifactVersions(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[artifactVersionOut], error) {
	rows, err := few(ctx, s, store.MaxLimit, func() ([]store.ArtifactVersion, error) {
		return s.app.ArtifactVersions(ctx, actor, in.ID.String())
	})
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, artifactVersionForm)
}

type artifactVersionIn struct {
	ArtifactID id  `path:"artifact_id"`
	Version    int `path:"version" minimum:"1"`
}

func (s *Server) artifactVersion(ctx context.Context, actor *app.Actor, in *artifactVersionIn) (*oneOut[artifactVersionOut], error) {
	v, err := s.app.ArtifactVersion(ctx, actor, in.ArtifactID.String(), in.Version)
	if err != nil {
		return nil, err
	}
	return &oneOut[artifactVersionOut]{artifactVersionForm(v)}, nil
}

func (s *Server) restoreArtifactVersion(ctx context.Context, actor *app.Actor, in *artifactVersionIn) (*oneOut[artifactOut], error) {
	return oneArtifact(s.app.RestoreArtifactVersion(ctx, actor, in.ArtifactID.String(), in.Version))
}
