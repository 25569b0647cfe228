package turn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// A turn may carry a graph (app/workflow). This file runs the ready nodes of the
// graph and keeps each result as a step of the turn, so that an attempt continues
// where the one before it stopped. Nodes of parallel branches run at once. What each
// kind of node does is in graph_nodes.go.

// Reasons why a turn with a graph ended without a message, or was parked.
const (
	reasonUnread = "unread"   // the reviewer's answer was no verdict, also when asked again
	reasonGraph  = "workflow" // the graph cannot go on
	reasonUnsaid = "unsaid"   // the graph came to its end and nothing was said
	reasonPaused = "paused"   // parked until staff resume it
)

// graphRun is the run of a turn through its graph. Its attempt holds the lease and the
// steps, and knows of the run only what flow has.
type graphRun struct {
	attempt  *attempt
	graph    *workflow.Graph
	course   *store.Course
	messages []store.Message // of the room, as the first attempt was shown them
	heard    int64           // see part.heard

	done    []workflow.Step
	outputs map[string]nodeOutput // by the name with which nodes refer to them
	said    int64                 // seq of the run's last message, 0 before the first
	calls   bool                  // one of its messages may call another agent
	denied  bool                  // a reviewer has not approved a draft
	status  string                // of the end node that it reached
}

// hasSaid tells whether the run has posted a message.
func (r *graphRun) hasSaid() bool { return r.said > 0 }

// nodeOutput is the result of a node; its JSON is the step's output.
type nodeOutput struct {
	Label     string                `json:"label,omitempty"`  // of the edges that the run follows next
	Output    string                `json:"output,omitempty"` // the name with which other nodes refer to it
	Text      string                `json:"text,omitempty"`
	Verdict   *a2a.EvaluationResult `json:"verdict,omitempty"`
	Problem   string                `json:"problem,omitempty"` // why an evaluation could not be read
	Cut       bool                  `json:"cut,omitempty"`     // the answer was cut before its end
	MessageID string                `json:"line,omitempty"`    // the id of the message that it became
	Seq       int64                 `json:"seq,omitempty"`     // of that message

	by *store.Agent // the agent that said it
}

// nodeDone reports the result of one node to runGraph.
type nodeDone struct {
	id  string
	out nodeOutput
	err error
}

// runGraph runs the turn's graph until its end.
func (r *attempt) runGraph(ctx context.Context, g *workflow.Graph) error {
	run := &graphRun{attempt: r, graph: g, outputs: map[string]nodeOutput{}}
	r.flow = run
	run.restoreSteps()
	if p, err := workflow.Advance(g, run.done); err == nil {
		if err := run.leaveFloorFor(ctx, p.Ready); err != nil {
			return err
		}
	}
	if _, err := r.yieldToTyping(ctx); err != nil {
		return err
	}
	defer r.begin()()
	r.shown.begun() // before its nodes
	if err := run.restoreMessages(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results, busy := make(chan nodeDone), map[string]bool{}
	var failed error
	for {
		p, err := workflow.Advance(g, run.done)
		if err != nil {
			failed = errors.Join(failed, &Fault{Reason: reasonGraph, Detail: graphDetail(err), State: store.TurnStopped})
		}
		if failed == nil && !p.Ended && len(busy) == 0 {
			if failed = run.mayGoOn(ctx); failed == nil {
				failed = run.leaveFloorFor(ctx, p.Ready)
			}
		}
		for _, id := range p.Ready {
			if failed == nil && !busy[id] {
				busy[id] = true
				n := p.Visits[id]
				alone := len(p.Ready) == 1
				go func() { results <- run.visit(ctx, id, n, alone) }()
			}
		}
		if len(busy) == 0 {
			run.status = p.Status
			switch {
			case errors.Is(failed, errNewerMessage):
				failed = run.startAnew(ctx)
			case errors.Is(failed, errParked), errors.Is(failed, errNoFloor) && (len(r.waiting) > 0 || r.later):
				failed = run.park(ctx)
			default:
				return failed
			}
			if failed != nil && !errors.Is(failed, errResumed) {
				return failed
			}
			failed = nil
			continue
		}
		res := <-results
		delete(busy, res.id)
		switch {
		case res.err == nil:
			run.addResult(res.id, res.out)
		case errors.Is(res.err, errParked), errors.Is(res.err, errNewerMessage), errors.Is(res.err, errNoFloor):
			failed = cmp.Or(failed, res.err) // the parallel branches still finish their current nodes
		default:
			failed = res.err
			cancel()
		}
	}
}

func graphDetail(err error) string {
	switch {
	case errors.Is(err, workflow.ErrVisits):
		return fmt.Sprintf("the workflow came to no end in %d nodes", workflow.MaxVisits)
	case errors.Is(err, workflow.ErrStuck):
		return "the workflow has no edge that leads on: " + strings.TrimPrefix(err.Error(), "workflow: ")
	}
	return "the workflow and its saved steps do not fit together"
}

// errResumed says that staff have just resumed the run, so it must not be parked.
var errResumed = errors.New("the run was resumed")

// park parks the turn when none of its branches can go on.
func (r *graphRun) park(ctx context.Context) error {
	if len(r.attempt.waiting) == 0 && !r.attempt.later {
		return r.attempt.parkFor(ctx, reasonPaused, "staff have paused it")
	}
	return r.attempt.parkToWait(ctx)
}

// mayGoOn returns errParked when staff have paused the run. It is asked between two
// nodes.
func (r *graphRun) mayGoOn(ctx context.Context) error {
	var paused bool
	e, turnID := r.attempt.engine, r.attempt.turn.ID
	err := e.background.Do(ctx, func() (err error) { paused, err = e.db.TurnPaused(ctx, turnID); return err })
	if err != nil || !paused {
		return err
	}
	return errParked
}

// restoreSteps notes the results of the steps that earlier attempts have saved.
func (r *graphRun) restoreSteps() {
	for _, s := range r.attempt.saved {
		id, out, ok := r.result(&s)
		if !ok {
			continue
		}
		out.by = r.agentByID(s.AgentID)
		r.addResult(id, out)
	}
}

// restoreMessages reads the messages that earlier attempts were shown, or those of the
// room.
func (r *graphRun) restoreMessages(ctx context.Context) error {
	return r.attempt.engine.background.Do(ctx, func() (err error) {
		if r.course, err = r.attempt.engine.db.Course(ctx, r.attempt.room.CourseID); err != nil {
			return err
		}
		var begun []store.Message
		if len(r.attempt.saved) > 0 {
			begun, err = r.attempt.messagesShown(ctx, r.attempt.saved[0].Node)
		}
		r.messages, r.heard, r.attempt.heard = begun, newest(begun), newest(begun)
		if begun == nil && err == nil {
			err = r.readMessages(ctx)
		}
		if err == nil && len(r.messages) == 0 && r.attempt.turn.Cause == turntaking.CausePost {
			return errMessagesGone
		}
		if err == nil {
			err = r.attempt.covers(ctx, r.messages)
		}
		if err == nil && len(r.attempt.saved) == 0 {
			err = r.attempt.giveWay(r.messages)
		}
		return err
	})
}

// readMessages reads the newest messages of the room.
func (r *graphRun) readMessages(ctx context.Context) (err error) {
	r.messages, r.heard, err = r.attempt.readRoom(ctx)
	r.attempt.heard = r.heard
	return err
}

// result reads a saved step as the result of a node. ok is false for the calls of
// models and tools within a node, and for steps that still wait.
func (r *graphRun) result(s *store.TurnStep) (id string, out nodeOutput, ok bool) {
	id, _, _ = strings.Cut(s.Node, visitMark)
	n, known := r.graph.Nodes[id]
	if !known || kindOf(n.Type) != s.Kind {
		return id, out, false
	}
	switch s.State {
	case store.StepDone:
		ok = json.Unmarshal([]byte(s.Output), &out) == nil
	case store.StepApproved, store.StepRejected, store.StepExpired:
		out, ok = nodeOutput{Label: s.State}, s.Kind == store.StepHuman
	}
	return id, out, ok
}

// kindOf is the kind of the step that keeps a node's result.
func kindOf(t workflow.Type) string {
	return map[workflow.Type]string{workflow.Agent: store.StepAgent, workflow.Condition: store.StepCondition,
		workflow.Action: store.StepAction, workflow.Tool: store.StepAction, workflow.Human: store.StepHuman}[t]
}

// visitMark separates a node's id from the number of a later visit in TurnStep.Node,
// such as "draft#2". Ids cannot contain it.
const visitMark = "#"

func visitKey(id string, visit int) string {
	if visit < 2 {
		return id
	}
	return fmt.Sprintf("%s%s%d", id, visitMark, visit)
}

// addResult notes the result of a node.
func (r *graphRun) addResult(id string, out nodeOutput) {
	r.done = append(r.done, workflow.Step{Node: id, Label: out.Label})
	r.attempt.mu.Lock()
	defer r.attempt.mu.Unlock()
	if out.Output != "" {
		r.outputs[out.Output] = out
	}
	r.said = max(r.said, out.Seq)
	r.denied = r.denied || out.Verdict != nil && !out.Verdict.Approved
	r.calls = r.calls || out.MessageID != "" && mention.May(out.Text)
}

// output is the result that a node has stored under a name.
func (r *graphRun) output(name string) nodeOutput {
	r.attempt.mu.Lock()
	defer r.attempt.mu.Unlock()
	return r.outputs[name]
}

// outputNames lists the names of all outputs in a fixed order.
func (r *graphRun) outputNames() []string {
	r.attempt.mu.Lock()
	defer r.attempt.mu.Unlock()
	return slices.Sorted(maps.Keys(r.outputs))
}

func (r *graphRun) agentByID(id string) *store.Agent {
	if i := slices.IndexFunc(r.attempt.speakers, func(ag store.Agent) bool { return ag.ID == id }); i >= 0 {
		return &r.attempt.speakers[i]
	}
	return r.attempt.agent
}

// waitsWithin is how long a person has for a decision at a node, and an agent outside this
// program for a late answer. The node's own minutes come before the configuration.
func (r *graphRun) waitsWithin(n workflow.Node) time.Duration {
	if n.Config.Minutes > 0 {
		return time.Duration(n.Config.Minutes) * time.Minute
	}
	return r.attempt.engine.cfg.Turns.ApprovalWithin
}
