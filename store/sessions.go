package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Session is one sign-in on one device. Generation counts the refresh tokens that it got.
// ImpersonatorID is the super admin who acts as UserID.
type Session struct {
	bun.BaseModel  `bun:"table:sessions,alias:s"`
	ID             string `bun:",pk"`
	UserID         string
	ImpersonatorID string `bun:",nullzero"`
	ParentID       string `bun:",nullzero"` // the super admin's own session
	Generation     int
	RotatedAt      time.Time
	CreatedAt      time.Time
	ExpiresAt      time.Time
	EndedAt        time.Time `bun:",nullzero"`
	EndReason      string    `bun:",nullzero"`
	UserAgent      string
	Address        string
	SecondFactor   bool // the sign-in had one

	User *User `bun:"rel:belongs-to,join:user_id=id"`
}

// Session returns a session with its user.
func (q Queries) Session(ctx context.Context, id string) (*Session, error) {
	s := new(Session)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(s).Relation("User").Where("s.id = ?", bound...), s)
}

// SessionForUpdate returns a session, locked until the transaction ends.
func (t *Tx) SessionForUpdate(ctx context.Context, id string) (*Session, error) {
	s := new(Session)
	return first(ctx, t.locked(t.db.NewSelect().Model(s).Where("s.id = ?", id)), s)
}

// LiveSessions returns the ids of those sessions that have neither ended nor expired and
// whose user is active.
func (q Queries) LiveSessions(ctx context.Context, ids []string, now time.Time) ([]string, error) {
	var live []string
	if len(ids) == 0 {
		return nil, nil
	}
	err := q.db.NewSelect().Model((*Session)(nil)).Column("s.id").
		Join("JOIN users AS u ON u.id = s.user_id").
		Where("s.id IN (?)", bun.List(ids)).Where("s.ended_at IS NULL").Where("s.expires_at > ?", now).
		Where("u.is_active").Limit(int64(len(ids))).Scan(ctx, &live)
	return live, translate(err)
}

// SessionsOf lists a person's open sessions, newest first.
func (q Queries) SessionsOf(ctx context.Context, userID string, now time.Time, p Page) ([]Session, error) {
	var rows []Session
	err := p.on(q.db.NewSelect().Model(&rows).Where("s.user_id = ?", userID).Where("s.ended_at IS NULL").Where("s.expires_at > ?", now).
		OrderExpr("s.id DESC")).Scan(ctx)
	return rows, translate(err)
}

// SetSecondFactor notes that the person of a session has shown a second factor in it.
func (t *Tx) SetSecondFactor(ctx context.Context, id string) error {
	t.changesAccount(id)
	_, err := t.db.NewUpdate().Model((*Session)(nil)).Set("second_factor = ?", true).Where("id = ?", id).Exec(ctx)
	return translate(err)
}

// CreateSession adds a session.
func (t *Tx) CreateSession(ctx context.Context, s *Session) error { return t.insert(ctx, s) }

// RotateSession writes a session's generation and its new times. The caller has increased
// the generation by one. ErrStale when another request did so first.
func (t *Tx) RotateSession(ctx context.Context, s *Session) error {
	res, err := t.db.NewUpdate().Model(s).Column("generation", "rotated_at", "expires_at").
		Where("s.id = ?", s.ID).Where("s.generation = ?", s.Generation-1).Where("s.ended_at IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndSession ends a session and those opened from it. Ending it twice is no error.
func (t *Tx) EndSession(ctx context.Context, id, reason string, now time.Time) error {
	t.changesAccount(id)
	_, err := t.db.NewUpdate().Model((*Session)(nil)).Set("ended_at = ?", now).Set("end_reason = ?", reason).
		Where("id = ? OR parent_id = ?", id, id).Where("ended_at IS NULL").Exec(ctx)
	return translate(err)
}

// EndOldSessions keeps the newest sessions of a person, most of them at the most, and
// ends the others.
func (t *Tx) EndOldSessions(ctx context.Context, userID string, most int, reason string, now time.Time) error {
	t.changesAccount(userID)
	spare := t.db.NewSelect().Model((*Session)(nil)).Column("s.id").Where("s.user_id = ?", userID).Where("s.impersonator_id IS NULL").
		Where("s.ended_at IS NULL").OrderExpr("s.id DESC").Limit(1).Offset(int64(most))
	_, err := t.db.NewUpdate().Model((*Session)(nil)).Set("ended_at = ?", now).Set("end_reason = ?", reason).
		Where("user_id = ?", userID).Where("impersonator_id IS NULL").Where("ended_at IS NULL").Where("id <= (?)", spare).Exec(ctx)
	return translate(err)
}

// EndSessionsOf ends all sessions of a user, and those in which the user acts as somebody
// else. It spares the session except and those opened from it. The user's devices are
// unknown from then on, until somebody signs in there again.
func (t *Tx) EndSessionsOf(ctx context.Context, userID, except, reason string, now time.Time) error {
	t.changesAccount(userID)
	// Lock the account's row first, as everywhere.
	if _, err := t.db.NewUpdate().Model((*User)(nil)).Set("device_epoch = device_epoch + 1").Where("id = ?", userID).Exec(ctx); err != nil {
		return translate(err)
	}
	_, err := t.db.NewUpdate().Model((*Session)(nil)).Set("ended_at = ?", now).Set("end_reason = ?", reason).
		Where("user_id = ? OR impersonator_id = ?", userID, userID).Where("id <> ?", except).
		Where("parent_id IS NULL OR parent_id <> ?", except).Where("ended_at IS NULL").Exec(ctx)
	return translate(err)
}

// LiveSessionsOf returns the ids of the sessions that EndSessionsOf would end.
func (t *Tx) LiveSessionsOf(ctx context.Context, userID, except string, now time.Time) ([]string, error) {
	var ids []string
	err := t.db.NewSelect().Model((*Session)(nil)).Column("s.id").
		Where("s.user_id = ? OR s.impersonator_id = ?", userID, userID).Where("s.id <> ?", except).
		Where("s.parent_id IS NULL OR s.parent_id <> ?", except).Where("s.ended_at IS NULL").Where("s.expires_at > ?", now).
		Limit(MaxLimit).Scan(ctx, &ids)
	return ids, translate(err)
}

// DeleteSessionsBefore removes sessions that expired before t, at most limit.
func (t *Tx) DeleteSessionsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*Session)(nil), "expires_at", before, limit)
}
