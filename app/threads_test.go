package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// wantKind fails unless err is of this kind and says this.
func wantKind(t *testing.T, err error, kind app.Kind, message string) {
	t.Helper()
	var e *app.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message != message {
		t.Errorf("got %v, want %s %q", err, kind, message)
	}
}

// newThread begins a conversation of the class's teacher with an agent.
func newThread(t *testing.T, r *apptest.Rig, c *apptest.Class, agent string) *store.Thread {
	t.Helper()
	th, err := r.CreateThread(t.Context(), c.Teacher, c.Project.ID, agent, app.ThreadSettings{})
	if err != nil {
		t.Fatal(err)
	}
	return th
}

func threadLines(t *testing.T, r *apptest.Rig, c *apptest.Class, id string) []string {
	t.Helper()
	messages, err := storetest.All(r.ThreadMessages(t.Context(), c.Teacher, id, ""))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(messages))
	for i, m := range messages {
		out[i] = m.Role + "|" + m.Content
	}
	return out
}

// newAgentOf makes an agent of any type on the scripted provider.
func newAgentOf(t *testing.T, r *apptest.Rig, c *apptest.Class, kind string, tune ...func(*app.AgentSettings)) *store.Agent {
	t.Helper()
	s := app.AgentSettings{Type: app.Some(kind), Name: app.Some(kind + " " + store.NewID()), SystemPrompt: app.Some("Be a " + kind + "."),
		ModelProvider: app.Some("openai"), APIKey: app.Some(secret.Text(apptest.CanaryKey))}
	for _, f := range tune {
		f(&s)
	}
	ag, err := r.CreateAgent(t.Context(), c.Teacher, c.Project.ID, s)
	if err != nil {
		t.Fatal(err)
	}
	return ag
}

// asked is what the model was shown last.
func asked(r *apptest.Rig) llmtest.Request {
	all := r.Model.Requests()
	return all[len(all)-1]
}

func TestSimulate(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Types(t, c.Admin, "custom")
		t.Run("every type of agent", func(t *testing.T) {
			for _, kind := range []string{"teacher", "student", "design", "analytics", "custom"} {
				ag := newAgentOf(t, r, c, kind)
				got, _, err := r.Simulate(t.Context(), c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"})
				if err != nil || got != "You said: hello" {
					t.Errorf("%s: got %q, %v", kind, got, err)
				}
				if req := asked(r); req.System != "Be a "+kind+"." || req.Key != apptest.CanaryKey {
					t.Errorf("%s: the model was shown %+v", kind, req)
				}
			}
		})
		t.Run("who", func(t *testing.T) {
			for who, actor := range map[string]*app.Actor{"student": c.Student, "ta": c.TA, "outsider": c.Outsider} {
				_, _, err := r.Simulate(t.Context(), actor, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
				t.Log(who)
				wantKind(t, err, app.KindNotFound, "Agent not found")
			}
			if _, _, err := r.Simulate(t.Context(), nil, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"}); app.KindOf(err) != app.KindUnauthenticated {
				t.Errorf("nobody: got %v", err)
			}
		})
		t.Run("settings", func(t *testing.T) {
			ag := newAgentOf(t, r, c, "teacher", func(s *app.AgentSettings) {
				s.Model, s.Settings = app.Some("gpt-mini"), app.Some(json.RawMessage(`{"temperature":0.25,"max_tokens":99}`))
			})
			if _, _, err := r.Simulate(t.Context(), c.Teacher, ag.ID, app.ThreadMessage{Message: "hello"}); err != nil {
				t.Fatal(err)
			}
			if req := asked(r); req.Temperature == nil || *req.Temperature != 0.25 || req.MaxTokens != 99 || req.Model != "gpt-mini" {
				t.Errorf("the model was asked %+v", req)
			}
		})
		t.Run("bad messages", func(t *testing.T) {
			for message, kind := range map[string]app.Kind{"": app.KindInvalid, "\n": app.KindInvalid, "a\x00": app.KindInvalid, "\xff": app.KindInvalid,
				strings.Repeat("x", 64<<10+1): app.KindTooLarge} {
				if _, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: message}); app.KindOf(err) != kind {
					t.Errorf("%.10q: got %v, want %s", message, err, kind)
				}
			}
		})
		t.Run("external", func(t *testing.T) {
			r.Exec(t, "UPDATE agents SET is_external = TRUE, category = 'external' WHERE id = ?", c.StudentAgent.ID)
			_, _, err := r.Simulate(t.Context(), c.Teacher, c.StudentAgent.ID, app.ThreadMessage{Message: "hello"})
			wantKind(t, err, app.KindUpstream, "The agent could not answer: No webhook_url is set")
		})
	})
}

func TestModelFailures(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		member := r.User(t, app.RoleStudent, "Mia")
		inTx(t, r, func(tx *store.Tx) error {
			return tx.AddProjectMember(t.Context(), &store.ProjectMember{ProjectID: c.Project.ID, UserID: member.User.ID, Role: "member", CreatedAt: time.Now().UTC()})
		})
		ask := func(who *app.Actor, key string, resp llmtest.Response) error {
			r.Model.Script(llmtest.Always(resp))
			ag := newAgentOf(t, r, c, "teacher", func(s *app.AgentSettings) { s.APIKey = app.Some(secret.Text(key)) })
			_, _, err := r.Simulate(t.Context(), who, ag.ID, app.ThreadMessage{Message: "hello"})
			return err
		}
		t.Run("a bad key", func(t *testing.T) {
			err := ask(c.Teacher, "sk-bad-one-11111", llmtest.Response{Status: 401, Message: "no such key"})
			if app.KindOf(err) != app.KindUpstream || !strings.Contains(err.Error(), "no such key") {
				t.Errorf("its own people: got %v, want what the provider says", err)
			}
			wantKind(t, ask(member, "sk-bad-two-22222", llmtest.Response{Status: 401, Message: "no such key"}), app.KindUpstream, "The agent could not answer")
		})
		t.Run("a limit", func(t *testing.T) {
			var e *app.Error
			err := ask(member, "sk-lim-one-33333", llmtest.Response{Status: 429, RetryAfter: "40", Message: "slow down"})
			if !errors.As(err, &e) || e.Kind != app.KindLimited || e.RetryAfter < 30*time.Second || e.Message != "The agent could not answer" {
				t.Errorf("got %+v", err)
			}
		})
		t.Run("nothing said", func(t *testing.T) {
			wantKind(t, ask(member, "sk-nothing-44444", llmtest.Response{Text: " \n"}), app.KindUpstream, "The agent could not answer")
		})
		t.Run("no key", func(t *testing.T) {
			wantKind(t, ask(member, "", llmtest.Response{}), app.KindRejected, "Failed to initialize agent")
			wantKind(t, ask(c.Teacher, "", llmtest.Response{}), app.KindRejected, "Failed to initialize agent: the agent has no usable API key for openai")
		})
		t.Run("the next key takes over", func(t *testing.T) {
			r.Model.Script(func(req llmtest.Request) llmtest.Response {
				if req.Key == "sk-first-5555555" {
					return llmtest.Response{Status: 401}
				}
				return llmtest.Response{Text: "by " + req.Key[:9]}
			})
			ag := newAgentOf(t, r, c, "teacher", func(s *app.AgentSettings) { s.APIKey = app.Some(secret.Text("sk-first-5555555")) })
			key := secret.Text("sk-backup-666666")
			if _, err := r.SetAgentKeys(t.Context(), c.Teacher, ag.ID, map[string]*secret.Text{"backup_key": &key}); err != nil {
				t.Fatal(err)
			}
			if got, _, err := r.Simulate(t.Context(), member, ag.ID, app.ThreadMessage{Message: "hello"}); err != nil || got != "by sk-backup" {
				t.Errorf("got %q, %v", got, err)
			}
		})
	})
}

func TestSlowModel(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) {
			cfg.Limits.AnswerWithin = 300 * time.Millisecond
		})
		c := r.Class(t)
		t.Run("an answer that does not come", func(t *testing.T) {
			r.Model.Script(llmtest.Always(llmtest.Response{Fault: llmtest.Hang}))
			_, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
			wantKind(t, err, app.KindUnavailable, "The agent took too long to answer; try again")
		})
	})
}

func TestCallSlots(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Limits.ModelCallsAtOnce, cfg.Limits.ModelCalls = 1, 2 })
		c := r.Class(t)
		gate := llmtest.NewGate(1)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
		ask := func(who *app.Actor) error {
			_, _, err := r.Simulate(t.Context(), who, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
			return err
		}
		var waiting sync.WaitGroup
		for _, who := range []*app.Actor{c.Teacher, c.Admin} {
			waiting.Go(func() {
				if err := ask(who); err != nil {
					t.Error(err)
				}
			})
		}
		if !r.Model.Await(2, time.Minute) {
			t.Fatal("the model was not asked twice")
		}
		wantKind(t, ask(c.Teacher), app.KindLimited, "You are waiting for other answers; try again when they have come")
		err := ask(r.User(t, app.RoleAdmin, "Bob"))
		wantKind(t, err, app.KindUnavailable, "Too many people wait for an answer just now; try again in a moment")
		var e *app.Error
		if errors.As(err, &e) && e.RetryAfter == 0 {
			t.Error("no Retry-After")
		}
		gate.Release()
		waiting.Wait()
		if err := ask(c.Teacher); err != nil {
			t.Errorf("with free slots: got %v", err)
		}
	})
}

// Two nodes let one person wait for no more answers than one of them would.
func TestNodesShareCallSlots(t *testing.T) {
	t.Parallel()
	url := storetest.Postgres(t)
	two := func(c *config.Config) { c.Limits.ModelCallsAtOnce = 2 }
	here := apptest.New(t, url, two)
	// One provider for both: a stored key is for the host that it was given for.
	there := apptest.New(t, url, two, func(c *config.Config) { c.LLM.OpenAI.BaseURL = here.Config.LLM.OpenAI.BaseURL })
	c := here.Class(t)
	gate := llmtest.NewGate(1)
	slow := llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate})
	here.Model.Script(slow)
	ask := func(node *apptest.Rig) error {
		_, _, err := node.Simulate(t.Context(), c.Admin, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
		return err
	}
	const full = "You are waiting for other answers; try again when they have come"
	var waiting sync.WaitGroup
	for _, node := range []*apptest.Rig{here, there} {
		waiting.Go(func() {
			if err := ask(node); err != nil {
				t.Error(err)
			}
		})
	}
	if !here.Model.Await(2, time.Minute) {
		t.Fatal("the model was not asked twice")
	}
	wantKind(t, ask(here), app.KindLimited, full)
	wantKind(t, ask(there), app.KindLimited, full)
	gate.Release()
	waiting.Wait()
	// What a node held that died is free when its time is over.
	here.Exec(t, "INSERT INTO leases (name, node, until) SELECT 'call:' || ? || ':' || i, 'dead', now() + interval '1 minute' FROM generate_series(0, 1) AS i", c.Admin.User.ID)
	wantKind(t, ask(here), app.KindLimited, full)
	here.Exec(t, "UPDATE leases SET until = now() - interval '1 second' WHERE node = 'dead'")
	for _, node := range []*apptest.Rig{here, there} {
		if err := ask(node); err != nil {
			t.Error(err)
		}
	}
}

// Thirty students who wait for a slow model leave every connection to others.
func TestWaitingHoldsNoConnection(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Database.Pool, cfg.Limits.ModelCallsAtOnce = 4, 100 })
		c := r.Class(t)
		gate := llmtest.NewGate(1)
		r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
		threads := make([]*store.Thread, 30)
		for i := range threads {
			threads[i] = newThread(t, r, c, c.TeacherAgent.ID)
		}
		var waiting sync.WaitGroup
		for _, th := range threads {
			waiting.Go(func() {
				if _, err := r.TalkInThread(t.Context(), c.Teacher, th.ID, app.ThreadMessage{Message: "hello"}); err != nil {
					t.Error(err)
				}
			})
		}
		if !r.Model.Await(len(threads), time.Minute) {
			t.Fatal("the model was not asked by everybody at once")
		}
		if _, err := r.Threads(t.Context(), c.Teacher, "", "", store.Page{}); err != nil {
			t.Error(err)
		}
		gate.Release()
		waiting.Wait()
	})
}

func TestAskingHasARate(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url, func(cfg *config.Config) { cfg.Limits.ModelCallsPerMinute = 3 })
		c := r.Class(t)
		if _, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"}); err != nil {
			t.Fatal(err)
		}
		var e *app.Error
		_, _, err := r.Simulate(t.Context(), c.Teacher, c.TeacherAgent.ID, app.ThreadMessage{Message: "hello"})
		if !errors.As(err, &e) || e.Kind != app.KindLimited || e.RetryAfter <= 0 {
			t.Errorf("got %v, want a limit that says when to come back", err)
		}
	})
}

func TestThreads(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		r.Types(t, c.Admin, "custom")
		talk := func(t *testing.T, th *store.Thread, message, clientID string) (*store.ThreadMessage, error) {
			t.Helper()
			return r.TalkInThread(t.Context(), c.Teacher, th.ID, app.ThreadMessage{Message: message, ClientID: clientID})
		}
		t.Run("a conversation", func(t *testing.T) {
			r.Model.Script(func(req llmtest.Request) llmtest.Response { return llmtest.Response{Text: "re: " + req.LastUser()} })
			th := newThread(t, r, c, c.TeacherAgent.ID)
			for _, said := range []string{"one", "two"} {
				m, err := talk(t, th, said, "")
				if err != nil || m.Role != store.ThreadAssistant || m.Content != "re: "+said {
					t.Fatalf("got %+v, %v", m, err)
				}
			}
			want(t, "the thread", threadLines(t, r, c, th.ID), []string{"user|one", "assistant|re: one", "user|two", "assistant|re: two"})
			var shown []string
			for _, m := range asked(r).Messages {
				shown = append(shown, m.Role+"|"+m.Text)
			}
			want(t, "the model was shown", shown, []string{"user|one", "assistant|re: one", "user|two"})
			if req := asked(r); req.System != c.TeacherAgent.SystemPrompt {
				t.Errorf("instructions: got %q", req.System)
			}
		})
		t.Run("the model is shown the newest lines", func(t *testing.T) {
			r.Model.Script(nil)
			ag := newAgentOf(t, r, c, "student", func(s *app.AgentSettings) { s.ContextWindow = app.Some(3) })
			th := newThread(t, r, c, ag.ID)
			for i := range 4 {
				if _, err := talk(t, th, fmt.Sprint("line ", i), ""); err != nil {
					t.Fatal(err)
				}
			}
			if got := asked(r).Messages; len(got) != 3 || got[0].Text != "line 2" || got[2].Text != "line 3" {
				t.Errorf("got %+v", got)
			}
		})
		t.Run("a failure keeps the line, and a resend answers it once", func(t *testing.T) {
			th := newThread(t, r, c, newAgentOf(t, r, c, "custom", func(s *app.AgentSettings) { s.APIKey = app.Some(secret.Text("sk-own-777777777")) }).ID)
			r.Model.Script(llmtest.Always(llmtest.Response{Status: 400, Message: "odd"}))
			if _, err := talk(t, th, "hello", "a"); app.KindOf(err) != app.KindUpstream {
				t.Fatalf("got %v", err)
			}
			want(t, "after the failure", threadLines(t, r, c, th.ID), []string{"user|hello"})
			r.Model.Script(llmtest.Say("hi"))
			before := r.Model.Count()
			first, err := talk(t, th, "hello", "a")
			if err != nil {
				t.Fatal(err)
			}
			again, err := talk(t, th, "hello", "a")
			if err != nil || again.ID != first.ID || r.Model.Count() != before+1 {
				t.Errorf("got %+v, %v after %d calls, want the first answer", again, err, r.Model.Count()-before)
			}
			want(t, "after resends", threadLines(t, r, c, th.ID), []string{"user|hello", "assistant|hi"})
		})
		t.Run("one answer at a time", func(t *testing.T) {
			th := newThread(t, r, c, c.TeacherAgent.ID)
			gate := llmtest.NewGate(1)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
			var first sync.WaitGroup
			first.Go(func() {
				if _, err := talk(t, th, "one", "a"); err != nil {
					t.Error(err)
				}
			})
			reached(t, gate)
			first.Go(func() { // the same message waits for the same answer
				if m, err := talk(t, th, "one", "a"); err != nil || m.Content != "a long answer" {
					t.Errorf("the same message again: got %+v, %v", m, err)
				}
			})
			for _, clientID := range []string{"b", ""} {
				_, err := talk(t, th, "more", clientID)
				wantKind(t, err, app.KindConflict, "The agent is still answering; wait for its answer")
			}
			gate.Release()
			first.Wait()
			want(t, "the thread", threadLines(t, r, c, th.ID), []string{"user|one", "assistant|a long answer"})
		})
		t.Run("whose", func(t *testing.T) {
			th := newThread(t, r, c, c.TeacherAgent.ID)
			for _, actor := range []*app.Actor{c.Admin, c.Student} {
				_, err := r.Thread(t.Context(), actor, th.ID)
				wantKind(t, err, app.KindForbidden, "Not enough permissions")
				_, err = r.TalkInThread(t.Context(), actor, th.ID, app.ThreadMessage{Message: "x"})
				wantKind(t, err, app.KindForbidden, "Not enough permissions")
			}
			_, err := r.CreateThread(t.Context(), c.Student, c.Project.ID, c.TeacherAgent.ID, app.ThreadSettings{})
			wantKind(t, err, app.KindNotFound, "Agent not found")
		})
		t.Run("an agent of another project", func(t *testing.T) {
			other := r.Class(t)
			_, err := r.CreateThread(t.Context(), c.Admin, c.Project.ID, other.TeacherAgent.ID, app.ThreadSettings{})
			wantKind(t, err, app.KindNotFound, "Agent not found")
			_, err = r.CreateThread(t.Context(), c.Admin, store.NewID(), c.TeacherAgent.ID, app.ThreadSettings{})
			wantKind(t, err, app.KindNotFound, "Project not found")
		})
		t.Run("with a template of one's own, after one has left the project", func(t *testing.T) {
			maker := r.User(t, app.RoleStudent, "Lea")
			inTx(t, r, func(tx *store.Tx) error {
				return tx.AddProjectMember(t.Context(), &store.ProjectMember{ProjectID: c.Project.ID, UserID: maker.User.ID, Role: "editor", CreatedAt: time.Now().UTC()})
			})
			ag := newAgentOf(t, r, c, "custom")
			r.Exec(t, "UPDATE agents SET project_id = NULL, is_template = TRUE, created_by = ? WHERE id = ?", maker.User.ID, ag.ID)
			th, err := r.CreateThread(t.Context(), maker, c.Project.ID, ag.ID, app.ThreadSettings{})
			if err != nil {
				t.Fatal(err)
			}
			r.Exec(t, "DELETE FROM project_members WHERE user_id = ?", maker.User.ID)
			_, err = r.TalkInThread(t.Context(), maker, th.ID, app.ThreadMessage{Message: "x"})
			wantKind(t, err, app.KindNotFound, "Project not found")
			if _, err := r.Thread(t.Context(), maker, th.ID); err != nil {
				t.Errorf("what was said stays readable: got %v", err)
			}
		})
		t.Run("the agent is deleted", func(t *testing.T) {
			ag := newAgentOf(t, r, c, "custom")
			th := newThread(t, r, c, ag.ID)
			r.Model.Script(llmtest.Say("hi"))
			if _, err := talk(t, th, "one", "a"); err != nil {
				t.Fatal(err)
			}
			if err := r.DeleteAgent(t.Context(), c.Teacher, ag.ID); err != nil {
				t.Fatal(err)
			}
			_, err := talk(t, th, "two", "")
			wantKind(t, err, app.KindNotFound, "Agent config not found")
			want(t, "what was said stays", threadLines(t, r, c, th.ID), []string{"user|one", "assistant|hi"})
		})
		t.Run("deleted while the agent answers", func(t *testing.T) {
			th := newThread(t, r, c, c.TeacherAgent.ID)
			gate := llmtest.NewGate(1)
			r.Model.Script(llmtest.Always(llmtest.Response{Text: "a long answer", Gate: gate}))
			got := make(chan error, 1)
			go func() {
				_, err := r.TalkInThread(context.WithoutCancel(t.Context()), c.Teacher, th.ID, app.ThreadMessage{Message: "x"})
				got <- err
			}()
			reached(t, gate)
			if _, err := r.DeleteThread(t.Context(), c.Teacher, th.ID, false); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			wantKind(t, <-got, app.KindNotFound, "Thread not found")
		})
	})
}
