package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

func (s *Server) templates(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[agentOut], error) {
	rows, err := s.app.Templates(ctx, actor, everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.agentForm)
}

type createTemplateIn struct{ Body newAgent }

func (s *Server) createTemplate(ctx context.Context, actor *app.Actor, in *createTemplateIn) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.CreateTemplate(ctx, actor, in.Body.settings(in.Body.Type, in.Body.SystemPrompt)))
}

func (s *Server) cloneTemplate(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.CloneTemplate(ctx, actor, in.First.String(), in.Second.String()))
}

func (s *Server) syncAgent(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.SyncAgent(ctx, actor, in.ID.String()))
}
