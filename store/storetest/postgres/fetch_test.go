package postgres

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// fake puts two programs where the archive has them.
func fake(into string) error {
	if err := os.MkdirAll(filepath.Join(into, "bin"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"initdb", "postgres"} {
		if err := os.WriteFile(filepath.Join(into, "bin", name), []byte("#!/bin/sh\n"), 0o755); err != nil {
			return err
		}
	}
	return nil
}

func TestFetchOnceForAll(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	var calls atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			bin, err := fetchInto(home, func(into string) error { calls.Add(1); return fake(into) })
			if err != nil || !hasBinaries(bin) {
				t.Errorf("got %q, %v", bin, err)
			}
		})
	}
	all.Wait()
	if n := calls.Load(); n != 1 {
		t.Errorf("downloads: got %d, want 1", n)
	}
}

// What a failed download left is neither used nor kept.
func TestFetchAgainAfterAFailure(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	broken := errors.New("no network")
	if _, err := fetchInto(home, func(into string) error { return errors.Join(fake(into), broken) }); !errors.Is(err, broken) {
		t.Fatalf("got %v, want %v", err, broken)
	}
	left, err := filepath.Glob(filepath.Join(home, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if len(left) != 1 { // the lock
		t.Errorf("left behind: %q", left)
	}
	if bin, err := fetchInto(home, fake); err != nil || !hasBinaries(bin) {
		t.Errorf("got %q, %v", bin, err)
	}
}

func TestNoServerIsToBeHad(t *testing.T) {
	t.Setenv(BinEnv, None)
	if _, err := Start(t.Context(), Options{}); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("got %v, want %v", err, ErrNotInstalled)
	}
}
