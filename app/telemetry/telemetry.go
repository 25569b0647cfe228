package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Options are the settings of a Telemetry.
type Options struct {
	Endpoint  string   // OTLP over HTTP, for example http://localhost:4318; empty turns traces off
	Service   string   // the service's name in traces
	Instance  string   // identifies this process among those of the service
	Sample    float64  // the share of traces that are kept, 0 to 1
	Providers []string // the provider names that may become labels
	Log       *slog.Logger

	Version string // of the program

	// Sockets and QueueAges are called at each scrape, Standing at most every standingAge.
	// Each may be nil.
	Sockets   func() Sockets
	QueueAges func(ctx context.Context) (map[string]time.Duration, error)
	Standing  func(ctx context.Context) (Standing, error)
}

// Telemetry has one program's counters and tracer. End it with Close.
type Telemetry struct {
	registry *prometheus.Registry
	counted  *counters
	tracer   trace.Tracer
	tracing  bool
	log      *slog.Logger
	close    func(context.Context) error
}

// New makes a Telemetry. It connects to nothing. It returns an error when Endpoint is
// not a URL.
func New(o Options) (*Telemetry, error) {
	t := &Telemetry{registry: prometheus.NewRegistry(), counted: newCounters(o.Providers), tracer: noop.Tracer{}, log: o.Log,
		close: func(context.Context) error { return nil }}
	if err := t.register(o); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	if o.Endpoint == "" {
		return t, nil
	}
	provider, err := newTracerProvider(o)
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	t.tracer, t.tracing, t.close = provider.Tracer("coagent"), true, provider.Shutdown
	return t, nil
}

// closeTimeout bounds how long the last traces may delay a stop. A collector that is
// not reachable must not delay it for longer.
const closeTimeout = 3 * time.Second

// Close sends the remaining traces. It gives up when ctx ends or after three seconds.
// It logs a failure and returns no error, because a stop must not fail for it.
func (t *Telemetry) Close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := t.close(ctx); err != nil {
		t.log.WarnContext(ctx, "the last traces were not sent", "err", err)
	}
}

// span begins a span if traces are on.
func (t *Telemetry) span(ctx context.Context, name string, kind trace.SpanKind) (context.Context, trace.Span) {
	if !t.tracing {
		return ctx, noop.Span{}
	}
	return t.tracer.Start(ctx, name, trace.WithSpanKind(kind))
}

// Request begins to follow an HTTP request. probe: the request is a health check of an
// orchestrator. These come all the time and are not worth following. The returned
// function takes the route's template and the status.
func (t *Telemetry) Request(ctx context.Context, method string, probe bool) (context.Context, func(route string, status int)) {
	started := time.Now()
	method = knownMethod(method)
	span := trace.Span(noop.Span{})
	if !probe {
		ctx, span = t.span(ctx, method, trace.SpanKindServer)
	}
	return ctx, func(route string, status int) {
		t.counted.request(route, method, status, time.Since(started))
		if !span.IsRecording() {
			return
		}
		span.SetName(method + " " + route)
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status), attribute.String("request.id", RequestID(ctx)))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
	}
}

// SocketPost begins to follow a message that came over a socket. The returned function
// takes the outcome, one of the program's own words.
func (t *Telemetry) SocketPost(ctx context.Context, room, user string) (context.Context, func(outcome string)) {
	ctx, span := t.span(ctx, "socket post", trace.SpanKindServer)
	return ctx, func(outcome string) {
		t.counted.socketPosts.WithLabelValues(outcome).Inc()
		if span.IsRecording() {
			span.SetAttributes(attribute.String("room.id", room), attribute.String("user.id", user),
				attribute.String("request.id", RequestID(ctx)), attribute.String("outcome", outcome))
			span.End()
		}
	}
}

// Job is a background job at its beginning.
type Job struct {
	ID      int64
	Kind    string
	Attempt int
	Waited  time.Duration     // the time since it was due
	Carried map[string]string // what Carry returned where the job was added
}

// Job begins to follow a job, as a part of the work that added it. The returned
// function takes the outcome, one of the queue's words.
func (t *Telemetry) Job(ctx context.Context, j Job) (context.Context, func(outcome string, failed bool)) {
	started := time.Now()
	ctx, span := t.span(resume(ctx, j), "job "+j.Kind, trace.SpanKindConsumer)
	return ctx, func(outcome string, failed bool) {
		t.counted.job(j.Kind, outcome, j.Waited, time.Since(started))
		if !span.IsRecording() {
			return
		}
		span.SetAttributes(attribute.Int64("job.id", j.ID), attribute.String("job.kind", j.Kind),
			attribute.Int("job.attempt", j.Attempt), attribute.String("outcome", outcome))
		if failed {
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
	}
}

// Turn begins to follow one attempt at an agent's turn.
func (t *Telemetry) Turn(ctx context.Context, id, room, agent string, attempt int) (context.Context, func()) {
	ctx, span := t.span(withTurn(ctx, id), "turn", trace.SpanKindInternal)
	if span.IsRecording() {
		span.SetAttributes(attribute.String("turn.id", id), attribute.String("room.id", room),
			attribute.String("agent.id", agent), attribute.Int("turn.attempt", attempt))
	}
	return ctx, func() { span.End() }
}

// TurnEnded counts how an attempt at a turn ended, and why. outcome and reason are
// words of the program. took is the time since the turn was decided.
func (t *Telemetry) TurnEnded(ctx context.Context, outcome, reason string, took time.Duration) {
	t.counted.turns.WithLabelValues(outcome, reason).Inc()
	t.counted.turnSeconds.WithLabelValues(outcome).Observe(took.Seconds())
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("outcome", outcome), attribute.String("reason", reason))
	}
}

// ModelCall begins to follow one call of a model with one key. The returned function
// takes the outcome, a word of the program, and the tokens that the provider counted.
func (t *Telemetry) ModelCall(ctx context.Context, provider string) (context.Context, func(outcome string, promptTokens, completionTokens int)) {
	started := time.Now()
	provider = t.counted.provider(provider)
	ctx, span := t.span(ctx, "model call", trace.SpanKindClient)
	return ctx, func(outcome string, promptTokens, completionTokens int) {
		t.counted.modelCall(provider, outcome, promptTokens, completionTokens, time.Since(started))
		if !span.IsRecording() {
			return
		}
		span.SetAttributes(attribute.String("provider", provider), attribute.String("outcome", outcome),
			attribute.Int("tokens.prompt", promptTokens), attribute.Int("tokens.completion", completionTokens))
		if outcome != OutcomeOK {
			span.SetStatus(codes.Error, outcome)
		}
		span.End()
	}
}

// OutsideMessage counts a message to an agent outside this program (out) or from one (in).
// outcome is a word of the program.
func (t *Telemetry) OutsideMessage(direction, outcome string) {
	t.counted.outside.WithLabelValues(direction, outcome).Inc()
}

// OutcomeOK is the outcome of a model call that returned a whole answer.
const OutcomeOK = "ok"

// MessageStored begins to follow the storing of an agent's message.
func (t *Telemetry) MessageStored(ctx context.Context, id, room string) (context.Context, func(err error)) {
	ctx, span := t.span(ctx, "message", trace.SpanKindInternal)
	return ctx, func(err error) {
		if !span.IsRecording() {
			return
		}
		span.SetAttributes(attribute.String("message.id", id), attribute.String("room.id", room))
		if err != nil {
			span.SetStatus(codes.Error, "not stored")
		}
		span.End()
	}
}

// Posted puts the ids of a person's message on the span in which it was posted.
func (t *Telemetry) Posted(ctx context.Context, id, room string, seq int64) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.SetAttributes(attribute.String("message.id", id), attribute.String("room.id", room), attribute.Int64("message.seq", seq))
	}
}

// BudgetRefused counts a call of a model that a budget did not allow. reason is one of the
// program's own words.
func (t *Telemetry) BudgetRefused(reason string) {
	t.counted.budgetRefused.WithLabelValues(reason).Inc()
}

// UsageExpired counts a call that was not settled in time.
func (t *Telemetry) UsageExpired() { t.counted.usageOdd.WithLabelValues("expired").Inc() }

// UsageOverrun counts a call that used more than its worst case.
func (t *Telemetry) UsageOverrun() { t.counted.usageOdd.WithLabelValues("overrun").Inc() }
