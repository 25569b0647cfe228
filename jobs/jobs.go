// Package jobs names every background job and runs them with River, on Postgres and on
// SQLite. It is the only package that imports River. Of our packages it imports only
// store. A Queue adds jobs, Workers run them.
//
// # Invariants
//
//   - A job is added in the transaction of the change that needs it.
//   - Its arguments are ids, never content.
//   - Every handler loads fresh rows and is safe to run twice.
//
// River notices a dead worker only after minutes. Work that must go on sooner (turns,
// decisions, reports) has a lease or a due time in its own row, and a sweep adds a fresh
// job when that time has passed.
package jobs

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/coagent-studio/coagent/store"
)

// client is River's, on the database that there is.
type client struct {
	pg   *river.Client[pgx.Tx]
	lite *river.Client[*sql.Tx]
}

// cooldown is the least time between two looks at a queue. A client also wakes a queue no
// more often than that for what River itself adds. With River's default a job starts 100 ms
// late.
const cooldown = 5 * time.Millisecond

// pollEvery is how often a queue is looked at for jobs that nobody told of. It is the net
// below wake, and on Postgres below store.Watch.
const pollEvery = 5 * time.Second

// newClient makes a client on the database's own connections. It starts nothing.
func newClient(db *store.DB, w *wake, cfg *river.Config) (c client, err error) {
	cfg.FetchCooldown, cfg.FetchPollInterval = cooldown, pollEvery
	if db.Postgres() {
		// No notification arrives through a pooler, so River listens past it.
		c.pg, err = river.NewClient(&quietDriver[pgx.Tx]{riverpgxv5.New(db.Pool()), w, riverpgxv5.New(db.ListenPool()).GetListener}, cfg)
	} else {
		listen := func(*riverdriver.GetListenenerParams) riverdriver.Listener {
			return &liteListener{db: db.Reader(), told: w.told}
		}
		c.lite, err = river.NewClient(&quietDriver[*sql.Tx]{riversqlite.New(db.Writer()), w, listen}, cfg)
	}
	if err != nil {
		return c, fmt.Errorf("job queue: %w", err)
	}
	return c, nil
}

// Migrate brings River's tables to the version that this program needs. Call it inside
// store.DB.WithMigrationLock, after our own migrations.
func Migrate(ctx context.Context, db *store.DB, log *slog.Logger) error {
	var err error
	if db.Postgres() {
		err = migrateWith(ctx, func() (*rivermigrate.Migrator[pgx.Tx], error) {
			return rivermigrate.New(riverpgxv5.New(db.Pool()), &rivermigrate.Config{Logger: log})
		})
	} else {
		err = migrateWith(ctx, func() (*rivermigrate.Migrator[*sql.Tx], error) {
			return rivermigrate.New(riversqlite.New(db.Writer()), &rivermigrate.Config{Logger: log})
		})
	}
	if err != nil {
		return fmt.Errorf("migrate the job queue: %w", err)
	}
	return nil
}

func migrateWith[T any](ctx context.Context, open func() (*rivermigrate.Migrator[T], error)) error {
	m, err := open()
	if err != nil {
		return err
	}
	_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// CheckSchema returns store.ErrSchemaOld when a migration of River's tables is missing.
func CheckSchema(ctx context.Context, db *store.DB) error {
	var ok bool
	if db.Postgres() {
		m, err := rivermigrate.New(riverpgxv5.New(db.Pool()), nil)
		if err != nil {
			return err
		}
		res, err := m.Validate(ctx, nil)
		if err != nil {
			return fmt.Errorf("check the job queue's tables: %w", err)
		}
		ok = res.OK
	} else {
		m, err := rivermigrate.New(riversqlite.New(db.Writer()), nil)
		if err != nil {
			return err
		}
		res, err := m.Validate(ctx, nil)
		if err != nil {
			return fmt.Errorf("check the job queue's tables: %w", err)
		}
		ok = res.OK
	}
	if !ok {
		return store.ErrSchemaOld
	}
	return nil
}
