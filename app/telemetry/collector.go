package telemetry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// collector sends spans to an OTLP collector over HTTP
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). The exporter's own client would
// do the same, but it adds all of gRPC to the program.
type collector struct {
	url     string
	headers map[string]string
	client  *http.Client
}

// collectorTimeout bounds one request. collectorPatience bounds all attempts to send
// one batch.
const (
	collectorTimeout  = 10 * time.Second
	collectorPatience = time.Minute
)

func newCollector(at *url.URL) *collector {
	headers := collectorHeaders(os.Getenv("OTEL_EXPORTER_OTLP_HEADERS"))
	for name, value := range collectorHeaders(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS")) {
		headers[name] = value
	}
	return &collector{url: at.String(), headers: headers, client: &http.Client{Timeout: collectorTimeout}}
}

// collectorHeaders reads a list such as "api-key=abc,team=a%20b". It ignores parts that
// are not valid headers.
func collectorHeaders(list string) map[string]string {
	headers := map[string]string{}
	for pair := range strings.SplitSeq(list, ",") {
		name, raw, found := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(raw))
		if name = strings.TrimSpace(name); found && name != "" && err == nil {
			headers[name] = value
		}
	}
	return headers
}

// Start does nothing: a connection is made when there is something to send.
func (c *collector) Start(context.Context) error { return nil }

// Stop closes the idle connections.
func (c *collector) Stop(context.Context) error {
	c.client.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans, and tries again while the collector is busy or not
// reachable. TracesData is the protocol's request under another name.
func (c *collector) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans})
	if err != nil {
		return err
	}
	_, err = backoff.Retry(ctx, func() (struct{}, error) { return struct{}{}, c.send(ctx, body) },
		backoff.WithMaxElapsedTime(collectorPatience))
	return err
}

// send makes one attempt. An error that would happen again is permanent.
func (c *collector) send(ctx context.Context, body []byte) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return backoff.Permanent(err)
	}
	for name, value := range c.headers {
		request.Header.Set(name, value)
	}
	request.Header.Set("Content-Type", "application/x-protobuf")
	answer, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	why, _ := io.ReadAll(io.LimitReader(answer.Body, 1024)) // for people; a part of it is enough
	if answer.StatusCode/100 == 2 {
		return nil
	}
	err = fmt.Errorf("the collector answered %s: %s", answer.Status, bytes.TrimSpace(why))
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		if seconds, bad := strconv.Atoi(answer.Header.Get("Retry-After")); bad == nil && seconds > 0 {
			return errors.Join(err, backoff.RetryAfter(seconds))
		}
		return err
	}
	return backoff.Permanent(err)
}
