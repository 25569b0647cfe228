package store

import (
	"bytes"
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"github.com/uptrace/bun/schema"
)

// Bounds of every list that a client can ask for.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Page is a part of a list. Its zero value is the first DefaultLimit rows.
type Page struct{ Skip, Limit int }

func (p Page) on(q *bun.SelectQuery) *bun.SelectQuery {
	if p.Limit <= 0 {
		p.Limit = DefaultLimit
	}
	return q.Limit(int64(min(p.Limit, MaxLimit))).Offset(int64(max(p.Skip, 0)))
}

// JSON is a JSON value. Its text is kept as it came, with the order of its keys. An empty
// JSON is SQL NULL.
type JSON string

// ToJSON encodes a value without escaping HTML. The value must be one that can always be
// encoded.
func ToJSON(v any) JSON {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic("store: a struct of strings and numbers does not encode: " + err.Error())
	}
	return JSON(bytes.TrimSpace(b.Bytes()))
}

// Value returns what is stored (driver.Valuer). It checks the JSON: SQLite's column is
// plain text and would accept what Postgres refuses.
func (j JSON) Value() (driver.Value, error) {
	if j == "" {
		return nil, nil
	}
	if !json.Valid([]byte(j)) {
		return nil, errNotJSON
	}
	return string(j), nil
}

var errNotJSON = errors.New("not JSON")

// first scans one row into a new T.
func first[T any](ctx context.Context, q *bun.SelectQuery, row *T) (*T, error) {
	if err := q.Limit(1).Scan(ctx); err != nil {
		return nil, translate(err)
	}
	return row, nil
}

// changed turns an update or delete that touched no row into the given error.
func changed(res interface{ RowsAffected() (int64, error) }, err, none error) error {
	if err != nil {
		return translate(err)
	}
	if n, err := res.RowsAffected(); err != nil {
		return translate(err)
	} else if n == 0 {
		return none
	}
	return nil
}

// affected counts the rows that a statement has touched.
func affected(res interface{ RowsAffected() (int64, error) }, err error) (int64, error) {
	if err != nil {
		return 0, translate(err)
	}
	n, err := res.RowsAffected()
	return n, translate(err)
}

// instant is a time, or the placeholder of one, inside an SQL expression. Postgres would
// take it for text there.
func (t *Tx) instant(at any) schema.QueryWithArgs {
	if t.owner.Postgres() {
		return bun.SafeQuery("?::timestamptz", at)
	}
	return bun.SafeQuery("?", at)
}

// locked locks the rows that q selects until the transaction ends. SQLite needs no lock:
// it has one writer.
func (t *Tx) locked(q *bun.SelectQuery) *bun.SelectQuery {
	if t.PG != nil {
		return q.For("UPDATE")
	}
	return q
}

// deleteBefore deletes rows whose column dated is before a time, at most limit, by their
// id.
func (t *Tx) deleteBefore(ctx context.Context, model any, dated string, before time.Time, limit int) (int64, error) {
	old := t.db.NewSelect().Model(model).Column("id").Where("? < ?", bun.Ident(dated), before).Limit(int64(limit))
	return affected(t.db.NewDelete().Model(model).Where("id IN (?)", old).Exec(ctx))
}

// position is the SQL for where a text begins in a column, 0 when it is not there. No
// character of the text has a special meaning, as % has in LIKE.
func (q Queries) position(column, text string) schema.QueryWithArgs {
	return q.found("?", text, bun.Ident(column))
}

// postgres tells whether the queries are for Postgres.
func (q Queries) postgres() bool { return q.db.Dialect().Name() == dialect.PG }

// found is position for an SQL expression instead of a column.
func (q Queries) found(in, text string, args ...any) schema.QueryWithArgs {
	if q.postgres() {
		return bun.SafeQuery("strpos("+in+", ?)", append(args, text)...)
	}
	return bun.SafeQuery("instr("+in+", ?)", append(args, text)...)
}
