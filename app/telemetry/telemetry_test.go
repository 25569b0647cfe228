package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/telemetry"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func newTelemetry(t *testing.T, o telemetry.Options) *telemetry.Telemetry {
	t.Helper()
	if o.Log == nil {
		o.Log = quiet()
	}
	tell, err := telemetry.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tell
}

func scrape(t *testing.T, tell *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tell.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	return w.Body.String()
}

func TestLabelsAreBounded(t *testing.T) {
	t.Parallel()
	tell := newTelemetry(t, telemetry.Options{Providers: []string{"openai"}})
	_, end := tell.Request(t.Context(), "BREW", false)
	end("none", 405)
	for _, provider := range []string{"openai", "nobody has this"} {
		_, end := tell.ModelCall(t.Context(), provider)
		end(telemetry.OutcomeOK, 3, -1)
	}
	got := scrape(t, tell)
	for _, want := range []string{`coagent_http_requests_total{method="other",route="none",status="405"} 1`,
		`coagent_model_calls_total{outcome="ok",provider="openai"} 1`, `coagent_model_calls_total{outcome="ok",provider="other"} 1`,
		`coagent_model_tokens_total{provider="openai",type="prompt"} 3`, `coagent_model_tokens_total{provider="openai",type="completion"} 0`} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("want %s", want)
		}
	}
	if strings.Contains(got, "BREW") || strings.Contains(got, "nobody") {
		t.Error("a client's word became a label")
	}
}

func TestScrape(t *testing.T) {
	t.Parallel()
	t.Run("TwoDoNotMix", func(t *testing.T) {
		t.Parallel()
		one, two := newTelemetry(t, telemetry.Options{}), newTelemetry(t, telemetry.Options{})
		_, end := one.SocketPost(t.Context(), "r", "u")
		end("stored")
		if strings.Contains(scrape(t, two), "coagent_socket_posts_total") {
			t.Error("the other one counted too")
		}
	})
	t.Run("ADeadDatabaseCostsTwoSeconds", func(t *testing.T) {
		t.Parallel()
		var bounded atomic.Bool
		tell := newTelemetry(t, telemetry.Options{QueueAges: func(ctx context.Context) (map[string]time.Duration, error) {
			deadline, ok := ctx.Deadline()
			bounded.Store(ok && time.Until(deadline) <= 2*time.Second)
			return nil, errors.New("away")
		}})
		if got := scrape(t, tell); !strings.Contains(got, "coagent_database_up 0\n") || !bounded.Load() {
			t.Errorf("bounded: %v, got %s", bounded.Load(), got)
		}
	})
}

func TestLogger(t *testing.T) {
	t.Parallel()
	tell := newTelemetry(t, telemetry.Options{})
	var out bytes.Buffer
	log := telemetry.Logger(slog.New(slog.NewJSONHandler(&out, nil)))
	log = telemetry.Logger(log).With("part", "x")
	line := func(ctx context.Context) map[string]any {
		t.Helper()
		out.Reset()
		log.InfoContext(ctx, "line")
		if strings.Count(out.String(), "request_id") > 1 {
			t.Errorf("an id stands there twice: %s", out.String())
		}
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	request := telemetry.WithRequestID(t.Context(), "r1")
	job, _ := tell.Job(t.Context(), telemetry.Job{ID: 7, Kind: "k", Carried: tell.Carry(request)})
	turn, _ := tell.Turn(job, "t1", "room", "agent", 1)
	for name, c := range map[string]struct {
		ctx  context.Context
		want map[string]any
	}{
		"Nothing": {t.Context(), map[string]any{"request_id": nil, "job": nil, "turn": nil}},
		"Request": {request, map[string]any{"request_id": "r1", "job": nil}},
		"Job":     {job, map[string]any{"request_id": "r1", "job": 7.0, "turn": nil}},
		"Turn":    {turn, map[string]any{"request_id": "r1", "job": 7.0, "turn": "t1", "part": "x"}},
	} {
		got := line(c.ctx)
		for id, want := range c.want {
			if got[id] != want {
				t.Errorf("%s: %s is %v, want %v", name, id, got[id], want)
			}
		}
	}
}

func TestCarry(t *testing.T) {
	t.Parallel()
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	t.Run("PassesThroughWhereTracesAreOff", func(t *testing.T) {
		t.Parallel()
		tell := newTelemetry(t, telemetry.Options{})
		ctx, _ := tell.Job(t.Context(), telemetry.Job{ID: 1, Carried: map[string]string{"traceparent": traceparent}})
		if got := tell.Carry(ctx)["traceparent"]; got != traceparent {
			t.Errorf("got %q, want %q", got, traceparent)
		}
	})
	t.Run("NothingFromNothing", func(t *testing.T) {
		t.Parallel()
		if got := newTelemetry(t, telemetry.Options{}).Carry(t.Context()); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	})
	t.Run("GoesOnInTheSameTrace", func(t *testing.T) {
		t.Parallel()
		tell := newTelemetry(t, telemetry.Options{Endpoint: "http://127.0.0.1:1", Sample: 1})
		ctx, _ := tell.Job(t.Context(), telemetry.Job{ID: 1, Carried: map[string]string{"traceparent": traceparent}})
		got := tell.Carry(ctx)["traceparent"]
		if !strings.HasPrefix(got, traceparent[:35]) || !strings.HasSuffix(got, "-01") || got == traceparent {
			t.Errorf("got %q, want a new span of the trace of %q", got, traceparent)
		}
	})
	t.Run("RubbishIsIgnored", func(t *testing.T) {
		t.Parallel()
		tell := newTelemetry(t, telemetry.Options{})
		ctx, _ := tell.Job(t.Context(), telemetry.Job{ID: 1, Carried: map[string]string{"traceparent": "rubbish", "x": "y"}})
		if got := tell.Carry(ctx); len(got) != 0 {
			t.Errorf("got %v, want nothing", got)
		}
	})
}

// A collector that never answers must not hold up a stop.
func TestCloseGivesUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer s.Close()
	defer close(release)
	var out bytes.Buffer
	tell := newTelemetry(t, telemetry.Options{Endpoint: s.URL, Sample: 1, Log: slog.New(slog.NewTextHandler(&out, nil))})
	_, end := tell.Request(t.Context(), http.MethodGet, false)
	end("/", 200)
	started := time.Now()
	tell.Close(t.Context())
	if !strings.Contains(out.String(), "the last traces were not sent") {
		t.Errorf("the log says %q", out.String())
	}
	if took := time.Since(started); took > 6*time.Second {
		t.Errorf("it took %s", took)
	}
}

func TestProbesAreNoTraces(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { sent.Add(1) }))
	defer s.Close()
	for probe, want := range map[bool]int64{true: 0, false: 1} {
		sent.Store(0)
		tell := newTelemetry(t, telemetry.Options{Endpoint: s.URL, Sample: 1})
		_, end := tell.Request(t.Context(), http.MethodGet, probe)
		end("/healthz", 200)
		tell.Close(t.Context())
		if got := sent.Load(); got != want {
			t.Errorf("probe %v: got %d sends, want %d", probe, got, want)
		}
	}
}
