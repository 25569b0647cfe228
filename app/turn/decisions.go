package turn

import (
	"context"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// storeDecision stores a decision and the turns that follow from it. The first turn gets
// the room's floor; one whose agent is busy is not the first. It returns store.ErrStale
// when another decision about these messages was faster, and store.ErrExists when a turn
// has got the floor, or an agent another turn.
func (e *Engine) storeDecision(ctx context.Context, tx *store.Tx, roomID string, d *turntaking.Decision) error {
	if d.From < d.Seq {
		left, err := tx.SetDecided(ctx, roomID, d.From, d.Seq)
		if err != nil {
			return err
		}
		if left && slices.ContainsFunc(d.Candidates, func(c turntaking.Candidate) bool { return c.Behind > 0 }) {
			return store.ErrStale // the turn that an agent has may have ended and read what calls it
		}
		// What was posted meanwhile has no job of its own. If turns follow, their end
		// makes the room decide.
		if left && len(d.Speakers()) == 0 {
			if err := e.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: roomID}); err != nil {
				return err
			}
		}
	}
	if d.Cause == "" {
		return nil
	}
	now := e.instant()
	row, turns := decisionRows(d, roomID, now)
	if err := tx.CreateDecisions(ctx, []store.Decision{row}); err != nil {
		return err
	}
	if d.Guard != "" {
		if err := e.storeGuard(ctx, tx, roomID, event.Guard{State: event.GuardStopped, Guard: d.Guard, DecisionID: row.ID, Agents: d.CutOffNames()}); err != nil {
			return err
		}
	}
	if len(turns) == 0 {
		return nil
	}
	first := &turns[slices.IndexFunc(d.Speakers(), func(c turntaking.Candidate) bool { return c.Behind == 0 })]
	e.queued(first, now)
	if err := tx.CreateTurns(ctx, turns); err != nil {
		return err
	}
	return e.queue.Add(ctx, tx, jobs.RunTurn{TurnID: first.ID, Attempt: 1})
}

// decisionRows returns a decision as it is stored, and its turns, which all wait.
func decisionRows(d *turntaking.Decision, roomID string, now time.Time) (store.Decision, []store.Turn) {
	row := store.Decision{ID: store.NewID(), RoomID: roomID, Cause: d.Cause, FromSeq: d.From, Seq: d.Seq, Guard: d.Guard,
		Candidates: store.ToJSON(append([]turntaking.Candidate{}, d.Candidates...)), CreatedAt: now}
	var turns []store.Turn
	for i, c := range d.Speakers() {
		t := store.Turn{ID: store.NewID(), RoomID: roomID, AgentID: c.AgentID, TriggerSeq: d.Seq, Position: i,
			State: store.TurnWaiting, Attempt: 1, CreatedAt: now, DecisionID: row.ID, Cause: d.Cause, AskedBy: c.AskedBy, RootID: c.RootID}
		if c.Behind > 0 {
			t.TriggerSeq, t.Position = c.Behind, i+1
		}
		turns = append(turns, t)
	}
	return row, turns
}

// queued marks a turn as queued: its job is added in the same transaction.
func (e *Engine) queued(t *store.Turn, now time.Time) {
	t.State, t.LeaseUntil = store.TurnQueued, now.Add(e.cfg.Turns.Lease)
}
