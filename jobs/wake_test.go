package jobs

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// silent is a listener whose table stays empty.
type silent struct{ riverdriver.Listener }

func (silent) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// told is a listener that has one notification and then none.
type told struct {
	silent
	once chan *riverdriver.Notification
}

func (l told) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case n := <-l.once:
		return n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// nobody is no other process.
func nobody(string) {}

func TestWakeListener(t *testing.T) {
	t.Parallel()
	t.Run("tells of each filled queue once", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		l := &wakeListener{Listener: silent{}, wake: newWake(nobody)}
		for range 100 {
			l.wake.add(queueQuick)
		}
		l.wake.add(queueTurns)
		for _, queue := range []string{queueQuick, queueTurns} {
			n, err := l.WaitForNotification(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"queue":"%s"}`, queue); n.Topic != "river_insert" || n.Payload != want {
				t.Errorf("got %+v, want %s", n, want)
			}
		}
		if queue, ok := l.wake.take(); ok {
			t.Errorf("%s was left", queue)
		}
		l.wake.add(queueQuick)
		if _, err := l.WaitForNotification(ctx); err != nil {
			t.Errorf("the next commit: %v", err)
		}
	})
	t.Run("keeps what the table says across a wake", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		want := &riverdriver.Notification{Topic: "river_control", Payload: "cancel"}
		l := &wakeListener{Listener: told{once: make(chan *riverdriver.Notification, 1)}, wake: newWake(nobody)}
		l.wake.add(queueQuick)
		if _, err := l.WaitForNotification(ctx); err != nil {
			t.Fatal(err)
		}
		l.Listener.(told).once <- want
		if got, err := l.WaitForNotification(ctx); got != want || err != nil {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		l := &wakeListener{Listener: silent{}, wake: newWake(nobody)}
		if _, err := l.WaitForNotification(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		// The next wait, with a live context, is not the old one's answer.
		l.wake.add(queueQuick)
		if _, err := l.WaitForNotification(t.Context()); err != nil {
			t.Errorf("the next wait: %v", err)
		}
	})
}

// A job whose time is near wakes its queue then, also where nothing else looks so soon.
func TestWakeAtATime(t *testing.T) {
	t.Parallel()
	w := newWake(nobody)
	soon := time.Now().Add(time.Second)
	for range 3 {
		w.at(soon)
	}
	w.mu.Lock()
	timers := len(w.later)
	w.mu.Unlock()
	if timers != 1 {
		t.Errorf("%d timers wait, want 1", timers)
	}
	for _, want := range Queues() {
		<-w.filled
		if queue, _ := w.take(); queue != want || time.Now().Before(soon) {
			t.Errorf("got %q at %v, want %q after %v", queue, time.Now(), want, soon)
		}
	}
}
