package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// lease says which process leads now: it does a task for all processes.
type lease struct {
	bun.BaseModel `bun:"table:leases,alias:le"`
	Name          string `bun:",pk"`
	Node          string
	Until         time.Time
}

// Lead takes or extends this process's lease of a name, and tells whether this process
// has it. Another process gets the lease when nobody extended it for length. The
// database's clock decides, because all processes share it.
func (t *Tx) Lead(ctx context.Context, name string, length time.Duration) (bool, error) {
	now, until := bun.SafeQuery("now()"), bun.SafeQuery("now() + make_interval(secs => ?)", length.Seconds())
	if !t.owner.Postgres() {
		at := time.Now().UTC()
		now, until = bun.SafeQuery("?", at), bun.SafeQuery("?", at.Add(length))
	}
	n, err := affected(t.db.NewRaw(`INSERT INTO leases AS le (name, node, until) VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET node = excluded.node, until = excluded.until
		WHERE le.node = excluded.node OR le.until < ?`, name, t.owner.node, until, now).Exec(ctx))
	return n > 0, err
}

// Resign gives back this process's lease of a name, if this process has it.
func (t *Tx) Resign(ctx context.Context, name string) error {
	_, err := t.db.NewDelete().Model((*lease)(nil)).Where("name = ?", name).Where("node = ?", t.owner.node).Exec(ctx)
	return translate(err)
}

// GiveBackLease is Resign outside of a transaction, for a process that ends or has done
// its work. It needs no answer: if it fails, the lease runs out. It works also when ctx
// has ended. On SQLite there are no leases.
func (d *DB) GiveBackLease(ctx context.Context, name string) {
	if !d.Postgres() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = d.Single().Resign(ctx, name)
}

// DeleteLeasesBefore deletes leases that ran out before a time, at most limit.
func (t *Tx) DeleteLeasesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model((*lease)(nil)).Column("le.name").Where("le.until < ?", before).Limit(int64(limit))
	return affected(t.db.NewDelete().Model((*lease)(nil)).Where("name IN (?)", old).Exec(ctx))
}
