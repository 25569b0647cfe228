//go:build unix

package chaos

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
	"github.com/coagent-studio/coagent/web/proctest"
)

// equip lets the agents of a world use tools.
func equip(t *testing.T, w *proctest.World) {
	t.Helper()
	for _, id := range w.AgentIDs {
		w.Teacher.Call(t, http.MethodPut, "/api/v1/agents/"+id, map[string]any{
			"capabilities": []string{"artifact:read", "artifact:write", "artifact:delete", "chat:read", "members:read"}}, nil)
	}
}

var (
	saidBy     = regexp.MustCompile(`\(student\): (?:@student )?([^\n]*)`)
	inResult   = regexp.MustCompile(`"artifact_id":"([0-9a-f-]{36})"`)
	paragraphs = `"type":"paragraph"`
)

// namedAfter names the turn of a request in its room: by the last message of a
// person, which no other turn there has as its last one.
func namedAfter(r llmtest.Request) string {
	name := ""
	for _, m := range r.Messages {
		if said := saidBy.FindStringSubmatch(m.Text); said != nil {
			name = said[1]
		}
	}
	return name
}

// worker is a model that makes a document named after its turn, lists what is
// there, appends a paragraph, and says so: four answers, of which each follows
// from what the tools have said. hold may hold the stream of one of them.
func worker(hold func(stage int) *llmtest.Gate) llmtest.Script {
	return func(r llmtest.Request) llmtest.Response {
		name, stage, id := namedAfter(r), 0, ""
		for _, m := range r.Messages {
			if m.Role != "tool" {
				continue
			}
			stage++
			if found := inResult.FindStringSubmatch(m.Text); found != nil && stage == 1 {
				id = found[1]
			}
		}
		resp := llmtest.Response{Text: fmt.Sprintf("Step %d of %s. ", stage, name), Delay: 5 * time.Millisecond, Gate: hold(stage)}
		call := func(name, args string) {
			resp.ToolCalls = []llmtest.ToolCall{{ID: fmt.Sprintf("call_%d", stage), Name: name, Arguments: args}}
		}
		switch stage {
		case 0:
			call("manage_artifact", `{"action":"create","artifact_type":"doc","title":"`+name+`"}`)
		case 1:
			call("list_artifacts", `{}`)
		case 2:
			call("manage_artifact", `{"action":"append","artifact_id":"`+id+`","content":"once"}`)
		}
		return resp
	}
}

// wantOneEach checks that every turn of a room has finished and done its work
// exactly once.
func wantOneEach(t *testing.T, s *proctest.Site, room string) (turns int) {
	t.Helper()
	db, ctx := s.DB(), t.Context()
	all, err := db.Turns(ctx, room, store.Page{Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	made, err := storetest.All(db.Artifacts(ctx, room, "", store.Page{Limit: store.MaxLimit}))
	if err != nil {
		t.Fatal(err)
	}
	for _, turn := range all {
		if turn.State != store.TurnFinished {
			t.Errorf("turn %s is %s (%s: %s)", turn.ID, turn.State, turn.Reason, turn.Detail)
		}
		steps, err := db.TurnSteps(ctx, turn.ID)
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for i, st := range steps {
			if i > 0 && st.N <= steps[i-1].N {
				t.Errorf("turn %s: step %d behind %d", turn.ID, st.N, steps[i-1].N)
			}
			if st.Kind == store.StepTool && st.State == store.StepDone {
				done++
			}
		}
		if done != 3 {
			t.Errorf("turn %s has %d tool steps that are done, want 3", turn.ID, done)
		}
	}
	titles := map[string]int{}
	for _, f := range made {
		if titles[f.Title]++; titles[f.Title] > 1 {
			t.Errorf("%s was made twice", f.Title)
		}
		if n := strings.Count(string(f.Content), paragraphs); n != 1 || f.Version != 2 {
			t.Errorf("%s has %d paragraphs in version %d, want 1 in 2", f.Title, n, f.Version)
		}
	}
	if len(made) != len(all) {
		t.Errorf("%d turns made %d documents", len(all), len(made))
	}
	lines, err := db.Messages(ctx, room, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	said := map[string]bool{}
	for _, m := range lines {
		if m.ByAgent() && (said[m.Content] || strings.Count(m.Content, "Step ") != 4) {
			t.Errorf("said twice, or not as a whole: %q", m.Content)
		}
		said[m.Content] = true
	}
	return len(all)
}

// TestKillAtEachStepOfATurn: kill -9 while the model speaks, at each of the
// answers between which tools run.
func TestKillAtEachStepOfATurn(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve("COAGENT_JOBS_IN_SERVE=false")
		victim := serve
		if s.Postgres() {
			victim = s.Worker()
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		equip(t, w)
		for stage := range 4 {
			gate, once := llmtest.NewGate(0), new(sync.Once)
			s.Model.Script(worker(func(at int) (g *llmtest.Gate) {
				if at == stage {
					once.Do(func() { g = gate })
				}
				return g
			}))
			post(t, w.Students[0], w.Rooms[0], fmt.Sprintf("Line %d", stage))
			select {
			case <-gate.Reached():
			case <-within(t, 20*time.Second).Done():
				t.Fatalf("stage %d was not reached", stage)
			}
			if err := victim.Kill9(); err != nil {
				t.Fatal(err)
			}
			gate.Release()
			if _, err := victim.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := s.Settled(within(t, 60*time.Second), w.Rooms[0]); err != nil {
				t.Fatal(err)
			}
			if got := wantOneEach(t, s, w.Rooms[0]); got != stage+1 {
				t.Fatalf("got %d turns, want %d", got, stage+1)
			}
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// TestKillAtRandomInToolLoops: kill -9 at random while agents use tools.
func TestKillAtRandomInToolLoops(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		s.Model.Script(worker(func(int) *llmtest.Gate { return nil }))
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 3, Agent: "sk-test"})
		equip(t, w)
		killWhileTalking(t, s, w, victims, "Line", wantOneEach)
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

// killWhileTalking kills processes at random while lines are posted into every
// room of a world, and then checks each room; check returns its turns. It goes on for a
// while until there are some turns and until is met.
func killWhileTalking(t *testing.T, s *proctest.Site, w *proctest.World, victims []*proctest.Process, line string,
	check func(t *testing.T, s *proctest.Site, room string) (turns int), until ...func() bool) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	var talking sync.WaitGroup
	for _, room := range w.Rooms {
		talking.Go(func() {
			for k := 0; ctx.Err() == nil; k++ {
				post(t, w.Students[0], room, fmt.Sprintf("%s %d", line, k))
				pause(ctx, 400*time.Millisecond)
			}
		})
	}
	killAll(t, victims, either(40, 5))
	// On a busy machine few turns begin within those kills.
	until = append(until, func() bool { return turnsIn(t, s, w.Rooms) >= 5 })
	for range 30 {
		if !slices.ContainsFunc(until, func(met func() bool) bool { return !met() }) {
			break
		}
		killAll(t, victims, 1)
	}
	stop()
	talking.Wait()
	if err := s.Settled(within(t, 120*time.Second), w.Rooms...); err != nil {
		t.Fatal(err)
	}
	turns := 0
	for _, room := range w.Rooms {
		turns += check(t, s, room)
	}
	if turns < 5 {
		t.Errorf("only %d turns, want more to kill", turns)
	}
}

func turnsIn(t *testing.T, s *proctest.Site, rooms []string) (n int) {
	t.Helper()
	for _, room := range rooms {
		turns, err := s.DB().Turns(t.Context(), room, store.Page{Limit: store.MaxLimit})
		if err != nil {
			t.Fatal(err)
		}
		n += len(turns)
	}
	return n
}

// post says a line over HTTP, again and again until it is acknowledged.
func post(t *testing.T, p *proctest.Person, room, text string) {
	t.Helper()
	id := store.NewID()
	ctx := within(t, 60*time.Second)
	for ctx.Err() == nil {
		if _, a, err := p.Post(ctx, room, id, text); err == nil && a != nil && a.Status < 300 {
			return
		}
		pause(ctx, 100*time.Millisecond)
	}
	t.Errorf("%q was not taken", text)
}

// TestKillAroundAnApproval: kill -9 while a turn waits for a person, right
// behind the decision, and while the turn goes on: the decision is kept, and
// what was allowed is done once.
func TestKillAroundAnApproval(t *testing.T) {
	t.Parallel()
	proctest.Each(t, func(t *testing.T, s *proctest.Site) {
		serve := s.Serve()
		victims := []*proctest.Process{serve}
		if s.Postgres() {
			victims = append(victims, s.Worker())
		}
		w := s.Populate(proctest.To(false, serve), proctest.Plan{Students: 1, Rooms: 1, Agent: "sk-test"})
		equip(t, w)
		at := "/api/v1/rooms/" + w.Rooms[0]
		kill := func() {
			t.Helper()
			for _, p := range victims {
				if err := p.Kill9(); err != nil {
					t.Fatal(err)
				}
				if _, err := p.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		for round, decision := range []string{"approve", "reject", "approve"} {
			var task struct{ ID string }
			w.Teacher.Call(t, http.MethodPost, "/api/v1/workspaces/"+w.Rooms[0]+"/artifacts", map[string]any{"type": "task", "title": fmt.Sprintf("Task %d", round), "content": map[string]any{}}, &task)
			gate, held := llmtest.NewGate(0), atomic.Bool{}
			s.Model.Script(func(r llmtest.Request) llmtest.Response {
				if r.Messages[len(r.Messages)-1].Role != "tool" {
					return llmtest.Response{ToolCalls: []llmtest.ToolCall{{ID: "a", Name: "manage_artifact", Arguments: `{"action":"delete","artifact_id":"` + task.ID + `"}`}}}
				}
				resp := llmtest.Response{Text: fmt.Sprintf("Round %d is over.", round)}
				if held.CompareAndSwap(false, true) {
					resp.Gate = gate
				}
				return resp
			})
			post(t, w.Students[0], w.Rooms[0], fmt.Sprintf("Delete task %d", round))
			step := awaitApproval(t, w, at)
			kill()
			if again := awaitApproval(t, w, at); again != step {
				t.Errorf("round %d: another approval after the kill", round)
			}
			a, err := w.Teacher.Try(t.Context(), http.MethodPost, at+"/approvals/"+step, map[string]string{"decision": decision})
			if err != nil || a.Status != http.StatusOK {
				t.Fatalf("round %d: got %+v (%v)", round, a, err)
			}
			kill()
			select {
			case <-gate.Reached():
			case <-within(t, 30*time.Second).Done():
				t.Fatal("the turn did not go on")
			}
			kill()
			gate.Release()
			if err := s.Settled(within(t, 60*time.Second), w.Rooms[0]); err != nil {
				t.Fatal(err)
			}
			wantDecided(t, s, w, step, task.ID, decision, round)
		}
	}, "COAGENT_TURNS_MAX_ATTEMPTS=20")
}

func awaitApproval(t *testing.T, w *proctest.World, at string) string {
	t.Helper()
	ctx := within(t, 30*time.Second)
	for ctx.Err() == nil {
		var all []struct {
			StepID string `json:"step_id"`
		}
		if a, err := w.Teacher.Try(ctx, http.MethodGet, at+"/approvals", nil); err == nil && a.Status == http.StatusOK && a.Decode(&all) == nil && len(all) == 1 {
			return all[0].StepID
		}
		pause(ctx, 50*time.Millisecond)
	}
	t.Fatal("nothing waits for a person")
	return ""
}

func wantDecided(t *testing.T, s *proctest.Site, w *proctest.World, step, task, decision string, round int) {
	t.Helper()
	db, ctx := s.DB(), t.Context()
	row, err := db.StepInRoom(ctx, w.Rooms[0], step)
	if err != nil {
		t.Fatal(err)
	}
	f, err := db.Artifact(ctx, task)
	if err != nil {
		t.Fatal(err)
	}
	state, version := store.StepDone, 2
	if decision == "reject" {
		state, version = store.StepRejected, 1
	}
	if row.State != state || row.DecidedBy != w.Teacher.ID || f.Deleted() != (decision == "approve") || f.Version != version {
		t.Errorf("round %d: the step is %s by %q, the task deleted %v in version %d", round, row.State, row.DecidedBy, f.Deleted(), f.Version)
	}
	lines, err := db.Messages(ctx, w.Rooms[0], 0, 100)
	if err != nil || len(lines) != 2*(round+1) || lines[len(lines)-1].Content != fmt.Sprintf("Round %d is over.", round) {
		t.Errorf("round %d: got %d lines (%v)", round, len(lines), err)
	}
	turns, err := db.Turns(ctx, w.Rooms[0], store.Page{})
	if err != nil || len(turns) != round+1 || turns[0].State != store.TurnFinished {
		t.Errorf("round %d: got %+v (%v)", round, turns, err)
	}
}
