package store

import (
	"context"
	"time"
)

// PersonThere is somebody who may be in a room, as the others there see them.
type PersonThere struct {
	User   `bun:",extend"`
	Rank   int       `bun:",scanonly"` // 0 for the owner of the course, then teacher, ta, student, guest
	SeenAt time.Time `bun:",scanonly"` // when a session of theirs was last renewed; zero for never
}

// PeopleThere lists the active people and bots who may be in a room, without admins:
// teachers first. Of each it reads what others may see, and the e-mail, from which the name
// of somebody without a name is made.
func (q Queries) PeopleThere(ctx context.Context, roomID string, p Page) ([]PersonThere, error) {
	var rows []PersonThere
	err := p.on(q.db.NewSelect().Model(&rows).Column("u.id", "u.email", "u.username", "u.full_name", "u.avatar_url", "u.kind").ColumnExpr("people.rank").
		ColumnExpr("(SELECT s.rotated_at FROM sessions AS s WHERE s.user_id = u.id AND s.impersonator_id IS NULL ORDER BY s.rotated_at DESC LIMIT 1) AS seen_at").
		Join("JOIN (SELECT user_id, min(rank) AS rank FROM ("+ranksIn+") AS links GROUP BY user_id) AS people ON people.user_id = u.id", roomID).
		Where("u.is_active").OrderExpr("people.rank, u.id")).Scan(ctx)
	return rows, translate(err)
}

const ranksIn = `SELECT owner_id AS user_id, 0 AS rank FROM courses WHERE id = (SELECT course_id FROM rooms WHERE id = ?0)
	UNION ALL SELECT user_id, CASE role WHEN 'teacher' THEN 1 WHEN 'ta' THEN 2 ELSE 3 END FROM course_members
		WHERE course_id = (SELECT course_id FROM rooms WHERE id = ?0)
	UNION ALL SELECT user_id, 4 FROM room_members WHERE room_id = ?0`
