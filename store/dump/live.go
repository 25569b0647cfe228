package dump

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// live is a server. All is read in one transaction that sees one state and changes nothing.
type live struct {
	conn   *pgx.Conn
	tx     pgx.Tx
	tables map[string]*liveTable
	cursor int
}

type liveTable struct {
	columns, kinds []string
	index          map[string]int
}

// portion is how many rows are fetched at a time.
const portion = 200

// closeTimeout bounds the good-bye to a server.
const closeTimeout = 5 * time.Second

// Connect opens a transaction on a server.
func Connect(ctx context.Context, url string) (Source, error) {
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, errors.New("the address of the old database cannot be read; it looks like postgres://user@host:5432/coagent, with the password in PGPASSWORD")
	}
	cfg.RuntimeParams["timezone"], cfg.RuntimeParams["datestyle"] = "UTC", "ISO, YMD"
	cfg.RuntimeParams["application_name"] = "coagent import-legacy"
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the old database: %w", err)
	}
	l := &live{conn: conn, tables: map[string]*liveTable{}}
	l.tx, err = conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err == nil {
		err = l.catalogue(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the old database: %w", err), l.Close())
	}
	return l, nil
}

func (l *live) catalogue(ctx context.Context) error {
	rows, err := l.tx.Query(ctx, `SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class AS c
		JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
		JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		WHERE c.relkind IN ('r', 'p') ORDER BY c.relname, a.attnum`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var table, column, kind string
		if err := rows.Scan(&table, &column, &kind); err != nil {
			return err
		}
		t := l.tables[table]
		if t == nil {
			t = &liveTable{index: map[string]int{}}
			l.tables[table] = t
		}
		t.index[column] = len(t.columns)
		t.columns, t.kinds = append(t.columns, column), append(t.kinds, kind)
	}
	return rows.Err()
}

// Tables implements Source.
func (l *live) Tables() map[string][]string {
	all := map[string][]string{}
	for name, t := range l.tables {
		all[name] = t.columns
	}
	return all
}

func quote(names ...string) string { return pgx.Identifier(names).Sanitize() }

// Count implements Source.
func (l *live) Count(ctx context.Context, table string) (n int64, err error) {
	if l.tables[table] == nil {
		return 0, nil
	}
	err = l.tx.QueryRow(ctx, "SELECT count(*) FROM "+quote("public", table)).Scan(&n)
	return n, err
}

// Scan implements Source.
func (l *live) Scan(ctx context.Context, table string, order, after []string, fn func(Row) error) error {
	t := l.tables[table]
	if t == nil {
		return nil
	}
	if err := missing(t.index, order, table); err != nil {
		return err
	}
	columns, by, marks := make([]string, len(t.columns)), make([]string, len(order)), make([]string, len(order))
	for i, name := range t.columns {
		columns[i] = "t." + quote(name) + "::text"
	}
	for i, name := range order {
		// The places of NULL and the order of texts are those of the temporary file of a dump.
		by[i] = "t." + quote(name)
		marks[i] = fmt.Sprintf("$%d::text::%s", i+1, t.kinds[t.index[name]])
	}
	query := "SELECT " + strings.Join(columns, ", ") + " FROM " + quote("public", table) + " AS t"
	var args []any
	if after != nil {
		query += " WHERE (" + strings.Join(by, ", ") + ") > (" + strings.Join(marks, ", ") + ")"
		for _, v := range after {
			args = append(args, v)
		}
	}
	if len(order) > 0 {
		query += " ORDER BY " + strings.Join(by, " NULLS FIRST, ") + " NULLS FIRST"
	}
	return l.fetch(ctx, t, query, args, fn)
}

// fetch reads the rows of a query by a cursor. A cursor takes no parameters over the
// extended protocol, so pgx puts them into the text.
func (l *live) fetch(ctx context.Context, t *liveTable, query string, args []any, fn func(Row) error) error {
	l.cursor++
	cursor := fmt.Sprintf("coagent_%d", l.cursor)
	args = append([]any{pgx.QueryExecModeSimpleProtocol}, args...)
	if _, err := l.tx.Exec(ctx, "DECLARE "+cursor+" NO SCROLL CURSOR FOR "+query, args...); err != nil {
		return err
	}
	for {
		rows, err := l.portion(ctx, cursor, len(t.columns))
		if err != nil {
			return err
		}
		for _, values := range rows {
			if err := fn(Row{columns: t.index, values: values}); err != nil {
				return err
			}
		}
		if len(rows) < portion {
			_, err := l.tx.Exec(ctx, "CLOSE "+cursor)
			return err
		}
	}
}

func (l *live) portion(ctx context.Context, cursor string, n int) (list [][]sql.NullString, err error) {
	rows, err := l.tx.Query(ctx, fmt.Sprintf("FETCH %d FROM %s", portion, cursor), pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		values, into := make([]sql.NullString, n), make([]any, n)
		for i := range into {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		list = append(list, values)
	}
	return list, rows.Err()
}

// Close implements Source.
func (l *live) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if l.tx != nil {
		_ = l.tx.Rollback(ctx)
	}
	return l.conn.Close(ctx)
}
