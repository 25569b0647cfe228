package legacy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// workflowsOf makes of each workflow one in each course whose rooms use it: the old system's
// belong to no course. attached has the places of the rooms by the workflow.
func (p *plan) workflowsOf(ctx context.Context, attached map[string][]int) error {
	names := map[string]bool{}
	return p.each(ctx, "workflow", []string{"id"}, func(r row) {
		id := r.id("id")
		rooms := attached[id]
		if r.noID() {
			return
		}
		if len(rooms) == 0 {
			p.keep(r, "no room uses the workflow")
			return
		}
		graph, err := p.graph(r.Text("name"), r.json("graph_data"))
		if err == nil {
			err = p.rules.Graph(graph)
		}
		if err != nil {
			p.keep(r, "the workflow has no counterpart here: %v", app.Explain(err))
			return
		}
		made := map[string]string{}
		for _, i := range rooms {
			room := &p.rooms[i]
			if made[room.CourseID] == "" {
				w := store.Workflow{ID: madeOf("workflow", id, room.CourseID), CourseID: room.CourseID, Name: r.titled("name"), Graph: graph,
					CreatedBy: r.account("created_by"), CreatedAt: r.when("created_at"), UpdatedAt: r.when("updated_at"), Version: 1}
				for n := 2; names[w.CourseID+w.Name]; n++ {
					w.Name = fmt.Sprintf("%s (%d)", r.titled("name"), n)
				}
				names[w.CourseID+w.Name], made[room.CourseID] = true, w.ID
				p.workflows = append(p.workflows, w)
			}
			room.Workflow = made[room.CourseID]
		}
		p.report.decide(r.table, id, "is made anew in %d courses: look at it before a class does", len(made))
		p.report.came(r.table)
	})
}

// oldGraph is a workflow of the old system.
type oldGraph struct {
	Nodes []oldNode `json:"nodes"`
	Edges []struct {
		Source    string `json:"source"`
		Target    string `json:"target"`
		Condition string `json:"condition"`
	} `json:"edges"`
}

type oldNode struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Config struct {
		AgentID   string `json:"agent_id"`
		Output    string `json:"output_behavior"`
		Condition string `json:"condition"`
		MaxCycles int    `json:"max_cycles"`
		Action    string `json:"action_type"`
	} `json:"config"`
}

// graph makes a graph of ours of one of the old system. A router there judges a draft by
// itself; here an instructor judges it first, and the router goes by the verdict.
func (p *plan) graph(name string, text store.JSON) (store.JSON, error) {
	var old oldGraph
	if json.Unmarshal([]byte(text), &old) != nil || len(old.Nodes) == 0 {
		return "", errors.New("its graph is empty")
	}
	g := &workflow.Graph{Name: name, Nodes: map[string]workflow.Node{}}
	judge, draft := map[string]string{}, ""
	for _, n := range old.Nodes {
		if n.Type == "agent" {
			draft = "draft"
		}
	}
	for _, n := range old.Nodes {
		if err := p.node(g, n, judge, draft); err != nil {
			return "", err
		}
	}
	for _, e := range old.Edges {
		to := e.Target
		if judge[to] != "" {
			to = judge[to]
		}
		edge := workflow.Edge{From: e.Source, To: to, Condition: e.Condition}
		if e.Condition == workflow.LabelRejected {
			edge.Priority = 1
		}
		g.Edges = append(g.Edges, edge)
	}
	finish(g, judge)
	return store.ToJSON(g), nil
}

// node adds a node of the old system, with the judge of a router before it.
func (p *plan) node(g *workflow.Graph, n oldNode, judge map[string]string, draft string) error {
	switch n.Type {
	case "start":
		g.Start = n.ID
		g.Nodes[n.ID] = workflow.Node{Type: workflow.Start}
	case "end":
		g.Nodes[n.ID] = workflow.Node{Type: workflow.End, Config: workflow.Config{Status: "done"}}
	case "agent":
		who := workflow.WhoSpeaker
		if id, err := uuid.Parse(n.Config.AgentID); err == nil && p.agent[id.String()] != nil {
			who = "agent:" + id.String()
		} else if n.Config.AgentID != "" {
			return fmt.Errorf("it names the agent %q, which does not come", n.Config.AgentID)
		}
		node := workflow.Node{Type: workflow.Agent, Handler: who, Config: workflow.Config{Mode: workflow.ModeSay, Output: draft}}
		if n.Config.Output == "proposal" {
			node.Config.Mode = workflow.ModeDraft
		}
		g.Nodes[n.ID] = node
	case "router":
		if n.Config.Condition != workflow.IsApproved {
			return fmt.Errorf("it has a router by %q", n.Config.Condition)
		}
		judge[n.ID] = "judge " + n.ID
		g.Nodes[judge[n.ID]] = workflow.Node{Type: workflow.Agent, Handler: workflow.WhoInstructor,
			Config: workflow.Config{Mode: workflow.ModeEvaluate, Of: draft, Output: "verdict", MaxVisits: max(n.Config.MaxCycles, 1)}}
		g.Nodes[n.ID] = workflow.Node{Type: workflow.Condition, Handler: workflow.IsApproved, Config: workflow.Config{Of: "verdict"}}
		g.Edges = append(g.Edges, workflow.Edge{From: judge[n.ID], To: n.ID})
	case "action":
		if n.Config.Action != workflow.Broadcast {
			return fmt.Errorf("it has an action %q", n.Config.Action)
		}
		g.Nodes[n.ID] = workflow.Node{Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: draft}}
	case "merge", "tool": // what no way leads to is taken out below
		g.Nodes[n.ID] = workflow.Node{Type: workflow.Type(n.Type)}
	default:
		return fmt.Errorf("it has a node of the unknown type %q", n.Type)
	}
	return nil
}

// finish takes out what no way leads to. A draft that is rejected may be written anew as
// often as the router says; then the run ends, by an edge that is tried last.
func finish(g *workflow.Graph, judge map[string]string) {
	reached, grew := map[string]bool{g.Start: true}, true
	for grew {
		grew = false
		for _, e := range g.Edges {
			if reached[e.From] && !reached[e.To] {
				reached[e.To], grew = true, true
			}
		}
	}
	for id := range g.Nodes {
		if !reached[id] {
			delete(g.Nodes, id)
		}
	}
	g.Edges = slices.DeleteFunc(g.Edges, func(e workflow.Edge) bool { return !reached[e.From] || !reached[e.To] })
	const rejected = "end rejected"
	for _, router := range sortedKeys(judge) {
		if !reached[router] {
			continue
		}
		g.Nodes[rejected] = workflow.Node{Type: workflow.End, Config: workflow.Config{Status: workflow.LabelRejected}}
		g.Edges = append(g.Edges, workflow.Edge{From: router, To: rejected, Condition: workflow.LabelRejected})
		again(g, router, g.Nodes[judge[router]].Config.MaxVisits)
		j := g.Nodes[judge[router]]
		j.Config.MaxVisits = 0
		g.Nodes[judge[router]] = j
	}
}

// again lets a rejected draft be written anew by a node of its own, which is closed after so
// many drafts, and leads where the first draft leads.
func again(g *workflow.Graph, router string, most int) {
	for i, e := range g.Edges {
		writer := g.Nodes[e.To]
		if e.From != router || e.Condition != workflow.LabelRejected || writer.Type != workflow.Agent {
			continue
		}
		id := "revise " + e.To
		for _, out := range g.Edges {
			if out.From == e.To {
				g.Edges = append(g.Edges, workflow.Edge{From: id, To: out.To, Condition: out.Condition})
			}
		}
		writer.Config.Of, writer.Config.MaxVisits = "verdict", most
		g.Nodes[id], g.Edges[i].To = writer, id
	}
}
