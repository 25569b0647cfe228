package scaling

import (
	"os"
	"strings"
	"testing"
	"time"
)

// From what was measured with one writer the simulation reckons what was measured with
// many, in one room, and on two nodes.
func TestReckonsWhatWasMeasured(t *testing.T) {
	t.Parallel()
	for _, c := range Checks() {
		got := c.Reckon(Measured(), Cores)
		if ratio := got / c.Rate; ratio > Within || ratio < 1/Within {
			t.Errorf("%s: reckoned %.0f posts/s, measured %.0f: not within a factor of %.1f", c.What, got, c.Rate, Within)
		}
	}
}

func TestDocumentHasTheTables(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../../docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range Tables() {
		if !strings.Contains(string(page), table) {
			t.Errorf("docs/scaling.md does not have this table; go run ./web/bench -scaling prints it:\n%s", table)
		}
	}
}

// The simulation obeys what can be reckoned by hand.
func TestSimulationByHand(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	site := func(change func(*Site)) Site {
		s := Site{Nodes: 1, NodeCores: 64, Cores: 64, Flush: 0, Pool: 1000}
		change(&s)
		return s
	}
	for name, test := range map[string]struct {
		cost   Costs
		site   Site
		school School
		want   float64 // posts a second
		first  string
	}{
		"one writer waits for everything, one after the other": {
			Costs{Client: ms, Server: 3 * ms, Database: 3 * ms}, site(func(s *Site) { s.Network, s.Flush = ms, 2*ms }), School{1, 1}, 1000.0 / 12, OfFlush,
		},
		"Postgres with one core": {
			Costs{Database: 2 * ms}, site(func(s *Site) { s.Cores = 1 }), School{50, 50}, 500, OfPostgres,
		},
		"Postgres with four": {
			Costs{Database: 2 * ms}, site(func(s *Site) { s.Cores = 4 }), School{50, 50}, 2000, OfPostgres,
		},
		"two cores, of which others take one": {
			Costs{Database: 2 * ms}, Site{Nodes: 1, Cores: 2, Together: true, Others: 1, Pool: 1000}, School{50, 50}, 500, OfPostgres,
		},
		"two nodes of one core": {
			Costs{Server: 2 * ms}, site(func(s *Site) { s.Nodes, s.NodeCores = 2, 1 }), School{50, 50}, 1000, OfNodes,
		},
		"a flush is shared, so half of the writers wait for the next": {
			Costs{}, site(func(s *Site) { s.Flush = 10 * ms }), School{40, 40}, 40 / 0.010, OfFlush,
		},
		"a room is locked until the log is on the disk": {
			Costs{}, site(func(s *Site) { s.Flush = 10 * ms }), School{40, 1}, 100, OfRoom,
		},
		"connections are held while the disk is waited for": {
			Costs{}, site(func(s *Site) { s.Flush, s.Pool = 10*ms, 4 }), School{40, 40}, 400, OfPool,
		},
	} {
		got := Reckon(test.cost, test.site, test.school)
		if ratio := got.Rate / test.want; ratio < 0.95 || ratio > 1.05 {
			t.Errorf("%s: %.0f posts/s, want %.0f", name, got.Rate, test.want)
		}
		if got.First() != test.first {
			t.Errorf("%s: %s is full first, want %s: %v", name, got.First(), test.first, got.Used)
		}
	}
}

// What a busy machine measures may contradict itself; no cost is less than nothing.
func TestCostsOfABusyMachine(t *testing.T) {
	t.Parallel()
	a := Alone{Client: us, Server: us, Database: us, Row: 2 * us, RowDatabase: 2 * us, RowEach: us, RowMany: 3 * us, RowManyDatabase: 3 * us}
	if got, want := a.Costs(2), (Costs{Client: us, Server: us, Database: us, Reads: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Two cores of a node, of which six tenths may be busy, serve lessons that take a hundredth
// of a core each; and so does Postgres.
func TestLessonsByHand(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	lesson := Lesson{Members: 10, Posts: 1, Answers: 0.5}
	cost := Costs{Server: 2 * ms, Database: 5 * ms, Reads: 2}
	more := More{Turn: 4 * ms, TurnDatabase: 10 * ms, Deliver: ms / 10, Frames: 10}
	// Nodes: 2 + 10 x 0.1 + 0.5 x (4 + 100 x 0.1) = 10 ms; Postgres: 5 + 0.5 x 10 = 10 ms.
	for name, test := range map[string]struct {
		site    Site
		oneNode bool
		want    int
		first   string
	}{
		"the node":                  {Site{Nodes: 1, NodeCores: 2, Cores: 4, Flush: ms}, false, 120, OfNodes},
		"Postgres":                  {Site{Nodes: 1, NodeCores: 4, Cores: 2, Flush: ms}, false, 120, OfPostgres},
		"three nodes, rooms on one": {Site{Nodes: 3, NodeCores: 4, Cores: 2, Flush: ms}, true, 120, OfPostgres},
		// 1.5 events a second, each read by two more nodes at a fifth of 5 ms.
		"three nodes, rooms on all": {Site{Nodes: 3, NodeCores: 4, Cores: 2, Flush: ms}, false, 92, OfPostgres},
	} {
		got := Hold(cost, more, test.site, lesson, test.oneNode)
		if got.Lessons != test.want || got.First != test.first || got.Members != 10*test.want {
			t.Errorf("%s: got %+v, want %d, of which %s are full first", name, got, test.want, test.first)
		}
	}
}

func TestRound(t *testing.T) {
	t.Parallel()
	for n, want := range map[float64]string{0: "0", 4.36: "4.4", 43.6: "44", 436: "440", 4360: "4,400", 43600: "44,000", 0.0436: "0.044", 99.6: "100"} {
		if got := round(n); got != want {
			t.Errorf("round(%v) = %q, want %q", n, got, want)
		}
	}
}
