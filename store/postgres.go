package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
)

// wireSettings are the session settings that change the meaning of a statement or the
// form of a value on the wire. A database or a role may have other defaults (ALTER
// DATABASE ... SET). The time zone and the encoding are sent at the start of a
// connection, which poolers understand.
var wireSettings = []struct{ name, value string }{
	{"bytea_output", "hex"},
	{"datestyle", "ISO, MDY"},
	{"intervalstyle", "postgres"},
	{"extra_float_digits", "1"},
	{"standard_conforming_strings", "on"}, // otherwise a backslash in a text would be an escape
	{"array_nulls", "on"},
	{"transform_null_equals", "off"},
	{"default_transaction_isolation", "read committed"},
}

func openPostgres(ctx context.Context, o Options) (*DB, error) {
	cfg, err := poolConfig("database.url", o.URL)
	if err != nil {
		return nil, err
	}
	cfg.MaxConns = int32(o.Pool)
	pooled := o.ListenURL != ""
	if !pooled {
		cfg.ConnConfig.AfterConnect = setWire
	} else if !strings.Contains(o.URL, "default_query_exec_mode=") {
		// A pooler may give each transaction another session. That session lacks the
		// statements that an earlier one has prepared.
		cfg.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to Postgres: %w", err)
	}
	listen := pool
	if pooled {
		direct, err := poolConfig("database.listen_url", o.ListenURL)
		if err == nil {
			direct.MaxConns = 2 // listening connections are taken out of the pool
			direct.ConnConfig.AfterConnect = setWire
			listen, err = pgxpool.NewWithConfig(ctx, direct)
		}
		if err != nil {
			pool.Close()
			return nil, err
		}
	}
	b := bun.NewDB(sql.OpenDB(newConnector(pool)), pgdialect.New())
	// The pgx pool limits and keeps the connections. database/sql only borrows them.
	b.SetMaxIdleConns(0)
	db := &DB{write: b, read: b, pool: pool, listen: listen, node: o.Node}
	db.notifier = newNotifier(o.Node, db.connectToNotify)
	db.Queries = Queries{b}
	return db, nil
}

// connectToNotify is Connect for notifications. Their commits need not wait for the disk:
// after a crash of the server nobody waits for them any more.
func (d *DB) connectToNotify(ctx context.Context) (*pgx.Conn, error) {
	cfg := d.listen.Config().ConnConfig.Copy()
	cfg.RuntimeParams["synchronous_commit"] = "off"
	return pgx.ConnectConfig(ctx, cfg)
}

// errSessionLost ends work that must not go on in another session.
var errSessionLost = errors.New("the connection to Postgres was lost")

// oneSession opens the database past any pooler with a single session. When the session is
// lost, every later statement fails. A query beside an open transaction would wait for
// ever.
func (d *DB) oneSession(ctx context.Context) (*DB, error) {
	cfg := d.listen.Config()
	cfg.MaxConns, cfg.MinConns = 1, 0
	cfg.MaxConnLifetime, cfg.MaxConnLifetimeJitter, cfg.MaxConnIdleTime = sessionLives, 0, sessionLives
	var begun atomic.Bool
	cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error {
		if begun.Swap(true) {
			return errSessionLost
		}
		return nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	b := bun.NewDB(sql.OpenDB(newConnector(pool)), pgdialect.New())
	b.SetMaxIdleConns(0)
	return &DB{Queries: Queries{b}, write: b, read: b, pool: pool, listen: d.listen, notifier: d.notifier, node: d.node,
		committed: d.committed, gained: d.gained, accounts: d.accounts}, nil
}

// sessionLives is longer than any migration takes.
const sessionLives = 365 * 24 * time.Hour

// poolConfig parses the URL of a setting.
func poolConfig(setting, url string) (*pgxpool.Config, error) {
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		// Do not show pgx's own text: it may quote the URL, and with it the password.
		return nil, fmt.Errorf("%s is not a Postgres URL (want postgres://user:password@host:5432/name)", setting)
	}
	cfg.MaxConnLifetime = time.Hour
	cfg.MaxConnLifetimeJitter = 10 * time.Minute
	cfg.HealthCheckPeriod = 15 * time.Second
	cfg.ConnConfig.RuntimeParams["application_name"] = "coagent"
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	cfg.ConnConfig.RuntimeParams["client_encoding"] = "UTF8"
	if cfg.ConnConfig.ConnectTimeout == 0 {
		cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	}
	// Make pgx return times in UTC; by default it uses the machine's zone.
	cfg.AfterConnect = func(_ context.Context, conn *pgx.Conn) error {
		conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID,
			Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC}})
		return nil
	}
	return cfg, nil
}

// setWire sets the settings of a new session that the program relies on.
func setWire(ctx context.Context, conn *pgconn.PgConn) error {
	var set strings.Builder
	for _, s := range wireSettings {
		fmt.Fprintf(&set, "SET %s = '%s';", s.name, s.value)
	}
	// Compiling a plan takes longer than any statement of ours: a search of 10 ms takes 150.
	set.WriteString("SET jit = off;")
	_, err := conn.Exec(ctx, set.String()).ReadAll()
	return err
}

// probeWithin is how long a notification to ourselves may take. After that, something
// between us and the server must be holding it back.
const probeWithin = 5 * time.Second

// CheckConnection refuses a connection on which the program could not work reliably, and
// names the remedy. It refuses a pooler that hands sessions on, an encoding that cannot
// hold every text, and settings that a pooler does not let us change. It does nothing on
// SQLite. Call it before any other statement.
func (d *DB) CheckConnection(ctx context.Context) error {
	if d.pool == nil {
		return nil
	}
	if err := d.checkListening(ctx); err != nil {
		return err
	}
	var encoding string
	if err := d.pool.QueryRow(ctx, "SHOW server_encoding", pgx.QueryExecModeExec).Scan(&encoding); err != nil {
		return fmt.Errorf("ask for the database's encoding: %w", translate(err))
	}
	if encoding != "UTF8" {
		return fmt.Errorf("the database's encoding is %s, which cannot hold every text: make one with CREATE DATABASE ... ENCODING 'UTF8' TEMPLATE template0", encoding)
	}
	if d.listen == d.pool {
		return nil
	}
	for _, s := range wireSettings {
		var is string
		if err := d.pool.QueryRow(ctx, "SHOW "+s.name, pgx.QueryExecModeExec).Scan(&is); err != nil {
			return fmt.Errorf("ask for %s: %w", s.name, translate(err))
		}
		if !strings.EqualFold(is, s.value) {
			return fmt.Errorf("the database or its role sets %s to %q, and behind a pooler no connection can change that for itself: "+
				"run ALTER DATABASE ... SET %[1]s = '%[3]s' (or ALTER ROLE), then let the pooler reconnect", s.name, is, s.value)
		}
	}
	return nil
}

// checkListening sends a notification through the pool and waits for it on a separate
// connection, as the listeners do later.
func (d *DB) checkListening(ctx context.Context) error {
	conn, err := d.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connect to Postgres: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	channel := "coagent_probe_" + strings.ReplaceAll(NewID(), "-", "")
	if _, err := conn.Exec(ctx, "LISTEN "+channel, pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("listen for notifications: %w", translate(err))
	}
	if _, err := d.pool.Exec(ctx, "SELECT pg_notify('"+channel+"', '')", pgx.QueryExecModeExec); err != nil {
		return fmt.Errorf("send a notification: %w", translate(err))
	}
	waiting, cancel := context.WithTimeout(ctx, probeWithin)
	defer cancel()
	_, err = conn.WaitForNotification(waiting)
	switch {
	case err == nil || ctx.Err() != nil:
		return ctx.Err()
	case waiting.Err() == nil: // it was not the wait that has ended
		return fmt.Errorf("wait for a notification: %w", translate(err))
	}
	if d.listen != d.pool {
		return errors.New("a notification sent through database.url does not reach database.listen_url: " +
			"database.listen_url must lead to the Postgres server itself, past any pooler, and to the same database")
	}
	return errors.New("database.url leads through a pooler that gives each transaction another session (PgBouncer in transaction mode), " +
		"so no notification arrives: set database.listen_url (COAGENT_DATABASE_LISTEN_URL) to the address of the Postgres server itself, beside it")
}
