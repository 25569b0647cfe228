package jobs

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// wake holds the names of the queues that got jobs since River last asked. Each name is
// there once, so many jobs in one queue do not hide a job of another. With it a job starts
// within some milliseconds of its commit.
type wake struct {
	tell func(queue string) // tells the other processes
	told chan struct{}      // holds a token after notifications of this process that are no new jobs

	mu     sync.Mutex
	queues []string
	later  map[int64]bool // the seconds at whose end all queues are filled
	filled chan struct{}  // holds a token while queues is not empty
}

func newWake(tell func(queue string)) *wake {
	return &wake{tell: tell, told: make(chan struct{}, 1), later: map[int64]bool{}, filled: make(chan struct{}, 1)}
}

// add says that queues have new jobs, which are committed, here and to other processes.
func (w *wake) add(queues ...string) {
	w.fill(queues...)
	for _, queue := range queues {
		w.tell(queue)
	}
}

// fill says that queues have new jobs, here alone.
func (w *wake) fill(queues ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, queue := range queues {
		if !slices.Contains(w.queues, queue) {
			w.queues = append(w.queues, queue)
			w.signal()
		}
	}
}

// at says that a job of this process may begin at a time that is near. Jobs of the same
// second share a timer.
func (w *wake) at(t time.Time) {
	second := t.Unix()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.later[second] {
		return
	}
	w.later[second] = true
	time.AfterFunc(time.Until(time.Unix(second+1, 0)), func() {
		w.mu.Lock()
		delete(w.later, second)
		w.mu.Unlock()
		w.fill(Queues()...)
	})
}

// notified says that this process has written notifications that are no new jobs.
func (w *wake) notified() {
	select {
	case w.told <- struct{}{}:
	default: // the token is there
	}
}

// take returns the first queue. Call it after receiving from filled.
func (w *wake) take() (queue string, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queues) == 0 {
		return "", false
	}
	queue, w.queues = w.queues[0], w.queues[1:]
	if len(w.queues) > 0 {
		w.signal()
	}
	return queue, true
}

func (w *wake) signal() {
	select {
	case w.filled <- struct{}{}:
	default: // the token is there
	}
}

// wakeListener is a listener that wake can wake, too.
type wakeListener struct {
	riverdriver.Listener
	wake    *wake
	pending chan heard // the result of a wait that a wake overtook
}

type heard struct {
	n   *riverdriver.Notification
	err error
}

// WaitForNotification returns the next notification of the database. When a queue gets
// jobs, it returns a notification of its own at once.
func (l *wakeListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	// Keep the wait on the database running across wakes. Cancelling it could lose the
	// notification that it has just read.
	if l.pending == nil {
		ch := make(chan heard, 1)
		l.pending = ch
		go func() {
			n, err := l.Listener.WaitForNotification(ctx)
			ch <- heard{n, err}
		}()
	}
	for {
		select {
		case <-l.wake.filled:
			if queue, ok := l.wake.take(); ok {
				return &riverdriver.Notification{Topic: topicInsert, Payload: fmt.Sprintf(`{"queue":%q}`, queue)}, nil
			}
		case h := <-l.pending:
			l.pending = nil
			return h.n, h.err
		}
	}
}
