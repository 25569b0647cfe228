package app_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// A turn that shows nothing does not hold its room: whom a person calls answers beside it.

// cast is a model that plays the agents of a class. It numbers what each of them says.
type cast struct {
	*apptest.Class
	mu    sync.Mutex
	asked map[string]int           // by part
	holds map[string]*llmtest.Gate // by part and number, such as "student 1"
	says  map[string]func() llmtest.Response
}

// besideClass is a class whose student agent is reviewed by its teacher agent. Nobody
// speaks unless called.
func besideClass(t *testing.T, r *apptest.Rig) *cast {
	t.Helper()
	c := &cast{Class: silentClass(t, r), asked: map[string]int{}, holds: map[string]*llmtest.Gate{}, says: map[string]func() llmtest.Response{}}
	r.UseWorkflow(t, c.Class, "")
	r.Model.Script(c.play)
	return c
}

// part is who is asked: "verdict", "asked" for a question of another agent, or the agent.
func (c *cast) part(q llmtest.Request) string {
	switch {
	case isEvaluation(q):
		return "verdict"
	case strings.Contains(q.LastUser(), "to you alone"):
		return "asked"
	case strings.HasPrefix(q.System, c.TeacherAgent.SystemPrompt):
		return "teacher"
	}
	return "student"
}

func (c *cast) play(q llmtest.Request) llmtest.Response {
	c.mu.Lock()
	defer c.mu.Unlock()
	part := c.part(q)
	c.asked[part]++
	key := fmt.Sprintf("%s %d", part, c.asked[part])
	resp := llmtest.Response{Text: "by " + key, ChunkRunes: 3}
	if part == "verdict" {
		resp.Text = yes
	}
	if say := c.says[key]; say != nil {
		resp = say()
	}
	resp.Gate = c.holds[key]
	return resp
}

// hold holds an answer behind its first chunks, until the test ends at the latest.
func (c *cast) hold(t *testing.T, key string, chunks int) *llmtest.Gate {
	t.Helper()
	g := llmtest.NewGate(chunks)
	t.Cleanup(g.Release)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.holds[key] = g
	return g
}

func (c *cast) say(key string, resp llmtest.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.says[key] = func() llmtest.Response { return resp }
}

// turnOf is an agent's last turn in the room, once ok.
func turnOf(t *testing.T, r *apptest.Rig, c *cast, ag *store.Agent, what string, ok func(*store.Turn) bool) (found store.Turn) {
	t.Helper()
	apptest.Await(t, what, func() bool {
		all := slices.DeleteFunc(turns(t, r, c.Room.ID), func(x store.Turn) bool { return x.AgentID != ag.ID })
		if len(all) > 0 {
			found = all[len(all)-1]
		}
		return len(all) > 0 && ok(&found)
	})
	return found
}

// saidThere waits until a message with this text is stored.
func saidThere(t *testing.T, r *apptest.Rig, c *cast, text string) {
	t.Helper()
	apptest.Await(t, text, func() bool {
		return slices.ContainsFunc(r.Messages(t, c.Room.ID, 0), func(m store.Message) bool { return m.Content == text })
	})
}

func unended(x *store.Turn) bool { return x.EndedAt.IsZero() }

func TestBesideAnswers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		for _, held := range []string{"student 1", "verdict 1"} {
			t.Run("While "+held, func(t *testing.T) {
				r := apptest.New(t, url)
				c := besideClass(t, r)
				g := c.hold(t, held, 0)
				post(t, r, c.Student, c.Room.ID, "@student?")
				reached(t, g)
				post(t, r, c.Teacher, c.Room.ID, "@teacher?")
				saidThere(t, r, c, "by teacher 1")
				turnOf(t, r, c, c.StudentAgent, "the draft", unended)
				g.Release()
				// It hears what the person has said meanwhile, and drafts anew.
				want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 1", "by student 2"})
			})
		}
		t.Run("BothCalledAtOnce", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			second := newAgentOf(t, r, c.Class, "student", func(s *app.AgentSettings) { s.IsActive = app.Some(true) })
			_, err := r.AttachAgent(t.Context(), c.Teacher, c.Room.ID, second.ID)
			must(t, err)
			g := c.hold(t, "student 1", 0)
			question := "@Student and @" + second.Name
			post(t, r, c.Student, c.Room.ID, question)
			reached(t, g)
			saidThere(t, r, c, "by student 2") // the second agent's
			g.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{question, "by student 2", "by student 1"})
		})
		t.Run("WhileAToolAsks", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			equip(t, r, c.Class, turn.CapAgentsAsk)
			c.say("teacher 1", use("ask_agent", `{"agent":"Student","question":"Why?"}`))
			g := c.hold(t, "asked 1", 0)
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			reached(t, g)
			post(t, r, c.Teacher, c.Room.ID, "@student?")
			saidThere(t, r, c, "by student 1")
			g.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "by student 1", "by teacher 2"})
		})
		t.Run("BetweenAttempts", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			c.say("teacher 1", llmtest.Response{Status: 503, RetryAfter: "60", Message: "busy"})
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			turnOf(t, r, c, c.TeacherAgent, "the pause", func(x *store.Turn) bool { return x.Attempt == 2 && x.Aside })
			post(t, r, c.Teacher, c.Room.ID, "@student?")
			saidThere(t, r, c, "by student 1")
			turnOf(t, r, c, c.TeacherAgent, "the pause", unended)
			r.Exec(t, "UPDATE agent_turns SET lease_until = ? WHERE room_id = ? AND state = 'queued'", time.Now().UTC().Add(-time.Minute), c.Room.ID)
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "by student 1", "by teacher 2"})
		})
		// Whoever is called waits for people who type, too, and beside it.
		t.Run("WhileSomebodyTypes", func(t *testing.T) {
			r := apptest.New(t, url, func(c *config.Config) { c.Turns.YieldToTyping = time.Minute })
			c := besideClass(t, r)
			typist(t, r, c.TA, c.Room.ID)
			post(t, r, c.Student, c.Room.ID, "@student?")
			turnOf(t, r, c, c.StudentAgent, "who waits", func(x *store.Turn) bool { return x.State == store.TurnRunning && x.Aside })
			post(t, r, c.Teacher, c.Room.ID, "@teacher?")
			turnOf(t, r, c, c.TeacherAgent, "who waits beside it", func(x *store.Turn) bool { return x.State == store.TurnRunning })
			if n := r.Model.Count(); n != 0 {
				t.Errorf("the model was asked %d times while somebody typed", n)
			}
			post(t, r, c.TA, c.Room.ID, "done")
			got := contents(t, r, c.Room.ID)
			if slices.Sort(got[3:]); fmt.Sprint(got[3:]) != "[by student 1 by teacher 1]" && fmt.Sprint(got[3:]) != "[by student 2 by teacher 1]" {
				t.Errorf("got %q", got)
			}
		})
	})
}

// What the room has seen the beginning of keeps the floor, also while a tool asks.
func TestBesideNothingShown(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := besideClass(t, r)
		equip(t, r, c.Class, turn.CapAgentsAsk)
		calls := use("ask_agent", `{"agent":"Student","question":"Why?"}`)
		calls.Text = "Let me ask."
		c.say("teacher 1", calls)
		g := c.hold(t, "asked 1", 0)
		post(t, r, c.Student, c.Room.ID, "@teacher?")
		reached(t, g)
		post(t, r, c.Teacher, c.Room.ID, "@student?")
		passed := turnOf(t, r, c, c.TeacherAgent, "the turn", unended)
		if passed.Aside {
			t.Error("a turn whose text is shown left the floor")
		}
		g.Release()
		want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "Let me ask.\n\nby teacher 2", "by student 1"})
	})
}

// An agent that is busy hears what calls it, or answers it after its turn: once.
func TestBesideBusy(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("CalledAlone", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			g := c.hold(t, "student 1", 0)
			post(t, r, c.Student, c.Room.ID, "@student?")
			reached(t, g)
			post(t, r, c.Teacher, c.Room.ID, "@student more")
			g.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@student more", "by student 2"})
		})
		t.Run("HearsIt", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			g := c.hold(t, "student 1", 0)
			post(t, r, c.Student, c.Room.ID, "@student?")
			reached(t, g)
			asked := post(t, r, c.Teacher, c.Room.ID, "@teacher @student both")
			saidThere(t, r, c, "by teacher 1")
			behind := turnOf(t, r, c, c.StudentAgent, "the turn behind", func(x *store.Turn) bool { return x.State == store.TurnWaiting })
			g.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher @student both", "by teacher 1", "by student 2"})
			end := turnOf(t, r, c, c.StudentAgent, "its end", func(x *store.Turn) bool { return !unended(x) })
			if end.ID != behind.ID || end.State != store.TurnStopped || end.Reason != "was_read" {
				t.Errorf("got %+v", end)
			}
			about := decisions(t, r, c.Class, app.DecisionFilter{Seq: asked.Seq})
			if len(about) != 1 || ruled(about[0]) != "[Student mentioned true Teacher mentioned true]" {
				t.Errorf("got %+v", about)
			}
		})
		t.Run("HearsItNot", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			first, second := c.hold(t, "student 1", 0), c.hold(t, "student 2", 0)
			post(t, r, c.Student, c.Room.ID, "@student?")
			reached(t, first)
			post(t, r, c.Teacher, c.Room.ID, "wait")
			first.Release()
			reached(t, second) // it begins anew once
			post(t, r, c.Teacher, c.Room.ID, "@teacher @student both")
			saidThere(t, r, c, "by teacher 1")
			second.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "wait", "@teacher @student both", "by teacher 1", "by student 2", "by student 3"})
		})
		t.Run("TwoBusyAndOneHearsIt", func(t *testing.T) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			equip(t, r, c.Class, turn.CapAgentsAsk)
			c.say("teacher 1", use("ask_agent", `{"agent":"Student","question":"Why?"}`))
			draft, question := c.hold(t, "student 1", 0), c.hold(t, "asked 1", 0)
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			reached(t, question)
			post(t, r, c.Student, c.Room.ID, "@student?")
			reached(t, draft)
			post(t, r, c.Teacher, c.Room.ID, "@teacher @student both")
			draft.Release()
			saidThere(t, r, c, "by student 2")
			question.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "@teacher @student both", "by student 2", "by teacher 2", "by teacher 3"})
		})
	})
}

// A turn whose draft is approved while somebody speaks waits, and then says it once.
func TestBesideWaitsForFloor(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *cast, *llmtest.Gate) {
			r, c, draft, speech := besideTwo(t, url)
			draft.Release()
			turnOf(t, r, c, c.StudentAgent, "the wait", func(x *store.Turn) bool {
				return x.State == store.TurnWaiting && x.Attempt == 2 && x.Resumed == 1 && x.Reason == "floor" && x.StartedAt.IsZero()
			})
			return r, c, speech
		}
		t.Run("SpeaksAfterIt", func(t *testing.T) {
			r, c, speech := start(t)
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 1", "by student 2"})
			if kinds, _ := letters(t, r, c.Room.ID); slices.Index(kinds, "broadcast") != len(kinds)-1 {
				t.Errorf("A2A messages: got %q", kinds)
			}
			if c.asked["student"] != 2 || c.asked["verdict"] != 1 {
				t.Errorf("the model was asked %v", c.asked)
			}
		})
		t.Run("IsStopped", func(t *testing.T) {
			r, c, speech := start(t)
			waits := turnOf(t, r, c, c.StudentAgent, "the wait", unended)
			if got := stopTurn(t, r, c.Teacher, waits); got.State != store.TurnStopped {
				t.Errorf("got %+v", got)
			}
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 1"})
		})
		t.Run("ItsAgentIsDeleted", func(t *testing.T) {
			r, c, speech := start(t)
			must(t, r.DeleteAgent(t.Context(), c.Teacher, c.StudentAgent.ID))
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 1"})
		})
		t.Run("TheSpeakerIsDeleted", func(t *testing.T) {
			r, c, speech := start(t)
			must(t, r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID))
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by student 2"})
		})
	})
}

// Either of two live turns is stopped, and the other goes on.
func TestBesideStop(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		for _, name := range []string{"Aside", "Speaking"} {
			t.Run(name, func(t *testing.T) {
				r, c, draft, speech := besideTwo(t, url)
				late := r.Join(t, c.Student, c.Room.ID, true, -1)
				for _, ag := range []*store.Agent{c.StudentAgent, c.TeacherAgent} {
					late.Await(t, "both turns", func(f apptest.Frame) bool { return f.Is("turn") && f.Fields["agent_id"] == ag.ID })
				}
				ag, messages := c.StudentAgent, []string{"@student?", "@teacher?", "by teacher 1"}
				if name == "Speaking" {
					ag, messages = c.TeacherAgent, []string{"@student?", "@teacher?", "by", "by student 2"}
				}
				stopTurn(t, r, c.Teacher, turnOf(t, r, c, ag, "the turn", unended))
				turnOf(t, r, c, ag, "its end", func(x *store.Turn) bool { return x.State == store.TurnStopped && x.Reason == "stopped" })
				draft.Release()
				speech.Release()
				want(t, "messages", contents(t, r, c.Room.ID), messages)
			})
		}
	})
}

// What nobody has called somebody for waits until no turn is live.
func TestBesideOnlyCalls(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := besideClass(t, r)
		first, second := c.hold(t, "student 1", 0), c.hold(t, "student 2", 0)
		post(t, r, c.Student, c.Room.ID, "@student?")
		reached(t, first)
		post(t, r, c.Teacher, c.Room.ID, "wait")
		first.Release()
		reached(t, second)
		r.SetRoll(0) // from now on everybody speaks who rolls
		post(t, r, c.Teacher, c.Room.ID, "and what is a cell?")
		woken, err := r.WakeAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID)
		if err != nil || woken.State != store.TurnQueued {
			t.Fatalf("got %+v, %v, want a turn that begins at once", woken, err)
		}
		saidThere(t, r, c, "by teacher 1")
		if n := len(turns(t, r, c.Room.ID)); n != 2 {
			t.Errorf("got %d turns", n)
		}
		second.Release()
		got := contents(t, r, c.Room.ID)
		want(t, "messages", got[:5], []string{"@student?", "wait", "and what is a cell?", "by teacher 1", "by student 2"})
	})
}
