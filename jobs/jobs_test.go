package jobs_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What is in the database of a running installation is never renamed.
func TestNamesInTheDatabase(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]jobs.Args{
		`look_at_room quick {"room_id":"r"}`:              jobs.DecideInRoom{RoomID: "r"},
		`run_turn turns {"turn_id":"t","attempt":2}`:      jobs.RunTurn{TurnID: "t", Attempt: 2},
		`copy_course quick {"copy_id":"c","attempt":2}`:   jobs.CopyCourse{CopyID: "c", Attempt: 2},
		`rotate_keys quick {"attempt":2}`:                 jobs.RotateKeys{Attempt: 2},
		`make_backup turns {"backup_id":"b","attempt":2}`: jobs.MakeBackup{BackupID: "b", Attempt: 2},
		`back_up quick {"due":"2026-11-30T12:00:00Z"}`:    jobs.BackUp{Due: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)},
		`prune quick {}`: jobs.Prune{},
	} {
		body, err := json.Marshal(args)
		if got := args.Kind() + " " + args.InsertOpts().Queue + " " + string(body); got != want || err != nil {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}

func TestWorkersRefuseAMissingHandler(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	q, err := jobs.New(db, jobs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fields := reflect.TypeFor[jobs.Handlers]()
	for i := range fields.NumField() {
		h := jobs.Handlers{
			DecideInRoom: func(context.Context, jobs.DecideInRoom) error { return nil },
			RunTurn:      func(context.Context, jobs.RunTurn) error { return nil },
			CopyCourse:   func(context.Context, jobs.CopyCourse) error { return nil },
			RotateKeys:   func(context.Context, jobs.RotateKeys) error { return nil },
			MakeBackup:   func(context.Context, jobs.MakeBackup) error { return nil },
			BackUp:       func(context.Context, jobs.BackUp) error { return nil },
			RunReport:    func(context.Context, jobs.RunReport) error { return nil },
			Prune:        func(context.Context, jobs.Prune) error { return nil },
			OnFailure:    func(error) jobs.FailureOutcome { return jobs.FailureOutcome{} },
		}
		work := func() error {
			_, err := jobs.NewWorkers(q, jobs.Work{Handlers: h, QuickWorkers: 1, TurnWorkers: 1, Log: slog.New(slog.DiscardHandler)})
			return err
		}
		if reflect.ValueOf(&h).Elem().Field(i).IsNil() {
			t.Fatalf("this test lacks %s", fields.Field(i).Name)
		}
		if err := work(); err != nil {
			t.Errorf("with all handlers: %v", err)
		}
		reflect.ValueOf(&h).Elem().Field(i).SetZero()
		if err := work(); err == nil {
			t.Errorf("NewWorkers takes a nil %s", fields.Field(i).Name)
		}
	}
}

func TestAdd(t *testing.T) {
	t.Parallel()
	t.Run("runs after the commit, once", func(t *testing.T) {
		t.Parallel()
		each(t, nil, func(b *bench) {
			err := b.db.InTx(b.Context(), func(tx *store.Tx) error {
				if err := b.queue.Add(b.Context(), tx, jobs.DecideInRoom{RoomID: "held"}); err != nil {
					return err
				}
				return tx.SetSetting(b.Context(), "key", "value")
			})
			if err != nil {
				b.Fatal(err)
			}
			b.wantNext("held")
			b.mustAdd(jobs.RunTurn{TurnID: "turn", Attempt: 1})
			b.wantNext("turn")
			if len(b.ran) > 0 {
				b.Errorf("ran %s as well", b.next())
			}
		})
	})
	t.Run("a handler sees what was committed with its job", func(t *testing.T) {
		t.Parallel()
		seen := make(chan error, 2)
		each(t, func(b *bench) {
			b.work = func(ctx context.Context, roomID string) error {
				_, err := b.db.Setting(ctx, roomID)
				seen <- err
				return nil
			}
		}, func(b *bench) {
			err := b.db.InTx(b.Context(), func(tx *store.Tx) error {
				// The job first: what wakes its worker must wait for the commit.
				if err := b.queue.Add(b.Context(), tx, jobs.DecideInRoom{RoomID: "room"}); err != nil {
					return err
				}
				return tx.SetSetting(b.Context(), "room", "value")
			})
			if err := errors.Join(err, wait(b.T, "look", seen)); err != nil {
				b.Error(err)
			}
		})
	})
	t.Run("never runs after a rollback", func(t *testing.T) {
		t.Parallel()
		each(t, nil, func(b *bench) {
			err := b.db.InTx(b.Context(), func(tx *store.Tx) error {
				return errors.Join(b.queue.Add(b.Context(), tx, jobs.DecideInRoom{RoomID: "lost"}), errWork)
			})
			if !errors.Is(err, errWork) {
				b.Fatal(err)
			}
			b.mustAdd(jobs.DecideInRoom{RoomID: "kept"})
			b.wantNext("kept")
			if got := b.row("count(*)"); got != "1" {
				b.Errorf("%s jobs are stored, want 1", got)
			}
		})
	})
	t.Run("another process's job runs too", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			b := newBench(t, storetest.Open(t, store.Options{URL: url}))
			if err := b.workers.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = b.workers.Stop(t.Context(), patience) }()
			db := storetest.Open(t, store.Options{URL: url})
			other, err := jobs.New(db, jobs.Options{Log: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			if err := db.InTx(t.Context(), func(tx *store.Tx) error {
				return other.Add(t.Context(), tx, jobs.DecideInRoom{RoomID: "from afar"})
			}); err != nil {
				t.Fatal(err)
			}
			b.wantNext("from afar")
		})
	})
}

func TestAddAt(t *testing.T) {
	t.Parallel()
	each(t, nil, func(b *bench) {
		// A queue that has only just started may meet both at its first poll.
		b.mustAdd(jobs.DecideInRoom{RoomID: "first"})
		b.wantNext("first")
		soon := time.Now().Add(2 * time.Second)
		err := b.db.InTx(b.Context(), func(tx *store.Tx) error {
			return errors.Join(
				b.queue.AddAt(b.Context(), tx, jobs.DecideInRoom{RoomID: "much later"}, time.Now().Add(time.Hour)),
				b.queue.AddAt(b.Context(), tx, jobs.DecideInRoom{RoomID: "soon"}, soon),
				b.queue.AddAt(b.Context(), tx, jobs.DecideInRoom{RoomID: "now"}, time.Now().Add(-time.Hour)))
		})
		if err != nil {
			b.Fatal(err)
		}
		b.wantNext("now")
		b.wantNext("soon")
		if early := time.Until(soon); early > 0 {
			b.Errorf("it ran %v too early", early)
		}
	})
}

// On SQLite River looks for notifications every 50 ms and for jobs every
// second. Here its table of notifications stays empty, so that only the wake
// can start a job sooner than that second.
func TestWakeOnSQLite(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	if _, err := db.Writer().ExecContext(t.Context(), `CREATE TRIGGER deaf AFTER INSERT ON river_notification
		BEGIN DELETE FROM river_notification WHERE id = NEW.id; END`); err != nil {
		t.Fatal(err)
	}
	b := newBench(t, db)
	if err := b.workers.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.workers.Stop(t.Context(), patience) }()
	var took []time.Duration
	run := func(args jobs.Args, want string) {
		begun := time.Now()
		b.mustAdd(args)
		b.wantNext(want)
		took = append(took, time.Since(begun))
	}
	for range 10 {
		run(jobs.DecideInRoom{RoomID: "room"}, "room")
		run(jobs.RunTurn{TurnID: "turn", Attempt: 1}, "turn")
	}
	// By the second's poll alone a job that follows another waits nearly all of it.
	slices.Sort(took)
	if median := took[len(took)/2]; median > 500*time.Millisecond {
		t.Errorf("half of the jobs took more than %v to start: the wake is lost", median)
	}
}

func TestFate(t *testing.T) {
	t.Parallel()
	fail := func(context.Context, string) error { return errWork }
	t.Run("cancel ends it", func(t *testing.T) {
		t.Parallel()
		each(t, func(b *bench) { b.work, b.fate = fail, jobs.FailureOutcome{Cancel: true} }, func(b *bench) {
			b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
			b.next()
			b.waitRow("state", "cancelled")
		})
	})
	t.Run("snooze runs it again and counts no attempt", func(t *testing.T) {
		t.Parallel()
		each(t, func(b *bench) {
			left := 2
			b.fate = jobs.FailureOutcome{Snooze: time.Millisecond}
			b.work = func(context.Context, string) error {
				if left--; left >= 0 {
					return errWork
				}
				return nil
			}
		}, func(b *bench) {
			b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
			for range 3 {
				b.wantNext("room")
			}
			b.waitRow("state", "completed")
			if got := b.row("attempt"); got != "1" {
				b.Errorf("attempts: got %s, want 1", got)
			}
		})
	})
	t.Run("else it is tried again later", func(t *testing.T) {
		t.Parallel()
		each(t, func(b *bench) { b.work = fail }, func(b *bench) {
			b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
			b.next()
			// A backoff of a second is short enough for "available" at once.
			b.wantNext("room")
			if got := b.row("attempt"); got != "2" {
				b.Errorf("attempts: got %s, want 2", got)
			}
		})
	})
	t.Run("a panic is a failure like others", func(t *testing.T) {
		t.Parallel()
		each(t, func(b *bench) {
			first := true
			b.work = func(context.Context, string) error {
				if first {
					first = false
					panic("no")
				}
				return nil
			}
		}, func(b *bench) {
			b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
			b.next()
			b.wantNext("room")
			b.waitRow("state", "completed")
		})
	})
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	left := make(chan time.Duration, 2)
	each(t, func(b *bench) {
		b.work = func(ctx context.Context, _ string) error {
			deadline, ok := ctx.Deadline()
			if !ok {
				b.Error("a handler without a deadline")
			}
			left <- time.Until(deadline)
			return nil
		}
	}, func(b *bench) {
		b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
		if got := wait(b.T, "run", left); got <= 0 || got > 20*time.Second {
			b.Errorf("a look has %v, want 20 s at most", got)
		}
	})
}

// The queue adds this job by itself.
func TestPruneEvery(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ran := make(chan struct{}, 100)
		_, w := newWorkers(t, db, jobs.Work{QuickWorkers: 1, TurnWorkers: 1, PruneEvery: time.Second, Handlers: jobs.Handlers{
			DecideInRoom: func(context.Context, jobs.DecideInRoom) error { return nil },
			RunTurn:      func(context.Context, jobs.RunTurn) error { return nil },
			CopyCourse:   func(context.Context, jobs.CopyCourse) error { return nil },
			RotateKeys:   func(context.Context, jobs.RotateKeys) error { return nil },
			MakeBackup:   func(context.Context, jobs.MakeBackup) error { return nil },
			BackUp:       func(context.Context, jobs.BackUp) error { return nil },
			RunReport:    func(context.Context, jobs.RunReport) error { return nil },
			Prune:        func(context.Context, jobs.Prune) error { ran <- struct{}{}; return nil },
			OnFailure:    func(error) jobs.FailureOutcome { return jobs.FailureOutcome{} },
		}})
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := w.Stop(context.WithoutCancel(t.Context()), patience); err != nil {
				t.Errorf("stop: %v", err)
			}
		}()
		for range 2 {
			wait(t, "run", ran)
		}
	})
}

// Quick work goes on while every worker for turns waits for a model.
func TestQueuesApart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		waiting, looked := make(chan struct{}, 9), make(chan struct{}, 9)
		q, w := newWorkers(t, db, jobs.Work{QuickWorkers: 1, TurnWorkers: 2, Handlers: jobs.Handlers{
			DecideInRoom: func(context.Context, jobs.DecideInRoom) error { looked <- struct{}{}; return nil },
			RunTurn: func(ctx context.Context, _ jobs.RunTurn) error {
				waiting <- struct{}{}
				<-ctx.Done()
				return ctx.Err()
			},
			CopyCourse: func(context.Context, jobs.CopyCourse) error { return nil },
			RotateKeys: func(context.Context, jobs.RotateKeys) error { return nil },
			MakeBackup: func(context.Context, jobs.MakeBackup) error { return nil },
			BackUp:     func(context.Context, jobs.BackUp) error { return nil },
			RunReport:  func(context.Context, jobs.RunReport) error { return nil },
			Prune:      func(context.Context, jobs.Prune) error { return nil },
			OnFailure:  func(error) jobs.FailureOutcome { return jobs.FailureOutcome{} },
		}})
		if err := w.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = w.Stop(t.Context(), time.Millisecond) }()
		add := func(args jobs.Args) {
			if err := db.InTx(t.Context(), func(tx *store.Tx) error { return q.Add(t.Context(), tx, args) }); err != nil {
				t.Fatal(err)
			}
		}
		for range 4 {
			add(jobs.RunTurn{TurnID: "turn", Attempt: 1})
		}
		wait(t, "first turn", waiting)
		wait(t, "second turn", waiting)
		add(jobs.DecideInRoom{RoomID: "room"})
		wait(t, "look", looked)
		if len(waiting) > 0 {
			t.Error("more turns run than there are workers")
		}
	})
}

func TestCheckSchema(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		if err := jobs.CheckSchema(t.Context(), db); err != nil {
			t.Errorf("the latest: %v", err)
		}
		b := newBench(t, db)
		if _, err := b.sql().ExecContext(t.Context(), "DELETE FROM river_migration WHERE version = (SELECT max(version) FROM river_migration)"); err != nil {
			t.Fatal(err)
		}
		if err := jobs.CheckSchema(t.Context(), db); !errors.Is(err, store.ErrSchemaOld) {
			t.Errorf("without the last step: got %v", err)
		}
	})
}

func TestAddTellsWhatFailed(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		if _, err := b.sql().ExecContext(t.Context(), "DROP TABLE river_job"); err != nil {
			t.Fatal(err)
		}
		if err := b.add(jobs.DecideInRoom{RoomID: "room"}); err == nil || !strings.Contains(err.Error(), "look_at_room") {
			t.Errorf("got %v", err)
		}
	})
}
