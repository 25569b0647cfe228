package llmtest_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
)

func post(t *testing.T, url, body string) (status int, answer string) {
	t.Helper()
	resp, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(raw)
}

const (
	openAIBody = `{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}`
	geminiBody = `{"contents":[{"role":"user","parts":[{"text":"Hi"}]}]}`
	geminiPath = "/v1beta/models/m:streamGenerateContent?alt=sse"
)

func TestWireFormats(t *testing.T) {
	t.Parallel()
	t.Run("OpenAI", func(t *testing.T) {
		t.Parallel()
		_, got := post(t, llmtest.New(t).URL+"/v1/chat/completions", openAIBody)
		for _, want := range []string{`"delta":{"content":"You said"}`, `"finish_reason":"stop"`, `"prompt_tokens":1`, "data: [DONE]\n\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s, want %s in it", got, want)
			}
		}
	})
	t.Run("Gemini", func(t *testing.T) {
		t.Parallel()
		_, got := post(t, llmtest.New(t).URL+geminiPath, geminiBody)
		for _, want := range []string{`"parts":[{"text":"You said"}]`, `"finishReason":"STOP"`, `"promptTokenCount":1`, "\r\n\r\n"} {
			if !strings.Contains(got, want) {
				t.Errorf("got %s, want %s in it", got, want)
			}
		}
	})
	t.Run("RefusesWhatTheServicesRefuse", func(t *testing.T) {
		t.Parallel()
		url := llmtest.New(t).URL
		for _, c := range []struct {
			path, body string
			want       int
		}{
			{"/v1/chat/completions", `{`, 400},
			{"/v1/chat/completions", `{"stream":true,"messages":[]}`, 400},
			{"/v1/models", openAIBody, 404},
			{"/v1beta/models/m:streamGenerateContent", geminiBody, 400},
		} {
			if got, _ := post(t, url+c.path, c.body); got != c.want {
				t.Errorf("%s: got %d, want %d", c.path, got, c.want)
			}
		}
	})
}

func TestScriptAndRecord(t *testing.T) {
	t.Parallel()
	handler := llmtest.NewHandler(llmtest.InTurn(llmtest.Response{Status: 429, RetryAfter: "1"}, llmtest.Response{Text: "later"}))
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	if handler.Await(1, time.Millisecond) {
		t.Error("got a request before one was sent")
	}
	if got, _ := post(t, server.URL+"/chat/completions", openAIBody); got != 429 {
		t.Errorf("got %d first, want 429", got)
	}
	if _, got := post(t, server.URL+geminiPath, geminiBody); !strings.Contains(got, "later") {
		t.Errorf("got %s second, want the text", got)
	}
	if !handler.Await(2, time.Second) || handler.Count() != 2 || len(handler.Requests()) != 2 {
		t.Errorf("got %d requests recorded, want 2", handler.Count())
	}
	if got := handler.Requests()[1]; got.Format != "gemini" || got.LastUser() != "Hi" || got.Number != 2 {
		t.Errorf("got %+v, want the second request", got)
	}
}

func TestGateHoldsAStream(t *testing.T) {
	t.Parallel()
	server := llmtest.New(t)
	gate := llmtest.NewGate(1)
	server.Script(llmtest.Always(llmtest.Response{Text: "held back", Gate: gate}))
	answer := make(chan string)
	go func() {
		_, got := post(t, server.URL+geminiPath, geminiBody)
		answer <- got
	}()
	<-gate.Reached()
	select {
	case got := <-answer:
		t.Errorf("got %s before the gate opened", got)
	default:
	}
	gate.Release()
	if got := <-answer; !strings.Contains(got, `"STOP"`) {
		t.Errorf("got %s, want the whole answer", got)
	}
}
