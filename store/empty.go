package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"

	"github.com/coagent-studio/coagent/migrations"
)

// ErrNotEmpty says that a database that a command is to fill has something of people, or is
// served.
var ErrNotEmpty = errors.New("the database is not empty")

// worthKeeping are the tables whose rows make a database one that is not empty.
var worthKeeping = []string{"courses", "organizations", "projects", "rooms", "agents", "messages", "users"}

// loadLockKey names the advisory lock of whoever fills a database: "loading" in ASCII.
const loadLockKey = 0x6c6f6164696e67

// LockLoad makes this process the only one that fills the database on Postgres; ok is false
// when another one does. The lock ends with the process. On SQLite it locks nothing: the lock
// of the data folder does.
func (d *DB) LockLoad(ctx context.Context) (unlock func(), ok bool, err error) {
	if !d.Postgres() {
		return func() {}, true, nil
	}
	conn, err := d.Connect(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("connect to Postgres: %w", err)
	}
	err = conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", pgx.QueryExecModeExec, int64(loadLockKey)).Scan(&ok)
	unlock = func() { _ = conn.Close(context.WithoutCancel(ctx)) } // that ends the lock in every case
	if err != nil || !ok {
		unlock()
	}
	return unlock, ok, translate(err)
}

// CheckEmpty returns ErrNotEmpty for a database that a command must not fill: one that has
// something of people, or that is served. The account of one super admin alone, as the first
// start makes it, is nothing; then accounts is 1. So is what migrations make.
func (d *DB) CheckEmpty(ctx context.Context, now time.Time) (accounts int, err error) {
	for _, table := range worthKeeping {
		n, err := d.countOf(ctx, table, "TRUE")
		if err != nil {
			return 0, err
		}
		if table == "users" && n == 1 {
			if accounts, err = d.countOf(ctx, table, "role = 'super_admin'"); err != nil {
				return 0, err
			}
			n -= accounts
		}
		if n > 0 {
			return 0, fmt.Errorf("%w: its table %s has %d rows; take a new one, such as another data_dir or a new Postgres database", ErrNotEmpty, table, n)
		}
	}
	n, err := d.countOf(ctx, "nodes", "seen_at > ?", now.UTC().Add(-NodeDeadAfter))
	if err == nil && n > 0 {
		err = fmt.Errorf("%w: %d processes of coagent use it; stop them, and wait a minute", ErrNotEmpty, n)
	}
	return accounts, err
}

// countOf counts rows of a table that may not be there yet.
func (d *DB) countOf(ctx context.Context, table, where string, args ...any) (n int, err error) {
	if there, err := d.hasTable(ctx, table); err != nil || !there {
		return 0, err
	}
	err = d.write.NewRaw("SELECT count(*) FROM "+ident(table)+" WHERE "+where, args...).Scan(ctx, &n)
	return n, translate(err)
}

// Clear drops whatever the migrations of this program, or of the job queue, have made. The
// mark of BeginLoad stays.
func (d *DB) Clear(ctx context.Context) error {
	if !d.Postgres() {
		return d.clearLite(ctx)
	}
	made, err := madeByMigrations()
	if err != nil {
		return err
	}
	return translate(d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		var statements []string
		err := tx.NewRaw(`SELECT 'DROP TABLE IF EXISTS ' || quote_ident(c.relname) || ' CASCADE' FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
				WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND (c.relname IN (?0) OR c.relname LIKE 'river\_%')
			UNION ALL
			SELECT 'DROP FUNCTION IF EXISTS ' || p.oid::regprocedure || ' CASCADE' FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
				WHERE n.nspname = current_schema() AND (p.proname IN (?0) OR p.proname LIKE 'river\_%')
					AND NOT EXISTS (SELECT 1 FROM pg_depend AS d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
			UNION ALL
			SELECT 'DROP TYPE IF EXISTS ' || quote_ident(t.typname) || ' CASCADE' FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
				WHERE n.nspname = current_schema() AND t.typtype = 'e' AND t.typname LIKE 'river\_%'`, bun.List(made)).Scan(ctx, &statements)
		if err != nil {
			return err
		}
		// Dropping a table takes the functions of its rows along, so they may be gone.
		slices.SortStableFunc(statements, func(a, b string) int {
			return strings.Compare(dropOrder(a), dropOrder(b))
		})
		for _, s := range statements {
			if _, err := tx.ExecContext(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}))
}

// dropOrder puts functions before the tables whose rows they take, and types last.
func dropOrder(statement string) string {
	switch {
	case strings.HasPrefix(statement, "DROP FUNCTION"):
		return "1"
	case strings.HasPrefix(statement, "DROP TABLE"):
		return "2"
	}
	return "3"
}

// clearLite drops all tables of the file, which is the program's alone.
func (d *DB) clearLite(ctx context.Context) error {
	return d.withoutReferences(ctx, func() error {
		return translate(d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			var tables []string
			// Virtual tables first: they take their own tables along.
			err := tx.NewRaw(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> ?
				ORDER BY sql NOT LIKE 'CREATE VIRTUAL%'`, unfinishedTable).Scan(ctx, &tables)
			if err != nil {
				return err
			}
			for _, name := range tables {
				if _, err := tx.ExecContext(ctx, "DROP TABLE IF EXISTS "+ident(name)); err != nil {
					return err
				}
			}
			return nil
		}))
	})
}

// withoutReferences runs fn while SQLite's writer checks no references.
func (d *DB) withoutReferences(ctx context.Context, fn func() error) error {
	if _, err := d.write.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return translate(err)
	}
	err := fn()
	_, on := d.write.ExecContext(context.WithoutCancel(ctx), "PRAGMA foreign_keys = ON")
	return errors.Join(err, translate(on))
}

var makes = regexp.MustCompile(`(?m)^(?:CREATE (?:\{\{if .Postgres\}\}UNLOGGED \{\{end\}\})?(?:VIRTUAL )?(?:TABLE|FUNCTION)|ALTER TABLE \w+ RENAME TO) (\w+)`)

// madeByMigrations are the names of the tables and functions that any migration makes.
func madeByMigrations() ([]string, error) {
	names := []string{migrationsTable, migrationLocksTable}
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		text, err := fs.ReadFile(migrations.Files, file)
		if err != nil {
			return nil, err
		}
		for _, m := range makes.FindAllSubmatch(text, -1) {
			names = append(names, string(m[1]))
		}
	}
	return names, nil
}

// KnowsAll returns ErrSchemaNew when this program does not know one of the named migrations.
func (d *DB) KnowsAll(names []string) error {
	_, all, err := d.migrator()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all.Sorted(), func(m migrate.Migration) bool { return m.Name == name }) {
			return fmt.Errorf("%w (it has %s)", ErrSchemaNew, name)
		}
	}
	return nil
}

// MigrateTo brings an empty database to an earlier schema, or to this program's: to that of
// the named migrations, which KnowsAll. Call it inside WithMigrationLock.
func (d *DB) MigrateTo(ctx context.Context, names []string) error {
	_, all, err := d.migrator()
	if err != nil {
		return err
	}
	some := migrate.NewMigrations()
	for _, m := range all.Sorted() {
		if slices.Contains(names, m.Name) {
			some.Add(m)
		}
	}
	m := d.migratorOf(some)
	if err := m.Init(ctx); err != nil {
		return fmt.Errorf("prepare migrations: %w", translate(err))
	}
	if _, err := m.Migrate(ctx); err != nil {
		return fmt.Errorf("migrate: %w", translate(err))
	}
	return nil
}
