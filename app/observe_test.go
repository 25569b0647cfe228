package app_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// scraped is what an App answers to Prometheus.
func scraped(t testing.TB, r *apptest.Rig) string {
	t.Helper()
	w := httptest.NewRecorder()
	r.Telemetry().Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("got %d %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// wantSamples fails unless each line is part of what was scraped.
func wantSamples(t testing.TB, scrape string, lines ...string) {
	t.Helper()
	for _, l := range lines {
		if !strings.Contains("\n"+scrape, "\n"+l+"\n") {
			name, _, _ := strings.Cut(l, "{")
			var near []string
			for line := range strings.Lines(scrape) {
				if strings.HasPrefix(line, name) {
					near = append(near, line)
				}
			}
			t.Errorf("want %s among\n%s", l, strings.Join(near, ""))
		}
	}
}

func TestTraceOfASocketsLine(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		c := apptest.NewCollector(t)
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Telemetry.OTLPEndpoint = c.URL })
		r.Model.Script(llmtest.Say("a secret answer"))
		class := r.Class(t)
		s := r.Join(t, class.Student, class.Room.ID, true, 0)
		s.Seat.Post(t.Context(), "a secret question", "1")
		lines := r.Messages(t, class.Room.ID, 2)
		r.Stop()

		chain := c.Chain(t, "socket post", "job look_at_room", "job run_turn", "turn", "model call")
		c.Chain(t, "socket post", "job look_at_room", "job run_turn", "turn", "message")
		for i, want := range []map[string]string{
			{"message.id": lines[0].ID, "room.id": class.Room.ID, "user.id": class.Student.User.ID, "outcome": "stored"},
			{"job.kind": "look_at_room", "outcome": "done"},
			{"job.kind": "run_turn", "outcome": "done"},
			{"turn.id": lines[1].TurnID, "agent.id": lines[1].AgentID, "outcome": "finished"},
			{"provider": "openai", "outcome": "ok"},
		} {
			for name, value := range want {
				if got := chain[i].Attributes[name]; got != value {
					t.Errorf("%s: %s is %q, want %q", chain[i].Name, name, got, value)
				}
			}
		}
		told := fmt.Sprint(c.Spans())
		for _, secret := range []string{"secret", apptest.CanaryKey, class.Student.User.Email, "Cells", "Sue"} {
			if strings.Contains(told, secret) {
				t.Errorf("the traces hold %q: %s", secret, told)
			}
		}
		if !strings.Contains(r.Log(), "trace_id="+chain[0].Trace) {
			t.Error("no line of the log names the trace")
		}
	})
}

func TestTraceSample(t *testing.T) {
	t.Parallel()
	c := apptest.NewCollector(t)
	r := apptest.New(t, storetest.SQLite(t), func(cfg *config.Config) {
		cfg.Telemetry.OTLPEndpoint, cfg.Telemetry.TraceSample = c.URL, 0
	})
	class := r.Class(t)
	s := r.Join(t, class.Student, class.Room.ID, true, 0)
	s.Seat.Post(t.Context(), "hello", "1")
	r.Messages(t, class.Room.ID, 2)
	r.Stop()
	if got := c.Spans(); len(got) != 0 {
		t.Errorf("got %v, want none: a job must not begin a trace that its post left out", got)
	}
}

func TestMetricsOfAgents(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		class := r.Class(t)
		r.Model.Script(llmtest.InTurn(llmtest.Response{Text: "an answer"}, llmtest.Response{Status: http.StatusUnauthorized}))
		s := r.Join(t, class.Student, class.Room.ID, true, 0)
		for i, text := range []string{"one", "two", "two"} {
			s.Seat.Post(t.Context(), text, text)
			if i < 2 {
				r.Idle(t, class.Room.ID)
			}
		}
		// Another node may have been told first of what is counted here last.
		var scrape string
		apptest.Await(t, "the last job to be counted", func() bool {
			scrape = scraped(t, r)
			return strings.Contains(scrape, `coagent_jobs_total{kind="run_turn",outcome="done"} 2`)
		})
		wantSamples(t, scrape,
			`coagent_model_calls_total{outcome="ok",provider="openai"} 1`,
			`coagent_model_calls_total{outcome="bad_key",provider="openai"} 1`,
			`coagent_model_call_seconds_count{provider="openai"} 2`,
			`coagent_turns_total{outcome="finished",reason=""} 1`,
			`coagent_turns_total{outcome="failed",reason="bad_key"} 1`,
			`coagent_socket_posts_total{outcome="stored"} 2`,
			`coagent_socket_posts_total{outcome="repeated"} 1`,
			`coagent_sockets_open 1`,
			`coagent_rooms_open 1`,
			`coagent_sockets_dropped_total{reason="slow"} 0`,
			`coagent_sockets_dropped_total{reason="dead"} 0`,
			`coagent_queue_age_seconds{queue="quick"} 0`,
			`coagent_queue_age_seconds{queue="turns"} 0`,
			`coagent_database_up 1`)
		for _, kind := range []string{"prompt", "completion"} {
			if !strings.Contains(scrape, `coagent_model_tokens_total{provider="openai",type="`+kind+`"} `) ||
				strings.Contains(scrape, `coagent_model_tokens_total{provider="openai",type="`+kind+`"} 0`) {
				t.Errorf("no %s tokens are counted", kind)
			}
		}
	})
}

func TestQueueAge(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		class := r.Class(t)
		post(t, r, class.Student, class.Room.ID, "hello")
		r.Advance(time.Minute)
		var age float64
		for line := range strings.Lines(scraped(t, r)) {
			if value, ok := strings.CutPrefix(line, `coagent_queue_age_seconds{queue="quick"} `); ok {
				if _, err := fmt.Sscan(value, &age); err != nil {
					t.Fatal(err)
				}
			}
		}
		if age < 60 || age > 120 {
			t.Errorf("got %v s, want one minute and a bit", age)
		}
		wantSamples(t, scraped(t, r), `coagent_queue_age_seconds{queue="turns"} 0`)
	})
}

func TestMetricsWithoutADatabase(t *testing.T) {
	t.Parallel()
	r := apptest.NewStopped(t, storetest.SQLite(t))
	if err := r.DB.Close(); err != nil {
		t.Fatal(err)
	}
	scrape := scraped(t, r)
	wantSamples(t, scrape, "coagent_database_up 0", "coagent_sockets_open 0")
	if strings.Contains(scrape, "coagent_queue_age_seconds{") {
		t.Error("the age of a queue that could not be asked is told")
	}
}
