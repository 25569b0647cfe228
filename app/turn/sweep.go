package turn

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// sweepLoop sweeps expired leases until ctx ends.
func (e *Engine) sweepLoop(ctx context.Context) {
	tick := time.NewTicker(e.cfg.Turns.Sweep) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	r := rest{db: e.db}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.next.IsZero() && r.lasts(e.instant()) {
			continue // nothing runs, so nothing can lose its worker
		}
		waiting := false
		err := r.look(ctx, func(ctx context.Context) (next time.Time, err error) {
			next, waiting, err = e.db.NextOverdue(ctx)
			return next, err
		})
		if err == nil && (waiting || r.due(e.instant())) {
			err = e.sweep(ctx, e.instant())
		}
		if err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "sweep failed", "err", err)
		}
	}
}

// Recover takes over, at the start, what the last process left. On SQLite there
// is no other process, so every lease belongs to a process that is gone.
func (e *Engine) Recover(ctx context.Context) error {
	if e.db.Postgres() {
		return nil
	}
	return e.sweep(ctx, e.instant().Add(24*time.Hour))
}

// SweepBatch is how many rows one sweep takes over.
const SweepBatch = 200

// sweep adds fresh jobs for turns and reports whose lease ran out before asOf, and
// for rooms whose decision was due by then. All nodes may sweep at once: each row is
// taken over under a condition that only one node meets.
func (e *Engine) sweep(ctx context.Context, asOf time.Time) error {
	turns, err := e.db.OverdueTurns(ctx, asOf, SweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range turns {
		if err := e.takeOver(ctx, &t, asOf); err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("take over turn %s: %w", t.ID, err))
		}
	}
	stranded, err := e.db.StrandedRooms(ctx, SweepBatch, turntaking.AskedFor()...)
	errs = append(errs, err)
	for _, id := range stranded {
		if err := e.resumeRoom(ctx, id); err != nil {
			errs = append(errs, fmt.Errorf("resume room %s: %w", id, err))
		}
	}
	rooms, err := e.db.OverdueRooms(ctx, asOf, SweepBatch)
	errs = append(errs, err)
	for _, id := range rooms {
		err := e.db.InTx(ctx, func(tx *store.Tx) error {
			if err := tx.PostponeDecision(ctx, id, asOf, e.instant().Add(e.cfg.Turns.Lease)); err != nil {
				return err
			}
			return e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: id})
		})
		if err != nil && !errors.Is(err, store.ErrStale) {
			errs = append(errs, fmt.Errorf("look at room %s: %w", id, err))
		}
	}
	return errors.Join(append(errs, e.sweepOther(ctx, asOf), e.expireApprovals(ctx, e.instant()), e.wakeForBudgets(ctx, e.instant()))...)
}

// takeOver gives an overdue turn a fresh job. A running turn has lost its worker,
// which uses up an attempt. A queued turn has lost its job, or waits behind others: a
// second job for it is harmless.
func (e *Engine) takeOver(ctx context.Context, t *store.Turn, asOf time.Time) error {
	if t.State == store.TurnRunning && !t.StopAt.IsZero() {
		return e.endTurn(ctx, t, errAsked)
	}
	if t.State == store.TurnRunning {
		e.log.WarnContext(ctx, "turn lost its worker", "turn", t.ID, "room", t.RoomID, "node", t.Node, "attempt", t.Attempt)
		return e.retryTurn(ctx, t, &Fault{Reason: ReasonLost, Detail: "the worker stopped in the middle of the turn", Again: true})
	}
	return e.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RequeueTurn(ctx, t.ID, t.Attempt, asOf, e.instant().Add(4*e.cfg.Turns.Lease)); err != nil {
			return err
		}
		return e.queue.Add(ctx, tx, jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt})
	})
}
