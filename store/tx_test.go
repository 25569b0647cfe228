package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestInTx(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	set := func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "key", "value") }
	for name, rule := range map[string]struct {
		run    func(t *testing.T, db *store.DB) error
		want   error
		stored bool
	}{
		"commits": {stored: true, run: func(t *testing.T, db *store.DB) error {
			return db.InTx(t.Context(), func(tx *store.Tx) error { return set(t.Context(), tx) })
		}},
		"an error rolls back and comes out as it is": {want: errMine, run: func(t *testing.T, db *store.DB) error {
			return db.InTx(t.Context(), func(tx *store.Tx) error { return errors.Join(set(t.Context(), tx), errMine) })
		}},
		"a panic rolls back and goes on": {want: errMine, run: func(t *testing.T, db *store.DB) (err error) {
			defer func() { err, _ = recover().(error) }()
			return db.InTx(t.Context(), func(tx *store.Tx) error {
				panic(errors.Join(set(t.Context(), tx), errMine))
			})
		}},
		"a panic with the connection pinned rolls back": {want: errMine, run: func(t *testing.T, db *store.DB) (err error) {
			defer func() { err, _ = recover().(error) }()
			return db.InTx(t.Context(), func(tx *store.Tx) error {
				return errors.Join(set(t.Context(), tx), tx.Pinned(func() error { panic(errMine) }))
			})
		}},
		"a goroutine's end rolls back": {run: func(t *testing.T, db *store.DB) error {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				_ = db.InTx(t.Context(), func(tx *store.Tx) error {
					if err := set(t.Context(), tx); err != nil {
						return err
					}
					runtime.Goexit()
					return nil
				})
			}()
			<-ended
			return nil
		}},
		"a context that ends before the commit rolls back": {want: context.Canceled, run: func(t *testing.T, db *store.DB) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return db.InTx(ctx, func(tx *store.Tx) error {
				defer cancel()
				return set(ctx, tx)
			})
		}},
		"a context that ends between statements rolls back": {want: context.Canceled, run: func(t *testing.T, db *store.DB) error {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			return db.InTx(ctx, func(tx *store.Tx) error {
				if err := set(ctx, tx); err != nil {
					return err
				}
				cancel()
				return tx.SetSetting(ctx, "other", "value")
			})
		}},
		"a context that has ended begins nothing": {want: context.Canceled, run: func(t *testing.T, db *store.DB) error {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return db.InTx(ctx, func(tx *store.Tx) error { return set(t.Context(), tx) })
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, db *store.DB) {
				mustBe(t, "InTx", rule.run(t, db), rule.want)
				_, err := db.Setting(t.Context(), "key")
				if got := err == nil; got != rule.stored {
					t.Errorf("stored: got %v (%v), want %v", got, err, rule.stored)
				}
				// Whatever happened, the next transaction finds a clean connection.
				mustBe(t, "the next InTx", db.InTx(t.Context(), func(tx *store.Tx) error {
					return tx.SetSetting(t.Context(), "next", "value")
				}), nil)
			})
		})
	}
}

// A statement that failed poisons a Postgres transaction: a caller who ignores
// the error must not believe that it committed.
func TestInTxSwallowedError(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ran := false
		err := w.try(func(ctx context.Context, tx *store.Tx) error {
			tx.AfterCommit(func() { ran = true })
			if err := tx.SetSetting(ctx, "key", "value"); err != nil {
				return err
			}
			mustBe(t, "a second account", tx.CreateUser(ctx, w.owner), store.ErrExists)
			return nil
		})
		_, serr := db.Setting(t.Context(), "key")
		if committed := serr == nil; committed != (err == nil) || ran != committed {
			t.Errorf("InTx returned %v and ran AfterCommit: %v, but committed: %v", err, ran, committed)
		}
	})
}

func TestAfterCommit(t *testing.T) {
	t.Parallel()
	t.Run("in order, after the events, with the commit visible", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			var got []string
			db.OnCommit(func(es []store.Event) { got = append(got, fmt.Sprintf("%d events", len(es))) })
			w := newWorld(t, db)
			w.tx(func(ctx context.Context, tx *store.Tx) error {
				tx.AfterCommit(func() {
					if _, err := db.Setting(ctx, "key"); err != nil {
						t.Errorf("after the commit: %v", err)
					}
					got = append(got, "first")
				})
				tx.AfterCommit(func() { got = append(got, "second") })
				tx.AtCommit(func() { got = append(got, "at once") })
				_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"})
				return errors.Join(err, tx.SetSetting(ctx, "key", "value"))
			})
			if want := []string{"at once", "1 events", "first", "second"}; !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	})
	t.Run("never after a rollback", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			db.OnCommit(func([]store.Event) { t.Error("events were announced") })
			w := newWorld(t, db)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for _, end := range []func() error{
				func() error { return errors.New("no") },
				func() error { panic("no") },
				func() error { cancel(); return nil },
			} {
				func() {
					defer func() { _ = recover() }()
					_ = db.InTx(ctx, func(tx *store.Tx) error {
						tx.AfterCommit(func() { t.Error("AfterCommit ran") })
						tx.AtCommit(func() { t.Error("AtCommit ran") })
						if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"}); err != nil {
							t.Error(err)
						}
						return end()
					})
				}()
			}
		})
	})
	t.Run("may use the database with every connection taken", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			db := storetest.Open(t, store.Options{URL: url, Pool: 1})
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var nested error
			err := db.InTx(ctx, func(tx *store.Tx) error {
				tx.AfterCommit(func() {
					nested = db.InTx(ctx, func(tx *store.Tx) error { return tx.SetSetting(ctx, "nested", "value") })
				})
				return tx.SetSetting(ctx, "key", "value")
			})
			mustBe(t, "InTx", errors.Join(err, nested), nil)
		})
	})
}

// A row, its event and its job are one commit.
func TestRowEventAndJob(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		queue, err := jobs.New(db, jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, db)
		errNo := errors.New("no")
		for _, rule := range []struct {
			end  error
			want int
		}{{errNo, 0}, {nil, 1}, {errNo, 1}} {
			mustBe(t, "InTx", w.try(func(ctx context.Context, tx *store.Tx) error {
				if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"}); err != nil {
					return err
				}
				return errors.Join(queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: w.room.ID}), rule.end)
			}), rule.end)
			for _, table := range []string{"messages", "events", "river_job"} {
				if got := count(t, db, "SELECT count(*) FROM "+table); got != rule.want {
					t.Errorf("%s after an end with %v: got %d, want %d", table, rule.end, got, rule.want)
				}
			}
		}
	})
}

func TestEventThatFailedIsNotAnnounced(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	db.OnCommit(func(es []store.Event) { t.Errorf("announced %v", es) })
	w := newWorld(t, db)
	w.tx(func(ctx context.Context, tx *store.Tx) error {
		err := tx.CreateEvent(ctx, &store.Event{RoomID: store.NewID(), Seq: 1, ID: store.NewID(), Type: "message", Body: "{}", CreatedAt: at})
		mustBe(t, "an event of no room", err, store.ErrReferenced)
		return nil // SQLite goes on after a failed statement
	})
}

func TestDBOnlyReads(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	_, err := db.ReadSide().ExecContext(t.Context(), "INSERT INTO settings (key, value) VALUES ('key', 'value')")
	if err == nil {
		t.Error("the read side wrote a row")
	}
	if got := count(t, db, "SELECT count(*) FROM settings"); got != 0 {
		t.Errorf("settings: got %d rows, want none", got)
	}
}

// Inside a transaction the DB has no connection to give on SQLite: the mistake
// ends with the context instead of hanging.
func TestNestedInTx(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	err := db.InTx(ctx, func(*store.Tx) error {
		return db.InTx(ctx, func(*store.Tx) error { return nil })
	})
	mustBe(t, "a nested InTx", err, context.DeadlineExceeded)
}

// Thirty transactions and as many readers share four connections.
func TestSmallPool(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		db := storetest.Open(t, store.Options{URL: url, Pool: 4})
		db.OnCommit(func([]store.Event) {})
		w := newWorld(t, db)
		queue, err := jobs.New(db, jobs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var wg sync.WaitGroup
		for range 30 {
			wg.Go(func() {
				mustBe(t, "InTx", db.InTx(ctx, func(tx *store.Tx) error {
					tx.AfterCommit(func() {
						_, err := db.Room(ctx, w.room.ID)
						mustBe(t, "a read after the commit", err, nil)
					})
					if _, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"}); err != nil {
						return err
					}
					if _, err := tx.Messages(ctx, w.room.ID, 0, 10); err != nil {
						return err
					}
					return queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: w.room.ID})
				}), nil)
			})
			wg.Go(func() {
				_, err := db.Messages(ctx, w.room.ID, 0, 10)
				mustBe(t, "Messages", err, nil)
				_, err = db.RoomAccess(ctx, w.room.ID, w.pupil.ID)
				mustBe(t, "RoomAccess", err, nil)
			})
		}
		wg.Wait()
		if got := count(t, db, "SELECT count(*) FROM river_job"); got != 30 {
			t.Errorf("jobs: got %d, want 30", got)
		}
	})
}
