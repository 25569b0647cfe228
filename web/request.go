package web

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

const requestIDHeader = "X-Request-ID"

// request is what the log says about a request, and what belongs to its answer. It
// travels in the context.
type request struct {
	id     string
	userID string
	person *store.User  // the caller, once that is known
	lang   wording.Lang // once it was asked for, of what is written after the answer began
	client app.Client   // the device, on routes with a signed-in caller
	token  string       // the caller's access token

	address string       // the client's address
	query   string       // query string of the URL
	ticket  *ticket      // reserved bytes for its answer
	stream  *arrayStream // the list that it asked for
	sent    *fiber.Ctx   // the request itself, until it is answered
	shared  bool         // the bytes of its answer are shared by all requests, so they are not counted
}

type (
	requestKey struct{}
	actorKey   struct{}
)

// requestOf returns the request of a context; an empty one when there is none.
func requestOf(ctx context.Context) *request {
	if r, ok := ctx.Value(requestKey{}).(*request); ok {
		return r
	}
	return new(request)
}

// within makes ctx belong to the request.
func (r *request) within(ctx context.Context) context.Context {
	return telemetry.WithRequestID(context.WithValue(ctx, requestKey{}, r), r.id)
}

// language is the language of the person, as far as the request or the person has said.
func (r *request) language() wording.Lang {
	switch {
	case r.lang != "":
		return r.lang
	case r.sent == nil:
		return app.LanguageOf(r.person)
	}
	return languageOf(r.sent, r.person)
}

// languageOf is what a request asks for; without Accept-Language it is what the person has
// set. person may be nil.
func languageOf(c *fiber.Ctx, person *store.User) wording.Lang {
	if accept := c.Get(fiber.HeaderAcceptLanguage); accept != "" {
		return wording.Best(accept)
	}
	return app.LanguageOf(person)
}

// actorOf returns the caller; nil on a public route.
func actorOf(ctx context.Context) *app.Actor {
	a, _ := ctx.Value(actorKey{}).(*app.Actor)
	return a
}

// begin gives a request an id unless it has one. A request that Fiber refuses by itself
// never passes observe and gets its id here.
func begin(c *fiber.Ctx, proposed string) *request {
	if r := requestOf(c.UserContext()); r.id != "" {
		return r
	}
	if !saneRequestID(proposed) {
		proposed = store.NewID()
	}
	r := &request{id: proposed, sent: c}
	c.SetUserContext(r.within(c.UserContext()))
	c.Set(requestIDHeader, r.id)
	return r
}

func saneRequestID(id string) bool {
	for _, r := range id {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.", r) {
			return false
		}
	}
	return id != "" && len(id) <= 64
}

// observe gives every request an id, a deadline and one line in the log. It turns a panic
// into a 500 and writes the stack to the log only.
func (s *Server) observe(c *fiber.Ctx) error {
	start := time.Now()
	r := begin(c, c.Get(requestIDHeader))
	r.address, r.query = s.clientAddress(c), string(c.Request().URI().QueryString())
	defer func() { r.drop(); r.sent = nil }() // after a panic too
	ctx, cancel := context.WithTimeout(c.UserContext(), requestTimeout)
	defer cancel()
	ctx, reads := store.CountReads(ctx)
	ctx, answered := s.telemetry.Request(ctx, c.Method(), isProbe(c.Path()))
	c.SetUserContext(ctx)
	if err := s.guarded(c); err != nil {
		if err := s.failed(c, err); err != nil {
			return err
		}
	}
	s.secureCookies(c)
	size := bodySize(c)
	if err := s.holdAnswer(c, r); err != nil {
		return err
	}
	if s.draining.Load() {
		c.Response().SetConnectionClose()
	}
	status, template := c.Response().StatusCode(), templateOf(c)
	answered(template, status)
	took := time.Since(start)
	if c.Locals(assetKey{}) != nil && status < http.StatusInternalServerError {
		return nil
	}
	s.log.LogAttrs(ctx, accessLevel(status, took, s.cfg.Log.SlowRequest), "request",
		slog.String("method", c.Method()), slog.String("route", template), slog.String("path", c.Path()),
		slog.Int("status", status), slog.Float64("ms", float64(took.Microseconds())/1000),
		slog.Int("bytes", size), slog.Int64("reads", reads.Count()), slog.String("user", r.userID))
	return nil
}

// admitAddress counts a request to the API for its address, before the server does
// anything else for it.
func (s *Server) admitAddress(c *fiber.Ctx) error {
	if strings.HasPrefix(c.Path(), v1+"/") {
		err := s.app.AdmitAddress(c.UserContext(), s.clientAddress(c))
		if err != nil {
			err = s.app.AdmitKnown(c.UserContext(), accessToken(c), note(c), err)
		}
		if err != nil {
			return err
		}
	}
	return c.Next()
}

// templateOf returns the route that answered, with its :parameters; "none" when the
// request reached no route.
func templateOf(c *fiber.Ctx) string {
	at := c.Route().Path
	if at == "/" && c.Path() != "/" {
		return "none"
	}
	return at
}

// isProbe tells whether a path is one that an orchestrator asks for.
func isProbe(path string) bool { return path == pathHealth || path == pathReady }

// bodySize returns the size of an answer, -1 for a stream of unknown size. Reading such a
// stream here would delay the answer.
func bodySize(c *fiber.Ctx) int {
	if c.Response().IsBodyStream() {
		return max(c.Response().Header.ContentLength(), -1)
	}
	return len(c.Response().Body())
}

// assetKey marks a request for a file of a page.
type assetKey struct{}

// unlogged keeps a request for a file of a page out of the log, unless it fails: a page asks
// for dozens, and they tell nothing.
func unlogged(c *fiber.Ctx) { c.Locals(assetKey{}, true) }

// accessLevel is the level of a request's log line. A person reads of requests that failed or
// were slow; all others are for who looks for something.
func accessLevel(status int, took, slow time.Duration) slog.Level {
	switch {
	case status >= http.StatusInternalServerError:
		return slog.LevelWarn
	case slow > 0 && took >= slow:
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

func (s *Server) guarded(c *fiber.Ctx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.LogAttrs(c.UserContext(), slog.LevelError, "panic",
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			err = fmt.Errorf("panic: %v", v)
		}
	}()
	return c.Next()
}

// caught stops a panic in a stream's writer from ending the process. No middleware runs
// above it.
func (s *Server) caught(ctx context.Context) {
	if v := recover(); v != nil {
		s.log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
	}
}

// authenticated checks who is calling, and the role that a route demands from everybody,
// before huma reads the body.
func (s *Server) authenticated(at route) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		c, r := humafiber.Unwrap(ctx), requestOf(ctx.Context())
		r.token, r.client = accessToken(c), s.client(c)
		if at.visitors && r.token == "" {
			next(ctx)
			return
		}
		actor, err := s.actor(c, at)
		if err == nil && at.role != "" {
			err = app.Check(actor, at.role, app.Resource{})
		}
		if err != nil {
			s.fail(ctx, err)
			return
		}
		r.userID, r.person = actor.User.ID, &actor.User
		next(huma.WithValue(ctx, actorKey{}, actor))
	}
}

// actor returns who sends a request to a route. Where an expired cookie is accepted, the
// page must be ours whatever the method: see Server.handshake.
func (s *Server) actor(c *fiber.Ctx, at route) (*app.Actor, error) {
	token := cookieToken(c)
	if token == "" || !at.lateCookie {
		return s.app.Authenticate(c.UserContext(), accessToken(c))
	}
	if !s.fromOurPage(c) {
		return nil, s.foreign(c)
	}
	return s.app.AuthenticateLate(c.UserContext(), token)
}

// cookieToken returns the token in the session's cookie, "" without one.
func cookieToken(c *fiber.Ctx) string {
	if token := cookieOf(c, cookieAccess); !app.IsAccessToken(token) {
		return token
	}
	return ""
}

// cookieOf returns the value of a cookie. An empty one, in any spelling, counts as
// absent.
func cookieOf(c *fiber.Ctx, name string) string {
	for key, value := range c.Request().Header.Cookies() {
		if string(key) == name && len(bytes.Trim(value, `" `)) > 0 {
			return string(value)
		}
	}
	return ""
}

// accessToken returns the caller's token: from the cookie, else from the Authorization
// header, "" when neither has one. The header may have the bare token. A personal access
// token counts only in the header after "Bearer", so that no browser sends one by itself.
func accessToken(c *fiber.Ctx) string {
	if token := cookieToken(c); token != "" {
		return token
	}
	header := c.Get(fiber.HeaderAuthorization)
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "bearer") {
		return strings.TrimSpace(token)
	}
	if app.IsAccessToken(header) {
		return ""
	}
	return header
}
