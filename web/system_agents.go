package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) systemAgents(ctx context.Context, actor *app.Actor, _ *empty) (*agentsOut, error) {
	rows, err := s.app.SystemAgents(ctx, actor)
	if err != nil {
		return nil, err
	}
	body, err := whole(ctx, s, rows, s.agentForm)
	return &agentsOut{body}, err
}

type setSystemAgentIn struct {
	AgentType string `path:"agent_type" maxLength:"64"`
	Body      struct {
		AgentSettingsIn
		SystemPrompt opt[string] `json:"system_prompt,omitempty"`
	}
}

func (s *Server) setSystemAgent(ctx context.Context, actor *app.Actor, in *setSystemAgentIn) (*oneAgentOut, error) {
	a, err := s.app.SetSystemAgent(ctx, actor, in.AgentType, in.Body.settings(opt[string]{}, in.Body.SystemPrompt))
	if err != nil {
		return nil, err
	}
	return &oneAgentOut{s.agentForm(a)}, nil
}
