package store

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
)

// connector lends the pgx pool's connections to database/sql, and so to bun.
//
// bun writes its arguments into the text of a statement, so nearly every text
// is new: pgx's default, which prepares and keeps each text, would cost a
// second round trip and fill its cache. Statements without arguments therefore
// go by the simple protocol. River uses the pool directly, with arguments, and
// keeps its prepared statements.
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

// driverConn is stdlib's connection with the simple protocol for queries.
type driverConn struct{ *stdlib.Conn }

func (c *driverConn) pgx() *pgx.Conn { return c.Conn.Conn() }

// QueryContext runs one statement (database/sql/driver.QueryerContext).
func (c *driverConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if len(args) == 0 {
		args = []driver.NamedValue{{Ordinal: 1, Value: pgx.QueryExecModeSimpleProtocol}}
	}
	return c.Conn.QueryContext(ctx, query, args)
}
