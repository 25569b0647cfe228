package store

import (
	"context"

	"github.com/uptrace/bun"
)

// This file lists the names of agents and people who meet in rooms, to find names that
// look alike.

// AgentNamesAround lists the names of the agents in all rooms where a person can be: the
// rooms of the person's courses, and those of which the person is a member.
func (q Queries) AgentNamesAround(ctx context.Context, userID string) ([]string, error) {
	return q.agentNames(ctx, "r.course_id IN (?) OR r.id IN (SELECT room_id FROM room_members WHERE user_id = ?)", bun.SafeQuery(coursesOf, userID), userID)
}

// AgentNamesInCourse lists the names of the agents in a course's rooms.
func (q Queries) AgentNamesInCourse(ctx context.Context, courseID string) ([]string, error) {
	return q.agentNames(ctx, "r.course_id = ?", courseID)
}

func (q Queries) agentNames(ctx context.Context, rooms string, args ...any) ([]string, error) {
	var names []string
	err := q.db.NewSelect().Model((*Agent)(nil)).Distinct().Column("a.name").Join("JOIN room_agents AS ra ON ra.agent_id = a.id").
		Join("JOIN rooms AS r ON r.id = ra.room_id").Where("("+rooms+")", args...).OrderExpr("a.name").Limit(MaxLimit).Scan(ctx, &names)
	return names, translate(err)
}

// PeopleNamesInRoom lists the names, as others see them, of the people who can be in a
// room.
func (q Queries) PeopleNamesInRoom(ctx context.Context, roomID string) ([]string, error) {
	in := bun.SafeQuery("SELECT cm.user_id FROM course_members AS cm JOIN rooms AS r ON r.course_id = cm.course_id WHERE r.id = ?0"+
		" UNION SELECT c.owner_id FROM courses AS c JOIN rooms AS r ON r.course_id = c.id WHERE r.id = ?0"+
		" UNION SELECT user_id FROM room_members WHERE room_id = ?0", roomID)
	var rows []User
	err := q.db.NewSelect().Model(&rows).Column("u.email", "u.username", "u.full_name").Where("u.id IN (?)", in).OrderExpr("u.id").Limit(MaxLimit).Scan(ctx)
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Name()
	}
	return names, translate(err)
}
