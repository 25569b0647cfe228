package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
)

// Snapshot is the whole database as it was at one moment, to read from while others write.
// Nobody waits for it. On SQLite the log of changes cannot move into the file until it is
// closed; on Postgres no row that it may see is cleaned up.
type Snapshot struct {
	Made     time.Time // when it was taken
	Tables   []BackupTable
	LeftOut  []LeftOut
	Schema   []string // the migrations that were applied, in order
	conn     bun.Conn
	postgres bool
}

// Snapshot begins to read the database as it is now. withKeys keeps the values of encrypted
// columns, which are emptied otherwise.
func (d *DB) Snapshot(ctx context.Context, withKeys bool) (s *Snapshot, err error) {
	conn, err := d.read.Conn(ctx)
	if err != nil {
		return nil, translate(err)
	}
	s = &Snapshot{conn: conn, postgres: d.Postgres()}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close(ctx))
		}
	}()
	begin := "BEGIN DEFERRED"
	if s.postgres {
		begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	}
	if _, err := conn.ExecContext(ctx, begin); err != nil {
		return s, translate(err)
	}
	// The first statement takes the snapshot.
	if err := conn.NewRaw("SELECT name FROM "+migrationsTable+" ORDER BY name").Scan(ctx, &s.Schema); err != nil {
		return s, translate(err)
	}
	s.Made = time.Now().UTC()
	s.Tables, s.LeftOut, err = backupTables(ctx, conn, s.postgres, withKeys)
	return s, err
}

// Close ends the snapshot.
func (s *Snapshot) Close(ctx context.Context) error {
	_, err := s.conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	return errors.Join(translate(err), s.conn.Close())
}

// Setting returns one of the program's own values as it was; "" when unset.
func (s *Snapshot) Setting(ctx context.Context, key string) (string, error) {
	value, err := Queries{s.conn}.Setting(ctx, key)
	if errors.Is(err, ErrNotFound) {
		return "", nil
	}
	return value, err
}

// Count returns about how many rows the tables have, without reading them where the database
// has an estimate.
func (s *Snapshot) Count(ctx context.Context) (n int64, err error) {
	for i := range s.Tables {
		var rows int64
		q := "SELECT count(*) FROM " + ident(s.Tables[i].Name)
		if s.postgres {
			q = "SELECT GREATEST(reltuples, 0)::bigint FROM pg_class WHERE oid = to_regclass('" + ident(s.Tables[i].Name) + "')"
		}
		if err := s.conn.NewRaw(q).Scan(ctx, &rows); err != nil {
			return n, translate(err)
		}
		n += rows
	}
	return n, nil
}

// ident quotes a name; "usage" and "key" are fine without, and later ones may not be.
func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Rows reads a table. The values are nil, string, int64, float64, bool, time.Time (UTC, with
// microseconds) or []byte, and are the caller's only until each returns.
func (s *Snapshot) Rows(ctx context.Context, t *BackupTable, each func(values []any) error) error {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = ident(c.Name)
		if s.postgres && c.Kind == "text" {
			names[i] += "::text" // the text of a JSON value, as it is
		}
	}
	q := "SELECT " + strings.Join(names, ", ") + " FROM " + ident(t.Name)
	if t.where != "" {
		q += " WHERE " + t.where
	}
	rows, err := s.conn.QueryContext(ctx, q)
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, translate(err))
	}
	defer func() { _ = rows.Close() }() // the loop has seen its errors
	values, into := make([]any, len(names)), make([]any, len(names))
	for i := range into {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read %s: %w", t.Name, translate(err))
		}
		if err := t.canonical(values); err != nil {
			return err
		}
		if err := each(values); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}

// canonical gives values the types of their columns' kinds, and empties what is left out.
func (t *BackupTable) canonical(values []any) error {
	for i, c := range t.Columns {
		if blank, left := t.blank[i]; left {
			if values[i] != nil || blank != nil {
				values[i] = blank
			}
			continue
		}
		v, ok := canonical(c.Kind, values[i])
		if !ok {
			return fmt.Errorf("read %s: the column %s holds a %T that is no %s", t.Name, c.Name, values[i], c.Kind)
		}
		values[i] = v
	}
	return nil
}

// timeForms are how times stand in SQLite: as bun writes them, as SQLite's own clock does.
var timeForms = []string{"2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999", time.RFC3339Nano, "2006-01-02"}

func canonical(kind string, v any) (any, bool) {
	switch x := v.(type) {
	case nil:
		return nil, true
	case string:
		if kind == "time" {
			return canonicalTime(x)
		}
		return x, kind == "text"
	case []byte:
		if kind == "text" {
			return string(x), true
		}
		return x, kind == "bytes"
	case int64:
		switch kind {
		case "bool":
			return x != 0, true
		case "float":
			return float64(x), true
		}
		return x, kind == "int"
	case int32:
		return int64(x), kind == "int"
	case float64:
		return x, kind == "float"
	case bool:
		return x, kind == "bool"
	case time.Time:
		return x.UTC().Truncate(time.Microsecond), kind == "time"
	}
	return v, false
}

func canonicalTime(text string) (any, bool) {
	for _, form := range timeForms {
		if at, err := time.Parse(form, text); err == nil {
			return at.UTC().Truncate(time.Microsecond), true
		}
	}
	return text, false
}

// OutsideBlobs calls each with the content of files that does not lie in the database.
func (s *Snapshot) OutsideBlobs(ctx context.Context, each func(b *Blob) error) error {
	if !slices.ContainsFunc(s.Tables, func(t BackupTable) bool { return t.Name == "blobs" }) {
		return nil // a schema from before there were files
	}
	rows, err := s.conn.QueryContext(ctx, "SELECT id, size, storage FROM blobs WHERE storage <> 'database' AND file_id IS NOT NULL ORDER BY id")
	if err != nil {
		return translate(err)
	}
	defer func() { _ = rows.Close() }() // the loop has seen its errors
	for rows.Next() {
		b := &Blob{}
		if err := rows.Scan(&b.ID, &b.Size, &b.Storage); err != nil {
			return translate(err)
		}
		if err := each(b); err != nil {
			return err
		}
	}
	return translate(rows.Err())
}
