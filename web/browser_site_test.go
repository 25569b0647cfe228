package web_test

import (
	"bufio"
	"context"
	"database/sql"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the "pgx" driver of database/sql

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web"
)

// site is a whole program as main starts it, for the browser to visit. The
// rooms that tests make in it speak with a scripted model.
type site struct {
	*web.Running
	browser context.Context
	cfg     *config.Config
	host    string // where it listens, across restarts

	passwords map[string]string // of the demo's accounts, by name
	teacher   *app.Actor
	course    string
	agent     string // the demo's teacher agent, on the scripted model

	mu      sync.Mutex
	scripts map[string]llmtest.Script // by room name
}

// newSite starts the program on the empty database at url, with a
// configuration that tune has changed.
func newSite(t *testing.T, browser context.Context, url string, tune ...func(*config.Config)) *site {
	t.Helper()
	s := &site{browser: browser, scripts: map[string]llmtest.Script{}}
	model := llmtest.New(t)
	model.Script(s.script)
	s.cfg = apptest.Config("", model.URL)
	if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
		s.cfg.DataDir = filepath.Dir(path)
	} else {
		s.cfg.DataDir, s.cfg.Database.URL = t.TempDir(), secret.Text(url)
	}
	s.cfg.HTTP.Addr = "127.0.0.1:0"
	// Tests hold the model while the page is looked at.
	s.cfg.LLM.FirstToken, s.cfg.LLM.Silence = time.Minute, time.Minute
	s.cfg.Jobs.DrainTimeout = 100 * time.Millisecond
	for _, f := range tune {
		f(s.cfg)
	}
	s.start(t)
	t.Cleanup(func() { s.stop(t) })
	return s
}

// newDemo is a site with the demo in it.
func newDemo(t *testing.T, browser context.Context, url string, tune ...func(*config.Config)) *site {
	t.Helper()
	s := newSite(t, browser, url, tune...)
	s.seed(t)
	return s
}

func (s *site) start(t *testing.T) {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	var err error
	if s.Running, err = web.Start(t.Context(), s.cfg, log, "test"); err != nil {
		t.Fatal(err)
	}
	// A later start comes back at the same place.
	s.host = s.Addr.String()
	s.cfg.HTTP.Addr = s.host
}

func (s *site) stop(t *testing.T) {
	t.Helper()
	if s.Running == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Errorf("stop: %v", err)
	}
	s.Running = nil
}

// seed adds the demo, as `coagent seed-demo` does, and puts its teacher agent
// on the scripted model.
func (s *site) seed(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	demo, err := s.App.Operator().SeedDemo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.passwords = readAccounts(t, demo.File)
	tokens, err := s.App.SignIn(ctx, app.RoleTeacher, s.passwords[app.RoleTeacher], app.Client{Address: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if s.teacher, err = s.App.Authenticate(ctx, tokens.Access); err != nil {
		t.Fatal(err)
	}
	courses, err := storetest.All(s.App.Courses(ctx, s.teacher, false, store.Page{Limit: 10}))
	if err != nil || len(courses) != 1 {
		t.Fatalf("got %d courses (%v), want the demo's", len(courses), err)
	}
	s.course = courses[0].ID
	projects, err := storetest.All(s.App.Projects(ctx, s.teacher, "", store.Page{Limit: 10}))
	if err != nil || len(projects) != 1 {
		t.Fatalf("got %d projects (%v), want the demo's", len(projects), err)
	}
	agents, err := storetest.All(s.App.Agents(ctx, s.teacher, projects[0].ID, store.Page{Limit: 10}))
	if err != nil {
		t.Fatal(err)
	}
	for _, ag := range agents {
		if ag.Type == store.AgentTeacher {
			s.agent = ag.ID
		}
	}
	if _, err := s.App.UpdateAgent(ctx, s.teacher, s.agent, app.AgentSettings{ModelProvider: app.Some("openai"),
		APIKey: app.Some(secret.Text(apptest.CanaryKey))}); err != nil {
		t.Fatal(err)
	}
}

// readAccounts reads what seed-demo leaves for people: a name and a password
// in each line after the heading.
func readAccounts(t *testing.T, path string) map[string]string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	accounts := map[string]string{}
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		if fields := strings.Fields(scanner.Text()); len(fields) == 2 {
			accounts[fields[0]] = fields[1]
		}
	}
	return accounts
}

// room makes a room of the demo course in which the teacher agent answers
// every line by the script; without one nobody answers.
func (s *site) room(t *testing.T, script llmtest.Script) string {
	t.Helper()
	name := t.Name()
	s.mu.Lock()
	s.scripts[strconv.Quote(store.Cut(name, 60))] = script // so much of a name stands in the instructions
	s.mu.Unlock()
	mode := store.ModeTeacherOnly
	if script == nil {
		mode = store.ModeOff
	}
	r, err := s.App.CreateRoom(t.Context(), s.teacher, s.course, app.RoomSettings{Name: app.Some(name),
		AIFrequency: app.Some(1.0), AIMode: app.Some(mode)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.App.AttachAgent(t.Context(), s.teacher, r.ID, s.agent); err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// script is the model: the instructions name the room that asks.
func (s *site) script(r llmtest.Request) llmtest.Response {
	s.mu.Lock()
	scripts := maps.Clone(s.scripts)
	s.mu.Unlock()
	for room, script := range scripts {
		if strings.Contains(r.System, "in the room "+room) {
			return script(r)
		}
	}
	return llmtest.Response{Status: 400, Message: "no script for this room"}
}

// stored fails unless the room's lines in the database are exactly these.
func (s *site) stored(t *testing.T, roomID string, want ...string) {
	t.Helper()
	rows, err := storetest.All(s.App.History(t.Context(), s.teacher, roomID, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]string, len(rows))
	for i, m := range rows {
		got[i] = m.Content
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got the stored lines %q, want %q", got, want)
	}
}

// sayElsewhere posts the teacher's lines through a program that nobody is
// connected to, while this one is stopped.
func (s *site) sayElsewhere(t *testing.T, roomID string, lines ...string) {
	t.Helper()
	o, err := app.Open(t.Context(), s.cfg, slog.New(slog.DiscardHandler), app.Mode{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	for _, text := range lines {
		if _, err := o.PostMessage(t.Context(), s.teacher, roomID, text, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// dropEvents empties a room's log, as its retention will; the lines stay.
func (s *site) dropEvents(t *testing.T, roomID string) {
	t.Helper()
	driver, source := "sqlite", s.cfg.SQLitePath()
	if s.cfg.Postgres() {
		driver, source = "pgx", s.cfg.Database.URL.Reveal()
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "DELETE FROM events WHERE room_id = '"+roomID+"'"); err != nil {
		t.Fatal(err)
	}
}

// expire signs an access token anew that ran out a minute ago.
func (s *site) expire(t *testing.T, token string) string {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	claims["exp"] = time.Now().Add(-time.Minute).Unix()
	expired, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(s.cfg.Auth.SecretKey.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	return expired
}
