package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Announcement is a notice from a course's staff to its members. AuthorID is empty once
// the author's account is gone.
type Announcement struct {
	bun.BaseModel `bun:"table:announcements,alias:an"`
	ID            string `bun:",pk"`
	CourseID      string
	AuthorID      string `bun:",nullzero"`
	Title         string
	Content       string
	CreatedAt     time.Time
	UpdatedAt     time.Time
	Version       int
}

// Announcement returns the announcement with this id.
func (q Queries) Announcement(ctx context.Context, id string) (*Announcement, error) {
	an := new(Announcement)
	return first(ctx, q.db.NewSelect().Model(an).Where("an.id = ?", id), an)
}

// Announcements lists those of a course, newest first.
func (q Queries) Announcements(ctx context.Context, courseID string, p Page) (*Listing[Announcement], error) {
	ctx, bound := q.bound(ctx, courseID)
	sel := q.db.NewSelect().Model((*Announcement)(nil)).Where("an.course_id = ?", bound...).OrderExpr("an.created_at DESC, an.id DESC")
	return listing(ctx, listed[Announcement]{places: p.on(sel), key: "an.id", size: q.octets("an.title", "an.content"),
		rows: q.everything,
		id:   func(an *Announcement) string { return an.ID }})
}

// AnnouncementForUpdate returns an announcement whose row stays locked until
// the transaction ends.
func (t *Tx) AnnouncementForUpdate(ctx context.Context, id string) (*Announcement, error) {
	an := new(Announcement)
	return first(ctx, t.locked(t.db.NewSelect().Model(an).Where("an.id = ?", id)), an)
}

// CreateAnnouncement adds an announcement; ErrReferenced for an unknown
// course.
func (t *Tx) CreateAnnouncement(ctx context.Context, an *Announcement) error {
	return t.insert(ctx, an)
}

// UpdateAnnouncement writes the texts of an announcement that was read at an.Version, and
// increases the version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateAnnouncement(ctx context.Context, an *Announcement) error {
	an.Version++
	res, err := t.db.NewUpdate().Model(an).Column("title", "content", "updated_at", "version").
		Where("an.id = ?", an.ID).Where("an.version = ?", an.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteAnnouncement removes an announcement.
func (t *Tx) DeleteAnnouncement(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Announcement)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
