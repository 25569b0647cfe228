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

// Migrate brings the database to the schema of this program: first ours, with the login
// keys of old accounts, then the job queue's. It logs the accounts whose login keys are
// equal. If two processes migrate at once, one waits for the other.
func Migrate(ctx context.Context, db *store.DB, log *slog.Logger) error {
	return db.WithMigrationLock(ctx, func(db *store.DB) error {
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

// PrepareSchema makes sure that the database has this program's schema before the
// process serves. SQLite is always migrated. Postgres is migrated only with
// database.auto_migrate, because an operator with several nodes wants to choose the
// time.
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
