package turn

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// visit runs a node for the n-th time and saves its step with its effects. alone says
// that no other node runs in parallel.
func (r *graphRun) visit(ctx context.Context, id string, n int, alone bool) nodeDone {
	node, key := r.graph.Nodes[id], visitKey(id, n)
	r.signalNode(id, node, "started", "")
	var out nodeOutput
	var err error
	if heedful(node) {
		err = r.peopleFirst(ctx)
	}
	if err == nil && r.shows(node, alone) {
		err = r.attempt.takeFloor(ctx)
	}
	switch {
	case err != nil:
		return nodeDone{id, out, err}
	case node.Type == workflow.Agent:
		out, err = r.agentNode(ctx, key, node, alone)
	case node.Type == workflow.Condition:
		out = nodeOutput{Label: r.choose(node)}
		if err = r.unread(id, node); err == nil {
			err = r.saveNode(ctx, key, id, node, &out, nil)
		}
	case node.Type == workflow.Action:
		out, err = r.actionNode(ctx, key, id, node)
	case node.Type == workflow.Tool:
		out, err = r.toolNode(ctx, key, id, node)
	case node.Type == workflow.Human:
		err = r.humanNode(key, id, node)
	default:
		err = &Fault{Reason: reasonGraph, Detail: fmt.Sprintf("nothing can be done at %s", id), State: store.TurnStopped}
	}
	if err == nil {
		r.signalNode(id, node, "finished", out.Label)
	}
	return nodeDone{id, out, err}
}

// saveNode saves the step of a node that is done, together with what effect stores.
func (r *graphRun) saveNode(ctx context.Context, key, id string, node workflow.Node, out *nodeOutput, effect func(*store.Tx) error) error {
	step := r.attempt.newStep(key, kindOf(node.Type), cmp.Or(node.Handler, id), "")
	if out.by != nil {
		step.AgentID = out.by.ID
	}
	return r.attempt.commit(ctx, func(tx *store.Tx) error {
		if effect != nil {
			if err := effect(tx); err != nil {
				return err
			}
		}
		step.Output, step.EndedAt = store.ToJSON(out), r.attempt.engine.instant()
		return nil
	}, step)
}

// agentNode has an agent speak: to the room, or only for the next nodes.
func (r *graphRun) agentNode(ctx context.Context, key string, node workflow.Node, alone bool) (nodeOutput, error) {
	who, err := r.who(node.Handler)
	if err != nil {
		return nodeOutput{}, err
	}
	part := part{node: key, agent: who, messages: r.messages, heard: r.heard}
	part.system = r.attempt.instructionsFor(who, r.course)
	if why := occasion(r.attempt.turn.Cause); why != "" && node.Config.Mode != workflow.ModeEvaluate {
		part.asked = append(part.asked, llm.Message{Role: llm.RoleUser, Text: why})
	}
	part.asked = append(part.asked, r.task(node)...)
	switch node.Config.Mode {
	case workflow.ModeEvaluate:
		part.system, part.schema = evaluatorInstructions(who, r.attempt.room, r.course, r.attempt.fenceOf(who)), verdictSchema
	case workflow.ModeSay:
		part.tools = r.attempt.toolsFor(who)
		part.show = r.shows(node, alone)
	}
	text, err := r.speak(ctx, &part, node)
	if errors.Is(err, errNewerMessage) {
		text, err = r.converseAnew(ctx, part)
	}
	if err != nil {
		return nodeOutput{}, err
	}
	if text == "" {
		return nodeOutput{}, r.attempt.silent(part.node, who.Name+"'s")
	}
	most := int(r.attempt.engine.cfg.Limits.MessageBytes)
	out := nodeOutput{Output: node.Config.Output, Text: store.Cut(text, most), Cut: len(text) > most || r.attempt.wasCut(part.node), by: who}
	if node.Config.Mode == workflow.ModeEvaluate {
		if err := r.judge(ctx, part, node, &out); err != nil {
			return nodeOutput{}, err
		}
	}
	id, _, _ := strings.Cut(key, visitMark)
	err = r.saveNode(ctx, key, id, node, &out, func(tx *store.Tx) error { return r.correspond(ctx, tx, id, node, &out) })
	return out, err
}

// speak has the agent of a node speak. One outside this program is asked at its address.
func (r *graphRun) speak(ctx context.Context, part *part, node workflow.Node) (string, error) {
	if !part.agent.IsExternal {
		return r.attempt.converse(ctx, *part)
	}
	return r.attempt.consult(ctx, &question{node: part.node, agent: part.agent, by: r.attempt.agent, cause: causeWorkflow,
		text: inOneText(part.asked), asked: part.asked, messages: part.messages, within: r.waitsWithin(node), tries: true})
}

// judge reads an evaluation. When it cannot be read, the reviewer is asked once more
// and told what was wrong.
func (r *graphRun) judge(ctx context.Context, part part, node workflow.Node, out *nodeOutput) error {
	draft := r.output(node.Config.Of).Text
	if out.Verdict, out.Problem = verdictOf(out.Text, draft); out.Problem == "" {
		return nil
	}
	part.asked = append(slices.Clone(part.asked), llm.Message{Role: llm.RoleAssistant, Text: out.Text},
		llm.Message{Role: llm.RoleUser, Text: fmt.Sprintf(againTask, out.Problem)})
	part.node += visitMark + "again"
	text, err := r.speak(ctx, &part, node)
	if err != nil || text == "" {
		return err
	}
	out.Text = store.Cut(text, int(r.attempt.engine.cfg.Limits.MessageBytes))
	out.Verdict, out.Problem = verdictOf(text, draft)
	return nil
}

// unread returns a fault when the review gave no verdict, neither approval nor
// denial. It returns nil when the graph leads to a person, who decides instead.
func (r *graphRun) unread(id string, node workflow.Node) error {
	problem := r.output(node.Config.Of).Problem
	if node.Handler != workflow.IsApproved || problem == "" {
		return nil
	}
	for _, e := range r.graph.Edges {
		if e.From == id && e.Condition != workflow.LabelApproved && r.graph.Nodes[e.To].Type == workflow.Human {
			return nil // a person decides
		}
	}
	return &Fault{Reason: reasonUnread, Detail: "the reviewer gave no verdict: " + problem}
}

// converseAnew has an agent speak again, with what a person has said meanwhile. It is
// called only for a node without a parallel one, see part.show.
func (r *graphRun) converseAnew(ctx context.Context, part part) (string, error) {
	if err := r.attempt.engine.background.Do(ctx, func() error { return r.readAnew(ctx) }); err != nil {
		return "", err
	}
	part.messages, part.heard = r.messages, r.heard
	return r.attempt.converse(ctx, part)
}

// who returns the agent that a node names: "speaker", "type:...", "agent:..." or a
// category.
func (r *graphRun) who(handler string) (*store.Agent, error) {
	if handler == workflow.WhoSpeaker || handler == "" {
		return r.attempt.agent, nil
	}
	fits := func(ag store.Agent) bool { return PartOf(&ag) == handler }
	if kind, ok := strings.CutPrefix(handler, "type:"); ok {
		fits = func(ag store.Agent) bool { return ag.Type == kind }
	} else if id, ok := strings.CutPrefix(handler, "agent:"); ok {
		fits = func(ag store.Agent) bool { return ag.ID == id }
	}
	inside := func(ag store.Agent) bool { return fits(ag) && !ag.IsExternal }
	// Prefer another agent than the speaker: nobody should judge their own draft. An agent
	// of this program comes before one outside, which may not answer.
	i := slices.IndexFunc(r.attempt.speakers, func(ag store.Agent) bool { return inside(ag) && ag.ID != r.attempt.agent.ID })
	if i < 0 {
		i = slices.IndexFunc(r.attempt.speakers, inside)
	}
	if i < 0 {
		i = slices.IndexFunc(r.attempt.speakers, fits)
	}
	if i < 0 {
		return nil, &Fault{Reason: ReasonNotAble, State: store.TurnStopped,
			Detail: fmt.Sprintf("the workflow asks for %s, and no such agent may speak in the room", handler)}
	}
	return &r.attempt.speakers[i], nil
}

// task is what a node asks its agent for, with the outputs that the node refers to.
func (r *graphRun) task(node workflow.Node) []llm.Message {
	data := func(name string) llm.Message {
		out := r.output(name)
		from := name
		if out.by != nil {
			from = fmt.Sprintf("%s (%s by %s)", name, "written", out.by.Name)
		}
		text := out.Text
		if v := out.Verdict; v != nil && v.Feedback != nil {
			text = *v.Feedback
		}
		return llm.Message{Role: llm.RoleUser, Name: from, Text: text, Data: true}
	}
	ask := func(text string) llm.Message { return llm.Message{Role: llm.RoleUser, Text: text} }
	var asked []llm.Message
	text := node.Config.Instruction
	switch of := node.Config.Of; {
	case node.Config.Mode == workflow.ModeEvaluate:
		asked = append(asked, data(of))
		text = strings.TrimSpace(text + "\n\n" + evaluateTask)
	case of != "" && r.output(of).Verdict != nil: // a revision
		asked = append(asked, data(node.Config.Output), data(of))
		text = strings.TrimSpace(text + "\n\n" + reviseTask)
	case of != "":
		asked = append(asked, data(of))
	}
	for _, name := range r.outputNames() {
		if strings.Contains(text, "{{"+name+"}}") {
			asked = append(asked, data(name))
			text = strings.ReplaceAll(text, "{{"+name+"}}", "the "+name+" above")
		}
	}
	if text == "" && node.Config.Mode == workflow.ModeDraft {
		text = draftTask
	}
	if text != "" {
		asked = append(asked, ask(text))
	}
	return asked
}

// choose evaluates a condition and returns its label.
func (r *graphRun) choose(node workflow.Node) string {
	out := r.output(node.Config.Of)
	is := false
	switch node.Handler {
	case workflow.IsApproved:
		if out.Verdict != nil && out.Verdict.Approved {
			return workflow.LabelApproved
		}
		return workflow.LabelRejected
	case workflow.ScoreAtLeast:
		is = out.Verdict != nil && out.Verdict.Score != nil && node.Config.Min != nil && *out.Verdict.Score >= *node.Config.Min
	case workflow.Contains:
		is = node.Config.Text != "" && strings.Contains(strings.ToLower(out.Text), strings.ToLower(node.Config.Text))
	case workflow.IsEmpty:
		is = strings.TrimSpace(out.Text) == ""
	}
	if is {
		return workflow.LabelYes
	}
	return workflow.LabelNo
}

// actionNode posts an output in the name of its author, or stores a note.
func (r *graphRun) actionNode(ctx context.Context, key, id string, node workflow.Node) (nodeOutput, error) {
	src := r.output(node.Config.Of)
	out := nodeOutput{by: src.by}
	if node.Handler != workflow.Broadcast {
		out.Text = node.Config.Text
		return out, r.saveNode(ctx, key, id, node, &out, func(tx *store.Tx) error {
			return r.send(ctx, tx, r.envelope(a2a.TypeSystem, senderSystem, recipientAll,
				a2a.System{Event: "info", Message: cmp.Or(node.Config.Text, id)}))
		})
	}
	if src.by == nil {
		src.by = r.attempt.agent
	}
	content := strings.TrimSpace(src.Text)
	if node.Config.Of == "" {
		content, src.by = node.Config.Text, r.attempt.agent
	}
	if content == "" {
		return out, &Fault{Reason: model.ReasonSilent, Detail: "there was nothing to say", State: store.TurnStopped}
	}
	var now *roomSnapshot
	if err := r.attempt.engine.background.Do(ctx, func() (err error) { now, err = r.attempt.look(ctx); return err }); err != nil {
		return out, err
	}
	speakers, _ := bySpeech(now)
	if err := r.attempt.mayNotSpeak(speakers); err != nil { // switched off while it was written
		return out, err
	}
	m := r.attempt.newMessage(src.by, content)
	m.Truncated = m.Truncated || src.Cut
	if err := r.attempt.findCalled(ctx, m); err != nil {
		return out, err
	}
	first := r.said == 0
	if !first {
		m.TurnID = "" // only one message of a turn replaces the streamed text
	}
	_, stored := r.attempt.engine.telemetry.MessageStored(ctx, m.ID, m.RoomID)
	err := r.saveNode(ctx, key, id, node, &out, func(tx *store.Tx) error {
		added, _, err := addMessage(ctx, tx, m, store.Heard{})
		if err != nil {
			return err
		}
		if !added {
			return ErrLeaseLost // another attempt has stored it
		}
		out.by, out.MessageID, out.Seq, out.Text = src.by, m.ID, m.Seq, ""
		return r.send(ctx, tx, r.envelope(a2a.TypeBroadcast, src.by.ID, recipientBroadcast,
			a2a.Broadcast{Content: m.Content, Format: "text"}))
	})
	stored(err)
	return out, err
}

// toolNode calls a tool as the turn's agent, with the arguments from the graph. The
// call has a step of its own before the step of the node.
func (r *graphRun) toolNode(ctx context.Context, key, id string, node workflow.Node) (nodeOutput, error) {
	t := r.attempt.newConversation(&part{node: key, agent: r.attempt.agent, tools: r.attempt.toolsFor(r.attempt.agent)})
	call := savedCall{ID: "call_" + id, Name: node.Handler, Arguments: node.Config.Arguments}
	if len(call.Arguments) == 0 {
		call.Arguments = json.RawMessage(`{}`)
	}
	var step *store.TurnStep
	for _, s := range r.attempt.savedIn(key) {
		if s.Kind == store.StepTool {
			step = &s
		}
	}
	var err error
	switch {
	case step == nil:
		step, err = t.callTool(ctx, 0, call)
	case step.State == store.StepApproved:
		err = t.runApproved(ctx, step, call)
	}
	if err != nil {
		return nodeOutput{}, err
	}
	if step.State == store.StepPending {
		return nodeOutput{}, errParked
	}
	out := nodeOutput{Label: workflow.LabelOK, Output: node.Config.Output, by: r.attempt.agent}
	if step.State != store.StepDone {
		out.Label = workflow.LabelError
	}
	if out.Text, err = r.attempt.resultText(ctx, step); err != nil {
		return out, err
	}
	return out, r.saveNode(ctx, key, id, node, &out, nil)
}

// humanNode leaves the decision how to go on to a person of the staff.
func (r *graphRun) humanNode(key, id string, node workflow.Node) error {
	step := r.attempt.newStep(key, store.StepHuman, id, "")
	step.Input = store.ToJSON(ToolInput{Plan: &Plan{Summary: cmp.Or(node.Config.Text, "go on with "+r.graph.Name)}})
	r.attempt.waitFor(step, r.waitsWithin(node))
	return errParked
}

// signalNode shows the room that a node begins or is done.
func (r *graphRun) signalNode(id string, node workflow.Node, state, label string) {
	body := store.ToJSON(event.Workflow{TurnID: r.attempt.turn.ID, Workflow: r.graph.Name, Node: id, NodeType: string(node.Type),
		State: state, Label: label})
	r.attempt.engine.hub.Signal(r.attempt.room.ID, realtime.Signal{Type: event.SignalWorkflow, Body: json.RawMessage(body)})
}
