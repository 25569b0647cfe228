package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net"
	"reflect"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/valyala/fasthttp"

	"github.com/coagent-studio/coagent/store"
)

const (
	// listStep is how many bytes of a list are encoded at a time. A shorter list is sent
	// whole, with its length.
	listStep = 32 << 10
	// streamTimeout bounds a list, as exportTimeout bounds an export.
	streamTimeout = exportTimeout
)

// rowSource is a list whose rows are read in portions. Most is how many bytes of rows are
// in memory at once.
type rowSource[R any] interface {
	Rows(ctx context.Context) iter.Seq2[*R, error]
	Most() int64
}

// rowMost is more bytes than a row without a long text takes.
const rowMost = 1 << 10

// loaded are rows without long texts, at most one page of them. They are in memory once,
// in their final form only. That is a quarter of what callers of Most count for.
type loaded[R any] []R

// Most returns about how many bytes the rows count for.
func (rows loaded[R]) Most() int64 { return rows.Size() / 4 }

// Size returns about how many bytes the rows take.
func (rows loaded[R]) Size() int64 { return rowMost * int64(len(rows)) }

// Rows yields the rows.
func (rows loaded[R]) Rows(context.Context) iter.Seq2[*R, error] {
	return func(yield func(*R, error) bool) {
		for i := range rows {
			if !yield(&rows[i], nil) {
				return
			}
		}
	}
}

// few loads rows without long texts, up to most of them. It reserves their bytes before
// it loads them, so that a request which waits for room holds no rows.
func few[R any](ctx context.Context, s *Server, most int, load func() ([]R, error)) (loaded[R], error) {
	size := int64(most) * rowMost
	if err := s.reserve(ctx, requestOf(ctx), pageRoom(size/4, size)); err != nil {
		return nil, err
	}
	return load()
}

// list is a body that is an array. Its rows are read, encoded and sent a few at a time,
// however many there are and however slow the reader is.
type list[O any] struct{ *arrayStream }

// Schema returns the schema of the array.
func (list[O]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[[]O]())
}

// listOut is the answer with a list.
type listOut[O any] struct{ Body list[O] }

// whole streams all rows, for the lists of the contract.
func whole[R, O any](ctx context.Context, s *Server, rows rowSource[R], form func(*R) O) (*listOut[O], error) {
	a, err := stream(ctx, s, rows, form, "[", "]\n")
	return &listOut[O]{list[O]{a}}, err
}

// linked is whole for the lists of the contract of which a client asks for a part.
func linked[R, O any](ctx context.Context, s *Server, rows *store.Listing[R], form func(*R) O, p PageIn) (*pageOut[O], error) {
	all, err := whole(ctx, s, rows, form)
	if err != nil {
		return nil, err
	}
	out := &pageOut[O]{Body: all.Body}
	if n := rows.Len(); n >= p.Limit {
		out.Link = requestOf(ctx).next("skip", strconv.Itoa(p.Skip+n))
	}
	return out, nil
}

// around is a body that is an object whose last member is a list. The list is sent as in
// list.
type around[A any] struct{ *arrayStream }

// Schema returns the schema of the object.
func (around[A]) Schema(r huma.Registry) *huma.Schema {
	return r.Schema(reflect.TypeFor[A](), true, "")
}

// enclosed streams rows as the last member of object, in which that member must be an
// empty list.
func enclosed[R, O, A any](ctx context.Context, s *Server, object A, rows rowSource[R], form func(*R) O) (around[A], error) {
	const tail = "]}\n"
	text, err := encoded(object)
	if err != nil {
		return around[A]{}, err
	}
	head, ok := strings.CutSuffix(text, tail)
	if !ok {
		return around[A]{}, fmt.Errorf("the last member of a %T is no empty list", object)
	}
	a, err := stream(ctx, s, rows, form, head, tail)
	return around[A]{a}, err
}

// alone is the object without a list, where a client did not ask for one.
func alone[A any](ctx context.Context, s *Server, object A) (around[A], error) {
	text, err := encoded(object)
	if err != nil {
		return around[A]{}, err
	}
	a, err := stream(ctx, s, loaded[struct{}]{}, func(row *struct{}) struct{} { return *row }, text, "")
	return around[A]{a}, err
}

func encoded(object any) (string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(object); err != nil {
		return "", fmt.Errorf("encode what a list is in: %w", err)
	}
	return b.String(), nil
}

func stream[R, O any](ctx context.Context, s *Server, rows rowSource[R], form func(*R) O, head, tail string) (*arrayStream, error) {
	r := requestOf(ctx)
	// Count a row several times: it is in memory as it was read, encoded, and in what is
	// being sent.
	if err := s.reserve(ctx, r, 4*rows.Most()+2*listStep+int64(len(head))); err != nil {
		return nil, err
	}
	// The rows are read after the handler has returned, while they are being sent.
	life, end := context.WithTimeout(context.WithoutCancel(ctx), streamTimeout)
	detach := context.AfterFunc(ctx, end)
	next, stop := iter.Pull2(rows.Rows(life))
	a := &arrayStream{log: s.log, life: life, head: head, tail: tail}
	a.pull = func() (any, bool, error) {
		row, err, ok := next()
		if !ok || err != nil {
			return nil, false, err
		}
		return form(row), true, nil
	}
	a.end = func() { stop(); end() }
	r.stream = a
	if err := a.fill(); err != nil {
		return nil, err
	}
	detach()
	return a, nil
}

// arrayStream is an array while it is sent, with the texts before and behind its rows.
type arrayStream struct {
	log        *slog.Logger
	life       context.Context
	pull       func() (any, bool, error)
	end        func()
	head, tail string
	buf        bytes.Buffer
	rows       int
	all        bool // every row has been encoded, and the tail
	conn       net.Conn
	ticket     *ticket
	closed     bool
}

// fill encodes rows until the buffer holds listStep bytes or the list ends.
func (a *arrayStream) fill() error {
	if a.buf.Cap() > 4*listStep {
		a.buf = bytes.Buffer{} // free the space of a large row that was sent
	}
	enc := a.encoder()
	for !a.all && a.buf.Len() < listStep {
		row, more, err := a.pull()
		if err != nil {
			return err
		}
		if a.rows == 0 {
			a.buf.WriteString(a.head)
		}
		if !more {
			a.buf.WriteString(a.tail)
			a.all = true
			return nil
		}
		if err := a.add(enc, row); err != nil {
			return err
		}
	}
	return nil
}

// encoder is what add encodes rows with.
func (a *arrayStream) encoder() *json.Encoder {
	enc := json.NewEncoder(&a.buf)
	enc.SetEscapeHTML(false)
	return enc
}

// add encodes one more row.
func (a *arrayStream) add(enc *json.Encoder, row any) error {
	if a.rows++; a.rows > 1 {
		a.buf.WriteByte(',')
	}
	if err := enc.Encode(row); err != nil {
		return fmt.Errorf("encode a row: %w", err)
	}
	a.buf.Truncate(a.buf.Len() - 1) // the encoder's line end
	return nil
}

// send answers with the array: a short one at once, a long one as a stream.
func (a *arrayStream) send(ctx *fasthttp.RequestCtx) {
	if a.all {
		// Writing to a request's context cannot fail.
		_, _ = ctx.Write(a.buf.Bytes())
		return
	}
	a.conn = ctx.Conn()
	ctx.SetBodyStream(a, -1)
}

// Read returns the next bytes. An error ends the connection before the answer is
// complete, so that nobody takes a part for the whole list.
func (a *arrayStream) Read(p []byte) (n int, err error) {
	defer func() {
		if v := recover(); v != nil {
			a.log.LogAttrs(a.life, slog.LevelError, "panic", slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			n, err = 0, errors.Join(fmt.Errorf("panic: %v", v), a.Close())
		}
	}()
	if a.buf.Len() == 0 {
		if a.all {
			return 0, io.EOF
		}
		if err := a.fill(); err != nil {
			a.log.LogAttrs(a.life, slog.LevelWarn, "a list broke off", slog.String("err", err.Error()))
			return 0, err
		}
		// The server's own deadline is for answers that end soon.
		if err := a.conn.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil {
			return 0, err
		}
	}
	return a.buf.Read(p)
}

// Close releases what the list holds. The server calls it when the answer is sent or its
// reader has gone.
func (a *arrayStream) Close() error {
	if !a.closed {
		a.closed = true
		a.end()
		a.buf = bytes.Buffer{}
		if a.ticket != nil {
			a.ticket.done()
		}
	}
	return nil
}

// marshal writes a body as JSON. A list sends itself.
func marshal(w io.Writer, v any) error {
	sender, ok := v.(interface{ send(*fasthttp.RequestCtx) })
	ctx, isRequest := w.(*fasthttp.RequestCtx)
	if !ok || !isRequest {
		return huma.DefaultJSONFormat.Marshal(w, v)
	}
	sender.send(ctx)
	return nil
}
