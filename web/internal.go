package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app"
)

// Internal is the listener of http.internal_addr, for the operator's machines only:
// /metrics for Prometheus, /healthz and /readyz for an orchestrator. A worker has it too.
// It does not check who is calling.
type Internal struct {
	Addr   net.Addr
	server *http.Server
}

// ServeInternal listens on addr until Stop. For an empty addr it does nothing and returns
// nil, on which Stop may be called too. ctx bounds only the start.
func ServeInternal(ctx context.Context, addr string, log *slog.Logger, a *app.App) (*Internal, error) {
	if addr == "" {
		return nil, nil
	}
	ln, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("http.internal_addr: listen on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", a.Telemetry().Handler())
	mux.HandleFunc("GET "+pathHealth, func(w http.ResponseWriter, _ *http.Request) { probed(w, nil) })
	mux.HandleFunc("GET "+pathReady, func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		err := a.Ready(ctx)
		if r.URL.Query().Has("verbose") {
			verbose(w, r, a, err)
			return
		}
		probed(w, err)
	})
	i := &Internal{Addr: ln.Addr(), server: &http.Server{Handler: mux, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}}
	go func() {
		if err := i.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("serving metrics ended", "err", err)
		}
	}()
	return i, nil
}

func probed(w http.ResponseWriter, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write([]byte("ok\n"))
}

// verbose answers with the whole examination of the installation. The status is that of the
// probe alone: a warning takes no server out of a load balancer.
func verbose(w http.ResponseWriter, r *http.Request, a *app.App, unready error) {
	report, err := a.DiagnoseInside(r.Context())
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if unready != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = report.PrintJSON(w) // who asks may have gone
}

// Stop ends the listener. It waits for running answers until ctx ends.
func (i *Internal) Stop(ctx context.Context) error {
	if i == nil {
		return nil
	}
	if err := i.server.Shutdown(ctx); err != nil {
		return errors.Join(fmt.Errorf("stop serving metrics: %w", err), i.server.Close())
	}
	return nil
}
