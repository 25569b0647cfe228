package app_test

import (
	"slices"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Two turns of a room are live, and one of them parks, or staff change something.

// besideTwo is a class in which the student agent drafts beside the teacher agent, which
// the room has heard the first words of. Both are held.
func besideTwo(t *testing.T, url string) (r *apptest.Rig, c *cast, draft, speech *llmtest.Gate) {
	t.Helper()
	r = apptest.New(t, url)
	c = besideClass(t, r)
	draft = c.hold(t, "student 1", 0)
	post(t, r, c.Student, c.Room.ID, "@student?")
	reached(t, draft)
	return r, c, draft, c.speaks(t, r, "teacher")
}

// speaks has an agent called that then speaks and is held behind its first words.
func (c *cast) speaks(t *testing.T, r *apptest.Rig, who string) *llmtest.Gate {
	t.Helper()
	speech := c.hold(t, who+" 1", 2)
	watch := r.Join(t, c.Teacher, c.Room.ID, true, -1)
	post(t, r, c.Teacher, c.Room.ID, "@"+who+"?")
	reached(t, speech)
	watch.Await(t, "the first words", func(f apptest.Frame) bool { return f.Is("delta") })
	return speech
}

// floorIs checks who is live in a room: nobody, some that are all aside, or one that speaks.
// When nobody is live, nothing may be left to do.
func floorIs(t *testing.T, r *apptest.Rig, c *cast, live, speaking bool) {
	t.Helper()
	room, got, err := r.DB.RoomToDecide(t.Context(), c.Room.ID)
	if err != nil || got.Live != live || got.Speaking != speaking {
		t.Errorf("got %+v (%v), want live %v, speaking %v", got, err, live, speaking)
	}
	due, err := r.DB.OverdueRooms(t.Context(), time.Now().Add(24*time.Hour), 100)
	if !live && (err != nil || got.Waiting || room.Undecided() || slices.Contains(due, c.Room.ID)) {
		t.Errorf("got %+v, decided up to %d of %d, due %v (%v), want nothing left", got, room.DecidedSeq, room.EventSeq, due, err)
	}
}

// ends waits for the end of an agent's last turn and checks it.
func (c *cast) ends(t *testing.T, r *apptest.Rig, ag *store.Agent, state, reason string) {
	t.Helper()
	if x := turnOf(t, r, c, ag, "the end", func(x *store.Turn) bool { return !unended(x) }); x.State != state || x.Reason != reason {
		t.Errorf("%s's turn is %s (%s: %s), want %s (%s)", ag.Name, x.State, x.Reason, x.Detail, state, reason)
	}
}

// answersAgain checks that the room goes on: who is called next answers.
func (c *cast) answersAgain(t *testing.T, r *apptest.Rig, who string) {
	t.Helper()
	floorIs(t, r, c, false, false)
	before := len(r.Messages(t, c.Room.ID, 0))
	post(t, r, c.Student, c.Room.ID, "@"+who+" go on")
	if got := contents(t, r, c.Room.ID); len(got) != before+2 {
		t.Errorf("the room has %q, want one answer more", got[before:])
	}
	floorIs(t, r, c, false, false)
}

// approve has staff allow what the teacher agent waits for.
func (c *cast) approve(t *testing.T, r *apptest.Rig) {
	t.Helper()
	_, err := r.DecideApproval(t.Context(), c.TA, c.Room.ID, waiting(t, r, c.Class).Step.ID, app.DecisionApprove, "")
	must(t, err)
}

// asksToDelete has the teacher agent ask for the deletion of a person's task, behind
// other calls of the same answer.
func (c *cast) asksToDelete(t *testing.T, r *apptest.Rig, before ...llmtest.ToolCall) {
	t.Helper()
	equip(t, r, c.Class, allCaps...)
	resp := use("manage_artifact", `{"action":"delete","artifact_id":"`+put(t, r, c.Class, "task", "Homework", `{}`).ID+`"}`)
	resp.ToolCalls = append(before, resp.ToolCalls...)
	c.say("teacher 1", resp)
}

func (c *cast) parked(t *testing.T, r *apptest.Rig) store.Turn {
	t.Helper()
	return turnOf(t, r, c, c.TeacherAgent, "the turn to park", func(x *store.Turn) bool { return x.State == store.TurnParked && x.Reason == "approval" })
}

// A turn that is aside parks, and the one that speaks goes on.
func TestBesideParks(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *cast, *llmtest.Gate) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			r.UseWorkflow(t, c.Class, "direct")
			c.asksToDelete(t, r, use("ask_agent", `{"agent":"Student","question":"Why?"}`).ToolCalls...)
			asked := c.hold(t, "asked 1", 0)
			post(t, r, c.Student, c.Room.ID, "@teacher?")
			reached(t, asked)
			speech := c.speaks(t, r, "student")
			asked.Release()
			c.parked(t, r)
			turnOf(t, r, c, c.StudentAgent, "who speaks", func(x *store.Turn) bool { return x.State == store.TurnRunning && !x.Aside })
			floorIs(t, r, c, true, true)
			return r, c, speech
		}
		after := func(t *testing.T, r *apptest.Rig, c *cast, messages ...string) {
			t.Helper()
			want(t, "messages", contents(t, r, c.Room.ID), append([]string{"@teacher?", "@student?"}, messages...))
			c.answersAgain(t, r, "student")
		}
		t.Run("DecidedWhileAnotherSpeaks", func(t *testing.T) {
			r, c, speech := start(t)
			c.approve(t, r)
			turnOf(t, r, c, c.TeacherAgent, "the wait", func(x *store.Turn) bool { return x.State == store.TurnWaiting && x.Attempt == 2 && x.Resumed == 1 })
			speech.Release()
			after(t, r, c, "by student 1", "by teacher 2")
			if left := artifacts(t, r, c.Class); len(left) != 0 {
				t.Errorf("got %+v, want the task deleted", left)
			}
		})
		t.Run("DecidedAfterIt", func(t *testing.T) {
			r, c, speech := start(t)
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@teacher?", "@student?", "by student 1"})
			floorIs(t, r, c, false, false)
			c.approve(t, r)
			after(t, r, c, "by student 1", "by teacher 2")
		})
		// What calls it while it is parked gets a turn of its own, behind the older one.
		t.Run("CalledMeanwhile", func(t *testing.T) {
			r, c, speech := start(t)
			post(t, r, c.Student, c.Room.ID, "@teacher again")
			c.approve(t, r)
			speech.Release()
			after(t, r, c, "@teacher again", "by student 1", "by teacher 2", "by teacher 3")
		})
		t.Run("IsStopped", func(t *testing.T) {
			r, c, speech := start(t)
			stopTurn(t, r, c.Teacher, c.parked(t, r))
			c.ends(t, r, c.TeacherAgent, store.TurnStopped, "stopped")
			floorIs(t, r, c, true, true)
			speech.Release()
			after(t, r, c, "by student 1")
		})
		t.Run("ItsRoomIsSwitchedOff", func(t *testing.T) {
			r, c, speech := start(t)
			c.switchAI(t, r, false)
			speech.Release()
			c.ends(t, r, c.StudentAgent, store.TurnStopped, "not_able")
			a := waiting(t, r, c.Class)
			if _, err := r.DecideApproval(t.Context(), c.TA, c.Room.ID, a.Step.ID, app.DecisionApprove, ""); app.KindOf(err) != app.KindConflict {
				t.Errorf("approving what cannot go on: got %v", err)
			}
			_, err := r.DecideApproval(t.Context(), c.TA, c.Room.ID, a.Step.ID, app.DecisionReject, "")
			must(t, err)
			c.ends(t, r, c.TeacherAgent, store.TurnStopped, "not_able")
			c.switchAI(t, r, true)
			after(t, r, c)
		})
	})
}

// The turn that speaks parks, and the one that is aside goes on.
func TestBesideSpeakerParks(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *cast, *llmtest.Gate) {
			r := apptest.New(t, url)
			c := besideClass(t, r)
			c.asksToDelete(t, r)
			draft := c.hold(t, "student 1", 0)
			post(t, r, c.Student, c.Room.ID, "@student?")
			reached(t, draft)
			post(t, r, c.Teacher, c.Room.ID, "@teacher?")
			c.parked(t, r)
			turnOf(t, r, c, c.StudentAgent, "the draft", func(x *store.Turn) bool { return x.State == store.TurnRunning && x.Aside })
			floorIs(t, r, c, true, false)
			return r, c, draft
		}
		t.Run("DecidedWhileItIsDrafted", func(t *testing.T) {
			r, c, draft := start(t)
			c.approve(t, r)
			saidThere(t, r, c, "by teacher 2")
			turnOf(t, r, c, c.StudentAgent, "the draft", unended)
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 2", "by student 2"})
			c.answersAgain(t, r, "teacher")
		})
		t.Run("DecidedAfterIt", func(t *testing.T) {
			r, c, draft := start(t)
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by student 2"})
			floorIs(t, r, c, false, false)
			c.approve(t, r)
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by student 2", "by teacher 2"})
			c.answersAgain(t, r, "teacher")
		})
		t.Run("IsStopped", func(t *testing.T) {
			r, c, draft := start(t)
			stopTurn(t, r, c.Teacher, c.parked(t, r))
			floorIs(t, r, c, true, false)
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by student 2"})
			c.answersAgain(t, r, "teacher")
		})
		// It is not held up: whoever is called answers beside the draft, also the parked one.
		t.Run("CalledMeanwhile", func(t *testing.T) {
			r, c, draft := start(t)
			post(t, r, c.Student, c.Room.ID, "@teacher again")
			saidThere(t, r, c, "by teacher 2")
			c.parkedStill(t, r)
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "@teacher again", "by teacher 2", "by student 2"})
			c.approve(t, r)
			want(t, "messages", contents(t, r, c.Room.ID)[5:], []string{"by teacher 3"})
			c.answersAgain(t, r, "teacher")
		})
	})
}

// parkedStill checks that one turn of the room is parked.
func (c *cast) parkedStill(t *testing.T, r *apptest.Rig) {
	t.Helper()
	n := 0
	for _, x := range turns(t, r, c.Room.ID) {
		if x.State == store.TurnParked {
			n++
		}
	}
	if n != 1 {
		t.Errorf("got %d parked turns, want one", n)
	}
}

// switchAI switches the AI of the room.
func (c *cast) switchAI(t *testing.T, r *apptest.Rig, on bool) {
	t.Helper()
	_, err := r.UpdateRoom(t.Context(), c.Teacher, c.Room.ID, app.RoomSettings{IsAIActive: app.Some(on)})
	must(t, err)
}

func (c *cast) mute(t *testing.T, r *apptest.Rig, ag *store.Agent) {
	t.Helper()
	_, err := r.MuteAgent(t.Context(), c.Teacher, c.Room.ID, ag.ID, app.Opt[time.Time]{}, app.Some(5))
	must(t, err)
}

// An agent that is muted while two turns are live says nothing more, and the other goes on.
func TestBesideMute(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("Aside", func(t *testing.T) {
			r, c, draft, speech := besideTwo(t, url)
			c.mute(t, r, c.StudentAgent)
			draft.Release()
			// What it drafts may still be judged. It is not said.
			turnOf(t, r, c, c.TeacherAgent, "who speaks", unended)
			speech.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by teacher 1"})
			c.ends(t, r, c.StudentAgent, store.TurnStopped, "not_able")
			c.answersAgain(t, r, "teacher")
		})
		t.Run("Speaking", func(t *testing.T) {
			r, c, draft, speech := besideTwo(t, url)
			c.mute(t, r, c.TeacherAgent)
			speech.Release()
			c.ends(t, r, c.TeacherAgent, store.TurnStopped, "not_able")
			floorIs(t, r, c, true, false)
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "by student 2"})
			_, err := r.UnmuteAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			must(t, err)
			c.answersAgain(t, r, "teacher")
		})
		// What calls a muted agent meanwhile is decided about, and calls nobody later.
		t.Run("CalledMeanwhile", func(t *testing.T) {
			r, c, draft, speech := besideTwo(t, url)
			c.mute(t, r, c.TeacherAgent)
			speech.Release()
			c.ends(t, r, c.TeacherAgent, store.TurnStopped, "not_able")
			post(t, r, c.Student, c.Room.ID, "@teacher again")
			draft.Release()
			want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?", "@teacher again", "by student 2"})
			_, err := r.UnmuteAgent(t.Context(), c.Teacher, c.Room.ID, c.TeacherAgent.ID)
			must(t, err)
			c.answersAgain(t, r, "teacher")
		})
	})
}

// Where the AI is switched off while two turns are live, neither says anything more.
func TestBesideRoomOff(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		off := func(t *testing.T, name string, then func(t *testing.T, r *apptest.Rig, c *cast, draft, speech *llmtest.Gate)) {
			t.Run(name, func(t *testing.T) {
				r, c, draft, speech := besideTwo(t, url)
				then(t, r, c, draft, speech)
				want(t, "messages", contents(t, r, c.Room.ID), []string{"@student?", "@teacher?"})
				c.ends(t, r, c.StudentAgent, store.TurnStopped, "not_able")
				c.ends(t, r, c.TeacherAgent, store.TurnStopped, "not_able")
				floorIs(t, r, c, false, false)
				c.switchAI(t, r, true)
				c.answersAgain(t, r, "teacher")
			})
		}
		off(t, "TheSpeakerEndsFirst", func(t *testing.T, r *apptest.Rig, c *cast, draft, speech *llmtest.Gate) {
			c.switchAI(t, r, false)
			speech.Release()
			c.ends(t, r, c.TeacherAgent, store.TurnStopped, "not_able")
			draft.Release()
		})
		off(t, "TheOneAsideEndsFirst", func(t *testing.T, r *apptest.Rig, c *cast, draft, speech *llmtest.Gate) {
			c.switchAI(t, r, false)
			draft.Release()
			turnOf(t, r, c, c.StudentAgent, "its wait", func(x *store.Turn) bool { return x.State == store.TurnWaiting || !unended(x) })
			speech.Release()
		})
		off(t, "OneWaitsForTheFloor", func(t *testing.T, r *apptest.Rig, c *cast, draft, speech *llmtest.Gate) {
			draft.Release()
			turnOf(t, r, c, c.StudentAgent, "its wait", func(x *store.Turn) bool { return x.State == store.TurnWaiting && x.Reason == "floor" })
			c.switchAI(t, r, false)
			speech.Release()
		})
	})
}
