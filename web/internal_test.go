package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// startWorker works jobs off on the database of cfg, as coagent worker does,
// until the test ends.
func startWorker(t testing.TB, cfg config.Config) *Internal {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	o, err := app.Open(t.Context(), &cfg, log, app.Mode{Work: true})
	if err != nil {
		t.Fatal(err)
	}
	i, err := ServeInternal(t.Context(), "127.0.0.1:0", log, o.App)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		if err := errors.Join(o.Stop(ctx), o.Close(), i.Stop(ctx)); err != nil {
			t.Errorf("stop the worker: %v", err)
		}
	})
	return i
}

// asked is what an internal address answers.
func asked(t testing.TB, addr net.Addr, path string) (status int, body string) {
	t.Helper()
	res, err := http.Get("http://" + addr.String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// converse has a student's line answered by an agent, over HTTP, and returns
// the answer's id.
func converse(t testing.TB, w *world) string {
	t.Helper()
	room := w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Room", "course_id": w.course, "ai_mode": "both", "ai_frequency": 1}).text(t, "id")
	agent := w.as(owner).must(t, http.StatusOK, post, v1+"/agents/"+w.project, body{"type": "teacher", "name": "Observed",
		"system_prompt": "Teach.", "model_provider": "openai", "api_key": apptest.CanaryKey}).text(t, "id")
	w.as(owner).must(t, http.StatusOK, put, v1+"/agents/"+agent+"/activate")
	w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+room+"/agents/"+agent)
	w.as(student).must(t, http.StatusCreated, post, v1+"/rooms/"+room+"/messages", body{"text": "a secret question"})
	var answer string
	apptest.Await(t, "the agent's answer", func() bool {
		for _, line := range w.as(student).must(t, http.StatusOK, get, v1+"/chat/messages/"+room).list(t) {
			if line["agent_id"] == agent {
				answer, _ = line["id"].(string)
			}
		}
		return answer != ""
	})
	return answer
}

// A post over HTTP and the answer to it are one trace, though another process
// gives the answer (on Postgres).
func TestTrace(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		c, model := apptest.NewCollector(t), llmtest.New(t)
		model.Script(llmtest.Say("a secret answer"))
		var answer string
		t.Run("talk", func(t *testing.T) { // its end stops the processes, which sends what is left
			w := newWorldOf(t, url, func(cfg *config.Config) {
				cfg.Telemetry.OTLPEndpoint, cfg.LLM.OpenAI.BaseURL = c.URL, model.URL
				cfg.Jobs.InServe = !cfg.Postgres()
			})
			if w.cfg.Postgres() {
				startWorker(t, *w.cfg)
			}
			answer = converse(t, w)
		})
		const postRoute = "POST " + v1 + "/rooms/:room_id/messages"
		chain := c.Chain(t, postRoute, "job look_at_room", "job run_turn", "turn", "message")
		c.Chain(t, postRoute, "job look_at_room", "job run_turn", "turn", "model call")
		if got := chain[4].Attributes["message.id"]; got != answer {
			t.Errorf("the trace ends with the message %q, want %q", got, answer)
		}
		if got := chain[0].Attributes; got["http.route"] != v1+"/rooms/:room_id/messages" || got["http.response.status_code"] != "201" || got["message.id"] == "" {
			t.Errorf("the request has %v", got)
		}
		if across := chain[0].Instance != chain[1].Instance; across != strings.HasPrefix(url, "postgres") {
			t.Errorf("the post was told of by %s, the job by %s", chain[0].Instance, chain[1].Instance)
		}
	})
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	model := llmtest.New(t)
	w := newWorldOf(t, storetest.SQLite(t), func(cfg *config.Config) {
		cfg.HTTP.InternalAddr, cfg.LLM.OpenAI.BaseURL = "127.0.0.1:0", model.URL
	})
	converse(t, w)
	w.as(student).do(t, get, "/nowhere/"+apptest.CanaryKey)
	w.as(student).do(t, get, v1+"/rooms/"+w.room)
	_, scrape := asked(t, w.Internal.Addr, "/metrics")
	for _, want := range []string{
		`coagent_http_requests_total{method="POST",route="/api/v1/rooms/:room_id/messages",status="201"} 1`,
		`coagent_http_requests_total{method="GET",route="/api/v1/rooms/:room_id",status="200"} 1`,
		`coagent_http_requests_total{method="GET",route="none",status="404"} 1`,
		`coagent_http_request_seconds_count{method="POST",route="/api/v1/rooms/:room_id/messages"} 1`,
		`coagent_jobs_total{kind="look_at_room",outcome="done"} `,
		`coagent_turns_total{outcome="finished",reason=""} 1`,
		`coagent_model_calls_total{outcome="ok",provider="openai"} 1`,
		`coagent_sockets_open 0`,
		`coagent_queue_age_seconds{queue="turns"} `,
		`coagent_database_up 1`,
		`coagent_jobs{state="running"} `,
		`coagent_jobs{state="discarded"} 0`,
		`coagent_build_info{goversion="go`,
		`coagent_turn_seconds_count{outcome="finished"} 1`,
		`coagent_model_call_seconds_count{provider="openai"} 1`,
		`coagent_model_tokens_total{provider="openai",type="completion"} `,
		`go_goroutines `,
	} {
		if !strings.Contains(scrape, "\n"+want) {
			t.Errorf("no line begins with %s", want)
		}
	}
	for _, bad := range []string{apptest.CanaryKey, "nowhere", w.room, "secret"} {
		if strings.Contains(scrape, bad) {
			t.Errorf("the metrics hold %q", bad)
		}
	}
	t.Run("not on the public address", func(t *testing.T) {
		if a := w.as(superAdmin).do(t, get, "/metrics"); a.status != http.StatusNotFound {
			t.Errorf("got %d, want 404", a.status)
		}
	})
	t.Run("nothing else on the internal one", func(t *testing.T) {
		if status, _ := asked(t, w.Internal.Addr, v1+"/users/me"); status != http.StatusNotFound {
			t.Errorf("got %d, want 404", status)
		}
	})
}

func TestInternal(t *testing.T) {
	t.Parallel()
	t.Run("OfAWorker", func(t *testing.T) {
		r := start(t, storetest.Postgres(t))
		i := startWorker(t, *r.cfg)
		apptest.Await(t, "the worker to be ready", func() bool {
			status, _ := asked(t, i.Addr, pathReady)
			return status == http.StatusOK
		})
		for _, path := range []string{pathHealth, pathReady, "/metrics"} {
			if status, body := asked(t, i.Addr, path); status != http.StatusOK {
				t.Errorf("%s: got %d %s, want 200", path, status, body)
			}
		}
	})
	t.Run("NotReady", func(t *testing.T) {
		r := apptest.NewStopped(t, storetest.SQLite(t))
		i, err := ServeInternal(t.Context(), "127.0.0.1:0", slog.New(slog.DiscardHandler), r.App)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = i.Stop(t.Context()) }()
		if err := r.DB.Close(); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]int{pathHealth: http.StatusOK, pathReady: http.StatusServiceUnavailable} {
			if status, body := asked(t, i.Addr, path); status != want {
				t.Errorf("%s: got %d %s, want %d", path, status, body, want)
			}
		}
	})
	t.Run("Off", func(t *testing.T) {
		i, err := ServeInternal(t.Context(), "", slog.New(slog.DiscardHandler), nil)
		if i != nil || err != nil || i.Stop(t.Context()) != nil {
			t.Errorf("got %v, %v, want nothing", i, err)
		}
	})
	t.Run("Taken", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		cfg := apptest.Config("", "")
		cfg.DataDir, cfg.HTTP.Addr, cfg.HTTP.InternalAddr = t.TempDir(), "127.0.0.1:0", ln.Addr().String()
		_, err = Start(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
		if err == nil || !strings.Contains(err.Error(), "http.internal_addr") {
			t.Errorf("got %v, want an error that names the setting", err)
		}
	})
	t.Run("StopsLast", func(t *testing.T) {
		cfg := apptest.Config("", "")
		cfg.DataDir, cfg.HTTP.Addr, cfg.HTTP.InternalAddr = t.TempDir(), "127.0.0.1:0", "127.0.0.1:0"
		r, err := Start(t.Context(), cfg, slog.New(slog.DiscardHandler), "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if c, err := net.DialTimeout("tcp", r.Internal.Addr.String(), time.Second); err == nil {
			_ = c.Close()
			t.Error("it still listens")
		}
	})
}
