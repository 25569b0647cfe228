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
	bun.BaseModel `bun:"table:session_sign_ons,alias:sso"`
	SessionID     string `bun:",pk"`
	SignOnOrigin
}

// SignOnOrigin is at which provider somebody has signed in.
type SignOnOrigin struct {
	Provider         string
	Subject          string `bun:",nullzero"`
	SID              string `bun:"sid,nullzero"` // the provider's name for its session, if it says one
	EncryptedIDToken string `bun:"encrypted_id_token"`
}

// PendingSignOn is a sign-in at a provider whose person has still to show a code.
type PendingSignOn struct {
	bun.BaseModel `bun:"table:pending_sign_ons,alias:pso"`
	ID            string `bun:",pk"`
	UserID        string
	SignOnOrigin
	ExpiresAt time.Time
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

// CreatePendingSignOn keeps at which provider somebody has signed in who has still to show
// a code.
func (t *Tx) CreatePendingSignOn(ctx context.Context, row *PendingSignOn) error {
	return t.insert(ctx, row)
}

// TakePendingSignOn deletes a person's pending sign-in and returns it. ErrNotFound when it
// was taken, or ended at the provider.
func (t *Tx) TakePendingSignOn(ctx context.Context, id, userID string) (*PendingSignOn, error) {
	row := new(PendingSignOn)
	row, err := first(ctx, t.locked(t.db.NewSelect().Model(row).Where("pso.id = ?", id).Where("pso.user_id = ?", userID)), row)
	if err != nil {
		return nil, err
	}
	res, err := t.db.NewDelete().Model((*PendingSignOn)(nil)).Where("id = ?", id).Exec(ctx)
	return row, changed(res, err, ErrNotFound)
}

// DeletePendingSignOnsBefore deletes those that expired before a time, at most limit.
func (t *Tx) DeletePendingSignOnsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*PendingSignOn)(nil), "expires_at", before, limit)
}

// SignedOut is whom a provider has signed out: a person there, a session there, or both.
type SignedOut struct{ Provider, Subject, SID string }

// where are the conditions of the rows that it is about. A session whose provider has said
// no name for its own belongs to each of the person's.
func (o SignedOut) where(q bun.QueryBuilder) bun.QueryBuilder {
	q = q.Where("provider = ?", o.Provider)
	switch {
	case o.Subject == "":
		return q.Where("sid = ?", o.SID)
	case o.SID == "":
		return q.Where("subject = ?", o.Subject)
	}
	return q.Where("subject = ?", o.Subject).Where("sid = ? OR sid IS NULL", o.SID)
}

// SessionsSignedOut returns the ids of the open sessions that began at a provider with
// somebody whom it has signed out, at most limit.
func (t *Tx) SessionsSignedOut(ctx context.Context, o SignedOut, now time.Time, limit int) ([]string, error) {
	var ids []string
	began := t.db.NewSelect().Model((*SessionSignOn)(nil)).Column("session_id").ApplyQueryBuilder(o.where)
	err := t.db.NewSelect().Model((*Session)(nil)).Column("s.id").Where("s.id IN (?)", began).Where("s.ended_at IS NULL").
		Where("s.expires_at > ?", now).OrderExpr("s.id").Limit(int64(limit)).Scan(ctx, &ids)
	return ids, translate(err)
}

// DeletePendingSignedOut deletes the pending sign-ins of somebody whom a provider has signed
// out.
func (t *Tx) DeletePendingSignedOut(ctx context.Context, o SignedOut) error {
	_, err := t.db.NewDelete().Model((*PendingSignOn)(nil)).ApplyQueryBuilder(o.where).Exec(ctx)
	return translate(err)
}
