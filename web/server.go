// Package web is the HTTP side of coagent: every URL, header, cookie and status code. Of
// our packages it imports app and leaves of app such as app/realtime, store (for the rows
// that app returns) and the page. Only this package imports Fiber and huma.
//
// A route is one entry in the routes_*.go of its area. Its handler is in the file of its noun. The handler
// only turns the request into a call of app, and the result into an ...Out struct.
//
// # Invariants
//
//   - Rows of the store are never encoded, so no hash or key can leak.
//   - Who is calling is settled before the body is read.
//   - Ids are brought to lower-case canonical form here.
//   - Every error leaves as {"detail", "message", "code", "params"?, "errors"?, "request_id"} with a
//     text as detail.
//   - Nothing that a client can send is answered with 500.
package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humafiber"
	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/telemetry"
	studioui "github.com/coagent-studio/coagent/web/ui"
)

const (
	// requestTimeout bounds the work on one request. A client that leaves does not end
	// the work by itself.
	requestTimeout = 30 * time.Second
	// patientTimeout bounds it where a person waits for a model. The model itself gets
	// limits.answer_within.
	patientTimeout = 65 * time.Second
	headTimeout    = 15 * time.Second // for the head of a request, including the wait for the first one
	bodyTimeout    = 60 * time.Second
	writeTimeout   = 60 * time.Second
	idleTimeout    = 120 * time.Second
	// headBytes is enough for the cookies of an origin with many; fasthttp's 4 KiB are
	// not.
	headBytes = 16 << 10
)

// Server is the HTTP side of one App. Call Listen, then Serve, then Shutdown.
type Server struct {
	app        *app.App
	cfg        *config.Config
	log        *slog.Logger
	telemetry  *telemetry.Telemetry
	fiber      *fiber.App
	api        huma.API
	table      []registered
	fixed      fixedPaths
	origins    map[string]bool // other origins whose pages may call, in canonical form
	foreigners foreignOrigins
	proxies    []netip.Prefix // whose X-Forwarded-* headers are believed
	https      bool
	base       string // the path of http.public_url, "" for none
	bodies     *bodies
	large      largeFrames // of sockets
	v2, mine   *v2Frames
	ui         *ui // nil without web.ui_dir
	studio     *studio
	answers    *answers
	ln         *drainListener
	// draining makes every answer close its connection.
	draining atomic.Bool
}

// NewServer makes the server with all its routes; nothing listens yet.
func NewServer(a *app.App, cfg *config.Config, log *slog.Logger, version string) (*Server, error) {
	installProblems()
	s := &Server{app: a, cfg: cfg, log: log, telemetry: a.Telemetry(), https: overHTTPS(cfg), bodies: newBodies(&cfg.HTTP), v2: newV2Frames(chanV2), mine: newV2Frames(chanMe),
		origins: allowedOrigins(cfg), base: cfg.BasePath(), answers: newAnswers(int64(cfg.Limits.AnswersAtOnce), int64(cfg.Limits.AnswersPerPerson))}
	var err error
	if s.proxies, err = trustedProxies(cfg.HTTP.TrustedProxies); err != nil {
		return nil, err
	}
	if s.studio, err = openStudio(studioui.Files(), s.base); err != nil {
		return nil, err
	}
	if cfg.Web.UIDir != "" {
		if s.ui, err = openUI(cfg.Web.UIDir, cfg.Web.UICSP, s.base); err != nil {
			return nil, err
		}
	}
	s.fiber = fiber.New(fiber.Config{
		DisableStartupMessage: true,
		// Fiber reuses buffers between requests. Without this the next request overwrites
		// a path parameter that was kept.
		Immutable:     true,
		StrictRouting: true,
		CaseSensitive: true,
		// receive reads the body when the head has passed the checks.
		StreamRequestBody: true,
		// Routes that expect a form parse it themselves, with limits of their own.
		DisablePreParseMultipartForm: true,
		ReadBufferSize:               headBytes,
		// Between two requests a connection keeps no buffers; see also slim.
		ReduceMemoryUsage: true,
		ReadTimeout:       headTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		// Without a list Fiber would believe anybody's X-Forwarded-Host.
		EnableTrustedProxyCheck: true,
		ErrorHandler:            s.failed,
	})
	s.fiber.Use(s.observe, s.secureHeaders, s.checkHost, s.checkHead, s.checkOrigin, s.admitAddress, s.ownMethods)
	s.api = humafiber.New(s.fiber, apiConfig(version, s.base))
	s.api.UseMiddleware(adapt)
	if err := s.queuePage(); err != nil {
		return nil, err
	}
	if err := s.routes(version); err != nil {
		return nil, err
	}
	s.fixed = s.fixedNames()
	s.fiber.Use(s.unmatched)
	srv := s.fiber.Server()
	srv.HeaderReceived = s.boundsOf
	srv.Handler = s.eachRequest(s.knownMethods(srv.Handler))
	failed := srv.ErrorHandler
	srv.ErrorHandler = func(ctx *fasthttp.RequestCtx, err error) {
		failed(ctx, err)
		endUnread(ctx)
	}
	return s, nil
}

// eachRequest counts the bodies of requests.
func (s *Server) eachRequest(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		in := arrive(ctx)
		next(ctx)
		if in != nil {
			s.finish(ctx, in)
			if nc, ok := ctx.Conn().(*conn); ok {
				nc.bare.forget()
			}
		}
	}
}

// knownMethods answers a method that no RFC knows with our error. Fiber would answer with
// bare text.
func (s *Server) knownMethods(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(ctx *fasthttp.RequestCtx) {
		if slices.Contains(fiber.DefaultMethods, string(ctx.Method())) {
			next(ctx)
			return
		}
		c := s.fiber.AcquireCtx(ctx)
		defer s.fiber.ReleaseCtx(c)
		err := s.otherMethods(c)
		if err == nil {
			err = fiber.ErrNotFound
		}
		// Encoding these two texts as JSON cannot fail.
		_ = s.failed(c, err)
	}
}

// Listen listens on addr and returns the real address; port 0 means any free port. From
// then on connections wait in the queue until Serve.
func (s *Server) Listen(ctx context.Context, addr string) (net.Addr, error) {
	var plain net.ListenConfig
	plain.SetMultipathTCP(false) // Go's default, multipath TCP, takes no socket filter: see keepOut
	ln, err := plain.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	tcp, ok := ln.(*net.TCPListener)
	if !ok {
		return nil, fmt.Errorf("listen on %s: got a %T", addr, ln)
	}
	s.ln = newDrainListener(tcp)
	return ln.Addr(), nil
}

// Serve answers requests until Shutdown. Its error says why it ended otherwise.
func (s *Server) Serve() error {
	if s.ln == nil {
		return errors.New("web: Serve before Listen")
	}
	return s.fiber.Listener(s.ln)
}

// Shutdown accepts no new connections. It waits until the running requests are answered
// or ctx ends. It closes no accepted connection with a request in it unless ctx ends
// first.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.ln != nil {
		s.drain(ctx)
	}
	err := s.fiber.ShutdownWithContext(ctx)
	if s.ui != nil {
		err = errors.Join(err, s.ui.root.Close())
	}
	return err
}
