//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/store/storetest/postgres"
	"github.com/coagent-studio/coagent/web/proctest"
)

// pooled starts a PgBouncer in transaction mode before the database.
func pooled(t *testing.T, database string) *postgres.Pooler {
	t.Helper()
	p, err := postgres.StartPooler(t.Context(), database)
	if errors.Is(err, postgres.ErrNoPooler) && os.Getenv("CI") != "true" {
		t.Skip("SKIPPED, NOT TESTED BEHIND A POOLER: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Errorf("close the pooler: %v", err)
		}
	})
	return p
}

// TestPoolerAlone: a pooler that hands sessions on is recognised by every
// command, before anything is done, and the remedy is named.
func TestPoolerAlone(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t))
	env := []string{"COAGENT_DATABASE_URL=" + pooled(t, s.DatabaseURL).URL}
	for _, command := range []string{"serve", "worker", "migrate up", "seed-demo"} {
		refused(t, s, env, command, "PgBouncer", "database.listen_url", "COAGENT_DATABASE_LISTEN_URL")
	}
	other := []string{env[0], "COAGENT_DATABASE_LISTEN_URL=" + storetest.Postgres(t)}
	refused(t, s, other, "serve", "database.listen_url must lead to", "the same database")
	execute(t, s, "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database()); END $$")
	env = []string{"COAGENT_DATABASE_URL=" + pooled(t, s.DatabaseURL).URL, "COAGENT_DATABASE_LISTEN_URL=" + s.DatabaseURL}
	refused(t, s, env, "serve", "standard_conforming_strings", "ALTER DATABASE")
}

// TestPooler: with the server's own address beside the pooler's, two nodes and
// a worker migrate, talk and answer through it. What one node stores reaches
// the other's sockets by notifications alone: nothing polls in this test.
func TestPooler(t *testing.T) {
	t.Parallel()
	s := proctest.New(t, storetest.Postgres(t), "COAGENT_ROOMS_EVENT_POLL=5m", "COAGENT_TURNS_SWEEP=5m")
	emptied(t, s)
	s.Set("COAGENT_DATABASE_URL="+pooled(t, s.DatabaseURL).URL, "COAGENT_DATABASE_LISTEN_URL="+s.DatabaseURL)
	if out, code := s.Run("migrate", "up"); code != 0 {
		t.Fatalf("migrate up: exit code %d: %s", code, out)
	}
	near, far := s.Serve("COAGENT_JOBS_IN_SERVE=false"), s.Serve("COAGENT_JOBS_IN_SERVE=false")
	s.Worker()
	w := s.Populate(proctest.To(false, near), proctest.Plan{Students: 2, Rooms: 1, Agent: canary})
	s.Model.Script(answers)
	room := w.Rooms[0]
	members := []*proctest.Member{s.Join(w.Students[0], room), s.Join(w.Students[1].At(proctest.To(false, far)), room)}
	for i := range 6 {
		if err := members[i%2].Say(within(t, 30*time.Second), fmt.Sprintf("Line %d through the pooler \\ '", i)); err != nil {
			t.Fatal(err)
		}
		for _, m := range members {
			if err := m.Await(within(t, 30*time.Second), "the line and its answer", func() bool { return m.Last() >= int64(2*i+2) }); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, m := range members {
		if len(deltas(m)) == 0 {
			t.Errorf("%s saw no text streaming", m.Person.Name)
		}
	}
	if o := verdict(t, s, row{fault: "pooler"}, w.Rooms, nil, members); o.Replies != 6 || o.Failed != 0 {
		t.Errorf("got %d replies and %d failed turns, want 6 and none", o.Replies, o.Failed)
	}
}
