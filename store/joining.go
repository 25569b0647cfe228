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

// CourseByJoinCode finds the course that a code belongs to.
func (q Queries) CourseByJoinCode(ctx context.Context, code string) (*Course, error) {
	c := new(Course)
	return first(ctx, q.db.NewSelect().Model(c).Join("JOIN course_join_codes AS jc ON jc.course_id = c.id").
		Where("jc.code = ?", code), c)
}

// SetJoinCode sets a course's join code and replaces the old one. ErrExists when another
// course has this code, ErrReferenced for an unknown course.
func (t *Tx) SetJoinCode(ctx context.Context, jc *JoinCode) error {
	_, err := t.db.NewInsert().Model(jc).On("CONFLICT (course_id) DO UPDATE").
		Set("code = EXCLUDED.code").Set("created_at = EXCLUDED.created_at").Exec(ctx)
	return translate(err)
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
