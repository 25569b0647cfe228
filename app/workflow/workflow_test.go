package workflow

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var known = Handlers{
	Agents:     func(h string) bool { return slices.Contains([]string{"speaker", "instructor", "participant"}, h) },
	Conditions: map[string][]string{IsApproved: {LabelApproved, LabelRejected}, "contains": {"yes", "no"}},
	Actions:    []string{Broadcast, "note"},
	Tools:      []string{"read_artifact"},
}

// steps runs a graph to its end, with choose for the labels, and returns what
// was done.
func steps(t *testing.T, g *Graph, choose func(node string, labels []string) string) ([]Step, Progress) {
	t.Helper()
	var done []Step
	for range 2 * MaxVisits {
		p, err := Advance(g, done)
		if err != nil {
			t.Fatalf("got %v after %v, want the run to go on", err, done)
		}
		if p.Ended {
			return done, p
		}
		if len(p.Ready) == 0 {
			t.Fatalf("got nothing ready and no end after %v", done)
		}
		node := p.Ready[0]
		c := &checker{g: g, h: known}
		done = append(done, Step{node, choose(node, c.labels(g.Nodes[node]))})
	}
	t.Fatalf("got no end after %d steps", len(done))
	return nil, Progress{}
}

func TestReview(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		revisions int
		verdicts  string // one letter each: a approved, r rejected
		want      string
		status    string
	}{
		{"Approved", 1, "a", "generate_proposal evaluate check_approval broadcast", LabelApproved},
		{"Rejected", 0, "r", "generate_proposal evaluate check_approval", LabelRejected},
		{"ApprovedAfterRevision", 1, "ra", "generate_proposal evaluate check_approval revise evaluate check_approval broadcast", LabelApproved},
		{"RejectedAfterRevision", 1, "rr", "generate_proposal evaluate check_approval revise evaluate check_approval", LabelRejected},
		{"ThreeRevisions", 3, "rrra", "generate_proposal evaluate check_approval revise evaluate check_approval revise evaluate check_approval revise evaluate check_approval broadcast", LabelApproved},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := Review(tt.revisions)
			if bad := Check(g, known); bad != nil {
				t.Fatalf("got %v, want a graph without problems", bad)
			}
			verdicts := tt.verdicts
			done, end := steps(t, g, func(_ string, labels []string) string {
				if len(labels) == 0 {
					return ""
				}
				v := verdicts[0]
				verdicts = verdicts[1:]
				return map[byte]string{'a': LabelApproved, 'r': LabelRejected}[v]
			})
			var got []string
			for _, s := range done {
				got = append(got, s.Node)
			}
			if strings.Join(got, " ") != tt.want || end.Status != tt.status {
				t.Errorf("got %v ending %q, want %v ending %q", got, end.Status, tt.want, tt.status)
			}
		})
	}
}

func TestDirect(t *testing.T) {
	t.Parallel()
	if bad := Check(Direct(), known); bad != nil {
		t.Fatalf("got %v, want a graph without problems", bad)
	}
	done, end := steps(t, Direct(), func(string, []string) string { return "" })
	if len(done) != 2 || end.Status != "said" {
		t.Errorf("got %v ending %q, want generate and broadcast ending said", done, end.Status)
	}
}

// forked is three agents at once and a synthesis.
func forked() *Graph {
	g := &Graph{Name: "forked", Start: "s", Nodes: map[string]Node{
		"s": {Type: Start}, "fork": {Type: Parallel, Config: Config{Join: "join"}}, "join": {Type: Join},
		"sum": {Type: Agent, Handler: "instructor", Config: Config{Output: "sum"}}, "end": {Type: End},
	}, Edges: []Edge{{From: "s", To: "fork"}, {From: "join", To: "sum"}, {From: "sum", To: "end"}}}
	for _, id := range []string{"a", "b", "c"} {
		g.Nodes[id] = Node{Type: Agent, Handler: "participant", Config: Config{Output: id}}
		g.Edges = append(g.Edges, Edge{From: "fork", To: id}, Edge{From: id, To: "join"})
	}
	return g
}

func TestParallel(t *testing.T) {
	t.Parallel()
	g := forked()
	if bad := Check(g, known); bad != nil {
		t.Fatalf("got %v, want a graph without problems", bad)
	}
	p, err := Advance(g, nil)
	if err != nil || !slices.Equal(p.Ready, []string{"a", "b", "c"}) {
		t.Fatalf("got %v, %v, want a, b and c at once", p.Ready, err)
	}
	// In whatever order they end, the join waits for the last.
	p, err = Advance(g, []Step{{Node: "c"}, {Node: "a"}})
	if err != nil || !slices.Equal(p.Ready, []string{"b"}) {
		t.Fatalf("got %v, %v, want b alone", p.Ready, err)
	}
	p, err = Advance(g, []Step{{Node: "c"}, {Node: "a"}, {Node: "b"}})
	if err != nil || !slices.Equal(p.Ready, []string{"sum"}) || p.Visits["join"] != 1 {
		t.Fatalf("got %v, %v, want the synthesis", p, err)
	}
}

func TestCheckFinds(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Graph)
		want   string
	}{
		{"NoStart", func(g *Graph) { g.Start = "" }, "start_node: is missing"},
		{"StartIsNoStart", func(g *Graph) { g.Start = "evaluate" }, `start_node: "evaluate" is no node of type start`},
		{"TwoStarts", func(g *Graph) { g.Nodes["other"] = Node{Type: Start} }, "other: is a second start"},
		{"NoEnd", func(g *Graph) { delete(g.Nodes, "end_approved"); delete(g.Nodes, "end_rejected") }, "has no node of type end"},
		{"UnknownType", func(g *Graph) { g.Nodes["x"] = Node{Type: "wait"} }, `x: type: must be start`},
		{"UnknownAgent", func(g *Graph) { g.Nodes[NodeDraft] = Node{Type: Agent, Handler: "somebody"} }, "generate_proposal: handler: says who speaks"},
		{"UnknownMode", func(g *Graph) {
			g.Nodes[NodeDraft] = Node{Type: Agent, Handler: WhoSpeaker, Config: Config{Mode: "sing"}}
		}, "config.mode: must be"},
		{"UnknownCondition", func(g *Graph) { g.Nodes["check_approval"] = Node{Type: Condition, Handler: "maybe"} }, "check_approval: handler: there is no condition"},
		{"UnknownAction", func(g *Graph) { g.Nodes["broadcast"] = Node{Type: Action, Handler: "shout"} }, "broadcast: handler: there is no action"},
		{"UnknownTool", func(g *Graph) { g.Nodes["broadcast"] = Node{Type: Tool, Handler: "rm"} }, "broadcast: handler: there is no tool"},
		{"UnknownOutput", func(g *Graph) {
			g.Nodes["broadcast"] = Node{Type: Action, Handler: Broadcast, Config: Config{Of: "nothing"}}
		}, "broadcast: config.of: must name an output"},
		{"EdgeToNowhere", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "start", To: "gone"}) }, "start -> gone: leads from or to a node that does not exist"},
		{"EdgeOutOfEnd", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "end_approved", To: "evaluate"}) }, "leaves an end"},
		{"EdgeToStart", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "evaluate", To: "start"}) }, "leads back to the start"},
		{"UnknownLabel", func(g *Graph) { g.Edges[3].Condition = "perhaps" }, `condition: "perhaps" is no label that check_approval gives`},
		{"LabelOfAnAgent", func(g *Graph) { g.Edges[1].Condition = "good" }, "it gives none"},
		{"LabelWithoutEdge", func(g *Graph) { g.Edges = slices.Delete(g.Edges, 4, 5) }, `check_approval: has no edge for the label "rejected" that is always open`},
		{"Unreachable", func(g *Graph) {
			g.Nodes["lost"] = Node{Type: Agent, Handler: WhoSpeaker}
			g.Edges = append(g.Edges, Edge{From: "lost", To: "end_approved"})
		}, "lost: cannot be reached from the start"},
		{"DeadEnd", func(g *Graph) {
			g.Nodes["pit"] = Node{Type: Agent, Handler: WhoSpeaker}
			g.Edges = append(g.Edges, Edge{From: "evaluate", To: "pit"})
		}, "pit: leads to no end"},
		{"EndlessCycle", func(g *Graph) {
			n := g.Nodes[NodeRevise]
			n.Config.MaxVisits = 0
			g.Nodes[NodeRevise] = n
		}, "is part of a cycle without a bound"},
		{"NegativeBound", func(g *Graph) {
			g.Nodes["broadcast"] = Node{Type: Action, Handler: Broadcast, Config: Config{MaxVisits: -1}}
		}, "config.max_visits: must be"},
		{"BadArguments", func(g *Graph) {
			g.Nodes["broadcast"] = Node{Type: Tool, Handler: "read_artifact", Config: Config{Arguments: json.RawMessage(`[1]`)}}
		}, "config.arguments: must be an object"},
		{"LongWait", func(g *Graph) { g.Nodes["broadcast"] = Node{Type: Human, Config: Config{Minutes: 1e9}} }, "config.minutes: must be"},
		{"ForkWithoutJoin", func(g *Graph) { g.Nodes["broadcast"] = Node{Type: Parallel} }, "config.join: must name"},
		{"JoinWithoutFork", func(g *Graph) { g.Nodes["broadcast"] = Node{Type: Join} }, "is the join of no parallel node"},
		{"TooManyNodes", func(g *Graph) {
			for i := range MaxNodes {
				g.Nodes[fmt.Sprint(i)] = Node{Type: End}
			}
		}, "at most 100 are possible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := Review(1)
			tt.change(g)
			wantProblem(t, g, tt.want)
		})
	}
}

func TestCheckFindsInBranches(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Graph)
		want   string
	}{
		{"Left", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "a", To: "end"}) }, "end: is reached from a branch of fork before its join"},
		{"Entered", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "sum", To: "a"}) }, "sum -> a: leads into a branch of fork from outside"},
		{"Shared", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "a", To: "b"}) }, "b: belongs to two branches of fork"},
		{"Empty", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "fork", To: "join"}) }, "fork: has a branch with nothing in it"},
		{"JoinedFromOutside", func(g *Graph) { g.Edges = append(g.Edges, Edge{From: "sum", To: "join"}) }, "leads to the join of fork from outside"},
		{"Bounded", func(g *Graph) {
			g.Nodes["a"] = Node{Type: Agent, Handler: "participant", Config: Config{Output: "a", MaxVisits: 1}}
		}, "lead to no node with max_visits"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			g := forked()
			tt.change(g)
			wantProblem(t, g, tt.want)
		})
	}
}

func wantProblem(t *testing.T, g *Graph, want string) {
	t.Helper()
	bad := Check(g, known)
	if !slices.ContainsFunc(bad, func(p Problem) bool { return strings.Contains(p.String(), want) }) {
		t.Errorf("got %v, want a problem with %q", bad, want)
	}
}

func TestAdvanceRefuses(t *testing.T) {
	t.Parallel()
	if _, err := Advance(Direct(), []Step{{Node: "broadcast"}}); !errors.Is(err, ErrStep) {
		t.Errorf("got %v for a step that was not ready, want %v", err, ErrStep)
	}
	endless := &Graph{Start: "s", Nodes: map[string]Node{"s": {Type: Start}, "a": {Type: Agent}}, Edges: []Edge{{From: "s", To: "a"}, {From: "a", To: "a"}}}
	done := slices.Repeat([]Step{{Node: "a"}}, MaxVisits)
	if _, err := Advance(endless, done); !errors.Is(err, ErrVisits) {
		t.Errorf("got %v for an endless run, want %v", err, ErrVisits)
	}
	if _, err := Advance(&Graph{Start: "s", Nodes: map[string]Node{"s": {Type: Start}}}, nil); !errors.Is(err, ErrStuck) {
		t.Errorf("got %v without an edge, want %v", err, ErrStuck)
	}
}

// TestAcceptedGraphsEnd: whatever Check accepts runs to an end under every
// choice of labels and every order of branches, and its run can be taken up
// after any of its steps.
func TestAcceptedGraphsEnd(t *testing.T) {
	t.Parallel()
	accepted := 0
	for seed := range uint64(100000) {
		rnd := rand.New(rand.NewPCG(seed, 7))
		g := random(rnd)
		if Check(g, known) != nil {
			continue
		}
		accepted++
		finish(t, g, rnd)
	}
	if accepted < 200 {
		t.Errorf("got %d graphs that are accepted, want enough for the test to mean something", accepted)
	}
}

// finish runs a graph with random choices and checks what must hold.
func finish(t *testing.T, g *Graph, rnd *rand.Rand) {
	t.Helper()
	var done []Step
	var states []Progress
	for {
		p, err := Advance(g, done)
		if errors.Is(err, ErrVisits) {
			return
		}
		if err != nil || !p.Ended && len(p.Ready) == 0 {
			t.Fatalf("got %v, %+v after %v in %s", err, p, done, toJSON(t, g))
		}
		states = append(states, p)
		if p.Ended {
			break
		}
		node := p.Ready[rnd.IntN(len(p.Ready))]
		label := ""
		if labels := (&checker{g: g, h: known}).labels(g.Nodes[node]); len(labels) > 0 {
			label = labels[rnd.IntN(len(labels))]
		}
		done = append(done, Step{node, label})
	}
	for i := range done {
		if p, err := Advance(g, done[:i]); err != nil || !reflect.DeepEqual(p, states[i]) {
			t.Fatalf("got %+v, %v when taken up after %d steps, want %+v", p, err, i, states[i])
		}
	}
	for id, n := range g.Nodes {
		if n.Config.MaxVisits > 0 && states[len(states)-1].Visits[id] > n.Config.MaxVisits {
			t.Fatalf("got %d visits of %s, want at most %d in %s", states[len(states)-1].Visits[id], id, n.Config.MaxVisits, toJSON(t, g))
		}
	}
}

// random is a graph of a few nodes that may be anything, but often is right.
func random(rnd *rand.Rand) *Graph {
	g := &Graph{Name: "random", Start: "s", Nodes: map[string]Node{"s": {Type: Start}, "e": {Type: End}}}
	ids := []string{"e"}
	for i := range 2 + rnd.IntN(5) {
		id := fmt.Sprint("n", i)
		n := Node{Type: Agent, Handler: "speaker", Config: Config{Output: "out"}}
		switch rnd.IntN(8) {
		case 0, 1:
			n = Node{Type: Condition, Handler: IsApproved, Config: Config{Of: "out"}}
		case 2:
			n = Node{Type: Parallel, Config: Config{Join: fmt.Sprint("n", i+1+rnd.IntN(2))}}
		case 3:
			n = Node{Type: Join}
		case 4:
			n = Node{Type: Human}
		}
		if rnd.IntN(4) == 0 {
			n.Config.MaxVisits = 1 + rnd.IntN(3)
		}
		g.Nodes[id] = n
		ids = append(ids, id)
	}
	link := func(from string) {
		e := Edge{From: from, To: ids[rnd.IntN(len(ids))], Priority: rnd.IntN(2)}
		if labels := (&checker{g: g, h: known}).labels(g.Nodes[from]); len(labels) > 0 && rnd.IntN(2) == 0 {
			e.Condition = labels[rnd.IntN(len(labels))]
		}
		g.Edges = append(g.Edges, e)
	}
	link("s")
	for _, id := range ids[1:] {
		for range 1 + rnd.IntN(2) {
			link(id)
		}
	}
	return g
}

func toJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParse(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`[]`:                            "is no graph",
		`{"nodes":[]}`:                  "nodes: is array where an object is expected",
		`{"edges":[{"priority":"x"}]}`:  "is string where a number is expected",
		strings.Repeat(" ", maxBytes+1): "bytes, at most",
	} {
		if _, err := Parse([]byte(body)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%.40s): got %v, want %q", body, err, want)
		}
	}
	again, err := Parse(toJSON(t, Review(2)))
	if err != nil || !reflect.DeepEqual(again, Review(2)) {
		t.Errorf("got %+v, %v, want what was written", again, err)
	}
}

// FuzzGraph: no text that claims to be a graph makes Check or a run of it
// panic or go on for ever.
func FuzzGraph(f *testing.F) {
	for _, g := range []*Graph{Direct(), Review(0), Review(3), forked()} {
		b, err := json.Marshal(g)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint64(1))
	}
	f.Fuzz(func(t *testing.T, body []byte, seed uint64) {
		g, err := Parse(body)
		if err != nil {
			return
		}
		if Check(g, known) == nil {
			finish(t, g, rand.New(rand.NewPCG(seed, 1)))
		}
	})
}
