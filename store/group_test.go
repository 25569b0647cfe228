package store_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// together runs the members of one group: the first waits inside its transaction until all
// others wait for the writer, in this order.
func together(t *testing.T, w *world, members ...func(ctx context.Context, tx *store.Tx) error) []error {
	t.Helper()
	w.db.KeepGroupsOpen()
	errs, began := make([]error, len(members)), make(chan struct{})
	var wg sync.WaitGroup
	for i, member := range members {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					errs[i] = fmt.Errorf("panic: %v", p)
				}
			}()
			errs[i] = w.db.InTx(t.Context(), func(tx *store.Tx) error {
				if i == 0 {
					close(began)
					eventually(t, func() bool { return w.db.Waiting() == len(members)-1 })
				}
				return member(t.Context(), tx)
			})
		})
		switch i {
		case 0:
			<-began
		case len(members) - 1: // now the first goes on
		default:
			eventually(t, func() bool { return w.db.Waiting() == i })
		}
	}
	wg.Wait()
	return errs
}

func eventually(t *testing.T, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !cond(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Error("it did not happen within 10 s")
			return
		}
	}
}

// In a group each member succeeds or fails by itself, wherever it stands.
func TestGroup(t *testing.T) {
	t.Parallel()
	errMine := errors.New("mine")
	for name, end := range map[string]func() error{
		"an error":          func() error { return errMine },
		"a panic":           func() error { panic("mine") },
		"a goroutine's end": func() error { runtime.Goexit(); return nil },
	} {
		for at := range 3 {
			t.Run(fmt.Sprint(name, " of member ", at), func(t *testing.T) {
				t.Parallel()
				db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
				var commits []int
				var got []string
				db.OnCommit(func(es []store.Event) { commits = append(commits, len(es)) })
				w := newWorld(t, db)
				var mu sync.Mutex
				members := make([]func(context.Context, *store.Tx) error, 3)
				for i := range members {
					members[i] = func(ctx context.Context, tx *store.Tx) error {
						tx.AfterCommit(func() {
							mu.Lock()
							defer mu.Unlock()
							got = append(got, fmt.Sprint(i))
						})
						_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: fmt.Sprint(i)})
						if i == at {
							return errors.Join(err, end())
						}
						return err
					}
				}
				errs := together(t, w, members...)
				var want []string
				for i, err := range errs {
					if failed := err != nil; i != at && failed || i == at && name == "an error" && !errors.Is(err, errMine) {
						t.Errorf("member %d: got %v", i, err)
					}
					if i != at {
						want = append(want, fmt.Sprint(i))
					}
				}
				rows, err := db.Messages(t.Context(), w.room.ID, 0, 10)
				mustBe(t, "Messages", err, nil)
				var stored []string
				for i, m := range rows {
					stored = append(stored, m.Content)
					mustBe(t, "a number", errors.Join(equal(m.Seq, int64(i+1))), nil)
				}
				slices.Sort(got)
				if !slices.Equal(stored, want) || !slices.Equal(got, want) {
					t.Errorf("stored %v, AfterCommit ran for %v, want %v", stored, got, want)
				}
				if at > 0 && !slices.Equal(commits, []int{2}) { // a first one that fails ends its group
					t.Errorf("commits: got %v, want one of 2 events", commits)
				}
				mustBe(t, "the next InTx", w.try(func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "key", "value") }), nil)
			})
		}
	}
}

func equal[T comparable](got, want T) error {
	if got != want {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// A member whose context ends fails alone, while it waits and while it runs.
func TestGroupContext(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
	w := newWorld(t, db)
	say := func(ctx context.Context, tx *store.Tx) error {
		_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"})
		return err
	}
	ended := func(_ context.Context, tx *store.Tx) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		err := say(ctx, tx)
		cancel()
		return errors.Join(err, tx.SetSetting(ctx, "key", "value"))
	}
	gaveUp := make(chan error, 1)
	errs := together(t, w, func(ctx context.Context, tx *store.Tx) error {
		short, cancel := context.WithCancel(ctx)
		before := db.Waiting()
		go func() { gaveUp <- db.InTx(short, func(*store.Tx) error { return errors.New("it ran") }) }()
		eventually(t, func() bool { return db.Waiting() > before })
		cancel()
		mustBe(t, "one who gave up", <-gaveUp, context.Canceled)
		return say(ctx, tx)
	}, ended, say)
	for i, want := range []error{nil, context.Canceled, nil} {
		mustBe(t, fmt.Sprint("member ", i), errs[i], want)
	}
	if got := count(t, db, "SELECT count(*) FROM messages"); got != 2 {
		t.Errorf("got %d messages, want 2", got)
	}
}

// When SQLite rolls the whole transaction back, no member is told that it succeeded, and
// nothing of a member behind it commits by itself.
func TestGroupLost(t *testing.T) {
	t.Parallel()
	for at := range 3 {
		db := storetest.Open(t, store.Options{URL: storetest.SQLite(t)})
		db.OnCommit(func(es []store.Event) { t.Errorf("announced %v", es) })
		w := newWorld(t, db)
		members := make([]func(context.Context, *store.Tx) error, 3)
		for i := range members {
			members[i] = func(ctx context.Context, tx *store.Tx) error {
				if i < at {
					_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, Content: "hello"})
					return err
				}
				if i > at {
					return nil
				}
				// A statement needs more pages than the file may have. Its error is swallowed.
				if _, err := tx.Lite.ExecContext(ctx, "PRAGMA max_page_count = 1"); err != nil {
					return err
				}
				_, err := tx.Lite.ExecContext(ctx, "INSERT INTO settings (key, value) VALUES (?, hex(zeroblob(1000000)))", "large")
				if _, perr := tx.Lite.ExecContext(ctx, "PRAGMA max_page_count = 1000000"); err == nil || perr == nil {
					t.Errorf("got %v and %v, want errors", err, perr)
				}
				return nil
			}
		}
		errs := together(t, w, members...)
		for i, err := range errs {
			if i <= at || at == 0 && i == 1 { // behind a first one that swallowed the error
				mustBe(t, fmt.Sprintf("member %d of a group lost by %d", i, at), err, store.ErrFull)
			} else {
				mustBe(t, "a member behind", err, nil)
			}
		}
		if _, err := db.Writer().ExecContext(t.Context(), "PRAGMA max_page_count = 1000000"); err != nil {
			t.Fatal(err)
		}
		w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.SetSetting(ctx, "key", "value") })
		if got := count(t, db, "SELECT (SELECT count(*) FROM messages) + (SELECT count(*) FROM settings WHERE key = 'large')"); got != 0 {
			t.Errorf("got %d rows, want none", got)
		}
	}
}

// Who fails because of a neighbour's row can read that row at once.
func TestGroupDuplicate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		for n := range 20 {
			id := fmt.Sprint("message ", n)
			var wg sync.WaitGroup
			for range 8 {
				wg.Go(func() {
					err := w.try(func(ctx context.Context, tx *store.Tx) error {
						_, err := post(ctx, tx, w, store.Message{SenderID: w.pupil.ID, ClientID: id, Content: "hello"})
						return err
					})
					if err != nil {
						mustBe(t, "a resend", err, errTaken)
					}
					_, err = db.MessageByClientID(t.Context(), w.room.ID, w.pupil.ID, id)
					mustBe(t, "the message", err, nil)
				})
			}
			wg.Wait()
		}
	})
}

// Sixty-four people who post at once get numbers without a gap and one event each.
func TestGroupOfMany(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		var mu sync.Mutex
		var seqs []int64
		db.OnCommit(func(es []store.Event) {
			mu.Lock()
			defer mu.Unlock()
			for _, e := range es {
				seqs = append(seqs, e.Seq)
			}
		})
		w := newWorld(t, db)
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() { w.say("hello") })
		}
		wg.Wait()
		slices.Sort(seqs)
		for i, seq := range seqs {
			mustBe(t, "a number", equal(seq, int64(i+1)), nil)
		}
		if got := count(t, db, "SELECT count(*) FROM events"); got != 64 || len(seqs) != 64 {
			t.Errorf("got %d events and %d announced, want 64", got, len(seqs))
		}
	})
}

// BenchmarkPost is a post with its event on SQLite, from one writer and from several, each
// in a room of its own.
func BenchmarkPost(b *testing.B) {
	for _, writers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("%dWriters", writers), func(b *testing.B) {
			db := storetest.Open(b, store.Options{URL: storetest.SQLite(b)})
			db.OnCommit(func([]store.Event) {})
			pupil, ctx := newUser("pupil"), b.Context()
			course := &store.Course{ID: store.NewID(), Title: "Course", OwnerID: pupil.ID, CreatedAt: at, Version: 1}
			rooms := make([]*store.Room, writers)
			err := db.InTx(ctx, func(tx *store.Tx) error {
				if err := tx.CreateUser(ctx, pupil); err != nil {
					return err
				}
				if err := tx.CreateCourse(ctx, course); err != nil {
					return err
				}
				for i := range rooms {
					rooms[i] = newRoom(course.ID)
					if err := tx.CreateRoom(ctx, rooms[i]); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				b.Fatal(err)
			}
			next := make(chan struct{})
			var wg sync.WaitGroup
			before, began := cpu(b), time.Now()
			for _, room := range rooms {
				wg.Go(func() {
					for range next {
						m := &store.Message{ID: store.NewID(), RoomID: room.ID, SenderID: pupil.ID, ClientID: store.NewID(), Content: "Hello, all of you.", CreatedAt: time.Now()}
						e := &store.Event{ID: store.NewID(), RoomID: room.ID, Type: "message", Body: `{"id":"x"}`, CreatedAt: m.CreatedAt}
						ctx, cancel := context.WithTimeout(ctx, time.Minute)
						if err := db.InTx(ctx, func(tx *store.Tx) error {
							_, _, err := tx.AddMessage(ctx, m, e, store.Heard{})
							return err
						}); err != nil {
							b.Error(err)
						}
						cancel()
					}
				})
			}
			for b.Loop() {
				next <- struct{}{}
			}
			close(next)
			wg.Wait()
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op")
			b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "posts/s")
		})
	}
}

// cpu is what the process has used.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
