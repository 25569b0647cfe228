package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gofrs/flock"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/coagent-studio/coagent/migrations"
)

// The reasons why this program cannot use a schema.
var (
	ErrSchemaOld     = errors.New("the database schema is older than this program")
	ErrSchemaNew     = errors.New("the database was migrated by a newer version of coagent")
	ErrSchemaForeign = errors.New("the database holds the tables of another program")
	ErrSchemaBefore  = errors.New("the database comes from a build before v0.1.0")
	ErrSchemaDiffers = errors.New("the tables of the database are not as a build before v0.1.0 left them; " +
		"make them so, then run `coagent migrate up` again")
)

const (
	migrationsTable     = "schema_migrations"
	migrationLocksTable = "schema_migration_locks"
	// migrationLockKey names the advisory lock on Postgres: "coagent" in ASCII.
	migrationLockKey = 0x636f6167656e74
)

// Migration is one step of the schema. AppliedAt is zero when the step has not run.
type Migration struct {
	Name      string
	AppliedAt time.Time
}

type migrationData struct {
	JSON, Time string
	Postgres   bool
}

func (d *DB) migrationData() migrationData {
	if d.Postgres() {
		// Use json, never jsonb: jsonb would reorder members, and clients compare the
		// values as text.
		return migrationData{JSON: "JSON", Time: "TIMESTAMPTZ", Postgres: true}
	}
	return migrationData{JSON: "TEXT", Time: "TIMESTAMP"}
}

func (d *DB) migrator() (*migrate.Migrator, *migrate.Migrations, error) {
	found := migrate.NewMigrations()
	if err := found.Discover(migrations.Files); err != nil {
		return nil, nil, fmt.Errorf("read migrations: %w", err)
	}
	return d.migratorOf(found), found, nil
}

func (d *DB) migratorOf(these *migrate.Migrations) *migrate.Migrator {
	return migrate.NewMigrator(d.write, these,
		migrate.WithTableName(migrationsTable), migrate.WithLocksTableName(migrationLocksTable),
		migrate.WithTemplateData(d.migrationData()), migrate.WithMarkAppliedOnSuccess(true), migrate.WithUpsert(true),
		migrate.AfterMigration(markApplied))
}

// markApplied writes the mark in the migration's own transaction. A process killed
// between the change and a separate mark could never start again. Afterwards the
// migrator's own mark only updates this row.
func markApplied(ctx context.Context, db bun.IConn, m *migrate.Migration) error {
	q := "INSERT INTO " + migrationsTable + " (name, group_id, migrated_at) VALUES ('" + m.Name + "', 0, CURRENT_TIMESTAMP)"
	_, err := db.ExecContext(ctx, q)
	return err
}

// Migrate brings our tables to this program's schema. Call it inside WithMigrationLock.
// It refuses a schema that is newer or another program's. It also refuses one from before
// v0.1.0 that is not at the last step of that time.
func (d *DB) Migrate(ctx context.Context) error {
	if err := d.CheckSchema(ctx); err != nil && !errors.Is(err, ErrSchemaOld) {
		return err
	}
	m, _, err := d.migrator()
	if err != nil {
		return err
	}
	if err := m.Init(ctx); err != nil {
		return fmt.Errorf("prepare migrations: %w", err)
	}
	if err := d.adopt(ctx, m); err != nil {
		return err
	}
	if _, err := m.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}

// Migrations lists every migration this program knows, oldest first.
func (d *DB) Migrations(ctx context.Context) ([]Migration, error) {
	m, found, err := d.migrator()
	if err != nil {
		return nil, err
	}
	ran, err := d.migrated(ctx)
	if err != nil {
		return nil, err
	}
	known := found.Sorted()
	if ran {
		if known, err = m.MigrationsWithStatus(ctx); err != nil {
			return nil, fmt.Errorf("read migrations: %w", translate(err))
		}
	}
	all := make([]Migration, len(known))
	for i, k := range known {
		all[i].Name = k.String()
		if k.IsApplied() {
			all[i].AppliedAt = k.MigratedAt.UTC()
		}
	}
	return all, nil
}

// CheckSchema returns nil when the schema is exactly this program's, and
// ErrSchemaOld, ErrSchemaNew, ErrSchemaBefore or ErrSchemaForeign otherwise.
func (d *DB) CheckSchema(ctx context.Context) error {
	ours, err := d.migrated(ctx)
	if err != nil {
		return err
	}
	if !ours {
		tables, err := d.tables(ctx)
		if err != nil {
			return err
		}
		if len(tables) > 0 {
			return fmt.Errorf("%w (%s ...)", ErrSchemaForeign, tables[0])
		}
		return ErrSchemaOld
	}
	m, _, err := d.migrator()
	if err != nil {
		return err
	}
	unknown, err := m.MissingMigrations(ctx)
	if err != nil {
		return fmt.Errorf("read migrations: %w", translate(err))
	}
	if len(unknown) > 0 {
		names := make([]string, len(unknown))
		for i := range unknown {
			names[i] = unknown[i].Name
		}
		return checkUnknown(names)
	}
	status, err := m.MigrationsWithStatus(ctx)
	if err != nil {
		return fmt.Errorf("read migrations: %w", translate(err))
	}
	if len(status.Unapplied()) > 0 {
		return ErrSchemaOld
	}
	return nil
}

// tables returns the names of the tables in the current schema, a few at most, without the
// mark of a database that is being filled.
func (d *DB) tables(ctx context.Context) ([]string, error) {
	q := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> ? ORDER BY name LIMIT 5"
	if d.Postgres() {
		// Leave out the tables of extensions (pg_stat_statements, PostGIS): they are no
		// sign of another program.
		q = `SELECT c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname <> ? AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
				WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
			ORDER BY c.relname LIMIT 5`
	}
	var names []string
	err := d.db.NewRaw(q, unfinishedTable).Scan(ctx, &names)
	return names, translate(err)
}

// hasTable tells whether the current schema has a table.
func (d *DB) hasTable(ctx context.Context, name string) (bool, error) {
	q := "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?"
	if d.Postgres() {
		q = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = ?"
	}
	var n int
	err := d.write.NewRaw(q, name).Scan(ctx, &n)
	return n > 0, translate(err)
}

// migrated tells whether our table of migrations exists. Other tools (Rails,
// golang-migrate) have a table of the same name, but without our columns.
func (d *DB) migrated(ctx context.Context) (bool, error) {
	q := "SELECT count(*) FROM pragma_table_info(?) WHERE name = 'migrated_at'"
	if d.Postgres() {
		q = `SELECT count(*) FROM information_schema.columns
			WHERE table_schema = current_schema() AND table_name = ? AND column_name = 'migrated_at'`
	}
	var n int
	err := d.db.NewRaw(q, migrationsTable).Scan(ctx, &n)
	return n > 0, translate(err)
}

// WithMigrationLock runs fn while no other process migrates this database. A second
// caller waits. The lock ends with the process that holds it. fn must do its work through
// the DB that it gets.
//
// On Postgres that DB is the one session that holds the lock. When a process dies, Postgres
// still finishes the statement that it works on. If another session held the lock, the next
// process would begin beside that statement.
func (d *DB) WithMigrationLock(ctx context.Context, fn func(*DB) error) error {
	if !d.Postgres() {
		l := flock.New(d.path + ".migrate.lock")
		if _, err := l.TryLockContext(ctx, 50*time.Millisecond); err != nil {
			return fmt.Errorf("wait for another migration: %w", err)
		}
		defer func() { _ = l.Unlock() }()
		return fn(d)
	}
	one, err := d.oneSession(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	// Closing the session releases the advisory lock in every case.
	defer func() {
		_ = one.write.Close()
		one.pool.Close()
	}()
	if _, err := one.pool.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLockKey)); err != nil {
		return fmt.Errorf("wait for another migration: %w", err)
	}
	return fn(one)
}

// Unmigrated tells whether the database has no tables of ours.
func (d *DB) Unmigrated(ctx context.Context) (bool, error) {
	ours, err := d.migrated(ctx)
	return !ours, err
}
