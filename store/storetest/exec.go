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
	for i := range args {
		query = strings.Replace(query, "?", "$"+strconv.Itoa(i+1), 1)
	}
	_, err := db.Pool().Exec(ctx, query, args...)
	return err
}
