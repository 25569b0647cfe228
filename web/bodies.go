package web

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/wording"
)

// One address or person may have http.bodies_limit divided by these. An address gets more
// than a person: a whole school may share one.
const (
	addressShare = 2
	personShare  = 4
)

var errBusy = &app.Error{Kind: app.KindUnavailable, Code: wording.Busy, RetryAfter: 5 * time.Second,
	Message: "The server is taking in as much as it can hold. Try again in 5 s."}

// bodies counts all bodies that the process reads or works on. A body counts with its
// declared length, from the moment when its head has passed the checks until the request
// is answered. A body in chunks counts as it comes.
type bodies struct {
	most int64
	mu   sync.Mutex
	held int64
	of   map[string]int64 // by person and by address
}

func newBodies(cfg *config.HTTP) *bodies {
	most := max(cfg.BodiesLimit, personShare*cfg.BodyLimit, personShare*cfg.UploadLimit)
	return &bodies{most: int64(most), of: map[string]int64{}}
}

// take counts n more bytes for a request. It returns false when that is too many.
func (b *bodies) take(in *incoming, n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.held+n > b.most, b.of[in.address]+n > b.most/addressShare:
		return false
	case in.person != "" && b.of[in.person]+n > b.most/personShare:
		return false
	}
	b.add(in, n)
	return true
}

// give gives back all bytes that were counted for a request.
func (b *bodies) give(in *incoming) {
	if in.held > 0 {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.add(in, -in.held)
	}
}

func (b *bodies) add(in *incoming, n int64) {
	in.held += n
	b.held += n
	for _, holder := range []string{in.address, in.person} {
		if holder == "" {
			continue
		}
		if b.of[holder] += n; b.of[holder] <= 0 {
			delete(b.of, holder)
		}
	}
}

// incoming is the body of a request; at first nothing of it has been read.
type incoming struct {
	stream  io.Reader
	conn    *conn // nil in tests without a network
	length  int   // as declared, in bytes; -1 when it comes in chunks
	read    int
	whole   bool // it was read to its end
	broken  bool // its end cannot be found any more
	held    int64
	person  string // who sends it, "" when unknown
	address string
}

type incomingKey struct{}

// arrive records that a request has a body. It reads nothing of the body.
func arrive(ctx *fasthttp.RequestCtx) *incoming {
	length := declaredLength(ctx.Request.Header.RawHeaders())
	if length >= 0 {
		ctx.Request.Header.SetContentLength(length) // see boundsOf
	}
	stream := ctx.RequestBodyStream()
	if stream == nil {
		return nil
	}
	in := &incoming{stream: stream, length: length}
	in.conn, _ = ctx.Conn().(*conn)
	ctx.SetUserValue(incomingKey{}, in)
	return in
}

// receive reads the body of a request after the head has passed all checks: the route,
// the caller, the length. person is "" on public routes.
func (s *Server) receive(c *fiber.Ctx, most config.Bytes, person string) error {
	in, _ := c.Context().UserValue(incomingKey{}).(*incoming)
	if in == nil {
		return nil
	}
	if person != "" {
		in.person = "person " + person
	}
	in.address = "address " + limit.NetworkOf(s.clientAddress(c))
	body, err := in.readAll(s.bodies, int(most))
	if err != nil {
		return err
	}
	c.Request().SetBodyRaw(body)
	return nil
}

// firstPiece is how many bytes are allocated before any of the body has come.
const firstPiece = 4 << 10

// readAll reads a body whose size may be up to most bytes. It allocates according to what
// has come, not to what was declared.
func (in *incoming) readAll(total *bodies, most int) ([]byte, error) {
	// One more byte shows that a body in chunks is too large.
	size := most + 1
	if in.length > most {
		return nil, fiber.ErrRequestEntityTooLarge
	}
	if in.length >= 0 {
		size = in.length
		if !total.take(in, int64(size)) {
			return nil, errBusy
		}
	}
	var body []byte
	for in.read < size {
		if len(body) == cap(body) {
			room := min(max(2*cap(body), firstPiece), size)
			if in.length < 0 && !total.take(in, int64(room-cap(body))) {
				return nil, errBusy
			}
			body = append(make([]byte, 0, room), body...)
		}
		n, err := in.stream.Read(body[len(body):cap(body)])
		body, in.read = body[:len(body)+n], in.read+n
		if in.endsWith(err) {
			in.whole = true
			if len(body) > most {
				return nil, fiber.ErrRequestEntityTooLarge
			}
			return body, nil
		}
		if err != nil {
			in.broken = true
			return nil, unreadable(err)
		}
	}
	if in.length < 0 {
		return nil, fiber.ErrRequestEntityTooLarge
	}
	in.whole = true
	return body, nil
}

// endsWith tells whether an error of the stream is the end of a body that has come whole. A
// body in chunks ends with a mark. fasthttp reports a connection that ends in its place in
// the same way, but then the connection was read to its end.
func (in *incoming) endsWith(err error) bool {
	return errors.Is(err, io.EOF) && (in.read == in.length || in.length < 0 && (in.conn == nil || !in.conn.ended))
}

// unreadable is the answer to a body that ended too early.
func unreadable(err error) error {
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		return fiber.ErrRequestTimeout
	}
	return fiber.ErrBadRequest
}

// skipBytes is how much is read of an unwanted body, so that its connection can be kept.
// Browsers send such bodies with an expired session, for example.
const skipBytes = 64 << 10

// skipPause is how long the rest of an unwanted body may keep the client's answer back.
const skipPause = 250 * time.Millisecond

// finish ends a request that brought a body. The body counts no longer. Its unread rest
// must not be taken for the next request, so the connection is closed when skipping
// fails.
func (s *Server) finish(ctx *fasthttp.RequestCtx, in *incoming) {
	s.bodies.give(in)
	if !in.whole && (in.broken || !in.skip(ctx.Conn())) {
		endUnread(ctx)
	}
}

func (in *incoming) skip(nc net.Conn) bool {
	left := skipBytes
	if in.length >= 0 {
		left = in.length - in.read
	}
	if left > skipBytes || nc.SetReadDeadline(time.Now().Add(skipPause)) != nil {
		return false
	}
	buf := make([]byte, 4<<10)
	for left > 0 {
		n, err := in.stream.Read(buf)
		left -= n
		if errors.Is(err, io.EOF) && in.length < 0 {
			return true
		}
		if err != nil && left > 0 {
			return false
		}
	}
	return in.length >= 0
}
