package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The states of a report. At most one report of a course is queued or running.
const (
	ReportQueued  = "queued"  // a job is on its way
	ReportRunning = "running" // a worker holds its lease
	ReportDone    = "done"    // its content is stored
	ReportFailed  = "failed"  // given up; Reason says why
)

// Report is a report of the analytics agent about a course. Attempt fences it: a worker
// that lost its lease can neither add to the report nor end it.
type Report struct {
	bun.BaseModel `bun:"table:reports,alias:rp"`
	ID            string `bun:",pk"`
	CourseID      string
	CreatedBy     string `bun:",nullzero"`
	ReportType    string
	Title         string
	Content       string // Markdown, empty until it is done
	State         string
	Reason        string `bun:",nullzero"` // a sentence for the course's staff
	Attempt       int
	LeaseUntil    time.Time `bun:",nullzero"`
	Node          string    `bun:",nullzero"`
	RoomsTotal    int
	RoomsDone     int // including the rooms that failed
	RoomsFailed   int
	CreatedAt     time.Time
	StartedAt     time.Time `bun:",nullzero"`
	EndedAt       time.Time `bun:",nullzero"`
	UpdatedAt     time.Time
	Version       int
}

// Ended tells whether the report is done or has failed.
func (r *Report) Ended() bool { return r.State == ReportDone || r.State == ReportFailed }

// ReportSection is one room's part of a report that is being written. RoomID is empty
// once the room is gone. Content is empty until the section is written.
type ReportSection struct {
	bun.BaseModel `bun:"table:report_sections,alias:rs"`
	ReportID      string `bun:",pk"`
	Position      int    `bun:",pk"`
	RoomID        string `bun:",nullzero"`
	RoomName      string
	Content       string `bun:",nullzero"`
	Reason        string `bun:",nullzero"` // why it failed, a sentence for the course's staff
}

// Report returns the report with this id.
func (q Queries) Report(ctx context.Context, id string) (*Report, error) {
	r := new(Report)
	return first(ctx, q.db.NewSelect().Model(r).Where("rp.id = ?", id), r)
}

// Reports lists the reports of a course, newest first.
func (q Queries) Reports(ctx context.Context, courseID string, p Page) (*Listing[Report], error) {
	sel := q.db.NewSelect().Model((*Report)(nil)).Where("rp.course_id = ?", courseID).OrderExpr("rp.created_at DESC, rp.id DESC")
	return listing(ctx, listed[Report]{places: p.on(sel), key: "rp.id", size: q.octets("rp.content"),
		rows: q.everything,
		id:   func(r *Report) string { return r.ID }})
}

// LiveReport returns the report of a course that is queued or running;
// ErrNotFound without one.
func (q Queries) LiveReport(ctx context.Context, courseID string) (*Report, error) {
	r := new(Report)
	return first(ctx, q.db.NewSelect().Model(r).Where("rp.course_id = ?", courseID).
		Where("rp.state IN (?, ?)", ReportQueued, ReportRunning), r)
}

// ReportForUpdate returns a report whose row stays locked until the
// transaction ends.
func (t *Tx) ReportForUpdate(ctx context.Context, id string) (*Report, error) {
	r := new(Report)
	return first(ctx, t.locked(t.db.NewSelect().Model(r).Where("rp.id = ?", id)), r)
}

// CreateReport adds a report with an empty section for each room of its course that shows
// a message, oldest room first, MaxLimit at most. ErrExists when the course has a queued
// or running report, ErrReferenced when the course is gone.
func (t *Tx) CreateReport(ctx context.Context, r *Report) error {
	if err := t.insert(ctx, r); err != nil {
		return err
	}
	lines := shown(t.db.NewSelect().Model((*Message)(nil)).ColumnExpr("1").Where("m.room_id = r.id"))
	rooms := t.db.NewSelect().Model((*Room)(nil)).ColumnExpr("? AS report_id", r.ID).
		ColumnExpr("row_number() OVER (ORDER BY r.created_at, r.id) AS position").ColumnExpr("r.id, r.name").
		Where("r.course_id = ?", r.CourseID).Where("EXISTS (?)", lines).OrderExpr("r.created_at, r.id").Limit(MaxLimit)
	n, err := affected(t.db.NewRaw("INSERT INTO report_sections (report_id, position, room_id, room_name) ?", rooms).Exec(ctx))
	if err != nil {
		return err
	}
	r.RoomsTotal = int(n)
	res, err := t.db.NewUpdate().Model(r).Column("rooms_total").WherePK().Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// UpdateReport writes the texts of a report that was read at r.Version, and increases the
// version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateReport(ctx context.Context, r *Report) error {
	r.Version++
	res, err := t.db.NewUpdate().Model(r).Column("title", "content", "updated_at", "version").
		Where("rp.id = ?", r.ID).Where("rp.version = ?", r.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteReport deletes a report, also one that is being written.
func (t *Tx) DeleteReport(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Report)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// liveReport begins an update of a report that applies only to this attempt and these
// states.
func (t *Tx) liveReport(row *Report, id string, attempt int, states ...string) *bun.UpdateQuery {
	return t.db.NewUpdate().Model(row).Where("id = ?", id).Where("attempt = ?", attempt).Where("state IN (?)", bun.List(states))
}

// ClaimReport starts this attempt of a queued report on a node and returns the report.
// ErrStale when the report has ended or is gone, or another attempt has begun.
func (t *Tx) ClaimReport(ctx context.Context, id string, attempt int, node string, now, lease time.Time) (*Report, error) {
	r := new(Report)
	res, err := t.liveReport(r, id, attempt, ReportQueued).Set("state = ?", ReportRunning).Set("node = ?", node).
		Set("lease_until = ?", lease).Set("started_at = COALESCE(started_at, ?)", t.instant(now)).Returning("*").Exec(ctx)
	return r, changed(res, err, ErrStale)
}

// RenewReportLease extends the lease of a running attempt; ErrStale when the lease is
// lost.
func (t *Tx) RenewReportLease(ctx context.Context, id string, attempt int, lease time.Time) error {
	res, err := t.liveReport(nil, id, attempt, ReportRunning).Set("lease_until = ?", lease).Exec(ctx)
	return changed(res, err, ErrStale)
}

// RetryReport queues a report again as the next attempt, with the sections that it has.
// ErrStale when this attempt is not the current one any more.
func (t *Tx) RetryReport(ctx context.Context, id string, attempt int, lease time.Time) error {
	res, err := t.liveReport(nil, id, attempt, ReportQueued, ReportRunning).Set("state = ?", ReportQueued).
		Set("attempt = ?", attempt+1).Set("lease_until = ?", lease).Set("node = NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// RequeueReport extends the lease of a queued attempt that a sweep found overdue.
// ErrStale when it is not overdue any more.
func (t *Tx) RequeueReport(ctx context.Context, id string, attempt int, asOf, lease time.Time) error {
	res, err := t.liveReport(nil, id, attempt, ReportQueued).Set("lease_until = ?", lease).Where("lease_until < ?", asOf).Exec(ctx)
	return changed(res, err, ErrStale)
}

// OverdueReports lists queued or running reports whose lease ran out, oldest first. Their
// worker or their job is gone.
func (q Queries) OverdueReports(ctx context.Context, now time.Time, limit int) ([]Report, error) {
	var rows []Report
	err := q.db.NewSelect().Model(&rows).Where("rp.state IN (?, ?)", ReportQueued, ReportRunning).
		Where("rp.lease_until < ?", now).OrderExpr("rp.lease_until").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// ReportSections lists the sections of a report that is being written, in their order.
func (q Queries) ReportSections(ctx context.Context, reportID string) ([]ReportSection, error) {
	var rows []ReportSection
	err := q.db.NewSelect().Model(&rows).Where("rs.report_id = ?", reportID).OrderExpr("rs.position").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// WriteSection stores the text of a section in a running attempt and counts the section.
// ErrStale when the attempt is lost or the section was written before.
func (t *Tx) WriteSection(ctx context.Context, s *ReportSection, attempt int) error {
	failed := 0
	if s.Reason != "" {
		failed = 1
	}
	// Lock the report first: parallel sections and a new attempt wait for it.
	res, err := t.liveReport(nil, s.ReportID, attempt, ReportRunning).Set("rooms_done = rooms_done + 1").
		Set("rooms_failed = rooms_failed + ?", failed).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		return err
	}
	res, err = t.db.NewUpdate().Model(s).Column("content", "reason").WherePK().Where("content IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndReport ends an attempt with the state, content and reason of end, and deletes the
// sections. ErrStale when that attempt is not the current one any more.
func (t *Tx) EndReport(ctx context.Context, end *Report, now time.Time) error {
	res, err := t.liveReport(nil, end.ID, end.Attempt, ReportQueued, ReportRunning).Set("state = ?", end.State).
		Set("content = ?", end.Content).Set("reason = NULLIF(?, '')", end.Reason).Set("ended_at = ?", now).
		Set("updated_at = ?", now).Set("lease_until = NULL").Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		return err
	}
	_, err = t.db.NewDelete().Model((*ReportSection)(nil)).Where("report_id = ?", end.ID).Exec(ctx)
	return translate(err)
}
