//go:build unix

package chaos

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/store/storetest/postgres"
	"github.com/coagent-studio/coagent/web/proctest"
)

// backTo is the share of its rate that a class has again within backWithin of
// the end of a fault.
const (
	backTo     = 0.95
	backWithin = 10 * time.Second
)

// TestPostgres: the database server is restarted, drops its connections, or
// stands still. What was acknowledged is there, and the class goes on.
func TestPostgres(t *testing.T) {
	if !long() { // the long form compares rates: nothing else may run beside it
		t.Parallel()
	}
	// Its own settings for durability: those of other tests may lose commits.
	server := storetest.StartPostgres(t, postgres.Options{Fsync: true})
	faults := []struct {
		name  string
		quick bool
		hit   func(context.Context) error
	}{
		{"Postgres restarted, fast", true, func(ctx context.Context) error { return server.Restart(ctx, postgres.Fast) }},
		{"Postgres restarted, immediate", false, func(ctx context.Context) error { return server.Restart(ctx, postgres.Immediate) }},
		{"all connections terminated", true, func(ctx context.Context) error { return terminate(ctx, server.URL("postgres")) }},
		{"Postgres stopped for 10 s", false, func(ctx context.Context) error {
			if err := server.Signal(syscall.SIGSTOP); err != nil {
				return err
			}
			pause(ctx, 10*time.Second)
			return server.Signal(syscall.SIGCONT)
		}},
	}
	for i, f := range faults {
		if !f.quick && !long() {
			continue
		}
		// One after the other: the server is the same one.
		t.Run(strings.ReplaceAll(f.name, " ", "_"), func(t *testing.T) {
			url, err := server.CreateDatabase(t.Context(), fmt.Sprintf("fault_%d", i))
			if err != nil {
				t.Fatal(err)
			}
			s := proctest.New(t, url)
			if out, code := s.Run("migrate", "up"); code != 0 {
				t.Fatal(out)
			}
			s.Model.Script(answers)
			serve := s.Serve()
			s.Worker()
			w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 4, Rooms: 4, Agent: "sk-test"})
			c := seat(s, w)
			strike(t, s, c, f.name, f.hit)
		})
	}
}

// strike hits a class that talks at a steady rate with a fault, twice in the
// long form, and checks what is left of it.
func strike(t *testing.T, s *proctest.Site, c *class, name string, hit func(context.Context) error) {
	t.Helper()
	before, every := either(7*time.Second, 1500*time.Millisecond), either(300*time.Millisecond, 150*time.Millisecond)
	// Two of three members talk; more than they do nobody can measure.
	demand := float64(len(c.members)*2/3) / every.Seconds()
	ctx, stop := context.WithCancel(t.Context())
	var talked sync.WaitGroup
	talked.Go(func() { c.talk(t, ctx, 1<<30, every) })
	var ends []time.Time
	back := ""
	for range either(2, 1) {
		began := time.Now()
		pause(ctx, before)
		steady := min(demand, c.rate(began.Add(before/7), time.Now()))
		if err := hit(ctx); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, time.Now())
		if !long() {
			continue
		}
		pause(ctx, backWithin)
		from := time.Now()
		pause(ctx, 6*time.Second)
		got := c.rate(from, time.Now())
		back = fmt.Sprintf("%.0f/s, %.0f/s after", steady, got)
		if got < backTo*steady {
			t.Errorf("%s: %.1f lines/s %s after its end, before it %.1f", name, got, backWithin, steady)
		}
	}
	settle(t, c, ends[len(ends)-1])
	stop()
	talked.Wait()
	verdict(t, s, row{fault: name, recovery: recovery(ends, c.members), note: back}, c.rooms, nil, c.members)
}

// settle waits until a line was acknowledged after a fault, and a moment more.
func settle(t *testing.T, c *class, end time.Time) {
	t.Helper()
	for _, m := range c.members {
		if m.ByFrame {
			continue
		}
		err := m.Await(within(t, 30*time.Second), "an acknowledgement after the fault", func() bool {
			acks := m.Acks()
			return len(acks) > 0 && acks[len(acks)-1].At.After(end)
		})
		if err != nil {
			t.Error(err)
		}
	}
	pause(t.Context(), time.Second)
}

// rate is how many lines a second were acknowledged between two moments.
func (c *class) rate(from, to time.Time) float64 {
	n := 0
	for _, m := range c.members {
		for _, a := range m.Acks() {
			if a.At.After(from) && a.At.Before(to) {
				n++
			}
		}
	}
	return float64(n) / to.Sub(from).Seconds()
}

// terminate ends every connection to a server but its own.
func terminate(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	_, err = conn.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'")
	return err
}
