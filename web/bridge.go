package web

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/wording"
)

// bridge runs net/http handlers under Fiber. Fiber's adaptor is not made for streams: it
// cuts them at the server's write timeout, does not tell the handler that the client has
// left, and takes the request's values away under a handler that still works.
type bridge struct {
	log     *slog.Logger
	address func(*fiber.Ctx) string // the client's, without a port
	closing <-chan struct{}         // closed when the process shuts down; it ends all streams
	// patience is how long a handler may work until its answer ends or its stream begins.
	patience time.Duration
	beat     time.Duration // how often a silent stream of events gets a comment
}

// bridged returns the bridge of this server. Its handlers may work for as long as a
// person waits for a model.
func (s *Server) bridged() *bridge {
	return &bridge{log: s.log, address: s.clientAddress, closing: s.app.Closing(), patience: patientTimeout, beat: streamBeat}
}

var errTooSlow = &app.Error{Kind: app.KindUnavailable, Code: wording.Timeout, Message: "The answer took too long. Try again.", RetryAfter: 5 * time.Second}

// serve answers a request, whose body was received, with a handler. The handler gets
// copies of all that belongs to the request. Its context has the values of the request's
// context. It ends when the client leaves a stream, when the handler takes longer than the
// bridge's patience, and when the process shuts down. A handler must end soon after that,
// because the request is released only then.
func (b *bridge) serve(c *fiber.Ctx, h http.Handler) error {
	ctx, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(c.UserContext()), http.LocalAddrContextKey, c.Context().LocalAddr()))
	w := &bridgeWriter{header: http.Header{}, pieces: make(chan []byte), ended: make(chan struct{}), gone: ctx.Done()}
	r := b.request(c).WithContext(ctx)
	go func() {
		defer close(w.ended)
		defer func() {
			if v := recover(); v != nil {
				w.fault = fmt.Errorf("panic: %v", v)
				if v != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
					b.log.LogAttrs(ctx, slog.LevelError, "panic", slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
				}
			}
		}()
		h.ServeHTTP(w, r)
	}()
	late := time.NewTimer(b.patience)
	defer late.Stop()
	select {
	case first := <-w.pieces:
		b.stream(cancel, c, w, first)
		return nil
	case <-w.ended:
		cancel()
		if w.fault != nil {
			return w.fault
		}
		w.WriteHeader(http.StatusOK)
		w.head(c, w.body.Bytes())
		c.Response().SetBody(w.body.Bytes()) // not raw: holdAnswer takes a body that is the answer's own
		return nil
	case <-late.C:
	case <-b.closing:
	}
	cancel()
	<-w.ended
	return errTooSlow
}

// request is the request as net/http would have it.
func (b *bridge) request(c *fiber.Ctx) *http.Request {
	in := c.Request()
	r := &http.Request{Method: string(in.Header.Method()), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{},
		Host: string(in.Host()), RequestURI: string(in.RequestURI()), RemoteAddr: net.JoinHostPort(b.address(c), "0"),
		URL: &url.URL{Path: string(in.URI().Path()), RawQuery: string(in.URI().QueryString())}}
	for key, value := range in.Header.All() {
		if name := string(key); !strings.EqualFold(name, fiber.HeaderHost) {
			r.Header.Add(name, string(value))
		}
	}
	body := bytes.Clone(in.Body())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	return r
}

// stream writes the pieces that the handler flushes, and comments while it flushes
// nothing: only by writing does a server notice that a client has left.
func (b *bridge) stream(cancel context.CancelFunc, c *fiber.Ctx, w *bridgeWriter, first []byte) {
	w.head(c, first)
	run := &bridgeStream{bridge: b, from: w, cancel: cancel, conn: c.Context().Conn(),
		events: strings.HasPrefix(string(c.Response().Header.ContentType()), "text/event-stream")}
	if run.events {
		c.Set("X-Accel-Buffering", "no")
	}
	c.Context().SetBodyStreamWriter(func(to *bufio.Writer) {
		run.out = eventWriter{to, run.conn}
		run.run(first)
	})
	// Do not use SendStatus: it would read the stream to its end.
}

// bridgeStream is the stream of one handler on its way to the client.
type bridgeStream struct {
	*bridge
	from   *bridgeWriter
	cancel context.CancelFunc // tells the handler to end
	conn   net.Conn
	out    eventWriter
	events bool // the client reads server-sent events
}

func (s *bridgeStream) run(piece []byte) {
	defer func() {
		s.cancel()
		<-s.from.ended // the request is released after this
	}()
	beat := time.NewTicker(s.beat)
	defer beat.Stop()
	closing := s.closing
	// A comment may stand between two events only.
	between := true
	for {
		if len(piece) > 0 {
			between = bytes.HasSuffix(piece, []byte("\n\n"))
			_, _ = s.out.w.Write(piece) // flush has its error
		}
		if s.out.flush() != nil {
			return
		}
		select {
		case piece = <-s.from.pieces:
		case <-beat.C:
			if piece = nil; s.events && between {
				piece = beatComment
			}
		case <-closing:
			piece, closing = nil, nil
			s.cancel() // the handler may say a last word
		case <-s.from.ended:
			_, _ = s.out.w.Write(s.from.body.Bytes())
			if s.out.flush() == nil && s.from.fault != nil {
				_ = s.conn.Close() // otherwise the client would take it for the end
			}
			return
		}
	}
}

var beatComment = []byte(": here\n\n")

// bridgeWriter is the http.ResponseWriter of a handler under the bridge. It keeps what the
// handler writes until a flush makes a stream of it. Until ended is closed, it belongs to the
// handler's goroutine. Others read of it what does not change after the first piece: status
// and sent.
type bridgeWriter struct {
	header  http.Header
	status  int
	streams bool        // the handler has flushed
	sent    http.Header // the header as it was when the status was set
	body    bytes.Buffer
	pieces  chan []byte
	ended   chan struct{}
	gone    <-chan struct{} // the client has left, or waits no longer
	fault   error           // the handler's panic
}

// bridgePiece is how many bytes of a stream are kept without a flush.
const bridgePiece = 32 << 10

var errClientGone = errors.New("the client has left")

func (w *bridgeWriter) Header() http.Header { return w.header }

func (w *bridgeWriter) WriteHeader(status int) {
	if w.status != 0 || status < http.StatusOK { // a client learns nothing from 1xx
		return
	}
	w.status, w.sent = status, w.header.Clone()
}

func (w *bridgeWriter) Write(p []byte) (int, error) {
	select {
	case <-w.gone:
		return 0, errClientGone
	default:
	}
	w.WriteHeader(http.StatusOK)
	n, _ := w.body.Write(p) // never fails
	if w.streams && w.body.Len() > bridgePiece {
		return n, w.FlushError()
	}
	return n, nil
}

// Flush is for handlers that ask for an http.Flusher.
func (w *bridgeWriter) Flush() { _ = w.FlushError() } // the next write has the error

// FlushError hands what was written over to the client. It waits until the client's
// connection takes it.
func (w *bridgeWriter) FlushError() error {
	w.WriteHeader(http.StatusOK)
	w.streams = true
	piece := bytes.Clone(w.body.Bytes())
	select {
	case w.pieces <- piece:
		w.body.Reset()
		return nil
	case <-w.gone:
		return errClientGone
	}
}

// head writes the status and the header to an answer that begins with these bytes. What the
// handler has set takes the place of what was there; several values of one name stay
// several.
func (w *bridgeWriter) head(c *fiber.Ctx, first []byte) {
	c.Status(w.status)
	for name, values := range w.sent {
		switch name {
		case fiber.HeaderContentLength, fiber.HeaderTransferEncoding, fiber.HeaderConnection, fiber.HeaderDate:
			continue // of the connection, which is not the handler's
		}
		c.Response().Header.Del(name)
		for _, value := range values {
			c.Response().Header.Add(name, value)
		}
	}
	if w.sent.Get(fiber.HeaderContentType) == "" && len(first) > 0 {
		c.Set(fiber.HeaderContentType, http.DetectContentType(first))
	}
}
