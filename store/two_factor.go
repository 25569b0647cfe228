package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// TwoFactor is the key of a person's authenticator app, encrypted. It counts from
// ConfirmedAt on, which is User.TwoFactorAt too.
type TwoFactor struct {
	bun.BaseModel   `bun:"table:two_factors,alias:tf"`
	UserID          string `bun:",pk"`
	EncryptedSecret string
	LastStep        int64 // the time step of the last code that was accepted
	CreatedAt       time.Time
	ConfirmedAt     time.Time `bun:",nullzero"`
}

// RecoveryCode takes the place of a code of the app, once. Only its hash is stored.
type RecoveryCode struct {
	bun.BaseModel `bun:"table:recovery_codes,alias:rc"`
	ID            string `bun:",pk"`
	UserID        string
	Hash          string
}

// TwoFactor returns the key of a person, confirmed or not.
func (q Queries) TwoFactor(ctx context.Context, userID string) (*TwoFactor, error) {
	row := new(TwoFactor)
	return first(ctx, q.db.NewSelect().Model(row).Where("tf.user_id = ?", userID), row)
}

// RecoveryCodesLeft counts the recovery codes that a person has not used.
func (q Queries) RecoveryCodesLeft(ctx context.Context, userID string) (int, error) {
	n, err := q.db.NewSelect().Model((*RecoveryCode)(nil)).Where("rc.user_id = ?", userID).Count(ctx)
	return int(n), translate(err)
}

// BeginTwoFactor stores a key that the person has still to confirm, in place of an earlier
// one. ErrStale when the earlier one is confirmed.
func (t *Tx) BeginTwoFactor(ctx context.Context, row *TwoFactor) error {
	res, err := t.db.NewInsert().Model(row).On("CONFLICT (user_id) DO UPDATE").
		Set("encrypted_secret = EXCLUDED.encrypted_secret").Set("last_step = EXCLUDED.last_step").
		Set("created_at = EXCLUDED.created_at").Where("tf.confirmed_at IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// ConfirmTwoFactor makes a key count. step is that of the code that confirms it.
func (t *Tx) ConfirmTwoFactor(ctx context.Context, userID string, step int64, now time.Time) error {
	t.changesAccount(userID)
	if _, err := t.db.NewUpdate().Model((*User)(nil)).Set("two_factor_at = ?", now).Where("id = ?", userID).Exec(ctx); err != nil {
		return translate(err)
	}
	res, err := t.db.NewUpdate().Model((*TwoFactor)(nil)).Set("confirmed_at = ?", now).Set("last_step = ?", step).
		Where("user_id = ?", userID).Where("confirmed_at IS NULL").Exec(ctx)
	return changed(res, err, ErrStale)
}

// UseTwoFactorStep notes that a code was accepted. ErrStale when one of this step or of a
// later one was accepted before.
func (t *Tx) UseTwoFactorStep(ctx context.Context, userID string, step int64) error {
	res, err := t.db.NewUpdate().Model((*TwoFactor)(nil)).Set("last_step = ?", step).
		Where("user_id = ?", userID).Where("last_step < ?", step).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteTwoFactor deletes a person's key and recovery codes. ErrNotFound when there is no
// key.
func (t *Tx) DeleteTwoFactor(ctx context.Context, userID string) error {
	t.changesAccount(userID)
	if _, err := t.db.NewUpdate().Model((*User)(nil)).Set("two_factor_at = NULL").Where("id = ?", userID).Exec(ctx); err != nil {
		return translate(err)
	}
	if _, err := t.db.NewDelete().Model((*RecoveryCode)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return translate(err)
	}
	res, err := t.db.NewDelete().Model((*TwoFactor)(nil)).Where("user_id = ?", userID).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// SetRecoveryCodes replaces a person's recovery codes by those with these hashes.
func (t *Tx) SetRecoveryCodes(ctx context.Context, userID string, hashes []string) error {
	if _, err := t.db.NewDelete().Model((*RecoveryCode)(nil)).Where("user_id = ?", userID).Exec(ctx); err != nil {
		return translate(err)
	}
	rows := make([]RecoveryCode, len(hashes))
	for i, h := range hashes {
		rows[i] = RecoveryCode{ID: NewID(), UserID: userID, Hash: h}
	}
	return t.insert(ctx, &rows)
}

// UseRecoveryCode uses up a code. ErrNotFound when the person has no such code any more,
// so of two who try at once one succeeds.
func (t *Tx) UseRecoveryCode(ctx context.Context, userID, hash string) error {
	res, err := t.db.NewDelete().Model((*RecoveryCode)(nil)).Where("user_id = ?", userID).Where("hash = ?", hash).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
