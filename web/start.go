package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/telemetry"
)

// Running is a whole running coagent. Call Stop once.
type Running struct {
	// Addr is the address on which it listens. URL is how a browser on this machine
	// reaches it.
	Addr net.Addr
	URL  string
	App  *app.App
	// Internal serves metrics and probes; nil without http.internal_addr.
	Internal *Internal
	// SetupToken creates the first super admin at URL/setup; empty when there is a super
	// admin.
	SetupToken string

	failed chan error
	opened *app.Opened
	server *Server
}

// Start opens the database of cfg, starts the program on it and serves on cfg.HTTP.Addr.
// ctx bounds only the start.
func Start(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*Running, error) {
	log = telemetry.Logger(log)
	o, err := app.Open(ctx, cfg, log, app.Mode{Serve: true, Work: cfg.Jobs.InServe, Version: version})
	if err != nil {
		return nil, err
	}
	r := &Running{App: o.App, opened: o}
	if err := r.serve(ctx, cfg, log, version); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return r, nil
}

func (r *Running) serve(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (err error) {
	if r.SetupToken, err = r.App.Operator().SetupToken(ctx); err != nil {
		return err
	}
	if r.server, err = NewServer(r.App, cfg, log, version); err != nil {
		return err
	}
	if r.Addr, err = r.server.Listen(ctx, cfg.HTTP.Addr); err != nil {
		return err
	}
	r.URL = browserURL(cfg, r.Addr)
	if r.Internal, err = ServeInternal(ctx, cfg.HTTP.InternalAddr, log, r.App); err != nil {
		return errors.Join(err, r.server.Shutdown(ctx))
	}
	if err := r.App.Start(ctx); err != nil {
		return errors.Join(err, r.server.Shutdown(ctx), r.Internal.Stop(ctx))
	}
	r.failed = make(chan error, 1)
	go func() { r.failed <- r.server.Serve() }()
	return nil
}

// Wait returns nil when ctx ends, or an error if serving ends by itself.
func (r *Running) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case err := <-r.failed:
		return fmt.Errorf("serving ended: %w", err)
	}
}

// Stop ends serving in an order that loses nothing: refuse new connections and answer
// requests, tell sockets that the server goes away, drain jobs, send the traces, close
// the database, and end the listener of metrics last. ctx is the one deadline for all of
// it.
func (r *Running) Stop(ctx context.Context) error {
	answered := make(chan error, 1)
	go func() { answered <- r.server.Shutdown(ctx) }()
	err := r.App.CloseSockets(ctx)
	return errors.Join(err, <-answered, r.App.Stop(ctx), r.opened.Close(), r.Internal.Stop(ctx))
}

// browserURL returns the URL by which a browser on this machine reaches the server.
func browserURL(cfg *config.Config, addr net.Addr) string {
	if cfg.HTTP.PublicURL != "" {
		return cfg.HTTP.PublicURL
	}
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "http://" + addr.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}
