//go:build unix

package chaos

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestKeys: the first of an agent's three keys is dead, later the second one
// is used up. The agent answers each time, asks no key again that has just
// failed, and none of them shows.
func TestKeys(t *testing.T) {
	t.Parallel()
	const first, second, third = "sk-first-77a1c0de55", "sk-second-88b2c0de66", "sk-third-99c3c0de77"
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve()
		nodes := proctest.To(false, serve)
		nodes.Record()
		w := s.Populate(nodes, proctest.Plan{Students: 1, Rooms: 1, Agent: first})
		var key struct{ ID string }
		w.Teacher.Call(t, http.MethodPost, "/api/v1/users/keys",
			map[string]string{"provider": "openai", "alias": "mine", "api_key": second}, &key)
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+w.AgentIDs[0], map[string]any{"user_key_ids": []string{key.ID}}, nil)
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+w.AgentIDs[0]+"/keys", map[string]string{"room_key": third}, nil)
		m := s.Join(w.Students[0], w.Rooms[0])
		var usedUp atomic.Bool
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			switch {
			case r.Key == first:
				return llmtest.Response{Status: http.StatusUnauthorized, Message: "Incorrect API key provided: " + first}
			case r.Key == second && usedUp.Load():
				return llmtest.Response{Status: http.StatusTooManyRequests, RetryAfter: "3600", Message: "You exceeded your quota with " + second}
			}
			return llmtest.Response{Text: fmt.Sprintf("Answer %d", r.Number)}
		})
		for i, want := range [][]string{{first, second}, {second}, {second, third}, {third}} {
			usedUp.Store(i == 2)
			before := len(s.Model.Requests())
			if err := m.Say(within(t, 10*time.Second), fmt.Sprintf("Question %d", i)); err != nil {
				t.Fatal(err)
			}
			if err := m.Await(within(t, 30*time.Second), "an answer", func() bool { return m.Last() == int64(2*i+2) }); err != nil {
				t.Fatal(err)
			}
			var asked []string
			for _, r := range s.Model.Requests()[before:] {
				asked = append(asked, r.Key)
			}
			if !slices.Equal(asked, want) {
				t.Errorf("question %d: asked with %q, want %q", i, asked, want)
			}
		}
		o := verdict(t, s, row{fault: "first of three keys dead"}, w.Rooms, nil, []*proctest.Member{m})
		if o.Replies != 4 || o.Failed != 0 {
			t.Errorf("got %d replies and %d failed turns, want 4 and 0", o.Replies, o.Failed)
		}
		for _, k := range []string{first, second, third} {
			if strings.Contains(nodes.Seen(), k) || strings.Contains(serve.Log(), k) {
				t.Errorf("the key %s shows in an answer, a frame or the log", k)
			}
		}
	}, "COAGENT_LOG_LEVEL=debug")
}
