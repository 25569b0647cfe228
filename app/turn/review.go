package turn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// Draft and review: what a participant agent writes, an instructor agent judges
// before the room sees it. The exchange is a graph (workflow.Review). This file
// decides which turns use it, what the two agents are told, and what is kept: for
// staff an A2A message for each step, and for everybody a trace, which says that
// something happens and never what was written.

// defaultRevisions is how often a draft is written anew with the feedback.
const (
	defaultRevisions = 1
	maxRevisions     = 5
)

// reviewSettings is the member review of an agent's settings.
type reviewSettings struct {
	Enabled   *bool `json:"enabled"`
	Revisions *int  `json:"revisions"`
}

func reviewOf(ag *store.Agent) (on bool, revisions int) {
	var s struct {
		Review reviewSettings `json:"review"`
	}
	on, revisions = true, defaultRevisions
	if ag.Settings == "" || json.Unmarshal([]byte(ag.Settings), &s) != nil {
		return on, revisions
	}
	if s.Review.Enabled != nil {
		on = *s.Review.Enabled
	}
	if s.Review.Revisions != nil {
		revisions = min(max(*s.Review.Revisions, 0), maxRevisions)
	}
	return on, revisions
}

// workflow returns the graph of the turn: the graph that it began with, or that of
// its room, or the review when a participant speaks and an instructor agent is there
// to judge. nil is the direct answer. Without an instructor agent there is no review:
// nobody could approve the draft.
func (r *attempt) workflow(ctx context.Context) (*workflow.Graph, error) {
	if r.alone() {
		return nil, nil
	}
	if r.turn.Graph != "" {
		g, err := workflow.Parse([]byte(r.turn.Graph))
		if err != nil {
			return nil, &Fault{Reason: reasonGraph, Detail: "its graph cannot be read: " + err.Error(), State: store.TurnStopped}
		}
		return g, nil
	}
	g, err := r.graphOfRoom(ctx)
	if err != nil || g == nil {
		return nil, err
	}
	r.turn.Workflow, r.turn.Graph = g.Name, store.ToJSON(g)
	err = r.engine.background.Do(ctx, func() error {
		return r.engine.db.Single().SetTurnGraph(ctx, r.turn.ID, r.turn.Attempt, g.Name, r.turn.Graph)
	})
	return g, err
}

func (r *attempt) graphOfRoom(ctx context.Context) (*workflow.Graph, error) {
	if len(r.saved) > 0 { // begun without a graph
		return nil, nil
	}
	on, revisions := reviewOf(r.agent)
	switch name := r.room.Workflow; name {
	case "":
		judge := slices.ContainsFunc(r.speakers, func(ag store.Agent) bool {
			return PartOf(&ag) == turntaking.Instructor && ag.ID != r.agent.ID && !ag.IsExternal
		})
		if !on || !judge || PartOf(r.agent) != turntaking.Participant {
			return nil, nil
		}
		return workflow.Review(revisions), nil
	case workflow.NameDirect:
		return nil, nil
	case workflow.NameReview:
		return workflow.Review(revisions), nil
	default:
		var w *store.Workflow
		err := r.engine.background.Do(ctx, func() (err error) { w, err = r.engine.db.Workflow(ctx, name); return err })
		if err != nil {
			return nil, store.UnlessMissing(err)
		}
		g, err := workflow.Parse([]byte(w.Graph))
		if err != nil {
			return nil, &Fault{Reason: reasonGraph, Detail: "the room's workflow cannot be read: " + err.Error(), State: store.TurnStopped}
		}
		g.Name = w.Name
		return g, nil
	}
}

// verdictSchema is the JSON Schema of a reviewer's answer.
var verdictSchema = json.RawMessage(`{"type":"object","properties":{"approved":{"type":"boolean"},"score":{"type":["number","null"],"minimum":0,"maximum":100},` +
	`"feedback":{"type":"string"}},"required":["approved","feedback"]}`)

// verdictOf reads a reviewer's answer. An answer that cannot be read is neither
// approval nor denial; problem says what is wrong with it. A verdict with text around
// it is not accepted when the draft contains the same verdict: the reviewer may only
// quote the draft.
func verdictOf(text, draft string) (verdict *a2a.EvaluationResult, problem string) {
	v, err := a2a.ParseVerdict(text)
	if inner := a2a.Unfenced(text); err == nil && !strings.HasPrefix(strings.TrimSpace(text), "```") && inner != strings.TrimSpace(text) &&
		strings.Contains(store.OneLine(draft), store.OneLine(inner)) {
		err = errors.New("it quotes the draft")
	}
	if err != nil {
		return &a2a.EvaluationResult{Proposal: draft}, "the answer could not be read: " + err.Error()
	}
	v.Proposal = draft
	return &v, ""
}

// The senders and recipients of A2A messages besides agents. Agents have their ids.
const (
	senderSystem       = "system"
	recipientBroadcast = "broadcast"
	recipientAll       = "all"
)

// envelope makes a message of the turn's exchange. All messages of one turn have the
// same correlation id.
func (r *graphRun) envelope(kind, sender, recipient string, content any) store.A2AMessage {
	return store.A2AMessage{MessageID: store.NewID(), CorrelationID: r.attempt.turn.ID, TurnID: r.attempt.turn.ID, RoomID: r.attempt.room.ID, Type: kind,
		SenderID: sender, RecipientID: recipient, Content: store.ToJSON(content), Metadata: store.ToJSON(map[string]string{"room_id": r.attempt.room.ID}), CreatedAt: r.attempt.engine.instant()}
}

// send stores messages of the exchange. A payload that breaks the protocol ends the
// turn, for example a draft that is too long to be judged.
func (r *graphRun) send(ctx context.Context, tx *store.Tx, letters ...store.A2AMessage) error {
	for _, l := range letters {
		if err := a2a.Validate(l.Type, json.RawMessage(l.Content)); err != nil {
			return &Fault{Reason: reasonGraph, Detail: fmt.Sprintf("what it wrote is no message of the type %s: %s", l.Type, err), State: store.TurnStopped}
		}
	}
	return tx.CreateA2AMessages(ctx, letters)
}

// correspond stores the A2A messages and the traces that follow from the result of an
// agent's node.
func (r *graphRun) correspond(ctx context.Context, tx *store.Tx, id string, node workflow.Node, out *nodeOutput) error {
	var letters []store.A2AMessage
	var traces []event.Trace
	switch node.Config.Mode {
	case workflow.ModeDraft:
		judge := r.judgeOf(id)
		if judge == nil {
			break
		}
		letters = []store.A2AMessage{
			r.envelope(a2a.TypeProposal, out.by.ID, judge.ID, a2a.Proposal{Draft: out.Text}),
			r.envelope(a2a.TypeEvaluationRequest, out.by.ID, judge.ID, a2a.EvaluationRequest{Proposal: out.Text, Urgency: "normal"})}
		if r.output(node.Config.Output).Text == "" {
			traces = append(traces, r.trace(event.TraceProposal, agentWord(out.by)+" drafted a contribution"))
		}
		traces = append(traces, r.trace(event.TraceEvalRequest, fmt.Sprintf("%s → %s: Requesting evaluation", agentWord(out.by), agentWord(judge))))
	case workflow.ModeEvaluate:
		author := r.output(node.Config.Of).by
		if author == nil {
			author = r.attempt.agent
		}
		letters = []store.A2AMessage{r.envelope(a2a.TypeEvaluationResult, out.by.ID, author.ID, out.Verdict)}
		traces = append(traces, r.verdictTrace(id, node, out, author))
	}
	if err := r.send(ctx, tx, letters...); err != nil || len(traces) == 0 {
		return err
	}
	room, err := tx.RoomForUpdate(ctx, r.attempt.room.ID)
	if err != nil {
		return err
	}
	for _, t := range traces {
		seq, err := tx.NextQuietSeq(ctx, room)
		if err != nil {
			return err
		}
		if err := tx.CreateEvent(ctx, event.New(r.attempt.room.ID, seq, event.TypeTrace, t, r.attempt.engine.instant())); err != nil {
			return err
		}
	}
	return nil
}

func (r *graphRun) trace(what, details string) event.Trace {
	return event.Trace{Event: what, Details: details, TurnID: r.attempt.turn.ID}
}

// verdictTrace tells how a turn goes on after an evaluation. A rejected draft is a
// revision when the graph leads back to a draft, else a denial.
func (r *graphRun) verdictTrace(id string, node workflow.Node, out *nodeOutput, author *store.Agent) event.Trace {
	judge := agentWord(out.by)
	if out.Problem != "" {
		return r.trace(event.TraceUnread, judge+"'s verdict could not be read")
	}
	if out.Verdict.Approved {
		return r.trace(event.TraceApproved, fmt.Sprintf("%s approved %s's proposal ✓", judge, strings.ToLower(agentWord(author))))
	}
	if r.leadsToDraft(id, node) {
		return r.trace(event.TraceRevision, agentWord(author)+" revises the contribution")
	}
	return r.trace(event.TraceDenied, fmt.Sprintf("%s rejected %s's proposal ✗", judge, strings.ToLower(agentWord(author))))
}

// leadsToDraft tells whether the next agent after a rejection writes a draft.
func (r *graphRun) leadsToDraft(id string, node workflow.Node) bool {
	done := append(slices.Clone(r.done), workflow.Step{Node: id})
	for range 8 { // at most so many conditions between the verdict and the next agent
		p, err := workflow.Advance(r.graph, done)
		if err != nil || p.Ended || len(p.Ready) != 1 {
			return false
		}
		next := r.graph.Nodes[p.Ready[0]]
		switch {
		case next.Type == workflow.Agent:
			return next.Config.Mode == workflow.ModeDraft
		case next.Type == workflow.Condition && next.Handler == workflow.IsApproved && next.Config.Of == node.Config.Output:
			done = append(done, workflow.Step{Node: p.Ready[0], Label: workflow.LabelRejected})
		default:
			return false
		}
	}
	return false
}

// judgeOf returns the agent that evaluates what the node drafts, or nil.
func (r *graphRun) judgeOf(draft string) *store.Agent {
	name := r.graph.Nodes[draft].Config.Output
	for _, n := range r.graph.Nodes {
		if n.Type == workflow.Agent && n.Config.Mode == workflow.ModeEvaluate && n.Config.Of == name && name != "" {
			if who, err := r.who(n.Handler); err == nil {
				return who
			}
		}
	}
	return nil
}

// agentWord names an agent in a trace, such as "Student".
func agentWord(ag *store.Agent) string { return strings.TrimSuffix(mention.Label(ag.Type), " AI") }
