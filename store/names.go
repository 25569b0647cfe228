package store

import (
	"context"

	"github.com/uptrace/bun"
)

// This file lists the names of agents and people who meet in rooms, to find names that
// look alike.

// AgentNamesAround lists the names of the agents and bots in all rooms where a person can
// be: the rooms of the person's courses, and those of which the person is a member.
func (q Queries) AgentNamesAround(ctx context.Context, userID string) ([]string, error) {
	agents, err := q.agentNames(ctx, "r.course_id IN (?) OR r.id IN (SELECT room_id FROM room_members WHERE user_id = ?)", bun.SafeQuery(coursesOf, userID), userID)
	if err != nil {
		return nil, err
	}
	bots, err := q.botNames(ctx, "u.bot_course_id IN (?) OR u.bot_course_id IN (SELECT r.course_id FROM room_members AS rm"+
		" JOIN rooms AS r ON r.id = rm.room_id WHERE rm.user_id = ?)", bun.SafeQuery(coursesOf, userID), userID)
	return append(agents, bots...), err
}

// AgentNamesInCourse lists the names of the agents in a course's rooms, and of its bots
// except one, which may be "".
func (q Queries) AgentNamesInCourse(ctx context.Context, courseID, exceptBot string) ([]string, error) {
	agents, err := q.agentNames(ctx, "r.course_id = ?", courseID)
	if err != nil {
		return nil, err
	}
	bots, err := q.botNames(ctx, "u.bot_course_id = ? AND u.id <> ?", courseID, exceptBot)
	return append(agents, bots...), err
}

func (q Queries) botNames(ctx context.Context, where string, args ...any) ([]string, error) {
	var names []string
	err := q.db.NewSelect().Model((*User)(nil)).Distinct().Column("u.full_name").Where("u.bot_course_id IS NOT NULL").Where(where, args...).
		OrderExpr("u.full_name").Limit(MaxLimit).Scan(ctx, &names)
	return names, translate(err)
}

// NamesOfMembers lists accounts of the people of a course, with the members of which their
// names are made: those with an id above after, in the order of their ids.
func (q Queries) NamesOfMembers(ctx context.Context, courseID, after string) ([]User, error) {
	in := bun.SafeQuery("SELECT user_id FROM course_members WHERE course_id = ?0 UNION SELECT owner_id FROM courses WHERE id = ?0"+
		" UNION SELECT rm.user_id FROM room_members AS rm JOIN rooms AS r ON r.id = rm.room_id WHERE r.course_id = ?0", courseID)
	var rows []User
	err := q.db.NewSelect().Model(&rows).Column("u.id", "u.email", "u.username", "u.full_name").Where("u.kind = ?", KindPerson).
		Where("u.id IN (?)", in).Where("u.id > ?", after).OrderExpr("u.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
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
	var rows []User
	err := q.db.NewSelect().Model(&rows).Column("u.email", "u.username", "u.full_name").
		Where("u.id IN (?)", bun.SafeQuery(mayBeIn, roomID)).OrderExpr("u.id").Limit(MaxLimit).Scan(ctx)
	names := make([]string, len(rows))
	for i := range rows {
		names[i] = rows[i].Name()
	}
	return names, translate(err)
}
