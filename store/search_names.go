package store

import (
	"context"

	"github.com/uptrace/bun"
)

// This file finds what the names in a search for messages mean.

// peopleAround are the people and bots who may be in a room where a user may be.
const peopleAround = classmatesOf +
	" UNION ALL SELECT rm.user_id FROM room_members AS rm JOIN rooms AS r ON r.id = rm.room_id WHERE r.course_id IN (" + coursesOf + ")" +
	" OR rm.room_id IN (SELECT room_id FROM room_members WHERE user_id = ?0)" +
	" UNION ALL SELECT cm.user_id FROM course_members AS cm JOIN rooms AS r ON r.course_id = cm.course_id" +
	" JOIN room_members AS own ON own.room_id = r.id WHERE own.user_id = ?0" +
	" UNION ALL SELECT c.owner_id FROM courses AS c JOIN rooms AS r ON r.course_id = c.id JOIN room_members AS own ON own.room_id = r.id WHERE own.user_id = ?0"

// PeopleAround lists those around a reader, inactive ones too, whose name or user name may
// have a text in it, the shortest first.
func (q Queries) PeopleAround(ctx context.Context, who Reader, text string, limit int) ([]User, error) {
	var rows []User
	sel := q.db.NewSelect().Model(&rows).Column("u.id", "u.email", "u.username", "u.full_name").WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
		for _, needle := range needles(text) {
			sel = sel.WhereOr("? > 0", q.position("u.search_text", needle))
		}
		return sel
	})
	if !who.Admin {
		sel = sel.Where("u.id IN (?)", bun.SafeQuery(peopleAround, who.UserID))
	}
	err := sel.OrderExpr("length(u.search_text), u.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// RoomsNamed lists the rooms that a reader may read and whose names have a text in them, the
// shortest first: those that have no other name come before the rest.
func (q Queries) RoomsNamed(ctx context.Context, who Reader, text string, limit int) ([]Room, error) {
	var rows []Room
	sel := q.db.NewSelect().Model(&rows).Column("r.id", "r.name").Join("JOIN courses AS c ON c.id = r.course_id").
		WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
			for _, needle := range needles(text) {
				sel = sel.WhereOr("? > 0", q.found("lower(r.name)", needle))
			}
			return sel
		})
	if !who.Admin {
		sel = sel.Where("r.id IN (SELECT id FROM rooms WHERE course_id IN ("+coursesOf+") UNION ALL SELECT room_id FROM room_members WHERE user_id = ?0)", who.UserID)
	}
	err := sel.OrderExpr("length(r.name), r.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}
