package web

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"
)

type bridgedPerson struct{}

// bridgeTo serves a net/http handler through the bridge, on a server whose answers must be
// written within two seconds.
func bridgeTo(t *testing.T, b *bridge, h http.Handler) string {
	t.Helper()
	if b.log == nil {
		b.log = slog.New(slog.DiscardHandler)
	}
	if b.patience == 0 {
		b.patience = time.Minute
	}
	if b.beat == 0 {
		b.beat = 100 * time.Millisecond
	}
	b.address = func(c *fiber.Ctx) string { return "192.0.2.7" }
	app := fiber.New(fiber.Config{DisableStartupMessage: true, Immutable: true, WriteTimeout: 2 * time.Second, ErrorHandler: func(c *fiber.Ctx, err error) error {
		return c.Status(http.StatusInternalServerError).SendString("failed: " + err.Error())
	}})
	app.Use(func(c *fiber.Ctx) error {
		ctx, cancel := context.WithCancel(context.WithValue(c.UserContext(), bridgedPerson{}, "annabel"))
		defer cancel() // as observe does: what streams outlives it
		c.SetUserContext(ctx)
		return b.serve(c, h)
	})
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(ln) }()
	t.Cleanup(func() { _ = app.ShutdownWithTimeout(10 * time.Second) })
	return "http://" + ln.Addr().String()
}

func bridgeGet(t *testing.T, url string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return bridgeDo(t, req)
}

func bridgeDo(t *testing.T, req *http.Request) *http.Response {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = res.Body.Close() })
	return res
}

func bridgeBody(t *testing.T, res *http.Response) string {
	t.Helper()
	all, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(all)
}

func TestBridgePassesRequestsAndAnswers(t *testing.T) {
	t.Parallel()
	url := bridgeTo(t, &bridge{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		local, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
		if local == nil || !strings.HasPrefix(local.String(), "127.0.0.1:") {
			t.Errorf("got the local address %v", local)
		}
		if got := r.Context().Value(bridgedPerson{}); got != "annabel" {
			t.Errorf("got the person %v", got)
		}
		w.Header().Add("X-Two", "one")
		w.Header().Add("X-Two", "two")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		w.Header().Set("X-Late", "is not sent")
		_, _ = fmt.Fprintf(w, "%s %s %s %s %q %q %s", r.Method, r.Host, r.URL.Path, r.URL.RawQuery, r.Header.Values("A2A-Extensions"), body, r.RemoteAddr)
	}))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/a%20b/c?x=1&x=%32", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = "school.example"
	req.Header.Add("A2A-Extensions", "first")
	req.Header.Add("A2A-Extensions", "second")
	res := bridgeDo(t, req)
	want := `POST school.example /a b/c x=1&x=%32 ["first" "second"] "hello" 192.0.2.7:0`
	if got := bridgeBody(t, res); got != want {
		t.Errorf("the handler got %s, want %s", got, want)
	}
	if res.StatusCode != http.StatusTeapot || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("X-Late") != "" {
		t.Errorf("got %d %v", res.StatusCode, res.Header)
	}
	if got := res.Header.Values("X-Two"); len(got) != 2 || got[0] != "one" || got[1] != "two" {
		t.Errorf("got X-Two %q", got)
	}
}

func TestBridgeStreamsLongerThanTheWriteTimeout(t *testing.T) {
	t.Parallel()
	url := bridgeTo(t, &bridge{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 6 {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
			if i == 0 || i == 3 { // together longer than the deadline that fasthttp sets for the answer
				select {
				case <-time.After(1300 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
		}
		_, _ = io.WriteString(w, "data: not flushed\n\n")
	}))
	res := bridgeGet(t, url)
	got := bridgeBody(t, res)
	for _, want := range []string{"data: 0\n\n", "data: 5\n\n", "data: not flushed\n\n", ": here\n\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in %q", want, got)
		}
	}
	if res.Header.Get("X-Accel-Buffering") != "no" {
		t.Error("proxies are not told to pass the stream on")
	}
}

func TestBridgeTellsWhenTheClientLeaves(t *testing.T) {
	t.Parallel()
	left := make(chan any, 1)
	url := bridgeTo(t, &bridge{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		_, err := io.WriteString(w, "data: nobody reads this\n\n")
		if err == nil {
			err = http.NewResponseController(w).Flush()
		}
		if !errors.Is(err, errClientGone) {
			t.Errorf("a write after the end says %v", err)
		}
		left <- r.Context().Value(bridgedPerson{})
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res := bridgeDo(t, req)
	if line, err := bufio.NewReader(res.Body).ReadString('\n'); err != nil || line != ": here\n" {
		t.Fatalf("the stream begins with %q, %v", line, err)
	}
	cancel()
	if who := <-left; who != "annabel" {
		t.Errorf("the handler's person was %v at its end", who)
	}
}

func TestBridgeEndsWithTheProcess(t *testing.T) {
	t.Parallel()
	closing := make(chan struct{})
	url := bridgeTo(t, &bridge{closing: closing}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.(http.Flusher).Flush()
		close(closing)
		<-r.Context().Done()
	}))
	bridgeBody(t, bridgeGet(t, url)) // it has an end
}

func TestBridgeDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	var ended atomic.Bool
	url := bridgeTo(t, &bridge{patience: 50 * time.Millisecond}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		ended.Store(true)
	}))
	if got := bridgeBody(t, bridgeGet(t, url)); got != "failed: "+errTooSlow.Error() {
		t.Errorf("got %q", got)
	}
	if !ended.Load() {
		t.Error("the answer came before the handler's end")
	}
}

func TestBridgePanics(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	url := bridgeTo(t, &bridge{log: slog.New(slog.NewTextHandler(&log, nil))}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/later" {
			_, _ = io.WriteString(w, "half")
			w.(http.Flusher).Flush()
		}
		panic("a fault of ours")
	}))
	res := bridgeGet(t, url+"/at-once")
	if got := bridgeBody(t, res); res.StatusCode != http.StatusInternalServerError || !strings.HasPrefix(got, "failed: ") {
		t.Errorf("before a flush: got %d %q", res.StatusCode, got)
	}
	// The client sends a GET again by itself when its connection is closed.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/later", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if res, err := http.DefaultClient.Do(req); err == nil { // else the connection ended before the head was out
		defer func() { _ = res.Body.Close() }()
		if got, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("after a flush: %q looks whole", got)
		}
	}
	if n := strings.Count(log.String(), "a fault of ours"); n != 2 {
		t.Errorf("the log tells of %d panics, want 2:\n%s", n, log.String())
	}
}

func TestBridgeHoldsBackNothingLarge(t *testing.T) {
	t.Parallel()
	const pieces = 200
	url := bridgeTo(t, &bridge{}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.(http.Flusher).Flush()
		for range pieces {
			_, _ = w.Write(make([]byte, 10<<10))
			if kept := w.(*bridgeWriter).body.Len(); kept > bridgePiece {
				t.Errorf("%d bytes are kept", kept)
			}
		}
	}))
	if got := len(bridgeBody(t, bridgeGet(t, url))); got != pieces*10<<10 {
		t.Errorf("got %d bytes, want %d", got, pieces*10<<10)
	}
}
