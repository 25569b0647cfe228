package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// backupsListed bounds the list of backups.
const backupsListed = 200

// Backups are the backups that this installation has made, and the settings in effect.
type Backups struct {
	Settings config.Backup
	Place    string
	List     []store.Backup // the newest first
}

// Backups lists backups for super admins.
func (a *App) Backups(ctx context.Context, actor *Actor) (*Backups, error) {
	if err := Check(actor, ActBackUp, Resource{}); err != nil {
		return nil, err
	}
	list, err := a.db.Backups(ctx, backupsListed)
	return &Backups{Settings: a.cfg.Backup, Place: a.backups.place.name, List: list}, err
}

// Backup returns one backup.
func (a *App) Backup(ctx context.Context, actor *Actor, id string) (*store.Backup, error) {
	if err := Check(actor, ActBackUp, Resource{}); err != nil {
		return nil, err
	}
	b, err := a.db.Backup(ctx, id)
	return b, fromStore(err, "Backup")
}

// MakeBackup asks for a backup now. A job makes it.
func (a *App) MakeBackup(ctx context.Context, actor *Actor) (*store.Backup, error) {
	if err := Check(actor, ActBackUp, Resource{}); err != nil {
		return nil, err
	}
	b := a.backups.queued(a.instant(), actor.User.ID)
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := a.backups.ask(ctx, tx, b); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActBackUp, target{"backup", b.ID}, nil, changes{"name": b.Name, "place": b.Place})
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindConflict, wording.Exists, "A backup is being made. Wait for its end.")
	}
	return b, err
}

// DeleteBackup removes a backup that is over, and its file.
func (a *App) DeleteBackup(ctx context.Context, actor *Actor, id string) error {
	b, err := a.Backup(ctx, actor, id)
	if err != nil {
		return err
	}
	if !b.Over() {
		return errorf(KindConflict, wording.Exists, "A backup is being made. Wait for its end.")
	}
	if b.Place != a.backups.place.name && b.State == store.BackupDone {
		return errorf(KindConflict, wording.Referenced, "The backup lies where backup.to does not lead any more. Remove it there by hand, or set backup.to back.")
	}
	if b.Place == a.backups.place.name {
		if err := a.backups.place.drop(ctx, b.Name); err != nil {
			return err
		}
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteBackup(ctx, id); err != nil {
			return fromStore(err, "Backup")
		}
		return a.audit.record(ctx, tx, actor, didDeleteBackup, target{"backup", id}, changes{"name": b.Name, "place": b.Place}, nil)
	})
}
