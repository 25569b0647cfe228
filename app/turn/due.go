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

// How agents come to speak though nobody says anything. When a trigger is due is in
// app/schedule/trigger_due.go, and what becomes of it in app/turntaking/due.go.
//
// The row of an agent in a room has the date on which its trigger may be due. Decisions
// and turns set this date, never later than the trigger is due. Each node knows the next of
// these dates, and asks for it again after changes. When it has come, one node, the holder
// of a lease, claims the triggers whose dates have come, judges them by
// what is true now, and then fires them or sets a new date, all in one transaction. Two
// nodes that both believe they hold the lease do no harm.

const (
	// dueLease is how long a node leads without renewing its lease. After that,
	// another node may take it.
	dueLease     = 5 * time.Second
	dueLeaseName = "due_triggers"
	// dueBatch is how many triggers one transaction judges.
	dueBatch = 250
	// dueAgain is after how long a trigger that could not be fired is tried again.
	dueAgain = 30 * time.Second
)

// dueLoop fires due triggers until ctx ends, while this node holds the lease.
func (e *Engine) dueLoop(ctx context.Context) {
	tick := time.NewTicker(e.cfg.Turns.Due) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	defer e.db.GiveBackLease(ctx, dueLeaseName)
	l, r := leader{engine: e}, rest{db: e.db}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if r.lasts(e.instant()) {
			continue
		}
		err := r.look(ctx, e.db.NextDue)
		if err == nil && r.due(e.instant()) {
			var leads bool
			if leads, err = l.leads(ctx); err == nil && leads {
				err = e.FireDue(ctx)
			}
		}
		if err != nil && ctx.Err() == nil {
			e.log.ErrorContext(ctx, "due triggers could not be fired", "err", err)
		}
	}
}

// leader knows whether this node fires the due triggers.
type leader struct {
	engine *Engine
	until  time.Time // the lease needs no renewal before then
}

// leads takes the lease or renews it, well before it runs out, and tells whether this
// node has it. On SQLite there is no other node.
func (l *leader) leads(ctx context.Context) (bool, error) {
	now := time.Now() //nolint:forbidigo // a lease is kept by the database's clock, not by that of rules
	if !l.engine.db.Postgres() || now.Before(l.until) {
		return true, nil
	}
	leads, err := l.engine.db.Single().Lead(ctx, dueLeaseName, dueLease)
	if l.until = (time.Time{}); leads {
		l.until = now.Add(dueLease / 2)
	}
	return leads, err
}

// FireDue fires every due trigger or sets its next date, as Run does again and again.
func (e *Engine) FireDue(ctx context.Context) error {
	now := e.instant()
	return e.background.Do(ctx, func() error {
		for {
			rows, err := e.fireBatch(ctx, now, dueBatch)
			if err != nil {
				return e.fireEach(ctx, now, err)
			}
			if len(rows) < dueBatch {
				return nil
			}
		}
	})
}

// fireEach fires one by one the triggers that could not be fired together, so that a
// fault of one stops no other.
func (e *Engine) fireEach(ctx context.Context, now time.Time, cause error) error {
	e.log.WarnContext(ctx, "due triggers are fired one by one", "err", cause)
	for range dueBatch {
		rows, err := e.fireBatch(ctx, now, 1)
		if ctx.Err() != nil || len(rows) == 0 {
			return errors.Join(err, ctx.Err())
		}
		if err == nil {
			continue
		}
		late := store.Rearmed{RoomID: rows[0].RoomID, AgentID: rows[0].AgentID, NextDueAt: now.Add(dueAgain)}
		e.log.ErrorContext(ctx, "a due trigger could not be fired", "room", late.RoomID, "agent", late.AgentID, "err", err)
		if err := e.db.InTx(ctx, func(tx *store.Tx) error { return tx.Rearm(ctx, []store.Rearmed{late}) }); err != nil {
			return err
		}
	}
	return nil
}

// fireBatch claims due triggers and stores what becomes of them.
func (e *Engine) fireBatch(ctx context.Context, now time.Time, limit int) (rows []store.RoomAgent, err error) {
	err = e.db.InTx(ctx, func(tx *store.Tx) error {
		if rows, err = tx.ClaimDue(ctx, now, limit); err != nil || len(rows) == 0 {
			return err
		}
		// Read the facts only after the claim: other changes of these rows wait for
		// this transaction.
		due, rows, err := e.dueAgents(ctx, tx, rows, now)
		if err != nil {
			return err
		}
		return e.storeFired(ctx, tx, rows, turntaking.JudgeDue(due, e.cfg.Turns.MaxStreak, now), now)
	})
	if err != nil {
		return rows, fmt.Errorf("fire due triggers: %w", err)
	}
	return rows, nil
}

// storeFired stores what became of triggers, with their turns and jobs. It needs as
// many statements for all triggers as for one. rows are those of all, in their order.
func (e *Engine) storeFired(ctx context.Context, tx *store.Tx, rows []store.RoomAgent, all []turntaking.Fired, now time.Time) error {
	var decisions []store.Decision
	var turns []store.Turn
	var runs []jobs.RunTurn
	rearmed := make([]store.Rearmed, len(all))
	for i, f := range all {
		rearmed[i] = store.Rearmed{RoomID: rows[i].RoomID, AgentID: rows[i].AgentID, NextDueAt: f.NextDueAt, SpokeAt: f.SpokeAt,
			ReadSeq: f.ReadSeq, BrokeSeq: f.BrokeSeq}
		if f.Decision == nil {
			continue
		}
		row, own := decisionRows(f.Decision, rows[i].RoomID, now)
		decisions = append(decisions, row)
		for _, t := range own {
			if f.Waits {
				t.Position = 1
			} else {
				e.queued(&t, now)
				runs = append(runs, jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt})
			}
			turns = append(turns, t)
		}
	}
	if len(decisions) > 0 {
		if err := tx.CreateDecisions(ctx, decisions); err != nil {
			return err
		}
	}
	if len(turns) > 0 {
		if err := tx.CreateTurns(ctx, turns); err != nil {
			return err
		}
	}
	if err := e.queue.AddRuns(ctx, tx, runs); err != nil {
		return err
	}
	return tx.Rearm(ctx, rearmed)
}
