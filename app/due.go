package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// How agents come to speak though nobody says anything. When an agent's
// trigger will be due is a date in its room's row: looks and turns set it, at
// the latest to when it is due. One node, whose lease says so, looks for dates
// that have come; what it finds it claims, judges by what is true then, and
// fires or dates anew, all in one transaction. Two nodes that both take
// themselves for the one do no harm.

const (
	// dueLease is the lease of the node that looks; after so long without it
	// another one does.
	dueLease     = 5 * time.Second
	dueLeaseName = "due_triggers"
	// dueBatch is how many triggers one transaction judges.
	dueBatch = 250
	// decisionComes is for how long a trigger is left to a look at newer lines.
	decisionComes = 2 * time.Second
	// dueAgain is after how long a trigger is tried again that could not be
	// judged.
	dueAgain = 30 * time.Second
)

// dueLoop fires what is due until ctx ends, while this node is the one.
func (a *App) dueLoop(ctx context.Context) {
	tick := time.NewTicker(a.cfg.Turns.Due) //nolint:forbidigo // the pace of a loop is no rule's time
	defer tick.Stop()
	defer a.resign(ctx, dueLeaseName)
	l := leader{app: a}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		leads, err := l.leads(ctx)
		if err == nil && leads {
			err = a.fireDue(ctx)
		}
		if err != nil && ctx.Err() == nil {
			a.log.ErrorContext(ctx, "due triggers could not be fired", "err", err)
		}
	}
}

// leader is whether this node looks for due triggers.
type leader struct {
	app   *App
	until time.Time // before then the lease need not be extended
}

// leads extends or takes the lease, well before it runs out. On SQLite there is
// no other node.
func (l *leader) leads(ctx context.Context) (bool, error) {
	now := time.Now() //nolint:forbidigo // a lease is kept by the database's clock, not by that of rules
	if !l.app.db.Postgres() || now.Before(l.until) {
		return true, nil
	}
	leads, err := l.app.db.Single().Lead(ctx, dueLeaseName, dueLease)
	if l.until = (time.Time{}); leads {
		l.until = now.Add(dueLease / 2)
	}
	return leads, err
}

// resign gives a lease back, so that another node need not wait for its end. On
// SQLite there are none.
func (a *App) resign(ctx context.Context, lease string) {
	if !a.db.Postgres() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = a.db.Single().Resign(ctx, lease) // else the lease runs out
}

// fireDue fires or dates anew all that is due.
func (a *App) fireDue(ctx context.Context) error {
	now := a.instant()
	if any, err := a.db.AnyDue(ctx, now); err != nil || !any {
		return err
	}
	return a.yielding(ctx, func() error {
		for {
			rows, err := a.fireBatch(ctx, now, dueBatch)
			if err != nil {
				return a.fireEach(ctx, now, err)
			}
			if len(rows) < dueBatch {
				return nil
			}
		}
	})
}

// fireEach fires one after the other what could not be fired together, so that
// what hinders one hinders no other.
func (a *App) fireEach(ctx context.Context, now time.Time, cause error) error {
	a.log.WarnContext(ctx, "due triggers are fired one by one", "err", cause)
	for range dueBatch {
		rows, err := a.fireBatch(ctx, now, 1)
		if ctx.Err() != nil || len(rows) == 0 {
			return errors.Join(err, ctx.Err())
		}
		if err == nil {
			continue
		}
		late := store.Rearmed{RoomID: rows[0].RoomID, AgentID: rows[0].AgentID, NextDueAt: now.Add(dueAgain)}
		a.log.ErrorContext(ctx, "a due trigger could not be fired", "room", late.RoomID, "agent", late.AgentID, "err", err)
		if err := a.db.InTx(ctx, func(tx *store.Tx) error { return tx.Rearm(ctx, []store.Rearmed{late}) }); err != nil {
			return err
		}
	}
	return nil
}

// fireBatch claims triggers that are due and stores what becomes of them.
func (a *App) fireBatch(ctx context.Context, now time.Time, limit int) (rows []store.RoomAgent, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if rows, err = tx.ClaimDue(ctx, now, limit); err != nil || len(rows) == 0 {
			return err
		}
		// Only now: what else happens in these rooms waits for this transaction.
		due, err := a.dueAgents(ctx, tx, rows, now)
		if err != nil {
			return err
		}
		return a.storeFired(ctx, tx, judgeDue(due, a.cfg.Turns.MaxStreak, now), now)
	})
	if err != nil {
		return rows, fmt.Errorf("fire due triggers: %w", err)
	}
	return rows, nil
}

// storeFired stores what became of triggers, with the turns and their jobs, in
// as many statements as one of them takes.
func (a *App) storeFired(ctx context.Context, tx *store.Tx, all []fired, now time.Time) error {
	var decisions []store.Decision
	var turns []store.Turn
	var runs []jobs.RunTurn
	rearmed := make([]store.Rearmed, len(all))
	for i, f := range all {
		rearmed[i] = f.row
		if f.decision == nil {
			continue
		}
		row, own := f.decision.rows(f.row.RoomID, now)
		decisions = append(decisions, row)
		for _, t := range own {
			if f.waits {
				t.Position = 1
			} else {
				a.queued(&t, now)
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
	if err := a.queue.AddRuns(ctx, tx, runs); err != nil {
		return err
	}
	return tx.Rearm(ctx, rearmed)
}
