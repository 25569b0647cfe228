package store

import (
	"context"
	"database/sql/driver"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect"
	"modernc.org/sqlite"
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
	marks, named := make([]any, len(values)), make([]driver.NamedValue, len(values))
	sign := "$"
	if q.db.Dialect().Name() == dialect.SQLite {
		sign = "?"
		if _, reading := q.db.(*bun.DB); !reading {
			// The writer belongs to River too and has the bare driver's connection.
			copy(marks, values)
			return ctx, marks
		}
	}
	for i, v := range values {
		n := i + 1
		marks[i], named[i] = bun.Safe(sign+strconv.Itoa(n)), driver.NamedValue{Ordinal: n, Value: v}
	}
	return context.WithValue(ctx, boundKey{}, named), marks
}

// liteConnector opens SQLite connections that keep their prepared bound statements.
type liteConnector struct{ driver.Connector }

func newLiteConnector(dsn string) (driver.Connector, error) {
	c, err := sqlite.NewConnector(dsn)
	return liteConnector{c}, err
}

func (c liteConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &liteConn{sqliteConn: conn.(sqliteConn), kept: map[string]driver.StmtQueryContext{}}, nil
}

// sqliteConn has every method of the driver's connection that database/sql uses.
type sqliteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// liteConn is the driver's connection with the prepared statements of bound queries.
// There are few such texts; the statements end with the connection.
type liteConn struct {
	sqliteConn
	kept map[string]driver.StmtQueryContext
}

// QueryContext runs one statement (database/sql/driver.QueryerContext).
func (c *liteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	countRead(ctx)
	values := boundTo(ctx)
	if values == nil {
		return c.sqliteConn.QueryContext(ctx, query, args)
	}
	stmt := c.kept[query]
	if stmt == nil {
		made, err := c.PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		stmt = made.(driver.StmtQueryContext)
		c.kept[query] = stmt
	}
	return stmt.QueryContext(ctx, values)
}

// Close ends the kept statements and the connection.
func (c *liteConn) Close() error {
	for _, stmt := range c.kept {
		_ = stmt.(driver.Stmt).Close() // only the error of closing the connection matters
	}
	return c.sqliteConn.Close()
}
