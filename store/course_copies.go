package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The states of a course's copy.
const (
	CopyQueued    = "queued"    // a job is on its way
	CopyRunning   = "running"   // a worker has it
	CopyDone      = "done"      // the new course is there
	CopyFailed    = "failed"    // given up; Reason says why
	CopyCancelled = "cancelled" // its person did not want it any more
)

// CourseCopy is a job that copies a course. Attempt fences it: a worker that lost it can not
// end it, and the new course comes in the transaction of the end.
type CourseCopy struct {
	bun.BaseModel `bun:"table:course_copies,alias:cc"`
	ID            string `bun:",pk"`
	CourseID      string
	CreatedBy     string
	Title         string
	ProjectID     string `bun:",nullzero"` // gets the agents; "" lets the copy find one
	Parts         JSON   // what is copied
	State         string
	Reason        string `bun:",nullzero"` // a sentence for its person
	Attempt       int
	LeaseUntil    time.Time `bun:",nullzero"`
	Done          int       // rooms that are read
	Total         int       // rooms
	AgentsLeft    int       // seats of agents that its person may neither read nor use
	NewCourseID   string    `bun:",nullzero"`
	CreatedAt     time.Time
	EndedAt       time.Time `bun:",nullzero"`
}

// CourseCopy returns the copy with this id.
func (q Queries) CourseCopy(ctx context.Context, id string) (*CourseCopy, error) {
	c := new(CourseCopy)
	return first(ctx, q.db.NewSelect().Model(c).Where("cc.id = ?", id), c)
}

// LiveCopies counts the copies of all people that are not over, most at most.
func (q Queries) LiveCopies(ctx context.Context, most int) (n int, err error) {
	live := q.db.NewSelect().Model((*CourseCopy)(nil)).ColumnExpr("1").Where("cc.state IN (?, ?)", CopyQueued, CopyRunning).Limit(int64(most))
	err = q.db.NewSelect().TableExpr("(?) AS live", live).ColumnExpr("count(*)").Scan(ctx, &n)
	return n, translate(err)
}

// CreateCopy adds a copy, and deletes the oldest of its person that are over, but for keep.
// ErrExists when the person has one that is not over, ErrReferenced when the course is gone.
func (t *Tx) CreateCopy(ctx context.Context, c *CourseCopy, keep int) error {
	if err := t.insert(ctx, c); err != nil {
		return err
	}
	newest := t.db.NewSelect().Model((*CourseCopy)(nil)).Column("cc.id").Where("cc.created_by = ?", c.CreatedBy).
		OrderExpr("cc.created_at DESC, cc.id DESC").Limit(int64(keep))
	_, err := t.db.NewDelete().Model((*CourseCopy)(nil)).Where("created_by = ?", c.CreatedBy).Where("id NOT IN (?)", newest).Exec(ctx)
	return translate(err)
}

// liveCopy begins an update of a copy that applies only to this attempt and these states.
func (t *Tx) liveCopy(row *CourseCopy, id string, attempt int, states ...string) *bun.UpdateQuery {
	return t.db.NewUpdate().Model(row).Where("id = ?", id).Where("attempt = ?", attempt).Where("state IN (?)", bun.List(states))
}

// ClaimCopy starts this attempt of a queued copy; ErrStale when there is nothing to do.
func (t *Tx) ClaimCopy(ctx context.Context, id string, attempt int, lease time.Time) (*CourseCopy, error) {
	c := new(CourseCopy)
	res, err := t.liveCopy(c, id, attempt, CopyQueued).Set("state = ?", CopyRunning).Set("lease_until = ?", lease).Returning("*").Exec(ctx)
	return c, changed(res, err, ErrStale)
}

// CopyProgress notes how far a running attempt is; ErrStale when it is over.
func (t *Tx) CopyProgress(ctx context.Context, c *CourseCopy) error {
	res, err := t.liveCopy(nil, c.ID, c.Attempt, CopyRunning).Set("done = ?", c.Done).Set("total = ?", c.Total).Exec(ctx)
	return changed(res, err, ErrStale)
}

// RetryCopy queues a copy again, as the next attempt or as the same one. ErrStale when this
// attempt is over.
func (t *Tx) RetryCopy(ctx context.Context, c *CourseCopy, next int, lease time.Time) error {
	res, err := t.liveCopy(nil, c.ID, c.Attempt, CopyQueued, CopyRunning).Set("state = ?", CopyQueued).Set("attempt = ?", next).
		Set("lease_until = ?", lease).Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndCopy ends an attempt with the state, the reason and what was made. ErrStale when that
// attempt is over.
func (t *Tx) EndCopy(ctx context.Context, end *CourseCopy, now time.Time) error {
	end.EndedAt, end.LeaseUntil = now, time.Time{}
	res, err := t.liveCopy(end, end.ID, end.Attempt, CopyQueued, CopyRunning).
		Column("state", "reason", "done", "total", "agents_left", "new_course_id", "ended_at", "lease_until").Exec(ctx)
	return changed(res, err, ErrStale)
}

// OverdueCopies lists the copies that are not over and whose lease ran out: their worker or
// their job is gone.
func (q Queries) OverdueCopies(ctx context.Context, now time.Time, limit int) ([]CourseCopy, error) {
	var rows []CourseCopy
	err := q.db.NewSelect().Model(&rows).Where("cc.state IN (?, ?)", CopyQueued, CopyRunning).Where("cc.lease_until < ?", now).
		OrderExpr("cc.lease_until").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// CopySize is how much of a course a copy would have.
type CopySize struct {
	Rooms, Seats, Artifacts, Workflows, Announcements, Members int
	Bytes                                                      int64 // of the artifacts
}

// CopySize counts what a course has for a copy that takes members in these roles. Of the
// artifacts and of the seats it counts most and one at most.
func (q Queries) CopySize(ctx context.Context, courseID string, roles []string, most int) (*CopySize, error) {
	artifacts := q.db.NewSelect().TableExpr("artifacts AS af").ColumnExpr("af.content_bytes").Join("JOIN rooms AS r ON r.id = af.room_id").
		Where("r.course_id = ?", courseID).Where("af.deleted_at IS NULL").Limit(int64(most) + 1)
	seats := q.db.NewSelect().TableExpr("room_agents AS ra").ColumnExpr("1").Join("JOIN rooms AS r ON r.id = ra.room_id").
		Where("r.course_id = ?", courseID).Limit(int64(most) + 1)
	members := q.db.NewSelect().TableExpr("course_members AS cm").ColumnExpr("count(*)").Join("JOIN users AS u ON u.id = cm.user_id AND u.is_active").
		Where("cm.course_id = ?", courseID).Where("cm.role IN (?)", bun.List(roles))
	size := new(CopySize)
	err := q.db.NewSelect().TableExpr("(?) AS counted", artifacts).
		ColumnExpr("count(*) AS artifacts").ColumnExpr("CAST(COALESCE(sum(counted.content_bytes), 0) AS BIGINT) AS bytes").
		ColumnExpr("(SELECT count(*) FROM (?) AS found) AS seats", seats).ColumnExpr("(?) AS members", members).
		ColumnExpr("(SELECT count(*) FROM rooms WHERE course_id = ?) AS rooms", courseID).
		ColumnExpr("(SELECT count(*) FROM workflows WHERE course_id = ?) AS workflows", courseID).
		ColumnExpr("(SELECT count(*) FROM announcements WHERE course_id = ?) AS announcements", courseID).Scan(ctx, size)
	return size, translate(err)
}

// AgentToCopy is what decides whether a copy has an agent: the members of the agent that
// rights depend on, and the role of a person in its project.
type AgentToCopy struct {
	ID, ProjectID, CreatedBy, Role string
	IsTemplate, IsExternal         bool
}

// AgentsToCopy lists the agents in the rooms of a course, limit at most.
func (q Queries) AgentsToCopy(ctx context.Context, courseID, userID string, limit int) ([]AgentToCopy, error) {
	var rows []AgentToCopy
	err := q.db.NewSelect().TableExpr("agents AS a").Join("LEFT JOIN project_members AS pm ON pm.project_id = a.project_id AND pm.user_id = ?", userID).
		ColumnExpr("a.id, COALESCE(a.project_id, '') AS project_id, COALESCE(a.created_by, '') AS created_by, COALESCE(pm.role, '') AS role").
		ColumnExpr("a.is_template, a.is_external").
		Where("a.id IN (SELECT ra.agent_id FROM room_agents AS ra JOIN rooms AS r ON r.id = ra.room_id WHERE r.course_id = ?)", courseID).
		OrderExpr("a.id").Limit(int64(limit)).Scan(ctx, &rows)
	return rows, translate(err)
}

// SeatsToCopy lists the settings of the agents in a room, in the order in which they came,
// limit at most.
func (q Queries) SeatsToCopy(ctx context.Context, roomID string, limit int) ([]RoomAgent, error) {
	var rows []RoomAgent
	err := q.db.NewSelect().Model(&rows).Column("ra.agent_id", "ra.trigger_config", "ra.schedule_config", "ra.context_window").
		Where("ra.room_id = ?", roomID).OrderExpr("ra.created_at, ra.agent_id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// ArtifactSizes lists the artifacts of a room that are not deleted, parents first, with their
// ids, parents and sizes alone, limit at most.
func (q Queries) ArtifactSizes(ctx context.Context, roomID string, limit int) ([]Artifact, error) {
	var rows []Artifact
	err := q.db.NewSelect().Model(&rows).Column("af.id", "af.parent_id", "af.content_bytes").Where("af.room_id = ?", roomID).
		Where("af.deleted_at IS NULL").OrderExpr("af.created_at, af.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// CopyArtifact copies the newest state of an artifact into another room, as of's. Its content
// stays in the database. It does nothing when the artifact is gone.
func (t *Tx) CopyArtifact(ctx context.Context, fromID string, of *Artifact) error {
	_, err := t.db.NewRaw("INSERT INTO artifacts (id, room_id, type, title, parent_id, version, event_seq, created_by, modified_by, created_at, updated_at,"+
		" content_bytes, content) SELECT ?, ?, type, title, ?, 1, 0, ?, ?, ?, ?, content_bytes, content FROM artifacts WHERE id = ? AND deleted_at IS NULL",
		of.ID, of.RoomID, null(of.ParentID), of.CreatedBy, of.CreatedBy, t.instant(of.CreatedAt), t.instant(of.CreatedAt), fromID).Exec(ctx)
	return translate(err)
}

// AnnouncementIDs lists the announcements of a course, oldest first.
func (q Queries) AnnouncementIDs(ctx context.Context, courseID string) (ids []string, err error) {
	err = q.db.NewSelect().Model((*Announcement)(nil)).Column("an.id").Where("an.course_id = ?", courseID).
		OrderExpr("an.created_at, an.id").Limit(MaxLimit).Scan(ctx, &ids)
	return ids, translate(err)
}

// CopyAnnouncement copies an announcement into another course, as of's.
func (t *Tx) CopyAnnouncement(ctx context.Context, fromID string, of *Announcement) error {
	_, err := t.db.NewRaw("INSERT INTO announcements (id, course_id, author_id, title, content, created_at, updated_at, version)"+
		" SELECT ?, ?, ?, title, content, ?, ?, 1 FROM announcements WHERE id = ?",
		of.ID, of.CourseID, of.AuthorID, t.instant(of.CreatedAt), t.instant(of.CreatedAt), fromID).Exec(ctx)
	return translate(err)
}

// WorkflowsToCopy lists the workflows of a course with their graphs.
func (q Queries) WorkflowsToCopy(ctx context.Context, courseID string) ([]Workflow, error) {
	var rows []Workflow
	err := q.db.NewSelect().Model(&rows).Where("w.course_id = ?", courseID).OrderExpr("w.created_at, w.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// RoomsToCopy lists the rooms of a course, oldest first.
func (q Queries) RoomsToCopy(ctx context.Context, courseID string) ([]Room, error) {
	var rows []Room
	err := q.db.NewSelect().Model(&rows).Where("r.course_id = ?", courseID).OrderExpr("r.created_at, r.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// MembersToCopy lists the links of active people to a course in these roles, behind a person,
// in the order of the people's ids.
func (q Queries) MembersToCopy(ctx context.Context, courseID, after string, roles []string) ([]CourseMember, error) {
	var rows []CourseMember
	err := q.db.NewSelect().Model(&rows).Column("cm.user_id", "cm.role").Join("JOIN users AS u ON u.id = cm.user_id AND u.is_active").
		Where("cm.course_id = ?", courseID).Where("cm.user_id > ?", after).Where("cm.role IN (?)", bun.List(roles)).
		OrderExpr("cm.user_id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}
