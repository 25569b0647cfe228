package web

import (
	"io"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/telemetry"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestReady(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url)
		// Its listener on Postgres connects beside the first requests.
		apptest.Await(t, "the server to be ready", func() bool { return r.anon().do(t, get, pathReady).status == 200 })
		for _, path := range []string{pathHealth, pathReady} {
			if got := r.anon().must(t, 200, get, path).text(t, "status"); got != "ok" {
				t.Errorf("%s: got %q, want ok", path, got)
			}
		}
		// A newer program has migrated the database under our feet.
		err := r.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
			const newer = "INSERT INTO schema_migrations (name, group_id, migrated_at) VALUES ('9999', 9, CURRENT_TIMESTAMP)"
			if tx.PG != nil {
				return tx.Pinned(func() error { _, err := tx.PG.Exec(t.Context(), newer); return err })
			}
			_, err := tx.Lite.ExecContext(t.Context(), newer)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		a := r.anon().do(t, get, pathReady)
		wantProblem(t, a, 503, "The database schema does not fit this program")
		if code := a.text(t, "code"); code != "schema" {
			t.Errorf("got code %q, want schema", code)
		}
		r.anon().must(t, 200, get, pathHealth)
	})
}

// Without its database the server is alive but not ready, and its errors say
// nothing but the request's id.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config("", "")
	cfg.DataDir = t.TempDir()
	log := new(syncBuffer)
	logger := telemetry.Logger(slog.New(slog.NewJSONHandler(log, nil)))
	o, err := app.Open(t.Context(), cfg, logger, app.Mode{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(o.App, cfg, logger, "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Running: &Running{App: o.App, opened: o, server: s}, t: t, cfg: cfg, log: log}
	c := r.session(t, r.addUser(t, app.RoleStudent, "ada", true).ID)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) answer {
		req := httptest.NewRequest(get, path, nil)
		req.Header.Set("Authorization", c.token)
		res, err := s.fiber.Test(req, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		return answer{res.StatusCode, res.Header, string(b)}
	}
	if a := ask(pathHealth); a.status != 200 {
		t.Errorf("got %d, want 200: the process is alive", a.status)
	}
	a := ask(pathReady)
	wantProblem(t, a, 503, "The database does not answer")
	if code := a.text(t, "code"); code != "database" {
		t.Errorf("got code %q, want database", code)
	}
	a = ask(v1 + "/users/me")
	wantProblem(t, a, 500, "Internal server error")
	if id := a.text(t, "request_id"); !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "database is closed") {
		t.Errorf("the log does not tell why request %s failed:\n%s", id, log)
	}
}
