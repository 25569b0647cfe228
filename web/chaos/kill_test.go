//go:build unix

package chaos

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// class is a load on several rooms: in each, members who talk and an agent who
// answers.
type class struct {
	rooms   []string
	members []*proctest.Member
}

// seat joins three people to every room of a world; the third only listens,
// and resumes by frame.
func seat(s *proctest.Site, w *proctest.World) *class {
	c := &class{rooms: w.Rooms}
	for i, room := range w.Rooms {
		a, b := w.Students[2*i%len(w.Students)], w.Students[(2*i+1)%len(w.Students)]
		c.members = append(c.members, s.Join(a, room), s.Join(b, room), s.JoinBy(w.Teacher, room, true))
	}
	return c
}

// talk has everybody but the listeners post until ctx ends or each has posted n
// lines, and returns when all of that is acknowledged.
func (c *class) talk(t *testing.T, ctx context.Context, n int, every time.Duration) {
	t.Helper()
	// What was begun before the load ends is still to be acknowledged.
	last := within(t, 5*time.Minute)
	var talking sync.WaitGroup
	for i, m := range c.members {
		if i%3 == 2 {
			continue
		}
		talking.Go(func() {
			due := time.Now().Add(rand.N(every))
			for k := 0; k < n && ctx.Err() == nil; k++ {
				pause(ctx, time.Until(due))
				if err := m.Say(last, fmt.Sprintf("Line %d of member %d in %s", k+1, i, m.Room)); err != nil {
					t.Error(err)
					return
				}
				if due = due.Add(every); due.Before(time.Now()) {
					due = time.Now() // nobody makes up for the time of a fault
				}
			}
		})
	}
	talking.Wait()
}

// TestKill: kill -9 of serve, and on Postgres of a worker, at random while
// people post 100 lines and agents answer them.
func TestKill(t *testing.T) {
	t.Parallel()
	// Attempts without end, since this test kills more often than life does: a
	// turn must then end with its one reply.
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(answers)
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		kills := either(25, 4)
		if s.Postgres() {
			victims = append(victims, s.Worker())
			kills = either(50, 4)
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 4, Rooms: 4, Agent: "sk-test"})
		c := seat(s, w)
		ctx, stop := context.WithCancel(t.Context())
		var talked sync.WaitGroup
		talked.Go(func() { c.talk(t, ctx, either(1<<30, 13), 250*time.Millisecond) })
		moments := killAll(t, victims, kills)
		if long() {
			stop()
		}
		talked.Wait()
		stop()
		o := verdict(t, s, row{fault: "kill -9", recovery: recovery(moments, c.members), note: fmt.Sprintf("%d kills", kills)},
			c.rooms, nil, c.members)
		if o.Acked < 100 || o.Due == 0 || o.Failed > 0 {
			t.Errorf("got %d acknowledged lines and %d turns of which %d failed, want 100 or more and no failures", o.Acked, o.Due, o.Failed)
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// killAll kills each of the victims in turn, in random order and at random
// times, and starts it again.
func killAll(t *testing.T, victims []*proctest.Process, kills int) (moments []time.Time) {
	t.Helper()
	order := make([]*proctest.Process, kills)
	for i := range order {
		order[i] = victims[i%len(victims)]
	}
	rand.Shuffle(kills, func(i, j int) { order[i], order[j] = order[j], order[i] })
	for _, p := range order {
		pause(t.Context(), between(300*time.Millisecond, 1200*time.Millisecond))
		if p.URL != "" {
			moments = append(moments, time.Now())
		}
		if err := p.Kill9(); err != nil {
			t.Fatal(err)
		}
		pause(t.Context(), between(0, 300*time.Millisecond))
		if _, err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return moments
}

// takeover is how soon a turn goes on whose worker has died.
const takeover = 15 * time.Second

// TestTakeover: a turn whose worker is killed in mid-sentence is taken over by
// another one, and only the second attempt is stored.
func TestTakeover(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve, heir := s.Serve("COAGENT_JOBS_IN_SERVE=false"), (*proctest.Process)(nil)
		victim := serve
		if s.Postgres() {
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		m := s.Join(w.Students[0], w.Rooms[0])
		gate := llmtest.NewGate(3)
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			if r.Number == 1 {
				return llmtest.Response{Text: "The first attempt, which nobody hears to its end.", Gate: gate}
			}
			return llmtest.Response{Text: "The second attempt."}
		})
		if err := m.Say(within(t, 10*time.Second), "Are you there?"); err != nil {
			t.Fatal(err)
		}
		select {
		case <-gate.Reached():
		case <-within(t, 10*time.Second).Done():
			t.Fatal("the model was not asked")
		}
		if err := m.Await(within(t, 10*time.Second), "the first words", func() bool { return len(deltas(m)) > 0 }); err != nil {
			t.Fatal(err)
		}
		killed := time.Now()
		if err := victim.Kill9(); err != nil {
			t.Fatal(err)
		}
		if s.Postgres() {
			heir = s.Worker()
		} else if _, err := victim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := m.Await(within(t, takeover), "the second attempt", func() bool { return m.Last() == 2 }); err != nil {
			t.Fatal(err)
		}
		took := time.Since(killed)
		if f := m.Log()[1]; f.Content != "The second attempt." {
			t.Errorf("got %q, want the second attempt alone", f.Content)
		}
		if heir != nil && took > takeover {
			t.Errorf("taken over after %s, want %s at most", took, takeover)
		}
		o := verdict(t, s, row{fault: "worker killed in a turn", recovery: took}, w.Rooms, nil, []*proctest.Member{m})
		if o.Due != 1 || o.Replies != 1 {
			t.Errorf("got %d turns and %d replies, want one of each", o.Due, o.Replies)
		}
	})
}

func deltas(m *proctest.Member) (all []proctest.Frame) {
	for _, f := range m.Others() {
		if f.Type == "delta" {
			all = append(all, f)
		}
	}
	return all
}
