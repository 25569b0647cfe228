package app_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// inTx changes rows past all rules, as a process that died half-way leaves them.
func inTx(t *testing.T, r *apptest.Rig, fn func(tx *store.Tx) error) {
	t.Helper()
	if err := r.DB.InTx(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// orphan is a turn of the teacher agent about the room's newest line, whose
// worker or job is gone: its lease ran out a minute ago.
func orphan(t *testing.T, r *apptest.Rig, c *apptest.Class, state string, attempt int) store.Turn {
	t.Helper()
	return orphanOf(t, r, c, state, attempt, "")
}

// orphanOf is an orphan that answers in the thread of a message.
func orphanOf(t *testing.T, r *apptest.Rig, c *apptest.Class, state string, attempt int, rootID string) store.Turn {
	t.Helper()
	room, err := r.DB.Room(t.Context(), c.Room.ID)
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond)
	turn := store.Turn{ID: store.NewID(), RoomID: c.Room.ID, AgentID: c.TeacherAgent.ID, TriggerSeq: room.EventSeq, State: state,
		Attempt: attempt, LeaseUntil: past, CreatedAt: past, RootID: rootID}
	if state == store.TurnRunning {
		turn.Node, turn.StartedAt = "a dead node", past
	}
	inTx(t, r, func(tx *store.Tx) error { return tx.CreateTurns(t.Context(), []store.Turn{turn}) })
	return turn
}

// silentClass is a Class whose agents lose every roll.
func silentClass(t *testing.T, r *apptest.Rig) *apptest.Class {
	t.Helper()
	r.SetRoll(999)
	return r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
}

func oneTurn(t *testing.T, r *apptest.Rig, room, state string, attempt int) {
	t.Helper()
	if all := turns(t, r, room); len(all) != 1 || all[0].State != state || all[0].Attempt != attempt || !all[0].LeaseUntil.IsZero() {
		t.Errorf("turns: got %+v, want one %s at attempt %d", all, state, attempt)
	}
}

func TestOrphans(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, quick)
		r.Model.Script(llmtest.Say("an answer"))
		t.Run("WorkerVanished", func(t *testing.T) {
			c := silentClass(t, r)
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			orphan(t, r, c, store.TurnRunning, 1)
			want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "an answer"})
			oneTurn(t, r, c.Room.ID, store.TurnFinished, 2)
		})
		t.Run("WorkerVanishedOnceTooOften", func(t *testing.T) {
			c := silentClass(t, r)
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			orphan(t, r, c, store.TurnRunning, r.Config.Turns.MaxAttempts)
			want(t, "lines", contents(t, r, c.Room.ID), []string{"hello"})
			oneTurn(t, r, c.Room.ID, store.TurnFailed, r.Config.Turns.MaxAttempts)
			if got := turns(t, r, c.Room.ID)[0].Reason; got != "lost" {
				t.Errorf("reason: got %q, want lost", got)
			}
		})
		t.Run("JobVanished", func(t *testing.T) {
			c := silentClass(t, r)
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			orphan(t, r, c, store.TurnQueued, 1)
			want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "an answer"})
			oneTurn(t, r, c.Room.ID, store.TurnFinished, 1)
		})
		t.Run("JobOfALookVanished", func(t *testing.T) {
			c := silentClass(t, r)
			now := time.Now().UTC().Truncate(time.Microsecond)
			m := &store.Message{ID: store.NewID(), RoomID: c.Room.ID, SenderID: c.Student.User.ID, Content: "@teacher?", CreatedAt: now}
			inTx(t, r, func(tx *store.Tx) (err error) {
				if m.Seq, err = tx.NextSeq(t.Context(), m.RoomID, now.Add(-time.Minute)); err != nil {
					return err
				}
				if _, err := tx.CreateMessage(t.Context(), m); err != nil {
					return err
				}
				return tx.CreateEvent(t.Context(), &store.Event{RoomID: m.RoomID, Seq: m.Seq, ID: m.ID, Type: event.TypeMessage, Body: `{}`, CreatedAt: now})
			})
			want(t, "lines", contents(t, r, c.Room.ID), []string{"@teacher?", "an answer"})
		})
		t.Run("TurnBeforeItVanished", func(t *testing.T) {
			c := silentClass(t, r)
			post(t, r, c.Student, c.Room.ID, "hello")
			r.Idle(t, c.Room.ID)
			orphan(t, r, c, store.TurnWaiting, 1)
			post(t, r, c.Student, c.Room.ID, "anybody?")
			want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "anybody?", "an answer"})
			oneTurn(t, r, c.Room.ID, store.TurnFinished, 1)
		})
	})
}

func TestTwoNodesTakeOverOnce(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	first := apptest.NewStopped(t, url, quick)
	second := apptest.New(t, url, quick, func(c *config.Config) { c.LLM.OpenAI.BaseURL = first.Model.URL })
	if err := first.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	first.Model.Script(llmtest.Say("an answer"))
	var classes []*apptest.Class
	for range 6 {
		c := silentClass(t, first)
		second.SetRoll(999)
		post(t, first, c.Student, c.Room.ID, "hello")
		first.Idle(t, c.Room.ID)
		orphan(t, first, c, store.TurnRunning, 1)
		classes = append(classes, c)
	}
	for _, c := range classes {
		want(t, "lines", contents(t, second, c.Room.ID), []string{"hello", "an answer"})
		oneTurn(t, second, c.Room.ID, store.TurnFinished, 2)
	}
}

func TestLeaseIsLost(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		// notices: the first attempt learns of it before its model goes on.
		notices bool
	}{
		"WhileItStreams": {notices: true},
		"AtItsEnd":       {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.New(t, url, func(cfg *config.Config) {
					cfg.Turns.Heartbeat = 20 * time.Second
					if c.notices {
						quick(cfg)
					}
				})
				cl := r.Class(t)
				gate, second := llmtest.NewGate(1), llmtest.NewGate(0)
				r.Model.Script(llmtest.InTurn(llmtest.Response{Text: "the first attempt", Gate: gate}, llmtest.Response{Text: "the second attempt", Gate: second}))
				post(t, r, cl.Student, cl.Room.ID, "hello")
				reached(t, gate)
				turn := turns(t, r, cl.Room.ID)[0]
				// Another node found the lease overdue and put the turn back in line.
				inTx(t, r, func(tx *store.Tx) error {
					return tx.RetryTurn(t.Context(), turn.ID, 1, time.Now().UTC().Add(-time.Minute), "lost", "")
				})
				reached(t, second)
				if !c.notices {
					gate.Release()
				}
				apptest.Await(t, "the first attempt to end", func() bool { return strings.Contains(r.Log(), "msg=turn ") })
				if got := len(r.Messages(t, cl.Room.ID, 0)); got != 1 {
					t.Errorf("got %d lines, want nothing of the first attempt", got)
				}
				gate.Release()
				second.Release()
				want(t, "lines", contents(t, r, cl.Room.ID), []string{"hello", "the second attempt"})
				oneTurn(t, r, cl.Room.ID, store.TurnFinished, 2)
				if strings.Contains(r.Log(), "level=ERROR") {
					t.Error("the log tells of an error")
				}
			})
		})
	}
}

func TestShutdownHandsBack(t *testing.T) {
	t.Parallel()
	impatient := func(c *config.Config) { c.Jobs.DrainTimeout = 50 * time.Millisecond }
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, impatient)
		c := r.Class(t)
		gate := llmtest.NewGate(1)
		r.Model.Script(gated(gate))
		post(t, r, c.Student, c.Room.ID, "hello")
		reached(t, gate)
		r.Stop()
		all := turns(t, r, c.Room.ID)
		if len(all) != 1 || all[0].State != store.TurnQueued || all[0].Attempt != 2 || all[0].Reason != "shutdown" || all[0].Node != "" {
			t.Errorf("turns: got %+v, want one handed back as attempt 2", all)
		}
		next := apptest.New(t, url, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = r.Model.URL })
		want(t, "lines", contents(t, next, c.Room.ID), []string{"hello", "answer 2"})
		oneTurn(t, next, c.Room.ID, store.TurnFinished, 2)
	})
}

func TestShutdownWaits(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(c *config.Config) { c.Jobs.DrainTimeout = 10 * time.Second })
		c := r.Class(t)
		gate := llmtest.NewGate(1)
		r.Model.Script(gated(gate))
		post(t, r, c.Student, c.Room.ID, "hello")
		reached(t, gate)
		done := make(chan struct{})
		go func() { defer close(done); r.Stop() }()
		gate.Release()
		<-done
		want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "answer 1"})
		oneTurn(t, r, c.Room.ID, store.TurnFinished, 1)
	})
}

func TestAnotherNodeTakesOver(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	first := apptest.New(t, url, func(c *config.Config) { c.Jobs.DrainTimeout = 50 * time.Millisecond })
	c := first.Class(t)
	gate := llmtest.NewGate(1)
	first.Model.Script(gated(gate))
	post(t, first, c.Student, c.Room.ID, "hello")
	reached(t, gate)
	second := apptest.New(t, url, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = first.Model.URL })
	s := second.Join(t, c.Student, c.Room.ID, true, 0)
	first.Stop()
	want(t, "lines", contents(t, second, c.Room.ID), []string{"hello", "answer 2"})
	oneTurn(t, second, c.Room.ID, store.TurnFinished, 2)
	s.Await(t, "the answer", func(f apptest.Frame) bool { return f.Is("message") && f.Fields["content"] == "answer 2" })
	if got := len(s.Frames("message")); got != 2 {
		t.Errorf("got %d messages, want 2:\n%s", got, s.Text())
	}
}

func TestSQLiteRecoversAtOnce(t *testing.T) {
	t.Parallel()
	// The last process died with a lease that has long to run; nobody else can hold it.
	r := apptest.NewStopped(t, storetest.SQLite(t), func(c *config.Config) { c.Turns.Sweep = time.Hour })
	r.Model.Script(llmtest.Say("an answer"))
	c, asked := r.Class(t), r.Class(t)
	post(t, r, c.Student, c.Room.ID, "hello")
	post(t, r, asked.Student, asked.Room.ID, "hello")
	turn := orphan(t, r, c, store.TurnRunning, 1)
	later := time.Now().UTC().Add(10 * time.Minute)
	r.Exec(t, "UPDATE agent_turns SET lease_until = ? WHERE id = ?", later, turn.ID)
	r.Exec(t, "UPDATE rooms SET looked_seq = 1, look_at = NULL WHERE id = ?", c.Room.ID)
	r.Exec(t, "UPDATE rooms SET look_at = ? WHERE id = ?", later, asked.Room.ID)
	r.Exec(t, "DELETE FROM river_job")
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []*apptest.Class{c, asked} {
		want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "an answer"})
	}
	oneTurn(t, r, c.Room.ID, store.TurnFinished, 2)
}

func TestNumbersHaveNoGaps(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Model.Script(llmtest.InTurn(llmtest.Response{Text: "a"}, llmtest.Response{Status: 401}, llmtest.Response{Text: "c"}))
		for _, text := range []string{"one", "two", "three"} {
			post(t, r, c.Student, c.Room.ID, text)
			r.Idle(t, c.Room.ID)
		}
		events, err := r.DB.Events(t.Context(), c.Room.ID, 0, 100)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for i, e := range events {
			if e.Seq != int64(i+1) {
				t.Errorf("event %d has seq %d", i, e.Seq)
			}
			kinds = append(kinds, e.Type)
		}
		if want := []string{"message", "message", "message", "turn", "message", "message"}; !slices.Equal(kinds, want) {
			t.Errorf("got %q, want %q", kinds, want)
		}
	})
}
