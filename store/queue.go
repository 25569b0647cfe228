package store

import (
	"context"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// JobStates are the states of jobs in the queue.
func JobStates() []string {
	return []string{"available", "cancelled", "completed", "discarded", "pending", "retryable", "running", "scheduled"}
}

// JobsCounted is the most that CountJobs counts of one state.
const JobsCounted = 10_000

// CountJobs returns how many jobs are in each of JobStates, JobsCounted at most. It reads so
// many entries of an index for each of them.
func (q Queries) CountJobs(ctx context.Context) (map[string]int, error) {
	const count = "SELECT ? AS state, count(*) AS n FROM (SELECT 1 FROM river_job WHERE state = ? LIMIT ?) AS counted"
	counts, parts, args := map[string]int{}, []string{}, []any{}
	for _, state := range JobStates() {
		parts, args = append(parts, count), append(args, state, state, JobsCounted)
	}
	var rows []struct {
		State string
		N     int
	}
	if err := q.db.NewRaw(strings.Join(parts, " UNION ALL "), args...).Scan(ctx, &rows); err != nil {
		return nil, translate(err)
	}
	for _, r := range rows {
		counts[r.State] = r.N
	}
	return counts, nil
}

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
