package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// RoomAgent is an agent in one room. It has the agent's settings in this room, which
// override its own, and what happened in the room, as far as the agent's trigger needs
// it.
type RoomAgent struct {
	bun.BaseModel  `bun:"table:room_agents,alias:ra"`
	RoomID         string `bun:",pk"`
	AgentID        string `bun:",pk"`
	CreatedAt      time.Time
	IsActive       bool
	TriggerConfig  JSON      `bun:",nullzero"` // members that replace the agent's own
	ScheduleConfig JSON      `bun:",nullzero"` // ...
	ContextWindow  int       `bun:",nullzero"` // replaces the agent's own
	Override       JSON      `bun:",nullzero"` // members of the trigger that the agent changed by itself
	OverrideUntil  time.Time `bun:",nullzero"` // until when Override holds; zero = for good
	MutedUntil     time.Time `bun:",nullzero"`
	AsleepAt       time.Time `bun:",nullzero"` // put to sleep, until a person's message after AsleepSeq
	AsleepSeq      int64
	WokenAt        time.Time `bun:",nullzero"` // staff woke it when the room's newest event was WokenSeq
	WokenSeq       int64
	Since          time.Time `bun:",nullzero"` // its trigger counts from here; zero = from CreatedAt
	SpokeAt        time.Time `bun:",nullzero"` // its last message, or the last time its trigger made it speak
	ReadSeq        int64     // the newest event that its last turn had read
	BrokeSeq       int64     // the newest event when it last broke a silence
	NextDueAt      time.Time `bun:",nullzero"` // no later than the time when its trigger is due
	Version        int

	Agent *Agent `bun:"rel:belongs-to,join:agent_id=id"`
}

// AgentsInRoom lists the agents in a room, in the order in which they were added.
func (q Queries) AgentsInRoom(ctx context.Context, roomID string) ([]Agent, error) {
	var rows []Agent
	ctx, bound := q.bound(ctx, roomID)
	err := q.db.NewSelect().Model(&rows).Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Where("ra.room_id = ?", bound...).OrderExpr("ra.created_at, a.id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// ListAgentsInRoom is AgentsInRoom as a Listing, which reads the rows in portions.
func (q Queries) ListAgentsInRoom(ctx context.Context, roomID string) (*Listing[Agent], error) {
	ctx, bound := q.bound(ctx, roomID)
	return q.listAgents(ctx, Page{}, q.db.NewSelect().Model((*Agent)(nil)).Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Where("ra.room_id = ?", bound...).OrderExpr("ra.created_at, a.id"))
}

// RoomAgents lists the agents in a room with their settings there, in the order in which
// they were added.
func (q Queries) RoomAgents(ctx context.Context, roomID string) ([]RoomAgent, error) {
	var rows []RoomAgent
	ctx, bound := q.bound(ctx, roomID)
	err := q.db.NewSelect().Model(&rows).Relation("Agent").
		Where("ra.room_id = ?", bound...).OrderExpr("ra.created_at, ra.agent_id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// RoomAgent returns one agent in a room with its settings there.
func (q Queries) RoomAgent(ctx context.Context, roomID, agentID string) (*RoomAgent, error) {
	ra := new(RoomAgent)
	return first(ctx, q.db.NewSelect().Model(ra).Relation("Agent").Where("ra.room_id = ?", roomID).Where("ra.agent_id = ?", agentID), ra)
}

// RoomAgentForUpdate returns the settings of an agent in a room, without the agent, and
// locks the room and the row until the transaction ends. ErrArchived in an archived course.
func (t *Tx) RoomAgentForUpdate(ctx context.Context, roomID, agentID string) (*RoomAgent, error) {
	if err := t.lockRooms(ctx, theseRooms, roomID); err != nil {
		return nil, err
	}
	if _, err := t.openRoom(ctx, t.db.NewSelect().Where("r.id = ?", roomID)); err != nil {
		return nil, err
	}
	ra := new(RoomAgent)
	return first(ctx, t.locked(t.db.NewSelect().Model(ra).Where("ra.room_id = ?", roomID).Where("ra.agent_id = ?", agentID)), ra)
}

// LockRooms locks rooms until the transaction ends, in the order of their ids.
func (t *Tx) LockRooms(ctx context.Context, ids []string) error {
	return t.lockRooms(ctx, theseRooms, bun.List(ids))
}

// AddRoomAgent adds an agent to a room, switched on. added is false when it is there
// already.
func (t *Tx) AddRoomAgent(ctx context.Context, ra *RoomAgent) (added bool, err error) {
	if err := t.agentsChanged(ctx, theseRooms, ra.RoomID); err != nil {
		return false, err
	}
	if t.PG != nil {
		// A change of the agent that has not been committed does not know of this room
		// yet. Wait for it.
		if _, err := t.db.NewRaw("SELECT id FROM agents WHERE id = ? FOR SHARE", ra.AgentID).Exec(ctx); err != nil {
			return false, translate(err)
		}
	}
	ra.IsActive, ra.Version = true, 1
	return t.insertOnce(ctx, ra)
}

// UpdateRoomAgent writes the settings of an agent in a room that was read at ra.Version,
// and increases the version. ErrStale when somebody else changed them meanwhile. It does
// not write what happened in the room.
func (t *Tx) UpdateRoomAgent(ctx context.Context, ra *RoomAgent) error {
	if err := t.agentsChanged(ctx, theseRooms, ra.RoomID); err != nil {
		return err
	}
	ra.Version++
	res, err := t.db.NewUpdate().Model(ra).
		Column("is_active", "trigger_config", "schedule_config", "context_window", "override", "override_until", "muted_until",
			"asleep_at", "asleep_seq", "woken_at", "woken_seq", "since", "next_due_at", "version").
		Where("ra.room_id = ?", ra.RoomID).Where("ra.agent_id = ?", ra.AgentID).Where("ra.version = ?", ra.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		ra.Version-- // the caller's copy stays what it read
		return err
	}
	return nil
}

// CopyRoomAgent copies the settings of an agent in one room to other rooms. It returns
// those rooms where the agent is. There its triggers count from now on.
func (t *Tx) CopyRoomAgent(ctx context.Context, from *RoomAgent, roomIDs []string, now time.Time) (copied []string, err error) {
	if len(roomIDs) == 0 {
		return nil, nil
	}
	if err := t.agentsChanged(ctx, theseRooms, bun.List(roomIDs)); err != nil {
		return nil, err
	}
	_, err = t.db.NewUpdate().Model((*RoomAgent)(nil)).Set("is_active = ?", from.IsActive).Set("trigger_config = ?", from.TriggerConfig).
		Set("schedule_config = ?", from.ScheduleConfig).Set("context_window = NULLIF(?, 0)", from.ContextWindow).
		Set("override = NULL").Set("override_until = NULL").Set("since = ?", now).Set("next_due_at = ?", now).Set("version = version + 1").
		Where("ra.agent_id = ?", from.AgentID).Where("ra.room_id IN (?)", bun.List(roomIDs)).Returning("room_id").Exec(ctx, &copied)
	return copied, translate(err)
}

// RemoveRoomAgent removes an agent from a room.
func (t *Tx) RemoveRoomAgent(ctx context.Context, roomID, agentID string) error {
	if err := t.agentsChanged(ctx, theseRooms, roomID); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*RoomAgent)(nil)).Where("room_id = ?", roomID).
		Where("agent_id = ?", agentID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
