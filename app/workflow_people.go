package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// People go first in a turn with a graph too: what a person has said after the
// lines were read belongs to what it answers, also while a draft is judged.

// stepHeard is the name of the step behind which the graph begins anew; what was
// done before it counts no more.
const stepHeard = "heard_more"

// heedful tells whether a node is one before which people are listened to: it
// judges, says or does something, or asks a person.
func heedful(n workflow.Node) bool {
	switch n.Type {
	case workflow.Agent:
		return n.Config.Mode == workflow.ModeEvaluate
	case workflow.Action:
		return n.Handler == workflow.Broadcast
	}
	return n.Type == workflow.Tool || n.Type == workflow.Human
}

// peopleFirst waits for people who type before the room has seen anything of the
// turn. errNewerMessage says that a person has spoken since the lines were read;
// that is heard once, and only as long as no tool has run and nobody has decided
// anything. A turn about what agents said gives way.
func (r *graphRun) peopleFirst(ctx context.Context) error {
	r.mu.Lock()
	shown, again := r.said > 0 || r.units > 0, !r.anew && !r.acted
	r.mu.Unlock()
	if shown {
		return nil
	}
	if _, err := r.yieldToTyping(ctx); err != nil {
		return err
	}
	if !again && r.turn.Cause != causeAgents {
		return nil
	}
	newer := false
	err := r.app.yielding(ctx, func() (err error) { newer, err = r.hasNewer(ctx, r.heard); return err })
	switch {
	case err != nil || !newer:
		return err
	case r.turn.Cause == causeAgents:
		return errGaveWay
	}
	return errNewerMessage
}

// startAnew begins the graph again with the lines as they are now. The step that
// says so keeps later attempts from going on behind what was done before.
func (r *graphRun) startAnew(ctx context.Context) error {
	r.anew = true
	if r.acted { // in a branch beside the one that has heard it
		if len(r.waiting) > 0 {
			return r.putAside(ctx)
		}
		return nil
	}
	step := r.newStep("", store.StepHuman, stepHeard, "")
	step.EndedAt = r.app.instant()
	if err := r.commit(ctx, nil, step); err != nil {
		return err
	}
	r.saved, r.done, r.denied = nil, nil, false
	clear(r.outputs)
	clear(r.ends)
	err := r.app.yielding(ctx, func() error { return r.readMessages(ctx) })
	if err == nil && len(r.messages) == 0 {
		return errLinesGone
	}
	r.read = max(r.read, readUpTo(r.turn.TriggerSeq, r.messages, r.agent.ID, r.present))
	return err
}
