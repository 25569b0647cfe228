package turn

import (
	"context"

	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/store"
)

// People go first in a turn with a graph, too. A turn answers also what a person has
// said after the messages were read, even while a draft is being judged.

// stepHeard is the name of the step from which the graph begins anew. The steps
// before it count no more.
const stepHeard = "heard_more"

// heedful tells whether peopleFirst runs before a node: before nodes that judge,
// post, call a tool or ask a person.
func heedful(n workflow.Node) bool {
	switch n.Type {
	case workflow.Agent:
		return n.Config.Mode == workflow.ModeEvaluate
	case workflow.Action:
		return n.Handler == workflow.Broadcast
	}
	return n.Type == workflow.Tool || n.Type == workflow.Human
}

// peopleFirst waits for people who type, as long as the room has seen nothing of the
// turn. It returns errNewerMessage when a person has spoken since the messages were
// read: once, and only before any tool has run or any person has decided. A turn that
// answers agents ends with errGaveWay instead.
func (r *graphRun) peopleFirst(ctx context.Context) error {
	r.attempt.mu.Lock()
	shown, again := r.said > 0 || r.attempt.units > 0, !r.attempt.anew && !r.attempt.acted
	r.attempt.mu.Unlock()
	if shown {
		return nil
	}
	return r.attempt.letPeopleFirst(ctx, r.heard, again)
}

// startAnew begins the graph again with the messages as they are now. It stores a
// step, so that later attempts do not continue what was done before.
func (r *graphRun) startAnew(ctx context.Context) error {
	r.attempt.anew = true
	if r.attempt.acted || r.attempt.later { // in a branch parallel to the one that noticed the message
		if len(r.attempt.waiting) > 0 || r.attempt.later {
			return r.park(ctx)
		}
		return nil
	}
	step := r.attempt.newStep("", store.StepHuman, stepHeard, "")
	step.EndedAt = r.attempt.engine.instant()
	if err := r.attempt.commit(ctx, nil, step); err != nil {
		return err
	}
	r.attempt.saved, r.done, r.denied = nil, nil, false
	clear(r.outputs)
	clear(r.attempt.ends)
	err := r.attempt.engine.background.Do(ctx, func() error { return r.readAnew(ctx) })
	if err == nil && len(r.messages) == 0 {
		return errMessagesGone
	}
	return err
}

// readAnew reads the messages of the room as they are now, and notes which the answer
// covers.
func (r *graphRun) readAnew(ctx context.Context) error {
	if err := r.readMessages(ctx); err != nil {
		return err
	}
	return r.attempt.covers(ctx, r.messages)
}
