package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Avatar is a person's picture, in the form in which it is sent.
type Avatar struct {
	bun.BaseModel `bun:"table:avatars,alias:av"`
	ID            string `bun:",pk"`
	UserID        string
	Extension     string // jpg or png
	Image         []byte
	CreatedAt     time.Time
}

// Avatar returns the picture with this id.
func (q Queries) Avatar(ctx context.Context, id string) (*Avatar, error) {
	v := new(Avatar)
	return first(ctx, q.db.NewSelect().Model(v).Where("av.id = ?", id), v)
}

// CreateAvatar adds a picture; a user has one at most.
func (t *Tx) CreateAvatar(ctx context.Context, v *Avatar) error { return t.insert(ctx, v) }

// DeleteAvatarOf removes a user's picture, if there is one.
func (t *Tx) DeleteAvatarOf(ctx context.Context, userID string) error {
	_, err := t.db.NewDelete().Model((*Avatar)(nil)).Where("user_id = ?", userID).Exec(ctx)
	return translate(err)
}
