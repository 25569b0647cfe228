//go:build unix

package chaos

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestKillWhileStopping: a worker is killed just when a person stops the turn
// that it runs. The turn ends as stopped, is not tried again, and what it has
// said is stored once or not at all.
func TestKillWhileStopping(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve("COAGENT_JOBS_IN_SERVE=false")
		victim := serve
		if s.Postgres() {
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		m := s.Join(w.Students[0], w.Rooms[0])
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			return llmtest.Response{Text: fmt.Sprintf("%d times an answer is stopped in its middle and never told to its end.", r.Number), Gate: llmtest.NewGate(3)}
		})
		for i := range either(8, 2) {
			before := len(deltas(m))
			if err := m.Say(within(t, 20*time.Second), fmt.Sprintf("Are you there? (%d)", i)); err != nil {
				t.Fatal(err)
			}
			if err := m.Await(within(t, 20*time.Second), "the first words", func() bool { return len(deltas(m)) > before }); err != nil {
				t.Fatal(err)
			}
			turn := turnOf(t, deltas(m)[before])
			asked := make(chan error, 1)
			go func() {
				_, err := w.Students[0].Try(within(t, 20*time.Second), http.MethodPost, "/api/v1/rooms/"+w.Rooms[0]+"/turns/"+turn+"/stop", nil)
				asked <- err
			}()
			pause(t.Context(), between(0, 30*time.Millisecond))
			if err := victim.Kill9(); err != nil {
				t.Fatal(err)
			}
			if _, err := victim.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := <-asked; err != nil {
				// The server went with the worker before it had heard of the stop.
				w.Students[0].Call(t, http.MethodPost, "/api/v1/rooms/"+w.Rooms[0]+"/turns/"+turn+"/stop", nil, nil)
			}
			if err := s.Settled(within(t, 2*takeover), w.Rooms...); err != nil {
				t.Fatal(err)
			}
		}
		o := verdict(t, s, row{fault: "worker killed while a turn is stopped"}, w.Rooms, nil, []*proctest.Member{m})
		var turns []struct {
			State   string `json:"state"`
			Attempt int    `json:"attempt"`
		}
		w.Teacher.Call(t, http.MethodGet, "/api/v1/rooms/"+w.Rooms[0]+"/turns", nil, &turns)
		for _, turn := range turns {
			if turn.State != "stopped" {
				t.Errorf("a turn is %s after %d attempts, want each stopped", turn.State, turn.Attempt)
			}
		}
		if o.Due != either(8, 2) || len(turns) != o.Due {
			t.Errorf("got %d turns", o.Due)
		}
	})
}

func turnOf(t *testing.T, delta proctest.Frame) string {
	t.Helper()
	if delta.TurnID == "" {
		t.Fatal("a delta without a turn")
	}
	return delta.TurnID
}
