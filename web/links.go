package web

import (
	"context"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
)

// linkOut is a link in the one answer that shows it.
type linkOut struct {
	URLPath   string    `json:"url_path" doc:"Behind this server's address: a form for the password"`
	URL       *string   `json:"url" doc:"The same as an address; null without http.public_url"`
	Token     string    `json:"token"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (s *Server) linkForm(l *app.PasswordLink) *linkOut {
	if l == nil {
		return nil
	}
	return &linkOut{URLPath: l.URLPath, URL: s.publicLink(l.URLPath), Token: l.Token, ExpiresAt: instant(l.ExpiresAt)}
}

func (s *Server) makePasswordLink(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[linkOut], error) {
	l, err := s.app.MakePasswordLink(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneOut[linkOut]{*s.linkForm(l)}, nil
}

type usePasswordLinkIn struct {
	Body struct {
		Token    string      `json:"token" doc:"From the link"`
		Password secret.Text `json:"password"`
	}
}

func (s *Server) usePasswordLink(ctx context.Context, c *fiber.Ctx, in *usePasswordLinkIn) (*cookiesOut, error) {
	client := s.client(c)
	tokens, err := s.app.UsePasswordLink(ctx, in.Body.Token, in.Body.Password.Reveal(), client)
	if err != nil {
		return nil, err
	}
	return s.signedIn(ctx, tokens, client.Note)
}
