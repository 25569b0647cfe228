// Package store keeps every row that coagent has, on Postgres or on SQLite.
//
// It is the only package that imports bun. Of our packages it imports only the
// migrations. Queries has every statement; DB and Tx embed it. DB is for reading, Tx for
// writing. On SQLite the pool behind DB refuses writes, so a change outside InTx fails in
// the first test that runs it.
//
// # Invariants
//
//   - Nothing leaves the process before the commit (AfterCommit), not even a notification.
//   - A room's events are numbered 1..n without a gap, in the order of their commits.
//   - A version or an attempt column fences every edit.
//   - Ids are UUIDv7 text; times are UTC with microseconds.
//   - Every list has a bound.
//
// # Lock order
//
// A transaction that changes several of these rows locks them in this order: workflow,
// course, project, room, agent, message, turn, the turn's steps, agent in a room, person.
// Several rooms are locked in the order of their ids. With another order two transactions
// could wait for each other.
//
// NextSeq, AddMessage and RoomForUpdate lock the room. An agent's message takes a shared
// lock of the agent's row; deleting the agent takes that lock exclusively.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	"modernc.org/sqlite" // the "sqlite" driver of database/sql
	sqlite3 "modernc.org/sqlite/lib"
)

// Queries has every statement. It runs on the read side of a DB, or in a Tx.
type Queries struct{ db bun.IDB }

// DB is one database. Its own queries only read; changes go through InTx.
type DB struct {
	Queries
	write     *bun.DB
	read      *bun.DB
	pool      *pgxpool.Pool // nil on SQLite
	listen    *pgxpool.Pool // past any pooler; equal to pool where there is no pooler
	notifier  *notifier     // nil on SQLite
	lane      lane          // who has SQLite's writer
	path      string        // the database file; empty on Postgres
	node      string
	committed func([]Event)
	gained    func(context.Context, *Tx, []string) error
	accounts  func(ids []string)
	changes   atomic.Uint64
	zone      *time.Location // of the days of figures; nil is UTC
}

// Options say which database to open and how.
type Options struct {
	URL       string // postgres://..., or sqlite:<path>
	ListenURL string // the Postgres server itself, where URL leads through a pooler; empty means URL
	Pool      int    // connections at most (Postgres), 20 when zero
	Node      string // names this process in notifications; a random id when empty
}

// NewID returns a new UUIDv7 (RFC 9562). Such ids sort by the time they were made.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// Open connects to the database. It neither migrates nor checks the schema.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.Node == "" {
		o.Node = NewID()
	}
	if o.Pool <= 0 {
		o.Pool = 20
	}
	if path, ok := strings.CutPrefix(o.URL, "sqlite:"); ok {
		return openSQLite(ctx, path, o)
	}
	return openPostgres(ctx, o)
}

// sqliteDSN returns the name that opens path with the pragmas which the whole program
// relies on:
//
//   - busy_timeout comes first, so that the others wait instead of failing.
//   - WAL lets readers go on beside the writer.
//   - synchronous FULL keeps an acknowledged commit through a power cut; NORMAL is
//     faster and may lose the last commits.
//   - Immediate transactions take the write lock at once, so that none of them
//     fails half-way with "busy".
//   - Times are read back in UTC, not in a zone without a name.
//   - The log moves into the file only after 64 MiB, and at the end. Until then the
//     file does not change, so a copy of the folder has a file and a log that fit.
//
// The writer caches 4 MB of pages, and each reading connection 2 MB: there are as many of
// them as cores, and the system caches the file's pages too. The caches fill up within
// minutes and are then all that grows in memory on SQLite.
func sqliteDSN(path string, extra ...string) string {
	pragmas := append([]string{"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)",
		"foreign_keys(ON)", "temp_store(MEMORY)", "wal_autocheckpoint(16384)"}, extra...)
	// The name is a URI (https://www.sqlite.org/uri.html). Unescaped, a folder named "C#"
	// would end the path.
	path = strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(path)
	return "file:" + path + "?_txlock=immediate&_timezone=UTC&_pragma=" + strings.Join(pragmas, "&_pragma=")
}

func openSQLite(ctx context.Context, path string, o Options) (*DB, error) {
	if err := createPrivate(path); err != nil {
		return nil, fmt.Errorf("open the database: %w", err)
	}
	writer, err := newLiteConnector(sqliteDSN(path, "cache_size(-4000)"))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	w := sql.OpenDB(writer)
	// SQLite has one writer. With a pool of one the others wait in Go, in order.
	w.SetMaxOpenConns(1)
	if err := pingLite(ctx, w); err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	reader, err := newLiteConnector(sqliteDSN(path, "query_only(ON)", "cache_size(-2000)"))
	if err != nil {
		_ = w.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	r := sql.OpenDB(reader)
	r.SetMaxOpenConns(max(4, runtime.NumCPU()))
	r.SetMaxIdleConns(max(4, runtime.NumCPU()))
	db := &DB{write: bun.NewDB(w, sqlitedialect.New()), read: bun.NewDB(r, sqlitedialect.New()), path: path, node: o.Node,
		lane: lane{groupFor: groupFor}}
	db.Queries = Queries{db.read}
	return db, nil
}

// pingLite opens the first connection and retries "busy" for 10 s. Another process that
// turns the same file into a WAL database at this moment takes a lock for which
// busy_timeout does not wait.
func pingLite(ctx context.Context, db *sql.DB) error {
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := db.PingContext(ctx)
		var busy *sqlite.Error
		if !errors.As(err, &busy) || busy.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(deadline) {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// createPrivate makes a new database file that only its owner may read; SQLite would let
// everybody read it. It does not even open a file that exists: closing that file would
// release the locks that this process has on it (POSIX, fcntl).
func createPrivate(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// Close ends every connection. It waits for those in use.
func (d *DB) Close() error {
	var err error
	if d.pool != nil {
		d.notifier.close()
		err = d.write.Close()
		d.pool.Close()
		d.listen.Close()
		return err
	}
	err = d.read.Close()
	if werr := d.write.Close(); werr != nil {
		err = werr
	}
	return err
}

// Postgres tells whether the database is Postgres; otherwise it is SQLite.
func (d *DB) Postgres() bool { return d.pool != nil }

// Pool is the connection pool, which the job queue shares; nil on SQLite.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Writer is SQLite's one writing connection, which the job queue shares.
func (d *DB) Writer() *sql.DB { return d.write.DB }

// Reader is SQLite's reading side, which the job queue shares.
func (d *DB) Reader() *sql.DB { return d.read.DB }

// Node names this process in notifications.
func (d *DB) Node() string { return d.node }

// Ping asks the database for an answer.
func (d *DB) Ping(ctx context.Context) error {
	var one int
	return translate(d.db.NewRaw("SELECT 1").Scan(ctx, &one))
}

// ListenPool is the pool from which the job queue takes its connection for notifications.
// No pooler stands between it and the server. It is nil on SQLite.
func (d *DB) ListenPool() *pgxpool.Pool { return d.listen }

// Connect opens one connection outside the pool and past any pooler. Listening and
// session locks need it. Postgres only.
func (d *DB) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, d.listen.Config().ConnConfig)
}
