package llm_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

const testKey = "sk-proj-canary-0123456789"

// rig is a Models and the provider it talks to.
type rig struct {
	*llmtest.Handler
	models *llm.Models
}

// inBubble runs f with a fake clock: server, client and network are in one
// synctest bubble, so a limit of a minute takes no time, and a goroutine that
// outlives the test fails it.
func inBubble(t *testing.T, cfg llm.Config, f func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		listener := &pipeListener{conns: make(chan net.Conn), closed: make(chan struct{})}
		handler := llmtest.NewHandler(nil)
		server := &http.Server{Handler: handler}
		go func() { _ = server.Serve(listener) }()
		transport := &http.Transport{DialContext: listener.dial, MaxResponseHeaderBytes: 64 << 10}
		cfg.Transport = transport
		cfg.Providers = providersAt("http://llm.test")
		models, err := llm.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			handler.Close()
			transport.CloseIdleConnections()
			_ = server.Close()
		}()
		f(t, &rig{handler, models})
	})
}

// onNetwork is a rig on the real network stack and clock.
func onNetwork(t testing.TB, cfg llm.Config) *rig {
	t.Helper()
	server := llmtest.New(t)
	cfg.Providers = providersAt(server.URL)
	models, err := llm.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rig{server.Handler, models}
}

func providersAt(url string) map[string]llm.ProviderConfig {
	return map[string]llm.ProviderConfig{
		"openai": {BaseURL: url + "/v1"},
		"gemini": {BaseURL: url},
		"claude": {BaseURL: url},
		"mirror": {Kind: llm.KindOpenAI, BaseURL: url + "/mirror", DefaultModel: "small", Keyless: true},
	}
}

// pipeListener hands out in-memory connections, which a bubble can wait for.
type pipeListener struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipeListener) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case l.conns <- server:
		return client, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error   { close(l.closed); return nil }
func (l *pipeListener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// ask is a request with one line by Ada.
func ask(provider, text string) llm.Request {
	return llm.Request{
		Meter: llm.NoMeter{}, Provider: provider, Key: testKey, System: "You teach physics.",
		Messages: []llm.Message{{Role: llm.RoleUser, Name: "Ada", Text: text}},
	}
}

// result is what one stream gave.
type result struct {
	text   string
	chunks []string
	last   llm.Chunk
	err    *llm.Error
	took   time.Duration
}

// collect ranges over a stream to its end and holds it to the promises of package llm.
func collect(ctx context.Context, t testing.TB, m *llm.Models, r llm.Request) result {
	t.Helper()
	var out result
	start := time.Now()
	ended := false
	for chunk, err := range m.Stream(ctx, r) {
		if ended {
			t.Fatal("got an element after the last one")
		}
		if err != nil {
			ended = true
			if !errors.As(err, &out.err) {
				t.Fatalf("got error %T %v, want *llm.Error", err, err)
			}
			if key := strings.TrimSpace(r.Key); key != "" && strings.Contains(err.Error(), key) {
				t.Errorf("the key is in the error: %v", err)
			}
			continue
		}
		if !utf8.ValidString(chunk.Text) || strings.ContainsRune(chunk.Text, 0) {
			t.Errorf("got text %q, want valid UTF-8 without NUL", chunk.Text)
		}
		if chunk.Text != "" {
			out.chunks = append(out.chunks, chunk.Text)
			out.text += chunk.Text
		}
		if chunk.Finish != "" {
			ended = true
			out.last = chunk
		} else if chunk.Text == "" {
			t.Error("got a chunk without content before the last")
		}
	}
	if !ended {
		t.Error("the stream ended without finish and without error")
	}
	out.took = time.Since(start)
	return out
}

// kind is the kind of the error, empty without one.
func (r result) kind() llm.ErrorKind {
	if r.err == nil {
		return ""
	}
	return r.err.Kind
}
