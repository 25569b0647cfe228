package app_test

import (
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// wholeAnswer is what an agent would say that is not stopped.
const wholeAnswer = "one two three four five six"

// speaking posts a question and waits until an agent is in the middle of its
// answer, of which the room has seen the beginning.
func speaking(t *testing.T, r *apptest.Rig, c *apptest.Class, question string) (turn store.Turn, gate *llmtest.Gate, watch *apptest.Socket) {
	t.Helper()
	gate = llmtest.NewGate(2)
	r.Model.Script(llmtest.Always(llmtest.Response{Text: wholeAnswer, ChunkRunes: 4, Gate: gate}))
	watch = r.Join(t, c.Teacher, c.Room.ID, true, -1)
	post(t, r, c.Student, c.Room.ID, question)
	reached(t, gate)
	watch.Await(t, "the first words", func(f apptest.Frame) bool { return f.Is("delta") })
	return turns(t, r, c.Room.ID)[0], gate, watch
}

func stopTurn(t *testing.T, r *apptest.Rig, who *app.Actor, turn store.Turn) *store.Turn {
	t.Helper()
	got, err := r.StopTurn(t.Context(), who, turn.RoomID, turn.ID)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestStop(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("KeepsWhatWasSaid", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			turn, gate, watch := speaking(t, r, c, "@teacher @student go")
			defer gate.Release()
			r.Model.Script(llmtest.Say("second")) // for the turn after this one, which may begin at once
			if got := stopTurn(t, r, c.Student, turn).State; got != store.TurnRunning {
				t.Errorf("state: got %s, want running until it has ended", got)
			}
			m := watch.Await(t, "what was said", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["turn_id"] == turn.ID })
			text, _ := m.Fields["content"].(string)
			if m.Fields["stopped"] != true || text == "" || !strings.HasPrefix(wholeAnswer, text) || strings.Contains(text, "six") {
				t.Errorf("the message: got %s", m.Text)
			}
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher @student go", text, "second"})
			message := r.Messages(t, c.Room.ID, 3)[1]
			got := turns(t, r, c.Room.ID)[0]
			if message.StoppedAt.IsZero() || got.State != store.TurnStopped || got.Reason != "stopped" || got.StopBy != c.Student.User.ID || got.AskedBy != c.Student.User.ID {
				t.Errorf("got the line %+v and the turn %+v", message, got)
			}
		})
		t.Run("OnAnotherNode", func(t *testing.T) {
			if !strings.HasPrefix(url, "postgres") {
				t.Skip("SQLite has one process")
			}
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.Heartbeat = 20 * time.Second })
			c := r.Class(t)
			turn, gate, watch := speaking(t, r, c, "@teacher")
			defer gate.Release()
			other := apptest.NewStopped(t, url)
			begun := time.Now()
			stopTurn(t, other, c.Teacher, turn)
			watch.Await(t, "the end", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["stopped"] == true })
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the signal took %v", took)
			}
		})
		t.Run("ByTheHeartbeatAlone", func(t *testing.T) {
			r := apptest.New(t, url, quick)
			c := r.Class(t)
			turn, gate, watch := speaking(t, r, c, "@teacher")
			defer gate.Release()
			r.Exec(t, "UPDATE agent_turns SET stop_at = ?, stop_by = ? WHERE id = ?", time.Now().UTC(), c.TA.User.ID, turn.ID)
			watch.Await(t, "the end", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["stopped"] == true })
		})
		t.Run("WaitingEndsAtOnce", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			_, gate, watch := speaking(t, r, c, "@teacher @student go")
			second := turns(t, r, c.Room.ID)[1]
			if second.State != store.TurnWaiting {
				second = turns(t, r, c.Room.ID)[0]
			}
			for range 2 {
				if got := stopTurn(t, r, c.TA, second); got.State != store.TurnStopped || got.StopBy != c.TA.User.ID {
					t.Errorf("got %+v", got)
				}
			}
			watch.Await(t, "the end", func(f apptest.Frame) bool {
				return f.Is("turn") && f.Fields["turn_id"] == second.ID && f.Fields["state"] == "stopped"
			})
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher @student go", wholeAnswer})
		})
		t.Run("NothingSaidIsNoLine", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			r.Model.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Hang}))
			post(t, r, c.Student, c.Room.ID, "@teacher")
			apptest.Await(t, "the model", func() bool { return len(r.Model.Requests()) > 0 })
			stopTurn(t, r, c.Student, turns(t, r, c.Room.ID)[0])
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher"})
			if got := turns(t, r, c.Room.ID)[0]; got.State != store.TurnStopped || got.Attempt != 1 {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("LostWorkerEndsIt", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			turn, gate, _ := speaking(t, r, c, "@teacher")
			defer gate.Release()
			// The worker is gone with the stop unheard: whoever takes over ends it.
			r.Exec(t, "UPDATE agent_turns SET stop_at = ?, stop_by = ?, lease_until = ? WHERE id = ?", time.Now().UTC(), c.TA.User.ID, time.Now().UTC().Add(-time.Minute), turn.ID)
			apptest.Await(t, "the end", func() bool { return turns(t, r, c.Room.ID)[0].State == store.TurnStopped })
			gate.Release()
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher"})
		})
		t.Run("NotRetried", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			gate := llmtest.NewGate(1)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "one two three", ChunkRunes: 4, Gate: gate, Fault: llmtest.StreamError}))
			post(t, r, c.Student, c.Room.ID, "@teacher")
			reached(t, gate)
			r.Exec(t, "UPDATE agent_turns SET stop_at = ?, stop_by = ? WHERE room_id = ?", time.Now().UTC(), c.TA.User.ID, c.Room.ID)
			gate.Release()
			apptest.Await(t, "the end", func() bool { return turns(t, r, c.Room.ID)[0].State == store.TurnStopped })
		})
		t.Run("Who", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			turn, gate, _ := speaking(t, r, c, "@teacher")
			defer gate.Release()
			classmate := r.User(t, app.RoleStudent, "Cleo")
			if _, err := r.Enrol(t.Context(), c.Teacher, c.Course.ID, app.Person{ID: classmate.User.ID}, "student"); err != nil {
				t.Fatal(err)
			}
			for who, want := range map[*app.Actor]app.Kind{classmate: app.KindForbidden, c.Outsider: app.KindNotFound} {
				if _, err := r.StopTurn(t.Context(), who, c.Room.ID, turn.ID); app.KindOf(err) != want {
					t.Errorf("%s: got %v, want %s", who.User.Name(), err, want)
				}
			}
			if _, err := r.StopTurn(t.Context(), c.Teacher, c.Room.ID, store.NewID()); app.KindOf(err) != app.KindNotFound {
				t.Errorf("an unknown turn: got %v", err)
			}
			other := r.Class(t)
			if _, err := r.StopTurn(t.Context(), other.Teacher, other.Room.ID, turn.ID); app.KindOf(err) != app.KindNotFound {
				t.Errorf("a turn of another room: got %v", err)
			}
		})
		t.Run("OverStaysAsItIs", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			r.Model.Script(llmtest.Say("done"))
			post(t, r, c.Student, c.Room.ID, "@teacher")
			r.Idle(t, c.Room.ID)
			if got := stopTurn(t, r, c.Student, turns(t, r, c.Room.ID)[0]); got.State != store.TurnFinished || got.StopBy != "" {
				t.Errorf("got %+v", got)
			}
		})
	})
}
