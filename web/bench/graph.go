//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

const (
	graphMembers = 10
	graphPosts   = 5 // in a round
	// graphWait is how long the model waits before each answer. That is short for a
	// model, so the engine's own time weighs more than in a class.
	graphWait = 300 * time.Millisecond
)

// benchGraph measures the time from a post until the answer is stored and seen: three
// agents think at once, and a fourth call sums up. It compares this with the critical
// path, two bare model calls one after the other.
func benchGraph(l *lab) error {
	for _, kind := range l.databases() {
		if err := l.graph(kind); err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) graph(kind string) (err error) {
	a, err := l.answers(kind, graphMembers, providerArgs{Text: modelAnswer, Wait: graphWait}, panel)
	defer func() { err = errors.Join(err, a.end()) }()
	if err != nil {
		return err
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: modelStreams}}
	f := &figure{name: "graph: 3 agents at once and a synthesis, p50", db: kind, unit: "ms", aim: aim{ratioAtMost, 1.15},
		note: fmt.Sprintf("floor: 2 bare model calls in a row, of %s each", graphWait)}
	for i := range l.rounds + 1 {
		var got, floor []time.Duration
		before, err := a.ours.usage()
		if err != nil {
			return err
		}
		for range graphPosts {
			t, err := l.turnOnce(a.class)
			if err != nil {
				return err
			}
			got = append(got, t.whole)
		}
		after, err := a.ours.usage()
		if err != nil {
			return err
		}
		for range graphPosts {
			start := time.Now()
			for range 2 {
				if _, err := bareCall(l.ctx, client, a.provider.addr); err != nil {
					return err
				}
			}
			floor = append(floor, time.Since(start))
		}
		if i == 0 {
			continue // warms up
		}
		f.got, f.floor = append(f.got, milliseconds(median(got))), append(f.floor, milliseconds(median(floor)))
		f.cpu = append(f.cpu, (after.CPU-before.CPU)/graphPosts)
	}
	l.table.add(f)
	return nil
}

// panel makes a workflow in which three agents think at once and the agent that the post
// calls sums up.
func panel(ctx context.Context, tx *store.Tx, c *class) error {
	g := workflow.Graph{Name: "panel", Start: "start", Nodes: map[string]workflow.Node{
		"start": {Type: workflow.Start},
		"fork":  {Type: workflow.Parallel, Config: workflow.Config{Join: "join"}},
		"join":  {Type: workflow.Join},
		"sum":   {Type: workflow.Agent, Handler: workflow.WhoSpeaker, Config: workflow.Config{Mode: workflow.ModeDraft, Output: "sum", Instruction: "Sum up {{a}}, {{b}} and {{c}}."}},
		"say":   {Type: workflow.Action, Handler: workflow.Broadcast, Config: workflow.Config{Of: "sum"}},
		"end":   {Type: workflow.End},
	}, Edges: []workflow.Edge{{From: "start", To: "fork"}, {From: "join", To: "sum"}, {From: "sum", To: "say"}, {From: "say", To: "end"}}}
	others, err := c.addAgents(ctx, tx, `{"type":"manual"}`, "Kepler", "Newton")
	if err != nil {
		return err
	}
	who := []string{workflow.WhoSpeaker, "agent:" + others[0], "agent:" + others[1]}
	for i, id := range []string{"a", "b", "c"} {
		g.Nodes[id] = workflow.Node{Type: workflow.Agent, Handler: who[i], Config: workflow.Config{Mode: workflow.ModeDraft, Output: id, Instruction: "Give your view."}}
		g.Edges = append(g.Edges, workflow.Edge{From: "fork", To: id}, workflow.Edge{From: id, To: "join"})
	}
	body, err := json.Marshal(g)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Microsecond)
	w := &store.Workflow{ID: store.NewID(), CourseID: c.course, Name: g.Name, Graph: store.JSON(body), CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := tx.CreateWorkflow(ctx, w); err != nil {
		return err
	}
	return tx.SetRoomWorkflow(ctx, c.room, w.ID)
}
