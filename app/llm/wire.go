package llm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"iter"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpproxy"
)

// newTransport makes the connection pool that all providers share. With an empty proxy
// the environment says which one is used. Neither is used for this machine and for what
// NO_PROXY lists.
func newTransport(connect time.Duration, proxy string) *http.Transport {
	by := httpproxy.FromEnvironment()
	if proxy != "" {
		by = &httpproxy.Config{HTTPProxy: proxy, HTTPSProxy: proxy, NoProxy: by.NoProxy}
	}
	way := by.ProxyFunc()
	return &http.Transport{
		Proxy:                  func(r *http.Request) (*url.URL, error) { return way(r.URL) },
		DialContext:            (&net.Dialer{Timeout: connect, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    connect,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A compressed stream arrives late, and its size does not tell how much it
		// unpacks to.
		DisableCompression: true,
	}
}

// wire sends requests and reads the answers, in the same way for every provider.
type wire struct {
	client *http.Client
	now    func() time.Time
}

func newWire(base http.RoundTripper, now func() time.Time) *wire {
	return &wire{now: now, client: &http.Client{
		Transport: base,
		// A redirect would send the key to an address that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// wireFactor is how many bytes one byte of text may cost on the wire: each token comes
// in about 250 bytes of JSON.
const wireFactor = 16

// eventFactor and eventSlack bound the size of one event by the size of an answer,
// because a whole answer may come in one event.
const (
	eventFactor = 2
	eventSlack  = 64 << 10
)

// post sends body, which is JSON, and yields the events of the answer. They are those
// of an event stream, or the values of a JSON document, whatever the Content-Type says.
// post ends without an error when the answer does. ctx carries the attempt.
func (w *wire) post(ctx context.Context, url string, header http.Header, body []byte) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		a := attemptOf(ctx)
		req, err := http.NewRequestWithContext(a.traced(ctx), http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			yield(event{}, badRequest("the address of the provider and its model make no URL"))
			return
		}
		req.Header = header
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "text/event-stream, application/json")
		req.Header.Set("User-Agent", "coagent")
		resp, err := w.client.Do(req) //nolint:bodyclose // payload.finish closes it
		if err != nil {
			yield(event{}, networkError(err))
			return
		}
		in := &payload{rc: resp.Body, left: wireFactor * a.limits.MaxBytes, limit: a.limits.MaxBytes}
		defer in.finish(a)
		a.sent.Store(true) // not every transport tells it
		if fault := w.refuse(resp, in, a.hide); fault != nil {
			a.refused.Store(resp.StatusCode < 200 || resp.StatusCode > 299)
			yield(event{}, fault)
			return
		}
		for e, err := range answer(in, resp.Header.Get("Content-Type"), eventFactor*a.limits.MaxBytes+eventSlack, a.hide) {
			if errors.Is(err, errEventTooLong) {
				err = tooBig(a.limits.MaxBytes)
			}
			if !yield(e, in.explain(err)) || err != nil {
				return
			}
		}
	}
}

// refuse returns the error for a response that cannot be an answer, nil for one that
// can.
func (w *wire) refuse(resp *http.Response, in io.Reader, hide func(string) string) *Error {
	encoding := resp.Header.Get("Content-Encoding")
	packed := encoding != "" && !strings.EqualFold(encoding, "identity")
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		if packed {
			return broken("answered with a content encoding that was not asked for")
		}
		return nil
	}
	var text []byte
	if !packed {
		// If this read is interrupted, there is only less text to quote.
		text, _ = io.ReadAll(io.LimitReader(in, 64<<10))
	}
	f := readFault(resp.StatusCode, text)
	wait, ok := retryAfter(resp.Header, w.now())
	if ok {
		f.wait = wait
	}
	e := f.err(hide)
	e.retry = e.retry || e.Kind == Limited && (ok || f.wait > 0)
	return e
}

// answer decides by the content how to read a body. HTML is the page of some proxy in
// between, "{" or "[" begins a JSON document, and everything else is an event stream.
func answer(in io.Reader, label string, most int, hide func(string) string) iter.Seq2[event, error] {
	return func(yield func(event, error) bool) {
		head, err := firstByte(in, func() bool { return yield(event{alive: true}, nil) })
		if errors.Is(err, errLeft) {
			return
		}
		if err != nil && !errors.Is(err, io.EOF) {
			yield(event{}, err)
			return
		}
		label, _, _ = mime.ParseMediaType(label)
		in = io.MultiReader(bytes.NewReader(head), in)
		switch string(head) {
		case "<":
			yield(event{}, broken("answered with a page (%q) instead of an event stream", hide(label)))
			return
		case "{", "[":
			readDocument(in, most, yield)
			return
		}
		r := newEventReader(in, most)
		for e, err := range r.events() {
			if !yield(e, err) {
				return
			}
		}
		if !r.heard && len(r.stray) > 0 {
			yield(event{}, broken("answered what is no event stream (%q): %s", hide(label), hide(string(r.stray))))
		}
	}
}

// errLeft says that the consumer wants no more events.
var errLeft = errors.New("left")

// firstByte reads up to the first byte that is neither a blank nor part of a byte order
// mark. Each line end before that byte is a sign of life.
func firstByte(in io.Reader, alive func() bool) ([]byte, error) {
	one := make([]byte, 1)
	for {
		n, err := in.Read(one)
		switch {
		case n > 0 && one[0] == '\n' && !alive():
			return nil, errLeft
		case n > 0 && strings.IndexByte(" \t\r\n\xEF\xBB\xBF", one[0]) < 0:
			return one, nil
		case err != nil:
			return nil, err
		}
	}
}

// readDocument yields a JSON document as one event. Each read before is a sign of life.
func readDocument(in io.Reader, most int, yield func(event, error) bool) {
	var raw []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := in.Read(buf)
		raw = append(raw, buf[:n]...)
		switch {
		case len(raw) > most:
			yield(event{}, errEventTooLong)
			return
		case errors.Is(err, io.EOF):
			yield(event{data: raw, whole: true}, nil)
			return
		case err != nil:
			yield(event{}, err)
			return
		}
		if n > 0 && !yield(event{alive: true}, nil) {
			return
		}
	}
}

// retryAfter reads Retry-After (RFC 9110, 10.2.3), in seconds or as a date, and
// OpenAI's retry-after-ms, in milliseconds.
func retryAfter(h http.Header, now time.Time) (time.Duration, bool) {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms >= 0 && ms < 1e9 {
		return time.Duration(ms * float64(time.Millisecond)), true
	}
	value := h.Get("Retry-After")
	if s, err := strconv.ParseFloat(value, 64); err == nil && s >= 0 && s < 1e6 {
		return time.Duration(s * float64(time.Second)), true
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0), true
	}
	return 0, false
}

// networkError explains in this program's own words why no answer came. The system's
// message names addresses and name servers of the network that the program runs in.
// People who may read why an agent is silent must not see those. When a limit or the
// caller ended the attempt, the attempt explains the error instead.
func networkError(err error) *Error {
	e := &Error{Kind: Unavailable, Message: "the provider is not reachable", Err: cause{err}, retry: true}
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	var record tls.RecordHeaderError
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		e.retry = false
	case errors.As(err, &cert):
		e.retry, e.Message = false, "the certificate of the provider is not valid"
	case errors.As(err, &dns) && dns.IsNotFound:
		e.retry, e.Message = false, "the name of the provider's server is not known"
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Message = Timeout, "no connection in time"
	case strings.Contains(text, "malformed HTTP"), strings.Contains(text, "headers exceeded"), errors.As(err, &record),
		strings.Contains(text, "server gave HTTP response to HTTPS client"):
		e.Kind, e.retry, e.Message = Broken, false, "answered what is not HTTP, or not the HTTP that was asked for"
	case errors.As(err, &dns):
		e.Message = "the name of the provider's server cannot be looked up just now"
	case strings.Contains(text, "connection refused"):
		e.Message = "the provider refuses connections"
	case strings.Contains(text, "connection reset"), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		e.Message = "the provider closed the connection without an answer"
	case strings.Contains(text, "no route to host"), strings.Contains(text, "network is unreachable"):
		e.Message = "there is no way to the provider's network"
	}
	return e
}

// cause is the error behind a network error. errors.Is and errors.As find it, but
// printing it shows no detail.
type cause struct{ error }

// Error tells no detail of the cause.
func (c cause) Error() string { return "network error" }

// Unwrap gives the error itself.
func (c cause) Unwrap() error { return c.error }

func tooBig(limit int) *Error {
	return broken("the answer is longer than the limit of %d bytes", limit)
}

// payload bounds how much of an answer is read, and remembers how the reading ended.
type payload struct {
	rc    io.ReadCloser
	left  int // bytes that may still come
	limit int
	fault error // why reading ended, if it was not a clean end
	ended bool
}

// Read implements io.Reader.
func (b *payload) Read(p []byte) (int, error) {
	n, err := b.rc.Read(p)
	b.left -= n
	switch {
	case b.left < 0:
		b.fault, b.ended = tooBig(b.limit), true
		return 0, b.fault
	case err != nil && !errors.Is(err, io.EOF):
		b.fault, b.ended = &Error{Kind: Broken, Message: "the connection broke", Err: cause{err}, retry: true}, true
		return n, b.fault
	}
	b.ended = err != nil
	return n, err
}

// explain returns the reason why reading ended instead of the error that followed from
// it.
func (b *payload) explain(err error) error {
	if err != nil && b.fault != nil {
		return b.fault
	}
	return err
}

// finish closes the body. After a finished answer it first reads the few bytes that end
// the body, so that the connection can be used again.
func (b *payload) finish(a *attempt) {
	if a.done.Load() && !b.ended {
		timer := time.AfterFunc(drainTime, func() { a.cancel(errDrain) })
		_, _ = io.CopyN(io.Discard, b.rc, 4<<10)
		timer.Stop()
	}
	// An error would only say that the connection is lost, which no longer matters.
	_ = b.rc.Close()
}

const drainTime = 20 * time.Millisecond
