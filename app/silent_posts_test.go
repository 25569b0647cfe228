package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store/storetest"
)

const everyTenth = `{"type":"message_count","value":10}`

// looks counts the jobs that let a room's agents decide, done or not.
func looks(t *testing.T, r *apptest.Rig) int {
	t.Helper()
	return strings.Count(r.Dump(t), "look_at_room")
}

// settledClass is triggeredClass after the new trigger was judged for the first time.
func settledClass(t *testing.T, r *apptest.Rig, trigger string) *apptest.Class {
	t.Helper()
	c := triggeredClass(t, r, trigger)
	passed(t, r, c.Room.ID, 0)
	return c
}

// A message that no agent could answer starts no job. Staff still read why nobody spoke.
func TestSilentPosts(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("Count", func(t *testing.T) {
			r := apptest.New(t, url)
			r.Model.Script(counted)
			c := settledClass(t, r, everyTenth)
			before := looks(t, r)
			for i := range 3 {
				if m := post(t, r, c.Student, c.Room.ID, fmt.Sprintf("line %d", i)); !m.Silent {
					t.Errorf("line %d is not silent", i)
				}
			}
			room, err := r.DB.Room(t.Context(), c.Room.ID)
			if err != nil || room.Undecided() || !room.DecideAt.IsZero() || looks(t, r) != before {
				t.Errorf("the room is %+v (%v) with %d jobs", room, err, looks(t, r))
			}
			all := decisions(t, r, c, app.DecisionFilter{})
			if len(all) != 1 || all[0].Cause != "post" || all[0].FromSeq != 0 || all[0].Seq != 3 || all[0].CreatedAt.IsZero() ||
				ruled(all[0]) != "[Student chance false Teacher message_count false]" {
				t.Fatalf("got %+v", all)
			}
			for _, c := range all[0].Agents {
				if c.Name == "Teacher" && !strings.HasPrefix(c.Detail, "3 of 10 ") || c.Name == "Student" && (c.Roll == nil || *c.Roll != 0.999) {
					t.Errorf("got %+v", c)
				}
			}
			if got := decisions(t, r, c, app.DecisionFilter{Before: all[0].ID}); len(got) != 0 {
				t.Errorf("behind the last one: got %+v", got)
			}
			if got := decisions(t, r, c, app.DecisionFilter{Seq: 2}); len(got) != 1 || got[0].ID != "" || got[0].FromSeq != 1 || got[0].Seq != 2 ||
				ruled(got[0]) != ruled(all[0]) {
				t.Errorf("about one line: got %+v", got)
			}
			for i := range 7 {
				post(t, r, c.Student, c.Room.ID, fmt.Sprintf("more %d", i))
			}
			if got := contents(t, r, c.Room.ID); len(got) != 11 || got[10] != "answer 1" {
				t.Errorf("got %q, want an answer to the tenth line", got)
			}
			if got := looks(t, r) - before; got != 1 {
				t.Errorf("%d jobs let the agents decide, want 1", got)
			}
		})
		t.Run("CountOfMany", func(t *testing.T) {
			r := apptest.New(t, url)
			r.Model.Script(counted)
			c := settledClass(t, r, everyTenth)
			var writers sync.WaitGroup
			for w := range 5 {
				writers.Go(func() {
					for i := range 7 {
						if _, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, fmt.Sprintf("line %d of %d", i, w), ""); err != nil {
							t.Error(err)
						}
					}
				})
			}
			writers.Wait()
			lines := contents(t, r, c.Room.ID)
			s, err := r.AgentState(t.Context(), c.TA, c.Room.ID, c.TeacherAgent.ID)
			if err != nil || len(lines) < 36 || s.Unread >= 10 {
				t.Errorf("%d lines, and %+v does not speak (%v)", len(lines), s, err)
			}
		})
		t.Run("Pages", func(t *testing.T) {
			r := apptest.New(t, url)
			r.Model.Script(counted)
			c := settledClass(t, r, everyTenth)
			for _, text := range []string{"a", "@nobody", "b", "c", "@teacher", "@nobody", "d"} {
				post(t, r, c.Student, c.Room.ID, text)
				r.Idle(t, c.Room.ID)
			}
			var spans []string
			for _, d := range decisions(t, r, c, app.DecisionFilter{}) {
				spans = append(spans, fmt.Sprint(d.FromSeq, "-", d.Seq, " ", !strings.Contains(string(d.Candidates), "agent_id")))
			}
			all := []string{"7-8 true", "6-7 false", "4-5 false", "2-4 true", "1-2 false", "0-1 true"}
			want(t, "the decisions", spans, all)
			for limit := 1; limit < 4; limit++ {
				var spans []string
				f := app.DecisionFilter{Limit: limit}
				for {
					page := decisions(t, r, c, f)
					for _, d := range page {
						spans = append(spans, fmt.Sprint(d.FromSeq, "-", d.Seq, " ", !strings.Contains(string(d.Candidates), "agent_id")))
						f.Before = d.ID
					}
					if len(page) < limit {
						break
					}
				}
				want(t, fmt.Sprint("in pages of ", limit), spans, all)
			}
		})
		// The speaker's trigger counts from its turn, and what people posted during the
		// turn counts too, though nothing was decided about it.
		t.Run("DuringATurn", func(t *testing.T) {
			r := apptest.New(t, url)
			gate := llmtest.NewGate(2)
			r.Model.Script(gated(gate))
			c := settledClass(t, r, `{"type":"time_interval","value":600}`)
			post(t, r, c.Student, c.Room.ID, "hello") // sets a date
			r.Idle(t, c.Room.ID)
			watch := r.Join(t, c.Student, c.Room.ID, true, -1)
			post(t, r, c.Student, c.Room.ID, "@teacher first")
			reached(t, gate)
			watch.Await(t, "the first words", func(f apptest.Frame) bool { return f.Is("delta") })
			if m := post(t, r, c.Student, c.Room.ID, "more"); !m.Silent {
				t.Error("the line during the turn is not silent")
			}
			gate.Release()
			want(t, "at first", contents(t, r, c.Room.ID), []string{"hello", "@teacher first", "more", "answer 1"})
			if got := passed(t, r, c.Room.ID, 9*time.Minute); len(got) != 4 {
				t.Errorf("too early: got %q", got)
			}
			if got := passed(t, r, c.Room.ID, 2*time.Minute); len(got) != 5 {
				t.Errorf("got %q, want the line during the turn answered", got)
			}
		})
		t.Run("NobodyIsThere", func(t *testing.T) {
			r := apptest.New(t, url)
			c := r.Class(t)
			for _, id := range []string{c.TeacherAgent.ID, c.StudentAgent.ID} {
				if err := r.DetachAgent(t.Context(), c.Teacher, c.Room.ID, id); err != nil {
					t.Fatal(err)
				}
			}
			before := looks(t, r)
			if m := post(t, r, c.Student, c.Room.ID, "hello"); !m.Silent || looks(t, r) != before {
				t.Errorf("got %+v and %d jobs", m, looks(t, r)-before)
			}
			r.Model.Script(counted)
			if _, err := r.AttachAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID); err != nil {
				t.Fatal(err)
			}
			post(t, r, c.Student, c.Room.ID, "hello again")
			want(t, "with an agent", contents(t, r, c.Room.ID), []string{"hello", "hello again", "answer 1"})
		})
	})
}

// Many posts at once are decided about together, and none is lost.
func TestBurstIsOneLook(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Turns.Sweep = time.Hour })
		r.Model.Script(counted)
		c := triggeredClass(t, r, everyTenth)
		burst := func(text string) {
			var writers sync.WaitGroup
			for range 50 {
				writers.Go(func() {
					if _, err := r.PostMessage(t.Context(), c.Student, c.Room.ID, text, ""); err != nil {
						t.Error(err)
					}
				})
			}
			writers.Wait()
		}
		burst("@nobody")
		if got := looks(t, r); got < 1 || got > 3 { // two posts of the same microsecond count twice
			t.Errorf("%d jobs before any was done, want one", got)
		}
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		burst("@nobody, @teacher")
		r.Idle(t, c.Room.ID)
		said := 0
		for _, m := range r.Messages(t, c.Room.ID, 101) {
			if m.ByAgent() {
				said++
			} else if got := decisions(t, r, c, app.DecisionFilter{Seq: m.Seq}); len(got) == 0 || got[0].Cause != "post" && got[0].Cause != "read" {
				t.Errorf("line %d: got %+v", m.Seq, got)
			}
		}
		if said == 0 {
			t.Error("nobody answered")
		}
	})
}

// When the job of a decision is lost, later posts do not make up for it: the sweep does.
func TestLostLook(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		r.Model.Script(counted)
		c := triggeredClass(t, r, everyTenth)
		post(t, r, c.Student, c.Room.ID, "@nobody")
		r.Exec(t, "DELETE FROM river_job")
		post(t, r, c.Student, c.Room.ID, "@teacher")
		if got := looks(t, r); got != 0 {
			t.Errorf("%d jobs, want none beside the one on its way", got)
		}
		r.Exec(t, "UPDATE rooms SET look_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Minute), c.Room.ID)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "lines", contents(t, r, c.Room.ID), []string{"@nobody", "@teacher", "answer 1"})
	})
}

// The rolls of a post are made once, also when the job that decides is lost.
func TestRollsOutliveTheirJob(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		r.Model.Script(counted)
		c := r.Class(t, func(s *app.RoomSettings) { s.AIFrequency = app.Some(0.5) })
		r.SetRoll(100)
		if m := post(t, r, c.Student, c.Room.ID, "hello"); m.Silent || m.Rolls != "[0.1]" {
			t.Errorf("got %+v", m)
		}
		r.Exec(t, "DELETE FROM river_job")
		r.Exec(t, "UPDATE rooms SET look_at = ? WHERE id = ?", time.Now().UTC().Add(-time.Minute), c.Room.ID)
		r.SetRoll(999) // a second roll would lose
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, "lines", contents(t, r, c.Room.ID), []string{"hello", "answer 1"})
		if d := decisions(t, r, c, app.DecisionFilter{Seq: 1}); len(d) != 1 || *d[0].Agents[0].Roll != 0.1 {
			t.Errorf("got %+v", d)
		}
	})
}
