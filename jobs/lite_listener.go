package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river/riverdriver"
)

// liteListenEvery is how often SQLite's table of notifications is read although this
// process has written none. New jobs do not come this way, only what people do on the page
// of the queue: pause, resume and cancel.
const liteListenEvery = 10 * time.Second

// liteListener reads River's table of notifications on SQLite. River's own listener reads
// it twenty times a second, for ever.
type liteListener struct {
	db   *sql.DB         // the reading side
	told <-chan struct{} // says that this process has written notifications

	mu     sync.Mutex
	topics map[string]int64 // the id of the last row before somebody listened to it
	after  int64
}

// Connect begins after the rows that are there.
func (l *liteListener) Connect(ctx context.Context) (err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.topics = map[string]int64{}
	l.after, err = l.last(ctx)
	return err
}

// Close ends the listening; Connect may begin it again.
func (l *liteListener) Close(context.Context) error { return nil }

// Listen adds a topic. It gets no rows from before.
func (l *liteListener) Listen(ctx context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, err := l.last(ctx)
	if _, ok := l.topics[topic]; err == nil && !ok {
		l.topics[topic] = last
	}
	return err
}

// Unlisten removes a topic.
func (l *liteListener) Unlisten(_ context.Context, topic string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.topics, topic)
	return nil
}

// Ping asks the database for an answer.
func (l *liteListener) Ping(ctx context.Context) error { return l.db.PingContext(ctx) }

// Schema is empty: SQLite has none.
func (l *liteListener) Schema() string { return "" }

// SetAfterConnectExec is for River's own tests.
func (l *liteListener) SetAfterConnectExec(string) {}

// WaitForNotification returns the next row of a topic that somebody listens to.
func (l *liteListener) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	tick := time.NewTicker(liteListenEvery)
	defer tick.Stop()
	for {
		if n, err := l.next(ctx); n != nil || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-l.told:
		case <-tick.C:
		}
	}
}

// next returns the next row, or nil when there is none.
func (l *liteListener) next(ctx context.Context) (*riverdriver.Notification, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	rows, err := l.db.QueryContext(ctx, "SELECT id, topic, payload FROM river_notification WHERE id > ? ORDER BY id LIMIT 256", l.after)
	if err != nil {
		return nil, fmt.Errorf("read the notifications of the job queue: %w", err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n riverdriver.Notification
		if err := rows.Scan(&l.after, &n.Topic, &n.Payload); err != nil {
			return nil, fmt.Errorf("read the notifications of the job queue: %w", err)
		}
		if since, ok := l.topics[n.Topic]; ok && l.after > since {
			return &n, nil
		}
	}
	return nil, rows.Err()
}

func (l *liteListener) last(ctx context.Context) (id int64, err error) {
	if err = l.db.QueryRowContext(ctx, "SELECT COALESCE(max(id), 0) FROM river_notification").Scan(&id); err != nil {
		return 0, fmt.Errorf("read the notifications of the job queue: %w", err)
	}
	return id, nil
}
