package store

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// QueueAges returns, by queue, for how long the next job has been due; zero where no job
// waits. It costs one index lookup for each queue, however many jobs wait.
func (q Queries) QueueAges(ctx context.Context, now time.Time, queues ...string) (map[string]time.Duration, error) {
	// Use the order in which the queue itself takes jobs: its index has that order.
	const next = "SELECT queue, scheduled_at FROM (SELECT queue, scheduled_at FROM river_job " +
		"WHERE state = 'available' AND queue = ? ORDER BY priority, scheduled_at, id LIMIT 1) AS next"
	ages, parts, args := map[string]time.Duration{}, make([]string, len(queues)), make([]any, len(queues))
	for i, name := range queues {
		ages[name], parts[i], args[i] = 0, next, name
	}
	var due []struct {
		Queue       string
		ScheduledAt bun.NullTime
	}
	if err := q.db.NewRaw(strings.Join(parts, " UNION ALL "), args...).Scan(ctx, &due); err != nil {
		return nil, translate(err)
	}
	for _, d := range due {
		ages[d.Queue] = max(now.Sub(d.ScheduledAt.Time), 0)
	}
	return ages, nil
}
