package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestUnfinished(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		want := func(what, command string) {
			t.Helper()
			if got, err := db.Unfinished(ctx); got != command || err != nil {
				t.Errorf("%s: got %q, %v, want %q", what, got, err, command)
			}
		}
		want("at first", "")
		for range 2 {
			if err := db.BeginLoad(ctx, "restore"); err != nil {
				t.Fatal(err)
			}
			want("begun", "restore")
		}
		if err := db.BeginLoad(ctx, "import-legacy"); !errors.Is(err, store.ErrOtherLoad) {
			t.Errorf("another command got %v", err)
		}
		// The mark is no table of another program, and stays until the load ends.
		if err := db.WithMigrationLock(ctx, func(db *store.DB) error { return db.Migrate(ctx) }); err != nil {
			t.Fatal(err)
		}
		want("migrated", "restore")
		if err := db.InTx(ctx, func(tx *store.Tx) error {
			return errors.Join(tx.EndLoad(ctx), context.Canceled)
		}); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		want("rolled back", "restore")
		if err := db.InTx(ctx, func(tx *store.Tx) error { return tx.EndLoad(ctx) }); err != nil {
			t.Fatal(err)
		}
		want("ended", "")
		if err := db.CheckSchema(ctx); err != nil {
			t.Error(err)
		}
	})
}
