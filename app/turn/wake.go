package turn

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Refused is why an agent cannot have a turn that a person starts or continues: a rule of
// package turntaking or RuleNoMessages, and a detail for staff.
type Refused struct{ Rule, Detail string }

// Error returns the reason in words for staff.
func (r *Refused) Error() string { return turntaking.Reason(r.Rule, r.Detail) }

// RuleNoMessages is the rule of a room in which nothing was said yet.
const RuleNoMessages = "no_lines"

// ClearSleep wakes an agent that sleeps in a room, whatever the reason for its sleep.
func ClearSleep(ra *store.RoomAgent, r *store.Room, now time.Time) {
	ra.AsleepAt, ra.WokenAt, ra.WokenSeq = time.Time{}, now, r.EventSeq
}

// Wake gives an agent a turn in a room at once, even if it sleeps, and whatever its
// trigger says. The new turn waits while another agent's turn has the room's floor. with
// runs in the transaction. It returns *Refused if the agent may not speak or has a turn
// already, and store.ErrNotFound if it is not in the room.
func (e *Engine) Wake(ctx context.Context, ra *store.RoomAgent, userID string, with func(*store.Tx, *store.Turn) error) (turn *store.Turn, err error) {
	// Read the keys before the transaction: nobody shall wait for them.
	unusable, err := e.cannotAsk(ctx, ra.Agent)
	if err != nil {
		return nil, err
	}
	err = e.db.InTx(ctx, func(tx *store.Tx) error {
		// Lock order: room, turn, room agent, as wherever agents get turns.
		room, err := tx.OpenRoomForUpdate(ctx, ra.RoomID)
		if err != nil {
			return err
		}
		if turn, err = e.storeWake(ctx, tx, userID, ra, room, unusable); err != nil {
			return err
		}
		ra, err := tx.RoomAgentForUpdate(ctx, ra.RoomID, ra.AgentID)
		if err != nil {
			return err
		}
		ClearSleep(ra, room, turn.CreatedAt)
		if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
			return err
		}
		return with(tx, turn)
	})
	if errors.Is(err, store.ErrExists) { // a turn for the same messages
		return nil, &Refused{Rule: turntaking.RuleBusy}
	}
	return turn, err
}

// storeWake stores a decision made by staff, with its turn. unusable is why the agent's
// model cannot be asked.
func (e *Engine) storeWake(ctx context.Context, tx *store.Tx, userID string, ra *store.RoomAgent, room *store.Room, unusable string) (*store.Turn, error) {
	now := e.instant()
	ClearSleep(ra, room, now)
	if rule, detail := effectiveIn(ra, now, e.zone).CanSpeak(RoomOf(room), 0, now); rule != "" {
		return nil, &Refused{rule, detail}
	}
	shown, err := tx.ShownMessages(ctx, room.ID, 0, 1)
	if err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, &Refused{Rule: RuleNoMessages}
	}
	unended, err := tx.UnendedTurns(ctx, []string{room.ID})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(unended, func(t store.Turn) bool { return t.AgentID == ra.AgentID }) {
		return nil, &Refused{Rule: turntaking.RuleBusy}
	}
	if unusable != "" {
		return nil, &Refused{turntaking.RuleNoKey, unusable}
	}
	// This decision does not cover messages that are still undecided: the DecideInRoom
	// job decides about them.
	d := turntaking.Decision{Cause: turntaking.CauseWake, From: room.DecidedSeq, Seq: room.DecidedSeq, Candidates: []turntaking.Candidate{
		{AgentID: ra.AgentID, Name: ra.Agent.Name, Speaks: true, Rule: turntaking.RuleWoken, AskedBy: userID}}}
	row, turns := decisionRows(&d, room.ID, now)
	if err := tx.CreateDecisions(ctx, []store.Decision{row}); err != nil {
		return nil, err
	}
	t := &turns[0]
	if slices.ContainsFunc(unended, func(t store.Turn) bool { return t.State != store.TurnParked }) {
		t.Position = 1
		if err := tx.CreateTurns(ctx, turns); err != nil {
			return nil, err
		}
		if err := e.queueNext(ctx, tx, room.ID); err != nil {
			return nil, err
		}
		return tx.Turn(ctx, t.ID)
	}
	e.queued(t, now)
	if err := tx.CreateTurns(ctx, turns); err != nil {
		return nil, err
	}
	return t, e.queue.Add(ctx, tx, jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt})
}

// cannotAsk returns why an agent's model cannot be asked, with what to do about it. It
// returns "" if the model can be asked.
func (e *Engine) cannotAsk(ctx context.Context, ag *store.Agent) (string, error) {
	if ag.IsExternal {
		return "", nil
	}
	if !e.model.Known(ag.ModelProvider) {
		return "no provider " + ag.ModelProvider + " is configured on this server. Choose another provider for the agent.", nil
	}
	why, err := e.model.Keyless(ctx, ag)
	if why != "" {
		why += ". Give the agent a key, or put one for this provider into its maker's wallet."
	}
	return why, err
}

// CanContinue returns *Refused if a turn that staff continue would end at once, because
// its agent may not speak any more.
func (e *Engine) CanContinue(ctx context.Context, t *store.Turn) error {
	room, err := e.db.Room(ctx, t.RoomID)
	if err != nil {
		return err
	}
	if isAlone(t) {
		ag, err := e.db.Agent(ctx, t.AgentID)
		if err != nil {
			return err
		}
		return e.canAsk(ctx, ag)
	}
	ra, err := e.db.RoomAgent(ctx, t.RoomID, t.AgentID)
	if errors.Is(err, store.ErrNotFound) {
		return &Refused{Rule: turntaking.RuleGone}
	}
	if err != nil {
		return err
	}
	began := t.CreatedAt // as the turn itself judges it
	p := Effective(ra, began, e.zone)
	if rule, detail := p.Effective.CanSpeak(RoomOf(room), 0, began); rule != "" {
		return &Refused{rule, detail}
	}
	if t.Workflow != "" {
		return nil // a workflow may ask other agents
	}
	return e.canAsk(ctx, p.Agent)
}

// canAsk returns *Refused if an agent's model cannot be asked.
func (e *Engine) canAsk(ctx context.Context, ag *store.Agent) error {
	unusable, err := e.cannotAsk(ctx, ag)
	if err == nil && unusable != "" {
		err = &Refused{turntaking.RuleNoKey, unusable}
	}
	return err
}
