//go:build unix

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

const threads = "/api/v1/threads/"

// conversation is a thread of a world's teacher with its first agent.
type conversation struct {
	s  *proctest.Site
	p  *proctest.Person
	id string
}

func threadOf(t *testing.T, s *proctest.Site, w *proctest.World) *conversation {
	t.Helper()
	var projects []struct{ ID string }
	w.Teacher.Call(t, http.MethodGet, "/api/v1/projects", nil, &projects)
	var th struct{ ID string }
	w.Teacher.Call(t, http.MethodPost, threads, map[string]string{"project_id": projects[0].ID, "agent_id": w.AgentIDs[0]}, &th)
	return &conversation{s, w.Teacher, th.ID}
}

func (c *conversation) at(path string) string { return threads + c.id + path }

// ask starts a turn and returns its id.
func (c *conversation) ask(t *testing.T, message string) string {
	t.Helper()
	a, err := c.p.Try(t.Context(), http.MethodPost, c.at("/turns"), map[string]string{"message": message, "client_id": message})
	if err != nil || a.Status != http.StatusAccepted {
		t.Fatalf("ask: got %+v (%v)", a, err)
	}
	var out struct{ Turn struct{ ID string } }
	if err := a.Decode(&out); err != nil {
		t.Fatal(err)
	}
	return out.Turn.ID
}

// said is an answer.
type said struct{ ID, Content string }

// insist sends a message until it is answered, as a client does that must not lose it.
func (c *conversation) insist(ctx context.Context, message string) (said, error) {
	var last string
	for {
		a, err := c.p.Try(ctx, http.MethodPost, c.at("/messages"), map[string]string{"message": message, "client_id": message})
		if err == nil && a.Status == http.StatusOK {
			var m said
			return m, a.Decode(&m)
		}
		switch {
		case err != nil:
			last = err.Error()
		case a.Status == http.StatusServiceUnavailable || a.Status == http.StatusTooManyRequests:
			last = a.Body
		default:
			return said{}, fmt.Errorf("%d %s", a.Status, a.Body)
		}
		if pause(ctx, 100*time.Millisecond); ctx.Err() != nil {
			return said{}, fmt.Errorf("%q was not answered: %s", message, last)
		}
	}
}

func (c *conversation) must(t *testing.T, message string) said {
	t.Helper()
	m, err := c.insist(within(t, 90*time.Second), message)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// whole checks that each message is there once with one answer, that every turn has
// finished, and that the API shows it so.
func (c *conversation) whole(t *testing.T, messages ...string) {
	t.Helper()
	db, ctx := c.s.DB(), t.Context()
	all, err := db.ThreadMessages(ctx, c.id, 0, store.MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	answered := map[string]int{}
	for _, m := range all {
		if m.Role == store.ThreadUser {
			asked = append(asked, m.Content)
		} else {
			answered[m.Answers]++
		}
	}
	if !slices.Equal(asked, messages) {
		t.Errorf("messages: got %q, want %q", asked, messages)
	}
	for _, m := range all {
		if m.Role == store.ThreadUser && answered[m.ID] != 1 {
			t.Errorf("%q has %d answers", m.Content, answered[m.ID])
		}
	}
	head, _, err := db.EventRange(ctx, c.id)
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(ctx, c.id, 0, store.MaxLimit)
	if err != nil || int64(len(events)) != head {
		t.Errorf("the log has %d events up to %d (%v)", len(events), head, err)
	}
	var turns []struct {
		State    string
		AnswerID *string `json:"answer_id"`
	}
	c.p.Call(t, http.MethodGet, c.at("/turns?limit=1000"), nil, &turns)
	if len(turns) != len(messages) {
		t.Errorf("got %d turns for %d messages", len(turns), len(messages))
	}
	for _, turn := range turns {
		if turn.State != store.TurnFinished || turn.AnswerID == nil {
			t.Errorf("got a turn that is %s", turn.State)
		}
	}
}

// artifacts are what the agent has made in the thread.
func (c *conversation) artifacts(t *testing.T) []store.Artifact {
	t.Helper()
	made, err := storetest.All(c.s.DB().Artifacts(t.Context(), c.id, "", store.Page{Limit: store.MaxLimit}))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// maker is a model that makes a document named after the last message, and then says so.
// Asked to remove, it deletes the document that it had made. hold may hold an answer.
func maker(hold func(message string, stage int) *llmtest.Gate) llmtest.Script {
	return func(r llmtest.Request) llmtest.Response {
		message, stage, id := r.LastUser(), 0, ""
		for _, m := range r.Messages {
			switch m.Role {
			case "user":
				stage = 0
			case "tool":
				stage++
				if found := inResult.FindStringSubmatch(m.Text); found != nil {
					id = found[1]
				}
			}
		}
		resp := llmtest.Response{Text: fmt.Sprintf("Step %d of %s. ", stage, message), Delay: 5 * time.Millisecond, Gate: hold(message, stage)}
		call := func(name, args string) {
			resp.ToolCalls = []llmtest.ToolCall{{ID: fmt.Sprintf("call_%d", stage), Name: name, Arguments: args}}
		}
		switch {
		case stage == 0 && strings.HasPrefix(message, "remove"):
			call("list_artifacts", `{}`)
		case stage == 0:
			call("manage_artifact", `{"action":"create","artifact_type":"doc","title":"`+message+`"}`)
		case stage == 1 && strings.HasPrefix(message, "remove"):
			call("manage_artifact", `{"action":"delete","artifact_id":"`+id+`"}`)
		}
		return resp
	}
}

// TestThreadsAreDurable: kill -9 of whoever works at each moment of a thread's turn.
func TestThreadsAreDurable(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve("COAGENT_JOBS_IN_SERVE=false")
		victim := serve
		w := s.Populate(proctest.To(true, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		equip(t, w)
		c := threadOf(t, s, w)
		restart := func(p *proctest.Process) {
			t.Helper()
			if err := p.Kill9(); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		s.Model.Script(maker(func(string, int) *llmtest.Gate { return nil }))

		// After the post, before anybody works: on Postgres no worker is there yet.
		c.ask(t, "before")
		restart(serve)
		if s.Postgres() {
			victim = s.Worker()
		}
		c.must(t, "before")
		c.whole(t, "before")

		// While the model streams, and after a tool's step.
		gates := map[string]*llmtest.Gate{"streams 0": llmtest.NewGate(1), "tool 1": llmtest.NewGate(0)}
		var mu sync.Mutex
		s.Model.Script(maker(func(message string, stage int) *llmtest.Gate {
			mu.Lock()
			defer mu.Unlock()
			at := fmt.Sprintf("%s %d", message, stage)
			g := gates[at]
			delete(gates, at) // the attempt after the kill is not held
			return g
		}))
		for _, at := range []string{"streams 0", "tool 1"} {
			message := strings.Fields(at)[0]
			mu.Lock()
			gate := gates[at]
			mu.Unlock()
			turn := c.ask(t, message)
			select {
			case <-gate.Reached():
			case <-within(t, time.Minute).Done():
				t.Fatal("the model was not asked")
			}
			restart(victim)
			m := c.must(t, message)
			var got struct {
				State   string
				Message *said
			}
			c.p.Call(t, http.MethodGet, c.at("/turns/"+turn), nil, &got)
			if got.State != store.TurnFinished || got.Message == nil || got.Message.ID != m.ID || strings.Count(m.Content, "Step ") != 2 {
				t.Errorf("%s: got %+v, want the answer %+v in two steps", at, got, m)
			}
		}
		c.whole(t, "before", "streams", "tool")
		if made := c.artifacts(t); len(made) != 3 {
			t.Errorf("got %d artifacts, want one for each message", len(made))
		}

		// Between the commit of the end and the answer to the client.
		c.ask(t, "ends")
		for ctx := within(t, time.Minute); ; pause(ctx, time.Millisecond) {
			all, err := s.DB().ThreadMessages(ctx, c.id, 0, 1)
			if err != nil {
				t.Fatal(err)
			}
			if all[0].Role == store.ThreadAssistant && strings.Contains(all[0].Content, "ends") {
				break
			}
		}
		restart(serve)
		c.must(t, "ends")
		c.whole(t, "before", "streams", "tool", "ends")

		// While it waits for a decision.
		c.ask(t, "remove")
		var pending []struct {
			StepID string `json:"step_id"`
		}
		for ctx := within(t, time.Minute); len(pending) == 0; pause(ctx, 20*time.Millisecond) {
			c.p.Call(t, http.MethodGet, c.at("/approvals"), nil, &pending)
		}
		restart(serve)
		if victim != serve {
			restart(victim)
		}
		if n := len(c.artifacts(t)); n != 4 {
			t.Errorf("got %d artifacts before the decision, want all 4", n)
		}
		c.p.Call(t, http.MethodPost, c.at("/approvals/"+pending[0].StepID), map[string]string{"decision": "approve"}, nil)
		restart(victim)
		c.must(t, "remove")
		c.whole(t, "before", "streams", "tool", "ends", "remove")
		if n := len(c.artifacts(t)); n != 3 {
			t.Errorf("got %d artifacts after the decision, want one less", n)
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20", "COAGENT_LIMITS_MODEL_CALLS_PER_MINUTE=100000", "COAGENT_LIMITS_MODEL_CALLS_AT_ONCE=10")
}

// TestThreadsAndKills: people talk in threads and insist on their answers, by both kinds
// of routes, while processes are killed at random.
func TestThreadsAndKills(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(answers)
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(true, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		all := make([]*conversation, 3)
		for i := range all {
			all[i] = threadOf(t, s, w)
		}
		n := either(60, 6)
		var talking sync.WaitGroup
		for i, c := range all {
			talking.Go(func() {
				ctx := within(t, 5*time.Minute)
				for k := range n {
					message := fmt.Sprintf("message %d", k)
					if (i+k)%2 == 0 { // begun without waiting; it may be lost, or not be known to be stored
						_, _ = c.p.Try(ctx, http.MethodPost, c.at("/turns"), map[string]string{"message": message, "client_id": message})
					}
					if _, err := c.insist(ctx, message); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		killAll(t, victims, either(20, 4))
		talking.Wait()
		var messages []string
		for k := range n {
			messages = append(messages, fmt.Sprintf("message %d", k))
		}
		for _, c := range all {
			c.whole(t, messages...)
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20", "COAGENT_LIMITS_MODEL_CALLS_PER_MINUTE=100000", "COAGENT_LIMITS_MODEL_CALLS_AT_ONCE=10")
}
