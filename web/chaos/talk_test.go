//go:build unix

package chaos

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

const canary = "sk-canary-4f1b0c7d9e2a8835"

// TestTalk: two people and an agent talk, from sign-in to the stored answer,
// and the agent's key shows nowhere.
func TestTalk(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		ps := []*proctest.Process{s.Serve()}
		if s.Postgres() {
			ps = append(ps, s.Worker())
		}
		nodes := proctest.To(false, ps[0])
		nodes.Record()
		w := s.Populate(nodes, proctest.Plan{Students: 2, Rooms: 1, Agent: canary})
		room := w.Rooms[0]
		teacher, alice, bob := s.Join(w.Teacher, room), s.Join(w.Students[0], room), s.Join(w.Students[1], room)
		members := []*proctest.Member{teacher, alice, bob}
		converse(t, s, w, members)
		refuseKey(t, s, w, members)
		o := verdict(t, s, row{fault: "no fault"}, w.Rooms, nil, members)
		if o.Replies != 2 || o.Failed != 1 || o.Acked != 3 {
			t.Errorf("got %d replies, %d failed turns and %d acknowledged lines, want 2, 1 and 3", o.Replies, o.Failed, o.Acked)
		}
		for _, path := range []string{"/api/v1/rooms/" + room + "/agents", "/api/v1/chat/messages/" + room} {
			w.Teacher.Call(t, http.MethodGet, path, nil, nil)
		}
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+w.AgentIDs[0], map[string]any{"name": "Galilei"}, nil)
		noCanary(t, s, w, nodes, ps)
	}, "COAGENT_LOG_LEVEL=debug", "COAGENT_JOBS_IN_SERVE=true")
}

// converse has two people say a line each, which the agent answers.
func converse(t *testing.T, s *proctest.Site, w *proctest.World, members []*proctest.Member) {
	t.Helper()
	s.Model.Script(answers)
	for i, who := range members[1:] {
		if err := who.Say(within(t, 10*time.Second), "Why do things fall, "+who.Person.Name+" asks?"); err != nil {
			t.Fatal(err)
		}
		reply := int64(2*i + 2)
		for _, m := range members {
			if err := m.Await(within(t, 20*time.Second), "the agent's answer", func() bool { return m.Last() >= reply }); err != nil {
				t.Fatal(err)
			}
			f := m.Log()[reply-1]
			if f.Type != "message" || f.AgentID != w.AgentIDs[0] || f.Content == "" {
				t.Errorf("got %+v as answer, want the agent's line", f)
			}
			// The last words may have come with the line that has them all.
			if got := streamed(m, f.TurnID); got == "" || !strings.HasPrefix(f.Content, got) {
				t.Errorf("%s saw %q streaming, want the beginning of %q", m.Person.Name, got, f.Content)
			}
		}
	}
	asked := s.Model.Requests()
	if len(asked) != 2 || asked[1].Key != canary || asked[1].Model != "test-model" {
		t.Fatalf("the model got %+v, want 2 requests with the agent's key", asked)
	}
	talk, err := json.Marshal(asked[1].Messages)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Student 1", "Student 2", "This is answer 1"} {
		if !strings.Contains(string(talk), want) {
			t.Errorf("the model was shown %s, want %q in it", talk, want)
		}
	}
}

// streamed joins the deltas of a turn as a client does.
func streamed(m *proctest.Member, turn string) string {
	var text strings.Builder
	for _, f := range m.Others() {
		if f.Type == "delta" && f.TurnID == turn {
			text.WriteString(f.Text)
		}
	}
	return text.String()
}

// refuseKey has the provider refuse the key and repeat it, as OpenAI does.
func refuseKey(t *testing.T, s *proctest.Site, w *proctest.World, members []*proctest.Member) {
	t.Helper()
	s.Model.Script(llmtest.Always(llmtest.Response{Status: http.StatusUnauthorized, Message: "Incorrect API key provided: " + canary}))
	if err := members[1].Say(within(t, 10*time.Second), "And what is light?"); err != nil {
		t.Fatal(err)
	}
	for i, m := range members {
		if err := m.Await(within(t, 20*time.Second), "the failed turn", func() bool { return m.Last() >= 6 }); err != nil {
			t.Fatal(err)
		}
		f := m.Log()[5]
		if f.Type != "turn" || f.State != "failed" {
			t.Errorf("got %+v, want a failed turn", f)
		}
		if staff := i == 0; staff != (f.Reason != "" && f.Detail != "") || !staff && f.Reason+f.Detail != "" {
			t.Errorf("%s was told the reason %q (%q); staff alone is", m.Person.Name, f.Reason, f.Detail)
		}
	}
	lines, err := s.DB().Messages(t.Context(), w.Rooms[0], 0, 100)
	if err != nil || len(lines) != 5 {
		t.Errorf("got %d lines (%v), want 5: a failed turn says nothing", len(lines), err)
	}
}

// noCanary looks for the agent's key wherever it must not be.
func noCanary(t *testing.T, s *proctest.Site, w *proctest.World, nodes *proctest.Nodes, ps []*proctest.Process) {
	t.Helper()
	db := s.DB()
	events, err := db.Events(t.Context(), w.Rooms[0], 0, 100)
	if err != nil {
		t.Fatal(err)
	}
	turns, err := db.Turns(t.Context(), w.Rooms[0], store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	agent, err := db.Agent(t.Context(), w.AgentIDs[0])
	if err != nil {
		t.Fatal(err)
	}
	rows, err := json.Marshal([]any{events, turns, agent})
	if err != nil {
		t.Fatal(err)
	}
	places := map[string]string{"the answers and frames": nodes.Seen(), "the rows": string(rows)}
	for _, p := range ps {
		places["the log of "+p.Name] = p.Log()
	}
	if !s.Postgres() {
		files, err := filepath.Glob(filepath.Join(s.DataDir, "*"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no data files: %v", err)
		}
		for _, name := range files {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			places[name] = string(data)
		}
	}
	for where, text := range places {
		if at := strings.Index(text, canary[3:]); at >= 0 {
			t.Errorf("%s hold the agent's key: %q", where, text[max(0, at-200):at+30])
		}
	}
	if !strings.Contains(places["the answers and frames"], "Galilei") || len(places["the log of "+ps[0].Name]) < 100 {
		t.Error("nothing was recorded")
	}
}
