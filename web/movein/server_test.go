//go:build unix

package movein

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestFromServer imports each school from a living Postgres. The end is that of its dump.
func TestFromServer(t *testing.T) {
	t.Parallel()
	for name, one := range schools() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			old := storetest.Postgres(t)
			fill(t, old, one)
			byServer, byDump := proctest.New(t, "", legacyKey), proctest.New(t, "", legacyKey)
			if out, code := byServer.Run("import-legacy", "--from", old, "--static", path(t, one.static)); code != 0 {
				t.Fatalf("exited with %d: %s", code, out)
			}
			if out, code := byDump.Run(one.args(t)...); code != 0 {
				t.Fatalf("exited with %d: %s", code, out)
			}
			got, want := state(t, byServer), state(t, byDump)
			for what := range want {
				if got[what] != want[what] {
					t.Errorf("%s: got %s, want %s", what, got[what], want[what])
				}
			}
		})
	}
}

// TestOnlyIntoAnEmptyDatabase: an import touches neither what people have made here, nor the
// old database itself.
func TestOnlyIntoAnEmptyDatabase(t *testing.T) {
	t.Parallel()
	one := schools()["ce8"]
	old := storetest.Postgres(t)
	fill(t, old, one)
	s := proctest.New(t, old, legacyKey)
	if out, code := s.Run("import-legacy", "--from", old); code == 0 || strings.Contains(out, "The school is here") {
		t.Errorf("into itself: exited with %d: %s", code, out)
	}
	s = proctest.New(t, "", legacyKey)
	if out, code := s.RunEnv([]string{"COAGENT_PASSWORD=correct horse battery"}, "seed-demo"); code != 0 {
		t.Fatal(out)
	}
	if out, code := s.Run(one.args(t)...); code == 0 || !strings.Contains(out, "is not empty") {
		t.Errorf("into a demo: exited with %d: %s", code, out)
	}
	if command, err := s.DB().Unfinished(t.Context()); command != "" || err != nil {
		t.Errorf("the demo is marked by %q (%v)", command, err)
	}
	// The account that a first start has made gives way to the same person.
	s = proctest.New(t, "", legacyKey, "COAGENT_AUTH_SUPER_ADMIN=root@school.example", "COAGENT_AUTH_SUPER_ADMIN_PASSWORD=Another-Root-2026!")
	if out, code := s.Run("migrate", "up"); code != 0 {
		t.Fatal(out)
	}
	if out, code := s.RunEnv([]string{"COAGENT_PASSWORD=correct horse battery"}, "seed-admin", "root@school.example"); code != 0 {
		t.Fatal(out)
	}
	if out, code := s.Run(one.args(t)...); code != 0 || !strings.Contains(out, "takes the place of the super admin") {
		t.Errorf("beside a first account: exited with %d: %s", code, out)
	}
	if n := storetest.Count(t, s.DB(), "SELECT count(*) FROM users"); n != 17 {
		t.Errorf("got %d accounts, want 17", n)
	}
}

// fill makes the old system's database of a dump.
func fill(t *testing.T, url string, one school) {
	t.Helper()
	text, err := os.ReadFile(testdata + one.dump)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var sql strings.Builder
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, `\`) {
			sql.WriteString(line)
		}
	}
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), sql.String()); err != nil {
		t.Fatal(err)
	}
}
