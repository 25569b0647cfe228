package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// What changes about a room's agents while one of them writes counts at the end of its
// turn: who may not speak any more says nothing, and any other change only makes the end
// begin anew.
func TestChangesWhileAnAgentWrites(t *testing.T) {
	t.Parallel()
	off := app.RoomAgentSettings{IsActive: app.Some(false)}
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		for _, kind := range []struct {
			name   string
			change func(t *testing.T, c *apptest.Class) error
			state  string
		}{
			{"Nothing", func(*testing.T, *apptest.Class) error { return nil }, store.TurnFinished},
			{"AnotherIsSwitchedOff", func(t *testing.T, c *apptest.Class) error {
				_, err := r.SetRoomAgent(t.Context(), c.Teacher, c.Room.ID, c.StudentAgent.ID, off)
				return err
			}, store.TurnFinished},
			{"ItIsSetAnew", func(t *testing.T, c *apptest.Class) error {
				_, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{SystemPrompt: app.Some("You teach.")})
				return err
			}, store.TurnFinished},
			{"TheRoomHasAnotherName", func(t *testing.T, c *apptest.Class) error {
				_, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, app.RoomSettings{Name: app.Some("Plants")})
				return err
			}, store.TurnFinished},
			{"ItIsSwitchedOffHere", func(t *testing.T, c *apptest.Class) error {
				_, err := r.SetRoomAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID, off)
				return err
			}, store.TurnStopped},
			{"ItLeaves", func(t *testing.T, c *apptest.Class) error {
				return r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			}, store.TurnStopped},
			{"TheRoomIsSwitchedOff", func(t *testing.T, c *apptest.Class) error {
				_, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, app.RoomSettings{AIMode: app.Some(store.ModeOff)})
				return err
			}, store.TurnStopped},
		} {
			t.Run(kind.name, func(t *testing.T) {
				c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
				for again := range 2 { // the second time what this process knows of the room is old
					gate := llmtest.NewGate(2)
					r.Model.Script(func(llmtest.Request) llmtest.Response {
						return llmtest.Response{Text: "an answer", ChunkRunes: 3, Gate: gate}
					})
					post(t, r, c.Student, c.Room.ID, "@teacher why?")
					reached(t, gate)
					must(t, kind.change(t, c))
					gate.Release()
					r.Idle(t, c.Room.ID)
					all := turns(t, r, c.Room.ID)
					if len(all) != again+1 {
						t.Fatalf("got %d turns, want %d", len(all), again+1)
					}
					got := all[again]
					said := map[string]int{store.TurnFinished: again + 1}[kind.state]
					if n := len(r.Messages(t, c.Room.ID, 0)) - again - 1; got.State != kind.state || n != said {
						t.Errorf("the turn is %s (%s) with %d answers so far, want %s with %d", got.State, got.Reason, n, kind.state, said)
					}
					if kind.state == store.TurnStopped {
						break
					}
				}
			})
		}
	})
}
