package web

import (
	"context"
	"net/http"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
)

// The cookies of a super admin who acts as somebody else.
const (
	cookieOriginal      = "original_access_token"
	cookieImpersonating = "is_impersonating" // the client reads it, so it is not HttpOnly
)

func (s *Server) impersonate(ctx context.Context, actor *app.Actor, in *oneID) (*cookiesOut, error) {
	r := requestOf(ctx)
	tokens, err := s.app.Impersonate(ctx, actor, in.ID.String(), r.client)
	if err != nil {
		return nil, err
	}
	cookies := s.sessionCookies(tokens)
	age := cookies[0].MaxAge
	flag := s.cookie(cookieImpersonating, "true", "/", age)
	flag.HttpOnly = false
	return &cookiesOut{SetCookie: append(cookies, s.cookie(cookieOriginal, r.token, "/", age), flag)}, nil
}

func (s *Server) stopImpersonating(ctx context.Context, c *fiber.Ctx, _ *empty) (*messageAndCookies, error) {
	tokens, err := s.app.StopImpersonating(ctx, accessToken(c), cookieOf(c, cookieOriginal))
	if err != nil {
		return nil, err
	}
	return &messageAndCookies{Body: saidOut{"Impersonation stopped"}, SetCookie: append(s.sessionCookies(tokens), s.impersonationEnded()...)}, nil
}

// impersonationEnded returns the cookies that end an impersonation.
func (s *Server) impersonationEnded() []http.Cookie {
	flag := s.cookie(cookieImpersonating, "", "/", -1)
	flag.HttpOnly = false
	return []http.Cookie{s.cookie(cookieOriginal, "", "/", -1), flag}
}
