package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// TokenOut is a personal access token without the secret. It is exported because an
// answer embeds it.
type TokenOut struct {
	ID         string     `json:"id" format:"uuid"`
	Name       string     `json:"name"`
	Scopes     jsonTexts  `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  time.Time  `json:"expires_at"`
	LastUsedAt *time.Time `json:"last_used_at" doc:"To the minute"`
}

func tokenForm(t *store.AccessToken) TokenOut {
	out := TokenOut{ID: t.ID, Name: t.Name, Scopes: jsonTexts(t.Scopes), CreatedAt: instant(t.CreatedAt), ExpiresAt: instant(t.ExpiresAt)}
	if !t.LastUsedAt.IsZero() {
		used := instant(t.LastUsedAt)
		out.LastUsedAt = &used
	}
	return out
}

func (s *Server) tokens(ctx context.Context, actor *app.Actor, _ *empty) (*listOut[TokenOut], error) {
	rows, err := s.app.AccessTokens(ctx, actor)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, tokenForm)
}

type createTokenIn struct {
	Body struct {
		Name          string   `json:"name" doc:"What it is for" example:"Grade export"`
		Scopes        []string `json:"scopes" example:"[\"read\"]"`
		ExpiresInDays int      `json:"expires_in_days" example:"90"`
	}
}

type newTokenOut struct {
	Body struct {
		TokenOut
		Token string `json:"token" doc:"For Authorization: Bearer; shown this once"`
	}
}

func (s *Server) createToken(ctx context.Context, actor *app.Actor, in *createTokenIn) (*newTokenOut, error) {
	scopes := make([]app.Scope, len(in.Body.Scopes))
	for i, scope := range in.Body.Scopes {
		scopes[i] = app.Scope(scope)
	}
	t, secret, err := s.app.CreateAccessToken(ctx, actor, app.NewAccessToken{Name: in.Body.Name, Scopes: scopes, Days: in.Body.ExpiresInDays})
	if err != nil {
		return nil, err
	}
	out := &newTokenOut{}
	out.Body.TokenOut, out.Body.Token = tokenForm(t), secret.Reveal()
	return out, nil
}

func (s *Server) revokeToken(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.RevokeAccessToken(ctx, actor, in.ID.String())
}

func (s *Server) tokensOf(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[TokenOut], error) {
	rows, err := s.app.AccessTokensOf(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, tokenForm)
}

func (s *Server) revokeTokensOf(ctx context.Context, actor *app.Actor, in *oneID) (*empty, error) {
	return nil, s.app.RevokeAccessTokensOf(ctx, actor, in.ID.String())
}
