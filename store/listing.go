package store

import (
	"context"
	"database/sql"
	"iter"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

const (
	// portion is how many bytes of rows a Listing reads at a time. A larger row is read
	// alone.
	portion = 64 << 10
	// rowOverhead is how many bytes a row takes beside its texts.
	rowOverhead = 512
)

// Listing is a list as it was at one moment. It knows the ids of the rows, their order
// and their sizes, and reads the rows in portions. So a long list takes no more memory
// than a short one, and a slow reader keeps no database connection. The statement that
// finds the rows mostly reads the first portion too, so that a short list takes no other.
//
// Rows that are deleted before their portion is read are left out. New rows are not in it.
// No row comes twice.
type Listing[T any] struct {
	// Each changes every row before a reader gets it; may be nil.
	Each func(*T)

	places []place
	read   func(ctx context.Context, places []place) ([]T, error) // in their order
}

// place is the id of a row and the size of its long texts in bytes.
type place struct {
	ID   string
	Size int64
	read int `bun:"-"` // the number of the row among those that were read with the places, from 1
}

// listed says which rows a Listing has and how to read them.
type listed[T any] struct {
	places *bun.SelectQuery // the rows in their order, without columns
	key    string           // the column that identifies a row, such as "a.id"
	size   string           // SQL for the bytes of a row's long texts; see Queries.octets
	// rows reads the rows into a model. It names all its columns, and neither conditions
	// nor joins of it may leave a row out.
	rows func(model any) *bun.SelectQuery
	in   within // where key is unique, unless that is the whole table
	id   func(*T) string
	// apart says that no rows are read with the places: the list is long and is read from
	// its other end, so that they would only lie in memory until the end.
	apart bool
}

// within is a part of a table: the rows whose column has a value. bound is the value as
// the statement of the places has it.
type within struct {
	column, value string
	bound         any
}

func listing[T any](ctx context.Context, l listed[T]) (*Listing[T], error) {
	list := &Listing[T]{}
	var first []T
	var err error
	places := l.places.ColumnExpr(l.key + " AS id").ColumnExpr(l.size + " AS size")
	if l.apart {
		err = places.Scan(ctx, &list.places)
	} else {
		finds := l.rows(new(T)).ColumnExpr("place.id AS _id").ColumnExpr("place.size AS _size")
		list.places, err = readPlaces(ctx, finds, places, l.key, l.in, func() *bun.SelectQuery {
			first = append(first, *new(T))
			return l.rows(&first[len(first)-1])
		})
	}
	list.read = l.reader(&first)
	return list, translate(err)
}

// reader returns what reads rows by their places. first are those that were read with the
// places.
func (l listed[T]) reader(first *[]T) func(ctx context.Context, places []place) ([]T, error) {
	return func(ctx context.Context, places []place) ([]T, error) {
		rows, at, others := make([]T, 0, len(places)), make(map[string]int, len(places)), make([]string, 0, len(places))
		for i, p := range places {
			at[p.ID] = i
			if p.read > 0 {
				rows = append(rows, (*first)[p.read-1])
			} else {
				others = append(others, p.ID)
			}
		}
		if len(others) > 0 {
			var more []T
			if err := readByID(ctx, l.rows(&more), l.key, l.in, others); err != nil {
				return nil, err
			}
			rows = append(rows, more...)
		}
		// Not slices.SortFunc: it is compiled anew for each type of row, which adds 15 kB
		// to the binary.
		sort.Slice(rows, func(i, j int) bool { return at[l.id(&rows[i])] < at[l.id(&rows[j])] })
		return rows, nil
	}
}

// readPlaces reads places, and with the same statement the rows of those that fit into one
// portion together. For each of these rows it calls next, which returns a query with the
// model that the row is read into.
func readPlaces(ctx context.Context, rows, places *bun.SelectQuery, key string, in within, next func() *bun.SelectQuery) ([]place, error) {
	// The sum over the first rows grows with each of them, so it keeps their order, too.
	upTo := "sum(CAST(size + " + strconv.Itoa(rowOverhead) + " AS INTEGER)) OVER (ROWS UNBOUNDED PRECEDING) AS up_to"
	from := rows.DB().NewSelect().TableExpr("(?) AS place", places).ColumnExpr("id").ColumnExpr("size").ColumnExpr(upTo)
	table := "(?) AS place LEFT JOIN ?TableName AS ?TableAlias ON " + key + " = place.id AND place.up_to <= " + strconv.Itoa(portion)
	args := []any{from}
	if in.column != "" {
		table, args = table+" AND "+in.column+" = ?", append(args, in.bound)
	}
	found, err := rows.ModelTableExpr(table, args...).OrderExpr("place.up_to").Rows(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = found.Close() }()
	columns, err := found.Columns()
	if err != nil {
		return nil, err
	}
	var all []place
	var p place
	dest := make([]any, len(columns))
	for i, column := range columns {
		switch column {
		case "_id":
			dest[i] = &p.ID
		case "_size":
			dest[i] = &p.Size
		default:
			dest[i] = passed{}
		}
	}
	size, read := int64(0), 0
	for found.Next() {
		p.read = 0
		if err := found.Scan(dest...); err != nil {
			return nil, err
		}
		if size += p.Size + rowOverhead; size <= portion {
			read++
			p.read = read
			if err := next().GetModel().(rowModel).ScanRow(ctx, found); err != nil {
				return nil, err
			}
		}
		all = append(all, p)
	}
	return all, found.Err()
}

// rowModel is what bun reads a row into. Of a row's columns it passes over those whose
// names begin with "_".
type rowModel interface {
	ScanRow(ctx context.Context, rows *sql.Rows) error
}

// passed is a column that is not read here.
type passed struct{}

// Scan reads nothing (database/sql.Scanner).
func (passed) Scan(any) error { return nil }

// readByID reads the rows with these ids, in any order. The ids are one value, so that the
// statement is prepared once however many there are, unless its text varies.
func readByID(ctx context.Context, rows *bun.SelectQuery, key string, in within, ids []string) error {
	q := Queries{rows.DB()}
	switch {
	case in.column != "":
		rows = rows.Where(in.column+" = ?", in.value).Where(key+" IN (?)", bun.List(ids))
	case q.postgres():
		ctx, rows = q.boundText(ctx, ids), rows.Where(key+" = ANY($1)")
	default:
		ctx, rows = q.boundText(ctx, string(ToJSON(ids))), rows.Where(key+" IN (SELECT value FROM json_each($1))")
	}
	return translate(rows.Limit(MaxLimit).Scan(ctx))
}

// Map returns a list that makes its items from the rows of another list, a portion at a
// time. form must return as many items as it gets rows, in their order.
func Map[T, U any](l *Listing[T], form func(ctx context.Context, rows []T) ([]U, error)) *Listing[U] {
	return &Listing[U]{places: l.places, read: func(ctx context.Context, places []place) ([]U, error) {
		rows, err := l.readPlaces(ctx, places)
		if err != nil {
			return nil, err
		}
		return form(ctx, rows)
	}}
}

// Of returns a list of a few rows that are in memory already.
func Of[T any](rows []T) *Listing[T] {
	l := &Listing[T]{places: make([]place, len(rows))}
	for i := range rows {
		l.places[i].ID = strconv.Itoa(i)
	}
	l.read = func(_ context.Context, places []place) ([]T, error) {
		from, err := strconv.Atoi(places[0].ID)
		if err != nil {
			return nil, err
		}
		return slices.Clone(rows[from : from+len(places)]), nil
	}
	return l
}

// octets is SQL for the size in bytes of several columns together. SQLite knows the size
// of a whole column without reading it. Postgres knows it for text only, not for JSON.
func (q Queries) octets(columns ...string) string {
	sizes := make([]string, len(columns))
	for i, column := range columns {
		if q.postgres() {
			column = "CAST(" + column + " AS TEXT)"
		}
		sizes[i] = "COALESCE(octet_length(" + column + "), 0)"
	}
	return strings.Join(sizes, " + ")
}

// everything reads all columns of rows into a model.
func (q Queries) everything(model any) *bun.SelectQuery {
	return q.db.NewSelect().Model(model).ColumnExpr("?TableColumns")
}

// None returns a list without rows.
func None[T any]() *Listing[T] { return &Listing[T]{} }

// IDs returns the ids of the rows, in their order.
func (l *Listing[T]) IDs() []string {
	ids := make([]string, len(l.places))
	for i, p := range l.places {
		ids[i] = p.ID
	}
	return ids
}

// Len returns how many rows there were.
func (l *Listing[T]) Len() int { return len(l.places) }

// Size returns about how many bytes all rows take.
func (l *Listing[T]) Size() (size int64) {
	for _, p := range l.places {
		size += p.Size + rowOverhead
	}
	return size
}

// Most returns about how many bytes of rows are in memory at once while the list is read:
// the size of the largest portion.
func (l *Listing[T]) Most() (most int64) {
	for from := 0; from < len(l.places); {
		to, size := l.portion(from)
		most, from = max(most, size), to
	}
	return most
}

// portion returns where the portion that begins at from ends, and its size in bytes.
func (l *Listing[T]) portion(from int) (to int, size int64) {
	for to = from; to < len(l.places); to++ {
		next := size + l.places[to].Size + rowOverhead
		if to > from && next > portion {
			break
		}
		size = next
	}
	return to, size
}

// Rows yields the rows in their order. An error ends it.
func (l *Listing[T]) Rows(ctx context.Context) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for from := 0; from < len(l.places); {
			to, _ := l.portion(from)
			rows, err := l.readPlaces(ctx, l.places[from:to])
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range rows {
				if !yield(&rows[i], nil) {
					return
				}
			}
			from = to
		}
	}
}

func (l *Listing[T]) readPlaces(ctx context.Context, places []place) ([]T, error) {
	rows, err := l.read(ctx, places)
	if err != nil {
		return nil, err
	}
	if l.Each != nil {
		for i := range rows {
			l.Each(&rows[i])
		}
	}
	return rows, nil
}
