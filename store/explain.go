package store

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Explain says in words why a database refused; "" for any other error. Of the URL it
// names only the host, never the user or the password.
func Explain(err error) string {
	var refused *pgconn.PgError
	var connect *pgconn.ConnectError
	var parse *pgconn.ParseConfigError
	var lite *sqlite.Error
	switch {
	case Full(err):
		return "no space is left for the database; make room on its disk"
	case errors.Is(err, ErrLost):
		return "the connection to the database was lost; look whether Postgres runs, and run the command again"
	case errors.As(err, &refused):
		return explainPostgres(refused)
	case errors.As(err, &connect):
		return fmt.Sprintf("the database at %s cannot be reached (%s); check database.url (DATABASE_URL) and that Postgres runs",
			net.JoinHostPort(connect.Config.Host, fmt.Sprint(connect.Config.Port)), explainNetwork(err))
	case errors.As(err, &parse):
		return "database.url (DATABASE_URL) is no address of a database, such as postgres://user:password@host:5432/name"
	case errors.As(err, &lite):
		return explainSQLite(lite)
	}
	return ""
}

func explainPostgres(e *pgconn.PgError) string {
	switch e.Code {
	case "28P01", "28000":
		return "the database refuses this user or password; check database.url (DATABASE_URL)"
	case "3D000":
		return "there is no such database; make it with createdb, or check database.url (DATABASE_URL)"
	case "42501":
		return "the database's user lacks a right: " + e.Message
	case "53300":
		return "the database takes no more connections; lower database.pool, or raise max_connections of Postgres"
	case pgAdminShutdown, pgCrashShutdown:
		return "the connection to the database was lost; look whether Postgres runs, and run the command again"
	case "57P03":
		return "the database is starting or stopping; try again in a moment"
	}
	return "the database refuses: " + e.Message
}

func explainNetwork(err error) string {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "no such host"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "no answer"
	case strings.Contains(err.Error(), "refused"):
		return "connection refused"
	}
	return "connection failed"
}

func explainSQLite(e *sqlite.Error) string {
	switch e.Code() & 0xff {
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED:
		return "another process writes to the database; try again in a moment"
	case sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY:
		return "the database's file cannot be opened for writing; check data_dir (COAGENT_DATA_DIR) and its owner"
	case sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return "the database's file is damaged, or is none; put a backup back into data_dir"
	}
	return "the database refuses the command"
}
