package store

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// The values of a room's AIMode.
const (
	ModeOff         = "off"
	ModeTeacherOnly = "teacher_only" // agents that are participants do not speak
	ModeBoth        = "both"
)

// Room is where people and agents talk. EventSeq is the seq of its newest event.
// DecidedSeq is the newest seq about which its agents have decided. DecideAt is when a
// sweep should have them decide, zero when nothing is due.
//
// A room belongs to a course, or it is the room of a thread: then ThreadID is its id and
// CourseID is empty. No course's people find a thread's room, see RoomAccess.
type Room struct {
	bun.BaseModel     `bun:"table:rooms,alias:r"`
	ID                string `bun:",pk"`
	CourseID          string `bun:",nullzero"`
	ThreadID          string `bun:",nullzero"`
	Name              string
	Description       *string
	IsAIActive        bool `bun:"is_ai_active"`
	IsAnalyticsActive bool
	AIFrequency       float64 `bun:"ai_frequency"`
	AIMode            string  `bun:"ai_mode"`
	CreatedAt         time.Time
	Version           int
	EventSeq          int64
	DecidedSeq        int64     `bun:"looked_seq"`
	DecideAt          time.Time `bun:"look_at,nullzero"`
	StreakFrom        int64     `bun:"row_from"`  // agents' messages up to this seq do not count towards their streak
	Workflow          string    `bun:",nullzero"` // workflow of its turns: the name of a built-in one or an id
	PersonSeq         int64     // seq of the last person's message that agents may hear
	PersonAt          time.Time `bun:",nullzero"` // and when it was written
	AgentsVersion     int64     // counts the changes of who may speak here and when
	ArchivedAt        time.Time `bun:",nullzero"` // its course is archived: one only reads
	UnreadAfter       int64     // messages up to this seq are from before there were marks, and count as read
}

// Undecided tells whether the room has messages about which its agents have not decided.
func (r *Room) Undecided() bool { return r.DecidedSeq < r.EventSeq }

// RoomMember admits a user to one room.
type RoomMember struct {
	bun.BaseModel `bun:"table:room_members,alias:rm"`
	RoomID        string `bun:",pk"`
	UserID        string `bun:",pk"`
	CreatedAt     time.Time
}

// RoomAccess is a room with everything that decides who may do what in it.
type RoomAccess struct {
	Room       Room
	CourseRole string // the user's link to the course, "" without one
	IsOwner    bool   // owns the course
	IsMember   bool   // has a link to this very room
}

// Room returns the room with this id.
func (q Queries) Room(ctx context.Context, id string) (*Room, error) {
	r := new(Room)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(r).Where("r.id = ?", bound...), r)
}

// PersonSeq returns the PersonSeq of the room with this id.
func (q Queries) PersonSeq(ctx context.Context, id string) (seq int64, err error) {
	err = q.db.NewRaw("SELECT person_seq FROM rooms WHERE id = $1").Scan(q.boundText(ctx, id), &seq)
	return seq, translate(err)
}

// RoomAccess returns a room and the user's relations to it, in one statement. A thread's
// room is not found: only its thread leads to it.
func (q Queries) RoomAccess(ctx context.Context, roomID, userID string) (*RoomAccess, error) {
	var row struct {
		Room       `bun:",extend"`
		CourseRole string `bun:",scanonly"`
		IsOwner    bool   `bun:",scanonly"`
		IsMember   bool   `bun:",scanonly"`
	}
	ctx, bound := q.bound(ctx, roomID, userID)
	room, user := bound[0], bound[1]
	err := q.db.NewSelect().Model(&row).ColumnExpr("?TableColumns").
		ColumnExpr("COALESCE(cm.role, '') AS course_role").
		ColumnExpr("c.owner_id = ? AS is_owner", user).
		ColumnExpr("rm.user_id IS NOT NULL AS is_member").
		Join("JOIN courses AS c ON c.id = r.course_id").
		Join("LEFT JOIN course_members AS cm ON cm.course_id = r.course_id AND cm.user_id = ?", user).
		Join("LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?", user).
		Where("r.id = ?", room).Limit(1).Scan(ctx)
	if err != nil {
		return nil, translate(err)
	}
	return &RoomAccess{Room: row.Room, CourseRole: row.CourseRole, IsOwner: row.IsOwner, IsMember: row.IsMember}, nil
}

// Seat is a person with everything that decides what they may do in a room.
type Seat struct {
	RoomAccess
	User User
}

// RoomAccesses returns the seats of several people in one room by their ids, in one
// statement. People and rooms that are gone are left out. Of the room it reads only whether
// it is archived.
func (q Queries) RoomAccesses(ctx context.Context, roomID string, userIDs []string) (map[string]*Seat, error) {
	var rows []struct {
		User       `bun:",extend"`
		CourseRole string    `bun:",scanonly"`
		IsOwner    bool      `bun:",scanonly"`
		IsMember   bool      `bun:",scanonly"`
		Archived   time.Time `bun:",scanonly,nullzero"`
	}
	seats := make(map[string]*Seat, len(userIDs))
	if len(userIDs) == 0 {
		return seats, nil
	}
	err := q.db.NewSelect().Model(&rows).ColumnExpr("u.*").
		ColumnExpr("COALESCE(cm.role, '') AS course_role").
		ColumnExpr("c.owner_id = u.id AS is_owner").
		ColumnExpr("rm.user_id IS NOT NULL AS is_member").
		ColumnExpr("r.archived_at AS archived").
		Join("JOIN rooms AS r ON r.id = ?", roomID).
		Join("JOIN courses AS c ON c.id = r.course_id").
		Join("LEFT JOIN course_members AS cm ON cm.course_id = r.course_id AND cm.user_id = u.id").
		Join("LEFT JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = u.id").
		Where("u.id IN (?)", bun.List(userIDs)).Limit(int64(len(userIDs))).Scan(ctx)
	for _, r := range rows {
		seats[r.ID] = &Seat{User: r.User, RoomAccess: RoomAccess{Room: Room{ArchivedAt: r.Archived}, CourseRole: r.CourseRole, IsOwner: r.IsOwner, IsMember: r.IsMember}}
	}
	return seats, translate(err)
}

// RoomPerson is somebody who may be in a room. Part is their role there: teacher, ta,
// student, or guest (of this room only).
type RoomPerson struct {
	User `bun:",extend"`
	Part string `bun:",scanonly"`
}

const roomPeople = `JOIN (
	SELECT owner_id AS user_id, 0 AS rank, 'teacher' AS part FROM courses WHERE id = (SELECT course_id FROM rooms WHERE id = ?0)
	UNION ALL SELECT user_id, CASE role WHEN 'teacher' THEN 1 WHEN 'ta' THEN 2 ELSE 3 END, role FROM course_members
		WHERE course_id = (SELECT course_id FROM rooms WHERE id = ?0)
	UNION ALL SELECT user_id, 4, 'guest' FROM room_members WHERE room_id = ?0
) AS people ON people.user_id = u.id`

// RoomPeople lists the people who may be in a room, without admins. Each comes once,
// teachers first, limit at most.
func (q Queries) RoomPeople(ctx context.Context, roomID string, limit int) ([]RoomPerson, error) {
	var rows []RoomPerson
	err := q.db.NewSelect().Model(&rows).ColumnExpr("u.*").ColumnExpr("people.part").Join(roomPeople, roomID).
		OrderExpr("people.rank, u.id").Limit(int64(3 * limit)).Scan(ctx)
	seen := map[string]bool{}
	rows = slices.DeleteFunc(rows, func(p RoomPerson) bool {
		again := seen[p.ID]
		seen[p.ID] = true
		return again
	})
	return rows[:min(len(rows), limit)], translate(err)
}

// RoomsInCourse lists a course's rooms, oldest first. With a memberID it lists only the
// rooms of which that user is a member.
func (q Queries) RoomsInCourse(ctx context.Context, courseID, memberID string, p Page) (*Listing[Room], error) {
	values := []any{courseID}
	if memberID != "" {
		values = append(values, memberID)
	}
	ctx, bound := q.bound(ctx, values...)
	sel := q.db.NewSelect().Model((*Room)(nil)).Where("r.course_id = ?", bound[0]).OrderExpr("r.created_at, r.id")
	if memberID != "" {
		sel = sel.Join("JOIN room_members AS rm ON rm.room_id = r.id AND rm.user_id = ?", bound[1])
	}
	return listing(ctx, listed[Room]{places: p.on(sel), key: "r.id", size: q.octets("r.description"),
		rows: q.everything,
		id:   func(r *Room) string { return r.ID }})
}

// HasRoomIn tells whether the user is a member of any room of the course.
func (q Queries) HasRoomIn(ctx context.Context, courseID, userID string) (bool, error) {
	ok, err := q.db.NewSelect().Model((*RoomMember)(nil)).Join("JOIN rooms AS r ON r.id = rm.room_id").
		Where("r.course_id = ?", courseID).Where("rm.user_id = ?", userID).Exists(ctx)
	return ok, translate(err)
}

// CreateRoom adds a room; ErrReferenced for an unknown course.
func (t *Tx) CreateRoom(ctx context.Context, r *Room) error {
	if r.CourseID != "" { // the room of a thread is its person's alone
		t.changesAccount(r.CourseID)
	}
	return t.insert(ctx, r)
}

// UpdateRoom writes the settings of a room that was read at r.Version, and increases the
// version. ErrStale when somebody else changed the room meanwhile.
func (t *Tx) UpdateRoom(ctx context.Context, r *Room) error {
	t.changesAccount(r.ID)
	r.Version++
	res, err := t.db.NewUpdate().Model(r).
		Column("name", "description", "is_ai_active", "is_analytics_active", "ai_frequency", "ai_mode", "version").
		Where("r.id = ?", r.ID).Where("r.version = ?", r.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		r.Version-- // the caller's copy stays what it read
		return err
	}
	return t.agentsChanged(ctx, theseRooms, r.ID)
}

// DeleteRoom removes a room with all that is in it.
func (t *Tx) DeleteRoom(ctx context.Context, id string) error {
	t.changesAccount(id)
	res, err := t.db.NewDelete().Model((*Room)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// AddRoomMember admits a user; added is false when the user was a member already.
func (t *Tx) AddRoomMember(ctx context.Context, m *RoomMember) (added bool, err error) {
	t.changesAccount(m.RoomID)
	return t.insertOnce(ctx, m)
}
