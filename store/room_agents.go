package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// RoomAgent is an agent in one room: how it is set there, over its own
// settings, and what happened there as far as its trigger asks.
type RoomAgent struct {
	bun.BaseModel  `bun:"table:room_agents,alias:ra"`
	RoomID         string `bun:",pk"`
	AgentID        string `bun:",pk"`
	CreatedAt      time.Time
	IsActive       bool
	TriggerConfig  JSON      `bun:",nullzero"` // members over the agent's own
	ScheduleConfig JSON      `bun:",nullzero"` // ...
	ContextWindow  int       `bun:",nullzero"` // instead of the agent's own
	Override       JSON      `bun:",nullzero"` // members of the trigger that the agent itself has changed
	OverrideUntil  time.Time `bun:",nullzero"` // ... zero for good
	MutedUntil     time.Time `bun:",nullzero"`
	AsleepAt       time.Time `bun:",nullzero"` // put to sleep, until a person's line behind AsleepSeq
	AsleepSeq      int64
	WokenAt        time.Time `bun:",nullzero"` // staff woke it, when the room's newest event was WokenSeq
	WokenSeq       int64
	Since          time.Time `bun:",nullzero"` // its trigger counts since then, if not since CreatedAt
	SpokeAt        time.Time `bun:",nullzero"` // its last line, or the last time its trigger made it speak
	ReadSeq        int64     // the newest event that its last turn knew of
	BrokeSeq       int64     // the newest event when it last broke a silence
	NextDueAt      time.Time `bun:",nullzero"` // not later than its trigger is due
	Version        int

	Agent *Agent `bun:"rel:belongs-to,join:agent_id=id"`
}

// AgentsInRoom lists the agents that are in a room, in the order they came in.
func (q Queries) AgentsInRoom(ctx context.Context, roomID string) ([]Agent, error) {
	var rows []Agent
	ctx, bound := q.bound(ctx, roomID)
	err := q.db.NewSelect().Model(&rows).Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Where("ra.room_id = ?", bound...).OrderExpr("ra.created_at, a.id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// ListAgentsInRoom is AgentsInRoom for a reader.
func (q Queries) ListAgentsInRoom(ctx context.Context, roomID string) (*Listing[Agent], error) {
	return q.listAgents(ctx, Page{}, q.db.NewSelect().Model((*Agent)(nil)).Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Where("ra.room_id = ?", roomID).OrderExpr("ra.created_at, a.id"))
}

// RoomAgents lists the agents in a room with how they are set there, in the
// order they came in.
func (q Queries) RoomAgents(ctx context.Context, roomID string) ([]RoomAgent, error) {
	var rows []RoomAgent
	ctx, bound := q.bound(ctx, roomID)
	err := q.db.NewSelect().Model(&rows).Relation("Agent").
		Where("ra.room_id = ?", bound...).OrderExpr("ra.created_at, ra.agent_id").Limit(DefaultLimit).Scan(ctx)
	return rows, translate(err)
}

// RoomAgent returns one agent in a room with how it is set there.
func (q Queries) RoomAgent(ctx context.Context, roomID, agentID string) (*RoomAgent, error) {
	ra := new(RoomAgent)
	return first(ctx, q.db.NewSelect().Model(ra).Relation("Agent").Where("ra.room_id = ?", roomID).Where("ra.agent_id = ?", agentID), ra)
}

// RoomAgentForUpdate returns how an agent is set in a room, without the agent,
// locked until the transaction ends.
func (t *Tx) RoomAgentForUpdate(ctx context.Context, roomID, agentID string) (*RoomAgent, error) {
	ra := new(RoomAgent)
	return first(ctx, t.locked(t.db.NewSelect().Model(ra).Where("ra.room_id = ?", roomID).Where("ra.agent_id = ?", agentID)), ra)
}

// AddRoomAgent puts an agent into a room, switched on; added is false when it
// is there.
func (t *Tx) AddRoomAgent(ctx context.Context, ra *RoomAgent) (added bool, err error) {
	ra.IsActive, ra.Version = true, 1
	return t.insertOnce(ctx, ra)
}

// UpdateRoomAgent writes how an agent that was read at ra.Version is set in a
// room, and moves the version on; ErrStale when somebody else changed it
// meanwhile. What happened in the room is not written.
func (t *Tx) UpdateRoomAgent(ctx context.Context, ra *RoomAgent) error {
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

// CopyRoomAgent sets an agent in other rooms as it is set in one, and returns
// those in which it is. Its triggers count from now on there.
func (t *Tx) CopyRoomAgent(ctx context.Context, from *RoomAgent, roomIDs []string, now time.Time) (copied []string, err error) {
	if len(roomIDs) == 0 {
		return nil, nil
	}
	_, err = t.db.NewUpdate().Model((*RoomAgent)(nil)).Set("is_active = ?", from.IsActive).Set("trigger_config = ?", from.TriggerConfig).
		Set("schedule_config = ?", from.ScheduleConfig).Set("context_window = NULLIF(?, 0)", from.ContextWindow).
		Set("override = NULL").Set("override_until = NULL").Set("since = ?", now).Set("next_due_at = ?", now).Set("version = version + 1").
		Where("ra.agent_id = ?", from.AgentID).Where("ra.room_id IN (?)", bun.List(roomIDs)).Returning("room_id").Exec(ctx, &copied)
	return copied, translate(err)
}

// RemoveRoomAgent takes an agent out of a room.
func (t *Tx) RemoveRoomAgent(ctx context.Context, roomID, agentID string) error {
	res, err := t.db.NewDelete().Model((*RoomAgent)(nil)).Where("room_id = ?", roomID).
		Where("agent_id = ?", agentID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
