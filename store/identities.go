package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Identity is a person at a provider of identities: whoever signs in there as the subject
// signs in here as the user.
type Identity struct {
	bun.BaseModel `bun:"table:identities,alias:idn"`
	ID            string `bun:",pk"`
	UserID        string
	Provider      string // its id in the configuration
	Issuer        string
	Subject       string
	Email         string `bun:",nullzero"` // as the provider said last
	GivenRole     string `bun:",nullzero"` // the role that the provider gave last
	CreatedAt     time.Time
	LastUsedAt    time.Time
}

// SessionSignOn is a session that began at a provider, with what the sign-out there wants.
type SessionSignOn struct {
	bun.BaseModel    `bun:"table:session_sign_ons,alias:sso"`
	SessionID        string `bun:",pk"`
	Provider         string
	EncryptedIDToken string `bun:"encrypted_id_token"`
}

// SpentSignOn is a way to a provider and back that was used.
type SpentSignOn struct {
	bun.BaseModel `bun:"table:spent_sign_ons,alias:spent"`
	ID            string `bun:",pk"`
	ExpiresAt     time.Time
}

// Identity finds a person at a provider.
func (q Queries) Identity(ctx context.Context, issuer, subject string) (*Identity, error) {
	row := new(Identity)
	return first(ctx, q.db.NewSelect().Model(row).Where("idn.issuer = ?", issuer).Where("idn.subject = ?", subject), row)
}

// IdentitiesOf lists the identities of a person, the oldest first.
func (q Queries) IdentitiesOf(ctx context.Context, userID string) ([]Identity, error) {
	var rows []Identity
	err := q.db.NewSelect().Model(&rows).Where("idn.user_id = ?", userID).OrderExpr("idn.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// CreateIdentity adds an identity; ErrExists when somebody has it.
func (t *Tx) CreateIdentity(ctx context.Context, row *Identity) error { return t.insert(ctx, row) }

// UseIdentity writes what a provider said at a sign-in.
func (t *Tx) UseIdentity(ctx context.Context, row *Identity) error {
	_, err := t.db.NewUpdate().Model(row).Column("email", "given_role", "last_used_at").WherePK().Exec(ctx)
	return translate(err)
}

// DeleteIdentity deletes an identity of a person.
func (t *Tx) DeleteIdentity(ctx context.Context, userID, id string) error {
	res, err := t.db.NewDelete().Model((*Identity)(nil)).Where("id = ?", id).Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// SpendSignOn marks a way to a provider and back as used. fresh is false when it was.
func (t *Tx) SpendSignOn(ctx context.Context, id string, expires time.Time) (fresh bool, err error) {
	return t.insertOnce(ctx, &SpentSignOn{ID: id, ExpiresAt: expires})
}

// DeleteSpentSignOnsBefore deletes those that expired before a time, at most limit.
func (t *Tx) DeleteSpentSignOnsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*SpentSignOn)(nil), "expires_at", before, limit)
}

// CreateSessionSignOn notes at which provider a session began.
func (t *Tx) CreateSessionSignOn(ctx context.Context, row *SessionSignOn) error {
	return t.insert(ctx, row)
}

// SessionSignOn returns at which provider a session began.
func (q Queries) SessionSignOn(ctx context.Context, sessionID string) (*SessionSignOn, error) {
	row := new(SessionSignOn)
	return first(ctx, q.db.NewSelect().Model(row).Where("sso.session_id = ?", sessionID), row)
}
