package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// RoomAgentSettings are the members that staff set of an agent in one room. A member
// that is not sent keeps the stored value. With null the agent's own setting holds.
type RoomAgentSettings struct {
	IsActive       Opt[bool]
	TriggerConfig  Opt[json.RawMessage] // members that replace the agent's own
	ScheduleConfig Opt[json.RawMessage] // the same for the schedule
	ContextWindow  Opt[int]
	Version        Opt[int] // the version that was edited; the change is refused if there is a newer one
}

// AgentInRoom is an agent in a room with the settings that are effective there, for the
// room's staff.
type AgentInRoom struct {
	*store.RoomAgent            // what is set in the room, and the agent
	Trigger          store.JSON // effective trigger; "" means chance
	Schedule         store.JSON // effective schedule; "" means always
	ContextMessages  int
	Overridden       bool
	Muted            time.Time // muted until then; zero if it is not
	// Rule is the reason of a decision that keeps the agent from speaking now, and
	// Detail explains it. Both are "" if it may speak.
	Rule, Detail string
	Problems     []string // settings that cannot be read, and others that have its name
}

var errNotAttached = errorf(KindNotFound, wording.NotFound, "Agent not assigned to this room")

// agentInRoom loads an agent in a room and checks that the actor may do the action
// there.
func (a *App) agentInRoom(ctx context.Context, actor *Actor, roomID, agentID string, action Action) (*turn.RoomAgent, *store.Room, error) {
	room, err := a.roomFor(ctx, actor, roomID, action)
	if err != nil {
		return nil, nil, err
	}
	ra, err := a.db.RoomAgent(ctx, roomID, agentID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errNotAttached
	}
	if err != nil {
		return nil, nil, err
	}
	return turn.Effective(ra, a.instant(), a.cfg.Location()), room, nil
}

// RoomAgentSettings returns how an agent is set in a room, and whether it may speak
// there now.
func (a *App) RoomAgentSettings(ctx context.Context, actor *Actor, roomID, agentID string) (*AgentInRoom, error) {
	p, room, err := a.agentInRoom(ctx, actor, roomID, agentID, ActReadRoomAgent)
	if err != nil {
		return nil, err
	}
	return a.describe(ctx, p, room)
}

func (a *App) describe(ctx context.Context, p *turn.RoomAgent, room *store.Room) (*AgentInRoom, error) {
	now := a.instant()
	messages, err := a.db.MessagesSincePerson(ctx, []string{room.ID})
	if err != nil {
		return nil, err
	}
	same, err := namesakes(ctx, a.db.Queries, room.ID, p.Agent.Name)
	if err != nil {
		return nil, err
	}
	effective, r := p.Effective, turn.RoomOf(room)
	out := &AgentInRoom{RoomAgent: p.RoomAgent, Trigger: store.JSON(effective.TriggerText), Schedule: store.JSON(effective.HoursText),
		ContextMessages: effective.ContextMessages(store.MaxLimit), Overridden: effective.Overridden, Problems: append(same, effective.Problems...)}
	if now.Before(p.MutedUntil) {
		out.Muted = p.MutedUntil
	}
	if out.Rule, out.Detail = effective.CanSpeak(r, effective.OwnMessages(r, turn.MessagesOf(messages), now), now); out.Rule != "" {
		return out, nil
	}
	if out.Detail, err = a.model.Keyless(ctx, p.Agent); out.Detail != "" {
		out.Rule = turntaking.RuleNoKey
	}
	if err != nil || out.Rule != "" {
		return out, err
	}
	place := store.AgentPlace{AgentID: p.AgentID, RoomID: room.ID, CourseID: room.CourseID}
	spent, err := a.outOfBudget(ctx, []store.AgentPlace{place})
	if spent[[2]string{room.ID, p.AgentID}] {
		out.Rule = ledger.Empty
	}
	return out, err
}

// SetRoomAgent changes the sent settings of an agent in a room. Its trigger then counts
// anew from now, and changes that the agent itself made to its trigger are dropped.
func (a *App) SetRoomAgent(ctx context.Context, actor *Actor, roomID, agentID string, s RoomAgentSettings) (*AgentInRoom, error) {
	return a.changeRoomAgent(ctx, actor, roomID, agentID, func(_ *store.Room, ra *store.RoomAgent, now time.Time) error {
		if s.Version.Sent && s.Version.Value != ra.Version {
			return store.ErrStale
		}
		return s.apply(ra, now)
	})
}

func (s RoomAgentSettings) apply(ra *store.RoomAgent, now time.Time) error {
	if err := s.IsActive.set("is_active", &ra.IsActive); err != nil {
		return err
	}
	if s.ContextWindow.Sent {
		if ra.ContextWindow = s.ContextWindow.Value; !s.ContextWindow.Null {
			if err := between("context_window", ra.ContextWindow, 1, 1000); err != nil {
				return err
			}
		}
	}
	for _, m := range []struct {
		field string
		sent  Opt[json.RawMessage]
		to    *store.JSON
		check func(store.JSON) error
	}{
		// Check the settings as they will be effective: merged over the agent's own.
		{"trigger_config", s.TriggerConfig, &ra.TriggerConfig, func(v store.JSON) error {
			return checkTrigger(store.JSON(schedule.MergeTrigger(string(ra.Agent.TriggerConfig), string(v))))
		}},
		{"schedule_config", s.ScheduleConfig, &ra.ScheduleConfig, func(v store.JSON) error {
			return checkSchedule(store.JSON(schedule.MergeSchedule(string(ra.Agent.ScheduleConfig), string(v))))
		}},
	} {
		if !m.sent.Sent {
			continue
		}
		v, err := object(m.field, m.sent.Value, "")
		if err == nil && v != *m.to && v != "" {
			err = m.check(v)
		}
		if err != nil {
			return err
		}
		*m.to = v
	}
	if s.TriggerConfig.Sent {
		ra.Override, ra.OverrideUntil = "", time.Time{}
	}
	if s.TriggerConfig.Sent || s.ScheduleConfig.Sent {
		ra.Since = now
	}
	return nil
}

// changeRoomAgent changes the stored settings of an agent in a room, and has its trigger
// judged anew.
func (a *App) changeRoomAgent(ctx context.Context, actor *Actor, roomID, agentID string, edit func(*store.Room, *store.RoomAgent, time.Time) error) (*AgentInRoom, error) {
	p, room, err := a.agentInRoom(ctx, actor, roomID, agentID, ActSetRoomAgent)
	if err != nil {
		return nil, err
	}
	now, agent := a.instant(), p.Agent
	var ra *store.RoomAgent
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ra, err = tx.RoomAgentForUpdate(ctx, roomID, agentID); err != nil {
			return err
		}
		ra.Agent = agent
		before := *ra
		if err := edit(room, ra, now); err != nil {
			return err
		}
		ra.NextDueAt = now
		if err := tx.UpdateRoomAgent(ctx, ra); err != nil {
			return err
		}
		if roomAgentSize(ra) > roomAgentSize(&before) {
			if err := a.quotas.courseGrew(ctx, tx, room.CourseID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActSetRoomAgent, target{"room", roomID}, roomAgentChanges(&before), roomAgentChanges(ra))
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, errNotAttached
	}
	if err != nil {
		return nil, fromStore(err, "Agent in this room")
	}
	return a.describe(ctx, turn.Effective(ra, now, a.cfg.Location()), room)
}

func roomAgentSize(ra *store.RoomAgent) int {
	return len(ra.TriggerConfig) + len(ra.ScheduleConfig) + len(ra.Override)
}

// roomAgentChanges is an agent in a room as the audit log shows it.
func roomAgentChanges(ra *store.RoomAgent) changes {
	f := changes{"agent_id": ra.AgentID, "is_active": ra.IsActive, "trigger_config": sum(string(ra.TriggerConfig)),
		"schedule_config": sum(string(ra.ScheduleConfig)), "context_window": ra.ContextWindow, "override": sum(string(ra.Override)),
		"asleep": !ra.AsleepAt.IsZero()}
	if !ra.MutedUntil.IsZero() {
		f["muted_until"] = event.Timestamp(ra.MutedUntil)
	}
	return f
}

// CopyRoomAgentSettings copies an agent's settings in this room to other rooms of the
// course: to those named in to, or to all. It returns the rooms that it changed, and the
// named rooms in which the agent is not.
func (a *App) CopyRoomAgentSettings(ctx context.Context, actor *Actor, roomID, agentID string, to []string) (copied, without []string, err error) {
	_, room, err := a.agentInRoom(ctx, actor, roomID, agentID, ActSetRoomAgent)
	if err != nil {
		return nil, nil, err
	}
	if len(to) > store.MaxLimit {
		return nil, nil, invalid("room_ids", "has %d entries, at most %d are possible", len(to), store.MaxLimit)
	}
	// Staff of this room are staff of the whole course.
	rooms, err := a.db.RoomsInCourse(ctx, room.CourseID, "", store.Page{Limit: store.MaxLimit})
	if err != nil {
		return nil, nil, err
	}
	var wanted []string
	for _, id := range rooms.IDs() {
		if id != roomID && (to == nil || slices.Contains(to, id)) {
			wanted = append(wanted, id)
		}
	}
	for _, id := range to {
		if id != roomID && !slices.Contains(wanted, id) {
			return nil, nil, notFound("Room")
		}
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.LockRooms(ctx, append([]string{roomID}, wanted...)); err != nil {
			return err
		}
		from, err := tx.RoomAgentForUpdate(ctx, roomID, agentID)
		if err != nil {
			return err
		}
		if copied, err = tx.CopyRoomAgent(ctx, from, wanted, a.instant()); err != nil || len(copied) == 0 {
			return err
		}
		if err := a.quotas.courseGrew(ctx, tx, room.CourseID); err != nil {
			return err
		}
		after := roomAgentChanges(from)
		after["copied_to"] = copied
		return a.audit.record(ctx, tx, actor, ActSetRoomAgent, target{"room", roomID}, nil, after)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errNotAttached
	}
	for _, id := range wanted {
		if to != nil && !slices.Contains(copied, id) {
			without = append(without, id)
		}
	}
	slices.Sort(copied)
	return copied, without, err
}
