//go:build linux

package movein

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/coagent-studio/coagent/web/proctest"
)

// TestDiskFull: an import onto SQLite for which there is no room is told, leaves a database
// that nothing takes for whole, and goes on with room again.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	file := grown(t, 3000)
	args := []string{"import-legacy", "--from", file, "--static", path(t, schools()["ce8"].static)}
	s, other := proctest.New(t, "", legacyKey), proctest.New(t, "", legacyKey)
	if out, code := other.Run(args...); code != 0 {
		t.Fatalf("exited with %d: %s", code, out)
	}
	if err := os.Mkdir(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", s.DataDir, "tmpfs", 0, "size=6000k,mode=0700"); err != nil {
		t.Skip("SKIPPED, NOT TESTED ON A FULL DISK: mounting one is not allowed: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(s.DataDir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	out, code := s.Run(args...)
	for _, want := range []string{"coagent-data/coagent.db", "no space is left; make room there", "run the import again with the same file, and it goes on"} {
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("exited with %d, want 1 and %q: %s", code, want, out)
		}
	}
	if err := unix.Mount("tmpfs", s.DataDir, "tmpfs", unix.MS_REMOUNT, "size=200m,mode=0700"); err != nil {
		t.Fatal(err)
	}
	if out, code := s.Run("serve"); code == 0 || !strings.Contains(out, "`coagent import-legacy` has not finished") {
		t.Errorf("serve exited with %d: %s", code, out)
	}
	if out, code := s.Run(args...); code != 0 {
		t.Fatalf("with room again: exited with %d: %s", code, out)
	}
	got, want := state(t, s), state(t, other)
	for what := range want {
		if got[what] != want[what] {
			t.Errorf("%s: got %s, want %s", what, got[what], want[what])
		}
	}
}
