package storetest

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// Exec runs one statement past all rules, for what only a fault or another program could
// do. Its placeholders are ?. Requests know at once of every account whose id is among the
// arguments.
func Exec(tb testing.TB, db *store.DB, query string, args ...any) {
	tb.Helper()
	if err := TryExec(tb.Context(), db, query, args...); err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	for _, id := range args {
		if id, ok := id.(string); ok {
			db.AccountsChanged(id)
		}
	}
}

// TryExec runs one statement as Exec does, and returns why the database refuses it.
func TryExec(ctx context.Context, db *store.DB, query string, args ...any) error {
	if !db.Postgres() {
		_, err := db.Writer().ExecContext(ctx, query, args...)
		return err
	}
	_, err := db.Pool().Exec(ctx, numbered(query, len(args)), args...)
	return err
}

// numbered is a statement with the placeholders of Postgres.
func numbered(query string, n int) string {
	for i := range n {
		query = strings.Replace(query, "?", "$"+strconv.Itoa(i+1), 1)
	}
	return query
}

// Count runs a statement that counts. Its placeholders are ?.
func Count(tb testing.TB, db *store.DB, query string, args ...any) (n int) {
	tb.Helper()
	var err error
	if db.Postgres() {
		err = db.Pool().QueryRow(tb.Context(), numbered(query, len(args)), args...).Scan(&n)
	} else {
		err = db.Reader().QueryRowContext(tb.Context(), query, args...).Scan(&n)
	}
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	return n
}
