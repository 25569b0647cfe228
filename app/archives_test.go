package app_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/archive"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

var schoolSize = flag.String("school", "300,5000", "people and messages of the school that moves between databases")

var noLog = slog.New(slog.DiscardHandler)

// place is an installation: on Postgres with a URL, otherwise on SQLite in a folder.
func place(t testing.TB, url string, tune ...func(*config.Config)) *config.Config {
	t.Helper()
	cfg := apptest.Config(url, "")
	cfg.DataDir = t.TempDir()
	if path, lite := strings.CutPrefix(url, "sqlite:"); lite {
		cfg.Database.URL, cfg.DataDir = "", filepath.Dir(path)
	}
	for _, f := range tune {
		f(cfg)
	}
	return cfg
}

// freshPostgres is a database without tables.
func freshPostgres(t testing.TB) string {
	t.Helper()
	url := storetest.Postgres(t)
	db := storetest.Open(t, store.Options{URL: url})
	if err := db.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	return url
}

// migrated opens the place's database, migrated.
func migrated(t testing.TB, cfg *config.Config) *store.DB {
	t.Helper()
	db, err := app.OpenDB(t.Context(), cfg)
	if err == nil {
		err = app.Migrate(t.Context(), db, noLog)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // the test is over
	return db
}

func backedUp(t testing.TB, cfg *config.Config, file string, withKeys bool) (*archive.Manifest, *archive.End) {
	t.Helper()
	a, err := app.OpenArchives(t.Context(), cfg, noLog, "v1")
	if err != nil {
		t.Fatal(err)
	}
	m, end, err := a.Backup(t.Context(), file, withKeys)
	if err := errors.Join(err, a.Close()); err != nil {
		t.Fatal(err)
	}
	return m, end
}

func restored(t testing.TB, cfg *config.Config, file string) {
	t.Helper()
	if _, _, err := app.Restore(t.Context(), cfg, noLog, "v1", file, func(app.Progress) {}); err != nil {
		t.Fatal(err)
	}
}

// sums are the rows and hashes of all tables, without how they were cut into parts.
func sums(end *archive.End) map[string]string {
	all := map[string]string{"files": fmt.Sprint(end.Files)}
	for _, s := range end.Tables {
		all[s.Name] = fmt.Sprint(s.Rows, " ", s.SHA256)
	}
	return all
}

// TestMove: a school with rows in every table goes from SQLite to Postgres and back, and has
// the same rows at the end. -school 10000,500000 is the long form.
func TestMove(t *testing.T) {
	t.Parallel()
	var size storetest.Size
	if _, err := fmt.Sscanf(*schoolSize, "%d,%d", &size.People, &size.Messages); err != nil {
		t.Fatal(err)
	}
	postgres := freshPostgres(t)
	dir, peak := t.TempDir(), watchMemory(t)
	timed := func(what string, fn func()) {
		began := time.Now()
		fn()
		t.Logf("%-20s %6.1f s, heap at most %d MiB", what, time.Since(began).Seconds(), peak()>>20)
	}
	first := place(t, "")
	db := migrated(t, first)
	timed("school", func() { storetest.School(t, db, size) })
	// It gives the accounts the form by which logins are compared, as a restore does.
	if err := errors.Join(app.Migrate(t.Context(), db, noLog), db.Close()); err != nil {
		t.Fatal(err)
	}
	var wrote *archive.End
	var m *archive.Manifest
	timed("backup of SQLite", func() { m, wrote = backedUp(t, first, filepath.Join(dir, "1"), true) })
	for _, s := range wrote.Tables {
		if s.Rows == 0 {
			t.Errorf("the school has no rows in %s, so nobody knows whether they move", s.Name)
		}
	}
	want := sums(wrote)
	for i, next := range []*config.Config{place(t, postgres), place(t, "")} {
		from, to := filepath.Join(dir, fmt.Sprint(i+1)), filepath.Join(dir, fmt.Sprint(i+2))
		timed("restore "+fmt.Sprint(i+1), func() { restored(t, next, from) })
		var end *archive.End
		timed("backup "+fmt.Sprint(i+2), func() { _, end = backedUp(t, next, to, true) })
		if got := sums(end); !reflect.DeepEqual(got, want) {
			for name := range want {
				if got[name] != want[name] {
					t.Errorf("move %d: %s has %s, want %s", i+1, name, got[name], want[name])
				}
			}
		}
		likeNew(t, next)
	}
	everyTable(t, m)
}

// likeNew checks that a restored database has exactly the schema of a new one, and that
// nothing is left to do but the index of the search.
func likeNew(t *testing.T, cfg *config.Config) {
	t.Helper()
	ctx := t.Context()
	db := migrated(t, cfg)
	fresh := ""
	if cfg.Postgres() {
		fresh = freshPostgres(t)
	}
	want, err := migrated(t, place(t, fresh)).Schema(ctx)
	got, err2 := db.Schema(ctx)
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("the schema after the restore is not that of a new database")
	}
	command, err := db.Unfinished(ctx)
	left, err2 := db.SearchBackfill(ctx)
	if err := errors.Join(err, err2); err != nil || command != "" || left == nil || left.Total == 0 {
		t.Errorf("after the restore: %q, %v, %v", command, left, err)
	}
}

// everyTable checks that each table of the program is in a backup, or named as left out.
func everyTable(t *testing.T, m *archive.Manifest) {
	t.Helper()
	lines, err := migrated(t, place(t, "")).Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		table, _, _ := strings.Cut(line, ": ")
		in := false
		for _, have := range m.Tables {
			in = in || have.Name == table
		}
		for _, l := range m.LeftOut {
			prefix, many := strings.CutSuffix(l.What, "*")
			in = in || l.What == table || many && strings.HasPrefix(table, prefix)
		}
		if !in {
			t.Errorf("the table %s is neither in a backup nor named as left out", table)
		}
	}
}

// watchMemory returns the largest heap since it was asked last.
func watchMemory(t *testing.T) func() uint64 {
	var peak atomic.Uint64
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { stop(); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			peak.Store(max(peak.Load(), m.HeapInuse))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	}()
	return func() uint64 { return peak.Swap(0) }
}
