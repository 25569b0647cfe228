package jobs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// stubborn starts workers with one look that runs until released or cancelled;
// ended says how it came out.
func stubborn(t *testing.T, db *store.DB) (b *bench, release chan struct{}, ended chan error) {
	t.Helper()
	b = newBench(t, db)
	b.fate = jobs.FailureOutcome{Cancel: true}
	release, ended = make(chan struct{}), make(chan error, 1)
	b.work = func(ctx context.Context, _ string) error {
		select {
		case <-release:
			ended <- nil
			return nil
		case <-ctx.Done():
			ended <- ctx.Err()
			return errors.Join(errWork, ctx.Err())
		}
	}
	if err := b.workers.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
	b.next()
	return b, release, ended
}

func TestStop(t *testing.T) {
	t.Parallel()
	t.Run("lets a job finish", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			b, release, ended := stubborn(t, db)
			stopped := make(chan error, 1)
			go func() { stopped <- b.workers.Stop(t.Context(), patience) }()
			b.mustAdd(jobs.DecideInRoom{RoomID: "too late"})
			select {
			case err := <-stopped:
				t.Fatalf("it stopped with %v under a running job", err)
			case <-time.After(100 * time.Millisecond):
			}
			close(release)
			if err := errors.Join(wait(t, "end", ended), wait(t, "stop", stopped)); err != nil {
				t.Error(err)
			}
			if err := b.workers.Stop(t.Context(), patience); err != nil {
				t.Errorf("stopping twice: %v", err)
			}
		})
	})
	t.Run("cancels it when the soft time is over", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			b, _, ended := stubborn(t, db)
			if err := b.workers.Stop(t.Context(), 50*time.Millisecond); err != nil {
				t.Error(err)
			}
			if err := wait(t, "end", ended); !errors.Is(err, context.Canceled) {
				t.Errorf("the job saw %v", err)
			}
		})
	})
	t.Run("cancels it when the whole deadline is over", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			b, _, ended := stubborn(t, db)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := b.workers.Stop(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if err := wait(t, "end", ended); !errors.Is(err, context.Canceled) {
				t.Errorf("the job saw %v", err)
			}
			// Joins what is left, so that the database closes under nobody.
			_ = b.workers.Stop(t.Context(), patience)
		})
	})
	t.Run("workers that never started", func(t *testing.T) {
		t.Parallel()
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			if err := newBench(t, db).workers.Stop(t.Context(), time.Second); err != nil {
				t.Error(err)
			}
		})
	})
}

// The context of Start bounds the start alone: main's may be over long before
// the jobs are.
func TestStartContext(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		b := newBench(t, db)
		ctx, cancel := context.WithCancel(t.Context())
		if err := b.workers.Start(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		defer func() { _ = b.workers.Stop(t.Context(), patience) }()
		b.mustAdd(jobs.DecideInRoom{RoomID: "room"})
		b.wantNext("room")
	})
}
