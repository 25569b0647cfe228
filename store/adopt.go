package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"text/template"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"github.com/uptrace/bun/migrate"

	"github.com/coagent-studio/coagent/migrations"
)

// Builds before v0.1.0 made the same schema with other files, which no program has any
// more. A database with all their steps is adopted: its tables are compared with what the
// files up to lastOfFirst make. Then its old marks are replaced by the marks of those
// files. The two kinds of marks share no number, so an older program afterwards refuses
// the database as one from a newer version.
const (
	firstOfFirst = "0101"
	lastOfFirst  = "0115"
)

// stepsBefore are the marks of the builds before v0.1.0.
var stepsBefore = strings.Fields(`0001 0002 0003 0004 0005 0006 0007 0008 0009 0010 0011 0012 0013 0014 0015 0016 0017 0018
	0019 0020 0021 0022 0023 0024 0025 0026 0027 0028 0030 0031 0033 0038 0040 0044`)

// checkUnknown returns the error for marks that no file of this program has.
func checkUnknown(unknown []string) error {
	for _, name := range unknown {
		if name >= firstOfFirst {
			return fmt.Errorf("%w (it has %s)", ErrSchemaNew, name)
		}
	}
	last := stepsBefore[len(stepsBefore)-1]
	for _, name := range stepsBefore {
		if !slices.Contains(unknown, name) {
			return fmt.Errorf("%w and lacks their step %s: run `coagent migrate up` of the last build before v0.1.0 first, "+
				"whose `coagent migrate status` ends with %s, then this version", ErrSchemaBefore, name, last)
		}
	}
	for _, name := range unknown {
		if !slices.Contains(stepsBefore, name) {
			return fmt.Errorf("%w and has a step %s, which no build up to %s had: move what it holds into a new database by hand",
				ErrSchemaBefore, name, last)
		}
	}
	return ErrSchemaOld
}

// adopt gives a database at the last step before v0.1.0 the marks of this program's
// files. It leaves any other database alone.
func (d *DB) adopt(ctx context.Context, m *migrate.Migrator) error {
	old, err := m.MissingMigrations(ctx)
	if err != nil || len(old) == 0 {
		return translate(err)
	}
	var want []string
	names, err := d.madeByFiles(ctx, func(db bun.IDB) (err error) {
		want, err = d.schemaLines(ctx, db)
		return err
	})
	if err != nil {
		return fmt.Errorf("find out what the schema should be: %w", err)
	}
	have, err := d.schemaLines(ctx, d.write)
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	if err := compareSchema(have, want); err != nil {
		return err
	}
	return translate(d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM "+migrationsTable); err != nil {
			return err
		}
		for _, name := range names {
			if err := markApplied(ctx, tx, &migrate.Migration{Name: name}); err != nil {
				return err
			}
		}
		return nil
	}))
}

// compareSchema refuses a database whose tables differ from those wanted.
// Tables that are not ours do not count.
func compareSchema(have, want []string) error {
	ours := map[string]bool{}
	for _, line := range want {
		table, _, _ := strings.Cut(line, ": ")
		ours[table] = true
		if !slices.Contains(have, line) {
			return fmt.Errorf("%w: it lacks %s", ErrSchemaDiffers, line)
		}
	}
	for _, line := range have {
		if table, _, _ := strings.Cut(line, ": "); ours[table] && !slices.Contains(want, line) {
			return fmt.Errorf("%w: it has %s", ErrSchemaDiffers, line)
		}
	}
	return nil
}

// madeByFiles calls read with the tables that the files up to lastOfFirst make. The
// tables are in a place that nobody else sees and that is gone afterwards: on SQLite a
// database in memory, on Postgres a schema in a transaction that is rolled back. It
// returns the files' marks.
func (d *DB) madeByFiles(ctx context.Context, read func(db bun.IDB) error) (names []string, err error) {
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return nil, err
	}
	var statements strings.Builder
	for _, file := range files {
		name := file[:len(lastOfFirst)]
		if name > lastOfFirst {
			break
		}
		text, err := fs.ReadFile(migrations.Files, file)
		if err != nil {
			return nil, err
		}
		t, err := template.New(file).Parse(string(text))
		if err == nil {
			err = t.Execute(&statements, d.migrationData())
		}
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	err = d.inEmptySchema(ctx, func(db bun.IDB) error {
		if _, err := db.ExecContext(ctx, statements.String()); err != nil {
			return err
		}
		return read(db)
	})
	return names, err
}

// inEmptySchema runs fn where there are no tables, and undoes what fn did.
func (d *DB) inEmptySchema(ctx context.Context, fn func(db bun.IDB) error) error {
	if !d.Postgres() {
		memory, err := sql.Open("sqlite", ":memory:")
		if err != nil {
			return err
		}
		// Each connection would have its own database in memory.
		memory.SetMaxOpenConns(1)
		return errors.Join(fn(bun.NewDB(memory, sqlitedialect.New())), memory.Close())
	}
	tx, err := d.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, "CREATE SCHEMA coagent_compared"); err != nil {
		return fmt.Errorf("make a schema to compare with, for which this role needs CREATE on the database once: %w", err)
	}
	if _, err := tx.ExecContext(ctx, "SET LOCAL search_path TO coagent_compared"); err != nil {
		return err
	}
	return fn(tx)
}
