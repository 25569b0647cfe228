package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// Migrate brings the database to this program's schema: ours, with the keys of
// old accounts, then the job queue's. Accounts that are the same by them are
// named in the log. Of two processes that migrate at once, one waits.
func Migrate(ctx context.Context, db *store.DB, log *slog.Logger) error {
	return db.WithMigrationLock(ctx, func() error {
		if err := db.Migrate(ctx); err != nil {
			return err
		}
		clashes, err := db.KeyLogins(ctx)
		if err != nil {
			return fmt.Errorf("compare addresses and user names: %w", err)
		}
		warnOfSameLogins(ctx, log, clashes)
		return jobs.Migrate(ctx, db, quietQueueLog(log))
	})
}

// PrepareSchema makes sure that the schema is this program's before it serves.
// SQLite migrates by itself; Postgres only with database.auto_migrate, since an
// operator with several nodes wants to choose the moment.
func PrepareSchema(ctx context.Context, db *store.DB, cfg *config.Config, log *slog.Logger) error {
	err := db.CheckSchema(ctx)
	if err == nil {
		err = jobs.CheckSchema(ctx, db)
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, store.ErrSchemaOld):
		return err
	case db.Postgres() && !cfg.Database.AutoMigrate:
		return fmt.Errorf("%w; run `coagent migrate up` first, or set database.auto_migrate", err)
	}
	return Migrate(ctx, db, log)
}
