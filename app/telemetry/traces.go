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

// newTracerProvider makes a provider that sends sampled spans to o.Endpoint, in batches
// and in the background. Headers for the collector come from the OpenTelemetry
// environment variable OTEL_EXPORTER_OTLP_HEADERS.
func newTracerProvider(o Options) (*sdktrace.TracerProvider, error) {
	at, err := url.Parse(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if at.Path == "" || at.Path == "/" {
		at.Path = "/v1/traces" // the path in the OTLP specification
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

// quietExporter logs once when the collector fails, and once when it works again. The
// SDK would write every failure to standard error, with a handler that all programs in
// the process share.
type quietExporter struct {
	sdktrace.SpanExporter
	log  *slog.Logger
	away atomic.Bool
}

// ExportSpans sends spans. Spans that cannot be sent are lost.
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

// Carry returns what is stored with a job that is added in ctx: the trace context
// (https://www.w3.org/TR/trace-context/) and the id of the request.
func (t *Telemetry) Carry(ctx context.Context) map[string]string {
	carried := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carried)
	if id := RequestID(ctx); id != "" {
		carried[carriedRequestID] = id
	}
	return carried
}

// resume returns a context for a job that continues the work that added the job.
func resume(ctx context.Context, j Job) context.Context {
	ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier(j.Carried))
	return withJob(ctx, j.ID, j.Carried[carriedRequestID])
}
