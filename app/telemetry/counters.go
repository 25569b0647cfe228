package telemetry

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// counters count what happened since the start.
type counters struct {
	providers []string

	requests       *prometheus.CounterVec
	requestSeconds *prometheus.HistogramVec
	socketPosts    *prometheus.CounterVec
	jobs           *prometheus.CounterVec
	jobSeconds     *prometheus.HistogramVec
	jobWaitSeconds *prometheus.HistogramVec
	turns          *prometheus.CounterVec
	turnSeconds    *prometheus.HistogramVec
	modelCalls     *prometheus.CounterVec
	modelSeconds   *prometheus.HistogramVec
	tokens         *prometheus.CounterVec
	budgetRefused  *prometheus.CounterVec
	usageOdd       *prometheus.CounterVec
	outside        *prometheus.CounterVec
}

func newCounters(providers []string) *counters {
	quick := []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	slow := []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300}
	return &counters{
		providers:      providers,
		requests:       counter("http_requests_total", "HTTP requests by the template of their route.", "route", "method", "status"),
		requestSeconds: histogram("http_request_seconds", "Time to answer an HTTP request.", quick, "route", "method"),
		socketPosts:    counter("socket_posts_total", "Messages that people sent over sockets.", "outcome"),
		jobs:           counter("jobs_total", "Background jobs that were run.", "kind", "outcome"),
		jobSeconds:     histogram("job_seconds", "Time that a job ran.", slow, "kind"),
		jobWaitSeconds: histogram("job_wait_seconds", "Time from when a job was due until it began.", quick, "kind"),
		turns:          counter("turns_total", "Attempts at agents' turns that ended.", "outcome", "reason"),
		turnSeconds:    histogram("turn_seconds", "Time from the decision that an agent speaks to the end of an attempt.", slow, "outcome"),
		modelCalls:     counter("model_calls_total", "Calls of models, each with one key.", "provider", "outcome"),
		modelSeconds:   histogram("model_call_seconds", "Time of a model call, to the end of its answer.", slow, "provider"),
		tokens:         counter("model_tokens_total", "Tokens as the providers count them; type is prompt or completion.", "provider", "type"),
		budgetRefused:  counter("budget_refused_total", "Calls of models that a budget did not allow.", "reason"),
		usageOdd: counter("model_usage_odd_total", "Calls of models whose use was not as booked: expired (charged with the worst case) or "+
			"overrun (more than the worst case).", "what"),
		outside: counter("outside_messages_total", "Messages to and from agents outside this program; direction is in or out.", "direction", "outcome"),
	}
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "coagent", Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "coagent", Name: name, Help: help, Buckets: buckets}, labels)
}

func (c *counters) all() []prometheus.Collector {
	return []prometheus.Collector{c.requests, c.requestSeconds, c.socketPosts, c.jobs, c.jobSeconds, c.jobWaitSeconds,
		c.turns, c.turnSeconds, c.modelCalls, c.modelSeconds, c.tokens, c.budgetRefused, c.usageOdd, c.outside}
}

func (c *counters) request(route, method string, status int, took time.Duration) {
	c.requests.WithLabelValues(route, method, strconv.Itoa(status)).Inc()
	c.requestSeconds.WithLabelValues(route, method).Observe(took.Seconds())
}

func (c *counters) job(kind, outcome string, waited, took time.Duration) {
	c.jobs.WithLabelValues(kind, outcome).Inc()
	c.jobSeconds.WithLabelValues(kind).Observe(took.Seconds())
	c.jobWaitSeconds.WithLabelValues(kind).Observe(max(waited, 0).Seconds())
}

func (c *counters) modelCall(provider, outcome string, promptTokens, completionTokens int, took time.Duration) {
	c.modelCalls.WithLabelValues(provider, outcome).Inc()
	c.modelSeconds.WithLabelValues(provider).Observe(took.Seconds())
	c.tokens.WithLabelValues(provider, "prompt").Add(float64(max(promptTokens, 0)))
	c.tokens.WithLabelValues(provider, "completion").Add(float64(max(completionTokens, 0)))
}

// other replaces every label value that is not one of the program's own.
const other = "other"

// provider returns the label for a provider. An unknown name becomes other, because an
// agent may name a provider that does not exist.
func (c *counters) provider(name string) string {
	if slices.Contains(c.providers, name) {
		return name
	}
	return other
}

// knownMethod returns the label for an HTTP method. An unknown one becomes other,
// because clients may send any word.
func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return other
}
