package web

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// handshakeGrace is how long no connection may have come, twice in a row, before the
	// listener closes. By then every handshake that had begun is over. Once is not
	// enough: on a busy machine the time may be up before anybody has checked.
	handshakeGrace = 200 * time.Millisecond
	// acceptGrace bounds this wait on systems where new connections cannot be kept out.
	acceptGrace = 3 * time.Second
	// keptGrace is how long a kept connection may bring one more request, whose answer
	// closes it. Closing it at once could lose a request that is on its way.
	keptGrace = time.Second
)

// drainListener is a TCP listener that can end without breaking a connection that its
// client believes to be open. Close alone would reset the connections that wait to be
// accepted.
type drainListener struct {
	*net.TCPListener
	patience            time.Duration // how long a connection may say nothing
	accepting, draining atomic.Bool
	close               sync.Once
	closed              chan struct{}
}

func newDrainListener(ln *net.TCPListener) *drainListener {
	return &drainListener{TCPListener: ln, patience: headTimeout, closed: make(chan struct{})}
}

// Accept returns the next connection. It returns io.EOF when all are drained.
func (l *drainListener) Accept() (net.Conn, error) {
	l.accepting.Store(true)
	for quiet := 0; quiet < 2; {
		draining := l.draining.Load()
		if draining {
			_ = l.SetDeadline(time.Now().Add(handshakeGrace)) // Accept fails where this fails
		}
		tcp, err := l.AcceptTCP()
		var ne net.Error
		if err == nil {
			// Without this deadline the server would wait for the first byte without end.
			_ = tcp.SetReadDeadline(time.Now().Add(l.patience))
			return &conn{TCPConn: tcp}, nil
		}
		if !errors.As(err, &ne) || !ne.Timeout() {
			return nil, err
		}
		if draining {
			quiet++
		}
	}
	_ = l.Close()
	return nil, io.EOF
}

// Drain keeps new connections out, lets those that came before be accepted, and closes.
// An error says that new connections came in until the end; the last of them are reset.
func (l *drainListener) Drain(ctx context.Context) (err error) {
	if l.accepting.Load() {
		err = keepOut(l.TCPListener)
		l.draining.Store(true)
		// Do not set it to now: that could end the wait of the last Accept.
		_ = l.SetDeadline(time.Now().Add(handshakeGrace))
		timer := time.NewTimer(acceptGrace)
		defer timer.Stop()
		select {
		case <-l.closed:
		case <-timer.C:
		case <-ctx.Done():
		}
	}
	return errors.Join(err, l.Close())
}

// Close closes the listener, once.
func (l *drainListener) Close() (err error) {
	l.close.Do(func() {
		err = l.TCPListener.Close()
		close(l.closed)
	})
	return err
}

// drain accepts no new connections. It closes every open connection after the answer to
// its next request, within keptGrace.
func (s *Server) drain(ctx context.Context) {
	s.draining.Store(true)
	if err := s.ln.Drain(ctx); err != nil {
		// The system has no such filters, for example a sandbox. Nobody can act on this,
		// and it affects only who connects at this very moment.
		s.log.DebugContext(ctx, "the listener may have reset the last connections", "err", err)
	}
	ctx, cancel := context.WithTimeout(ctx, keptGrace)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.fiber.Server().GetOpenConnectionsCount() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
