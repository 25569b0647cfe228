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
	// handshakeGrace is how long nobody may have come, twice, before the
	// listener closes: a handshake that had begun is over by then. Once is not
	// enough: on a busy machine the time may be up before anybody has looked.
	handshakeGrace = 200 * time.Millisecond
	// acceptGrace bounds that where newcomers cannot be kept out.
	acceptGrace = 3 * time.Second
	// keptGrace is how long a kept connection may bring one more request, whose
	// answer ends it. Closed at once, it could take a request with it that is
	// on its way.
	keptGrace = time.Second
)

// drainListener is a TCP listener that can end without breaking a connection
// that its client believes to be open: Close alone resets those that wait to
// be accepted.
type drainListener struct {
	*net.TCPListener
	patience            time.Duration // with a connection that says nothing
	accepting, draining atomic.Bool
	close               sync.Once
	closed              chan struct{}
}

func newDrainListener(ln *net.TCPListener) *drainListener {
	return &drainListener{TCPListener: ln, patience: headTimeout, closed: make(chan struct{})}
}

// Accept returns the next connection, and io.EOF once all are drained.
func (l *drainListener) Accept() (net.Conn, error) {
	l.accepting.Store(true)
	for quiet := 0; quiet < 2; {
		draining := l.draining.Load()
		if draining {
			_ = l.SetDeadline(time.Now().Add(handshakeGrace)) // Accept fails where this does
		}
		tcp, err := l.AcceptTCP()
		var ne net.Error
		if err == nil {
			// The server itself would wait for the first byte without end.
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

// Drain keeps newcomers out, has those who came before accepted, and closes.
// An error says that newcomers came in until the end: the last are reset.
func (l *drainListener) Drain(ctx context.Context) (err error) {
	if l.accepting.Load() {
		err = keepOut(l.TCPListener)
		l.draining.Store(true)
		// Not now: that could end the wait of an Accept that is the last one.
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

// drain accepts nothing new, and has every open connection end with the answer
// to its next request, within keptGrace.
func (s *Server) drain(ctx context.Context) {
	s.draining.Store(true)
	if err := s.ln.Drain(ctx); err != nil {
		// A system without such filters, as a sandbox: nobody can act on it, and
		// only who connects at this very moment is concerned.
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
