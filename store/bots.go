package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// This file has the accounts of bots. A bot belongs to one course (BotCourseID) and has a
// place in some of its rooms. It is in no list of the course's people.

// Bots lists the bots of a course, newest first.
func (q Queries) Bots(ctx context.Context, courseID string, p Page) ([]User, error) {
	var rows []User
	err := p.on(q.db.NewSelect().Model(&rows).Where("u.bot_course_id = ?", courseID).OrderExpr("u.id DESC")).Scan(ctx)
	return rows, translate(err)
}

// Bot returns a bot of a course; ErrNotFound for anybody else.
func (q Queries) Bot(ctx context.Context, courseID, id string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).Where("u.id = ?", id).Where("u.bot_course_id = ?", courseID), u)
}

// BotForUpdate is Bot, and locks the account until the transaction ends.
func (t *Tx) BotForUpdate(ctx context.Context, courseID, id string) (*User, error) {
	u := new(User)
	return first(ctx, t.locked(t.db.NewSelect().Model(u).Where("u.id = ?", id).Where("u.bot_course_id = ?", courseID)), u)
}

// RoomsOf lists, by the id of an account, the rooms in which each of some accounts has a
// place of its own.
func (q Queries) RoomsOf(ctx context.Context, userIDs []string) (map[string][]string, error) {
	rooms := make(map[string][]string, len(userIDs))
	if len(userIDs) == 0 {
		return rooms, nil
	}
	var rows []RoomMember
	err := q.db.NewSelect().Model(&rows).Column("rm.room_id", "rm.user_id").Where("rm.user_id IN (?)", bun.List(userIDs)).
		OrderExpr("rm.created_at, rm.room_id").Scan(ctx)
	for _, m := range rows {
		rooms[m.UserID] = append(rooms[m.UserID], m.RoomID)
	}
	return rooms, translate(err)
}

// SetRoomsOf gives an account a place in these rooms of a course and in no other room.
// ErrReferenced when one of them is no room of the course.
func (t *Tx) SetRoomsOf(ctx context.Context, userID, courseID string, roomIDs []string, now time.Time) error {
	t.changesAccount(userID)
	drop := t.db.NewDelete().Model((*RoomMember)(nil)).Where("user_id = ?", userID)
	if len(roomIDs) > 0 {
		n, err := t.db.NewSelect().Model((*Room)(nil)).Where("r.course_id = ?", courseID).Where("r.id IN (?)", bun.List(roomIDs)).Count(ctx)
		if err != nil {
			return translate(err)
		}
		if n != int64(len(roomIDs)) {
			return ErrReferenced
		}
		drop = drop.Where("room_id NOT IN (?)", bun.List(roomIDs))
	}
	if _, err := drop.Exec(ctx); err != nil {
		return translate(err)
	}
	for _, id := range roomIDs {
		if _, err := t.AddRoomMember(ctx, &RoomMember{RoomID: id, UserID: userID, CreatedAt: now}); err != nil {
			return err
		}
	}
	return nil
}
