package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// outsideThread is a thread of an admin with an agent outside the program.
type outsideThread struct {
	*outsideClass
	th *store.Thread
}

func newOutsideThread(t *testing.T, c *outsideClass) *outsideThread {
	t.Helper()
	th, err := c.r.CreateThread(t.Context(), c.Admin, c.Project.ID, c.far.ID, app.ThreadSettings{Name: app.Some("Cells")})
	if err != nil {
		t.Fatal(err)
	}
	return &outsideThread{c, th}
}

func (o *outsideThread) talk(ctx context.Context, text, clientID string) (*store.ThreadMessage, error) {
	return o.r.TalkInThread(ctx, o.Admin, o.th.ID, app.ThreadMessage{Message: text, ClientID: clientID})
}

func (o *outsideThread) asks(t *testing.T, text, clientID string) *app.ThreadTurn {
	t.Helper()
	_, turn, _, err := o.r.AskInThread(t.Context(), o.Admin, o.th.ID, app.ThreadMessage{Message: text, ClientID: clientID})
	if err != nil {
		t.Fatal(err)
	}
	return turn
}

// become waits until a turn is in a state, and nothing is on its way.
func (o *outsideThread) become(t *testing.T, id, state string) *app.ThreadTurnDetails {
	t.Helper()
	o.r.Idle(t, o.th.ID)
	got, err := o.r.ThreadTurn(t.Context(), o.Admin, o.th.ID, id)
	if err != nil || got.State != state {
		t.Fatalf("got %+v (%v), want %s", got, err, state)
	}
	return got
}

func (o *outsideThread) said(t *testing.T) []string {
	t.Helper()
	as := *o.Class
	as.Teacher = o.Admin
	return threadLines(t, o.r, &as, o.th.ID)
}

// A person talks with an agent outside the program alone, in all the ways of threads.
func TestOutsideThreads(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := outsideRig(t, url, func(c *config.Config) { c.Limits.AnswerWithin = 20 * time.Second })
		t.Run("Answers", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			o.peer.then(saying(`{"content":"[A2A]|DENIED|small rooms"}`))
			m, err := o.talk(t.Context(), "what is a cell?", "a")
			if err != nil || m.Content != "[A2A]|DENIED|small rooms" || m.Role != store.ThreadAssistant {
				t.Fatalf("got %+v, %v", m, err)
			}
			if again, err := o.talk(t.Context(), "what is a cell?", "a"); err != nil || again.ID != m.ID {
				t.Errorf("sent again: got %+v, %v", again, err)
			}
			o.peer.then(saying(`{"content":"yes"}`))
			turn := o.asks(t, "really?", "b")
			if done := o.become(t, turn.ID, store.TurnFinished); done.Answer == nil || done.Answer.Content != "yes" {
				t.Errorf("got %+v", done.Answer)
			}
			calls := o.peer.calls(t, 2)
			e := calls[1]
			if len(calls) != 2 || e.ID != turn.ID || e.Metadata.ThreadID != o.th.ID || e.Metadata.RoomID != o.th.ID || e.Metadata.RoomName != "Cells" ||
				e.Metadata.Cause != "thread" || e.Content != "really?" || e.SenderID != o.Admin.User.ID || e.Metadata.HistoryLength != 3 {
				t.Errorf("got %d calls, the last %+v", len(calls), e)
			}
			if text, _, err := r.Simulate(t.Context(), o.Admin, o.far.ID, app.ThreadMessage{Message: "hello"}); err != nil || text != "yes" {
				t.Errorf("stateless: got %q, %v", text, err)
			}
			want(t, "the thread", o.said(t), []string{"user|what is a cell?", "assistant|[A2A]|DENIED|small rooms", "user|really?", "assistant|yes"})
		})
		t.Run("Fails", func(t *testing.T) {
			for name, s := range map[string]struct {
				answer http.HandlerFunc
				calls  int
				kind   app.Kind
				code   string
			}{
				"refuses": {status(422), 1, app.KindUpstream, "outside_agent"},
				"prose":   {saying("<html>"), 1, app.KindUpstream, "outside_agent"},
				"down":    {status(503), 3, app.KindUnavailable, "unavailable"},
				"dropped": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 3, app.KindUnavailable, "unavailable"},
				"silent":  {saying(`{}`), 1, app.KindUpstream, "nothing_to_say"},
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					o := newOutsideThread(t, newOutsideClass(t, r))
					o.peer.then(s.answer)
					_, err := o.talk(t.Context(), "hello", "a")
					if app.KindOf(err) != s.kind || codeOf(err) != s.code || strings.Contains(err.Error(), "secret words") {
						t.Errorf("got %v (%s, %s), want %s, %s", err, app.KindOf(err), codeOf(err), s.kind, s.code)
					}
					if calls := o.peer.calls(t, s.calls); len(calls) != s.calls {
						t.Errorf("got %d calls, want %d", len(calls), s.calls)
					}
					want(t, "the thread", o.said(t), []string{"user|hello"})
					// The same message goes on in the same turn.
					o.peer.then(saying(`{"content":"here I am"}`))
					if m, err := o.talk(t.Context(), "hello", "a"); err != nil || m.Content != "here I am" || m.TurnID != o.peer.calls(t, 1)[0].ID {
						t.Errorf("again: got %+v, %v", m, err)
					}
				})
			}
		})
		t.Run("BreakerIsOpen", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			o.peer.then(status(422))
			for range 5 {
				_, _ = o.talk(t.Context(), "hello", "")
			}
			_, err := o.talk(t.Context(), "hello", "")
			if app.KindOf(err) != app.KindUnavailable || codeOf(err) != "open" || asError(err).RetryAfter <= 0 {
				t.Errorf("got %v", err)
			}
			if calls := o.peer.calls(t, 5); len(calls) != 5 {
				t.Errorf("got %d calls, want 5", len(calls))
			}
			state, err := r.AgentState(t.Context(), o.Admin, o.Room.ID, o.far.ID)
			if u := state.Unreachable; err != nil || u == nil || u.Failures != 5 || u.AskedAgainAt.IsZero() || !strings.Contains(u.Detail, "nobody asks it until ") {
				t.Errorf("got %+v, %v", u, err)
			}
			// A new address, token or client says nothing of the old one.
			for _, cfg := range []string{`{"webhook_url":"%s/other","auth_type":"none"}`, `{"webhook_url":"%s/other","auth_type":"bearer","auth_token":"1"}`,
				`{"webhook_url":"%s/other","auth_type":"bearer","auth_token":"2"}`} {
				if _, err := r.UpdateAgent(t.Context(), o.Admin, o.far.ID, app.AgentSettings{ExternalConfig: raw(fmt.Sprintf(cfg, o.peer.URL))}); err != nil {
					t.Fatal(err)
				}
				if state, err := r.AgentState(t.Context(), o.Admin, o.Room.ID, o.far.ID); err != nil || state.Unreachable != nil {
					t.Errorf("%s: got %+v, %v", cfg, state.Unreachable, err)
				}
				_, _ = o.talk(t.Context(), "hello", "")
				state, err := r.AgentState(t.Context(), o.Admin, o.Room.ID, o.far.ID)
				if u := state.Unreachable; err != nil || u == nil || u.Failures != 1 || !u.AskedAgainAt.IsZero() || !strings.Contains(u.Detail, "failed once") {
					t.Errorf("%s: got %+v, %v", cfg, u, err)
				}
			}
			// What does not change how it is called leaves the breaker alone.
			if _, err := r.UpdateAgent(t.Context(), o.Admin, o.far.ID, app.AgentSettings{Name: app.Some("Farther")}); err != nil {
				t.Fatal(err)
			}
			if rows, err := storetest.All(externals(r.ExternalAgents(t.Context(), o.Admin))(r.App)); err != nil || reachOf(rows, o.far.ID) == nil {
				t.Errorf("got %+v, %v", rows, err)
			}
			o.peer.then(saying(`{"content":"hi"}`))
			if _, err := o.talk(t.Context(), "hello", ""); err != nil {
				t.Error(err)
			}
			if state, err := r.AgentState(t.Context(), o.Admin, o.Room.ID, o.far.ID); err != nil || state.Unreachable != nil {
				t.Errorf("got %+v, %v", state.Unreachable, err)
			}
		})
		t.Run("AnswersLater", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			o.peer.then(status(202))
			got := make(chan error, 1)
			go func() {
				m, err := o.talk(context.WithoutCancel(t.Context()), "hello", "a")
				if err == nil && m.Content != "late" {
					err = fmt.Errorf("got %+v", m)
				}
				got <- err
			}()
			id := o.peer.calls(t, 1)[0].ID
			o.become(t, id, store.TurnStopped)
			o.notTaken(t, app.OutsideMessage{RoomID: o.th.ID}, "send the id of the turn as correlation_id")
			o.notTaken(t, app.OutsideMessage{CorrelationID: id, RoomID: o.Room.ID}, "is in another room")
			in := app.OutsideMessage{ID: "mine", CorrelationID: id, RoomID: o.th.ID, Content: json.RawMessage(`"late"`)}
			var group sync.WaitGroup
			for range 8 {
				group.Go(func() { o.taken(t, in) })
			}
			group.Wait()
			if err := <-got; err != nil { // who waits gets the late answer
				t.Error(err)
			}
			o.notTaken(t, app.OutsideMessage{CorrelationID: id}, "has its answer already")
			if done := o.become(t, id, store.TurnFinished); done.Answer == nil || done.AnswerID != done.Answer.ID {
				t.Errorf("got %+v", done)
			}
			if m, err := o.talk(t.Context(), "hello", "a"); err != nil || m.Content != "late" {
				t.Errorf("sent again: got %+v, %v", m, err)
			}
			// A late answer lands also behind newer messages.
			second := o.asks(t, "two", "b")
			o.become(t, second.ID, store.TurnStopped)
			o.peer.then(saying(`{"content":"three, too"}`))
			if _, err := o.talk(t.Context(), "three", "c"); err != nil {
				t.Error(err)
			}
			o.taken(t, app.OutsideMessage{CorrelationID: second.ID, Content: json.RawMessage(`"two, too"`)})
			want(t, "the thread", o.said(t), []string{"user|hello", "assistant|late", "user|two", "user|three", "assistant|three, too", "assistant|two, too"})
			// Once its thread is gone, an answer is for no room.
			third := o.asks(t, "four", "d")
			o.r.Idle(t, o.th.ID)
			if _, err := r.DeleteThread(t.Context(), o.Admin, o.th.ID, false); err != nil {
				t.Fatal(err)
			}
			o.notTaken(t, app.OutsideMessage{CorrelationID: third.ID}, "metadata.room_id is missing")
		})
		t.Run("AnswersInBothWays", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			answered := make(chan struct{})
			o.peer.then(func(w http.ResponseWriter, q *http.Request) {
				select {
				case <-answered:
				case <-q.Context().Done():
				}
				saying(`{"content":"second"}`)(w, q)
			})
			turn := o.asks(t, "hello", "a")
			o.peer.calls(t, 1)
			o.taken(t, app.OutsideMessage{CorrelationID: turn.ID, Content: json.RawMessage(`"first"`)})
			close(answered)
			o.become(t, turn.ID, store.TurnFinished)
			want(t, "the thread", o.said(t), []string{"user|hello", "assistant|first"})
		})
		t.Run("Stopped", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			o.peer.then(func(_ http.ResponseWriter, q *http.Request) { <-q.Context().Done() })
			turn := o.asks(t, "hello", "a")
			o.peer.calls(t, 1)
			_, _, _, err := r.AskInThread(t.Context(), o.Admin, o.th.ID, app.ThreadMessage{Message: "and now?"})
			wantKind(t, err, app.KindConflict, "The agent is still answering; wait for its answer")
			if _, err := r.StopThreadTurn(t.Context(), o.Admin, o.th.ID, turn.ID); err != nil {
				t.Fatal(err)
			}
			o.become(t, turn.ID, store.TurnStopped)
			o.notTaken(t, app.OutsideMessage{CorrelationID: turn.ID}, "waits for no answer any more")
			want(t, "the thread", o.said(t), []string{"user|hello"})
		})
		t.Run("NotInTime", func(t *testing.T) {
			r := outsideRig(t, url, func(c *config.Config) { c.Limits.AnswerWithin = 300 * time.Millisecond })
			o := newOutsideThread(t, newOutsideClass(t, r))
			o.peer.then(status(202))
			_, err := o.talk(t.Context(), "hello", "a")
			wantKind(t, err, app.KindUnavailable, "The agent took too long to answer; try again")
			_, _, err = r.Simulate(t.Context(), o.Admin, o.far.ID, app.ThreadMessage{Message: "hello"})
			wantKind(t, err, app.KindUnavailable, "The agent took too long to answer; try again")
			if threads, err := storetest.All(r.Threads(t.Context(), o.Admin, "", "", store.Page{})); err != nil || len(threads) != 1 {
				t.Errorf("got %d threads, %v", len(threads), err)
			}
			r.Advance(25 * time.Hour)
			o.notTaken(t, app.OutsideMessage{CorrelationID: o.peer.calls(t, 1)[0].ID}, "waits for no answer any more")
		})
		t.Run("OthersMayNot", func(t *testing.T) {
			o := newOutsideThread(t, newOutsideClass(t, r))
			_, err := r.CreateThread(t.Context(), o.Teacher, o.Project.ID, o.far.ID, app.ThreadSettings{})
			wantKind(t, err, app.KindNotFound, "Agent not found")
		})
	})
}

func externals(rows *store.Listing[store.Agent], err error) func(*app.App) (*store.Listing[app.ReachedAgent], error) {
	return func(a *app.App) (*store.Listing[app.ReachedAgent], error) {
		if err != nil {
			return nil, err
		}
		return a.WithReach(rows), nil
	}
}

func reachOf(rows []app.ReachedAgent, id string) *app.Unreachable {
	for _, row := range rows {
		if row.ID == id {
			return row.Unreachable
		}
	}
	return nil
}

// asError is the error for a client.
func asError(err error) app.Error {
	var e *app.Error
	if errors.As(err, &e) {
		return *e
	}
	return app.Error{}
}
