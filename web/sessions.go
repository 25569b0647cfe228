package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// sessionOut is one device on which a person is signed in.
type sessionOut struct {
	ID           string    `json:"id" format:"uuid"`
	Device       string    `json:"device" doc:"As the browser calls itself"`
	Address      string    `json:"address"`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	Current      bool      `json:"current" doc:"Of this request"`
	Impersonated bool      `json:"impersonated" doc:"By a super admin"`
}

func (s *Server) sessions(ctx context.Context, actor *app.Actor, in *PageIn) (*pageOut[sessionOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.Session, error) { return s.app.Sessions(ctx, actor, in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, func(row *store.Session) sessionOut { return sessionForm(row, actor.SessionID) }, skipping[store.Session](*in))
}

func (s *Server) endSession(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.EndSession(ctx, actor, in.ID.String())
}

func (s *Server) endOtherSessions(ctx context.Context, actor *app.Actor, _ *empty) (*empty, error) {
	return nil, s.app.EndOtherSessions(ctx, actor)
}
