// Package workflow describes an agent's turn as a graph, and says which nodes come
// next.
//
// It is a leaf and pure: it knows neither rooms nor models nor clocks. Check lists what
// is wrong with a graph. Advance tells where a run stands after the steps that are
// done. The caller does what the ready nodes ask for, keeps each result as a Step and
// calls Advance again. The steps alone decide what comes next, so another process can
// continue a run after any interruption.
//
// Invariants of a graph that Check accepts:
//   - Every run ends: each cycle leads through a node with a bound on its visits.
//   - No run gets stuck: from every node an edge leads on, whatever the label.
//   - The branches of a parallel node meet in its join and nowhere else.
package workflow

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
)

// Type is what a node does.
type Type string

// The types of nodes. Start, parallel, join and end only direct the run: they leave no
// Step.
const (
	Start     Type = "start"
	Agent     Type = "agent"     // an agent speaks; Handler says who
	Condition Type = "condition" // a choice; Handler gives the label of the edge
	Action    Type = "action"    // something that the program does; Handler says what
	Tool      Type = "tool"      // a tool call; Handler is its name; labels ok and error
	Human     Type = "human"     // a person decides; labels approved, rejected and expired
	Parallel  Type = "parallel"  // takes all its edges at once, until Config.Join
	Join      Type = "join"      // where the branches of a parallel node meet
	End       Type = "end"       // the run is over; Config.Status says how
)

// The labels of condition, tool and human nodes.
const (
	LabelOK       = "ok"
	LabelError    = "error"
	LabelYes      = "yes"
	LabelNo       = "no"
	LabelApproved = "approved"
	LabelRejected = "rejected"
	LabelExpired  = "expired"
)

// Bounds of a graph and of one run.
const (
	MaxNodes  = 100
	MaxEdges  = 400
	MaxVisits = 200 // of all nodes of a run together, Start and End among them
	maxName   = 64
	maxBytes  = 64 << 10
)

// Config is the settings of a node. The node's type decides which members count.
type Config struct {
	Instruction string          `json:"instruction,omitempty"` // agent: what it is asked to do
	Mode        string          `json:"mode,omitempty"`        // agent: draft, evaluate or say
	Output      string          `json:"output,omitempty"`      // agent, tool: the name under which other nodes refer to the result
	Of          string          `json:"of,omitempty"`          // agent, condition, action: the output that the node is about
	Text        string          `json:"text,omitempty"`        // condition, action, human: a text to look for, to say, to ask
	Min         *float64        `json:"min,omitempty"`         // condition: the least score
	Arguments   json.RawMessage `json:"arguments,omitempty"`   // tool: a JSON object
	Minutes     int             `json:"minutes,omitempty"`     // human: the time to decide; agent: for a late answer from outside
	Join        string          `json:"join,omitempty"`        // parallel: where its branches meet
	Status      string          `json:"status,omitempty"`      // end: how the run ended, for example approved
	MaxVisits   int             `json:"max_visits,omitempty"`  // after so many visits, edges to the node are closed
}

// Node is one node of a graph.
type Node struct {
	Type    Type   `json:"type"`
	Handler string `json:"handler,omitempty"`
	Config  Config `json:"config,omitzero"`
}

// Edge leads from one node to another. A node takes an edge whose Condition is the
// label of its result, or, if there is none, an edge without a Condition. Among several
// it takes the one with the highest Priority.
type Edge struct {
	From      string `json:"from"`
	To        string `json:"to"`
	Condition string `json:"condition,omitempty"`
	Priority  int    `json:"priority,omitempty"`
}

// Graph is a workflow.
type Graph struct {
	Name  string          `json:"name"`
	Start string          `json:"start_node"`
	Nodes map[string]Node `json:"nodes"`
	Edges []Edge          `json:"edges"`
}

// Parse reads a graph. It does not check the graph; Check does.
func Parse(data []byte) (*Graph, error) {
	if len(data) > maxBytes {
		return nil, wording.Errorf("has %d bytes, at most %d are possible", len(data), maxBytes)
	}
	g := new(Graph)
	if err := json.Unmarshal(data, g); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return nil, wording.Errorf("%s: is %s where %s is expected", wrong.Field, wrong.Value, jsonKind(wrong.Type.Kind().String()))
		}
		return nil, wording.Errorf("is no graph: expected an object with name, start_node, nodes and edges")
	}
	return g, nil
}

func jsonKind(kind string) string {
	switch {
	case strings.HasPrefix(kind, "int"), strings.HasPrefix(kind, "float"), kind == "ptr":
		return "a number"
	case kind == "slice":
		return "a list"
	case kind == "struct", kind == "map":
		return "an object"
	}
	return "a " + kind
}

// from lists the edges that leave a node, in the order in which they are tried.
func (g *Graph) from(id string) []Edge {
	var out []Edge
	for _, e := range g.Edges {
		if e.From == id {
			out = append(out, e)
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Priority > out[j].Priority })
	return out
}

// ids lists the nodes in a fixed order.
func (g *Graph) ids() []string { return slices.Sorted(maps.Keys(g.Nodes)) }
