package apptest

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// Collector is where traces go: a real HTTP server that speaks OTLP and keeps
// what it is sent.
type Collector struct {
	URL string

	mu    sync.Mutex
	spans []Span
}

// Span is one step of a trace as a Collector was told of it.
type Span struct {
	Trace, ID, Parent string // hexadecimal; Parent is empty for the first of a trace
	Name, Instance    string // what it was, and which process told of it
	Attributes        map[string]string
}

// NewCollector serves a Collector until the test ends.
func NewCollector(t testing.TB) *Collector {
	t.Helper()
	c := new(Collector)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var sent collector.ExportTraceServiceRequest
		if err == nil && r.URL.Path == "/v1/traces" {
			err = proto.Unmarshal(body, &sent)
		}
		if err != nil {
			t.Errorf("collector: %s: %v", r.URL.Path, err)
		}
		c.take(&sent)
		w.Header().Set("Content-Type", "application/x-protobuf")
	}))
	t.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

func (c *Collector) take(sent *collector.ExportTraceServiceRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, from := range sent.ResourceSpans {
		instance := attributes(from.Resource.Attributes)["service.instance.id"]
		for _, scope := range from.ScopeSpans {
			for _, s := range scope.Spans {
				c.spans = append(c.spans, Span{Trace: hex.EncodeToString(s.TraceId), ID: hex.EncodeToString(s.SpanId),
					Parent: hex.EncodeToString(s.ParentSpanId), Name: s.Name, Instance: instance, Attributes: attributes(s.Attributes)})
			}
		}
	}
}

func attributes(list []*common.KeyValue) map[string]string {
	m := map[string]string{}
	for _, a := range list {
		switch v := a.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[a.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[a.Key] = fmt.Sprint(v.IntValue)
		}
	}
	return m
}

// Spans are all that have come so far.
func (c *Collector) Spans() []Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.spans)
}

// Chain follows a trace from the span named first through children of the
// given names, and returns them; it fails the test when one is missing or is
// of another trace.
func (c *Collector) Chain(t testing.TB, first string, then ...string) []Span {
	t.Helper()
	all := c.Spans()
	i := slices.IndexFunc(all, func(s Span) bool { return s.Name == first && s.Parent == "" })
	if i < 0 {
		t.Fatalf("no trace begins with %q: %s", first, listed(all))
	}
	chain := []Span{all[i]}
	for _, name := range then {
		parent := chain[len(chain)-1]
		i := slices.IndexFunc(all, func(s Span) bool { return s.Name == name && s.Parent == parent.ID && s.Trace == parent.Trace })
		if i < 0 {
			t.Fatalf("%q has no child %q: %s", parent.Name, name, listed(all))
		}
		chain = append(chain, all[i])
	}
	return chain
}

func listed(spans []Span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "\n%s: %s <- %s %s %v", s.Trace, s.ID, s.Parent, s.Name, s.Attributes)
	}
	return b.String()
}
