// Package dump reads tables of somebody else's Postgres: of a live server, or of a plain
// text that pg_dump has written. It knows nothing of what the tables mean, and imports
// nothing of ours.
//
// Every value is the text that Postgres writes for it, so both sources give the same rows.
// A dump is streamed once into a temporary SQLite file, from which its tables are read in
// any order. So neither a dump nor a server needs memory for more than a few rows at a time.
package dump

import (
	"context"
	"database/sql"
	"fmt"
)

// Source is a database that is read.
type Source interface {
	// Tables has the columns of each table by the table's name.
	Tables() map[string][]string
	// Count returns the number of rows of a table, 0 for one that is not there.
	Count(ctx context.Context, table string) (int64, error)
	// Scan calls fn for each row of a table in the order of some columns. It begins behind
	// the row whose columns of the order have the values after; nil begins with the first.
	// An error of fn ends it.
	Scan(ctx context.Context, table string, order, after []string, fn func(Row) error) error
	// Close frees the source. A temporary file is deleted.
	Close() error
}

// Row is one row of a table. It holds until the function that got it returns.
type Row struct {
	columns map[string]int
	values  []sql.NullString
}

// Has tells whether the table has a column.
func (r Row) Has(column string) bool {
	_, ok := r.columns[column]
	return ok
}

// Text returns a value, "" for NULL and for a column that is not there.
func (r Row) Text(column string) string {
	i, ok := r.columns[column]
	if !ok {
		return ""
	}
	return r.values[i].String
}

// Null tells whether a value is NULL or its column is not there.
func (r Row) Null(column string) bool {
	i, ok := r.columns[column]
	return !ok || !r.values[i].Valid
}

// All returns every value by its column; nil stands for NULL.
func (r Row) All() map[string]*string {
	all := make(map[string]*string, len(r.columns))
	for name, i := range r.columns {
		all[name] = nil
		if r.values[i].Valid {
			text := r.values[i].String
			all[name] = &text
		}
	}
	return all
}

// RowOf makes a row, for tests.
func RowOf(values map[string]string) Row {
	r := Row{columns: map[string]int{}}
	for name, value := range values {
		r.columns[name] = len(r.values)
		r.values = append(r.values, sql.NullString{String: value, Valid: true})
	}
	return r
}

func indexed(columns []string) map[string]int {
	at := make(map[string]int, len(columns))
	for i, name := range columns {
		at[name] = i
	}
	return at
}

func missing(columns map[string]int, order []string, table string) error {
	for _, name := range order {
		if _, ok := columns[name]; !ok {
			return fmt.Errorf("the table %s has no column %s", table, name)
		}
	}
	return nil
}
