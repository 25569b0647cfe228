package app_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store/storetest"
)

// filesInFolder keeps files in a folder, on whose disk a node on Postgres depends too.
func filesInFolder(t *testing.T) func(*config.Config) {
	t.Helper()
	dir := t.TempDir()
	return func(c *config.Config) { c.Files.Storage, c.Files.Dir = "folder", dir }
}

// ready is what Ready says when all that was remembered is too old.
func ready(t *testing.T, r *apptest.Rig) error {
	t.Helper()
	r.Advance(time.Minute)
	return r.Ready(t.Context())
}

func wantReady(t *testing.T, r *apptest.Rig) {
	t.Helper()
	if err := ready(t, r); err != nil {
		t.Errorf("got %v, want ready", err)
	}
}

func wantUnready(t *testing.T, err error, code wording.Code, text string) {
	t.Helper()
	var e *app.Error
	if !errors.As(err, &e) || e.Kind != app.KindUnavailable || e.Code != code || !strings.Contains(e.Message, text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

func TestReadyKnowsAFullDisk(t *testing.T) {
	t.Parallel()
	const full, mib = 64 << 20, 1 << 20
	t.Run("comes back only with twice as much", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			r := apptest.New(t, url, filesInFolder(t))
			apptest.Await(t, "the server to be ready", func() bool { return ready(t, r) == nil })
			for _, step := range []struct {
				left  int64
				ready bool
			}{{10 << 30, true}, {full, true}, {full - 1, false}, {full + mib, false}, {2*full - 1, false}, {2 * full, true}, {full + mib, true}, {0, false}, {10 << 30, true}} {
				r.SetDiskLeft(step.left)
				if step.ready {
					wantReady(t, r)
				} else {
					wantUnready(t, ready(t, r), wording.StorageFull, "is full: reading goes on")
				}
			}
			for _, change := range []string{"a disk takes no more", "the disk takes more again"} {
				if n := strings.Count(r.Log(), change+`" setting=files.dir`); n != 2 {
					t.Errorf("the log tells %d times that %s, want each change once", n, change)
				}
			}
		})
	})
	t.Run("remembers for five seconds", func(t *testing.T) {
		t.Parallel()
		r := apptest.NewStopped(t, storetest.SQLite(t))
		r.SetDiskLeft(10 << 30)
		wantReady(t, r)
		r.SetDiskLeft(0)
		r.Advance(-time.Second) // the clock of the test goes on by itself as well
		if err := r.Ready(t.Context()); err != nil {
			t.Errorf("got %v, want what was found before", err)
		}
		wantUnready(t, ready(t, r), wording.StorageFull, "data_dir")
	})
	t.Run("reads and refuses as before", func(t *testing.T) {
		t.Parallel()
		r := apptest.NewStopped(t, storetest.SQLite(t))
		r.SetDiskLeft(0)
		wantUnready(t, ready(t, r), wording.StorageFull, "data_dir")
		if _, err := r.Meta(t.Context()); err != nil {
			t.Errorf("got %v, want an answer", err)
		}
	})
	t.Run("a folder that is none", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			tune := filesInFolder(t)
			r := apptest.New(t, url, tune)
			apptest.Await(t, "the server to be ready", func() bool { return ready(t, r) == nil })
			dir := r.Config.Files.Dir
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			err := ready(t, r)
			wantUnready(t, err, wording.FilesUnavailable, "files.dir")
			if strings.Contains(err.(*app.Error).Message, filepath.Dir(dir)) { //nolint:errorlint // it is one, see above
				t.Errorf("whoever asks is told a path: %v", err)
			}
			if !strings.Contains(r.Log(), dir) {
				t.Error("the operator is not told the path")
			}
		})
	})
	t.Run("nothing is left by a look", func(t *testing.T) {
		t.Parallel()
		r := apptest.NewStopped(t, storetest.SQLite(t), filesInFolder(t))
		wantReady(t, r)
		left, err := os.ReadDir(r.Config.Files.Dir)
		if err != nil || len(left) != 0 {
			t.Errorf("got %v (%v), want an empty folder", left, err)
		}
	})
}
