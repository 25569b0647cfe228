package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// errStopped hands a turn back when this process goes away.
var errStopped = &turnFault{reason: reasonStopped, detail: "the worker was stopped", again: true}

// turnFault is why an attempt ended without a line.
type turnFault struct {
	reason, detail string
	state          string        // how the turn ends: failed unless set
	quiet          bool          // the room need not know
	again          bool          // another attempt may do better
	after          time.Duration // ... after this long
	usage          llm.Usage
	steps          []store.TurnStep // that the attempt has not saved yet
}

// Error gives the detail, which is written for the room's staff.
func (f *turnFault) Error() string { return f.reason + ": " + f.detail }

// faultOf says what an error means for the turn.
func faultOf(err error, attempt int) *turnFault {
	var fault *turnFault
	var model *llm.Error
	switch {
	case errors.As(err, &fault):
		return fault
	case !errors.As(err, &model):
		return &turnFault{reason: reasonInternal, detail: "an error of the program; the server's log tells more", again: true, after: time.Second}
	}
	f := &turnFault{reason: string(model.Kind), detail: model.Message}
	switch model.Kind {
	case llm.TooLong:
		f.reason = reasonPrompt
	case llm.BadKey, llm.BadRequest, llm.UnknownProvider, llm.Quota, llm.Filtered, llm.WroteCall:
	default:
		f.again, f.after = true, max(model.RetryAfter, time.Duration(attempt)*time.Second)
	}
	return f
}

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
