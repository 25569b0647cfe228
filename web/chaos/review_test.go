//go:build unix

package chaos

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/web/proctest"
)

// addPupils puts an agent of the class into every room of a world, and keeps
// the teaching ones silent unless they are called.
func addPupils(t *testing.T, w *proctest.World) {
	t.Helper()
	for i, id := range w.AgentIDs {
		var teacher struct {
			ProjectID string `json:"project_id"`
		}
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+id, map[string]any{"trigger_config": map[string]string{"type": "manual"}}, &teacher)
		var pupil struct{ ID string }
		w.Teacher.Call(t, http.MethodPost, "/api/v1/agents/"+teacher.ProjectID, map[string]any{"name": fmt.Sprintf("Pupil %d", i+1), "type": "student",
			"system_prompt": "You learn physics.", "model_provider": "openai", "model": "test-model", "api_key": fmt.Sprintf("sk-pupil-%d", i), "is_active": true,
			"trigger_config": map[string]string{"type": "manual"}}, &pupil)
		w.Teacher.Call(t, http.MethodPost, "/api/v1/rooms/"+w.Rooms[i]+"/agents/"+pupil.ID, nil, nil)
	}
}

var heldAt = regexp.MustCompile(`hold at (\d)`)

// The model calls of a review with one revision, in their order.
const (
	callDraft = iota
	callRefuse
	callRevise
	callApprove
	reviewCalls
)

// reviewed is a model that drafts, refuses the first draft, writes it anew, and
// approves that. A line "hold at 2" has it stop in the middle of the third of
// these calls, once.
type reviewed struct {
	gates [reviewCalls]*llmtest.Gate
	mu    sync.Mutex
	calls map[string]*[reviewCalls]int // by the turn
}

func newReviewed() *reviewed {
	m := &reviewed{calls: map[string]*[reviewCalls]int{}}
	for i := range m.gates {
		m.gates[i] = llmtest.NewGate(0)
	}
	return m
}

func (m *reviewed) answer(r llmtest.Request) llmtest.Response {
	turn, all := namedAfter(r), ""
	for _, said := range r.Messages {
		all += said.Text + "\n"
	}
	judges := strings.Contains(r.System, "review what others want to say")
	call := callDraft
	switch {
	case judges && strings.Contains(r.Messages[len(r.Messages)-2].Text, "second draft"): // behind it is what to do with it
		call = callApprove
	case judges:
		call = callRefuse
	case strings.Contains(all, "name a source"):
		call = callRevise
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.calls[turn] == nil {
		m.calls[turn] = new([reviewCalls]int)
	}
	m.calls[turn][call]++
	resp := llmtest.Response{Text: [...]string{"A first draft of " + turn + ".", `{"approved":false,"score":20,"feedback":"name a source"}`,
		"A second draft of " + turn + ".", `{"approved":true,"score":90,"feedback":""}`}[call]}
	if at := heldAt.FindStringSubmatch(all); at != nil && at[1] == fmt.Sprint(call) && m.calls[turn][call] == 1 {
		resp.Gate = m.gates[call]
	}
	return resp
}

// asked is how often each call of a turn was made.
func (m *reviewed) asked() [][reviewCalls]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all [][reviewCalls]int
	for _, calls := range m.calls {
		all = append(all, *calls)
	}
	return all
}

// onceOrAnew tells whether a review went its whole way once, at most behind a
// beginning of it that a person's newer line has ended.
func onceOrAnew(got, want []string) bool {
	begun := len(got) - len(want)
	return begun >= 0 && begun <= len(want) && slices.Equal(got[begun:], want) && slices.Equal(got[:begun], want[:begun])
}

// wantReviews checks that every turn of a room was reviewed, revised and said
// exactly once, whatever was killed.
func wantReviews(t *testing.T, s *proctest.Site, room string) (turns int) {
	t.Helper()
	db, ctx := s.DB(), t.Context()
	all, err := db.Turns(ctx, room, store.Page{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	events, err := db.Events(ctx, room, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, turn := range all {
		if turn.State != store.TurnFinished {
			t.Errorf("turn %s is %s (%s: %s)", turn.ID, turn.State, turn.Reason, turn.Detail)
		}
		letters, err := db.A2AMessages(ctx, []string{turn.ID})
		if err != nil {
			t.Fatal(err)
		}
		var kinds, traces []string
		for _, l := range letters {
			kinds = append(kinds, l.Type)
		}
		for _, e := range events {
			var body event.Trace
			if e.Type == event.TypeTrace && json.Unmarshal([]byte(e.Body), &body) == nil && body.TurnID == turn.ID {
				traces = append(traces, body.Event)
			}
		}
		if want := []string{"proposal", "evaluation_request", "evaluation_result", "proposal", "evaluation_request", "evaluation_result", "broadcast"}; !onceOrAnew(kinds, want) {
			t.Errorf("turn %s: got the A2A messages %q, want %q", turn.ID, kinds, want)
		}
		if want := []string{"PROPOSAL", "EVAL_REQUEST", "REVISION", "EVAL_REQUEST", "APPROVED"}; !onceOrAnew(traces, want) {
			t.Errorf("turn %s: got the traces %q, want %q", turn.ID, traces, want)
		}
	}
	lines, err := db.Messages(ctx, room, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range lines {
		if !m.ByAgent() {
			continue
		}
		if said[m.Content] || !strings.HasPrefix(m.Content, "A second draft of ") {
			t.Errorf("said twice, or not approved: %q", m.Content)
		}
		said[m.Content] = true
	}
	if len(said) != len(all) {
		t.Errorf("%d turns said %d lines", len(all), len(said))
	}
	return len(all)
}

// TestKillInTheReview: kill -9 while each call of a review is being made: only
// that call is made again.
func TestKillInTheReview(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		model := newReviewed()
		s.Model.Script(model.answer)
		serve := s.Serve("COAGENT_JOBS_IN_SERVE=false")
		victim := serve
		if s.Postgres() {
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: reviewCalls, Agent: "sk-test"})
		addPupils(t, w)
		for call, room := range w.Rooms {
			post(t, w.Students[0], room, fmt.Sprintf("@student hold at %d", call))
		}
		for call, gate := range model.gates {
			select {
			case <-gate.Reached():
			case <-within(t, 20*time.Second).Done():
				t.Fatalf("call %d was not made", call)
			}
		}
		if err := victim.Kill9(); err != nil {
			t.Fatal(err)
		}
		for _, gate := range model.gates {
			gate.Release()
		}
		if _, err := victim.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Settled(within(t, 60*time.Second), w.Rooms...); err != nil {
			t.Fatal(err)
		}
		for _, room := range w.Rooms {
			if got := wantReviews(t, s, room); got != 1 {
				t.Errorf("got %d turns, want 1", got)
			}
		}
		got := model.asked()
		for call := range reviewCalls {
			want := [reviewCalls]int{1, 1, 1, 1}
			want[call] = 2
			if !slices.Contains(got, want) {
				t.Errorf("got the calls %v, want %v: no other call than the one that was cut is made again", got, want)
			}
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// TestKillAtRandomInReviews: kill -9 at random while drafts are reviewed.
func TestKillAtRandomInReviews(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(newReviewed().answer)
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 3, Agent: "sk-test"})
		addPupils(t, w)
		killWhileTalking(t, s, w, victims, "@student line", wantReviews)
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// TestKillAtRandomBeside: kill -9 at random while one agent answers beside another one's
// drafts and reviews.
func TestKillAtRandomBeside(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		reviews := newReviewed()
		var mu sync.Mutex
		spoke := 0
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			if strings.Contains(r.System, "review what others want to say") || strings.Contains(r.System, "You learn physics.") {
				resp := reviews.answer(r)
				resp.Wait = 100 * time.Millisecond                 // others speak meanwhile
				resp.Text = strings.ReplaceAll(resp.Text, "@", "") // it calls nobody
				return resp
			}
			mu.Lock()
			defer mu.Unlock()
			spoke++
			return llmtest.Response{Text: fmt.Sprintf("Answer %d.", spoke), ChunkRunes: 4, Delay: 20 * time.Millisecond}
		})
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 3, Agent: "sk-test"})
		addPupils(t, w)
		beside := 0
		killWhileTalking(t, s, w, victims, "@student and @teacher, message", func(t *testing.T, s *proctest.Site, room string) int {
			t.Helper()
			got, err := s.Check(within(t, 20*time.Second), room, nil)
			if err != nil || got.Whole() != nil {
				t.Errorf("%v, %v", err, got.Whole())
			}
			all, err := s.DB().Turns(t.Context(), room, store.Page{Limit: store.MaxLimit})
			if err != nil {
				t.Fatal(err)
			}
			for _, turn := range all {
				if turn.State != store.TurnFinished && turn.Reason != "was_read" {
					t.Errorf("turn %s is %s (%s: %s)", turn.ID, turn.State, turn.Reason, turn.Detail)
				}
			}
			beside += besideIn(all)
			return len(all)
		}, func() bool {
			return slices.ContainsFunc(w.Rooms, func(room string) bool {
				all, err := s.DB().Turns(t.Context(), room, store.Page{Limit: store.MaxLimit})
				return err == nil && besideIn(all) > 0
			})
		})
		if beside == 0 {
			t.Error("no turn ran beside another one")
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// besideIn counts the pairs of turns that have run beside each other and ended. The time of
// a turn that waited for the floor counts from its last beginning, so some are not seen.
func besideIn(turns []store.Turn) (pairs int) {
	for i, turn := range turns {
		for _, other := range turns[:i] {
			if !turn.StartedAt.IsZero() && !other.StartedAt.IsZero() && other.StartedAt.Before(turn.EndedAt) && turn.StartedAt.Before(other.EndedAt) {
				pairs++
			}
		}
	}
	return pairs
}

// panel is a graph in which three views are written at once and summed up, and
// staff decide whether that is said.
func panel(t *testing.T) json.RawMessage {
	t.Helper()
	g := workflow.Graph{Name: "panel", Start: "start", Nodes: map[string]workflow.Node{
		"start": {Type: workflow.Start}, "fork": {Type: workflow.Parallel, Config: workflow.Config{Join: "join"}}, "join": {Type: workflow.Join},
		"sum": {Type: workflow.Agent, Handler: workflow.WhoInstructor, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "sum", Instruction: "Sum up {{a}}, {{b}} and {{c}}"}},
		"ask": {Type: workflow.Human, Config: workflow.Config{Text: "say the summary"}},
		"say": {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "sum"}}, "end": {Type: workflow.End},
	}, Edges: []workflow.Edge{{From: "start", To: "fork"}, {From: "join", To: "sum"}, {From: "sum", To: "ask"},
		{From: "ask", To: "say", Condition: workflow.LabelApproved}, {From: "ask", To: "end"}, {From: "say", To: "end"}}}
	for _, id := range []string{"a", "b", "c"} {
		g.Nodes[id] = workflow.Node{Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: id, Instruction: "View " + id}}
		g.Edges = append(g.Edges, workflow.Edge{From: "fork", To: id}, workflow.Edge{From: id, To: "join"})
	}
	body, err := json.Marshal(g)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestKillInAGraph: kill -9 while one of three branches is being written, while
// the run waits for a person, and right behind the decision.
func TestKillInAGraph(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve("COAGENT_JOBS_IN_SERVE=false")
		victim := serve
		if s.Postgres() {
			victim = s.Worker()
		}
		kill := func() {
			t.Helper()
			if err := victim.Kill9(); err != nil {
				t.Fatal(err)
			}
			if _, err := victim.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		gate, mu, asked := llmtest.NewGate(0), sync.Mutex{}, map[string]int{}
		s.Model.Script(func(r llmtest.Request) llmtest.Response {
			task := r.Messages[len(r.Messages)-1].Text
			mu.Lock()
			defer mu.Unlock()
			asked[strings.Fields(task)[0]+" "+strings.Fields(task)[1]]++
			resp := llmtest.Response{Text: "This is " + task}
			if strings.Contains(task, "View c") && asked["View c"] == 1 {
				resp.Gate = gate
			}
			return resp
		})
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		addPupils(t, w)
		room := "/api/v1/rooms/" + w.Rooms[0]
		var made struct{ ID string }
		w.Teacher.Call(t, http.MethodPost, "/api/v1/workflows", map[string]any{"course_id": w.CourseID, "name": "panel", "graph": panel(t)}, &made)
		w.Teacher.Call(t, http.MethodPut, room+"/workflow", map[string]any{"workflow_id": made.ID}, nil)
		post(t, w.Students[0], w.Rooms[0], "@student what do you think?")

		ctx := within(t, 30*time.Second)
		for saved := 0; saved < 2; pause(ctx, 20*time.Millisecond) {
			if ctx.Err() != nil {
				t.Fatal("the two branches that are not held were not saved")
			}
			turns, err := s.DB().Turns(ctx, w.Rooms[0], store.Page{})
			if err != nil || len(turns) == 0 {
				continue
			}
			steps, err := s.DB().TurnSteps(ctx, turns[0].ID)
			if err != nil {
				t.Fatal(err)
			}
			saved = len(slices.DeleteFunc(steps, func(st store.TurnStep) bool { return st.Kind != store.StepAgent }))
		}
		<-gate.Reached()
		kill()
		gate.Release()
		step := awaitApproval(t, w, room)
		kill()
		if again := awaitApproval(t, w, room); again != step {
			t.Error("another approval after the kill")
		}
		if a, err := w.Teacher.Try(t.Context(), http.MethodPost, room+"/approvals/"+step, map[string]string{"decision": "approve"}); err != nil || a.Status != http.StatusOK {
			t.Fatalf("got %+v (%v)", a, err)
		}
		kill()
		if err := s.Settled(within(t, 60*time.Second), w.Rooms[0]); err != nil {
			t.Fatal(err)
		}
		lines, err := s.DB().Messages(t.Context(), w.Rooms[0], 0, 100)
		if err != nil || len(lines) != 2 || !strings.HasPrefix(lines[1].Content, "This is Sum up") {
			t.Errorf("got %+v (%v), want one line with the summary", lines, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if asked["View a"] != 1 || asked["View b"] != 1 || asked["View c"] != 2 || asked["Sum up"] != 1 {
			t.Errorf("got the calls %v, want only the branch that was cut twice", asked)
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}
