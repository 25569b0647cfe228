package llm

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// newTransport is the pool of connections that all providers share.
func newTransport(connect time.Duration) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: connect, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:    connect,
		ForceAttemptHTTP2:      true,
		HTTP2:                  &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		MaxIdleConns:           256,
		MaxIdleConnsPerHost:    64,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		// A compressed stream arrives late, and its size says nothing of what comes out.
		DisableCompression: true,
	}
}

func newClient(base http.RoundTripper, now func() time.Time) *http.Client {
	return &http.Client{
		Transport: &wire{base: base, now: now},
		// A redirect would carry the key to an address that nobody configured.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// wire stands between an SDK and the network. It lets only event streams
// through, bounds them, and notes in the attempt what went wrong, because the
// SDKs lose that: headers of failures, and the causes of a stream's end.
type wire struct {
	base http.RoundTripper
	now  func() time.Time
}

// RoundTrip implements http.RoundTripper; requests must carry an attempt in their context.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	a := req.Context().Value(attemptKey{}).(*attempt)
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		a.fault = networkError(err, a.key)
		return nil, a.fault
	}
	if fault := w.refuse(resp, a.key); fault != nil {
		_ = resp.Body.Close()
		a.fault = fault
		return nil, fault
	}
	a.answered = true
	resp.Body = &body{rc: resp.Body, a: a, left: wireFactor * a.limits.MaxBytes}
	return resp, nil
}

// refuse explains why resp is not an event stream, nil when it is one.
func (w *wire) refuse(resp *http.Response, key string) *Error {
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		// An interrupted read leaves less to quote, nothing else.
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 16<<10))
		f := readFault(resp.StatusCode, text)
		wait, ok := retryAfter(resp.Header, w.now())
		if ok {
			f.wait = wait
		}
		e := f.err(key)
		e.retry = e.retry || e.Kind == Limited && (ok || f.wait > 0)
		return e
	}
	contentType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case contentType != "text/event-stream":
		return broken("answered %q instead of an event stream", sanitise(contentType, key))
	case resp.Header.Get("Content-Encoding") != "":
		return broken("answered with a content encoding that was not asked for")
	}
	return nil
}

// retryAfter reads Retry-After (RFC 9110 10.2.3), seconds or a date, and OpenAI's retry-after-ms.
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

// networkError explains why no answer came. The causes that a limit or the
// caller brought about are explained by the attempt, which knows them.
func networkError(err error, key string) *Error {
	e := &Error{Kind: Unavailable, Message: "not reachable: " + sanitise(err.Error(), key), Err: err, retry: true}
	var timeout net.Error
	var cert *tls.CertificateVerificationError
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.Canceled):
		e.retry = false
	case errors.As(err, &cert), errors.As(err, &dns) && dns.IsNotFound:
		e.retry = false
	case errors.As(err, &timeout) && timeout.Timeout():
		e.Kind, e.Message = Timeout, "no connection in time"
	case strings.Contains(err.Error(), "malformed HTTP"), strings.Contains(err.Error(), "headers exceeded"):
		e.Kind, e.retry, e.Message = Broken, false, "answered what is not HTTP: "+sanitise(err.Error(), key)
	}
	return e
}

// wireFactor is how many bytes on the wire one byte of text may cost: each
// token travels in some 250 bytes of JSON.
const wireFactor = 16

// body bounds a stream and keeps the reason of its end. To the SDK every end
// is a clean one: genai writes read errors to the standard log otherwise.
type body struct {
	rc    io.ReadCloser
	a     *attempt
	left  int // bytes that may still come
	event int // bytes since the last end of an event
	lines int // line ends in a row
	ended bool
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.ended {
		return 0, io.EOF
	}
	n, err := b.rc.Read(p)
	b.left -= n
	switch {
	case b.left < 0, !b.fits(p[:n]):
		b.a.fault = broken("the answer is longer than the limit of %d bytes", b.a.limits.MaxBytes)
		b.ended = true
		return 0, io.EOF
	case err != nil && !errors.Is(err, io.EOF):
		b.a.fault = &Error{Kind: Broken, Message: "the connection broke: " + sanitise(err.Error(), b.a.key), Err: err, retry: true}
		b.ended = true
		return n, io.EOF
	}
	b.ended = err != nil
	return n, err
}

// fits bounds one event, which the SDKs collect in memory before they look at it.
func (b *body) fits(p []byte) bool {
	for _, c := range p {
		switch c {
		case '\n':
			b.lines++
			if b.lines >= 2 {
				b.event = 0
			}
		case '\r':
		default:
			b.lines = 0
		}
		b.event++
	}
	return b.event <= 2*b.a.limits.MaxBytes+(64<<10)
}

// Close implements io.Closer. After a finished answer it reads the few bytes
// that end the body, so that the connection can be used again.
func (b *body) Close() error {
	if b.a.finish != "" && !b.ended {
		b.a.expect(drainTime, errDrain)
		_, _ = io.CopyN(io.Discard, b.rc, 4<<10)
	}
	// The SDKs log an error here, and nobody can act on it.
	_ = b.rc.Close()
	b.ended = true
	return nil
}

const drainTime = 20 * time.Millisecond
