package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// SigninFailure is one failed sign-in. Its key stands for an account or an address.
type SigninFailure struct {
	bun.BaseModel `bun:"table:signin_failures,alias:sf"`
	ID            string `bun:",pk"`
	Key           string
	FailedAt      time.Time
}

// FailureCount says how often a key has failed lately, and when first and last.
type FailureCount struct {
	Count       int
	First, Last time.Time
}

// SigninFailures counts the failures of each key since a time. It counts up to most for
// each key: a flood on one key must not hide the failures of another.
func (q Queries) SigninFailures(ctx context.Context, keys []string, since time.Time, most int) (map[string]FailureCount, error) {
	counts := map[string]FailureCount{}
	for _, key := range keys {
		var rows []SigninFailure
		if err := q.db.NewSelect().Model(&rows).Where("sf.key = ?", key).Where("sf.failed_at > ?", since).
			OrderExpr("sf.failed_at DESC").Limit(int64(most)).Scan(ctx); err != nil {
			return nil, translate(err)
		}
		if n := len(rows); n > 0 {
			counts[key] = FailureCount{Count: n, First: rows[n-1].FailedAt, Last: rows[0].FailedAt}
		}
	}
	return counts, nil
}

// AddSigninFailures adds one failure for each key.
func (t *Tx) AddSigninFailures(ctx context.Context, keys []string, at time.Time) error {
	rows := make([]SigninFailure, len(keys))
	for i, k := range keys {
		rows[i] = SigninFailure{ID: NewID(), Key: k, FailedAt: at}
	}
	return t.insert(ctx, &rows)
}

// ForgiveSignin deletes the failures of each key, after a success.
func (t *Tx) ForgiveSignin(ctx context.Context, keys ...string) error {
	_, err := t.db.NewDelete().Model((*SigninFailure)(nil)).Where("key IN (?)", bun.List(keys)).Exec(ctx)
	return translate(err)
}

// DeleteSigninFailuresBefore drops old failures, at most limit.
func (t *Tx) DeleteSigninFailuresBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*SigninFailure)(nil), "failed_at", before, limit)
}
