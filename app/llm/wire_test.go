package llm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"
)

func TestRemoteMessage(t *testing.T) {
	t.Parallel()
	const gemini = `{"error":{"code":429,"message":"Quota exceeded","details":[{"@type":"type.googleapis.com/google.rpc.Help"},` +
		`{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"37s"}]}}`
	cases := map[string]struct {
		body    string
		message string
		wait    time.Duration
	}{
		"openai":          {`{"error":{"message":"Slow down","type":"requests"}}`, "Slow down", 0},
		"gemini":          {gemini, "Quota exceeded", 37 * time.Second},
		"gemini in array": {"[" + gemini + "\n]", "Quota exceeded", 37 * time.Second},
		"plain error":     {`{"error":"model not found"}`, "model not found", 0},
		"message":         {`{"message":"no such route"}`, "no such route", 0},
		"other document":  {`{"detail":1}`, `{"detail":1}`, 0},
		"text":            {" upstream down\n", "upstream down", 0},
		"page":            {"<html>secret</html>", "an HTML page", 0},
		"nothing":         {"", "", 0},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := readFault(429, []byte(c.body)); got.message != c.message || got.wait != c.wait {
				t.Errorf("got %q, %v, want %q, %v", got.message, got.wait, c.message, c.wait)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cases := []struct {
		header, value string
		want          time.Duration
		ok            bool
	}{
		{"Retry-After", "7", 7 * time.Second, true},
		{"Retry-After", "0.5", 500 * time.Millisecond, true},
		{"Retry-After", now.Add(time.Minute).Format(http.TimeFormat), time.Minute, true},
		{"Retry-After", now.Add(-time.Minute).Format(http.TimeFormat), 0, true},
		{"Retry-After", "-1", 0, false},
		{"Retry-After", "1e300", 0, false},
		{"Retry-After", "NaN", 0, false},
		{"Retry-After", "", 0, false},
		{"Retry-After-Ms", "250", 250 * time.Millisecond, true},
	}
	for _, c := range cases {
		t.Run(c.header+"="+c.value, func(t *testing.T) {
			t.Parallel()
			if got, ok := retryAfter(http.Header{c.header: {c.value}}, now); got != c.want || ok != c.ok {
				t.Errorf("got %v, %v, want %v, %v", got, ok, c.want, c.ok)
			}
		})
	}
}

func TestNetworkErrorsWorthARetry(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		err   error
		kind  ErrorKind
		retry bool
	}{
		"reset":           {&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, Unavailable, true},
		"bad certificate": {fmt.Errorf("tls: %w", &tls.CertificateVerificationError{Err: errors.New("expired")}), Unavailable, false},
		"no such host":    {&net.DNSError{Name: "x.test", Err: "no such host", IsNotFound: true}, Unavailable, false},
		"slow name":       {&net.DNSError{Name: "x.test", Err: "i/o timeout", IsTimeout: true}, Timeout, true},
		"not HTTP":        {errors.New("malformed HTTP response \"SSH-2.0\""), Broken, false},
		"left":            {context.Canceled, Unavailable, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := networkError(c.err)
			if KindOf(got) != c.kind || got.retry != c.retry || !errors.Is(got, c.err) {
				t.Errorf("got %v, retry %v, want %s, %v", got, got.retry, c.kind, c.retry)
			}
		})
	}
	if got := KindOf(errors.New("other")); got != "" {
		t.Errorf("got kind %q of a foreign error, want none", got)
	}
}
