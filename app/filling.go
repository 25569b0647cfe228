package app

import (
	"context"
	"errors"

	"github.com/gofrs/flock"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
)

// Filling is a database that one command fills. Nothing else of this program works on its
// data folder meanwhile, and no other command fills the database.
type Filling struct {
	DB     *store.DB
	lock   *flock.Flock
	unlock func()
}

// OpenToFill opens the configured database as it is, for a command that fills it.
func OpenToFill(ctx context.Context, cfg *config.Config) (f *Filling, err error) {
	f = new(Filling)
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
			f = nil
		}
	}()
	if !cfg.Postgres() {
		if f.lock, err = lockFolder(cfg); err != nil {
			return f, err
		}
	}
	if f.DB, err = OpenDB(ctx, cfg); err != nil {
		return f, err
	}
	f.DB.CountDaysIn(cfg.Location())
	unlock, mine, err := f.DB.LockLoad(ctx)
	if err != nil {
		return f, err
	}
	if !mine {
		return f, errors.New("another command fills this database at this moment: wait for its end")
	}
	f.unlock = unlock
	return f, nil
}

// Close closes the database and ends its locks.
func (f *Filling) Close() error {
	if f.unlock != nil {
		f.unlock()
	}
	var errs []error
	if f.DB != nil {
		errs = append(errs, f.DB.Close())
	}
	if f.lock != nil {
		errs = append(errs, f.lock.Unlock())
	}
	return errors.Join(errs...)
}
