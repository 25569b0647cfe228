package store_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	t.Run("a path is a path, whatever is in it", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"C#", "100%", "%20", "why?", "學 生", "a&b=c", "it's", `back\slash`} {
			dir := filepath.Join(t.TempDir(), name)
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+".db")
			db := storetest.Open(t, store.Options{URL: "sqlite:" + path})
			mustBe(t, name, db.Ping(t.Context()), nil)
			var file string
			if err := db.Writer().QueryRowContext(t.Context(), "SELECT file FROM pragma_database_list").Scan(&file); err != nil {
				t.Fatal(err)
			}
			if got, err := os.Stat(file); err != nil {
				t.Errorf("%s: SQLite opened %s: %v", name, file, err)
			} else if want, err := os.Stat(path); err != nil || !os.SameFile(got, want) {
				t.Errorf("%s: SQLite opened %s, want %s (%v)", name, file, path, err)
			}
			if got := count(t, db, "PRAGMA foreign_keys"); got != 1 {
				t.Errorf("%s: the options after the path are lost", name)
			}
		}
	})
	t.Run("both sides of SQLite have the options that the program relies on", func(t *testing.T) {
		t.Parallel()
		db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
		for pragma, want := range map[string][2]string{
			"journal_mode": {"wal", "wal"}, "synchronous": {"2", "2"}, "foreign_keys": {"1", "1"},
			"busy_timeout": {"10000", "10000"}, "query_only": {"0", "1"},
		} {
			var got [2]string
			if err := db.Writer().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got[0]); err != nil {
				t.Fatal(err)
			}
			if err := db.ReadSide().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got[1]); err != nil {
				t.Fatal(err)
			}
			if got != want {
				t.Errorf("%s: got %v, want %v", pragma, got, want)
			}
		}
	})
	t.Run("a new file is its owner's alone", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "coagent.db")
		db := storetest.Open(t, store.Options{URL: "sqlite:" + path})
		if _, err := db.Writer().ExecContext(t.Context(), "CREATE TABLE x (id INTEGER)"); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			info, err := os.Stat(file)
			if err != nil {
				t.Fatal(err)
			}
			if got := info.Mode().Perm(); got != 0o600 && runtime.GOOS != "windows" {
				t.Errorf("%s: got %v, want 0600", filepath.Base(file), got)
			}
		}
	})
	t.Run("a folder that is not there is an error at once", func(t *testing.T) {
		t.Parallel()
		if _, err := store.Open(t.Context(), store.Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "none", "x.db")}); err == nil {
			t.Error("it opened")
		}
	})
	t.Run("an error never shows the password", func(t *testing.T) {
		t.Parallel()
		for _, url := range []string{
			"postgres://me:hunter2@host:notaport/db", "hunter2", "mysql://me:hunter2@host/db", "postgres://me:hunter2@127.0.0.1:1/db", "",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			db, err := store.Open(ctx, store.Options{URL: url})
			if err == nil {
				err = db.Ping(ctx)
				_ = db.Close()
			}
			if err == nil || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%q: got %v", url, err)
			}
		}
	})
	t.Run("each process has a name of its own", func(t *testing.T) {
		t.Parallel()
		url := storetest.SQLite(t)
		a, b := storetest.Open(t, store.Options{URL: url}), storetest.Open(t, store.Options{URL: url})
		if a.Node() == "" || a.Node() == b.Node() {
			t.Errorf("got %q and %q", a.Node(), b.Node())
		}
	})
}

// Two processes on one SQLite file wait for each other instead of failing.
func TestTwoWritersOnOneFile(t *testing.T) {
	t.Parallel()
	url := storetest.SQLite(t)
	w := newWorld(t, storetest.Open(t, store.Options{URL: url}))
	other := *w
	other.db = storetest.Open(t, store.Options{URL: url})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			other.say("from the other")
		}
	}()
	for range 20 {
		w.say("from the one")
	}
	<-done
	if head, _, err := w.db.EventRange(t.Context(), w.room.ID); head != 40 || err != nil {
		t.Errorf("got %d lines (%v), want 40", head, err)
	}
}
