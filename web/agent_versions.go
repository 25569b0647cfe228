package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type versionOut struct {
	ID            string    `json:"id" format:"uuid"`
	ConfigID      string    `json:"config_id" format:"uuid"`
	VersionLabel  string    `json:"version_label"`
	SystemPrompt  string    `json:"system_prompt"`
	ModelProvider string    `json:"model_provider"`
	Model         *string   `json:"model"`
	CreatedAt     time.Time `json:"created_at"`
	CreatedBy     *string   `json:"created_by" format:"uuid"`
}

func versionForm(v *store.AgentVersion) versionOut {
	return versionOut{ID: v.ID, ConfigID: v.AgentID, VersionLabel: v.Label, SystemPrompt: v.SystemPrompt, ModelProvider: v.ModelProvider,
		Model: v.Model, CreatedAt: instant(v.CreatedAt), CreatedBy: nullable(v.CreatedBy)}
}

// agentUnmasked returns an agent without the mask of its key, as the routes under
// /agent-config answer.
func (s *Server) agentUnmasked(a *store.Agent) agentOut {
	out := s.agentForm(a)
	out.MaskedAPIKey = nil
	return out
}

func (s *Server) projectAgents(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[agentOut], error) {
	rows, err := s.app.Agents(ctx, actor, in.ID.String(), everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.agentUnmasked)
}

type setProjectAgentIn struct {
	ProjectID id     `path:"project_id"`
	AgentType string `path:"agent_type" maxLength:"64"`
	Body      agentChanges
}

func (s *Server) setProjectAgent(ctx context.Context, actor *app.Actor, in *setProjectAgentIn) (*oneOut[agentOut], error) {
	a, err := s.app.SetProjectAgent(ctx, actor, in.ProjectID.String(), in.AgentType, in.Body.settings(opt[string]{}, in.Body.SystemPrompt))
	if err != nil {
		return nil, err
	}
	return &oneOut[agentOut]{s.agentUnmasked(a)}, nil
}

type keepVersionIn struct {
	ConfigID id `path:"config_id"`
	Body     struct {
		VersionLabel string `json:"version_label" doc:"May be empty"`
	}
}

func (s *Server) keepVersion(ctx context.Context, actor *app.Actor, in *keepVersionIn) (*oneOut[versionOut], error) {
	v, err := s.app.KeepVersion(ctx, actor, in.ConfigID.String(), in.Body.VersionLabel)
	if err != nil {
		return nil, err
	}
	return &oneOut[versionOut]{versionForm(v)}, nil
}

func (s *Server) versions(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[versionOut], error) {
	rows, err := s.app.Versions(ctx, actor, in.ID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, versionForm, in.PageIn)
}

func (s *Server) restoreVersion(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.RestoreVersion(ctx, actor, in.First.String(), in.Second.String()))
}
