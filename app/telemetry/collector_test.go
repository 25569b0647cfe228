package telemetry

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// serve answers the requests of a test with these statuses in turn.
func serve(t *testing.T, statuses ...int) (*collector, *[]*http.Request) {
	t.Helper()
	var seen []*http.Request
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var got tracepb.TracesData
		if err != nil || proto.Unmarshal(body, &got) != nil || len(got.GetResourceSpans()) != 1 {
			t.Errorf("not the spans that were sent: %q, %v", body, err)
		}
		status := statuses[min(len(seen), len(statuses)-1)]
		seen = append(seen, r) // one request at a time
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	at, err := url.Parse(s.URL + "/v1/traces")
	if err != nil {
		t.Fatal(err)
	}
	return newCollector(at), &seen
}

var someSpans = []*tracepb.ResourceSpans{{SchemaUrl: "test"}}

func TestCollector(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "Api-Key=a%20b, team = bio,broken,=x")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "team=chem")
	for name, tt := range map[string]struct {
		statuses []int
		tries    int
		ok       bool
	}{
		"Taken":       {[]int{200}, 1, true},
		"BusyFirst":   {[]int{429, 200}, 2, true},
		"Down":        {[]int{502, 503, 202}, 3, true},
		"Refused":     {[]int{400}, 1, false},
		"WrongKey":    {[]int{401}, 1, false},
		"NotHere":     {[]int{404}, 1, false},
		"ServerError": {[]int{500}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			c, seen := serve(t, tt.statuses...)
			if err := c.UploadTraces(t.Context(), someSpans); (err == nil) != tt.ok {
				t.Errorf("got %v", err)
			}
			if len(*seen) != tt.tries {
				t.Fatalf("tries: got %d, want %d", len(*seen), tt.tries)
			}
			h := (*seen)[0].Header
			if h.Get("Content-Type") != "application/x-protobuf" || h.Get("Api-Key") != "a b" || h.Get("Team") != "chem" {
				t.Errorf("headers: %v", h)
			}
		})
	}
}

func TestCollectorGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, 503)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.UploadTraces(ctx, someSpans); err == nil || strings.Contains(err.Error(), "permanent") {
		t.Errorf("got %v", err)
	}
}
