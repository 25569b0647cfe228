package store_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Statements that stay prepared with a connection see later rows and outlive a
// change of the tables they read.
func TestPreparedStatementsStayRight(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		s := newSession(w.pupil.ID)
		w.open(s)
		ask := func() {
			t.Helper()
			for range 2 * 8 { // more often than there are reading connections
				got, err := db.Session(t.Context(), s.ID)
				mustBe(t, "the error", err, nil)
				if got.User.ID != w.pupil.ID {
					t.Fatalf("got the session of %s, want %s", got.User.ID, w.pupil.ID)
				}
				acc, err := db.RoomAccess(t.Context(), w.room.ID, w.pupil.ID)
				mustBe(t, "the error", err, nil)
				if acc.Room.ID != w.room.ID || acc.Room.Name != w.room.Name {
					t.Fatalf("got room %+v, want %+v", acc.Room, w.room)
				}
				_, err = db.Session(t.Context(), "nobody's")
				mustBe(t, "the error without a row", err, store.ErrNotFound)
			}
		}
		ask()
		for _, change := range []string{"ALTER TABLE rooms ADD COLUMN later TEXT", "ALTER TABLE sessions ADD COLUMN later TEXT"} {
			if _, err := raw(t, db).ExecContext(t.Context(), change); err != nil {
				t.Fatal(err)
			}
		}
		ask()
	})
}

// The writer keeps its prepared statements too, and the job queue uses it beside us.
func TestPreparedStatementsOfTheWriter(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	ctx := t.Context()
	// total reads the same text again, while its rows are read.
	total := func(tx *store.Tx, query string, upTo int) (sum int, err error) {
		rows, err := tx.Lite.QueryContext(ctx, query, upTo)
		if err != nil {
			return 0, err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var i int
			if err := rows.Scan(&i); err != nil {
				return 0, err
			}
			sum += i
		}
		return sum, rows.Err()
	}
	const numbers = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) SELECT i FROM n"
	mustBe(t, "InTx", db.InTx(ctx, func(tx *store.Tx) error {
		outer, err := tx.Lite.QueryContext(ctx, numbers, 5)
		if err != nil {
			return err
		}
		defer func() { _ = outer.Close() }()
		sum := 0
		for outer.Next() {
			var i int
			if err := outer.Scan(&i); err != nil {
				return err
			}
			inner, err := total(tx, numbers, i)
			if err != nil {
				return err
			}
			sum += inner
			// More texts than are kept, so that the outer one would have to go.
			for n := range 30 {
				var got int
				if err := tx.Lite.QueryRowContext(ctx, fmt.Sprintf("SELECT ? + %d", 30*i+n), 1).Scan(&got); err != nil || got != 30*i+n+1 {
					t.Errorf("got %d (%v), want %d", got, err, 30*i+n+1)
				}
			}
		}
		if sum != 1+3+6+10+15 {
			t.Errorf("the sum: got %d, want 35", sum)
		}
		return outer.Err()
	}), nil)
	// A context that ends while a statement runs does not tear the transaction.
	mustBe(t, "InTx", db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.SetSetting(ctx, "key", "value"); err != nil {
			return err
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		_, err := tx.Lite.ExecContext(ended, "UPDATE settings SET value = ?", "other")
		mustBe(t, "with an ended context", err, context.Canceled)
		return nil
	}), nil)
	got, err := db.Setting(ctx, "key")
	if mustBe(t, "Setting", err, nil); got != "value" {
		t.Errorf("got %q, want %q", got, "value")
	}
}
