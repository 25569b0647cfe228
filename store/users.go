package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// User is a person's account. PasswordHash never leaves the store's callers.
type User struct {
	bun.BaseModel `bun:"table:users,alias:u"`
	ID            string `bun:",pk"`
	Email         string
	Username      *string
	FullName      *string
	Role          string
	AvatarURL     *string `bun:"avatar_url"`
	PasswordHash  string  `bun:",nullzero"`
	IsActive      bool
	CreatedAt     time.Time
	Version       int
}

// Name is what others see: the full name, else the user name, else the e-mail.
func (u *User) Name() string {
	for _, n := range []*string{u.FullName, u.Username} {
		if n != nil && *n != "" {
			return *n
		}
	}
	return u.Email
}

// User returns the account with this id.
func (q Queries) User(ctx context.Context, id string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).Where("u.id = ?", id), u)
}

// UserByEmail finds an account by its e-mail, in any case.
func (q Queries) UserByEmail(ctx context.Context, email string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).Where("lower(u.email) = lower(?)", email), u)
}

// UserByLogin finds an account by e-mail or user name, in any case; an e-mail
// goes before a user name, so that nobody can take over another's e-mail as a
// user name.
func (q Queries) UserByLogin(ctx context.Context, login string) (*User, error) {
	u := new(User)
	return first(ctx, q.db.NewSelect().Model(u).
		Where("lower(u.email) = lower(?) OR lower(u.username) = lower(?)", login, login).
		OrderExpr("CASE WHEN lower(u.email) = lower(?) THEN 0 ELSE 1 END", login), u)
}

// HasSuperAdmin tells whether any super admin exists.
func (q Queries) HasSuperAdmin(ctx context.Context) (bool, error) {
	ok, err := q.db.NewSelect().Model((*User)(nil)).Where("u.role = 'super_admin'").Exists(ctx)
	return ok, translate(err)
}

// CreateUser adds an account; ErrExists when the e-mail or user name is taken.
func (t *Tx) CreateUser(ctx context.Context, u *User) error { return t.insert(ctx, u) }

// SetPasswordHash replaces the stored hash of an account.
func (t *Tx) SetPasswordHash(ctx context.Context, id, hash string) error {
	res, err := t.db.NewUpdate().Model((*User)(nil)).Set("password_hash = ?", hash).
		Set("version = version + 1").Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
