package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"

	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// wakeDriver is River's SQLite driver with a listener that a commit can wake. Without it
// the driver polls for new jobs every 50 ms; with it a job starts about 3 ms after its
// commit. It depends on an interface that River does not promise to keep, so the version
// is pinned and a test measures the wake.
type wakeDriver struct {
	*riversqlite.Driver
	wake *wake
}

// wake holds the names of the queues to which commits have added jobs since River last
// asked. Each name is there once, so many jobs in one queue do not hide a job of another.
type wake struct {
	mu     sync.Mutex
	queues []string
	filled chan struct{} // holds a token while queues is not empty
}

func newWake() *wake { return &wake{filled: make(chan struct{}, 1)} }

func (w *wake) add(queue string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.queues, queue) {
		w.queues = append(w.queues, queue)
		w.signal()
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

var _ riverdriver.Driver[*sql.Tx] = (*wakeDriver)(nil)

// GetListener gives River the listener that it waits on for new jobs.
func (d *wakeDriver) GetListener(p *riverdriver.GetListenenerParams) riverdriver.Listener {
	return &wakeListener{Listener: d.Driver.GetListener(p), wake: d.wake}
}

type wakeListener struct {
	riverdriver.Listener
	wake    *wake
	pending chan heard // the result of a wait that a wake overtook
}

type heard struct {
	n   *riverdriver.Notification
	err error
}

// WaitForNotification returns the next notification from the table. When a commit in this
// process adds a job, it returns a notification of its own at once.
func (l *wakeListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	// Keep the wait on the table running across wakes. Cancelling it could lose the
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
				return &riverdriver.Notification{Topic: "river_insert", Payload: fmt.Sprintf(`{"queue":%q}`, queue)}, nil
			}
		case h := <-l.pending:
			l.pending = nil
			return h.n, h.err
		}
	}
}
