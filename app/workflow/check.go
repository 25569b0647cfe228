package workflow

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
)

// Handlers are the handlers that nodes may name.
type Handlers struct {
	Agents     func(handler string) bool // tells whether an agent node may name it
	Conditions map[string][]string       // the labels that each of them can return
	Actions    []string
	Tools      []string
}

// The modes of an agent node.
const (
	ModeDraft    = "draft"    // the text is kept, nobody sees it
	ModeEvaluate = "evaluate" // gives a verdict on another output: approved, score, feedback
	ModeSay      = "say"      // the text streams to the room while it is written
)

// Problem is one thing that is wrong with a graph. At is the place: a node's id, or an
// edge as "from -> to". It is empty for the whole graph.
type Problem struct {
	At, Text string
	Wording  wording.Text // Text in every language
}

// String returns the problem as a sentence.
func (p Problem) String() string {
	if p.At == "" {
		return p.Text
	}
	return p.At + ": " + p.Text
}

// Check lists everything that is wrong with a graph. It returns nil when the graph can
// be run.
func Check(g *Graph, h Handlers) []Problem {
	c := &checker{g: g, h: h}
	if c.size(); len(g.Nodes) > MaxNodes || len(g.Edges) > MaxEdges {
		return c.found // otherwise each of the many nodes would be reported
	}
	c.nodes()
	c.edges()
	if len(c.found) == 0 { // the shape can be checked only when the parts are right
		c.reach()
		c.ways()
		c.branches()
	}
	if len(c.found) == 0 {
		c.cycles()
	}
	return c.found
}

type checker struct {
	g     *Graph
	h     Handlers
	found []Problem
}

func (c *checker) say(at, format string, args ...any) {
	c.found = append(c.found, Problem{at, fmt.Sprintf(format, args...), wording.Of(format, args...)})
}

func (c *checker) size() {
	switch n, e := len(c.g.Nodes), len(c.g.Edges); {
	case n > MaxNodes:
		c.say("", "has %d nodes, at most %d are possible", n, MaxNodes)
	case e > MaxEdges:
		c.say("", "has %d edges, at most %d are possible", e, MaxEdges)
	}
	if c.g.Start == "" {
		c.say("", "start_node: is missing; name the node of type start")
	} else if n, ok := c.g.Nodes[c.g.Start]; !ok || n.Type != Start {
		c.say("", "start_node: %q is no node of type start", c.g.Start)
	}
}

func (c *checker) nodes() {
	ends := 0
	for _, id := range c.g.ids() {
		n := c.g.Nodes[id]
		switch {
		case id == "" || len(id) > maxName || strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == '#' }):
			c.say(id, "is no id for a node; use 1 to %d characters without #", maxName)
		case n.Type == Start && id != c.g.Start:
			c.say(id, "is a second start; a graph has one")
		case n.Config.MaxVisits < 0 || n.Config.MaxVisits > MaxVisits:
			c.say(id, "config.max_visits: must be between 1 and %d", MaxVisits)
		case len(n.Config.Instruction)+len(n.Config.Text) > 8000:
			c.say(id, "config: its texts are longer than 8000 bytes")
		}
		if n.Type == End {
			ends++
		}
		c.node(id, n)
	}
	if ends == 0 {
		c.say("", "has no node of type end")
	}
}

// node checks what the type of a node requires.
func (c *checker) node(id string, n Node) {
	known := func(list []string, what string) {
		if !slices.Contains(list, n.Handler) {
			c.say(id, "handler: there is no %s %q; known are %s", what, n.Handler, strings.Join(list, ", "))
		}
	}
	switch n.Type {
	case Start, Join, End:
	case Agent:
		if !c.h.Agents(n.Handler) {
			c.say(id, "handler: says who speaks: speaker, instructor, participant, utility, type:<type> or agent:<id>; not %q", n.Handler)
		}
		if !slices.Contains([]string{"", ModeDraft, ModeEvaluate, ModeSay}, n.Config.Mode) {
			c.say(id, "config.mode: must be draft, evaluate or say, not %q", n.Config.Mode)
		}
		if n.Config.Mode == ModeEvaluate {
			c.refers(id, n.Config.Of)
		}
	case Condition:
		var names []string
		for name := range c.h.Conditions {
			names = append(names, name)
		}
		slices.Sort(names)
		known(names, "condition")
		c.refers(id, n.Config.Of)
	case Action:
		known(c.h.Actions, "action")
		if n.Config.Of != "" {
			c.refers(id, n.Config.Of)
		}
	case Tool:
		known(c.h.Tools, "tool")
		var args map[string]any
		if len(n.Config.Arguments) > 0 && json.Unmarshal(n.Config.Arguments, &args) != nil {
			c.say(id, "config.arguments: must be an object")
		}
	case Human:
		if n.Config.Minutes < 0 || n.Config.Minutes > 30*24*60 {
			c.say(id, "config.minutes: must be between 1 and %d", 30*24*60)
		}
	case Parallel:
		if c.g.Nodes[n.Config.Join].Type != Join {
			c.say(id, "config.join: must name the node of type join where its branches meet, not %q", n.Config.Join)
		}
	default:
		c.say(id, "type: must be start, agent, condition, action, tool, human, parallel, join or end, not %q", n.Type)
	}
}

// refers checks that some node produces the output that another node is about.
func (c *checker) refers(id, output string) {
	for _, n := range c.g.Nodes {
		if output != "" && n.Config.Output == output && (n.Type == Agent || n.Type == Tool) {
			return
		}
	}
	c.say(id, "config.of: must name an output of an agent or a tool, not %q", output)
}

func (c *checker) edges() {
	for _, e := range c.g.Edges {
		at := e.From + " -> " + e.To
		from, ok := c.g.Nodes[e.From]
		to, ok2 := c.g.Nodes[e.To]
		switch {
		case !ok || !ok2:
			c.say(at, "leads from or to a node that does not exist")
		case from.Type == End:
			c.say(at, "leaves an end")
		case to.Type == Start:
			c.say(at, "leads back to the start; a run starts once")
		case e.Condition != "" && !slices.Contains(c.labels(from), e.Condition):
			c.say(at, "condition: %q is no label that %s gives; it gives %s", e.Condition, e.From, orNone(c.labels(from)))
		}
	}
}

func orNone(labels []string) string {
	if len(labels) == 0 {
		return "none"
	}
	return strings.Join(labels, ", ")
}

// labels returns the labels that a node's result can have.
func (c *checker) labels(n Node) []string {
	switch n.Type {
	case Condition:
		return c.h.Conditions[n.Handler]
	case Tool:
		return []string{LabelOK, LabelError}
	case Human:
		return []string{LabelApproved, LabelRejected, LabelExpired}
	}
	return nil
}

// reach checks that every node can be reached from the start, and that every node leads
// to an end.
func (c *checker) reach() {
	seen := c.walk(c.g.Start, func(e Edge) (string, string) { return e.From, e.To })
	ending := map[string]bool{}
	for id, n := range c.g.Nodes {
		if n.Type == End {
			for id := range c.walk(id, func(e Edge) (string, string) { return e.To, e.From }) {
				ending[id] = true
			}
		}
	}
	for _, id := range c.g.ids() {
		switch {
		case !seen[id]:
			c.say(id, "cannot be reached from the start")
		case !ending[id]:
			c.say(id, "leads to no end")
		}
	}
}

func (c *checker) walk(from string, ends func(Edge) (from, to string)) map[string]bool {
	seen, queue := map[string]bool{from: true}, []string{from}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, e := range c.g.Edges {
			if x, y := ends(e); x == at && !seen[y] {
				seen[y] = true
				queue = append(queue, y)
			}
		}
	}
	return seen
}

// ways checks that an edge leads on from every node for every label, even after the
// nodes with a bound have used up their visits.
func (c *checker) ways() {
	for _, id := range c.g.ids() {
		n, out := c.g.Nodes[id], c.g.from(id)
		open := func(label string) bool {
			return slices.ContainsFunc(out, func(e Edge) bool {
				return e.Condition == label && c.g.Nodes[e.To].Config.MaxVisits == 0
			})
		}
		switch {
		case n.Type == End:
		case n.Type == Join && n.Config.MaxVisits > 0:
			c.say(id, "config.max_visits: a join waits for every branch; put the bound on another node")
		case n.Type == Parallel:
			if len(out) < 2 {
				c.say(id, "has fewer than two branches")
			}
		case open(""):
		case n.Type == Condition || n.Type == Tool || n.Type == Human:
			for _, label := range c.labels(n) {
				if !open(label) {
					c.say(id, "has no edge for the label %q that is always open, and none without a condition", label)
				}
			}
		default:
			c.say(id, "has no edge that is always open: one that leads to a node without max_visits")
		}
	}
}

// branches checks that all branches of a parallel node meet in its join.
func (c *checker) branches() {
	owner := map[string]string{} // of each join: its parallel node
	for _, id := range c.g.ids() {
		n := c.g.Nodes[id]
		if n.Type != Parallel {
			continue
		}
		if other := owner[n.Config.Join]; other != "" {
			c.say(id, "meets in %s, as %s does; each parallel node has a join of its own", n.Config.Join, other)
		}
		owner[n.Config.Join] = id
		inside := map[string]string{} // of each node: its branch
		for _, e := range c.g.from(id) {
			if e.Condition != "" || c.g.Nodes[e.To].Config.MaxVisits > 0 {
				c.say(id, "takes all its edges at once: they have no condition, and lead to no node with max_visits")
			}
			c.branch(id, n.Config.Join, e.To, inside)
		}
		for _, e := range c.g.Edges {
			if inside[e.To] != "" && inside[e.From] == "" && e.From != id {
				c.say(e.From+" -> "+e.To, "leads into a branch of %s from outside", id)
			}
			if e.To == n.Config.Join && inside[e.From] == "" {
				c.say(e.From+" -> "+e.To, "leads to the join of %s from outside its branches", id)
			}
		}
	}
	for _, id := range c.g.ids() {
		if c.g.Nodes[id].Type == Join && owner[id] == "" {
			c.say(id, "is the join of no parallel node")
		}
	}
}

func (c *checker) branch(fork, join, first string, inside map[string]string) {
	if first == join {
		c.say(fork, "has a branch with nothing in it")
		return
	}
	queue := []string{first}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		switch was := inside[at]; {
		case was == first:
			continue
		case was != "":
			c.say(at, "belongs to two branches of %s", fork)
			return
		case c.g.Nodes[at].Type == End || at == fork:
			c.say(at, "is reached from a branch of %s before its join %s", fork, join)
			return
		}
		inside[at] = first
		for _, e := range c.g.from(at) {
			if e.To != join {
				queue = append(queue, e.To)
			}
		}
	}
}

// cycles checks that each cycle leads through a node with a bound on its visits.
func (c *checker) cycles() {
	const inProgress, done = 1, 2
	state := map[string]int{}
	var visit func(id string) bool
	visit = func(id string) bool {
		if c.g.Nodes[id].Config.MaxVisits > 0 || state[id] == done {
			return false
		}
		if state[id] == inProgress {
			return true
		}
		state[id] = inProgress
		for _, e := range c.g.from(id) {
			if visit(e.To) {
				c.say(id, "is part of a cycle without a bound; give one of its nodes max_visits")
				break
			}
		}
		state[id] = done
		return false
	}
	for _, id := range c.g.ids() {
		visit(id)
	}
}
