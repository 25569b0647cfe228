//go:build unix

package chaos

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// farAway is an agent in a process of its own, as an admin has made it.
type farAway struct {
	*outsideProcess
	order
}

func newFarAway(t *testing.T, s *proctest.Site, w *proctest.World, server string) *farAway {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &farAway{outsideProcess: &outsideProcess{t: t, addr: ln.Addr().String()}}
	_ = ln.Close()
	f.start()
	t.Cleanup(f.kill)
	var made struct {
		ID             string
		ExternalConfig struct {
			CallbackToken string `json:"callback_token"`
		} `json:"external_config"`
	}
	w.Admin.Call(t, http.MethodPost, "/api/v1/agents/external/create", map[string]any{"name": "Far", "webhook_url": "http://" + f.addr + "/hook",
		"auth_type": "none", "timeout_ms": 20_000}, &made)
	f.order = order{Server: server, Agent: made.ID, Token: made.ExternalConfig.CallbackToken}
	return f
}

func (f *farAway) as(mode string) { f.Mode = mode; f.tell(f.order) }

// next waits until the agent has got more than n calls, and returns the last.
func (f *farAway) next(n int) call {
	f.t.Helper()
	for waiting := within(f.t, time.Minute); ; pause(waiting, 10*time.Millisecond) {
		if all := f.calls(); len(all) > n {
			return all[len(all)-1]
		}
		if waiting.Err() != nil {
			f.t.Fatal("the agent was not asked")
		}
	}
}

// flood answers a message many times at once, each time with another text.
func (f *farAway) flood(id string) {
	var group sync.WaitGroup
	for i := range 12 {
		group.Go(func() {
			f.say(map[string]any{"sender_id": "x", "content": fmt.Sprintf("late %d", i), "correlation_id": id})
		})
	}
	group.Wait()
}

// TestOutsideAgentAlone: a person talks in a thread with an agent in a process of its own,
// which is slow, wrong, killed, late and hostile, and the server is killed in the middle of
// a call. Each message has one answer in the end.
func TestOutsideAgentAlone(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve, victim := servedBy(t, s)
		w := s.Populate(proctest.To(true, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		f := newFarAway(t, s, w, serve.URL)
		var projects []struct{ ID string }
		w.Teacher.Call(t, http.MethodGet, "/api/v1/projects", nil, &projects)
		var th struct{ ID string }
		w.Admin.Call(t, http.MethodPost, threads, map[string]string{"project_id": projects[0].ID, "agent_id": f.Agent}, &th)
		c := &conversation{s, w.Admin, th.ID}
		want := func(message, text string) {
			t.Helper()
			if m := c.must(t, message); m.Content != text {
				t.Errorf("%s: got %+v, want %q", message, m, text)
			}
		}
		f.as("fine")
		want("one", "answer to one")
		for mode, status := range map[string]int{"prose": http.StatusBadGateway, "huge": http.StatusBadGateway, "away": http.StatusBadGateway,
			"500": http.StatusServiceUnavailable} {
			f.as(mode)
			a, err := c.p.Try(t.Context(), http.MethodPost, c.at("/messages"), map[string]string{"message": mode, "client_id": mode})
			if err != nil || a.Status != status || strings.Contains(a.Body, "I am no JSON") {
				t.Errorf("%s: got %d %s, %v", mode, a.Status, a.Body, err)
			}
			f.as("fine")
			want(mode, "answer to "+mode)
		}
		f.as("twice")
		if m := c.must(t, "twice"); !strings.HasSuffix(m.Content, " to twice") {
			t.Errorf("got %+v", m)
		}
		f.as("slow")
		before := len(f.calls())
		turn := c.ask(t, "killed")
		f.next(before)
		again(t, victim)
		want("killed", "slow answer to killed")
		for _, got := range f.calls()[before:] {
			if got.ID != turn || !got.Signed {
				t.Errorf("got the call %+v, want the turn's", got)
			}
		}
		f.kill()
		c.ask(t, "restarted")
		f.start()
		f.as("fine")
		want("restarted", "answer to restarted")
		f.as("later")
		before = len(f.calls())
		late := c.ask(t, "later")
		f.next(before)
		f.flood(late)
		if m := c.must(t, "later"); !strings.HasPrefix(m.Content, "late ") {
			t.Errorf("got %+v", m)
		}
		f.flood(late)
		c.whole(t, append([]string{"one"}, messagesOf(t, c)[1:]...)...)
		quiet(t, s)
	}, `COAGENT_EXTERNAL_ALLOW=127.0.0.0/8`)
}

// messagesOf are the person's messages in a thread.
func messagesOf(t *testing.T, c *conversation) (asked []string) {
	t.Helper()
	all, err := c.s.DB().ThreadMessages(t.Context(), c.id, 0, store.MaxLimit)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range all {
		if m.Role == store.ThreadUser {
			asked = append(asked, m.Content)
		}
	}
	return asked
}

// servedBy starts a server, and on Postgres a worker beside it: victim is who works.
func servedBy(t *testing.T, s *proctest.Site) (serve, victim *proctest.Process) {
	t.Helper()
	serve = s.Serve()
	if !s.Postgres() {
		return serve, serve
	}
	if err := serve.Kill9(); err != nil {
		t.Fatal(err)
	}
	serve = s.Serve("COAGENT_JOBS_IN_SERVE=false")
	return serve, s.Worker()
}

// again kills a process and starts it anew.
func again(t *testing.T, p *proctest.Process) {
	t.Helper()
	if err := p.Kill9(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// quiet checks that no process has failed, or tells what the agent has said.
func quiet(t *testing.T, s *proctest.Site) {
	t.Helper()
	for _, proc := range s.Processes() {
		log := strings.NewReplacer("status=503", "", "status=502", "").Replace(proc.Log())
		if strings.Contains(log, "status=5") || strings.Contains(log, "panic") || strings.Contains(log, "I am no JSON") {
			t.Errorf("%s has failed, or tells what the agent has said", proc.Name)
		}
	}
}

// TestOutsideAgentIsAsked: an agent in a process of its own is asked by another agent, and
// at a node of a workflow. The server is killed in the middle of the call, and while the
// turn waits for the late answer, of which there are many.
func TestOutsideAgentIsAsked(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve, victim := servedBy(t, s)
		w := s.Populate(proctest.To(true, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		f := newFarAway(t, s, w, serve.URL)
		room, student := w.Rooms[0], w.Students[0]
		w.Admin.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/agents/"+f.Agent, nil, nil)
		w.Admin.Call(t, http.MethodPut, "/api/v1/agents/"+f.Agent, map[string]any{"trigger_config": map[string]any{"type": "message_count", "value": 9999}}, nil)
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+w.AgentIDs[0], map[string]any{"capabilities": []string{"agents:ask"}}, nil)
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			last := r.Messages[len(r.Messages)-1]
			if last.Role == "tool" {
				return llmtest.Response{Text: "I heard: " + last.Text}
			}
			return llmtest.Response{ToolCalls: []llmtest.ToolCall{{ID: "call_1", Name: "ask_agent", Arguments: `{"agent":"Far","question":"` + r.LastUser()[len(r.LastUser())-3:] + `"}`}}}
		})
		n := 0
		last := func() store.Message {
			t.Helper()
			var all []store.Message
			var err error
			for waiting := within(t, 90*time.Second); len(all) < n && waiting.Err() == nil; pause(waiting, 20*time.Millisecond) {
				if all, err = s.DB().Messages(t.Context(), room, 0, 1000); err != nil {
					t.Fatal(err)
				}
			}
			if len(all) != n {
				t.Fatalf("got %d messages, want %d: %+v", len(all), n, all)
			}
			return all[n-1]
		}
		says := func(text string) {
			t.Helper()
			student.Call(t, http.MethodPost, "/api/v1/rooms/"+room+"/messages", map[string]string{"text": text}, nil)
			n += 2
		}
		for _, how := range []string{"tool", "workflow"} {
			if how == "workflow" {
				var flow struct{ ID string }
				w.Teacher.Call(t, http.MethodPost, "/api/v1/workflows", map[string]any{"course_id": w.CourseID, "name": "far", "graph": workflow.Graph{
					Name: "far", Start: "s", Nodes: map[string]workflow.Node{"s": {Type: workflow.Start},
						"ask":  {Type: workflow.Agent, Handler: "agent:" + f.Agent, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "text"}},
						"post": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "text"}}, "end": {Type: workflow.End}},
					Edges: []workflow.Edge{{From: "s", To: "ask"}, {From: "ask", To: "post"}, {From: "post", To: "end"}}}}, &flow)
				w.Teacher.Call(t, http.MethodPut, "/api/v1/rooms/"+room+"/workflow", map[string]string{"workflow_id": flow.ID}, nil)
			}
			f.as("slow")
			before := len(f.calls())
			says("one")
			f.next(before)
			again(t, victim)
			if m := last(); !strings.Contains(m.Content, "slow answer to ") {
				t.Errorf("%s: got %+v", how, m)
			}
			calls := f.calls()[before:]
			if len(calls) != 2 || calls[0].ID != calls[1].ID || !calls[1].Signed {
				t.Errorf("%s: got the calls %+v, want two with one id", how, calls)
			}

			f.as("later")
			before = len(f.calls())
			says("two")
			id := f.next(before).ID
			again(t, victim)
			f.flood(id)
			if m := last(); !strings.Contains(m.Content, "late ") {
				t.Errorf("%s: got %+v", how, m)
			}
			f.flood(id)

			f.as("twice") // by the webhook, many times, and then in the call
			says("six")
			if m := last(); !strings.Contains(m.Content, "answer ") {
				t.Errorf("%s: got %+v", how, m)
			}
		}
		if err := s.Settled(within(t, time.Minute), room); err != nil {
			t.Fatal(err)
		}
		last()
		quiet(t, s)
	}, `COAGENT_EXTERNAL_ALLOW=127.0.0.0/8`)
}
