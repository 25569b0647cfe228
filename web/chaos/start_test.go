//go:build unix

package chaos

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "modernc.org/sqlite" // a database of another program is made with it

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// refused runs a command that has to fail at once and say why: in one line,
// with each of the words in it.
func refused(t *testing.T, s *proctest.Site, env []string, command string, words ...string) {
	t.Helper()
	out, code := s.RunEnv(append(env, "COAGENT_HTTP_ADDR=127.0.0.1:0"), strings.Fields(command)...)
	if code != 1 {
		t.Errorf("%s exited with %d, want 1: %s", command, code, out)
	}
	var errors []string
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "time=") {
			errors = append(errors, line)
		}
	}
	if len(errors) != 1 || !strings.HasPrefix(errors[0], "coagent: ") {
		t.Fatalf("got %q, want one line that says why", errors)
	}
	for _, word := range words {
		if !strings.Contains(errors[0], word) {
			t.Errorf("got %q, want %q in it", errors[0], word)
		}
	}
}

// execute runs statements in a site's database behind coagent's back.
func execute(t *testing.T, s *proctest.Site, statements ...string) {
	t.Helper()
	if s.Postgres() {
		conn, err := pgx.Connect(t.Context(), s.DatabaseURL)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
		for _, q := range statements {
			if _, err := conn.Exec(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(s.DataDir, "coagent.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, q := range statements {
		if _, err := db.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
}

// emptied takes everything out of a site's database.
func emptied(t *testing.T, s *proctest.Site) {
	t.Helper()
	if s.Postgres() {
		execute(t, s, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
	}
}

func TestFirstStart(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "", "COAGENT_LLM_OPENAI_BASE_URL=")
	serve := s.Serve()
	t.Run("KeepsItsFilesToItself", func(t *testing.T) {
		err := filepath.WalkDir(s.DataDir, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil // the server has just given a temporary file its name
			}
			if err != nil {
				return err
			}
			want := fs.FileMode(0o600)
			if d.IsDir() {
				want = 0o700
			}
			if got := info.Mode().Perm(); got != want {
				t.Errorf("%s has mode %o, want %o", path, got, want)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if left, err := filepath.Glob(filepath.Join(s.Dir, "*")); err != nil || len(left) != 1 {
			t.Errorf("the folder has %v (%v), want the data folder alone", left, err)
		}
	})
	t.Run("SetUpLinkWorksOnce", func(t *testing.T) {
		link := regexp.MustCompile(`/setup\?token=(\S+)\n`)
		token := link.FindStringSubmatch(serve.Log())
		// A serve answers before all that it has written is through the pipe.
		for ctx := within(t, 5*time.Second); token == nil; token = link.FindStringSubmatch(serve.Log()) {
			if ctx.Err() != nil {
				t.Fatalf("no set-up link in %s", serve.Log())
			}
			pause(ctx, 5*time.Millisecond)
		}
		nobody := new(proctest.Person).At(proctest.To(false, serve))
		for _, want := range []int{http.StatusOK, http.StatusForbidden} {
			a, err := nobody.Try(t.Context(), http.MethodPost, "/api/v1/setup",
				map[string]string{"token": token[1], "email": "first@school.example", "password": "a long enough password"})
			if err != nil || a.Status != want {
				t.Fatalf("got %+v (%v), want %d", a, err, want)
			}
		}
	})
	t.Run("SecondServeIsRefused", func(t *testing.T) {
		refused(t, s, nil, "serve", "another coagent", "coagent-data")
	})
	t.Run("WorkerIsRefused", func(t *testing.T) {
		refused(t, s, nil, "worker", "Postgres", "coagent serve")
	})
}

func TestStartRefuses(t *testing.T) {
	t.Parallel()
	t.Run("WrongEncryptionKey", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			if err := s.Serve().Kill9(); err != nil {
				t.Fatal(err)
			}
			refused(t, s, []string{"COAGENT_AUTH_ENCRYPTION_KEYS=" + proctest.EncryptionKey()}, "serve", "encryption key", "auth.encryption_keys")
			s.Serve()
		})
	})
	t.Run("NewerSchema", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			if out, code := s.Run("migrate", "up"); code != 0 {
				t.Fatal(out)
			}
			execute(t, s, "INSERT INTO schema_migrations (name, group_id, migrated_at) VALUES ('9999', 1, CURRENT_TIMESTAMP)")
			refused(t, s, []string{"COAGENT_DATABASE_AUTO_MIGRATE=true"}, "serve", "newer version", "9999")
		})
	})
	t.Run("ForeignTables", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			emptied(t, s)
			execute(t, s, "CREATE TABLE pupils (id INTEGER)")
			refused(t, s, []string{"COAGENT_DATABASE_AUTO_MIGRATE=true"}, "serve", "another program", "pupils")
		})
	})
	t.Run("UnfinishedLoad", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			emptied(t, s)
			execute(t, s, "CREATE TABLE coagent_unfinished AS SELECT 'restore' AS command")
			refused(t, s, []string{"COAGENT_DATABASE_AUTO_MIGRATE=true"}, "serve", "coagent restore", "has not finished", "empty database")
		})
	})
	t.Run("OldSchema", func(t *testing.T) {
		t.Parallel()
		s := proctest.New(t, storetest.Postgres(t))
		emptied(t, s)
		refused(t, s, nil, "serve", "older", "coagent migrate up", "database.auto_migrate")
		s.Serve("COAGENT_DATABASE_AUTO_MIGRATE=true")
	})
	t.Run("MissingSecrets", func(t *testing.T) {
		t.Parallel()
		s := proctest.New(t, storetest.Postgres(t), "COAGENT_AUTH_SECRET_KEY=", "COAGENT_AUTH_ENCRYPTION_KEYS=")
		refused(t, s, nil, "serve", "SECRET_KEY", "ENCRYPTION_KEY")
	})
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	t.Run("TwoAtOnce", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			emptied(t, s)
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if out, code := s.Run("migrate", "up"); code != 0 {
						t.Errorf("exited with %d: %s", code, out)
					}
				})
			}
			both.Wait()
			s.Serve()
		})
	})
	t.Run("KilledInTheMiddle", func(t *testing.T) {
		t.Parallel()
		proctest.Each(t, func(t *testing.T, s *proctest.Site) {
			emptied(t, s)
			for range either(25, 8) {
				p := s.Command("migrate", "up")
				if err := p.Launch(); err != nil {
					t.Fatal(err)
				}
				pause(t.Context(), time.Duration(rand.IntN(120))*time.Millisecond)
				if err := p.Kill9(); err != nil {
					t.Fatal(err)
				}
			}
			if out, code := s.Run("migrate", "up"); code != 0 {
				t.Fatalf("exited with %d: %s", code, out)
			}
			s.Serve()
		})
	})
}

// TestRunTwice is what `make run` does, twice.
func TestRunTwice(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "", "COAGENT_LLM_OPENAI_BASE_URL=")
	var accounts []string
	for range 2 {
		if out, code := s.Run("seed-demo"); code != 0 {
			t.Fatalf("seed-demo exited with %d: %s", code, out)
		}
		serve := s.Serve()
		text, err := os.ReadFile(filepath.Join(s.DataDir, "demo.txt"))
		if err != nil {
			t.Fatal(err)
		}
		accounts = append(accounts, string(text))
		account := regexp.MustCompile(`(?m)^student\s+(\S+)$`).FindStringSubmatch(string(text))
		if account == nil {
			t.Fatalf("no student in %s", text)
		}
		student := (&proctest.Person{Email: "student", Password: account[1]}).At(proctest.To(false, serve))
		if err := student.SignIn(t.Context()); err != nil {
			t.Error(err)
		}
		var courses []struct{ ID string }
		student.Call(t, http.MethodGet, "/api/v1/courses/", nil, &courses)
		if len(courses) != 1 {
			t.Errorf("the student has %d courses, want 1", len(courses))
		}
		if code, _, err := serve.Term(drainLimit + 5*time.Second); code != 0 || err != nil {
			t.Errorf("serve exited with %d (%v)", code, err)
		}
	}
	if accounts[0] != accounts[1] {
		t.Error("the second seed-demo changed the accounts")
	}
	if info, err := os.Stat(filepath.Join(s.DataDir, "demo.txt")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("demo.txt: %v, %v; want mode 600", info, err)
	}
}

func TestSuperAdmin(t *testing.T) {
	t.Parallel()
	const first, second = "the first password", "the second password"
	signsIn := func(t *testing.T, p *proctest.Process, login, password string, want bool) {
		t.Helper()
		err := (&proctest.Person{Email: login, Password: password}).At(proctest.To(false, p)).SignIn(t.Context())
		if got := err == nil; got != want {
			t.Errorf("%s signs in with %q: %t (%v), want %t", login, password, got, err, want)
		}
	}
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve("SUPER_ADMIN=boss@school.example", "SUPER_ADMIN_PASSWORD="+first)
		signsIn(t, serve, "boss@school.example", first, true)
		signsIn(t, serve, "admin", first, true)
		if strings.Contains(serve.Log(), "/setup?token=") || strings.Contains(serve.Log(), first) {
			t.Error("the start printed a set-up link, or the password")
		}
		if err := serve.Kill9(); err != nil {
			t.Fatal(err)
		}
		again := s.Serve("SUPER_ADMIN=boss@school.example", "SUPER_ADMIN_PASSWORD="+second)
		signsIn(t, again, "boss@school.example", first, true)
		signsIn(t, again, "boss@school.example", second, false)
		if err := again.Kill9(); err != nil {
			t.Fatal(err)
		}
		other := s.Serve("SUPER_ADMIN=chief", "SUPER_ADMIN_PASSWORD="+second)
		signsIn(t, other, "chief", second, false)
	})
	t.Run("PlainName", func(t *testing.T) {
		t.Parallel()
		s := proctest.New(t, "")
		serve := s.Serve("SUPER_ADMIN=root", "SUPER_ADMIN_PASSWORD="+first)
		signsIn(t, serve, "root", first, true)
		signsIn(t, serve, "admin", first, false)
	})
}
