//go:build unix

package proctest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Site is one installation of coagent in its own folder.
type Site struct {
	T           testing.TB
	Dir         string // the working folder
	DataDir     string
	DatabaseURL string // empty on SQLite
	Model       *llmtest.Server

	env   map[string]string
	mu    sync.Mutex
	procs []*Process
	db    *store.DB
}

// New makes an installation on a Postgres database, or on SQLite when the URL is empty.
// env are settings, for example "COAGENT_LOG_LEVEL=debug"; "NAME=" unsets a default.
// Limits on what one person may do are off.
func New(tb testing.TB, databaseURL string, env ...string) *Site {
	tb.Helper()
	dir := filepath.Join(tb.TempDir(), "work")
	if err := os.Mkdir(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	s := &Site{T: tb, Dir: dir, DataDir: filepath.Join(dir, "coagent-data"), DatabaseURL: databaseURL, Model: llmtest.New(tb)}
	s.env = map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": dir, "TMPDIR": os.TempDir(),
		"COAGENT_LLM_OPENAI_BASE_URL":          s.Model.URL + "/v1",
		"COAGENT_LIMITS_POSTS_PER_MINUTE":      "100000",
		"COAGENT_LIMITS_POSTS_BURST":           "100000",
		"COAGENT_LIMITS_HANDSHAKES_PER_MINUTE": "100000",

		"COAGENT_LIMITS_REQUESTS_PER_MINUTE":         "10000000",
		"COAGENT_LIMITS_REQUESTS_BURST":              "10000000",
		"COAGENT_LIMITS_ADDRESS_REQUESTS_PER_MINUTE": "10000000",
		"COAGENT_LIMITS_ADDRESS_REQUESTS_BURST":      "10000000",
	}
	if databaseURL != "" {
		s.env["COAGENT_DATABASE_URL"] = databaseURL
		s.env["COAGENT_DATABASE_POOL"] = "10"
		s.env["COAGENT_AUTH_SECRET_KEY"] = rand.Text() + rand.Text()
		s.env["COAGENT_AUTH_ENCRYPTION_KEYS"] = EncryptionKey()
	}
	s.Set(env...)
	tb.Cleanup(s.close)
	return s
}

// Each runs test as one parallel subtest per database, "sqlite" and
// "postgres", each in a fresh installation.
func Each(t *testing.T, test func(t *testing.T, s *Site), env ...string) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		test(t, New(t, "", env...))
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		test(t, New(t, storetest.Postgres(t), env...))
	})
}

// EncryptionKey makes a Fernet key.
func EncryptionKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // crypto/rand never fails
	return base64.URLEncoding.EncodeToString(key)
}

// Set changes settings of the processes that are made from now on.
func (s *Site) Set(env ...string) {
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		s.env[name] = value
		if value == "" {
			delete(s.env, name)
		}
	}
}

// Postgres tells whether the site's database is Postgres; otherwise it is SQLite.
func (s *Site) Postgres() bool { return s.DatabaseURL != "" }

// Database returns the database's name for tables.
func (s *Site) Database() string {
	if s.Postgres() {
		return "postgres"
	}
	return "sqlite"
}

// Environ is the environment of its processes, with more settings.
func (s *Site) Environ(extra ...string) []string {
	var env []string
	for name, value := range s.env {
		env = append(env, name+"="+value)
	}
	return append(env, extra...)
}

// Serve starts `coagent serve` and waits until it is ready.
func (s *Site) Serve(env ...string) *Process {
	s.T.Helper()
	for {
		addr := freeAddr(s.T)
		p := s.process("serve", append([]string{"COAGENT_HTTP_ADDR=" + addr}, env...))
		p.URL = "http://" + addr
		_, err := p.Start(s.T.Context())
		if err == nil {
			return p
		}
		if !strings.Contains(err.Error(), portTaken) {
			s.T.Fatal(err)
		}
	}
}

// Worker starts `coagent worker` and waits until it is ready.
func (s *Site) Worker(env ...string) *Process {
	s.T.Helper()
	p := s.process("worker", env)
	if _, err := p.Start(s.T.Context()); err != nil {
		s.T.Fatal(err)
	}
	return p
}

// Command makes a process of a command that ends by itself, for Launch.
func (s *Site) Command(args ...string) *Process {
	s.T.Helper()
	p := s.process(args[0], nil)
	p.args = args
	return p
}

func (s *Site) process(command string, env []string) *Process {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &Process{Name: fmt.Sprintf("%s-%d", command, len(s.procs)+1), bin: Binary(s.T), args: []string{command},
		env: s.Environ(env...), dir: s.Dir}
	s.procs = append(s.procs, p)
	return p
}

// Processes returns all processes made for this site.
func (s *Site) Processes() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*Process(nil), s.procs...)
}

// commandTimeout bounds a command that should end by itself.
const commandTimeout = 90 * time.Second

// Run runs a coagent command to its end. It returns what the command printed, and its
// exit code.
func (s *Site) Run(args ...string) (out string, code int) {
	s.T.Helper()
	return s.RunEnv(nil, args...)
}

// RunEnv is Run with more settings.
func (s *Site) RunEnv(env []string, args ...string) (out string, code int) {
	s.T.Helper()
	bin := Binary(s.T) // the first call builds the binary; that is not part of the command's time
	ctx, cancel := context.WithTimeout(s.T.Context(), commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Dir, cmd.Env = s.Dir, s.Environ(env...)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err := start(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || ctx.Err() != nil {
		s.T.Fatalf("coagent %s: %v: %s", strings.Join(args, " "), err, both.String())
	}
	return both.String(), cmd.ProcessState.ExitCode()
}

// DB returns the test's own connection to the site's database, for reading.
func (s *Site) DB() *store.DB {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.db != nil {
		return s.db
	}
	url := s.DatabaseURL
	if url == "" {
		url = "sqlite:" + filepath.Join(s.DataDir, "coagent.db")
	}
	db, err := store.Open(s.T.Context(), store.Options{URL: url, Pool: 2})
	if err != nil {
		s.T.Fatal(err)
	}
	s.db = db
	return db
}

// close ends what still runs on the site. It shows the logs of a failed test.
func (s *Site) close() {
	for _, p := range s.Processes() {
		if err := p.Kill9(); err != nil {
			s.T.Errorf("kill %s: %v", p.Name, err)
		}
		if s.T.Failed() {
			s.T.Logf("%s wrote:\n%s", p.Name, tail(notable(p.Log())))
		}
	}
	if s.db != nil {
		if err := s.db.Close(); err != nil {
			s.T.Errorf("close the database: %v", err)
		}
	}
}

// notable returns a log without the lines about successful requests and turns.
func notable(log string) string {
	var kept []string
	for line := range strings.Lines(log) {
		calm := strings.Contains(line, "msg=request ") && !strings.Contains(line, "status=5") ||
			strings.Contains(line, "msg=turn ") && strings.Contains(line, "err=<nil>")
		if !calm {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

var (
	portsMu sync.Mutex
	ports   = map[int]bool{}
)

// freeAddr returns an address on the loopback interface below the ephemeral range. So no
// outgoing connection takes it while its process restarts. The servers of
// storetest/postgres take theirs above that range.
func freeAddr(tb testing.TB) string {
	tb.Helper()
	portsMu.Lock()
	defer portsMu.Unlock()
	for range 200 {
		port := 10000 + mrand.IntN(10000)
		if ports[port] {
			continue
		}
		ports[port] = true
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		ln, err := net.Listen("tcp", addr)
		if err != nil {
			continue
		}
		_ = ln.Close()
		return addr
	}
	tb.Fatal("no free port")
	return ""
}
