//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest/postgres"
)

// helperEnv makes the test binary start a server and wait to be killed.
const helperEnv = "COAGENT_POSTGRES_TEST_HELPER"

func TestMain(m *testing.M) {
	if os.Getenv(helperEnv) != "" {
		s, err := postgres.Start(context.Background(), postgres.Options{})
		if err != nil {
			panic(err)
		}
		os.Stdout.WriteString(s.URL("postgres") + "\n")
		select {}
	}
	os.Exit(m.Run())
}

func start(t *testing.T, opts postgres.Options) *postgres.Server {
	t.Helper()
	s, err := postgres.Start(t.Context(), opts)
	if errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skipf("SKIPPED (no Postgres): %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// tempDir is a folder that the server's user can reach when we are root.
func tempDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func query[T any](t *testing.T, url, sql string) (v T, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return v, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return v, conn.QueryRow(ctx, sql).Scan(&v)
}

func mustQuery[T any](t *testing.T, url, sql string) T {
	t.Helper()
	v, err := query[T](t, url, sql)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually polls until ok holds, for at most 15 seconds.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(15 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 15 s: %s", what)
		}
	}
}

func TestServer(t *testing.T) {
	t.Parallel()
	s := start(t, postgres.Options{MaxConnections: 20})
	url, err := s.CreateDatabase(t.Context(), `od"d`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := mustQuery[string](t, url, "SELECT current_database()"), `od"d`; got != want {
		t.Errorf("database: got %q, want %q", got, want)
	}
	if got, want := mustQuery[string](t, url, "SHOW max_connections"), "20"; got != want {
		t.Errorf("max_connections: got %s, want %s", got, want)
	}
	if got, want := mustQuery[string](t, url, "SHOW fsync"), "off"; got != want {
		t.Errorf("fsync: got %s, want %s", got, want)
	}
	if _, err := query[int](t, strings.Replace(url, "postgres:", "postgres:wrong", 1), "SELECT 1"); err == nil {
		t.Error("a wrong password is let in")
	}

	// The rest shares the server and changes its state, so it runs in this order.
	for _, mode := range []postgres.Mode{postgres.Smart, postgres.Fast, postgres.Immediate} {
		if err := s.Stop(mode); err != nil {
			t.Fatalf("stop %s: %v", mode, err)
		}
		if _, err := query[int](t, url, "SELECT 1"); err == nil {
			t.Errorf("stop %s: still answers", mode)
		}
		if err := s.Restart(t.Context(), mode); err != nil {
			t.Fatalf("start after %s: %v", mode, err)
		}
		if got := mustQuery[int](t, url, "SELECT 1"); got != 1 {
			t.Errorf("after %s: got %d, want 1", mode, got)
		}
	}
	if err := s.Stop("never"); err == nil {
		t.Error("an unknown mode is accepted")
	}
	if err := s.Start(t.Context()); err == nil {
		t.Error("a second start is accepted")
	}
}

// The process keeps its server even when the handle is garbage.
func TestOutlivesItsHandle(t *testing.T) {
	t.Parallel()
	url := func() string {
		s, err := postgres.Start(t.Context(), postgres.Options{})
		if errors.Is(err, postgres.ErrNotInstalled) && os.Getenv("CI") != "true" {
			t.Skipf("SKIPPED (no Postgres): %v", err)
		}
		if err != nil {
			t.Fatal(err)
		}
		return s.URL("postgres")
	}()
	for range 20 {
		runtime.GC()
		if got := mustQuery[int](t, url, "SELECT 1"); got != 1 {
			t.Fatalf("got %d, want 1", got)
		}
	}
}

func TestSignalStopsOpenConnections(t *testing.T) {
	t.Parallel()
	s := start(t, postgres.Options{})
	conn, err := pgx.Connect(t.Context(), s.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	answer := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT 1")
		answer <- err
	}()
	select {
	case err := <-answer:
		t.Fatalf("a stopped server answers: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := s.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err != nil {
		t.Errorf("after SIGCONT: %v", err)
	}
	if err := s.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	// The cleanup ends a stopped server too.
}

func TestDataDir(t *testing.T) {
	t.Parallel()
	t.Run("Kept", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(tempDir(t), "cluster")
		s := start(t, postgres.Options{DataDir: dir, Fsync: true})
		if got, want := mustQuery[string](t, s.URL("postgres"), "SHOW fsync"), "on"; got != want {
			t.Errorf("fsync: got %s, want %s", got, want)
		}
		if err := s.Stop(postgres.Fast); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, "PG_VERSION")); err != nil {
			t.Error(err)
		}
	})
	t.Run("ErrInUse", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "PG_VERSION"), []byte("17"), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := postgres.Start(t.Context(), postgres.Options{DataDir: dir})
		if err == nil {
			t.Fatal(errors.Join(errors.New("started on another cluster's folder"), s.Close()))
		}
	})
}

// Whoever starts a server and is killed leaves neither a process nor a file.
func TestEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	start(t, postgres.Options{}) // skips where there is no Postgres
	for name, stopped := range map[string]bool{"Running": false, "Stopped": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tmp := tempDir(t)
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), helperEnv+"=1", "TMPDIR="+tmp)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			line := make([]byte, 200)
			n, err := out.Read(line)
			if err != nil {
				t.Fatal(err)
			}
			url := strings.TrimSpace(string(line[:n]))
			if got := mustQuery[int](t, url, "SELECT 1"); got != 1 {
				t.Fatalf("got %d, want 1", got)
			}
			pid := postmasterPID(t, tmp)
			if stopped {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			eventually(t, "folder removed", func() bool {
				left, err := os.ReadDir(tmp)
				return err == nil && len(left) == 0
			})
			eventually(t, "server ended", func() bool {
				return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
			})
		})
	}
}

func postmasterPID(t *testing.T, tmp string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(tmp, "coagent-pg-*", "data", "postmaster.pid"))
	if err != nil || len(files) != 1 {
		t.Fatalf("postmaster.pid: got %v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err := strconv.Atoi(first)
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
