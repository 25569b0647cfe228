//go:build unix

package chaos

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/web/proctest"
)

// TestLostSecrets: no command makes new secrets for a database that has some, and with the
// old file back everything goes on.
func TestLostSecrets(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	env := []string{"COAGENT_PASSWORD=correct horse battery"}
	if out, code := s.RunEnv(env, "seed-admin", "root"); code != 0 {
		t.Fatal(out)
	}
	file, aside := filepath.Join(s.DataDir, "secrets.yaml"), filepath.Join(s.Dir, "aside")
	if err := os.Rename(file, aside); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve"}, {"seed-admin", "other"}, {"set-password", "root"}, {"seed-demo"}, {"migrate", "up"}, {"migrate", "status"},
		{"keys", "status"}, {"keys", "rotate"}, {"users"}} {
		out, code := s.RunEnv(env, args...)
		if code != 1 || !strings.Contains(out, "secrets.yaml") || !strings.Contains(out, "Put the file back from a backup") {
			t.Errorf("%v: exited with %d: %s", args, code, out)
		}
		if _, err := os.Stat(file); !os.IsNotExist(err) {
			t.Fatalf("%v: got %v, want no new file", args, err)
		}
	}
	if err := os.Rename(aside, file); err != nil {
		t.Fatal(err)
	}
	if out, code := s.RunEnv(env, "seed-admin", "root"); code != 0 || !strings.Contains(out, "already") {
		t.Errorf("with the file back: exited with %d: %s", code, out)
	}
}

// TestSecretsOfKilledFirstStart: a first start that ends between the database and its
// canary can be done again.
func TestSecretsOfKilledFirstStart(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, "")
	if out, code := s.Run("migrate", "up"); code != 0 { // it stores no canary
		t.Fatal(out)
	}
	if err := os.Remove(filepath.Join(s.DataDir, "secrets.yaml")); err != nil {
		t.Fatal(err)
	}
	if out, code := s.RunEnv([]string{"COAGENT_PASSWORD=correct horse battery"}, "seed-admin", "root"); code != 0 {
		t.Errorf("exited with %d: %s", code, out)
	}
}
