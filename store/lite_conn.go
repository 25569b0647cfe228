package store

import (
	"cmp"
	"container/list"
	"context"
	"database/sql/driver"
	"errors"
	"regexp"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// liteConnector opens SQLite connections that keep prepared statements.
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
	return &liteConn{sqliteConn: conn.(sqliteConn), kept: map[string]*list.Element{}}, nil
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

// maxKept bounds the prepared statements of a connection. We bind few texts; the job queue
// has some with lists of any length.
const maxKept = 64

// liteConn is the driver's connection that prepares each text with values only once. To
// parse and plan a short statement takes SQLite longer than to run it. Texts without
// values are mostly new each time, since bun writes its arguments into them.
type liteConn struct {
	sqliteConn
	kept  map[string]*list.Element // of *liteStmt, by text
	order list.List                // the most recently used first
	inTx  bool
	lost  error // why the transaction cannot go on
}

// liteStmt is a prepared statement.
type liteStmt struct {
	sqliteStmt
	text string
	open bool // its rows are being read
}

// sqliteStmt has every method of the driver's statement that is used.
type sqliteStmt interface {
	driver.Stmt
	driver.StmtExecContext
	driver.StmtQueryContext
}

// QueryContext runs one statement (database/sql/driver.QueryerContext).
func (c *liteConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	countRead(ctx)
	ctx, args, stmt, err := c.begin(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		rows, err := c.sqliteConn.QueryContext(ctx, query, args)
		return rows, c.failed(err)
	}
	rows, err := stmt.QueryContext(ctx, args)
	if err != nil {
		return nil, c.failed(err)
	}
	stmt.open = true
	return &liteRows{rows.(sqliteRows), stmt, c}, nil
}

// ExecContext runs one statement (database/sql/driver.ExecerContext).
func (c *liteConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	ctx, args, stmt, err := c.begin(ctx, query, args)
	if err != nil {
		return nil, err
	}
	if stmt == nil {
		res, err := c.sqliteConn.ExecContext(ctx, query, args)
		return res, c.failed(err)
	}
	res, err := stmt.ExecContext(ctx, args)
	return res, c.failed(err)
}

// begin returns the context and the values of a statement, and the prepared one, or nil
// when its text must be run. A statement that changes rows rolls its whole transaction back when it is
// interrupted, also what others have written in it. So in a transaction a context that
// ends takes effect between the statements.
func (c *liteConn) begin(ctx context.Context, query string, args []driver.NamedValue) (context.Context, []driver.NamedValue, *liteStmt, error) {
	values, keep := ctx.Value(boundKey{}).([]driver.NamedValue)
	if keep {
		args = values
	}
	for _, a := range args {
		if err, ok := a.Value.(error); ok {
			return nil, nil, nil, err
		}
	}
	if c.inTx {
		if err := cmp.Or(c.lost, ctx.Err()); err != nil {
			return nil, nil, nil, err
		}
		ctx = context.WithoutCancel(ctx)
	}
	if !keep && len(args) == 0 {
		return ctx, args, nil, nil
	}
	stmt, err := c.stmt(ctx, query)
	return ctx, args, stmt, c.failed(err)
}

// failed returns err. After the errors that make SQLite roll a whole transaction back, the
// transaction must not go on: each later statement would commit by itself.
func (c *liteConn) failed(err error) error {
	var se *sqlite.Error
	if c.inTx && errors.As(err, &se) {
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY,
			sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_CORRUPT:
			c.lost = err
		}
	}
	return err
}

// limitMark finds a placeholder that is all of a LIMIT or OFFSET. SQLite plans by its value, and so
// parses and plans the statement anew each time that the value is set. With a sign in
// front it does not look at the value.
var limitMark = regexp.MustCompile(`(?i)\b(LIMIT|OFFSET)\s+([?$:@])`)

// stmt returns the prepared statement of a text, or nil while the rows of its last use are
// being read.
func (c *liteConn) stmt(ctx context.Context, text string) (*liteStmt, error) {
	if e := c.kept[text]; e != nil {
		c.order.MoveToFront(e)
		if s := e.Value.(*liteStmt); !s.open {
			return s, nil
		}
		return nil, nil //nolint:nilnil // the caller runs the text instead
	}
	made, err := c.PrepareContext(ctx, limitMark.ReplaceAllString(text, "$1 +$2"))
	if err != nil {
		return nil, err
	}
	for e := c.order.Back(); e != nil && c.order.Len() >= maxKept; {
		s, before := e.Value.(*liteStmt), e.Prev()
		if !s.open {
			c.order.Remove(e)
			delete(c.kept, s.text)
			_ = s.Close() // it was reset after its last use
		}
		e = before
	}
	s := &liteStmt{sqliteStmt: made.(sqliteStmt), text: text}
	c.kept[text] = c.order.PushFront(s)
	return s, nil
}

// Close ends the kept statements and the connection.
func (c *liteConn) Close() error {
	for e := c.order.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*liteStmt).Close() // only the error of closing the connection matters
	}
	return c.sqliteConn.Close()
}

// BeginTx begins a transaction (database/sql/driver.ConnBeginTx).
func (c *liteConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	tx, err := c.sqliteConn.BeginTx(ctx, opts)
	if err != nil {
		return nil, err
	}
	c.inTx, c.lost = true, nil
	return &liteTx{tx, c}, nil
}

// liteTx is the driver's transaction that tells its connection when it ends.
type liteTx struct {
	driver.Tx
	conn *liteConn
}

// Commit commits (database/sql/driver.Tx).
func (t *liteTx) Commit() error {
	if t.conn.lost != nil {
		_ = t.Rollback() // SQLite may have done so
		return t.conn.lost
	}
	t.conn.inTx = false
	return t.Tx.Commit()
}

// Rollback rolls back (database/sql/driver.Tx).
func (t *liteTx) Rollback() error {
	t.conn.inTx = false
	return t.Tx.Rollback()
}

// sqliteRows has every method of the driver's rows that database/sql uses.
type sqliteRows interface {
	driver.Rows
	driver.RowsColumnTypeDatabaseTypeName
	driver.RowsColumnTypeLength
	driver.RowsColumnTypeNullable
	driver.RowsColumnTypePrecisionScale
	driver.RowsColumnTypeScanType
}

// liteRows are the rows of a kept statement.
type liteRows struct {
	sqliteRows
	stmt *liteStmt
	conn *liteConn
}

// Next reads the next row (database/sql/driver.Rows).
func (r *liteRows) Next(dest []driver.Value) error { return r.conn.failed(r.sqliteRows.Next(dest)) }

// Close ends the reading, so that the statement may run again.
func (r *liteRows) Close() error {
	r.stmt.open = false
	return r.sqliteRows.Close()
}
