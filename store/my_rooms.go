package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// MyRoom is a room as one person has it: what is new in it, and how they stand to it.
type MyRoom struct {
	RoomAccess
	CourseTitle string
	Mark        RoomMark
	Unread      int    // messages of others that everybody there may read, MaxUnread at most
	Mentions    int    // unread messages that mention the person, MaxUnread at most
	Last        *Found // the newest message that everybody there may read; nil when there is none
	AtWork      []NamedTurn
}

// ReadSeq is the newest seq that the person has read there.
func (r *MyRoom) ReadSeq() int64 {
	if r.Mark.ReadSeq == nil {
		return r.Room.UnreadAfter
	}
	return *r.Mark.ReadSeq
}

const (
	// MaxUnread is as far as unread messages are counted: that many, or more.
	MaxUnread = 100
	// maxUncounted bounds how many messages are looked at to count the unread ones of a
	// room. More only come when hardly any of them can be seen.
	maxUncounted = 2000
	// maxAtWork bounds the turns that a list of rooms shows.
	maxAtWork = 500
)

// MyRoomSearch says which rooms of a person to list.
type MyRoomSearch struct {
	RoomID   string // only this one; an admin gets it without being in its course
	CourseID string // only those of one course
	Others   bool   // for an admin: also those of courses in which they are not
	Before   string // only those with a smaller id
	Limit    int
}

// MyRooms lists the rooms that a person may enter, the newest first, with what is new in
// them. It takes two statements, however many there are. Admins get the rooms of courses in
// which they are, those that they have pinned, and those that the search asks for.
func (q Queries) MyRooms(ctx context.Context, who Reader, s MyRoomSearch) ([]MyRoom, error) {
	var rows []struct {
		Room           `bun:",extend"`
		CourseTitle    string    `bun:",scanonly"`
		CourseRole     string    `bun:",scanonly"`
		IsOwner        bool      `bun:",scanonly"`
		IsMember       bool      `bun:",scanonly"`
		ReadSeq        *int64    `bun:",scanonly"`
		UnreadAt       time.Time `bun:",scanonly"`
		Notify         string    `bun:",scanonly"`
		PinnedAt       time.Time `bun:",scanonly"`
		Unread         int       `bun:",scanonly"`
		Mentions       int       `bun:",scanonly"`
		LastID         string    `bun:",scanonly"`
		LastSeq        int64     `bun:",scanonly"`
		LastAt         time.Time `bun:",scanonly"`
		SenderID       string    `bun:",scanonly"`
		AgentID        string    `bun:",scanonly"`
		AgentType      string    `bun:",scanonly"`
		AgentName      string    `bun:",scanonly"`
		BotName        string    `bun:",scanonly"`
		Content        string    `bun:",scanonly"`
		SenderEmail    string    `bun:",scanonly"`
		SenderUsername *string   `bun:",scanonly"`
		SenderFullName *string   `bun:",scanonly"`
	}
	err := q.db.NewRaw("WITH mine AS ("+mineOf(who, s)+"), page AS (SELECT room_id, min(came_at) AS came_at FROM mine GROUP BY room_id ORDER BY room_id DESC LIMIT ?4)"+
		myRooms, who.UserID, s.RoomID, s.CourseID, s.Before, s.Limit, maxUncounted, MaxUnread).Scan(ctx, &rows)
	if err != nil || len(rows) == 0 {
		return nil, translate(err)
	}
	mine, ids, at := make([]MyRoom, len(rows)), make([]string, len(rows)), map[string]int{}
	for i := range rows {
		r := &rows[i]
		ids[i], at[r.ID] = r.ID, i
		mine[i] = MyRoom{RoomAccess: RoomAccess{Room: r.Room, CourseRole: r.CourseRole, IsOwner: r.IsOwner, IsMember: r.IsMember},
			CourseTitle: r.CourseTitle, Unread: r.Unread, Mentions: r.Mentions,
			Mark: RoomMark{UserID: who.UserID, RoomID: r.ID, ReadSeq: r.ReadSeq, UnreadAt: r.UnreadAt, Notify: r.Notify, PinnedAt: r.PinnedAt}}
		if r.LastID != "" {
			mine[i].Last = &Found{MessageID: r.LastID, RoomID: r.ID, RoomName: r.Name, CourseID: r.CourseID, Seq: r.LastSeq, CreatedAt: r.LastAt,
				SenderID: r.SenderID, AgentID: r.AgentID, AgentType: r.AgentType, AgentName: r.AgentName, BotName: r.BotName, Content: r.Content,
				SenderEmail: r.SenderEmail, SenderUsername: r.SenderUsername, SenderFullName: r.SenderFullName}
		}
	}
	turns, err := q.LiveTurnsIn(ctx, ids, maxAtWork)
	for _, t := range turns {
		r := &mine[at[t.RoomID]]
		r.AtWork = append(r.AtWork, t)
	}
	return mine, err
}

// LiveTurnsIn lists the turns in rooms that are queued or running. It reads only the id,
// the room, the agent and the state.
func (q Queries) LiveTurnsIn(ctx context.Context, roomIDs []string, limit int) ([]NamedTurn, error) {
	var rows []NamedTurn
	err := q.db.NewSelect().Model(&rows).Column("t.id", "t.room_id", "t.agent_id", "t.state").ColumnExpr("a.name AS agent_name").
		Join("JOIN agents AS a ON a.id = t.agent_id").Where("t.room_id IN (?)", bun.List(roomIDs)).
		Where("t.state IN (?, ?)", TurnQueued, TurnRunning).OrderExpr("t.room_id, t.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// mineOf selects the rooms of a person, once for each way in, with the time since which the
// person has it. ?0 to ?4 are the person, and what the search says in its order.
func mineOf(who Reader, s MyRoomSearch) string {
	only := ""
	if s.RoomID != "" {
		only += " AND r.id = ?1"
	}
	if s.CourseID != "" {
		only += " AND r.course_id = ?2"
	}
	if s.Before != "" {
		only += " AND r.id < ?3"
	}
	if s.RoomID == "" && s.CourseID == "" {
		only += " AND r.archived_at IS NULL"
	}
	ways := "SELECT r.id AS room_id, cm.created_at AS came_at FROM course_members AS cm JOIN rooms AS r ON r.course_id = cm.course_id WHERE cm.user_id = ?0" + only +
		" UNION ALL SELECT r.id, c.created_at FROM courses AS c JOIN rooms AS r ON r.course_id = c.id WHERE c.owner_id = ?0" + only +
		" UNION ALL SELECT r.id, rm.created_at FROM room_members AS rm JOIN rooms AS r ON r.id = rm.room_id WHERE rm.user_id = ?0" + only
	if !who.Admin {
		return ways
	}
	ways += " UNION ALL SELECT r.id, r.created_at FROM room_marks AS k JOIN rooms AS r ON r.id = k.room_id WHERE k.user_id = ?0 AND k.pinned_at IS NOT NULL" + only
	if s.Others || s.RoomID != "" {
		ways += " UNION ALL SELECT id, created_at FROM (SELECT r.id, r.created_at FROM rooms AS r WHERE r.course_id IS NOT NULL" + only + " ORDER BY r.id DESC LIMIT ?4) AS others"
	}
	return ways
}

// myRooms reads a page of rooms. What was said before a person came is not unread, unless
// the person has put the mark there. A room's newest messages are counted first, and not
// more than ?5 of them are looked at, so that a person who never reads costs little.
const myRooms = `
SELECT r.*, c.title AS course_title, COALESCE(cm.role, '') AS course_role, c.owner_id = ?0 AS is_owner, rm.user_id IS NOT NULL AS is_member,
	k.read_seq, k.unread_at, k.notify, k.pinned_at,
	(SELECT count(*) FROM (
		SELECT 1 FROM (
			SELECT m.sender_id, m.created_at, m.deleted_at, m.hidden_at FROM messages AS m
			WHERE m.room_id = r.id AND m.seq > COALESCE(k.read_seq, r.unread_after) ORDER BY m.seq DESC LIMIT ?5) AS newest
		WHERE newest.deleted_at IS NULL AND newest.hidden_at IS NULL AND (newest.sender_id IS NULL OR newest.sender_id <> ?0)
			AND (k.unread_at IS NOT NULL OR newest.created_at >= page.came_at) LIMIT ?6) AS counted) AS unread,
	(SELECT count(*) FROM (
		SELECT 1 FROM mentions AS mn JOIN messages AS m ON m.id = mn.message_id
		WHERE mn.user_id = ?0 AND mn.room_id = r.id AND mn.read_at IS NULL AND m.deleted_at IS NULL AND m.hidden_at IS NULL LIMIT ?6) AS counted) AS mentions,
	m.id AS last_id, m.seq AS last_seq, m.created_at AS last_at, m.sender_id, m.agent_id, m.agent_type, m.agent_name, m.bot_name,
	substr(m.content, 1, 1000) AS content, s.email AS sender_email, s.username AS sender_username, s.full_name AS sender_full_name
FROM page JOIN rooms AS r ON r.id = page.room_id JOIN courses AS c ON c.id = r.course_id
LEFT JOIN course_members AS cm ON cm.course_id = r.course_id AND cm.user_id = ?0
LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?0
LEFT JOIN room_marks AS k ON k.room_id = r.id AND k.user_id = ?0
LEFT JOIN messages AS m ON m.room_id = r.id AND m.seq = (
	SELECT m.seq FROM messages AS m WHERE m.room_id = r.id AND m.deleted_at IS NULL AND m.hidden_at IS NULL ORDER BY m.seq DESC LIMIT 1)
LEFT JOIN users AS s ON s.id = m.sender_id
ORDER BY r.id DESC`
