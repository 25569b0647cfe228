package telemetry_test

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/telemetry"
)

func openLog(t *testing.T, f telemetry.LogFile) io.WriteCloser {
	t.Helper()
	w, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// logs lists the files of a folder, and checks that nobody else can read them.
func logs(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			continue // it has just gone
		}
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o, want 600", e.Name(), info.Mode().Perm())
		}
		names = append(names, e.Name())
	}
	return names
}

func TestLogFile(t *testing.T) {
	t.Parallel()
	t.Run("RotatesAndKeepsSome", func(t *testing.T) {
		t.Parallel()
		dir := filepath.Join(t.TempDir(), "logs")
		w := openLog(t, telemetry.LogFile{Path: filepath.Join(dir, "coagent.log"), Bytes: 1 << 20, Keep: 2})
		half := bytes.Repeat([]byte("x"), 600<<10)
		write := func() {
			if _, err := w.Write(half); err != nil {
				t.Fatal(err)
			}
		}
		apptest.Await(t, "three full files or more to have been there", func() bool {
			write() // the names of full files have milliseconds, so two may be one
			return len(logs(t, dir)) >= 3
		})
		write()
		write()
		apptest.Await(t, "all but the file and two full ones to go", func() bool { return len(logs(t, dir)) == 3 })
	})
	t.Run("GoesOnInTheSameFileAndClosesItToOthers", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		path := filepath.Join(dir, "coagent.log")
		if err := os.WriteFile(path, []byte("before\n"), 0o644); err != nil { //nolint:gosec // the test is about that
			t.Fatal(err)
		}
		slog.New(slog.NewTextHandler(openLog(t, telemetry.LogFile{Path: path, Bytes: 1 << 20, Keep: 1}), nil)).Info("after")
		text, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(string(text), "before\n") || !strings.Contains(string(text), "msg=after") {
			t.Errorf("got %q (%v)", text, err)
		}
		logs(t, dir)
	})
	t.Run("RefusesAFolder", func(t *testing.T) {
		t.Parallel()
		if w, err := (telemetry.LogFile{Path: t.TempDir(), Bytes: 1 << 20, Keep: 1}).Open(); err == nil {
			_ = w.Close()
			t.Error("a folder was opened as a file")
		}
	})
}

// fullDisk refuses each write.
type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestTeeLosesNoLineToAFullDisk(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if n, err := (telemetry.Tee{fullDisk{}, &out}).Write([]byte("line\n")); n != 5 || err != nil || out.String() != "line\n" {
		t.Errorf("got %d, %v, %q", n, err, out.String())
	}
}
