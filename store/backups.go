package store

import (
	"context"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// The states of a backup.
const (
	BackupQueued  = "queued"  // somebody has asked for it
	BackupRunning = "running" // a process writes it
	BackupDone    = "done"    // it is there, and was read back whole
	BackupFailed  = "failed"  // Reason says why
)

// Backup is a backup that `coagent serve` makes, or has made.
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
	b.Slot = 1
	return t.insert(ctx, b)
}

// ClaimBackup starts a queued backup; ErrStale when another process has it.
func (t *Tx) ClaimBackup(ctx context.Context, id string, lease time.Time) error {
	res, err := t.db.NewUpdate().Model((*Backup)(nil)).Set("state = ?", BackupRunning).Set("lease_until = ?", lease).
		Where("id = ?", id).Where("state = ?", BackupQueued).Exec(ctx)
	return changed(res, err, ErrStale)
}

// RenewBackup says that a running backup is being written, and how far it is; ErrStale when
// it was given up.
func (t *Tx) RenewBackup(ctx context.Context, b *Backup, lease time.Time) error {
	res, err := t.db.NewUpdate().Model((*Backup)(nil)).Set("done = ?", b.Done).Set("total = ?", b.Total).Set("lease_until = ?", lease).
		Where("id = ?", b.ID).Where("state = ?", BackupRunning).Exec(ctx)
	return changed(res, err, ErrStale)
}

// EndBackup stores how a running backup ended; ErrStale when it was given up.
func (t *Tx) EndBackup(ctx context.Context, b *Backup) error {
	res, err := t.db.NewUpdate().Model(b).Column("state", "done", "total", "bytes", "sha256", "reason", "ended_at").Set("lease_until = NULL").
		Where("id = ?", b.ID).Where("state = ?", BackupRunning).Exec(ctx)
	return changed(res, err, ErrStale)
}

// GiveUpBackups ends the running backups whose process is gone, and returns them.
func (t *Tx) GiveUpBackups(ctx context.Context, now time.Time, reason string) ([]Backup, error) {
	var rows []Backup
	err := t.db.NewUpdate().Model(&rows).Set("state = ?", BackupFailed).Set("reason = ?", reason).Set("ended_at = ?", now).Set("lease_until = NULL").
		Where("state = ?", BackupRunning).Where("lease_until < ?", now).Returning("*").Scan(ctx)
	if errors.Is(translate(err), ErrNotFound) {
		return nil, nil
	}
	return rows, translate(err)
}

// DeleteBackup removes one that is over from the list; ErrNotFound when there is none.
func (t *Tx) DeleteBackup(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*Backup)(nil)).Where("id = ?", id).Where("state IN (?, ?)", BackupDone, BackupFailed).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
