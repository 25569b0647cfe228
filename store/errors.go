package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// The three errors on which a caller decides. Every other error is a fault.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("already exists")
	ErrStale    = errors.New("changed since it was read")
)

// ErrFull says that the disk or the database has no space left for a write.
var ErrFull = errors.New("no space left for the database")

// Full tells whether an error says that the disk or the database has no space left. On
// SQLite a file that cannot be written or made longer is one.
func Full(err error) bool {
	var se *sqlite.Error
	if errors.As(err, &se) {
		return se.Code()&0xff == sqlite3.SQLITE_FULL || se.Code()&0xff == sqlite3.SQLITE_IOERR
	}
	return errors.Is(err, ErrFull)
}

// ErrLost says that the connection to the database has ended while it was used.
var ErrLost = errors.New("the connection to the database was lost")

// lostError is an ErrLost with the driver's error.
type lostError struct{ error }

// Error says what was lost, and why.
func (e *lostError) Error() string { return ErrLost.Error() + ": " + e.error.Error() }

// Is tells that it is an ErrLost.
func (e *lostError) Is(target error) bool { return target == ErrLost }

// Unwrap returns the driver's error.
func (e *lostError) Unwrap() error { return e.error }

// lost tells whether a driver's error says that the connection has ended. The driver ends it
// by itself when a context does.
func lost(err error) bool {
	var pe *pgconn.PgError
	var connect *pgconn.ConnectError
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.As(err, &connect):
		return false
	case errors.As(err, &pe):
		return strings.HasPrefix(pe.Code, "08") || pe.Code == pgAdminShutdown || pe.Code == pgCrashShutdown
	}
	return errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.ErrUnexpectedEOF)
}

// ErrReferenced says that a row refers to a row that does not exist, or that another row
// still refers to it.
var ErrReferenced = errors.New("referenced row is missing or still in use")

// ErrArchived says that a room's course is archived, so that nothing can be added to it or
// changed.
var ErrArchived = errors.New("the course is archived")

// Postgres' codes (https://www.postgresql.org/docs/current/errcodes-appendix.html).
const (
	pgUniqueViolation     = "23505"
	pgForeignKeyViolation = "23503"
	pgDiskFull            = "53100"
	pgDeadlock            = "40P01"
	pgAdminShutdown       = "57P01"
	pgCrashShutdown       = "57P02"
)

// translate turns a driver's error into one of these errors and keeps the driver's text
// for the log.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, sql.ErrNoRows) { // pgx.ErrNoRows is one too
		return ErrNotFound
	}
	if lost(err) {
		return &lostError{err}
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		switch pe.Code {
		case pgUniqueViolation:
			return fmt.Errorf("%w: %s", ErrExists, pe.ConstraintName)
		case pgForeignKeyViolation:
			return fmt.Errorf("%w: %s", ErrReferenced, pe.ConstraintName)
		case pgDeadlock:
			// Two deletions met, for example of a room and of an agent in it. The one
			// that failed has changed nothing and may be tried again.
			return fmt.Errorf("%w: %s", ErrStale, pe.Message)
		case pgDiskFull:
			return fmt.Errorf("%w: %s", ErrFull, pe.Message)
		}
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return fmt.Errorf("%w: %s", ErrExists, se.Error())
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return fmt.Errorf("%w: %s", ErrReferenced, se.Error())
		}
		if Full(err) {
			return fmt.Errorf("%w: %s", ErrFull, se.Error())
		}
	}
	return err
}

// UnlessMissing returns err, or nil when err says that a row does not exist.
func UnlessMissing(err error) error {
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}
