package turn

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// An agent outside this program may be asked within the turn of another agent: by its tool
// ask_agent, or at a node of its workflow. The question is a step, and its id is what the
// agent gets as the id of the message. The step is stored before the call and waits until
// it has the answer: that of the call, or one that comes by the webhook at any moment. The
// first one counts. When the agent will answer later, the turn is parked, as it is while a
// person has to decide. Everything about this is in rows, so it survives a crash; an
// attempt that lost its worker in the middle of the call asks again, with the same id.

// Causes that an agent outside this program is told when it is asked in another's turn.
const (
	causeAsked    = "ask_agent"
	causeWorkflow = "workflow"
)

// askedWithin is how long a turn waits for the late answer to a question of ask_agent.
const askedWithin = 10 * time.Minute

// question is what an agent outside this program is asked within the turn of another one.
type question struct {
	node     string // the place in the turn; it has one answer
	agent    *store.Agent
	by       *store.Agent // who asks
	cause    string
	text     string
	asked    []llm.Message // the text, as it is kept with the step
	messages []store.Message
	within   time.Duration // how long a late answer may take
	tries    bool          // failed calls are made again, as later attempts of the turn
}

// errNothing is the fault of an agent outside this program that was asked and says nothing.
var errNothing = &Fault{Reason: reasonNothing, Detail: "the agent that it asked had nothing to say", State: store.TurnStopped}

// errUnanswered is the fault of one that wanted to answer later, and did not in time.
var errUnanswered = &Fault{Reason: reasonOutside, Detail: "the agent outside this program that it asked has not answered in time"}

// consult asks an agent outside this program and returns its answer, or that of an earlier
// attempt. errParked says that the agent will answer later.
func (r *attempt) consult(ctx context.Context, q *question) (string, error) {
	step, err := r.questionOf(ctx, q)
	if err != nil {
		return "", err
	}
	if step.State != store.StepPending {
		return r.consulted(q, step)
	}
	peer, err := r.engine.peer(q.agent)
	if err != nil {
		return "", err
	}
	if !r.engine.outside.take(q.agent.ID) {
		return "", busy()
	}
	defer r.engine.outside.free(q.agent.ID)
	answer, err := r.call(ctx, q.agent, peer, func(now time.Time) *a2a.Envelope { return r.questionTo(q, step, now) })
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if err == nil && answer.Later {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.later = true
		return "", errParked
	}
	step.Output = store.ToJSON(&modelOutput{Text: strings.TrimSpace(answer.Text), Finish: finishSaid})
	step.State = store.StepDone
	var again *Fault
	if err != nil {
		fault := outsideFault(err, r.turn.Attempt-r.turn.Resumed)
		if fault == nil {
			return "", err
		}
		if q.tries && fault.Again && !r.isLast(fault.After) {
			again = fault
		}
		step.State, step.Output = store.StepFailed, store.ToJSON(failedOutside(err, fault))
	}
	return r.endQuestion(ctx, q, step, again)
}

// finishSaid is how the answer of an agent outside this program ends.
const finishSaid = "stop"

// endQuestion stores how the call of a question went, unless the answer came by the webhook
// meanwhile. With again, the question goes on waiting and the fault is returned.
func (r *attempt) endQuestion(ctx context.Context, q *question, step *store.TurnStep, again *Fault) (string, error) {
	step.EndedAt = r.engine.instant()
	err := r.commit(ctx, func(tx *store.Tx) error {
		if again != nil {
			now, err := tx.Step(ctx, step.ID)
			if err == nil && now.State != store.StepPending {
				err = store.ErrStale
			}
			return err
		}
		return tx.EndStep(ctx, step, store.StepPending)
	})
	switch {
	case errors.Is(err, store.ErrStale):
		if step, err = r.stepNow(ctx, step.ID); err != nil {
			return "", err
		}
	case err != nil:
		return "", err
	case again != nil:
		return "", again
	}
	return r.consulted(q, step)
}

// isQuestion tells whether a step is a question to an agent outside this program.
func isQuestion(s *store.TurnStep) bool { return s.Kind == store.StepModel && !s.DueAt.IsZero() }

// questionOf returns the step of a question, which it stores first if no attempt has.
func (r *attempt) questionOf(ctx context.Context, q *question) (*store.TurnStep, error) {
	for _, s := range slices.Backward(r.savedIn(q.node)) {
		if isQuestion(&s) && s.AgentID == q.agent.ID {
			return r.stepNow(ctx, s.ID)
		}
	}
	if err := r.mayAsk(); err != nil {
		return nil, err
	}
	in := modelInput{Provider: q.agent.ModelProvider}
	in.read(q.messages, q.asked)
	step := r.newStep(q.node, store.StepModel, q.agent.Name, q.agent.ID)
	step.State, step.DueAt, step.Input = store.StepPending, step.StartedAt.Add(q.within), store.ToJSON(in)
	r.mu.Lock()
	r.acted = true
	r.mu.Unlock()
	return step, r.commit(ctx, nil, step)
}

// stepNow reads a step as it is now: an answer may have come by the webhook.
func (r *attempt) stepNow(ctx context.Context, id string) (step *store.TurnStep, err error) {
	err = r.engine.background.Do(ctx, func() error {
		row, err := r.engine.db.Step(ctx, id)
		if err == nil {
			step = &row.TurnStep
		}
		return err
	})
	return step, err
}

// consulted is what has become of a question that waits no more.
func (r *attempt) consulted(q *question, step *store.TurnStep) (string, error) {
	switch step.State {
	case store.StepExpired:
		return "", errUnanswered
	case store.StepFailed:
		var out failedOutput
		_ = json.Unmarshal([]byte(step.Output), &out) // an empty fault says as little
		return "", &Fault{Reason: reasonOutside, Detail: q.agent.Name + ": " + out.Error}
	}
	var out modelOutput
	if err := json.Unmarshal([]byte(step.Output), &out); err != nil || out.Erased {
		return "", errErased
	}
	r.noteEnd(q.node, out.Finish)
	if out.Text == "" {
		return "", errNothing
	}
	return out.Text, nil
}

// questionTo is what the agent is sent.
func (r *attempt) questionTo(q *question, step *store.TurnStep, now time.Time) *a2a.Envelope {
	meta := r.metadata(q.agent, q.messages)
	meta.SenderName, meta.Cause = q.by.Name, q.cause
	return &a2a.Envelope{ID: step.ID, Type: a2a.TypeUserMessage, SenderID: q.by.ID, RecipientID: q.agent.ID, Content: q.text,
		Metadata: meta, CreatedAt: event.Timestamp(now)}
}

// inOneText is what is asked, as one text. The words of others stand below a name.
func inOneText(asked []llm.Message) string {
	parts := make([]string, len(asked))
	for i, m := range asked {
		if parts[i] = m.Text; m.Name != "" {
			parts[i] = m.Name + ":\n" + m.Text
		}
	}
	return strings.Join(parts, "\n\n")
}

// settleAsked ends the step of a question, and lets its turn go on when nothing in it waits
// any more. The transaction must hold the lock of the room.
func (e *Engine) settleAsked(ctx context.Context, tx *store.Tx, row *store.RoomStep) error {
	row.EndedAt = e.instant()
	if err := tx.EndStep(ctx, &row.TurnStep, store.StepPending); err != nil {
		return err
	}
	return e.Unpark(ctx, tx, &row.Turn)
}
