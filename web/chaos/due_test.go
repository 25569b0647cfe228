//go:build unix

package chaos

import (
	"context"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// dueTakeover is how soon another node fires what is due when the one that
// looked for it has died: its lease, a look at the clock, and a turn.
const dueTakeover = 20 * time.Second

// TestKillDue: whoever looks for due triggers is killed just before they are
// due. Each fires once, on another node or on the same one come back.
func TestKillDue(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(answers)
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 5, Agent: "sk-test"})
		breakSilence(t, s.DB(), w.Rooms)
		said := make([]int, len(w.Rooms))
		for _, victim := range victims { // one of them is the node that looks
			for i, room := range w.Rooms {
				m := s.Join(w.Students[0], room)
				if err := m.Say(within(t, time.Minute), "hello"); err != nil {
					t.Fatal(err)
				}
				said[i]++
			}
			pause(t.Context(), time.Second)
			if err := victim.Kill9(); err != nil {
				t.Fatal(err)
			}
			if !s.Postgres() {
				if _, err := victim.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), dueTakeover)
			for i, room := range w.Rooms {
				for agentLines(t, s.DB(), room) < said[i] && ctx.Err() == nil {
					pause(ctx, 100*time.Millisecond)
				}
			}
			cancel()
			pause(t.Context(), 4*time.Second) // twice the silence: nothing fires again
			for i, room := range w.Rooms {
				if got := agentLines(t, s.DB(), room); got != said[i] {
					t.Errorf("got %d lines of the agent, want %d, one for each silence", got, said[i])
				}
			}
			if s.Postgres() {
				if _, err := victim.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// breakSilence has the agents of rooms speak after two seconds of silence, and
// not before.
func breakSilence(t *testing.T, db *store.DB, rooms []string) {
	t.Helper()
	ctx := t.Context()
	for _, id := range rooms {
		room, err := db.Room(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		links, err := db.RoomAgents(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		room.AIFrequency = 0
		if err := db.InTx(ctx, func(tx *store.Tx) error {
			for i := range links {
				links[i].TriggerConfig = `{"type":"silence","value":2}`
				if err := tx.UpdateRoomAgent(ctx, &links[i]); err != nil {
					return err
				}
			}
			return tx.UpdateRoom(ctx, room)
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func agentLines(t *testing.T, db *store.DB, room string) (n int) {
	t.Helper()
	lines, err := db.Messages(t.Context(), room, 0, store.MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	for i := range lines {
		if lines[i].ByAgent() {
			n++
		}
	}
	return n
}
