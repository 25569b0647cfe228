package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// RateBucket is how much of something is left for a key at FilledAt. Granted is what the
// last draw got.
type RateBucket struct {
	bun.BaseModel `bun:"table:rate_buckets,alias:rb"`
	Key           string `bun:",pk"`
	Level         float64
	Granted       int
	FilledAt      time.Time
}

// Draw takes up to n from the bucket of a key. The bucket holds at most burst and fills
// by perSecond. It returns what it got and what is left. It is one statement outside any
// transaction, since it runs before requests. Postgres only.
func (d *DB) Draw(ctx context.Context, key string, n, burst int, perSecond float64, now time.Time) (granted int, left float64, err error) {
	level := bun.SafeQuery("LEAST(?, b.level + ? * GREATEST(EXTRACT(EPOCH FROM EXCLUDED.filled_at - b.filled_at), 0))", burst, perSecond)
	err = d.write.NewRaw(`INSERT INTO rate_buckets AS b (key, level, granted, filled_at) VALUES (?, ?, ?, ?)
		ON CONFLICT (key) DO UPDATE SET granted = LEAST(EXCLUDED.granted, FLOOR(?)),
			level = ? - LEAST(EXCLUDED.granted, FLOOR(?)), filled_at = GREATEST(b.filled_at, EXCLUDED.filled_at)
		RETURNING granted, level`, key, burst-n, n, now, level, level, level).Scan(ctx, &granted, &left)
	return granted, left, translate(err)
}

// DeleteRateBucketsBefore deletes buckets from which nobody has drawn since a time, at
// most limit. It reads the whole table: an index on a column that changes with every draw
// would cost more.
func (t *Tx) DeleteRateBucketsBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model((*RateBucket)(nil)).Column("rb.key").Where("rb.filled_at < ?", before).Limit(int64(limit))
	res, err := t.db.NewDelete().Model((*RateBucket)(nil)).Where("key IN (?)", old).Exec(ctx)
	if err != nil {
		return 0, translate(err)
	}
	return res.RowsAffected()
}
