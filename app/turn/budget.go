package turn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/store"
)

// An empty budget pauses agents. The turn is parked behind its saved steps and leaves the
// floor; the room is told once for each budget and period. When the budget has enough left
// again, because it renews, is raised or deleted, a sweep lets the turn go on, unless its
// agent has a newer turn in the room. All of this is in rows, so any node may do it.

// reasonBudget is the reason of a turn that waits for a budget.
const reasonBudget = ledger.Empty

// errOutdated ends a turn that waited for a budget while the room went on.
var errOutdated = &Fault{Reason: "outdated", Detail: "it waited for a budget, and newer messages came meanwhile",
	State: store.TurnStopped, Quiet: true}

// emptyBudget returns the refusal of a budget for which the turn can wait, or nil.
func emptyBudget(err error) *ledger.Refused {
	var no *ledger.Refused
	if errors.As(err, &no) && no.Reason == ledger.Empty {
		return no
	}
	return nil
}

// waitForBudget parks the turn until a budget has enough left for it.
func (r *attempt) waitForBudget(ctx context.Context, no *ledger.Refused) error {
	e, f := r.engine, r.withFault(no)
	err := e.db.InTx(ctx, func(tx *store.Tx) error {
		room, err := tx.RoomForUpdate(ctx, r.room.ID)
		if err != nil {
			return err
		}
		if err := tx.SaveSteps(ctx, f.Steps); err != nil {
			return err
		}
		if err := tx.ParkTurn(ctx, r.turn.ID, r.turn.Attempt, reasonBudget, f.Detail); err != nil {
			return err
		}
		older, err := tx.ParkedForBudget(ctx, room.ID, r.turn.AgentID)
		if err != nil {
			return err
		}
		for i := range older {
			if _, err := e.storeTurnEnd(ctx, tx, &older[i], errOutdated, e.instant()); err != nil {
				return err
			}
			if err := tx.ForgetBudgetWait(ctx, older[i].ID); err != nil {
				return err
			}
		}
		wait := store.BudgetWait{TurnID: r.turn.ID, BudgetID: no.Budget.ID, Worst: no.Worst, CreatedAt: e.instant()}
		if err := tx.WaitForBudget(ctx, &wait); err != nil {
			return err
		}
		if err := e.noticeBudget(ctx, tx, room, no); err != nil {
			return err
		}
		_, err = e.nextInRoom(ctx, tx, room.ID, max(r.read, r.turn.TriggerSeq), 0)
		return err
	})
	if errors.Is(err, store.ErrStale) {
		if stop, err := e.wantsStop(ctx, r.turn); err != nil || !stop {
			return errors.Join(err, ErrLeaseLost)
		}
		return e.endTurn(ctx, r.turn, r.withFault(errAsked))
	}
	if err != nil {
		return err
	}
	r.signal(store.TurnParked, reasonBudget)
	if r.turn.AskedBy != "" {
		e.tell(r.room.ID, Silence{UserID: r.turn.AskedBy, AgentID: r.agent.ID, Name: r.agent.Name, Reason: f.Detail})
	}
	e.telemetry.TurnEnded(ctx, store.TurnParked, reasonBudget, e.now().Sub(r.turn.CreatedAt))
	return nil
}

// noticeBudget tells a room of an empty budget, once in each period, and once more after
// the budget was changed. The transaction must
// hold the lock of the room.
func (e *Engine) noticeBudget(ctx context.Context, tx *store.Tx, room *store.Room, no *ledger.Refused) error {
	if fresh, err := tx.NoteBudget(ctx, &no.Budget, room.ID, e.instant()); err != nil || !fresh {
		return err
	}
	body := event.Budget{State: event.BudgetEmpty, BudgetID: no.Budget.ID, ScopeKind: no.Budget.ScopeKind, Detail: no.Error()}
	if !no.RenewsAt.IsZero() {
		body.RenewsAt = event.Timestamp(no.RenewsAt)
	}
	return e.storeBudgetEvent(ctx, tx, room, body)
}

func (e *Engine) storeBudgetEvent(ctx context.Context, tx *store.Tx, room *store.Room, body event.Budget) error {
	seq, err := tx.NextQuietSeq(ctx, room)
	if err != nil {
		return err
	}
	return tx.CreateEvent(ctx, event.New(room.ID, seq, event.TypeBudget, body, e.instant()))
}

// NoticeLowBudget tells the staff of a room that most of a budget is spent. The transaction
// must hold the lock of the room.
func (e *Engine) NoticeLowBudget(ctx context.Context, tx *store.Tx, room *store.Room, b *store.BudgetNow, detail string) error {
	body := event.Budget{State: event.BudgetLow, BudgetID: b.ID, ScopeKind: b.ScopeKind, Detail: detail}
	if at := ledger.RenewsAt(b.Period, e.now(), e.zone); !at.IsZero() {
		body.RenewsAt = event.Timestamp(at)
	}
	return e.storeBudgetEvent(ctx, tx, room, body)
}

// wakeForBudgets lets turns go on whose budgets have enough left again. Of those that wait
// for one budget it wakes only as many as have room in it together.
func (e *Engine) wakeForBudgets(ctx context.Context, now time.Time) error {
	waits, err := e.db.BudgetWaitsOver(ctx, ledger.Starts(now, e.zone), SweepBatch)
	errs := []error{err}
	taken := map[string]int64{}
	for _, w := range waits {
		if !w.Gone && w.Left >= w.Worst {
			if taken[w.BudgetID]+w.Worst > w.Left {
				continue
			}
			taken[w.BudgetID] += w.Worst
		}
		if err := e.wakeForBudget(ctx, w.TurnID); err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("wake turn %s: %w", w.TurnID, err))
		}
	}
	return errors.Join(errs...)
}

func (e *Engine) wakeForBudget(ctx context.Context, turnID string) error {
	return e.db.InTx(ctx, func(tx *store.Tx) error {
		t, err := tx.Turn(ctx, turnID)
		if errors.Is(err, store.ErrNotFound) {
			return tx.ForgetBudgetWait(ctx, turnID)
		}
		if err != nil {
			return err
		}
		// Lock order: room, turn.
		if _, err := tx.RoomForUpdate(ctx, t.RoomID); err != nil {
			return err
		}
		if err := tx.ForgetBudgetWait(ctx, turnID); err != nil {
			return err
		}
		if t, err = tx.Turn(ctx, turnID); err != nil || t.State != store.TurnParked || t.Reason != reasonBudget {
			return err
		}
		newer, err := tx.NewerTurn(ctx, t)
		if err != nil {
			return err
		}
		if newer {
			_, err := e.storeTurnEnd(ctx, tx, t, errOutdated, e.instant())
			return err
		}
		return e.Unpark(ctx, tx, t)
	})
}
