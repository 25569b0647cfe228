package turn

import (
	"cmp"
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

// The turn of an agent outside this program asks the agent's address instead of a model.
// It holds no floor while it waits. The answer is saved as a step before the turn takes
// the floor to say it, so an attempt that continues asks nobody again. An attempt that
// lost its worker in the middle of the call asks again, with the same id. What such an
// agent is asked within the turn of another one is in outside_asked.go.

// Peer is how an agent outside this program is reached.
type Peer struct {
	Timeout  time.Duration
	Fallback string // what the room reads when it cannot be reached; "" for nothing
	Ask      func(ctx context.Context, body []byte, at time.Time) (a2a.Answer, error)
}

// Reasons of turns of agents outside this program.
const (
	reasonOutside = "outside_agent"  // it could not be reached, or its answer was none
	reasonNothing = "nothing_to_say" // it was asked and said nothing
	reasonLater   = "outside_answer" // it will answer by the webhook
)

// ReasonLater is the reason of a turn whose agent will answer by the webhook. A turn in a
// thread has ended with it, and its answer may still come.
func ReasonLater() string { return reasonLater }

// ReasonOutside is the reason of a turn whose agent outside this program failed.
func ReasonOutside() string { return reasonOutside }

// outsideTurn is what a turn of an agent outside this program knows of its answer.
type outsideTurn struct {
	fallback *Fault // why it says the fallback; nil when it says what the agent answered
}

// finishFallback marks a saved answer that is not the agent's own.
const finishFallback = "fallback"

// The breaker of an agent, as the system before this one had it. After BreakerFailures
// failures in a row it is open.
const (
	BreakerFailures = 5
	breakerOpen     = time.Minute
	breakerTry      = 10 * time.Second // is added to the time for one try
)

// speakOutside asks the agent and says what it answers.
func (r *attempt) speakOutside(ctx context.Context) error {
	part, err := r.partNow(ctx)
	if err != nil {
		return err
	}
	said := r.savedOutside()
	if said == nil {
		if said, err = r.askOutside(ctx, &part); err != nil {
			return err
		}
	}
	if !r.alone() {
		if err := r.letPeopleFirst(ctx, part.heard, false); err != nil {
			return err
		}
	}
	if err := r.takeFloor(ctx); err != nil {
		return err
	}
	if said.Finish == finishFallback {
		r.outside.fallback = &Fault{Reason: reasonOutside, Detail: said.Note}
	}
	defer r.begin()()
	r.add(said.Text)
	return nil
}

// savedOutside returns the answer that an earlier attempt has saved. One without a text is
// none: the agent said nothing then, or wanted to answer later, and is asked again.
func (r *attempt) savedOutside() *modelOutput {
	steps := r.savedIn("")
	for i := len(steps) - 1; i >= 0; i-- {
		out := new(modelOutput)
		if steps[i].Kind == store.StepModel && steps[i].State == store.StepDone &&
			json.Unmarshal([]byte(steps[i].Output), out) == nil && out.Text != "" {
			return out
		}
	}
	return nil
}

// askOutside calls the agent and saves its answer. A fault that makes another attempt
// sensible is returned; after the last attempt the fallback is the answer.
func (r *attempt) askOutside(ctx context.Context, part *part) (*modelOutput, error) {
	e := r.engine
	if !e.outside.take(r.agent.ID) {
		return nil, busy()
	}
	defer e.outside.free(r.agent.ID)
	if !r.alone() {
		if err := r.leaveFloor(ctx); err != nil {
			return nil, err
		}
	}
	peer, err := e.peer(r.agent)
	if err != nil {
		return nil, err
	}
	in := modelInput{Provider: r.agent.ModelProvider}
	in.read(part.messages, nil)
	step := r.newStep("", store.StepModel, r.agent.Name, r.agent.ID)
	step.Input = store.ToJSON(in)
	answer, err := r.call(ctx, r.agent, peer, func(now time.Time) *a2a.Envelope { return r.envelope(part, now) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	out := &modelOutput{Text: strings.TrimSpace(answer.Text), Finish: finishSaid}
	if err != nil {
		fault := outsideFault(err, r.turn.Attempt-r.turn.Resumed)
		if fault == nil {
			return nil, err
		}
		if fault.Again && !r.isLast(fault.After) || strings.TrimSpace(peer.Fallback) == "" || r.alone() {
			step.State = store.StepFailed
			r.endStep(step, failedOutside(err, fault), llm.Usage{})
			return nil, fault
		}
		out = &modelOutput{Text: strings.TrimSpace(peer.Fallback), Finish: finishFallback, Note: fault.Detail}
	}
	r.endStep(step, out, llm.Usage{})
	switch {
	case answer.Later:
		return nil, &Fault{Reason: reasonLater, Detail: "it will answer later, by the webhook", State: store.TurnStopped, Quiet: true}
	case out.Text == "":
		return nil, &Fault{Reason: reasonNothing, Detail: "it had nothing to say", State: store.TurnStopped, Quiet: true}
	}
	return out, r.commit(ctx, nil)
}

// outsideFault says what a failed call means for the turn, after so many attempts. It is
// nil for an error of this program.
func outsideFault(err error, attempts int) *Fault {
	var call *a2a.CallError
	if !errors.As(err, &call) {
		return nil
	}
	pause := 1500 * time.Millisecond
	if attempts > 1 {
		pause = 2500 * time.Millisecond
	}
	return &Fault{Reason: reasonOutside, Detail: call.Problem, Again: call.Again, After: max(pause, call.After)}
}

// failedOutside is the output of a failed call.
func failedOutside(err error, f *Fault) failedOutput {
	out := failedOutput{Reason: f.Reason, Error: f.Detail}
	var call *a2a.CallError
	if errors.As(err, &call) {
		out.Kind, out.RetryAfter = call.Kind(), call.After.Seconds()
	}
	return out
}

// isLast tells whether there is no attempt after this one and a pause, see retryTurn.
func (r *attempt) isLast(pause time.Duration) bool {
	most := r.engine.cfg.Turns
	return r.turn.Attempt-r.turn.Resumed >= most.MaxAttempts || r.engine.now().Add(pause).After(r.turn.StartedAt.Add(most.MaxDuration))
}

// call asks an agent, unless its breaker is open, and tells the breaker how that went.
func (r *attempt) call(ctx context.Context, ag *store.Agent, peer *Peer, envelope func(now time.Time) *a2a.Envelope) (
	answer a2a.Answer, err error) {
	e, now := r.engine, r.engine.instant()
	// Leave time for the fallback before the turn's longest duration is over.
	within := min(peer.Timeout, r.turn.StartedAt.Add(e.cfg.Turns.MaxDuration).Sub(now)-time.Second)
	failedBefore := false
	err = e.background.Do(ctx, func() (err error) { failedBefore, err = e.admit(ctx, ag.ID, now, within); return err })
	if err != nil {
		return answer, err
	}
	asking, done := context.WithTimeout(ctx, within)
	answer, err = peer.Ask(asking, []byte(store.ToJSON(envelope(now))), now)
	done()
	var call *a2a.CallError
	if ctx.Err() != nil || err != nil && !errors.As(err, &call) {
		return answer, cmp.Or(ctx.Err(), err)
	}
	outcome := "ok"
	tell := func() error { return nil }
	switch {
	case err != nil:
		outcome = "failed"
		tell = func() error {
			return e.db.Single().CountFailure(ctx, ag.ID, BreakerFailures, e.instant().Add(breakerOpen))
		}
	case failedBefore:
		tell = func() error { return e.db.Single().CloseBreaker(ctx, ag.ID) }
	}
	e.telemetry.OutsideMessage("out", outcome)
	if broken := e.background.Do(ctx, tell); broken != nil {
		return answer, broken
	}
	return answer, err
}

// admit tells whether an agent may be asked now, and whether it could not be reached the
// last time. While its breaker is open, one try is made at the end of that time.
func (e *Engine) admit(ctx context.Context, agentID string, now time.Time, within time.Duration) (failedBefore bool, err error) {
	b, err := e.db.Breaker(ctx, agentID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil || b.OpenUntil.IsZero() {
		return true, err
	}
	if now.After(b.OpenUntil) {
		if err = e.db.Single().TryAgain(ctx, b, now.Add(within+breakerTry)); err == nil {
			return true, nil
		}
	}
	if err == nil || errors.Is(err, store.ErrStale) {
		e.telemetry.OutsideMessage("out", "not_asked")
		err = &a2a.CallError{Problem: "It has failed several times in a row, so it is not asked for a minute", Open: true,
			After: max(b.OpenUntil.Sub(now), 0)}
	}
	return true, err
}

// maxHistory bounds the texts of the history that an agent is sent.
const maxHistory = 32 << 10

// envelope is what the agent is sent: the newest message that is not its own, with the
// messages before it.
func (r *attempt) envelope(part *part, now time.Time) *a2a.Envelope {
	about := part.messages[len(part.messages)-1]
	for _, m := range slices.Backward(part.messages) {
		if m.AgentID != r.agent.ID {
			about = m
			break
		}
	}
	meta := r.metadata(r.agent, part.messages)
	meta.SenderName, meta.SenderIsBot, meta.Cause = saidBy(&about), about.ByBot(), r.turn.Cause
	return &a2a.Envelope{ID: r.turn.ID, Type: a2a.TypeUserMessage, SenderID: cmp.Or(about.SenderID, about.AgentID, "system"),
		RecipientID: r.agent.ID, Content: withFiles(&about, nil), Metadata: meta, CreatedAt: event.Timestamp(now)}
}

// metadata says where an agent is asked, with the newest of the messages that it may read.
func (r *attempt) metadata(ag *store.Agent, messages []store.Message) a2a.Metadata {
	meta := a2a.Metadata{RoomID: r.room.ID, RoomName: r.room.Name, ThreadID: r.room.ThreadID, AgentID: ag.ID, AgentName: ag.Name,
		Attempt: r.turn.Attempt - r.turn.Resumed, History: []a2a.Said{}}
	if meta.ReplyTo = r.turn.RootID; r.alone() {
		meta.RoomName = r.thread.name
	}
	left := maxHistory
	for _, m := range slices.Backward(messages) {
		content := withFiles(&m, nil)
		if left -= len(content); left < 0 {
			break
		}
		meta.History = append(meta.History, a2a.Said{ID: m.ID, Sender: saidBy(&m), SenderID: cmp.Or(m.SenderID, m.AgentID), IsAI: m.ByAgent(), IsBot: m.ByBot(),
			Content: content, CreatedAt: event.Timestamp(m.CreatedAt)})
	}
	slices.Reverse(meta.History)
	meta.HistoryLength = len(meta.History)
	return meta
}

// saidBy is the name of a message's author.
func saidBy(m *store.Message) string {
	if m.ByAgent() {
		return m.AgentName
	}
	return event.SenderName(m)
}
