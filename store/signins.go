package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// SigninFailure is one failed sign-in, under a key that stands for an account
// or for an address.
type SigninFailure struct {
	bun.BaseModel `bun:"table:signin_failures,alias:sf"`
	ID            string `bun:",pk"`
	Key           string
	FailedAt      time.Time
}

// FailureCount says how often a key has failed, and when first.
type FailureCount struct {
	Count int
	First time.Time
}

// SigninFailures counts the failures of each key since a time.
func (q Queries) SigninFailures(ctx context.Context, keys []string, since time.Time) (map[string]FailureCount, error) {
	var rows []SigninFailure
	const most = 2000 // above every sensible bound; more would not change the answer
	err := q.db.NewSelect().Model(&rows).Where("sf.key IN (?)", bun.List(keys)).Where("sf.failed_at > ?", since).
		OrderExpr("sf.failed_at").Limit(most).Scan(ctx)
	counts := map[string]FailureCount{}
	for _, r := range rows {
		c := counts[r.Key]
		if c.Count == 0 {
			c.First = r.FailedAt
		}
		c.Count++
		counts[r.Key] = c
	}
	return counts, translate(err)
}

// AddSigninFailures notes one failure under each key.
func (t *Tx) AddSigninFailures(ctx context.Context, keys []string, at time.Time) error {
	rows := make([]SigninFailure, len(keys))
	for i, k := range keys {
		rows[i] = SigninFailure{ID: NewID(), Key: k, FailedAt: at}
	}
	return t.insert(ctx, &rows)
}

// ForgiveSignin drops the failures under a key, after a success.
func (t *Tx) ForgiveSignin(ctx context.Context, key string) error {
	_, err := t.db.NewDelete().Model((*SigninFailure)(nil)).Where("key = ?", key).Exec(ctx)
	return translate(err)
}

// DeleteSigninFailuresBefore drops old failures, at most limit.
func (t *Tx) DeleteSigninFailuresBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*SigninFailure)(nil), "failed_at", before, limit)
}
