package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
)

// connector lends the connections of the pgx pool to database/sql, and so to bun.
//
// bun writes its arguments into the text of a statement, so nearly every text is new. pgx
// prepares and caches each text by default: that would cost a second round trip and fill
// its cache. So statements without arguments use the simple protocol. River uses the pool
// directly, with arguments, and keeps its prepared statements.
type connector struct{ inner driver.Connector }

func newConnector(pool *pgxpool.Pool) driver.Connector {
	return connector{stdlib.GetPoolConnector(pool)}
}

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.inner.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &driverConn{conn.(*stdlib.Conn)}, nil
}

func (c connector) Driver() driver.Driver { return c.inner.Driver() }

// driverConn is stdlib's connection that uses the simple protocol for queries without
// arguments.
type driverConn struct{ *stdlib.Conn }

func (c *driverConn) pgx() *pgx.Conn { return c.Conn.Conn() }

// QueryContext runs one statement (database/sql/driver.QueryerContext).
func (c *driverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	countRead(ctx)
	if values := boundTo(ctx); values != nil {
		args = values
	} else if len(args) == 0 {
		args = []driver.NamedValue{{Ordinal: 1, Value: pgx.QueryExecModeSimpleProtocol}}
	}
	return c.Conn.QueryContext(ctx, query, args)
}

// ExecContext runs one statement (database/sql/driver.ExecerContext).
func (c *driverConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if values := boundTo(ctx); values != nil {
		args = values
	}
	return c.Conn.ExecContext(ctx, query, args)
}

// boundKey is the context key of a statement's values.
type boundKey struct{}

func boundTo(ctx context.Context) []driver.NamedValue {
	values, _ := ctx.Value(boundKey{}).([]driver.NamedValue)
	return values
}

// bound sends values beside a statement instead of inside its text. The text stays the
// same, so each connection parses and plans it once. It is for the few statements that
// nearly every request runs. It returns the context for this one statement, and the
// placeholders to write in it.
func (q Queries) bound(ctx context.Context, values ...any) (context.Context, []any) {
	marks := make([]any, len(values))
	for i := range values {
		marks[i] = bun.Safe("$" + strconv.Itoa(i+1))
	}
	return q.boundText(ctx, values...), marks
}

// boundText is bound for a text that has its placeholders: $1, $2 and so on.
func (q Queries) boundText(ctx context.Context, values ...any) context.Context {
	named := make([]driver.NamedValue, len(values))
	for i, v := range values {
		if text, ok := v.(string); ok && !utf8.ValidString(text) {
			v = string([]rune(text)) // each byte that is no UTF-8 becomes U+FFFD
		}
		if !q.postgres() {
			v = liteValue(v)
		}
		named[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return context.WithValue(ctx, boundKey{}, named)
}

// liteValue is a value as bun writes it into a statement for SQLite. Times in the database
// are compared as text, so all of them must have one form.
func liteValue(v any) driver.Value {
	switch v := v.(type) {
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.999999-07:00")
	case int:
		return int64(v)
	case string:
		if strings.IndexByte(v, 0) >= 0 {
			return errNul // liteConn refuses it
		}
	}
	return v
}

var errNul = errors.New("a text with a NUL byte")
