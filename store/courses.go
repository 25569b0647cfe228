package store

import (
	"context"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Course holds rooms. Only Courses fills OwnerName.
type Course struct {
	bun.BaseModel `bun:"table:courses,alias:c"`
	ID            string `bun:",pk"`
	Title         string
	Description   *string
	OwnerID       string
	CreatedAt     time.Time
	Version       int
	ArchivedAt    time.Time `bun:",nullzero"`

	OwnerName *string `bun:",scanonly"`
}

// The ways into a course. They decide what its staff may do with the account.
const (
	ViaEnrolled = "enrolled" // staff added an account that existed
	ViaList     = "list"     // a class list of the course created the account
	ViaJoined   = "joined"   // the person asked: join code or invitation
)

// The ways in which people come into a course by themselves.
const (
	CameByCode       = "code"
	CameByInvitation = "invitation"
)

// CourseMember links a user to a course with a role: student, ta or teacher.
// Via is ViaEnrolled when it is empty.
type CourseMember struct {
	bun.BaseModel `bun:"table:course_members,alias:cm"`
	CourseID      string `bun:",pk"`
	UserID        string `bun:",pk"`
	Role          string
	Via           string
	CreatedAt     time.Time
	CameBy        string `bun:",nullzero"` // CameByCode or CameByInvitation, "" for somebody whom staff took in
	CameWith      string `bun:",nullzero"` // the code as it was, or the id of the invitation
	AccountMade   bool   // coming in has made the account

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// Course returns the course with this id.
func (q Queries) Course(ctx context.Context, id string) (*Course, error) {
	c := new(Course)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(c).Where("c.id = ?", bound...), c)
}

// CourseAccess returns a course and the user's link role in it, "" without a
// link, in one statement.
func (q Queries) CourseAccess(ctx context.Context, courseID, userID string) (*Course, string, error) {
	var row struct {
		Course `bun:",extend"`
		Role   string `bun:",scanonly"`
	}
	ctx, bound := q.bound(ctx, courseID, userID)
	err := q.db.NewSelect().Model(&row).ColumnExpr("?TableColumns").ColumnExpr("COALESCE(cm.role, '') AS role").
		Join("LEFT JOIN course_members AS cm ON cm.course_id = c.id AND cm.user_id = ?", bound[1]).
		Where("c.id = ?", bound[0]).Limit(1).Scan(ctx)
	if err != nil {
		return nil, "", translate(err)
	}
	return &row.Course, row.Role, nil
}

// Courses lists courses with their owners' names, newest first. With userID it lists only
// those that the user owns or is linked to. They are either archived or not.
func (q Queries) Courses(ctx context.Context, userID string, archived bool, p Page) (*Listing[Course], error) {
	sel := q.db.NewSelect().Model((*Course)(nil)).Join("JOIN users AS u ON u.id = c.owner_id").OrderExpr("c.created_at DESC, c.id DESC")
	if archived {
		sel = sel.Where("c.archived_at IS NOT NULL")
	} else {
		sel = sel.Where("c.archived_at IS NULL")
	}
	if userID != "" {
		var bound []any
		ctx, bound = q.bound(ctx, userID)
		linked := q.db.NewSelect().Model((*CourseMember)(nil)).Column("cm.course_id").Where("cm.user_id = ?", bound[0])
		sel = sel.Where("c.owner_id = ? OR c.id IN (?)", bound[0], linked)
	}
	return listing(ctx, listed[Course]{places: p.on(sel), key: "c.id", size: q.octets("c.description"),
		rows: func(model any) *bun.SelectQuery {
			return q.everything(model).ColumnExpr("u.full_name AS owner_name").Join("LEFT JOIN users AS u ON u.id = c.owner_id")
		},
		id: func(c *Course) string { return c.ID }})
}

// CourseRole is the user's link role in a course, "" without a link.
func (q Queries) CourseRole(ctx context.Context, courseID, userID string) (string, error) {
	return q.role(ctx, q.db.NewSelect().Model((*CourseMember)(nil)).
		Where("cm.course_id = ?", courseID).Where("cm.user_id = ?", userID))
}

// CourseMembers lists a course's links with their users, in the order they
// came in.
func (q Queries) CourseMembers(ctx context.Context, courseID string, p Page) (*Listing[CourseMember], error) {
	ctx, bound := q.bound(ctx, courseID)
	sel := q.db.NewSelect().Model((*CourseMember)(nil)).Where("cm.course_id = ?", bound...).OrderExpr("cm.created_at, cm.user_id")
	return listing(ctx, listed[CourseMember]{places: p.on(sel), key: "cm.user_id", size: "1024",
		in:   within{"cm.course_id", courseID, bound[0]},
		rows: func(model any) *bun.SelectQuery { return q.everything(model).Relation("User") },
		id:   func(m *CourseMember) string { return m.UserID }})
}

// CreateCourse adds a course.
func (t *Tx) CreateCourse(ctx context.Context, c *Course) error { return t.insert(ctx, c) }

// AddCourseMember links a user. added is false when there was a link, which stays as it
// is.
func (t *Tx) AddCourseMember(ctx context.Context, m *CourseMember) (added bool, err error) {
	if m.Via == "" {
		m.Via = ViaEnrolled
	}
	t.changesAccount(m.CourseID)
	return t.insertOnce(ctx, m)
}

// CourseForUpdate returns a course and locks its row until the transaction ends. A
// transaction that changes the course's members holds this lock.
func (t *Tx) CourseForUpdate(ctx context.Context, id string) (*Course, error) {
	c := new(Course)
	return first(ctx, t.locked(t.db.NewSelect().Model(c).Where("c.id = ?", id)), c)
}

// UpdateCourse writes the title, description and owner of a course that was read at
// c.Version, and increases the version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateCourse(ctx context.Context, c *Course) error {
	t.changesAccount(c.ID)
	c.Version++
	res, err := t.db.NewUpdate().Model(c).Column("title", "description", "owner_id", "version").
		Where("c.id = ?", c.ID).Where("c.version = ?", c.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// OpenCourse keeps a course from being archived until the transaction ends. ErrArchived when
// it is archived.
func (t *Tx) OpenCourse(ctx context.Context, id string) error {
	c := new(Course)
	sel := t.db.NewSelect().Model(c).Column("id", "archived_at").Where("c.id = ?", id)
	if t.PG != nil {
		sel = sel.For("KEY SHARE") // CourseForUpdate, which an archiving holds, waits for it
	}
	c, err := first(ctx, sel, c)
	if err == nil && !c.ArchivedAt.IsZero() {
		err = ErrArchived
	}
	return err
}

// LockRoomsOf locks the rooms of a course until the transaction ends.
func (t *Tx) LockRoomsOf(ctx context.Context, courseID string) error {
	return t.lockRooms(ctx, roomsInCourse, courseID)
}

const roomsInCourse = "SELECT r.id FROM rooms AS r WHERE r.course_id = ?0"

// SetCourseArchived archives a course with its rooms, or opens it again with a zero time. The
// log of each room gets the event, whose type, body and time told has. The caller has locked
// the course.
func (t *Tx) SetCourseArchived(ctx context.Context, c *Course, at time.Time, told Event) error {
	c.ArchivedAt = at
	c.Version++
	res, err := t.db.NewUpdate().Model(c).Column("archived_at", "version").Where("c.id = ?", c.ID).Where("c.version = ?", c.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		return err
	}
	var rooms []Room
	when := any(nil)
	if !at.IsZero() {
		when = t.instant(at)
	}
	err = t.db.NewRaw("WITH locked AS ("+t.inOrder(roomsInCourse)+") UPDATE rooms SET archived_at = ?1,"+
		" agents_version = agents_version + 1, event_seq = event_seq + 1,"+
		" looked_seq = CASE WHEN looked_seq = event_seq THEN event_seq + 1 ELSE looked_seq END"+ // agents do not answer it
		" WHERE id IN (SELECT id FROM locked) RETURNING id, event_seq", c.ID, when).Scan(ctx, &rooms)
	if err != nil {
		return translate(err)
	}
	t.changesAccount(c.ID)
	events := make([]Event, len(rooms))
	for i, r := range rooms {
		t.changesAccount(r.ID)
		events[i] = told
		events[i].ID, events[i].RoomID, events[i].Seq = NewID(), r.ID, r.EventSeq
	}
	for part := range slices.Chunk(events, MaxLimit) {
		if err := t.insert(ctx, &part); err != nil {
			return err
		}
	}
	t.events = append(t.events, events...)
	return nil
}

// DeleteCourse removes a course with its rooms and all that is in them.
func (t *Tx) DeleteCourse(ctx context.Context, id string) error {
	t.changesAccount(id)
	res, err := t.db.NewDelete().Model((*Course)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// SetCourseRole gives a linked user another role; ErrNotFound without a link.
func (t *Tx) SetCourseRole(ctx context.Context, courseID, userID, role string) error {
	t.gains(userID)
	t.changesAccount(courseID)
	res, err := t.db.NewUpdate().Model((*CourseMember)(nil)).Set("role = ?", role).
		Where("course_id = ?", courseID).Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// RemoveCourseMember takes a user out of a course and of its rooms;
// ErrNotFound without a link.
func (t *Tx) RemoveCourseMember(ctx context.Context, courseID, userID string) error {
	t.changesAccount(courseID)
	res, err := t.db.NewDelete().Model((*CourseMember)(nil)).Where("course_id = ?", courseID).
		Where("user_id = ?", userID).Exec(ctx)
	if err := changed(res, err, ErrNotFound); err != nil {
		return err
	}
	rooms := t.db.NewSelect().Model((*Room)(nil)).Column("r.id").Where("r.course_id = ?", courseID)
	_, err = t.db.NewDelete().Model((*RoomMember)(nil)).Where("user_id = ?", userID).Where("room_id IN (?)", rooms).Exec(ctx)
	return translate(err)
}
