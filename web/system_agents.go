package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) systemAgents(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[agentOut], error) {
	rows, err := s.app.SystemAgents(ctx, actor)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.agentForm)
}

type setSystemAgentIn struct {
	AgentType string `path:"agent_type" maxLength:"64"`
	Body      agentChanges
}

func (s *Server) setSystemAgent(ctx context.Context, actor *app.Actor, in *setSystemAgentIn) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.SetSystemAgent(ctx, actor, in.AgentType, in.Body.settings(opt[string]{}, in.Body.SystemPrompt)))
}
