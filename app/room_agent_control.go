package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/wording"
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
		turn.ClearSleep(ra, r, now)
		return nil
	})
}

// WakeAgent gives an agent a turn in a room at once, even if it sleeps, and whatever its
// trigger says. The new turn waits while another agent's turn has the room's floor. It
// is an error if the agent itself has a turn already.
func (a *App) WakeAgent(ctx context.Context, actor *Actor, roomID, agentID string) (*store.Turn, error) {
	p, _, err := a.agentInRoom(ctx, actor, roomID, agentID, ActWakeAgent)
	if err != nil {
		return nil, err
	}
	turn, err := a.engine.Wake(ctx, p.RoomAgent, actor.User.ID, func(tx *store.Tx, turn *store.Turn) error {
		return a.audit.record(ctx, tx, actor, ActWakeAgent, target{"room", roomID}, nil, changes{"agent_id": agentID, "turn_id": turn.ID})
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNotAttached
	}
	return turn, fromStore(refusal(err), "Agent in this room")
}

// refusal is an error of the engine for the person who starts or continues a turn. Any
// other error stays as it is.
func refusal(err error) error {
	var no *turn.Refused
	switch {
	case !errors.As(err, &no):
		return err
	case no.Rule == turntaking.RuleBusy:
		return errorf(KindConflict, wording.Code(no.Rule), "The agent is about to speak already")
	case no.Rule == turn.RuleNoMessages:
		return errorf(KindConflict, wording.Code(no.Rule), "Nothing has been said in this room yet")
	}
	return errorf(KindConflict, wording.Code(no.Rule), "The agent cannot speak now: %s", turntaking.Why(no.Rule, no.Detail))
}
