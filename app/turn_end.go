package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/workflow"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// retryTurn ends an attempt that failed with cause: the turn goes back in line
// as the next attempt, or ends for good when that makes no sense, or there
// were enough of them.
func (a *App) retryTurn(ctx context.Context, t *store.Turn, cause error) error {
	f := faultOf(cause, t.Attempt)
	now := a.instant()
	started := t.StartedAt
	if started.IsZero() {
		started = now
	}
	at := now.Add(f.after)
	if !f.again || t.Attempt-t.Resumed >= a.cfg.Turns.MaxAttempts || at.After(started.Add(a.cfg.Turns.MaxDuration)) {
		return a.endTurn(ctx, t, f)
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RetryTurn(ctx, t.ID, t.Attempt, at.Add(a.cfg.Turns.Lease), f.reason, f.detail); err != nil {
			return err
		}
		if err := tx.SaveSteps(ctx, f.steps); err != nil {
			return err
		}
		next := jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt + 1}
		if f.after <= 0 {
			// A job with a date waits for the queue's leader to release it, and
			// the worker that was lost may have been that.
			return a.queue.Add(ctx, tx, next)
		}
		return a.queue.AddAt(ctx, tx, next, at)
	})
	if errors.Is(err, store.ErrStale) {
		if stop, err := a.wantsStop(ctx, t); err != nil || stop {
			return errors.Join(err, a.endTurn(ctx, t, errAsked))
		}
	}
	if err == nil {
		a.telemetry.TurnEnded(ctx, turnRetried, f.reason, now.Sub(t.CreatedAt))
	}
	return err
}

// endTurn ends a turn for good without a line. The room is told that it
// failed, its staff also why; nothing of it is posted as speech.
func (a *App) endTurn(ctx context.Context, t *store.Turn, f *turnFault) error {
	now := a.instant()
	var end *store.Turn
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		end, err = a.storeTurnEnd(ctx, tx, t, f, now)
		return err
	})
	if err == nil {
		a.telemetry.TurnEnded(ctx, end.State, end.Reason, now.Sub(t.CreatedAt))
		if end.State == store.TurnFailed {
			// Without the detail, which holds a provider's words and is for the room's staff.
			a.log.WarnContext(ctx, "a turn failed", "turn", end.ID, "room", end.RoomID, "agent", end.AgentID, "attempt", end.Attempt, "reason", end.Reason)
		}
	}
	return err
}

// storeTurnEnd is endTurn in a transaction; it returns the turn as it ended. A
// live turn is followed by the next.
func (a *App) storeTurnEnd(ctx context.Context, tx *store.Tx, t *store.Turn, f *turnFault, now time.Time) (*store.Turn, error) {
	agent, err := tx.Agent(ctx, t.AgentID)
	if err != nil {
		return nil, err
	}
	end := *t
	end.State, end.Reason, end.Detail, end.EndedAt = f.state, f.reason, f.detail, now
	if end.State == "" {
		end.State = store.TurnFailed
	}
	end.PromptTokens, end.CompletionTokens = f.usage.PromptTokens, f.usage.CompletionTokens
	seq := int64(0)
	if !f.quiet {
		if seq, err = tx.NextSeq(ctx, t.RoomID, time.Time{}); err != nil {
			return nil, err
		}
	}
	if err := tx.EndTurn(ctx, &end, now); err != nil {
		return nil, err
	}
	if err := tx.SaveSteps(ctx, f.steps); err != nil {
		return nil, err
	}
	if !f.quiet {
		body := toJSON(TurnEvent{TurnID: t.ID, AgentID: t.AgentID, AgentName: agent.Name, State: end.State,
			Attempt: t.Attempt, Reason: end.Reason, Detail: end.Detail})
		if err := tx.CreateEvent(ctx, &store.Event{RoomID: t.RoomID, Seq: seq, ID: store.NewID(), Type: EventTurn, Body: body, CreatedAt: now}); err != nil {
			return nil, err
		}
	}
	if t.State == store.TurnWaiting || t.State == store.TurnParked {
		// Another turn is live, or none: nothing waits for the end of this one.
		_, err := tx.MarkRead(ctx, t.RoomID, 0, seq, now.Add(a.cfg.Turns.Lease))
		return &end, err
	}
	return &end, a.nextInRoom(ctx, tx, t.RoomID, t.TriggerSeq, seq)
}

// finish stores the line, its event and the turn's end in one commit, and goes
// on in the room. What was switched off while the model spoke stays unsaid.
func (r *attempt) finish(ctx context.Context) error {
	if r.flow != nil && r.ended.IsZero() {
		return r.flow.finish(ctx)
	}
	a, content := r.app, strings.TrimSpace(r.text.String())
	if err := r.reload(ctx); err != nil {
		return err
	}
	if err := r.mayNotSpeak(); err != nil {
		return a.endTurn(ctx, r.turn, r.withFault(err))
	}
	if content == "" {
		return a.endTurn(ctx, r.turn, r.withFault(r.silent("", "the")))
	}
	m := r.newMessage(r.agent, content)
	m.Truncated = m.Truncated || r.wasCut("")
	m.StoppedAt = r.ended
	now := m.CreatedAt
	_, stored := a.telemetry.MessageStored(ctx, m.ID, m.RoomID)
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		end := *r.turn
		end.State, end.Reason, end.Detail, end.ReadSeq = store.TurnFinished, "", "", r.read
		if !r.ended.IsZero() {
			end.State, end.Reason, end.Detail = errAsked.state, errAsked.reason, errAsked.detail
		}
		end.PromptTokens, end.CompletionTokens = r.usage.PromptTokens, r.usage.CompletionTokens
		// The line before the turn: it waits for the agent's row, as a deletion
		// of the agent does, and holding the turn meanwhile would be a deadlock.
		if added, err := tx.AddMessage(ctx, m, messageEvent(m), store.Heard{}); err != nil || !added {
			return errors.Join(err, store.ErrStale)
		}
		if err := tx.EndTurn(ctx, &end, now); err != nil {
			return err
		}
		if err := tx.SaveSteps(ctx, r.ending(m.ID)); err != nil {
			return err
		}
		own := m.Seq
		// What was cut off in the middle calls nobody: that is what a stop is for.
		if r.ended.IsZero() && mention.May(m.Content) {
			own = 0
		}
		if err := a.nextInRoom(ctx, tx, m.RoomID, r.read, own); err != nil {
			return err
		}
		return tx.Rearm(ctx, r.rearmed(now))
	})
	stored(err)
	if err == nil {
		r.signal("finished")
		a.telemetry.TurnEnded(ctx, store.TurnFinished, "", now.Sub(r.turn.CreatedAt))
	}
	return err
}

// newMessage is what an agent says in the room as its line of this turn.
func (r *attempt) newMessage(by *store.Agent, content string) *store.Message {
	most := int(r.app.cfg.Limits.MessageBytes)
	long := len(content) > most
	content = cut(content, most)
	if strings.HasPrefix(content, tracePrefix) {
		content = zeroWidthSpace + content
	}
	return &store.Message{ID: store.NewID(), RoomID: r.room.ID, AgentID: by.ID, AgentType: by.Type, AgentName: by.Name,
		Truncated: long, TurnID: r.turn.ID, Content: content, CreatedAt: r.app.instant()}
}

// finish ends a turn that has come to the end of its graph: finished when
// it has said something, else stopped, with the reason for staff.
func (r *graphRun) finish(ctx context.Context) error {
	a, now := r.app, r.app.instant()
	if r.said == 0 {
		fault := &turnFault{reason: reasonUnsaid, detail: fmt.Sprintf("the workflow came to its end (%s) without a line", r.status), state: store.TurnStopped}
		if r.status == workflow.LabelRejected {
			fault.detail = "a person of the staff has not let it go on"
		}
		if r.status == workflow.LabelRejected && r.denied {
			fault.reason, fault.detail = reasonDenied, "the draft was not approved"
		}
		return a.endTurn(ctx, r.turn, r.withFault(fault))
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		end := *r.turn
		end.State, end.Reason, end.Detail, end.ReadSeq = store.TurnFinished, "", "", r.read
		end.PromptTokens, end.CompletionTokens = r.usage.PromptTokens, r.usage.CompletionTokens
		// The room before the turn, as everywhere.
		if _, err := tx.RoomForUpdate(ctx, r.room.ID); err != nil {
			return err
		}
		if err := tx.EndTurn(ctx, &end, now); err != nil {
			return err
		}
		if err := tx.SaveSteps(ctx, r.ending("")); err != nil {
			return err
		}
		own := r.said
		if r.calls {
			own = 0
		}
		if err := a.nextInRoom(ctx, tx, r.room.ID, r.read, own); err != nil {
			return err
		}
		return tx.Rearm(ctx, r.rearmed(now))
	})
	if err == nil {
		r.signal("finished")
		a.telemetry.TurnEnded(ctx, store.TurnFinished, r.status, now.Sub(r.turn.CreatedAt))
	}
	return err
}
