package telemetry

import (
	"context"
	"log/slog"
	"net/url"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newTracerProvider sends sampled spans to o.Endpoint, in batches and in the
// background. Headers for the collector come from the environment variables of
// the OpenTelemetry specification (OTEL_EXPORTER_OTLP_HEADERS).
func newTracerProvider(o Options) (*sdktrace.TracerProvider, error) {
	at, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces" // as the OTLP specification places it
	}
	exporter, err := otlptrace.New(context.Background(), newCollector(at))
	if err != nil {
		return nil, err
	}
	return sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(&quietExporter{SpanExporter: exporter, log: o.Log}),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(o.Sample))),
		sdktrace.WithResource(resource.NewSchemaless(attribute.String("service.name", o.Service),
			attribute.String("service.instance.id", o.Instance))),
	), nil
}

// quietExporter logs when the collector fails and when it is back. The SDK
// would write every failure to standard error by a handler that all programs
// of a process share.
type quietExporter struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans sends spans; what cannot be sent is lost.
func (e *quietExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.away.Swap(true):
		e.log.WarnContext(ctx, "traces cannot be sent", "err", err)
	case err == nil && e.away.Swap(false):
		e.log.InfoContext(ctx, "traces are sent again")
	}
	return nil
}

const carriedRequestID = "request_id"

// Carry is what goes along with a job that is added in ctx: the trace context
// (https://www.w3.org/TR/trace-context/) and the id of the request.
func (t *Telemetry) Carry(ctx context.Context) map[string]string {
	carried := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carried)
	if id := RequestID(ctx); id != "" {
		carried[carriedRequestID] = id
	}
	return carried
}

// resume makes a job's context go on where it was added.
func resume(ctx context.Context, j Job) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(j.Carried))
	return withJob(ctx, j.ID, j.Carried[carriedRequestID])
}
