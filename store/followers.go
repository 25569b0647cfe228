package store

import (
	"context"
	"strings"

	"github.com/uptrace/bun"
)

// RoomAccessesOf returns the relations of one person to several rooms, in one statement.
// Rooms that are gone and those of threads are left out.
func (q Queries) RoomAccessesOf(ctx context.Context, userID string, roomIDs []string) (map[string]*RoomAccess, error) {
	var rows []struct {
		Room       `bun:",extend"`
		CourseRole string `bun:",scanonly"`
		IsOwner    bool   `bun:",scanonly"`
		IsMember   bool   `bun:",scanonly"`
	}
	err := q.db.NewSelect().Model(&rows).ColumnExpr("?TableColumns").
		ColumnExpr("COALESCE(cm.role, '') AS course_role").
		ColumnExpr("c.owner_id = ? AS is_owner", userID).
		ColumnExpr("rm.user_id IS NOT NULL AS is_member").
		Join("JOIN courses AS c ON c.id = r.course_id").
		Join("LEFT JOIN course_members AS cm ON cm.course_id = r.course_id AND cm.user_id = ?", userID).
		Join("LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?", userID).
		Where("r.id IN (?)", bun.List(roomIDs)).Limit(int64(len(roomIDs))).Scan(ctx)
	found := make(map[string]*RoomAccess, len(rows))
	for _, r := range rows {
		found[r.ID] = &RoomAccess{Room: r.Room, CourseRole: r.CourseRole, IsOwner: r.IsOwner, IsMember: r.IsMember}
	}
	return found, translate(err)
}

// TurnsUnderWay lists the turns of rooms that run or are parked. It reads only the id, the
// room, the agent, the state with its reason, the attempt, the node and the root of its thread.
func (q Queries) TurnsUnderWay(ctx context.Context, roomIDs ...string) ([]NamedTurn, error) {
	var rows []NamedTurn
	// Each part repeats the condition of an index, so that the database uses it.
	part := func() *bun.SelectQuery {
		return q.db.NewSelect().Model((*NamedTurn)(nil)).Column("t.id", "t.room_id", "t.agent_id", "t.state", "t.attempt", "t.node", "t.reason", "t.root_id").
			ColumnExpr("a.name AS agent_name").Join("JOIN agents AS a ON a.id = t.agent_id").Where("t.room_id IN (?)", bun.List(roomIDs))
	}
	err := part().Where("t.state IN (?, ?)", TurnQueued, TurnRunning).Where("t.state = ?", TurnRunning).
		UnionAll(part().Where("t.state = ?", TurnParked)).Scan(ctx, &rows)
	return rows, translate(err)
}

// RoomAfter is a place in a room's log.
type RoomAfter struct {
	RoomID string
	After  int64
}

// EventsIn lists the events of several rooms after a seq in each, oldest first, limit of
// each room at most. Only events of messages come with their bodies.
func (q Queries) EventsIn(ctx context.Context, rooms []RoomAfter, limit int) ([]Event, error) {
	if len(rooms) == 0 {
		return nil, nil
	}
	var parts []string
	var args []any
	for _, r := range rooms {
		parts = append(parts, "SELECT * FROM (SELECT room_id, seq, id, type, CASE WHEN type = 'message' THEN CAST(body AS TEXT) ELSE '' END AS body, created_at FROM events WHERE room_id = ? AND seq > ? ORDER BY seq LIMIT ?) AS one")
		args = append(args, r.RoomID, r.After, limit)
	}
	var rows []Event
	err := q.db.NewRaw(strings.Join(parts, " UNION ALL ")+" ORDER BY room_id, seq", args...).Scan(ctx, &rows)
	return rows, translate(err)
}

// PeopleIn returns which of these people are in one of the courses or rooms with these ids.
func (q Queries) PeopleIn(ctx context.Context, ids, userIDs []string) (found []string, err error) {
	err = q.db.NewRaw("SELECT user_id FROM course_members WHERE course_id IN (?0) AND user_id IN (?1)"+
		" UNION SELECT owner_id FROM courses WHERE id IN (?0) AND owner_id IN (?1)"+
		" UNION SELECT user_id FROM room_members WHERE room_id IN (?0) AND user_id IN (?1) LIMIT ?2",
		bun.List(ids), bun.List(userIDs), len(userIDs)).Scan(ctx, &found)
	return found, translate(err)
}
