package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"
)

// Fill puts the rows of a backup into a database that BeginLoad has marked. Meanwhile the
// database checks no references and runs no triggers: rows come in any order, and what
// triggers keep comes from the backup too. After a kill the database is to be cleared.
type Fill struct {
	d      *DB
	tables map[string]map[string]bool // which columns a table has
	after  []string                   // statements that make the database whole again
}

// ErrNoPlace says that the schema has no place for what is to be filled in.
var ErrNoPlace = errors.New("the schema has no place for this")

// BeginFill empties the tables of rows that migrations made, and takes references and triggers
// away until Whole.
func (d *DB) BeginFill(ctx context.Context) (*Fill, error) {
	f := &Fill{d: d, tables: map[string]map[string]bool{}}
	all, _, err := backupTables(ctx, d.write, d.Postgres(), true)
	if err != nil {
		return nil, err
	}
	columns, err := catalogue(ctx, d.write, d.Postgres())
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		f.tables[t.Name] = map[string]bool{}
	}
	for _, c := range columns {
		if t := f.tables[c.TableName]; t != nil && !c.Generated {
			t[c.Name] = true
		}
	}
	if d.Postgres() {
		err = f.loosenPostgres(ctx)
	} else {
		err = f.loosenLite(ctx)
	}
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if _, err := d.write.ExecContext(ctx, "DELETE FROM "+ident(t.Name)); err != nil {
			return nil, translate(err)
		}
	}
	return f, nil
}

// loosenPostgres drops the references and keeps the statements that make them again. Its role
// may not switch off their checks otherwise.
func (f *Fill) loosenPostgres(ctx context.Context) error {
	var references []struct{ TableName, Name, Definition string }
	err := f.d.write.NewRaw(`SELECT r.relname AS table_name, c.conname AS name, pg_get_constraintdef(c.oid) AS definition
		FROM pg_constraint AS c JOIN pg_class AS r ON r.oid = c.conrelid JOIN pg_namespace AS n ON n.oid = r.relnamespace
		WHERE n.nspname = current_schema() AND c.contype = 'f' ORDER BY r.relname, c.conname`).Scan(ctx, &references)
	if err != nil {
		return translate(err)
	}
	return translate(f.d.write.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
		for _, r := range references {
			if f.tables[r.TableName] == nil {
				continue
			}
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+ident(r.TableName)+" DROP CONSTRAINT "+ident(r.Name)); err != nil {
				return err
			}
			f.after = append(f.after, "ALTER TABLE "+ident(r.TableName)+" ADD CONSTRAINT "+ident(r.Name)+" "+r.Definition)
		}
		for name := range f.tables {
			if _, err := tx.ExecContext(ctx, "ALTER TABLE "+ident(name)+" DISABLE TRIGGER USER"); err != nil {
				return err
			}
			f.after = append(f.after, "ALTER TABLE "+ident(name)+" ENABLE TRIGGER USER", "ANALYZE "+ident(name))
		}
		return nil
	}))
}

// loosenLite drops the triggers, and switches off the checks of references for the one
// connection that writes.
func (f *Fill) loosenLite(ctx context.Context) error {
	if _, err := f.d.write.ExecContext(ctx, "PRAGMA foreign_keys = OFF"); err != nil {
		return translate(err)
	}
	var triggers []struct{ Name, SQL string }
	err := f.d.write.NewRaw("SELECT name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid").Scan(ctx, &triggers)
	if err != nil {
		return translate(err)
	}
	for _, t := range triggers {
		if _, err := f.d.write.ExecContext(ctx, "DROP TRIGGER "+ident(t.Name)); err != nil {
			return translate(err)
		}
		f.after = append(f.after, t.SQL)
	}
	f.after = append(f.after, "PRAGMA foreign_keys = ON")
	return nil
}

// Place returns ErrNoPlace when a table or a column is not there.
func (f *Fill) Place(table string, columns []string) error {
	has := f.tables[table]
	if has == nil {
		return fmt.Errorf("%w: the table %s", ErrNoPlace, table)
	}
	for _, c := range columns {
		if !has[c] {
			return fmt.Errorf("%w: the column %s.%s", ErrNoPlace, table, c)
		}
	}
	return nil
}

// Rows adds rows of a table in one transaction.
func (f *Fill) Rows(ctx context.Context, table string, columns []string, rows [][]any) error {
	if err := f.Place(table, columns); err != nil {
		return err
	}
	err := f.d.InTx(ctx, func(tx *Tx) error {
		if tx.PG != nil {
			return tx.Pinned(func() error {
				_, err := tx.PG.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows))
				return err
			})
		}
		return tx.addLite(ctx, table, columns, rows)
	})
	if err != nil {
		return fmt.Errorf("fill %s: %w", table, translate(err))
	}
	return nil
}

// addLite adds rows by one statement that is prepared once.
func (t *Tx) addLite(ctx context.Context, table string, columns []string, rows [][]any) error {
	names, marks := make([]string, len(columns)), make([]string, len(columns))
	for i, c := range columns {
		names[i], marks[i] = ident(c), "$"+strconv.Itoa(i+1)
	}
	insert := "INSERT INTO " + ident(table) + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	for _, row := range rows {
		named := make([]driver.NamedValue, len(row))
		for i, v := range row {
			named[i] = driver.NamedValue{Ordinal: i + 1, Value: liteValue(v)}
		}
		if _, err := t.db.ExecContext(context.WithValue(ctx, boundKey{}, named), insert); err != nil {
			return err
		}
	}
	return nil
}

// Whole brings references and triggers back, and returns an error when a reference leads
// nowhere.
func (f *Fill) Whole(ctx context.Context) error {
	if !f.d.Postgres() {
		var wrong []struct{ Table, Parent string }
		if err := f.d.write.NewRaw(`SELECT "table", parent FROM pragma_foreign_key_check LIMIT 1`).Scan(ctx, &wrong); err != nil {
			return translate(err)
		}
		if len(wrong) > 0 {
			return fmt.Errorf("%w: a row of %s names one of %s that is not there", ErrReferenced, wrong[0].Table, wrong[0].Parent)
		}
	}
	for _, s := range f.after {
		if _, err := f.d.write.ExecContext(ctx, s); err != nil {
			return translate(err)
		}
	}
	return nil
}

// TableAs is a table with some of its columns, to read from a snapshot what was filled in.
func TableAs(name string, columns []BackupColumn) *BackupTable {
	return &BackupTable{Name: name, Columns: slices.Clone(columns)}
}

// MoveBlob says where the content of a file lies now.
func (t *Tx) MoveBlob(ctx context.Context, id, storage string) error {
	res, err := t.db.NewUpdate().Model((*Blob)(nil)).Set("storage = ?", storage).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// SearchAnew says that messages are to be put into the index of the search, which a backup
// does not have.
func (t *Tx) SearchAnew(ctx context.Context) error {
	var total int64
	err := t.db.NewRaw("SELECT count(*) FROM messages AS m JOIN rooms AS r ON r.id = m.room_id WHERE r.course_id IS NOT NULL").Scan(ctx, &total)
	if err != nil || total == 0 {
		return translate(err)
	}
	return t.SetSetting(ctx, backfillKey, string(ToJSON(backfill{Backfill: Backfill{Total: total}})))
}
