//go:build unix

package chaos

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestOutputCut: what takes a backup from standard output ends in the middle. The backup
// says so.
func TestOutputCut(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		done(t, s, "restore", file)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		var says strings.Builder
		cmd := exec.CommandContext(t.Context(), proctest.Binary(t), "backup", "-")
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, s.Environ(), w, &says
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		_ = w.Close() // the process has its own
		_, err = io.CopyN(io.Discard, r, 1000)
		_ = r.Close()
		if err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // the exit code says how it ended
		if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(says.String(), "what reads it has ended before all was written") ||
			!strings.Contains(says.String(), "the backup was not made") || innerWords.MatchString(says.String()) {
			t.Errorf("exited with %d: %s", code, says.String())
		}
		sameRows(t, s, want)
	})
}

// cut ends all connections to a site's database at a random point of the time that a command
// takes, and returns what the command has printed and its exit code.
func cut(t *testing.T, s *proctest.Site, took time.Duration, args ...string) (out string, code int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	at, cutOff := rand.N(took), make(chan error, 1)
	go func() {
		pause(t.Context(), at) // a cut has no signal to wait for
		_, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		cutOff <- err
	}()
	out, code = s.Run(args...)
	if err := <-cutOff; err != nil {
		t.Error(err)
	}
	return out, code
}

// clearly checks what a command says whose connections were cut.
func clearly(t *testing.T, out string) {
	t.Helper()
	lost := strings.Contains(out, "the connection to the database was lost; look whether Postgres runs, and run the command again")
	if connecting := strings.Contains(out, "cannot be reached"); !lost && !connecting || innerWords.MatchString(out) {
		t.Errorf("got %s", out)
	}
}

// mostCuts is how many cuts a test makes until one meets what it is for.
const mostCuts = 200

// TestArchiveConnectionCut cuts backups and restores from Postgres.
func TestArchiveConnectionCut(t *testing.T) {
	t.Parallel()
	file, want := schoolFile(t)
	s, full := proctest.New(t, storetest.Postgres(t)), proctest.New(t, storetest.Postgres(t))
	began := time.Now()
	done(t, full, "restore", file)
	took := time.Since(began)
	failed := 0
	for i := 0; i < either(50, 4) || failed == 0; i++ {
		if i == mostCuts {
			t.Fatal("no cut met the restore")
		}
		out, code := cut(t, s, took, "restore", file)
		command, people := half(t, s)
		switch {
		case code != 0 && command == "restore":
			failed++
			clearly(t, out)
			if !strings.Contains(out, "run the restore again") {
				t.Errorf("got %s", out)
			}
		case code != 0 && people == 0:
			clearly(t, out)
		case code == 0: // it came before the first connection, or after the end
			sameRows(t, s, want)
			emptied(t, s)
		default:
			t.Fatalf("%q, %d people, exited with %d: %s", command, people, code, out)
		}
	}
	t.Logf("%d cuts left a part", failed)
	table.add(row{fault: "restore cut from Postgres", database: "postgres", note: fmt.Sprintf("%d cuts left a part", failed)})
	if command, people := half(t, s); command != "" || people == 0 {
		done(t, s, "restore", file)
	}
	sameRows(t, s, want)
	began = time.Now()
	sameRows(t, full, want)
	took, failed = time.Since(began), 0
	folder := t.TempDir()
	for i := 0; i < either(50, 4) || failed == 0; i++ {
		if i == mostCuts {
			t.Fatal("no cut met the backup")
		}
		name := filepath.Join(folder, fmt.Sprint(i))
		out, code := cut(t, full, took, "backup", name)
		if code == 0 { // it came before the first connection, or after the end
			sums(t, name)
			continue
		}
		failed++
		clearly(t, out)
		if all, _ := filepath.Glob(name + "*"); len(all) > 0 {
			t.Errorf("got %v, want no file", all)
		}
	}
	table.add(row{fault: "backup cut from Postgres", database: "postgres", note: fmt.Sprintf("%d failed", failed)})
	sameRows(t, full, want)
}

// TestRotationConnectionCut cuts a change of keys from Postgres. It goes on when it is run
// again.
func TestRotationConnectionCut(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t))
	older, newer := proctest.EncryptionKey(), proctest.EncryptionKey()
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + older)
	serve := s.Serve()
	w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1})
	for i := range 45 {
		w.Teacher.Call(t, http.MethodPost, "/api/v1/users/keys", map[string]string{"provider": "openai", "alias": fmt.Sprint(i), "api_key": "sk-" + fmt.Sprint(i) + "-of-a-person"}, nil)
	}
	if code, _, err := serve.Term(drainLimit); code != 0 || err != nil {
		t.Fatalf("serve exited with %d (%v)", code, err)
	}
	// The process that has just ended is still taken for alive. A test need not wait.
	storetest.Exec(t, s.DB(), "UPDATE nodes SET seen_at = seen_at - interval '5 minutes'")
	began := time.Now()
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + older)
	done(t, s, "keys", "status")
	took := time.Since(began) * 3 / 2
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + newer + "," + older)
	failed := 0
	for i := 0; i < either(50, 4) || failed == 0; i++ {
		if out, code := cut(t, s, took, "keys", "rotate"); code != 0 {
			failed++
			clearly(t, out)
		}
		if out := done(t, s, "keys", "status", "--json"); !strings.Contains(out, `"unreadable_ids":[]`) {
			t.Errorf("got %s", out)
		}
	}
	t.Logf("%d cuts met the rotation", failed)
	if out := done(t, s, "keys", "rotate"); !strings.Contains(out, "can be taken out") {
		t.Errorf("got %s", out)
	}
	s.Set("COAGENT_AUTH_ENCRYPTION_KEYS=" + newer)
	done(t, s, "keys", "status")
}
