package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// NextDue returns when the next trigger is due; the zero time if there is none. It is asked
// every second while there are changes, so its cost must not grow with the number of rooms.
func (q Queries) NextDue(ctx context.Context) (time.Time, error) {
	ra := new(RoomAgent)
	ctx, _ = q.bound(ctx)
	ra, err := first(ctx, q.db.NewSelect().Model(ra).Column("ra.next_due_at").Where("ra.next_due_at IS NOT NULL").OrderExpr("ra.next_due_at"), ra)
	if err != nil {
		return time.Time{}, UnlessMissing(err)
	}
	return ra.NextDueAt, nil
}

// ClaimDue returns due triggers, at most limit, the longest due first. It locks them,
// their rooms and their agents until the transaction ends. Triggers that another
// transaction has locked are left for the next time.
func (t *Tx) ClaimDue(ctx context.Context, now time.Time, limit int) ([]RoomAgent, error) {
	var rows []RoomAgent
	sel := t.db.NewSelect().Model(&rows).ColumnExpr("ra.*").Where("ra.next_due_at <= ?", now).
		OrderExpr("ra.next_due_at").Limit(int64(limit))
	if t.PG != nil {
		// Lock the agent now, with the lock that the turn's foreign key will take. Taken
		// later, this lock could wait for the deletion of the agent, and the deletion
		// waits for the trigger's row that is locked here.
		sel = sel.Join("JOIN rooms AS r ON r.id = ra.room_id").Join("JOIN agents AS a ON a.id = ra.agent_id").
			For("NO KEY UPDATE OF ra, r SKIP LOCKED FOR KEY SHARE OF a SKIP LOCKED")
	}
	err := sel.Scan(ctx)
	return rows, translate(err)
}

// RoomsByID returns rooms by their ids, without those that are gone.
func (q Queries) RoomsByID(ctx context.Context, ids []string) (map[string]*Room, error) {
	var rows []Room
	byID := make(map[string]*Room, len(ids))
	err := q.db.NewSelect().Model(&rows).Where("r.id IN (?)", bun.List(ids)).Limit(int64(len(ids))).Scan(ctx)
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	return byID, translate(err)
}

// AgentsByID returns agents by their ids, without those that are gone.
func (q Queries) AgentsByID(ctx context.Context, ids []string) (map[string]*Agent, error) {
	var rows []Agent
	byID := make(map[string]*Agent, len(ids))
	err := q.db.NewSelect().Model(&rows).Where("a.id IN (?)", bun.List(ids)).Limit(int64(len(ids))).Scan(ctx)
	for i := range rows {
		byID[rows[i].ID] = &rows[i]
	}
	return byID, translate(err)
}

// UnendedTurns lists the turns of rooms that have not ended. It reads only the room, the
// agent, the state, TriggerSeq and Aside.
func (q Queries) UnendedTurns(ctx context.Context, roomIDs []string) ([]Turn, error) {
	var rows []Turn
	// Each part repeats the condition of an index, so that the database uses it: a room
	// may have many turns.
	part := func(where string, states ...any) *bun.SelectQuery {
		return q.db.NewSelect().Model((*Turn)(nil)).Column("t.room_id", "t.agent_id", "t.state", "t.trigger_seq", "t.aside").
			Where("t.room_id IN (?)", bun.List(roomIDs)).Where(where, states...)
	}
	err := part("t.state IN (?, ?)", TurnQueued, TurnRunning).UnionAll(part("t.state = ?", TurnWaiting)).
		UnionAll(part("t.state = ?", TurnParked)).Scan(ctx, &rows)
	return rows, translate(err)
}

// TurnsToEnd lists the turns of an agent that have not ended. It reads only the room and
// who asked.
func (q Queries) TurnsToEnd(ctx context.Context, agentID string) ([]Turn, error) {
	var rows []Turn
	err := q.db.NewSelect().Model(&rows).Column("t.room_id", "t.asked_by").Where("t.agent_id = ?", agentID).Where("t.ended_at IS NULL").
		Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// MessagesSincePerson lists the messages of agents and bots in rooms after the last message
// of a person. It reads only the room, the agent, the seq and the date.
func (q Queries) MessagesSincePerson(ctx context.Context, roomIDs []string) ([]Message, error) {
	var rows []Message
	err := shown(q.db.NewSelect().Model(&rows).Column("m.room_id", "m.agent_id", "m.seq", "m.created_at").Join("JOIN rooms AS r ON r.id = m.room_id").
		Where("m.room_id IN (?)", bun.List(roomIDs)).Where("m.seq > r.person_seq").Where("m.agent_type IS NOT NULL OR m.bot_name IS NOT NULL")).Scan(ctx)
	return rows, translate(err)
}

// Unread asks, for an agent, how many messages of people a room has after an event and
// since an instant.
type Unread struct {
	bun.BaseModel `bun:"table:unread"`
	RoomID        string
	AgentID       string
	AfterSeq      int64
	Since         time.Time
}

// maxUnread bounds the count; no trigger waits for so many messages.
const maxUnread = 10_000

// CountUnread counts the people's messages for each asked room and agent, at most 10,000
// each, in one statement.
func (q Queries) CountUnread(ctx context.Context, asked []Unread) (map[[2]string]int, error) {
	counts := make(map[[2]string]int, len(asked))
	if len(asked) == 0 {
		return counts, nil
	}
	lines := shown(q.db.NewSelect().Model((*Message)(nil)).ColumnExpr("1").Where("m.room_id = unread.room_id").
		Where("m.seq > unread.after_seq").Where("m.created_at >= unread.since").Where("m.agent_type IS NULL").Where("m.bot_name IS NULL")).Limit(maxUnread)
	var rows []struct {
		RoomID, AgentID string
		N               int
	}
	err := q.db.NewSelect().With("unread", q.db.NewValues(&asked)).TableExpr("unread").Column("unread.room_id", "unread.agent_id").
		ColumnExpr("(SELECT count(*) FROM (?) AS lines) AS n", lines).Scan(ctx, &rows)
	for _, r := range rows {
		counts[[2]string{r.RoomID, r.AgentID}] = r.N
	}
	return counts, translate(err)
}

// Rearmed is the new state of an agent's trigger in a room.
type Rearmed struct {
	bun.BaseModel `bun:"table:rearmed"`
	RoomID        string
	AgentID       string
	NextDueAt     time.Time `bun:",nullzero"`
	SpokeAt       time.Time `bun:",nullzero"`
	ReadSeq       int64
	BrokeSeq      int64
}

// Rearm writes when triggers are due next and from where they count, with one statement.
// A zero SpokeAt keeps the stored one. ReadSeq and BrokeSeq never go back.
func (t *Tx) Rearm(ctx context.Context, rows []Rearmed) error {
	if len(rows) == 0 {
		return nil
	}
	rooms := make([]string, len(rows))
	for i := range rows {
		rooms[i] = rows[i].RoomID
	}
	if err := t.roomAgentsChanged(ctx, rooms...); err != nil {
		return err
	}
	if len(rows) == 1 {
		r := &rows[0]
		bound := t.boundText(ctx, r.RoomID, r.AgentID, null(r.NextDueAt), null(r.SpokeAt), r.ReadSeq, r.BrokeSeq)
		_, err := t.db.ExecContext(bound, rearmOne)
		return translate(err)
	}
	_, err := t.db.NewUpdate().With("rearmed", t.db.NewValues(&rows)).Model((*RoomAgent)(nil)).TableExpr("rearmed").
		Set("next_due_at = rearmed.next_due_at").Set("spoke_at = COALESCE(rearmed.spoke_at, ra.spoke_at)").
		Set("read_seq = CASE WHEN rearmed.read_seq > ra.read_seq THEN rearmed.read_seq ELSE ra.read_seq END").
		Set("broke_seq = CASE WHEN rearmed.broke_seq > ra.broke_seq THEN rearmed.broke_seq ELSE ra.broke_seq END").
		Where("ra.room_id = rearmed.room_id").Where("ra.agent_id = rearmed.agent_id").Exec(ctx)
	return translate(err)
}

// rearmOne is Rearm for one row, as at the end of each turn.
const rearmOne = `UPDATE room_agents SET next_due_at = $3, spoke_at = COALESCE($4, spoke_at),
	read_seq = CASE WHEN $5 > read_seq THEN $5 ELSE read_seq END, broke_seq = CASE WHEN $6 > broke_seq THEN $6 ELSE broke_seq END
WHERE room_id = $1 AND agent_id = $2`

// RecheckTriggers makes the triggers of an agent due now in all its rooms, so that they
// are judged again. They count from now on.
func (t *Tx) RecheckTriggers(ctx context.Context, agentID string, now time.Time) error {
	if err := t.agentsChanged(ctx, roomsOfAgent, agentID); err != nil {
		return err
	}
	_, err := t.db.NewUpdate().Model((*RoomAgent)(nil)).Set("since = ?", now).Set("next_due_at = ?", now).
		Where("agent_id = ?", agentID).Exec(ctx)
	return translate(err)
}
