package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// MyCourse is a course as one person has it.
type MyCourse struct {
	Archived         bool
	CourseID         string
	Role             string // the person's link to the course, "" without one
	IsOwner          bool
	Members, Rooms   int
	Unread, Mentions int // in all its rooms, MaxUnread at most
}

// RoomCounts are the numbers of a room as one person has it, and how the person stands to it.
type RoomCounts struct {
	ArchivedAt       time.Time
	RoomID           string
	CourseRole       string
	IsOwner          bool
	IsMember         bool
	Members, Agents  int // who may be there: the people of its course and its guests
	Unread, Mentions int // MaxUnread at most
}

// unreadIn counts the unread messages of a room r, whose marks are k, for the person ?0, who
// came at a time. It is bounded as in myRooms.
func unreadIn(came string) string {
	return `(SELECT count(*) FROM (
		SELECT 1 FROM (
			SELECT m.sender_id, m.created_at, m.deleted_at, m.hidden_at FROM messages AS m
			WHERE m.room_id = r.id AND m.seq > COALESCE(k.read_seq, r.unread_after) ORDER BY m.seq DESC LIMIT ?2) AS newest
		WHERE newest.deleted_at IS NULL AND newest.hidden_at IS NULL AND (newest.sender_id IS NULL OR newest.sender_id <> ?0)
			AND (k.unread_at IS NOT NULL OR newest.created_at >= ` + came + `) LIMIT ?3) AS counted)`
}

// cameAt is when the person ?0 came into the course c or, as a guest, into its room r.
const cameAt = `CASE WHEN c.owner_id = ?0 THEN c.created_at WHEN rm.created_at < cm.created_at THEN rm.created_at
	ELSE COALESCE(cm.created_at, rm.created_at) END`

// unreadMentions selects the unread mentions of the person ?0.
const unreadMentions = `SELECT 1 FROM mentions AS mn JOIN messages AS m ON m.id = mn.message_id
	WHERE mn.user_id = ?0 AND mn.read_at IS NULL AND m.deleted_at IS NULL AND m.hidden_at IS NULL`

// MyCourses returns how a person stands to courses and what they have, by their ids, in one
// statement. Courses that are gone are left out.
func (q Queries) MyCourses(ctx context.Context, userID string, ids []string) (map[string]MyCourse, error) {
	mine := make(map[string]MyCourse, len(ids))
	if len(ids) == 0 {
		return mine, nil
	}
	var rows []MyCourse
	err := q.db.NewRaw(`SELECT c.id AS course_id, COALESCE(cm.role, '') AS role, c.owner_id = ?0 AS is_owner, c.archived_at IS NOT NULL AS archived,
	(SELECT count(*) FROM course_members AS x WHERE x.course_id = c.id) AS members,
	(SELECT count(*) FROM rooms AS x WHERE x.course_id = c.id) AS rooms,
	CASE WHEN cm.user_id IS NULL AND c.owner_id <> ?0 THEN 0 ELSE (SELECT CAST(COALESCE(sum(`+unreadIn(cameAt)+`), 0) AS BIGINT) FROM rooms AS r
		LEFT JOIN room_marks AS k ON k.room_id = r.id AND k.user_id = ?0
		LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?0 WHERE r.course_id = c.id) END AS unread,
	(SELECT count(*) FROM (`+unreadMentions+` AND mn.room_id IN (SELECT x.id FROM rooms AS x WHERE x.course_id = c.id) LIMIT ?3) AS counted) AS mentions
FROM courses AS c LEFT JOIN course_members AS cm ON cm.course_id = c.id AND cm.user_id = ?0 WHERE c.id IN (?1)`,
		userID, bun.List(ids), maxUncounted, MaxUnread).Scan(ctx, &rows)
	for _, m := range rows {
		m.Unread = min(m.Unread, MaxUnread)
		mine[m.CourseID] = m
	}
	return mine, translate(err)
}

// CountsOfRooms returns the numbers of rooms of courses as a person has them, by their ids, in
// one statement.
func (q Queries) CountsOfRooms(ctx context.Context, userID string, ids []string) (map[string]RoomCounts, error) {
	counts := make(map[string]RoomCounts, len(ids))
	if len(ids) == 0 {
		return counts, nil
	}
	var rows []RoomCounts
	err := q.db.NewRaw(`SELECT r.id AS room_id, COALESCE(cm.role, '') AS course_role, c.owner_id = ?0 AS is_owner, rm.user_id IS NOT NULL AS is_member, r.archived_at,
	(SELECT count(*) FROM course_members AS x WHERE x.course_id = r.course_id) + (SELECT count(*) FROM room_members AS x WHERE x.room_id = r.id
		AND NOT EXISTS (SELECT 1 FROM course_members AS y WHERE y.course_id = r.course_id AND y.user_id = x.user_id)) AS members,
	(SELECT count(*) FROM room_agents AS x WHERE x.room_id = r.id) AS agents,
	`+unreadIn(cameAt)+` AS unread,
	(SELECT count(*) FROM (`+unreadMentions+` AND mn.room_id = r.id LIMIT ?3) AS counted) AS mentions
FROM rooms AS r JOIN courses AS c ON c.id = r.course_id LEFT JOIN course_members AS cm ON cm.course_id = c.id AND cm.user_id = ?0
LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?0
LEFT JOIN room_marks AS k ON k.room_id = r.id AND k.user_id = ?0 WHERE r.id IN (?1)`,
		userID, bun.List(ids), maxUncounted, MaxUnread).Scan(ctx, &rows)
	for _, c := range rows {
		counts[c.RoomID] = c
	}
	return counts, translate(err)
}

// MaxAgentsOfCourse bounds the list of the agents of a course.
const MaxAgentsOfCourse = 1000

// AgentsOfCourse lists the agents in the rooms of a course with their settings there, by
// rooms and agents. Of the agents it reads what decides whether they may speak.
func (q Queries) AgentsOfCourse(ctx context.Context, courseID string) ([]RoomAgent, error) {
	var rows []RoomAgent
	err := q.db.NewSelect().Model(&rows).Relation("Agent", func(sel *bun.SelectQuery) *bun.SelectQuery {
		return sel.Column("id", "name", "type", "category", "trigger_config", "schedule_config", "context_window", "is_active", "is_external")
	}).Join("JOIN rooms AS r ON r.id = ra.room_id").Where("r.course_id = ?", courseID).
		OrderExpr("r.created_at, ra.room_id, ra.created_at, ra.agent_id").Limit(MaxAgentsOfCourse).Scan(ctx)
	return rows, translate(err)
}

// OpenTurnsOfCourse lists the turns in the rooms of a course that are not over. It reads only
// the id, the room, the agent, the state and the times.
func (q Queries) OpenTurnsOfCourse(ctx context.Context, courseID string) ([]Turn, error) {
	var rows []Turn
	err := q.db.NewSelect().Model(&rows).Column("t.id", "t.room_id", "t.agent_id", "t.state", "t.created_at", "t.started_at").
		Join("JOIN rooms AS r ON r.id = t.room_id").Where("r.course_id = ?", courseID).
		Where("t.state IN (?, ?, ?, ?)", TurnQueued, TurnRunning, TurnWaiting, TurnParked).OrderExpr("t.room_id, t.id").
		Limit(MaxAgentsOfCourse).Scan(ctx)
	return rows, translate(err)
}

// PendingStep is a step that waits for a person, without its texts.
type PendingStep struct {
	ID, TurnID, RoomID, AgentID, AgentName string
	Name                                   string // of the tool
	StartedAt                              time.Time
}

// PendingStepsOfCourse lists the steps that wait for a person in the rooms of a course, the
// oldest first, limit at most.
func (q Queries) PendingStepsOfCourse(ctx context.Context, courseID string, limit int) ([]PendingStep, error) {
	var rows []PendingStep
	err := q.db.NewSelect().TableExpr("turn_steps AS ts").Join("JOIN agent_turns AS t ON t.id = ts.turn_id").Join("JOIN agents AS a ON a.id = t.agent_id").
		ColumnExpr("ts.id, ts.turn_id, t.room_id, t.agent_id, a.name AS agent_name, ts.name, ts.started_at").
		Where("t.room_id IN (SELECT r.id FROM rooms AS r WHERE r.course_id = ?)", courseID).
		Where("t.state = ?", TurnParked).Where("ts.state = ?", StepPending).Where(ofPeople).OrderExpr("ts.started_at, ts.id").Limit(int64(limit)).Scan(ctx, &rows)
	return rows, translate(err)
}

// NewestAnnouncement returns the newest announcement of a course; ErrNotFound without one.
func (q Queries) NewestAnnouncement(ctx context.Context, courseID string) (*Announcement, error) {
	an := new(Announcement)
	return first(ctx, q.db.NewSelect().Model(an).Where("an.course_id = ?", courseID).OrderExpr("an.created_at DESC, an.id DESC"), an)
}
