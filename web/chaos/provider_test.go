//go:build unix

package chaos

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// TestProvider: every way in which a model provider fails, through the whole
// stack, each in a room of its own. A provider that comes to its senses is
// heard, once and whole; of one that does not the room is told, and nothing of
// it is posted as speech. Nobody else notices.
func TestProvider(t *testing.T) {
	t.Parallel()
	faults := []struct {
		name string
		resp llmtest.Response
		// says is what is stored although the fault lasts; "" is nothing.
		says string
	}{
		{name: "refused", resp: llmtest.Response{Fault: llmtest.Refuse}},
		{name: "no answer", resp: llmtest.Response{Fault: llmtest.Hang}},
		{name: "silence", resp: llmtest.Response{Text: strings.Repeat("Some words. ", 9), Fault: llmtest.Silence}},
		{name: "429", resp: llmtest.Response{Status: 429, RetryAfter: "1", Message: "slow down"}},
		{name: "500", resp: llmtest.Response{Status: 500, Message: "on fire"}},
		{name: "HTML", resp: llmtest.Response{Fault: llmtest.HTML}},
		{name: "broken JSON", resp: llmtest.Response{Fault: llmtest.BrokenJSON}},
		{name: "cut in mid-token", resp: llmtest.Response{Text: strings.Repeat("Some words. ", 9), Fault: llmtest.Cut}},
		{name: "endless", resp: llmtest.Response{Fault: llmtest.Endless, Delay: time.Millisecond}},
		{name: "50 MB", resp: llmtest.Response{Fault: llmtest.Huge}},
		{name: "one byte a second", resp: llmtest.Response{Fault: llmtest.Drip, Delay: time.Second}},
		{name: "tool call without end", resp: llmtest.Response{Fault: llmtest.OpenToolCall}},
		{name: "invalid UTF-8", resp: llmtest.Response{Fault: llmtest.InvalidUTF8}, says: "z"},
	}
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		if !long() && s.Postgres() {
			t.Skip("make chaos runs it; the database is not what fails here")
		}
		w := s.Populate(proctest.To(false, s.Serve()), proctest.Plan{Students: 1, Rooms: 2 * len(faults), Agent: "sk-test"})
		var mu sync.Mutex
		asked := map[string]int{}
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			i := slices.IndexFunc(w.Rooms, func(room string) bool { return strings.Contains(r.LastUser(), room) })
			mu.Lock()
			defer mu.Unlock()
			room := w.Rooms[i]
			if asked[room]++; asked[room] > 1 && i%2 == 0 {
				return llmtest.Response{Text: "Here is the answer in " + room}
			}
			return faults[i/2].resp
		})
		var members []*proctest.Member
		for _, room := range w.Rooms {
			m := s.Join(w.Students[0], room)
			members = append(members, m)
			if err := m.Say(within(t, 20*time.Second), "What do you say in "+room+"?"); err != nil {
				t.Fatal(err)
			}
		}
		began := time.Now()
		o := verdict(t, s, row{fault: "provider", note: fmt.Sprintf("%d ways to fail", len(faults))}, w.Rooms, nil, members)
		t.Logf("all turns ended within %s", time.Since(began))
		for i, room := range w.Rooms {
			f := faults[i/2]
			lines, err := s.DB().Messages(t.Context(), room, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			turns, err := s.DB().Turns(t.Context(), room, store.Page{})
			if err != nil || len(turns) != 1 {
				t.Fatalf("%s: got %d turns (%v), want 1", f.name, len(turns), err)
			}
			want := f.says
			if i%2 == 0 && want == "" {
				want = "Here is the answer in " + room
			}
			turn := turns[0]
			switch {
			case want == "":
				if turn.State != store.TurnFailed || turn.Reason == "" || turn.Detail == "" || len(lines) != 1 {
					t.Errorf("%s, lasting: got %s (%s, %q) and %d lines, want a failed turn with its reason, and nothing said",
						f.name, turn.State, turn.Reason, turn.Detail, len(lines))
				}
			case turn.State != store.TurnFinished || len(lines) != 2 || !strings.Contains(lines[1].Content, want) || strings.Contains(lines[1].Content, "Some words"):
				t.Errorf("%s: got %s (%s, %q) and %+v, want %q as the answer", f.name, turn.State, turn.Reason, turn.Detail, lines[1:], want)
			}
		}
		if o.Replies != len(faults)+1 {
			t.Errorf("got %d replies, want %d", o.Replies, len(faults)+1)
		}
	}, "COAGENT_LLM_FIRST_TOKEN=2s", "COAGENT_LLM_SILENCE=1s", "COAGENT_LLM_TOTAL=8s", "COAGENT_LLM_MAX_BYTES=256KiB")
}
