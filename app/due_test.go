package app_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// triggeredClass is a class whose agents speak by their triggers alone.
func triggeredClass(t *testing.T, r *apptest.Rig, trigger string) *apptest.Class {
	t.Helper()
	r.SetRoll(999)
	c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.0) })
	setTrigger(t, r, c, c.TeacherAgent.ID, trigger)
	return c
}

func setTrigger(t *testing.T, r *apptest.Rig, c *apptest.Class, agent, trigger string) {
	t.Helper()
	if _, err := r.UpdateAgent(t.Context(), c.Teacher, agent, app.AgentSettings{TriggerConfig: raw(trigger)}); err != nil {
		t.Fatal(err)
	}
}

// passed moves the clock on, waits until all that is due then was judged, and
// returns the room's lines once it is idle.
func passed(t *testing.T, r *apptest.Rig, room string, d time.Duration) []string {
	t.Helper()
	r.Idle(t, room)
	r.Advance(d)
	apptest.Await(t, "due triggers to be judged", func() bool {
		next, err := r.DB.NextDue(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return next.IsZero() || r.Now().Before(next)
	})
	return contents(t, r, room)
}

const silence = `{"type":"silence","value":60}`

func TestSilence(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.Model.Script(counted)
		t.Run("OncePerSilence", func(t *testing.T) {
			c := triggeredClass(t, r, silence)
			post(t, r, c.Student, c.Room.ID, "hello")
			want(t, "before", passed(t, r, c.Room.ID, 50*time.Second), []string{"hello"})
			got := passed(t, r, c.Room.ID, 15*time.Second)
			if len(got) != 2 {
				t.Fatalf("after a minute: got %q, want one more line", got)
			}
			// Nothing but a person's line arms it again, however long it lasts.
			for range 3 {
				if got := passed(t, r, c.Room.ID, 12*time.Hour); len(got) != 2 {
					t.Fatalf("in the same silence: got %q", got)
				}
			}
			post(t, r, c.Student, c.Room.ID, "again")
			if got := passed(t, r, c.Room.ID, time.Minute+time.Second); len(got) != 4 {
				t.Errorf("in the next silence: got %q, want one more line", got)
			}
			all := turns(t, r, c.Room.ID)
			if len(all) != 2 || all[0].Cause != "silence" || all[0].DecisionID == "" || all[0].State != store.TurnFinished {
				t.Errorf("got turns %+v", all)
			}
		})
		t.Run("TalkPutsItOff", func(t *testing.T) {
			c := triggeredClass(t, r, silence)
			for i := range 4 {
				post(t, r, c.Student, c.Room.ID, fmt.Sprint(i))
				if got := passed(t, r, c.Room.ID, 40*time.Second); len(got) != i+1 {
					t.Fatalf("got %q, want no agent's line", got)
				}
			}
			if got := passed(t, r, c.Room.ID, 21*time.Second); len(got) != 5 {
				t.Errorf("got %q, want a line after a minute of silence", got)
			}
		})
		t.Run("NeverInAnEmptyRoom", func(t *testing.T) {
			c := triggeredClass(t, r, silence)
			want(t, "lines", passed(t, r, c.Room.ID, 48*time.Hour), nil)
		})
		t.Run("ANewTriggerCountsFromNow", func(t *testing.T) {
			c := triggeredClass(t, r, `{"type":"manual"}`)
			post(t, r, c.Student, c.Room.ID, "hello")
			passed(t, r, c.Room.ID, time.Hour)
			setTrigger(t, r, c, c.TeacherAgent.ID, silence)
			want(t, "after an old silence", passed(t, r, c.Room.ID, time.Hour), []string{"hello"})
			post(t, r, c.Student, c.Room.ID, "again")
			setTrigger(t, r, c, c.TeacherAgent.ID, `{"type":"silence","value":120}`)
			want(t, "after the old time", passed(t, r, c.Room.ID, 70*time.Second), []string{"hello", "again"})
			if got := passed(t, r, c.Room.ID, 60*time.Second); len(got) != 3 {
				t.Errorf("after the new time: got %q", got)
			}
		})
		t.Run("TheModelIsToldWhy", func(t *testing.T) {
			c := triggeredClass(t, r, silence)
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			passed(t, r, c.Room.ID, 61*time.Second)
			all := r.Model.Requests()
			last := all[len(all)-1].Messages
			if n := len(last); n != 3 || last[n-2].Role != "assistant" || last[n-1].Role != "user" {
				t.Errorf("got %+v, want the room, its own line, and why it is asked", last)
			}
		})
	})
}

func TestInterval(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.Model.Script(counted)
		c := triggeredClass(t, r, `{"type":"time_interval","value":60}`)
		r.Advance(2 * time.Minute)
		post(t, r, c.Student, c.Room.ID, "one")
		if got := contents(t, r, c.Room.ID); len(got) != 2 {
			t.Fatalf("long after its last line: got %q, want an answer", got)
		}
		post(t, r, c.Student, c.Room.ID, "two")
		if got := passed(t, r, c.Room.ID, 50*time.Second); len(got) != 3 {
			t.Fatalf("too early: got %q", got)
		}
		if got := passed(t, r, c.Room.ID, 11*time.Second); len(got) != 4 {
			t.Fatalf("a minute after its last line: got %q", got)
		}
		// It does not talk to itself.
		if got := passed(t, r, c.Room.ID, 24*time.Hour); len(got) != 4 {
			t.Errorf("nobody else spoke: got %q", got)
		}
	})
}

// What keeps an agent from answering keeps it from speaking by itself.
func TestTimeHonoursTheRoom(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		r.Model.Script(counted)
		room := func(s app.RoomSettings) func(*testing.T, *apptest.Class) {
			return func(t *testing.T, c *apptest.Class) {
				if _, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		agent := func(s app.AgentSettings) func(*testing.T, *apptest.Class) {
			return func(t *testing.T, c *apptest.Class) {
				if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.StudentAgent.ID, s); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, hinder := range map[string]func(*testing.T, *apptest.Class){
			"room_off":    room(app.RoomSettings{AIMode: app.Some(store.ModeOff)}),
			"ai_inactive": room(app.RoomSettings{IsAIActive: app.Some(false)}),
			"mode":        room(app.RoomSettings{AIMode: app.Some(store.ModeTeacherOnly)}),
			"inactive":    agent(app.AgentSettings{IsActive: app.Some(false)}),
			"schedule":    agent(app.AgentSettings{ScheduleConfig: raw(`{"mode":"whitelist","rules":[]}`)}),
		} {
			t.Run(name, func(t *testing.T) {
				c := triggeredClass(t, r, `{"type":"manual"}`)
				setTrigger(t, r, c, c.StudentAgent.ID, silence)
				post(t, r, c.Student, c.Room.ID, "hello")
				r.Idle(t, c.Room.ID)
				hinder(t, c)
				want(t, "lines", passed(t, r, c.Room.ID, time.Hour), []string{"hello"})
			})
		}
		t.Run("PutOffToTheSchedule", func(t *testing.T) {
			c := triggeredClass(t, r, silence)
			now := r.Now().In(r.Config.Location())
			opens := now.Add(3 * time.Hour)
			hours := fmt.Sprintf(`{"mode":"whitelist","rules":[{"type":"everyday","time_range":["%s","%s"]}]}`,
				opens.Format("15:04"), opens.Add(time.Hour).Format("15:04"))
			if _, err := r.UpdateAgent(t.Context(), c.Teacher, c.TeacherAgent.ID, app.AgentSettings{ScheduleConfig: raw(hours)}); err != nil {
				t.Fatal(err)
			}
			post(t, r, c.Student, c.Room.ID, "hello")
			want(t, "before its hours", passed(t, r, c.Room.ID, 2*time.Hour), []string{"hello"})
			if got := passed(t, r, c.Room.ID, 65*time.Minute); len(got) != 2 {
				t.Errorf("within its hours: got %q", got)
			}
		})
	})
}

func TestDueEndsWithTheRow(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Turns.MaxStreak = 1 })
		r.Model.Script(counted)
		c := triggeredClass(t, r, silence)
		setTrigger(t, r, c, c.StudentAgent.ID, silence)
		post(t, r, c.Student, c.Room.ID, "hello")
		if got := passed(t, r, c.Room.ID, time.Hour); len(got) != 2 {
			t.Errorf("got %q, want as many lines as agents may say in a row", got)
		}
	})
}

// A turn that is on its way is waited for.
func TestDueDuringATurn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := triggeredClass(t, r, `{"type":"silence","value":10}`)
		gate := llmtest.NewGate(1)
		r.Model.Script(gated(gate))
		post(t, r, c.Student, c.Room.ID, "@student?")
		reached(t, gate)
		r.Advance(15 * time.Second)
		apptest.Await(t, "the due turn", func() bool { return len(turns(t, r, c.Room.ID)) == 2 })
		if all := turns(t, r, c.Room.ID); all[0].State != store.TurnRunning || all[1].State != store.TurnWaiting {
			t.Errorf("got %+v, want the second to wait", all)
		}
		gate.Release()
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@student?", "answer 1", "answer 2"})
	})
}

// Two nodes never fire one trigger twice, though both may take themselves for
// the one that looks.
func TestDueOnTwoNodes(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	first := apptest.New(t, url)
	// One provider for both: a stored key is for the host that it was given for.
	second := apptest.New(t, url, func(c *config.Config) { c.LLM.OpenAI.BaseURL = first.Config.LLM.OpenAI.BaseURL })
	for _, r := range []*apptest.Rig{first, second} {
		r.SetRoll(999)
		r.Model.Script(counted)
	}
	c := triggeredClass(t, first, silence)
	rooms := make([]string, 40)
	for i := range rooms {
		room, err := first.CreateRoom(t.Context(), c.Teacher, c.Course.ID, app.RoomSettings{Name: app.Some(fmt.Sprint(i)), AIFrequency: app.Some(0.0)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := first.AttachAgent(t.Context(), c.Teacher, room.ID, c.TeacherAgent.ID); err != nil {
			t.Fatal(err)
		}
		rooms[i] = room.ID
		post(t, first, c.Student, room.ID, "hello")
		first.Idle(t, room.ID)
	}
	first.Advance(2 * time.Minute)
	second.Advance(2 * time.Minute)
	var both sync.WaitGroup
	for _, r := range []*apptest.Rig{first, second} {
		both.Go(func() {
			if err := r.FireDue(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	// A node's own loop may have claimed the triggers, and not committed yet, when
	// the two calls find nothing left: the lines are waited for.
	for _, room := range rooms {
		first.Messages(t, room, 2)
	}
	if err := first.FireDue(t.Context()); err != nil {
		t.Error(err)
	}
	for _, room := range rooms {
		if got := contents(t, first, room); len(got) != 2 {
			t.Errorf("got %q, want one line of the agent", got)
		}
		if n := len(turns(t, first, room)); n != 1 {
			t.Errorf("the agent got %d turns, want one", n)
		}
	}
}
