package app

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// maxMute is the longest time for which one request can mute an agent.
const maxMute = 366 * 24 * time.Hour

// MuteAgent keeps an agent from speaking in a room, even if somebody mentions it. Give
// exactly one of until and minutes.
func (a *App) MuteAgent(ctx context.Context, actor *Actor, roomID, agentID string, until Opt[time.Time], minutes Opt[int]) (*AgentInRoom, error) {
	return a.changeRoomAgent(ctx, actor, roomID, agentID, func(_ *store.Room, ra *store.RoomAgent, now time.Time) error {
		byDate, byLength := until.Sent && !until.Null, minutes.Sent && !minutes.Null
		switch {
		case byDate == byLength:
			return invalid("until", "send either until, a time, or minutes")
		case byLength:
			if err := between("minutes", minutes.Value, 1, int(maxMute/time.Minute)); err != nil {
				return err
			}
			ra.MutedUntil = now.Add(time.Duration(minutes.Value) * time.Minute)
			return nil
		case !until.Value.After(now) || until.Value.After(now.Add(maxMute)):
			return invalid("until", "must be in the future, within a year")
		}
		ra.MutedUntil = until.Value.UTC().Truncate(time.Microsecond)
		return nil
	})
}

// UnmuteAgent lets a muted agent speak again.
func (a *App) UnmuteAgent(ctx context.Context, actor *Actor, roomID, agentID string) (*AgentInRoom, error) {
	return a.changeRoomAgent(ctx, actor, roomID, agentID, func(_ *store.Room, ra *store.RoomAgent, _ time.Time) error {
		ra.MutedUntil = time.Time{}
		return nil
	})
}

// PutToSleep makes an agent sleep in a room until a person posts a message.
func (a *App) PutToSleep(ctx context.Context, actor *Actor, roomID, agentID string) (*AgentInRoom, error) {
	return a.changeRoomAgent(ctx, actor, roomID, agentID, func(r *store.Room, ra *store.RoomAgent, now time.Time) error {
		ra.AsleepAt, ra.AsleepSeq = now, r.EventSeq
		return nil
	})
}

// ClearSleep wakes an agent that sleeps in a room, whatever the reason for its sleep.
func (a *App) ClearSleep(ctx context.Context, actor *Actor, roomID, agentID string) (*AgentInRoom, error) {
	return a.changeRoomAgent(ctx, actor, roomID, agentID, func(r *store.Room, ra *store.RoomAgent, now time.Time) error {
		clearSleep(ra, r, now)
		return nil
	})
}

func clearSleep(ra *store.RoomAgent, r *store.Room, now time.Time) {
	ra.AsleepAt, ra.WokenAt, ra.WokenSeq = time.Time{}, now, r.EventSeq
}

// WakeAgent gives an agent a turn in a room at once, even if it sleeps, and whatever its
// trigger says. The new turn waits until another agent's turn in the room has ended. It
// is an error if the agent itself has a turn already.
func (a *App) WakeAgent(ctx context.Context, actor *Actor, roomID, agentID string) (*store.Turn, error) {
	p, _, err := a.agentInRoom(ctx, actor, roomID, agentID, ActWakeAgent)
	if err != nil {
		return nil, err
	}
	// Read the keys before the transaction: nobody shall wait for them.
	unusable, err := a.cannotAsk(ctx, p.Agent)
	if err != nil {
		return nil, err
	}
	var turn *store.Turn
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		// Lock order: room, turn, room agent, as wherever agents get turns.
		room, err := tx.RoomForUpdate(ctx, roomID)
		if err != nil {
			return err
		}
		if turn, err = a.storeWake(ctx, tx, actor, p, room, unusable); err != nil {
			return err
		}
		ra, err := tx.RoomAgentForUpdate(ctx, roomID, agentID)
		if err != nil {
			return err
		}
		clearSleep(ra, room, turn.CreatedAt)
		if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActWakeAgent, target{"room", roomID}, nil, changes{"agent_id": agentID, "turn_id": turn.ID})
	})
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, errNotAttached
	case errors.Is(err, store.ErrExists): // a turn for the same messages
		return nil, errAboutToSpeak
	}
	return turn, fromStore(err, "Agent in this room")
}

var errAboutToSpeak = errorf(KindConflict, turntaking.RuleBusy, "The agent is about to speak already")

// errCannotSpeak tells staff why an agent cannot have the turn that they start.
func errCannotSpeak(rule, detail string) error {
	return errorf(KindConflict, rule, "The agent cannot speak now: %s", reasonText(rule, detail))
}

// cannotAsk returns why an agent's model cannot be asked, with what to do about it. It
// returns "" if the model can be asked.
func (a *App) cannotAsk(ctx context.Context, ag *store.Agent) (string, error) {
	if ag.IsExternal {
		return "", nil
	}
	if !a.models.Known(ag.ModelProvider) {
		return "no provider " + ag.ModelProvider + " is configured on this server. Choose another provider for the agent.", nil
	}
	why, err := a.model.Keyless(ctx, ag)
	if why != "" {
		why += ". Give the agent a key, or put one for this provider into its maker's wallet."
	}
	return why, err
}

// canContinue returns an error if a turn that staff continue would end at once, because
// its agent may not speak any more.
func (a *App) canContinue(ctx context.Context, t *store.Turn) error {
	room, err := a.db.Room(ctx, t.RoomID)
	if err != nil {
		return fromStore(err, "Room")
	}
	ra, err := a.db.RoomAgent(ctx, t.RoomID, t.AgentID)
	if errors.Is(err, store.ErrNotFound) {
		return errCannotSpeak(turntaking.RuleGone, "")
	}
	if err != nil {
		return err
	}
	began := t.CreatedAt // as the turn itself judges it
	p := a.effective(ra, began)
	if rule, detail := p.effective.CanSpeak(roomOf(room), 0, began); rule != "" {
		return errCannotSpeak(rule, detail)
	}
	if t.Workflow != "" {
		return nil // a workflow may ask other agents
	}
	unusable, err := a.cannotAsk(ctx, p.Agent)
	if err == nil && unusable != "" {
		err = errCannotSpeak(turntaking.RuleNoKey, unusable)
	}
	return err
}

// storeWake stores a decision made by staff, with its turn. unusable is why the agent's
// model cannot be asked.
func (a *App) storeWake(ctx context.Context, tx *store.Tx, actor *Actor, p *roomAgent, room *store.Room, unusable string) (*store.Turn, error) {
	now := a.instant()
	clearSleep(p.RoomAgent, room, now)
	p = a.effective(p.RoomAgent, now)
	if rule, detail := p.effective.CanSpeak(roomOf(room), 0, now); rule != "" {
		return nil, errCannotSpeak(rule, detail)
	}
	shown, err := tx.ShownMessages(ctx, room.ID, 0, 1)
	if err != nil {
		return nil, err
	}
	if len(shown) == 0 {
		return nil, errorf(KindConflict, "no_lines", "Nothing has been said in this room yet")
	}
	unended, err := tx.UnendedTurns(ctx, []string{room.ID})
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(unended, func(t store.Turn) bool { return t.AgentID == p.AgentID }) {
		return nil, errAboutToSpeak
	}
	if unusable != "" {
		return nil, errCannotSpeak(turntaking.RuleNoKey, unusable)
	}
	// This decision does not cover messages that are still undecided: the DecideInRoom
	// job decides about them.
	d := turntaking.Decision{Cause: turntaking.CauseWake, From: room.DecidedSeq, Seq: room.DecidedSeq, Candidates: []turntaking.Candidate{
		{AgentID: p.AgentID, Name: p.Agent.Name, Speaks: true, Rule: turntaking.RuleWoken, AskedBy: actor.User.ID}}}
	row, turns := decisionRows(&d, room.ID, now)
	if err := tx.CreateDecisions(ctx, []store.Decision{row}); err != nil {
		return nil, err
	}
	t := &turns[0]
	waits := slices.ContainsFunc(unended, func(t store.Turn) bool { return t.State != store.TurnParked })
	if waits {
		t.Position = 1
	} else {
		a.queued(t, now)
	}
	if err := tx.CreateTurns(ctx, turns); err != nil || waits {
		return t, err
	}
	return t, a.queue.Add(ctx, tx, jobs.RunTurn{TurnID: t.ID, Attempt: t.Attempt})
}

// reasonText says why an agent may not speak, in words for staff.
func reasonText(rule, detail string) string {
	text := map[string]string{
		turntaking.RuleExternal: "it is outside this program", turntaking.RuleRoomOff: "the room's AI is switched off", turntaking.RuleInactive: "it is switched off",
		turntaking.RuleOffHere: "it is switched off in this room", turntaking.RuleMode: "the room's mode leaves its kind out", turntaking.RuleMuted: "it is muted",
		turntaking.RuleSchedule: "it is not the time for it", turntaking.RuleNoKey: "its model cannot be asked", turntaking.RuleGone: "it is not in this room any more", turntaking.RuleAsleep: "it sleeps", turntaking.RuleGuard: "agents have said as much as they may until a person goes on",
	}[rule]
	if detail != "" {
		text += ", " + detail
	}
	return text
}
