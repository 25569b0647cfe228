package realtime

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ListenConfig has the settings of a Listener. A zero value means the default in
// brackets.
type ListenConfig struct {
	// Connect opens a connection that the listener then owns. It must not come from a
	// pool.
	Connect  func(ctx context.Context) (*pgx.Conn, error)
	Channels []string
	// OnNotify gets every notification, in order. It must not block.
	OnNotify func(channel, payload string)
	// OnReconnect runs each time that listening begins, including the first time.
	// Notifications sent before that are lost.
	OnReconnect func()
	Idle        time.Duration // of silence before the server is asked whether it is alive [10 s]
	Patience    time.Duration // how long to wait for a connection or an answer [5 s]
	Log         *slog.Logger
}

// Listener receives Postgres notifications on its own connection. It opens a new one
// when the connection breaks.
type Listener struct {
	cfg   ListenConfig
	ready atomic.Bool
	begun chan struct{} // closed when listening begins for the first time
	once  sync.Once
}

// NewListener returns a listener. It does nothing until Run.
func NewListener(cfg ListenConfig) *Listener {
	setDefault(&cfg.Idle, 10*time.Second)
	setDefault(&cfg.Patience, 5*time.Second)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Listener{cfg: cfg, begun: make(chan struct{})}
}

// Ready reports whether the listener is listening now.
func (l *Listener) Ready() bool { return l.ready.Load() }

// WaitReady waits until the listener has begun to listen, or ctx ends.
func (l *Listener) WaitReady(ctx context.Context) {
	select {
	case <-l.begun:
	case <-ctx.Done():
	}
}

// Run listens until ctx ends, reconnecting with backoff and jitter.
func (l *Listener) Run(ctx context.Context) {
	pauses := newPauses(retryMin, retryMax)
	for ctx.Err() == nil {
		heard, err := l.session(ctx)
		if ctx.Err() != nil {
			return
		}
		if heard {
			pauses.Reset()
		}
		pause := pauses.NextBackOff()
		l.cfg.Log.Warn("the database listener lost its connection", "err", err, "retry_in", pause)
		if !sleep(ctx, pause) {
			return
		}
	}
}

// session runs one connection until it ends. heard says that it began to listen.
func (l *Listener) session(ctx context.Context) (heard bool, err error) {
	conn, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	defer l.hangUp(conn)
	l.ready.Store(true)
	l.once.Do(func() { close(l.begun) })
	defer l.ready.Store(false)
	l.cfg.Log.Debug("the database listener is listening", "channels", l.cfg.Channels)
	l.cfg.OnReconnect()
	for {
		if err := l.next(ctx, conn); err != nil {
			return true, err
		}
	}
}

func (l *Listener) open(ctx context.Context) (*pgx.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Patience)
	defer cancel()
	conn, err := l.cfg.Connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	for _, channel := range l.cfg.Channels {
		if _, err := conn.Exec(ctx, "LISTEN "+pgx.Identifier{channel}.Sanitize()); err != nil {
			l.hangUp(conn)
			return nil, fmt.Errorf("listen on %s: %w", channel, err)
		}
	}
	return conn, nil
}

// next waits for one notification. After a silence it checks that the server is alive.
func (l *Listener) next(ctx context.Context, conn *pgx.Conn) error {
	waiting, cancel := context.WithTimeout(ctx, l.cfg.Idle)
	defer cancel()
	n, err := conn.WaitForNotification(waiting)
	if err == nil {
		l.cfg.OnNotify(n.Channel, n.Payload)
		return nil
	}
	if ctx.Err() != nil || conn.IsClosed() || !pgconn.Timeout(err) {
		return err
	}
	asking, cancel := context.WithTimeout(ctx, l.cfg.Patience)
	defer cancel()
	if err := conn.Ping(asking); err != nil {
		return fmt.Errorf("the server does not answer: %w", err)
	}
	return nil
}

// hangUp closes the connection properly, and waits only briefly. It uses its own
// context, because the caller's may have ended.
func (l *Listener) hangUp(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
