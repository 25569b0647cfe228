package app

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// backupMaker makes the backups that are asked for or due, one at a time over all processes:
// an index lets only one row be live, and its lease says that somebody works on it.
type backupMaker struct {
	archives *Archives
	place    *backupPlace
	wake     chan struct{}
}

const (
	backupLook   = 20 * time.Second // how often a process looks for what is to be done
	backupRenew  = 5 * time.Second
	backupLease  = time.Minute
	backupAgain  = 10 * time.Minute // after a failure
	failuresKept = 20
)

// run works until ctx ends.
func (b *backupMaker) run(ctx context.Context) {
	tick := time.NewTicker(backupLook) //nolint:forbidigo // a pause between looks
	defer tick.Stop()
	for {
		if err := b.look(ctx); err != nil && ctx.Err() == nil {
			b.archives.log.ErrorContext(ctx, "backups could not be looked after", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-b.wake:
		}
	}
}

// asked makes this process look at once.
func (b *backupMaker) asked() {
	select {
	case b.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// look ends what a dead process has left, and makes the backup that is asked for or due.
func (b *backupMaker) look(ctx context.Context) error {
	a, now := b.archives, b.archives.now.instant()
	live, err := a.db.LiveBackup(ctx)
	if errors.Is(err, store.ErrNotFound) {
		live, err = b.due(ctx, now)
	}
	switch {
	case err != nil || live == nil:
		return err
	case live.State == store.BackupRunning:
		if live.LeaseUntil.After(now) {
			return nil
		}
		return a.db.InTx(ctx, func(tx *store.Tx) error {
			gone, err := tx.GiveUpBackups(ctx, now, "The process that wrote it has ended.")
			for i := range gone {
				a.log.ErrorContext(ctx, "a backup failed", "backup", gone[i].Name, "err", gone[i].Reason)
			}
			return err
		})
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error { return tx.ClaimBackup(ctx, live.ID, now.Add(backupLease)) })
	if errors.Is(err, store.ErrStale) {
		return nil // another process has it
	}
	if err != nil {
		return err
	}
	b.make(ctx, live)
	return b.dropOld(ctx)
}

// due queues a backup when backup.every has passed since the last good one.
func (b *backupMaker) due(ctx context.Context, now time.Time) (*store.Backup, error) {
	a := b.archives
	every := a.cfg.Backup.Every
	if every <= 0 {
		return nil, nil //nolint:nilnil // none is due
	}
	for state, after := range map[string]time.Duration{store.BackupDone: every, store.BackupFailed: min(every, backupAgain)} {
		last, err := a.db.NewestBackup(ctx, state)
		if err == nil && now.Sub(last.CreatedAt) < after {
			return nil, nil //nolint:nilnil // ...
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
	}
	next := b.queued(now, "")
	err := a.db.InTx(ctx, func(tx *store.Tx) error { return tx.CreateBackup(ctx, next) })
	if errors.Is(err, store.ErrExists) {
		return nil, nil //nolint:nilnil // another process was first
	}
	return next, err
}

// queued is a backup that is about to be made.
func (b *backupMaker) queued(now time.Time, askedBy string) *store.Backup {
	return &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: "coagent-" + now.Format("20060102T150405.000000Z") + ".tar.zst",
		Place: b.place.name, AskedBy: askedBy, WithKeys: b.archives.cfg.Backup.WithKeys, CreatedAt: now}
}

// make writes a backup, tells its row how far it is, and stores how it ended.
func (b *backupMaker) make(ctx context.Context, row *store.Backup) {
	a := *b.archives
	writing, stop := context.WithCancel(ctx)
	defer stop()
	renewed := a.now()
	a.tell = func(p Progress) {
		if row.Done, row.Total = p.Rows, max(p.Of, row.Total); a.now().Sub(renewed) < backupRenew {
			return
		}
		renewed = a.now()
		err := a.db.InTx(writing, func(tx *store.Tx) error { return tx.RenewBackup(writing, row, a.now.instant().Add(backupLease)) })
		if errors.Is(err, store.ErrStale) {
			stop() // it was given up: another may be under way
		}
	}
	a.log.InfoContext(ctx, "a backup begins", "backup", row.Name, "to", b.place.name)
	w, err := b.place.put(writing, row.Name, func(to io.Writer) error {
		_, end, err := a.write(writing, to, row.WithKeys)
		if err == nil {
			row.Total = end.Rows()
		}
		return err
	}, func(from io.Reader) error {
		_, _, err := a.check(writing, from)
		return err
	})
	row.State, row.EndedAt, row.Bytes = store.BackupDone, a.now.instant(), w.bytes
	if row.SHA256 = hex.EncodeToString(w.sha256[:]); err != nil {
		row.State, row.Reason, row.SHA256, row.Bytes = store.BackupFailed, store.Cut(Explain(err), 1000), "", 0
		a.log.ErrorContext(ctx, "a backup failed", "backup", row.Name, "to", b.place.name, "err", err)
	} else {
		row.Done = row.Total
		a.log.InfoContext(ctx, "a backup is whole", "backup", row.Name, "to", b.place.name, "rows", row.Done, "bytes", row.Bytes)
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := a.db.InTx(end, func(tx *store.Tx) error { return tx.EndBackup(end, row) }); err != nil {
		a.log.ErrorContext(ctx, "how a backup ended could not be stored", "backup", row.Name, "err", err)
	}
}

// dropOld removes good backups beyond backup.keep, and old failures from the list. It follows
// a backup, so a good one goes only once a newer one is whole.
func (b *backupMaker) dropOld(ctx context.Context) error {
	a := b.archives
	old, err := a.db.BackupsOver(ctx, store.BackupDone, a.cfg.Backup.Keep, 100)
	failed, err2 := a.db.BackupsOver(ctx, store.BackupFailed, failuresKept, 100)
	errs := []error{err, err2}
	for _, row := range append(old, failed...) {
		if row.Place == b.place.name {
			if err := b.place.drop(ctx, row.Name); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		errs = append(errs, a.db.InTx(ctx, func(tx *store.Tx) error { return tx.DeleteBackup(ctx, row.ID) }))
	}
	return errors.Join(errs...)
}
