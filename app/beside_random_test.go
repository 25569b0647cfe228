package app_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
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

var (
	question = regexp.MustCompile(`\bquestion (\d+)\b`)
	upTo     = regexp.MustCompile(`^I have read up to (\d+)`)
)

// highest is the highest number that is found in a text.
func highest(kind *regexp.Regexp, text string) (newest int) {
	for _, m := range kind.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.Atoi(m[1])
		newest = max(newest, n)
	}
	return newest
}

// People call agents at random, of which some are reviewed and one asks others. Each call
// is answered, and no agent answers where nobody has called it since it last read.
func TestBesideAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) { besideAtRandom(t, url, seed) })
		})
	}
}

func besideAtRandom(t *testing.T, url string, seed uint64) {
	patient := func(c *config.Config) { c.Turns.MaxStreak, c.Turns.MaxAttempts = 100, 20 } // all speak that are called
	nodes := []*apptest.Rig{apptest.New(t, url, patient)}
	if strings.HasPrefix(url, "postgres") {
		nodes = append(nodes, apptest.New(t, url, patient, func(c *config.Config) { c.LLM.OpenAI.BaseURL = nodes[0].Model.URL }))
	}
	r := nodes[0]
	nodes[len(nodes)-1].SetRoll(999)
	c := besideClass(t, r)
	equip(t, r, c.Class, turn.CapAgentsAsk)
	active := func(s *app.AgentSettings) { s.IsActive = app.Some(true) }
	agents := []*store.Agent{c.TeacherAgent, c.StudentAgent, newAgentOf(t, r, c.Class, "student", active), newAgentOf(t, r, c.Class, "design", active)}
	for _, ag := range agents[2:] {
		_, err := r.AttachAgent(t.Context(), c.Teacher, c.Room.ID, ag.ID)
		must(t, err)
	}
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 7))
	chance := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return random.IntN(n)
	}
	r.Model.Script(func(q llmtest.Request) llmtest.Response {
		var all string
		for _, m := range q.Messages {
			all += m.Text + "\n"
		}
		resp := llmtest.Response{Text: fmt.Sprintf("I have read up to %d.", highest(question, all)), ChunkRunes: 6, Wait: time.Duration(chance(60)) * time.Millisecond}
		switch {
		case isEvaluation(q):
			resp.Text = yes
		case len(q.Tools) > 0 && q.Messages[len(q.Messages)-1].Role != "tool" && chance(2) == 0:
			resp = use("ask_agent", `{"agent":"Student","question":"Why?"}`)
		case chance(12) == 0:
			resp = llmtest.Response{Status: 503, Message: "busy"}
		}
		return resp
	})
	calls := map[string][]int{}
	for n := 1; n <= 14; n++ {
		text := fmt.Sprintf("question %d", n)
		for _, ag := range agents {
			if chance(5) < 2 {
				text += " @" + ag.Name
				calls[ag.ID] = append(calls[ag.ID], n)
			}
		}
		post(t, nodes[n%len(nodes)], c.Student, c.Room.ID, text)
		if asked := r.Model.Count() + chance(4); n%2 == 0 { // else the next question comes at once
			apptest.Await(t, "the answers to begin", func() bool { return r.Model.Count() >= asked || settled(t, r, c.Room.ID) })
		}
	}
	r.Idle(t, c.Room.ID)

	said := map[string][]int{} // what each agent had read when it spoke
	for _, m := range r.Messages(t, c.Room.ID, 0) {
		if m.ByAgent() {
			said[m.AgentID] = append(said[m.AgentID], highest(upTo, m.Content))
		}
	}
	for _, ag := range agents {
		before := 0
		for _, read := range said[ag.ID] {
			if read <= before || len(between(calls[ag.ID], before, read)) == 0 {
				t.Errorf("%s was called by %v and had read %v: one answer too many", ag.Name, calls[ag.ID], said[ag.ID])
			}
			before = read
		}
		if left := between(calls[ag.ID], before, 100); len(left) > 0 {
			t.Errorf("%s was called by %v and had read %v: %v is not answered", ag.Name, calls[ag.ID], said[ag.ID], left)
		}
	}
	for _, x := range turns(t, r, c.Room.ID) {
		if x.State != store.TurnFinished && x.Reason != "was_read" {
			t.Errorf("got a turn that is %s (%s: %s)", x.State, x.Reason, x.Detail)
		}
	}
}

// settled tells whether nothing is left to do in a room.
func settled(t *testing.T, r *apptest.Rig, room string) bool {
	t.Helper()
	now, err := r.DB.Room(t.Context(), room)
	must(t, err)
	return !now.Undecided() && !slices.ContainsFunc(turns(t, r, room), func(x store.Turn) bool { return unended(&x) })
}

// between are the numbers above from, up to to.
func between(all []int, from, to int) (found []int) {
	for _, n := range all {
		if n > from && n <= to {
			found = append(found, n)
		}
	}
	return found
}
