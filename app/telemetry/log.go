package telemetry

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// ids are the ids of the work that a context belongs to.
type ids struct {
	request string // the id of the HTTP request or socket that began it
	job     int64
	turn    string
}

type idsKey struct{}

func idsOf(ctx context.Context) ids {
	i, _ := ctx.Value(idsKey{}).(ids)
	return i
}

// WithRequestID returns a context that belongs to the request id.
func WithRequestID(ctx context.Context, id string) context.Context {
	i := idsOf(ctx)
	i.request = id
	return context.WithValue(ctx, idsKey{}, i)
}

// RequestID returns the id of the request that began the work of ctx, "" for none.
func RequestID(ctx context.Context) string { return idsOf(ctx).request }

func withJob(ctx context.Context, id int64, request string) context.Context {
	return context.WithValue(ctx, idsKey{}, ids{request: request, job: id})
}

func withTurn(ctx context.Context, id string) context.Context {
	i := idsOf(ctx)
	i.turn = id
	return context.WithValue(ctx, idsKey{}, i)
}

// Logger returns a logger that adds the ids of the context to each log line:
// request_id, job, turn and trace_id, where they exist. A logger that does this already
// is returned unchanged.
func Logger(log *slog.Logger) *slog.Logger {
	if _, done := log.Handler().(idHandler); done {
		return log
	}
	return slog.New(idHandler{log.Handler()})
}

type idHandler struct{ slog.Handler }

// Handle writes the log line with the ids of ctx.
func (h idHandler) Handle(ctx context.Context, rec slog.Record) error {
	i := idsOf(ctx)
	if i.request != "" {
		rec.AddAttrs(slog.String("request_id", i.request))
	}
	if i.job != 0 {
		rec.AddAttrs(slog.Int64("job", i.job))
	}
	if i.turn != "" {
		rec.AddAttrs(slog.String("turn", i.turn))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsSampled() {
		rec.AddAttrs(slog.String("trace_id", span.TraceID().String()))
	}
	return h.Handler.Handle(ctx, rec)
}

// WithAttrs keeps the ids on derived handlers.
func (h idHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return idHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the ids on derived handlers.
func (h idHandler) WithGroup(name string) slog.Handler {
	return idHandler{h.Handler.WithGroup(name)}
}

// Millis is an attribute with a duration in milliseconds.
func Millis(key string, d time.Duration) slog.Attr {
	return slog.Float64(key, float64(d.Microseconds())/1000)
}
