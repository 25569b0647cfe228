package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) templates(ctx context.Context, actor *app.Actor, _ *empty) (*agentsOut, error) {
	rows, err := s.app.Templates(ctx, actor, everything)
	if err != nil {
		return nil, err
	}
	body, err := whole(ctx, s, rows, s.agentForm)
	return &agentsOut{body}, err
}

type createTemplateIn struct {
	Body struct {
		AgentSettingsIn
		Type         opt[string] `json:"type"`
		SystemPrompt opt[string] `json:"system_prompt"`
	}
}

func (s *Server) createTemplate(ctx context.Context, actor *app.Actor, in *createTemplateIn) (*oneAgentOut, error) {
	a, err := s.app.CreateTemplate(ctx, actor, in.Body.settings(in.Body.Type, in.Body.SystemPrompt))
	if err != nil {
		return nil, err
	}
	return &oneAgentOut{s.agentForm(a)}, nil
}

type cloneTemplateIn struct {
	ID        id `path:"id"`
	ProjectID id `path:"project_id"`
}

func (s *Server) cloneTemplate(ctx context.Context, actor *app.Actor, in *cloneTemplateIn) (*oneAgentOut, error) {
	a, err := s.app.CloneTemplate(ctx, actor, in.ID.String(), in.ProjectID.String())
	if err != nil {
		return nil, err
	}
	return &oneAgentOut{s.agentForm(a)}, nil
}

func (s *Server) syncAgent(ctx context.Context, actor *app.Actor, in *oneID) (*oneAgentOut, error) {
	a, err := s.app.SyncAgent(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneAgentOut{s.agentForm(a)}, nil
}
