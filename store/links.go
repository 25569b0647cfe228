package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// LinkPassword is the purpose of a link that sets a password.
const LinkPassword = "password"

// OneTimeLink lets everybody who has its token do one thing once, as a user.
type OneTimeLink struct {
	bun.BaseModel `bun:"table:one_time_links,alias:otl"`
	ID            string `bun:",pk"`
	Purpose       string
	UserID        string
	CreatedBy     string `bun:",nullzero"`
	TokenHash     string
	CreatedAt     time.Time
	ExpiresAt     time.Time
	UsedAt        time.Time `bun:",nullzero"`

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// OneTimeLink returns a link that can still be used, with its user.
func (q Queries) OneTimeLink(ctx context.Context, purpose, tokenHash string, now time.Time) (*OneTimeLink, error) {
	l := new(OneTimeLink)
	return first(ctx, q.db.NewSelect().Model(l).Relation("User").Where("otl.token_hash = ?", tokenHash).
		Where("otl.purpose = ?", purpose).Where("otl.used_at IS NULL").Where("otl.expires_at > ?", now), l)
}

// CreateOneTimeLink adds a link.
func (t *Tx) CreateOneTimeLink(ctx context.Context, l *OneTimeLink) error {
	t.linked = append(t.linked, l.ID)
	return t.insert(ctx, l)
}

// LinksOf returns the links of users that can still be used, with their users. It leaves
// out links made in this transaction.
func (t *Tx) LinksOf(ctx context.Context, purpose string, userIDs []string, now time.Time) ([]OneTimeLink, error) {
	var rows []OneTimeLink
	sel := t.db.NewSelect().Model(&rows).Relation("User").Where("otl.user_id IN (?)", bun.List(userIDs)).
		Where("otl.purpose = ?", purpose).Where("otl.used_at IS NULL").Where("otl.expires_at > ?", now)
	if len(t.linked) > 0 {
		sel = sel.Where("otl.id NOT IN (?)", bun.List(t.linked))
	}
	err := sel.Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// DeleteOneTimeLink deletes one link.
func (t *Tx) DeleteOneTimeLink(ctx context.Context, id string) error {
	_, err := t.db.NewDelete().Model((*OneTimeLink)(nil)).Where("id = ?", id).Exec(ctx)
	return translate(err)
}

// UseOneTimeLink marks a link as used. ErrNotFound when it was used, has expired or was
// deleted, so of two who try at once one succeeds.
func (t *Tx) UseOneTimeLink(ctx context.Context, id string, now time.Time) error {
	res, err := t.db.NewUpdate().Model((*OneTimeLink)(nil)).Set("used_at = ?", now).
		Where("id = ?", id).Where("used_at IS NULL").Where("expires_at > ?", now).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// DeleteLinksOf deletes a user's links of one purpose.
func (t *Tx) DeleteLinksOf(ctx context.Context, purpose, userID string) error {
	_, err := t.db.NewDelete().Model((*OneTimeLink)(nil)).Where("user_id = ?", userID).Where("purpose = ?", purpose).Exec(ctx)
	return translate(err)
}

// DeleteLinksBefore deletes links that expired before a time, at most limit.
func (t *Tx) DeleteLinksBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*OneTimeLink)(nil), "expires_at", before, limit)
}
