package storetest

import (
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
	var err error
	if db.Postgres() {
		for i := range args {
			query = strings.Replace(query, "?", "$"+strconv.Itoa(i+1), 1)
		}
		_, err = db.Pool().Exec(tb.Context(), query, args...)
	} else {
		_, err = db.Writer().ExecContext(tb.Context(), query, args...)
	}
	if err != nil {
		tb.Fatalf("%s: %v", query, err)
	}
	for _, id := range args {
		if id, ok := id.(string); ok {
			db.AccountsChanged(id)
		}
	}
}
