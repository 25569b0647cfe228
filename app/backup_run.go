package app

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// backupMaker makes the backups that are asked for or due, as jobs, one at a time over all
// processes: an index lets only one row be live. Its attempt fences a worker that was thought
// dead, and its lease says that somebody works on it.
type backupMaker struct {
	archives *Archives
	place    *backupPlace
	queue    *jobs.Queue
}

const (
	backupRenew  = 5 * time.Second
	backupLease  = time.Minute
	backupTries  = 3                // attempts whose process may be lost
	backupAgain  = 10 * time.Minute // after a failure
	failuresKept = 20
)

// planNext sees to it that the next backup is made when it is due. Each process asks for it
// when it starts, and there is one job for each time.
func (b *backupMaker) planNext(ctx context.Context) error {
	if b.archives.cfg.Backup.Every <= 0 {
		return nil
	}
	return b.archives.db.InTx(ctx, func(tx *store.Tx) error { return b.plan(ctx, tx) })
}

// plan adds the job of the next backup, unless one is under way: its end plans the next.
func (b *backupMaker) plan(ctx context.Context, tx *store.Tx) error {
	at, err := b.next(ctx, tx.Queries)
	if err != nil || at == nil {
		return err
	}
	begin := *at
	if !begin.After(b.archives.now.instant()) {
		begin = time.Time{} // at once
	}
	return b.queue.AddAt(ctx, tx, jobs.BackUp{Due: *at}, begin)
}

// next is when the next backup is due, as the stored ones say; nil when none is, or one is
// under way.
func (b *backupMaker) next(ctx context.Context, q store.Queries) (*time.Time, error) {
	every := b.archives.cfg.Backup.Every
	if every <= 0 {
		return nil, nil //nolint:nilnil // none is made by itself
	}
	if _, err := q.LiveBackup(ctx); !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var at time.Time
	for state, after := range map[string]time.Duration{store.BackupDone: every, store.BackupFailed: min(every, backupAgain)} {
		last, err := q.NewestBackup(ctx, state)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return nil, err
		}
		if err == nil && last.CreatedAt.Add(after).After(at) {
			at = last.CreatedAt.Add(after).UTC()
		}
	}
	return &at, nil
}

// due is the job that asks for a backup when it is time.
func (b *backupMaker) due(ctx context.Context, job jobs.BackUp) error {
	a, now := b.archives, b.archives.now.instant()
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		at, err := b.next(ctx, tx.Queries)
		switch {
		case err != nil || at == nil:
			return err
		case at.Equal(job.Due) && at.After(now): // this process' clock is behind
			early := errorf(KindUnavailable, wording.Busy, "The time of the backup has not come yet.")
			early.RetryAfter = at.Sub(now)
			return early
		case at.After(now):
			return b.plan(ctx, tx)
		}
		return b.ask(ctx, tx, b.queued(now, ""))
	})
	if errors.Is(err, store.ErrExists) {
		return nil // somebody was first
	}
	return err
}

// queued is a backup that is about to be made.
func (b *backupMaker) queued(now time.Time, askedBy string) *store.Backup {
	return &store.Backup{ID: store.NewID(), State: store.BackupQueued, Name: "coagent-" + now.Format("20060102T150405.000000Z") + ".tar.zst",
		Place: b.place.name, AskedBy: askedBy, WithKeys: b.archives.cfg.Backup.WithKeys, CreatedAt: now, LeaseUntil: now.Add(backupLease)}
}

// ask stores a backup and the job that makes it; ErrExists while there is one that is not over.
func (b *backupMaker) ask(ctx context.Context, tx *store.Tx, row *store.Backup) error {
	if err := tx.CreateBackup(ctx, row); err != nil {
		return err
	}
	return b.queue.Add(ctx, tx, jobs.MakeBackup{BackupID: row.ID, Attempt: row.Attempt})
}

// sweep takes over the backup whose worker or job is gone.
func (b *backupMaker) sweep(ctx context.Context, asOf time.Time) error {
	live, err := b.archives.db.LiveBackup(ctx)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil
	case err != nil || live.LeaseUntil.After(asOf):
		return err
	case live.State == store.BackupQueued:
		return b.retry(ctx, live, live.Attempt, live.Tries)
	}
	if live.Tries+1 < backupTries {
		return b.retry(ctx, live, live.Attempt+1, live.Tries+1)
	}
	if live.Place == b.place.name { // what it has written so far goes
		if err := b.place.drop(ctx, live.Name); err != nil {
			b.archives.log.WarnContext(ctx, "a part of a backup could not be removed", "backup", live.Name, "to", live.Place, "err", err)
		}
	}
	live.State, live.EndedAt = store.BackupFailed, b.archives.now.instant()
	live.Reason = wording.Of("The process that wrote it has ended, several times. The log of the server says why.").String()
	return b.end(ctx, live)
}

// retry queues a backup again, as the next attempt or with a new job for the same one.
func (b *backupMaker) retry(ctx context.Context, row *store.Backup, attempt, tries int) error {
	err := b.archives.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.RetryBackup(ctx, row, attempt, tries, b.archives.now.instant().Add(backupLease)); err != nil {
			return err
		}
		return b.queue.Add(ctx, tx, jobs.MakeBackup{BackupID: row.ID, Attempt: attempt})
	})
	if errors.Is(err, store.ErrStale) {
		return nil // another process was first
	}
	return err
}

// end stores how a backup ended, and plans the next.
func (b *backupMaker) end(ctx context.Context, row *store.Backup) error {
	log := b.archives.log.With("backup", row.Name, "to", row.Place, "attempt", row.Attempt)
	err := b.archives.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.EndBackup(ctx, row); err != nil {
			return err
		}
		return b.plan(ctx, tx)
	})
	switch {
	case errors.Is(err, store.ErrStale):
		return nil // another attempt has it
	case err != nil:
		return fmt.Errorf("store how the backup %s ended: %w", row.Name, err)
	case row.State == store.BackupFailed:
		log.ErrorContext(ctx, "a backup failed", "err", row.Reason)
	default:
		log.InfoContext(ctx, "a backup is whole", "rows", row.Done, "bytes", row.Bytes)
	}
	return nil
}

// run is the job of a backup.
func (b *backupMaker) run(ctx context.Context, job jobs.MakeBackup) error {
	a := b.archives
	row, err := a.db.Single().ClaimBackup(ctx, job.BackupID, job.Attempt, b.place.name, a.now.instant().Add(backupLease))
	if errors.Is(err, store.ErrStale) {
		return nil // it is over, or there is a newer attempt
	}
	if err != nil {
		return err
	}
	a.log.InfoContext(ctx, "a backup begins", "backup", row.Name, "to", row.Place, "attempt", row.Attempt)
	if b.place.dir != "" {
		a.dropParts(ctx, b.place.dir)
	}
	w, err := b.make(ctx, row)
	// The job's own context may have ended, and with it the attempt.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	switch {
	case errors.Is(err, store.ErrStale):
		return nil // it was thought dead, and another attempt has it
	case err != nil && errors.Is(ctx.Err(), context.Canceled):
		return b.retry(end, row, row.Attempt+1, row.Tries) // this process shuts down
	case err != nil:
		a.log.ErrorContext(ctx, "a backup could not be made", "backup", row.Name, "to", row.Place, "err", err)
		row.State, row.Reason = store.BackupFailed, store.Cut(Explain(err), 1000)
	default:
		row.State, row.Bytes, row.SHA256, row.Done, row.Total = store.BackupDone, w.bytes, hex.EncodeToString(w.sha256[:]), w.rows, w.rows
	}
	row.EndedAt = a.now.instant()
	if err := b.end(end, row); err != nil {
		return err
	}
	return b.dropOld(ctx)
}

// make writes a backup under its name, and says meanwhile that it is at work. ErrStale means
// that another attempt has it.
func (b *backupMaker) make(ctx context.Context, row *store.Backup) (w written, err error) {
	a := *b.archives
	var done, total atomic.Int64
	a.tell = func(p Progress) { done.Store(p.Rows); total.Store(max(p.Of, total.Load())) }
	writing, stop := context.WithCancelCause(ctx)
	renew := func() error {
		return a.db.Single().RenewBackup(writing, row, done.Load(), total.Load(), a.now.instant().Add(backupLease))
	}
	var beat sync.WaitGroup
	beat.Go(func() {
		tick := time.NewTicker(backupRenew) //nolint:forbidigo // the pace of a loop is no rule's time
		defer tick.Stop()
		for {
			select {
			case <-writing.Done():
				return
			case <-tick.C:
			}
			if err := renew(); errors.Is(err, store.ErrStale) {
				stop(err)
			}
		}
	})
	w, err = b.place.put(writing, row, backupSource{
		write: func(to io.Writer) (rows int64, err error) {
			_, end, err := a.write(writing, to, row.WithKeys)
			if err != nil {
				return 0, err
			}
			return end.Rows(), nil
		},
		check: func(from io.Reader) error {
			_, _, err := VerifyArchive(writing, from, func(Progress) {})
			return err
		},
		mine: renew,
	})
	if err != nil && errors.Is(context.Cause(writing), store.ErrStale) {
		err = store.ErrStale
	}
	stop(nil)
	beat.Wait()
	return w, err
}

// dropOld removes good backups beyond backup.keep, and old failures from the list. It follows
// a backup, so a good one goes only once a newer one is whole. It removes what is in the list
// alone: whatever else lies beside it is not ours.
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
