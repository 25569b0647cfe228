package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// JoinCode lets everybody who knows it join a course as a student.
type JoinCode struct {
	bun.BaseModel `bun:"table:course_join_codes,alias:jc"`
	CourseID      string `bun:",pk"`
	Code          string
	CreatedAt     time.Time
	ClosedAt      time.Time `bun:",nullzero"` // from then on nobody joins with it, until it is opened again
	MakesAccounts bool      // it also lets people in who have no account
}

// Invitation is a link into a course. At most MaxUses people may use it, before
// ExpiresAt. Only a hash of its token is stored.
type Invitation struct {
	bun.BaseModel `bun:"table:course_invitations,alias:ci"`
	ID            string `bun:",pk"`
	CourseID      string
	CreatedBy     string
	Role          string
	TokenHash     string
	MaxUses       int
	Uses          int
	CreatedAt     time.Time
	ExpiresAt     time.Time
}

// JoinCode returns a course's join code; ErrNotFound when it has none.
func (q Queries) JoinCode(ctx context.Context, courseID string) (*JoinCode, error) {
	jc := new(JoinCode)
	return first(ctx, q.db.NewSelect().Model(jc).Where("jc.course_id = ?", courseID), jc)
}

// OpenJoinCode finds a code that is open; ErrNotFound for one that is closed or unknown.
func (q Queries) OpenJoinCode(ctx context.Context, code string) (*JoinCode, error) {
	jc := new(JoinCode)
	return first(ctx, q.db.NewSelect().Model(jc).Where("jc.code = ?", code).Where("jc.closed_at IS NULL"), jc)
}

// SetJoinCode sets a course's join code and replaces the old one. ErrExists when another
// course has this code, ErrReferenced for an unknown course. The new one is open. Whether
// it makes accounts stays as it was.
func (t *Tx) SetJoinCode(ctx context.Context, jc *JoinCode) error {
	_, err := t.db.NewInsert().Model(jc).On("CONFLICT (course_id) DO UPDATE").
		Set("code = EXCLUDED.code").Set("created_at = EXCLUDED.created_at").Set("closed_at = NULL").Returning("makes_accounts").Exec(ctx)
	return translate(err)
}

// UpdateJoinCode writes whether a code is closed and makes accounts.
func (t *Tx) UpdateJoinCode(ctx context.Context, jc *JoinCode) error {
	res, err := t.db.NewUpdate().Model(jc).Column("closed_at", "makes_accounts").WherePK().Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// Arrivals says which people to list who came into a course by themselves.
type Arrivals struct {
	CourseID string
	Made     bool   // only those whose account was made on the way
	With     string // only those who came with this code or invitation
}

// Arrivals lists people who came into a course by themselves, the latest first.
func (q Queries) Arrivals(ctx context.Context, a Arrivals, p Page) ([]CourseMember, error) {
	var rows []CourseMember
	sel := q.db.NewSelect().Model(&rows).Relation("User").Where("cm.course_id = ?", a.CourseID).Where("cm.came_by IS NOT NULL")
	if a.Made {
		sel = sel.Where("cm.account_made")
	}
	if a.With != "" {
		sel = sel.Where("cm.came_with = ?", a.With)
	}
	err := p.on(sel.OrderExpr("cm.created_at DESC, cm.user_id DESC")).Scan(ctx)
	return rows, translate(err)
}

// CourseMember returns somebody's link to a course; ErrNotFound without one.
func (q Queries) CourseMember(ctx context.Context, courseID, userID string) (*CourseMember, error) {
	m := new(CourseMember)
	return first(ctx, q.db.NewSelect().Model(m).Where("cm.course_id = ?", courseID).Where("cm.user_id = ?", userID), m)
}

// TakenUsernames returns which of some user names are taken, by their keys.
func (q Queries) TakenUsernames(ctx context.Context, names []string) (map[string]bool, error) {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = LoginKey(name)
	}
	var found []string
	err := q.db.NewSelect().Model((*User)(nil)).Column("u.username_key").Where("u.username_key IN (?)", bun.List(keys)).Scan(ctx, &found)
	taken := make(map[string]bool, len(found))
	for _, key := range found {
		taken[key] = true
	}
	return taken, translate(err)
}

// DeleteJoinCode removes a course's join code; ErrNotFound when it has none.
func (t *Tx) DeleteJoinCode(ctx context.Context, courseID string) error {
	res, err := t.db.NewDelete().Model((*JoinCode)(nil)).Where("course_id = ?", courseID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// Invitations lists those of a course, newest first.
func (q Queries) Invitations(ctx context.Context, courseID string, p Page) ([]Invitation, error) {
	var rows []Invitation
	err := p.on(q.db.NewSelect().Model(&rows).Where("ci.course_id = ?", courseID).
		OrderExpr("ci.created_at DESC, ci.id DESC")).Scan(ctx)
	return rows, translate(err)
}

// Invitation returns the invitation with this id.
func (q Queries) Invitation(ctx context.Context, id string) (*Invitation, error) {
	ci := new(Invitation)
	return first(ctx, q.db.NewSelect().Model(ci).Where("ci.id = ?", id), ci)
}

// InvitationByHash finds the invitation of a token.
func (q Queries) InvitationByHash(ctx context.Context, hash string) (*Invitation, error) {
	ci := new(Invitation)
	return first(ctx, q.db.NewSelect().Model(ci).Where("ci.token_hash = ?", hash), ci)
}

// CountInvitations counts the invitations that have not expired: those to a course, and
// those that a person has made to any course.
func (t *Tx) CountInvitations(ctx context.Context, courseID, userID string, now time.Time) (ofCourse, ofGiver int, err error) {
	live := func(column, id string) *bun.SelectQuery {
		return t.db.NewSelect().Model((*Invitation)(nil)).ColumnExpr("count(*)").Where("? = ?", bun.Ident(column), id).Where("ci.expires_at > ?", now)
	}
	err = t.db.NewSelect().ColumnExpr("(?), (?)", live("ci.course_id", courseID), live("ci.created_by", userID)).Scan(ctx, &ofCourse, &ofGiver)
	return ofCourse, ofGiver, translate(err)
}

// CreateInvitation adds an invitation; ErrReferenced for an unknown course.
func (t *Tx) CreateInvitation(ctx context.Context, ci *Invitation) error { return t.insert(ctx, ci) }

// UseInvitation counts one more person who used the link. ErrNotFound when it is gone,
// used up or expired.
func (t *Tx) UseInvitation(ctx context.Context, id string, now time.Time) error {
	res, err := t.db.NewUpdate().Model((*Invitation)(nil)).Set("uses = uses + 1").Where("id = ?", id).
		Where("uses < max_uses").Where("expires_at > ?", now).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// DeleteInvitation deletes an invitation.
func (t *Tx) DeleteInvitation(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Invitation)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// DeleteInvitationsBefore deletes the invitations to a course that expired before a time.
func (t *Tx) DeleteInvitationsBefore(ctx context.Context, courseID string, expired time.Time) error {
	_, err := t.db.NewDelete().Model((*Invitation)(nil)).Where("course_id = ?", courseID).
		Where("expires_at < ?", expired).Exec(ctx)
	return translate(err)
}
