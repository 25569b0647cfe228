package app_test

import (
	"context"
	"errors"
	"slices"
	"strings"
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

// threadRig is a rig with a thread of the class's teacher with the teacher agent.
type threadRig struct {
	*apptest.Rig
	c  *apptest.Class
	th *store.Thread
}

func newThreadRig(t *testing.T, url string, tune ...func(*config.Config)) *threadRig {
	t.Helper()
	r := apptest.New(t, url, tune...)
	c := r.Class(t)
	return &threadRig{r, c, newThread(t, r, c, c.TeacherAgent.ID)}
}

func (r *threadRig) talk(ctx context.Context, message, clientID string) (*store.ThreadMessage, error) {
	return r.TalkInThread(ctx, r.c.Teacher, r.th.ID, app.ThreadMessage{Message: message, ClientID: clientID})
}

// asks starts a turn and does not wait for it.
func (r *threadRig) asks(t *testing.T, message, clientID string) *app.ThreadTurn {
	t.Helper()
	_, turn, _, err := r.AskInThread(t.Context(), r.c.Teacher, r.th.ID, app.ThreadMessage{Message: message, ClientID: clientID})
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// become waits until a turn of the thread is in a state.
func (r *threadRig) become(t *testing.T, id, state string) *app.ThreadTurnDetails {
	t.Helper()
	var got *app.ThreadTurnDetails
	apptest.Await(t, "the turn to be "+state, func() bool {
		var err error
		if got, err = r.ThreadTurn(t.Context(), r.c.Teacher, r.th.ID, id); err != nil {
			t.Fatal(err)
		}
		return got.State == state
	})
	return got
}

func (r *threadRig) said(t *testing.T) []string {
	t.Helper()
	return threadLines(t, r.Rig, r.c, r.th.ID)
}

func (r *threadRig) made(t *testing.T) []store.Artifact {
	t.Helper()
	all, err := storetest.All(r.ThreadArtifacts(t.Context(), r.c.Teacher, r.th.ID))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// A message to a thread is a turn, which nobody has to wait for.
func TestThreadTurn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		r.Model.Script(llmtest.Say("hi"))
		turn := r.asks(t, "hello", "a")
		if turn.Cause != "thread" || turn.AskedBy != r.c.Teacher.User.ID || turn.RoomID != r.th.ID {
			t.Errorf("got %+v", turn)
		}
		done := r.become(t, turn.ID, store.TurnFinished)
		if done.Answer == nil || done.Answer.Content != "hi" || done.Answer.ID != done.AnswerID || done.QuestionID != turn.QuestionID {
			t.Errorf("got %+v", done)
		}
		if steps, err := storetest.All(done.Steps, nil); err != nil || len(steps) != 1 || steps[0].Prompt.System != r.c.TeacherAgent.SystemPrompt ||
			len(steps[0].Prompt.Messages) != 1 || steps[0].Prompt.Messages[0].Text != "hello" || steps[0].Answer.Text != "hi" {
			t.Errorf("steps: got %+v (%v)", steps, err)
		}
		again := r.asks(t, "hello", "a")
		if again.ID != turn.ID || again.AnswerID != done.AnswerID || r.Model.Count() != 1 {
			t.Errorf("sent again: got %+v after %d calls", again, r.Model.Count())
		}
		all, err := r.ThreadTurns(t.Context(), r.c.Teacher, r.th.ID, store.Page{})
		if err != nil || len(all) != 1 || all[0].QuestionID != turn.QuestionID || all[0].AnswerID != done.AnswerID {
			t.Errorf("the list: got %+v (%v)", all, err)
		}
		for _, who := range []*app.Actor{r.c.Admin, r.c.Student} {
			_, err := r.ThreadTurn(t.Context(), who, r.th.ID, turn.ID)
			wantKind(t, err, app.KindForbidden, "Not enough permissions")
			_, err = r.StopThreadTurn(t.Context(), who, r.th.ID, turn.ID)
			wantKind(t, err, app.KindForbidden, "Not enough permissions")
			_, _, _, err = r.AskInThread(t.Context(), who, r.th.ID, app.ThreadMessage{Message: "x"})
			wantKind(t, err, app.KindForbidden, "Not enough permissions")
		}
		room, err := r.DB.Room(t.Context(), r.th.ID)
		if err != nil || room.Undecided() || !room.DecideAt.IsZero() || room.EventSeq != 2 {
			t.Errorf("the room: got %+v (%v), want nothing to decide", room, err)
		}
		mentioned, err := r.talk(t.Context(), "@student what do you think?", "")
		if err != nil || mentioned.Content != "hi" {
			t.Errorf("got %+v (%v)", mentioned, err)
		}
		r.Idle(t, r.th.ID)
		want(t, "calls go to nobody", r.said(t), []string{"user|hello", "assistant|hi", "user|@student what do you think?", "assistant|hi"})
	})
}

// The same message ten times at once is one message and one turn with one answer.
func TestThreadResends(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, func(c *config.Config) { c.Limits.ModelCallsAtOnce = 1 })
		gate := llmtest.NewGate(1)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
		var sent sync.WaitGroup
		answers := make([]string, 10)
		for i := range answers {
			sent.Go(func() {
				m, err := r.talk(t.Context(), "hello", "a")
				if err != nil {
					t.Error(err)
					return
				}
				answers[i] = m.ID
			})
		}
		reached(t, gate)
		wantKind(t, func() error { _, err := r.talk(t.Context(), "hello", "b"); return err }(), app.KindLimited,
			"You are waiting for other answers; try again when they have come")
		gate.Release()
		sent.Wait()
		slices.Sort(answers)
		if ids := slices.Compact(answers); len(ids) != 1 || r.Model.Count() != 1 {
			t.Errorf("got answers %v after %d calls, want one", ids, r.Model.Count())
		}
		want(t, "the thread", r.said(t), []string{"user|hello", "assistant|a long answer"})
		// A free slot again.
		if _, err := r.talk(t.Context(), "more", "c"); err != nil {
			t.Error(err)
		}
	})
}

// Who does not wait any more gets the answer later; nobody has too many under way.
func TestThreadGoesOn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, func(c *config.Config) {
			c.Limits.AnswerWithin, c.Limits.ModelCallsAtOnce = 300*time.Millisecond, 1
		})
		gate := llmtest.NewGate(1)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
		_, err := r.talk(t.Context(), "hello", "a")
		wantKind(t, err, app.KindUnavailable, "The agent took too long to answer; try again")
		other := newThread(t, r.Rig, r.c, r.c.TeacherAgent.ID)
		_, _, _, err = r.AskInThread(t.Context(), r.c.Teacher, other.ID, app.ThreadMessage{Message: "x"})
		wantKind(t, err, app.KindLimited, "You are waiting for other answers; try again when they have come")
		if got := threadLines(t, r.Rig, r.c, other.ID); len(got) != 0 {
			t.Errorf("what was refused was stored: %v", got)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.talk(gone, "hello", "a"); err == nil {
			t.Error("a client that went away got an answer")
		}
		gate.Release()
		turns, err := r.ThreadTurns(t.Context(), r.c.Teacher, r.th.ID, store.Page{})
		if err != nil || len(turns) != 1 {
			t.Fatalf("got %+v (%v), want one turn", turns, err)
		}
		r.become(t, turns[0].ID, store.TurnFinished)
		m, err := r.talk(t.Context(), "hello", "a")
		if err != nil || m.Content != "a long answer" || r.Model.Count() != 1 {
			t.Errorf("got %+v, %v after %d calls", m, err, r.Model.Count())
		}
	})
}

func TestThreadStop(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		t.Run("in the middle keeps the text", func(t *testing.T) {
			gate := llmtest.NewGate(2)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "a very long answer that ends here", Gate: gate}))
			got := make(chan *store.ThreadMessage, 1)
			go func() {
				m, err := r.talk(t.Context(), "one", "a")
				if err != nil {
					t.Error(err)
				}
				got <- m
			}()
			reached(t, gate)
			turns, err := r.ThreadTurns(t.Context(), r.c.Teacher, r.th.ID, store.Page{})
			if err != nil {
				t.Fatal(err)
			}
			s, err := r.OpenEventStream(r.c.Teacher, r.th.ID)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			text := ""
			apptest.Await(t, "the first words", func() bool {
				for _, f := range s.Deltas() {
					text += string(f.Data)
				}
				return strings.Contains(text, "a very")
			})
			if _, err := r.StopThreadTurn(t.Context(), r.c.Teacher, r.th.ID, turns[0].ID); err != nil {
				t.Fatal(err)
			}
			m := <-got
			gate.Release()
			const whole = "a very long answer that ends here"
			if m == nil || !strings.HasPrefix(whole, m.Content) || m.MetadataJSON == nil || *m.MetadataJSON != `{"stopped":true}` {
				t.Errorf("got %+v, want the text so far", m)
			}
			again, err := r.talk(t.Context(), "one", "a")
			if err != nil || again.ID != m.ID {
				t.Errorf("sent again: got %+v (%v), want what was said", again, err)
			}
		})
		t.Run("before any text, and then again", func(t *testing.T) {
			gate := llmtest.NewGate(0)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "hi", Gate: gate}))
			turn := r.asks(t, "two", "b")
			reached(t, gate)
			// Who sends it before the stop waits for the turn; behind the stop it would begin anew.
			l, err := r.ListenInThread(t.Context(), r.c.Teacher, r.th.ID, app.ThreadMessage{Message: "two", ClientID: "b"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.StopThreadTurn(t.Context(), r.c.Teacher, r.th.ID, turn.ID); err != nil {
				t.Fatal(err)
			}
			_, _, err = hear(t, l)
			wantKind(t, err, app.KindConflict, "The answer was stopped; send the message again to get one")
			gate.Release()
			r.become(t, turn.ID, store.TurnStopped)
			r.Model.Script(llmtest.Say("after all"))
			m, err := r.talk(t.Context(), "two", "b")
			if err != nil || m.Content != "after all" || m.TurnID != turn.ID {
				t.Errorf("got %+v (%v), want the answer of the same turn", m, err)
			}
		})
	})
}

// A model's failure ends the turn at once; sent again, the turn goes on behind its steps.
func TestThreadReopens(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		equip(t, r.Rig, r.c, allCaps...)
		r.Model.Script(llmtest.InTurn(use("manage_artifact", `{"action":"create","artifact_type":"doc","title":"Notes"}`),
			llmtest.Response{Status: 429, RetryAfter: "40", Message: "slow down"}))
		_, err := r.talk(t.Context(), "make notes", "a")
		var e *app.Error
		if !errors.As(err, &e) || e.Kind != app.KindLimited || e.RetryAfter < 30*time.Second || !strings.Contains(e.Message, "slow down") {
			t.Errorf("got %+v, want the provider's limit and when to come back", err)
		}
		calls := r.Model.Count()
		turns, err := r.ThreadTurns(t.Context(), r.c.Teacher, r.th.ID, store.Page{})
		if err != nil || len(turns) != 1 || turns[0].State != store.TurnFailed || turns[0].Reason != "limited" || turns[0].Attempt != 1 {
			t.Errorf("got %+v (%v), want one attempt that failed", turns, err)
		}
		r.Advance(time.Minute) // the key has cooled down
		r.Model.Script(llmtest.Say("Here they are."))
		m, err := r.talk(t.Context(), "make notes", "a")
		if err != nil || m.Content != "Here they are." || m.TurnID != turns[0].ID {
			t.Fatalf("got %+v, %v", m, err)
		}
		if got := r.made(t); len(got) != 1 || got[0].Title != "Notes" || got[0].CreatedByAgent != r.c.TeacherAgent.ID {
			t.Errorf("got %+v, want one artifact", got)
		}
		if n := r.Model.Count() - calls; n > 1 {
			t.Errorf("the model was asked %d times more, want once", n)
		}
		tools := slices.Sorted(slices.Values(asked(r.Rig).Tools))
		want(t, "tools that make sense alone", tools, []string{"list_artifacts", "manage_artifact", "read_artifact", "search_messages"})
	})
}

// What would change what is there for good waits for the thread's person.
func TestThreadApproval(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		equip(t, r.Rig, r.c, allCaps...)
		r.Model.Script(llmtest.InTurn(use("manage_artifact", `{"action":"create","artifact_type":"doc","title":"Notes"}`), say("Made.")))
		if _, err := r.talk(t.Context(), "make notes", ""); err != nil {
			t.Fatal(err)
		}
		id := r.made(t)[0].ID
		remove := use("manage_artifact", `{"action":"delete","artifact_id":"`+id+`"}`)
		for _, rule := range []struct {
			decision string
			left     int
		}{{app.DecisionReject, 1}, {app.DecisionApprove, 0}} {
			begun := r.Model.Count()
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				if req.Number == begun+1 {
					return remove
				}
				return say("Done.")
			})
			_, err := r.talk(t.Context(), "delete them", "del "+rule.decision)
			wantKind(t, err, app.KindConflict, "The agent waits for your decision; see the approvals of the thread")
			_, err = r.talk(t.Context(), "something else", "")
			wantKind(t, err, app.KindConflict, "The agent waits for your decision; see the approvals of the thread")
			pending, err := storetest.All(r.ThreadApprovals(t.Context(), r.c.Teacher, r.th.ID, store.Page{}))
			if err != nil || len(pending) != 1 || pending[0].Summary != `delete the doc "Notes"` {
				t.Fatalf("got %+v (%v)", pending, err)
			}
			parked := r.become(t, pending[0].Turn.ID, store.TurnParked)
			if len(parked.Approvals) != 1 || parked.Approvals[0].Step.ID != pending[0].Step.ID {
				t.Errorf("the turn: got %+v", parked)
			}
			for _, who := range []*app.Actor{r.c.Admin, r.c.TA} {
				_, err := r.DecideThreadApproval(t.Context(), who, r.th.ID, pending[0].Step.ID, rule.decision, "")
				wantKind(t, err, app.KindForbidden, "Not enough permissions")
				_, err = r.DecideApproval(t.Context(), who, r.th.ID, pending[0].Step.ID, rule.decision, "")
				wantKind(t, err, app.KindNotFound, "Room not found")
			}
			waits := make(chan *store.ThreadMessage, 1)
			if _, err := r.DecideThreadApproval(t.Context(), r.c.Teacher, r.th.ID, pending[0].Step.ID, rule.decision, ""); err != nil {
				t.Fatal(err)
			}
			go func() {
				m, err := r.talk(t.Context(), "delete them", "del "+rule.decision)
				if err != nil {
					t.Error(err)
				}
				waits <- m
			}()
			if m := <-waits; m == nil || m.Content != "Done." {
				t.Errorf("got %+v", m)
			}
			if got := len(r.made(t)); got != rule.left {
				t.Errorf("%s: got %d artifacts, want %d", rule.decision, got, rule.left)
			}
		}
	})
}

// What interrupts a turn does not end it: a lost worker, a lost job.
func TestThreadTakeover(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, quick)
		r.Model.Script(llmtest.Say("hi"))
		for _, state := range []string{store.TurnRunning, store.TurnQueued} {
			th := newThread(t, r.Rig, r.c, r.c.TeacherAgent.ID)
			past := time.Now().UTC().Add(-time.Minute).Truncate(time.Microsecond)
			inTx(t, r.Rig, func(tx *store.Tx) error {
				m := &store.Message{ID: store.NewID(), RoomID: th.ID, SenderID: r.c.Teacher.User.ID, ClientID: "a", Content: "hello", CreatedAt: past}
				if _, _, err := tx.AddMessage(t.Context(), m, &store.Event{RoomID: th.ID, ID: m.ID, Type: "message", Body: "{}", CreatedAt: past}, store.Heard{Unheard: true}); err != nil {
					return err
				}
				row := store.Turn{ID: store.NewID(), RoomID: th.ID, AgentID: r.c.TeacherAgent.ID, TriggerSeq: m.Seq, State: state, Attempt: 1, LeaseUntil: past, CreatedAt: past,
					Cause: "thread", AskedBy: m.SenderID}
				if state == store.TurnRunning {
					row.Node, row.StartedAt = "a dead node", past
				}
				return tx.CreateTurns(t.Context(), []store.Turn{row})
			})
			m, err := r.TalkInThread(t.Context(), r.c.Teacher, th.ID, app.ThreadMessage{Message: "hello", ClientID: "a"})
			if err != nil || m.Content != "hi" {
				t.Errorf("%s: got %+v (%v)", state, m, err)
			}
			want(t, "the thread", threadLines(t, r.Rig, r.c, th.ID), []string{"user|hello", "assistant|hi"})
		}
	})
}

// Whoever waits is told when what they wait for is deleted.
func TestThreadDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		for name, rule := range map[string]struct {
			drop func(t *testing.T, c *apptest.Class, th *store.Thread) error
			want string
		}{
			"the thread": {func(t *testing.T, c *apptest.Class, th *store.Thread) error {
				_, err := r.DeleteThread(t.Context(), c.Teacher, th.ID, false)
				return err
			}, "Thread not found"},
			"the agent": {func(t *testing.T, c *apptest.Class, _ *store.Thread) error {
				return r.DeleteAgent(t.Context(), c.Teacher, c.TeacherAgent.ID)
			}, "Agent config not found"},
			"the project": {func(t *testing.T, c *apptest.Class, _ *store.Thread) error {
				_, err := r.DeleteProject(t.Context(), c.Teacher, c.Project.ID, false)
				return err
			}, "Thread not found"},
			"the organisation": {func(t *testing.T, c *apptest.Class, _ *store.Thread) error {
				_, err := r.DeleteOrganization(t.Context(), c.Admin, c.Project.OrganizationID, false)
				return err
			}, "Thread not found"},
			"the person": {func(t *testing.T, c *apptest.Class, _ *store.Thread) error {
				_, _, err := r.DeleteUser(t.Context(), c.Admin, c.Teacher.User.ID, false)
				return err
			}, "Thread not found"},
		} {
			t.Run(name, func(t *testing.T) {
				c := r.Class(t)
				th := newThread(t, r.Rig, c, c.TeacherAgent.ID)
				gate := llmtest.NewGate(1)
				r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
				defer gate.Release()
				got := make(chan error, 1)
				go func() {
					_, err := r.TalkInThread(context.WithoutCancel(t.Context()), c.Teacher, th.ID, app.ThreadMessage{Message: "x"})
					got <- err
				}()
				reached(t, gate)
				if err := rule.drop(t, c, th); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-got:
					wantKind(t, err, app.KindNotFound, rule.want)
				case <-time.After(20 * time.Second):
					t.Error("nobody told who waited")
				}
			})
		}
	})
}

// A stateless thread leaves nothing behind, whatever becomes of its turn.
func TestStateless(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, func(c *config.Config) { c.Limits.AnswerWithin = 500 * time.Millisecond })
		equip(t, r.Rig, r.c, allCaps...)
		simulate := func() (string, error) {
			text, _, err := r.Simulate(t.Context(), r.c.Teacher, r.c.TeacherAgent.ID, app.ThreadMessage{Message: "a secret question"})
			return text, err
		}
		nothing := func(what string) {
			t.Helper()
			if dump := r.Dump(t); strings.Contains(dump, "a secret question") {
				t.Errorf("%s: the question is still stored", what)
			}
			if threads, err := storetest.All(r.Threads(t.Context(), r.c.Teacher, "", "", store.Page{})); err != nil || len(threads) != 1 {
				t.Errorf("%s: got %d threads (%v), want the other one alone", what, len(threads), err)
			}
		}
		r.Model.Script(llmtest.Say("an answer"))
		if text, err := simulate(); err != nil || text != "an answer" {
			t.Errorf("got %q, %v", text, err)
		}
		if req := asked(r.Rig); len(req.Tools) != 0 || req.System != r.c.TeacherAgent.SystemPrompt {
			t.Errorf("the model was asked %+v, want no tools", req)
		}
		nothing("an answer")
		r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "odd"}))
		if _, err := simulate(); app.KindOf(err) != app.KindUpstream || !strings.Contains(err.Error(), "odd") {
			t.Errorf("got %v", err)
		}
		nothing("a failure")
		gate := llmtest.NewGate(1)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
		_, err := simulate()
		wantKind(t, err, app.KindUnavailable, "The agent took too long to answer; try again")
		gate.Release()
		nothing("no answer in time")

		// What a process leaves that died: not shown, and swept after an hour.
		old := time.Now().UTC().Add(-2 * time.Hour).Truncate(time.Microsecond)
		left := &store.Thread{ID: store.NewID(), AgentID: r.c.TeacherAgent.ID, UserID: r.c.Teacher.User.ID, Stateless: true, CreatedAt: old, UpdatedAt: old, Version: 1}
		fresh := *left
		fresh.ID, fresh.CreatedAt = store.NewID(), time.Now().UTC().Truncate(time.Microsecond)
		inTx(t, r.Rig, func(tx *store.Tx) error {
			return errors.Join(tx.CreateThread(t.Context(), left), tx.CreateThread(t.Context(), &fresh))
		})
		if _, err := r.Thread(t.Context(), r.c.Teacher, left.ID); app.KindOf(err) != app.KindNotFound {
			t.Errorf("a stateless thread is shown: %v", err)
		}
		inTx(t, r.Rig, func(tx *store.Tx) error {
			n, err := tx.DeleteStatelessBefore(t.Context(), time.Now().UTC().Add(-time.Hour), 10)
			if n != 1 {
				t.Errorf("swept %d threads, want the old one", n)
			}
			return err
		})
		if _, err := r.DB.Room(t.Context(), left.ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("its room is there: %v", err)
		}
	})
}

// A message that was answered before its turn was forgotten keeps its answer, and one
// without an answer gets a new turn.
func TestThreadWithoutTurns(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url)
		r.Model.Script(llmtest.Say("hi"))
		first, err := r.talk(t.Context(), "one", "a")
		if err != nil {
			t.Fatal(err)
		}
		r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "odd"}))
		if _, err := r.talk(t.Context(), "two", "b"); app.KindOf(err) != app.KindUpstream {
			t.Errorf("got %v", err)
		}
		r.Exec(t, "DELETE FROM agent_turns WHERE room_id = ?", r.th.ID)
		r.Model.Script(llmtest.Say("ho"))
		if again, err := r.talk(t.Context(), "one", "a"); err != nil || again.ID != first.ID {
			t.Errorf("got %+v (%v), want the first answer", again, err)
		}
		_, turn, answer, err := r.AskInThread(t.Context(), r.c.Teacher, r.th.ID, app.ThreadMessage{Message: "one", ClientID: "a"})
		if err != nil || turn != nil || answer == nil || answer.ID != first.ID {
			t.Errorf("got %+v, %+v (%v), want the answer without a turn", turn, answer, err)
		}
		if m, err := r.talk(t.Context(), "two", "b"); err != nil || m.Content != "ho" {
			t.Errorf("got %+v (%v), want a new turn", m, err)
		}
		want(t, "the thread", r.said(t), []string{"user|one", "assistant|hi", "user|two", "assistant|ho"})
	})
}

// An empty budget ends a thread's turn at once, for a person waits. The turn goes on when
// the message comes again and the budget allows it.
func TestThreadBudget(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := newThreadRig(t, url, priced)
		r.Model.Script(llmtest.Say("hi"))
		small := budget(t, r.Rig, r.c, store.ScopeAgent, r.c.TeacherAgent.ID, store.PeriodDay, store.UnitTokens, "1")
		_, err := r.talk(t.Context(), "hello", "a")
		if app.KindOf(err) != app.KindLimited || r.Model.Count() != 0 {
			t.Fatalf("got %v after %d calls, want the budget's refusal", err, r.Model.Count())
		}
		turns, err := r.ThreadTurns(t.Context(), r.c.Teacher, r.th.ID, store.Page{})
		if err != nil || len(turns) != 1 || turns[0].State != store.TurnFailed || turns[0].Reason != "budget" {
			t.Errorf("got %+v (%v)", turns, err)
		}
		if err := r.DeleteBudget(t.Context(), r.c.Admin, small.ID); err != nil {
			t.Fatal(err)
		}
		if m, err := r.talk(t.Context(), "hello", "a"); err != nil || m.TurnID != turns[0].ID {
			t.Errorf("got %+v (%v), want the answer of the same turn", m, err)
		}
	})
}
