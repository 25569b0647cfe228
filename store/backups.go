package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The states of a backup.
const (
	BackupQueued  = "queued"  // a job is on its way
	BackupRunning = "running" // a worker writes it
	BackupDone    = "done"    // it is there, and was read back whole
	BackupFailed  = "failed"  // Reason says why
)

// Backup is a backup that `coagent serve` makes, or has made. Attempt fences its job: a worker
// that lost it can not end it.
type Backup struct {
	bun.BaseModel `bun:"table:backups,alias:bk"`
	ID            string `bun:",pk"`
	State         string
	Name          string // of the file
	Place         string // the folder or the bucket in which it lies
	AskedBy       string `bun:",nullzero"` // an account's id; "" when it was time
	WithKeys      bool
	Done, Total   int64 // rows; Total is about how many there will be
	Bytes         int64
	SHA256        string `bun:"sha256,nullzero"`
	Reason        string `bun:",nullzero"`
	Slot          int
	Attempt       int       // a job for an earlier one does nothing
	Tries         int       // attempts whose process was lost
	LeaseUntil    time.Time `bun:",nullzero"`
	CreatedAt     time.Time
	EndedAt       time.Time `bun:",nullzero"`
}

// Over tells whether nobody works on it any more.
func (b *Backup) Over() bool { return b.State == BackupDone || b.State == BackupFailed }

// Backups lists backups, the newest first, limit at most.
func (q Queries) Backups(ctx context.Context, limit int) ([]Backup, error) {
	var rows []Backup
	err := q.db.NewSelect().Model(&rows).OrderExpr("bk.created_at DESC, bk.id DESC").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// Backup returns the backup with this id.
func (q Queries) Backup(ctx context.Context, id string) (*Backup, error) {
	b := new(Backup)
	return first(ctx, q.db.NewSelect().Model(b).Where("bk.id = ?", id), b)
}

// NewestBackup returns the newest one in a state; ErrNotFound when there is none. That of
// BackupDone says how old the newest good backup is.
func (q Queries) NewestBackup(ctx context.Context, state string) (*Backup, error) {
	b := new(Backup)
	return first(ctx, q.db.NewSelect().Model(b).Where("bk.state = ?", state).OrderExpr("bk.created_at DESC, bk.id DESC"), b)
}

// LiveBackup returns the one that is not over; ErrNotFound when there is none.
func (q Queries) LiveBackup(ctx context.Context) (*Backup, error) {
	b := new(Backup)
	return first(ctx, q.db.NewSelect().Model(b).Where("bk.state IN (?, ?)", BackupQueued, BackupRunning), b)
}

// BackupsOver lists those in a state but the newest keep, the oldest first, limit at most.
func (q Queries) BackupsOver(ctx context.Context, state string, keep, limit int) ([]Backup, error) {
	var rows []Backup
	newest := q.db.NewSelect().Model((*Backup)(nil)).Column("bk.id").Where("bk.state = ?", state).
		OrderExpr("bk.created_at DESC, bk.id DESC").Limit(int64(keep))
	err := q.db.NewSelect().Model(&rows).Where("bk.state = ?", state).Where("bk.id NOT IN (?)", newest).
		OrderExpr("bk.created_at, bk.id").Limit(int64(limit)).Scan(ctx)
	return rows, translate(err)
}

// CreateBackup queues a backup; ErrExists while there is one that is not over.
func (t *Tx) CreateBackup(ctx context.Context, b *Backup) error {
	b.Slot, b.Attempt = 1, 1
	return t.insert(ctx, b)
}

// liveBackup begins an update of a backup that applies only to this attempt and these states.
func (t *Tx) liveBackup(row *Backup, id string, attempt int, states ...string) *bun.UpdateQuery {
	return t.db.NewUpdate().Model(row).Where("id = ?", id).Where("attempt = ?", attempt).Where("state IN (?)", bun.List(states))
}

// ClaimBackup starts this attempt of a queued backup, to a place; ErrStale when there is
// nothing to do.
func (t *Tx) ClaimBackup(ctx context.Context, id string, attempt int, place string, lease time.Time) (*Backup, error) {
	b := new(Backup)
	res, err := t.liveBackup(b, id, attempt, BackupQueued).Set("state = ?", BackupRunning).Set("place = ?", place).Set("lease_until = ?", lease).
		Returning("*").Exec(ctx)
	return b, changed(res, err, ErrStale)
}

// RenewBackup says that a running attempt is at work, and how far it is; ErrStale when it is
// over.
func (t *Tx) RenewBackup(ctx context.Context, b *Backup, done, total int64, lease time.Time) error {
	res, err := t.liveBackup(nil, b.ID, b.Attempt, BackupRunning).Set("done = ?", done).Set("total = ?", total).Set("lease_until = ?", lease).Exec(ctx)
	return changed(res, err, ErrStale)
}

// RetryBackup queues a backup again, as the next attempt or as the same one, after so many
// tries that were lost. ErrStale when this attempt is over.
func (t *Tx) RetryBackup(ctx context.Context, b *Backup, next, tries int, lease time.Time) error {
	res, err := t.liveBackup(nil, b.ID, b.Attempt, BackupQueued, BackupRunning).Set("state = ?", BackupQueued).Set("attempt = ?", next).
		Set("tries = ?", tries).Set("done = 0").Set("lease_until = ?", lease).Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndBackup ends a running attempt with the state and what was made; ErrStale when that
// attempt is over.
func (t *Tx) EndBackup(ctx context.Context, end *Backup) error {
	end.LeaseUntil = time.Time{}
	res, err := t.liveBackup(end, end.ID, end.Attempt, BackupRunning).
		Column("state", "done", "total", "bytes", "sha256", "reason", "ended_at", "lease_until").Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteBackup removes one that is over from the list; ErrNotFound when there is none.
func (t *Tx) DeleteBackup(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Backup)(nil)).Where("id = ?", id).Where("state IN (?, ?)", BackupDone, BackupFailed).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
