package turn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// retryTurn ends an attempt that failed with cause. It queues the turn as its next
// attempt, or ends the turn for good: when another attempt makes no sense, when there
// were enough attempts, or when the next would begin after the turn's longest
// duration.
func (e *Engine) retryTurn(ctx context.Context, t *store.Turn, cause error) error {
	f := FaultOf(cause, t.Attempt)
	now := e.instant()
	started := t.StartedAt
	if started.IsZero() {
		started = now
	}
	at := now.Add(f.After)
	if !f.Again || !f.Free && t.Attempt-t.Resumed >= e.cfg.Turns.MaxAttempts || at.After(started.Add(e.cfg.Turns.MaxDuration)) {
		return e.endTurn(ctx, t, f)
	}
	next := jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt + 1}
	retry := func(tx *store.Tx) error {
		again := tx.RetryTurn
		if f.Free {
			again = tx.DelayTurn
		}
		if err := again(ctx, t.ID, t.Attempt, at.Add(e.cfg.Turns.Lease), f.Reason, f.Detail); err != nil {
			return err
		}
		return tx.SaveSteps(ctx, f.Steps)
	}
	err := e.db.InTx(ctx, func(tx *store.Tx) error {
		if f.After <= 0 {
			// A job with a date waits until the queue's leader releases it. The
			// lost worker may have been that leader.
			if err := retry(tx); err != nil {
				return err
			}
			return e.queue.Add(ctx, tx, next)
		}
		return e.freeFloor(ctx, tx, t, func() error {
			if err := retry(tx); err != nil {
				return err
			}
			if err := e.queue.AddAt(ctx, tx, next, at); err != nil || t.Aside {
				return err
			}
			return tx.LeaveFloor(ctx, next.TurnID, next.Attempt)
		})
	})
	if errors.Is(err, store.ErrStale) {
		if stop, err := e.wantsStop(ctx, t); err != nil || stop {
			return errors.Join(err, e.endTurn(ctx, t, errAsked))
		}
	}
	if err == nil {
		e.telemetry.TurnEnded(ctx, outcomeRetried, f.Reason, now.Sub(t.CreatedAt))
	}
	return err
}

// endTurn ends a turn for good without a message. The room is told that the turn
// failed, and its staff also why. The reason is never posted as a message.
func (e *Engine) endTurn(ctx context.Context, t *store.Turn, f *Fault) error {
	now := e.instant()
	var end *store.Turn
	err := e.db.InTx(ctx, func(tx *store.Tx) (err error) {
		end, err = e.storeTurnEnd(ctx, tx, t, f, now)
		return err
	})
	if err == nil {
		e.telemetry.TurnEnded(ctx, end.State, end.Reason, now.Sub(t.CreatedAt))
		if end.State == store.TurnFailed {
			// Do not log the detail: it holds a provider's words and is for the
			// room's staff.
			e.log.WarnContext(ctx, "a turn failed", "turn", end.ID, "room", end.RoomID, "agent", end.AgentID, "attempt", end.Attempt,
				"reason", end.Reason)
		}
	}
	return err
}

// storeTurnEnd does the work of endTurn in a transaction and returns the turn as it
// ended.
func (e *Engine) storeTurnEnd(ctx context.Context, tx *store.Tx, t *store.Turn, f *Fault, now time.Time) (*store.Turn, error) {
	agent, err := tx.Agent(ctx, t.AgentID)
	if err != nil {
		return nil, err
	}
	end := *t
	end.State, end.Reason, end.Detail = cmp.Or(f.State, store.TurnFailed), f.Reason, f.Detail
	end.PromptTokens, end.CompletionTokens = f.Usage.PromptTokens, f.Usage.CompletionTokens
	// When this turn only waited, nothing waits for its end: another turn is live,
	// or none is.
	how := turnEnd{turn: &end, waited: t.State == store.TurnWaiting || t.State == store.TurnParked, steps: f.Steps, read: t.TriggerSeq}
	if !f.Quiet || isAlone(t) { // whoever waits for a thread's turn reads its end
		how.event = &event.Turn{TurnID: t.ID, AgentID: t.AgentID, AgentName: agent.Name, State: end.State, Attempt: t.Attempt,
			Reason: end.Reason, Detail: end.Detail, RootID: t.RootID}
	}
	return &end, e.commitTurnEnd(ctx, tx, &how, now)
}

// outcomeRetried is the outcome of an attempt that is followed by another one.
const outcomeRetried = "retried"

// turnEnd is how a turn ends for good.
type turnEnd struct {
	turn   *store.Turn // with its last state and reason, what it has read, and its tokens
	waited bool        // the turn did not run, so nothing waits for its end
	// message is the turn's message; event tells the room of an end without one.
	// Both are nil when everything was said before, or when the room need not know.
	message *store.Message
	event   *event.Turn
	steps   []store.TurnStep
	read    int64                             // the newest message that it answers
	heard   int64                             // the newest message of a person that the agent was shown
	said    int64                             // the newest message that it stored before its end
	calls   bool                              // what it said may call an agent, so the room decides about it
	rearmed func(*store.Room) []store.Rearmed // the next dates of triggers after this turn; may be nil
	// agents, unless zero, is the AgentsVersion that the room must have after the end. With
	// any other, somebody has changed its agents or settings.
	agents int64
}

// errAgentsChanged says that a turn has to look at its room again before its end.
var errAgentsChanged = errors.New("the agents of the room have changed")

// commitTurnEnd stores the end of a turn, with its message, and goes on in the room.
// It is the only way in which turns end. Lock order, as in package store: the message
// first (it locks the room and the agent), then the turn. Deleting an agent locks in
// the same order.
func (e *Engine) commitTurnEnd(ctx context.Context, tx *store.Tx, end *turnEnd, now time.Time) (err error) {
	room, own := end.turn.RoomID, end.said
	switch {
	case end.message != nil:
		heard := store.Heard{Unheard: isAlone(end.turn)}
		if added, _, err := addMessage(ctx, tx, end.message, heard); err != nil || !added {
			return errors.Join(err, store.ErrStale)
		}
		own = end.message.Seq
	case end.event != nil:
		own, err = tx.NextSeq(ctx, room, time.Time{})
	default:
		_, err = tx.RoomForUpdate(ctx, room)
	}
	if err != nil {
		return err
	}
	end.turn.EndedAt = now
	if err := tx.EndTurn(ctx, end.turn, now); err != nil {
		return err
	}
	if err := tx.SaveSteps(ctx, end.steps); err != nil {
		return err
	}
	if end.message != nil && isAlone(end.turn) {
		if err := tx.TouchThread(ctx, room, now); err != nil {
			return err
		}
	}
	if end.event != nil {
		if err := tx.CreateEvent(ctx, event.New(room, own, event.TypeTurn, end.event, now)); err != nil {
			return err
		}
	}
	if end.calls {
		own = 0
	}
	if end.waited {
		after, err := tx.MarkRead(ctx, room, 0, own, now.Add(e.cfg.Turns.Lease))
		if err != nil || !after.Undecided() {
			return err
		}
		return e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: room})
	}
	if end.heard > end.turn.TriggerSeq {
		err := tx.EndRead(ctx, room, end.turn.AgentID, turntaking.CausePost, end.heard, reasonRead,
			"its earlier answer has read the message", now)
		if err != nil {
			return err
		}
	}
	after, err := e.nextInRoom(ctx, tx, room, end.read, own)
	if err != nil || end.rearmed == nil {
		return err
	}
	if end.agents > 0 && after.AgentsVersion != end.agents {
		return errAgentsChanged
	}
	return tx.Rearm(ctx, end.rearmed(after))
}

// end describes the end of a turn that has said something.
func (r *attempt) end(now time.Time) turnEnd {
	t := *r.turn
	t.State, t.Reason, t.Detail, t.ReadSeq = store.TurnFinished, "", "", max(r.read, r.heard)
	t.PromptTokens, t.CompletionTokens = r.usage.PromptTokens, r.usage.CompletionTokens
	return turnEnd{turn: &t, read: r.read, heard: r.heard, rearmed: func(room *store.Room) []store.Rearmed { return r.rearmed(room, now) }}
}

// commitEnd commits the end of a turn that has said something and tells the room. how
// is the reason that the metrics get.
func (r *attempt) commitEnd(ctx context.Context, e *turnEnd, how string, now time.Time) error {
	// The message and the signal of the end go out in one write to each member.
	release := func() {}
	defer func() { release() }()
	err := r.engine.db.InTx(ctx, func(tx *store.Tx) error {
		tx.AtCommit(func() { release = r.engine.hub.Hold(r.room.ID) })
		return r.engine.commitTurnEnd(ctx, tx, e, now)
	})
	if err == nil {
		r.signal("finished", "")
		r.engine.telemetry.TurnEnded(ctx, store.TurnFinished, how, now.Sub(r.turn.CreatedAt))
	}
	return err
}

// finish stores the message, its event and the turn's end in one commit, and goes on
// in the room. If the agent or the room's AI was switched off while the model wrote,
// the answer stays unsaid.
func (r *attempt) finish(ctx context.Context) error {
	if r.flow != nil && r.ended.IsZero() {
		return r.flow.finish(ctx)
	}
	a, content := r.engine, strings.TrimSpace(r.text.String())
	if content != "" {
		// Nearly always the room's agents are as they were when the turn began. The
		// statements of the end tell, so nothing is read for it.
		if err := r.say(ctx, content); !errors.Is(err, errAgentsChanged) {
			return err
		}
	}
	for range 5 {
		if err := r.reload(ctx); err != nil {
			return err
		}
		if err := r.mayNotSpeak(r.speakers); err != nil {
			return a.endTurn(ctx, r.turn, r.withFault(err))
		}
		if content == "" {
			return a.endTurn(ctx, r.turn, r.withFault(r.silent("", "the")))
		}
		if err := r.say(ctx, content); !errors.Is(err, errAgentsChanged) {
			return err
		}
	}
	return ErrBusy
}

// say ends the turn with its message.
func (r *attempt) say(ctx context.Context, content string) error {
	a := r.engine
	m := r.newMessage(r.agent, content)
	m.Truncated = m.Truncated || r.wasCut("")
	m.StoppedAt = r.ended
	e := r.end(m.CreatedAt)
	e.agents = r.room.AgentsVersion + 1 // the end itself moves it by one
	e.message, e.steps, e.calls = m, r.ending(m.ID), mention.May(m.Content)
	if !r.ended.IsZero() {
		e.turn.State, e.turn.Reason, e.turn.Detail = errAsked.State, errAsked.Reason, errAsked.Detail
		e.calls = false // an answer that was stopped in the middle calls no agent
	}
	if r.alone() { // its agents are not those of a course's room, and nobody else hears it
		e.agents, e.rearmed, e.calls = 0, nil, false
	}
	if err := r.findCalled(ctx, m); err != nil {
		return err
	}
	how := ""
	if f := r.outside.fallback; f != nil {
		// The agent's own answer may still come, so this one is not the turn's.
		m.TurnID, e.calls, how = "", false, f.Reason
		e.turn.State, e.turn.Reason, e.turn.Detail = store.TurnFailed, f.Reason, f.Detail
	}
	_, stored := a.telemetry.MessageStored(ctx, m.ID, m.RoomID)
	err := r.commitEnd(ctx, &e, how, m.CreatedAt)
	stored(err)
	return err
}

// newMessage makes the message that an agent posts in this turn.
func (r *attempt) newMessage(by *store.Agent, content string) *store.Message {
	most := int(r.engine.cfg.Limits.MessageBytes)
	long := len(content) > most
	if content = store.Cut(content, most); !r.alone() {
		content = event.EscapeTrace(content)
	}
	return &store.Message{ID: store.NewID(), RoomID: r.room.ID, Answers: r.thread.answers, RootID: r.turn.RootID,
		AgentID: by.ID, AgentType: by.Type, AgentName: by.Name, Truncated: long, TurnID: r.turn.ID, Content: content, CreatedAt: r.engine.instant()}
}

// findCalled finds out which people an agent's message calls. An agent calls others by what
// they decide about it, and never everybody.
func (r *attempt) findCalled(ctx context.Context, m *store.Message) error {
	_, err := r.engine.Call(ctx, r.engine.db.Queries, r.room, m, Calling{People: true})
	return err
}

// finish ends a turn whose graph came to its end. The turn is finished when it has
// said something; otherwise it is stopped, with the reason for staff.
func (r *graphRun) finish(ctx context.Context) error {
	a, now := r.attempt.engine, r.attempt.engine.instant()
	if r.said == 0 {
		fault := &Fault{Reason: reasonUnsaid, State: store.TurnStopped,
			Detail: fmt.Sprintf("the workflow came to its end (%s) without a message", r.status)}
		if r.status == workflow.LabelRejected {
			fault.Detail = "a person of the staff has not let it go on"
		}
		if r.status == workflow.LabelRejected && r.denied {
			fault.Reason, fault.Detail = event.ReasonDenied, "the draft was not approved"
		}
		return a.endTurn(ctx, r.attempt.turn, r.attempt.withFault(fault))
	}
	e := r.attempt.end(now)
	e.steps, e.said, e.calls = r.attempt.ending(""), r.said, r.calls
	return r.attempt.commitEnd(ctx, &e, r.status, now)
}
