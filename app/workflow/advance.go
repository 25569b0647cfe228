package workflow

import (
	"errors"
	"fmt"
	"slices"
)

// Step is a node's result. Label chooses the edge that is taken next, for types of
// nodes that have labels.
type Step struct{ Node, Label string }

// Progress says where a run stands.
type Progress struct {
	Ready  []string       // the nodes to do next; several within branches
	Visits map[string]int // how often each node was reached
	Ended  bool           // the run is at a node of type end
	Status string         // Config.Status of that node
}

// The errors when a graph and the steps do not fit together. If Check accepts the graph
// and Advance asked for the steps, only ErrVisits can happen.
var (
	ErrVisits = errors.New("workflow: the run visits too many nodes")
	ErrStuck  = errors.New("workflow: no edge leads on")
	ErrStep   = errors.New("workflow: a step of a node that was not ready")
)

// Advance tells where a run stands after the steps in done, which are in the order in
// which they were done.
func Advance(g *Graph, done []Step) (Progress, error) {
	r := &run{g: g, p: Progress{Visits: map[string]int{}}, arrived: map[string]int{}}
	if err := r.enter(g.Start); err != nil {
		return r.p, err
	}
	for _, s := range done {
		i := slices.Index(r.p.Ready, s.Node)
		if i < 0 {
			return r.p, fmt.Errorf("%w: %s", ErrStep, s.Node)
		}
		r.p.Ready = slices.Delete(r.p.Ready, i, i+1)
		if err := r.leave(s.Node, s.Label); err != nil {
			return r.p, err
		}
	}
	return r.p, nil
}

type run struct {
	g       *Graph
	p       Progress
	arrived map[string]int // how many branches have arrived at each join
	total   int
}

// enter moves the run to a node. A node that only directs the run is left at once.
func (r *run) enter(id string) error {
	n := r.g.Nodes[id]
	if n.Type == Join {
		// A join counts as visited when the last branch arrives.
		r.arrived[id]++
		if r.arrived[id] < r.branches(id) {
			return nil
		}
		r.arrived[id] = 0
	}
	r.p.Visits[id]++
	if n.Type == End {
		r.p.Ended, r.p.Status, r.p.Ready = true, n.Config.Status, nil
		return nil
	}
	if r.total++; r.total >= MaxVisits {
		return ErrVisits
	}
	switch n.Type {
	case Start, Join:
		return r.leave(id, "")
	case Parallel:
		for _, e := range r.g.from(id) {
			if err := r.enter(e.To); err != nil {
				return err
			}
		}
		return nil
	}
	r.p.Ready = append(r.p.Ready, id)
	return nil
}

// leave follows the edge that the node's label asks for.
func (r *run) leave(id, label string) error {
	out := slices.DeleteFunc(r.g.from(id), func(e Edge) bool {
		limit := r.g.Nodes[e.To].Config.MaxVisits
		return limit > 0 && r.p.Visits[e.To] >= limit
	})
	i := slices.IndexFunc(out, func(e Edge) bool { return e.Condition == label })
	if i < 0 {
		i = slices.IndexFunc(out, func(e Edge) bool { return e.Condition == "" })
	}
	if i < 0 {
		return fmt.Errorf("%w from %s with the label %q", ErrStuck, id, label)
	}
	return r.enter(out[i].To)
}

// branches returns how many branches meet in a join.
func (r *run) branches(join string) int {
	for id, n := range r.g.Nodes {
		if n.Type == Parallel && n.Config.Join == join {
			return len(r.g.from(id))
		}
	}
	return 1
}
