package apptest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// Exec is storetest.Exec on the rig's database.
func (r *Rig) Exec(t testing.TB, query string, args ...any) {
	t.Helper()
	storetest.Exec(t, r.DB, query, args...)
}

// Dump is the text of every row of every table, the job queue's included.
func (r *Rig) Dump(t testing.TB) string {
	t.Helper()
	var b strings.Builder
	for _, table := range r.column(t, r.dialect("SELECT name FROM sqlite_master WHERE type = 'table'",
		"SELECT tablename FROM pg_tables WHERE schemaname = 'public'")) {
		b.WriteString("== " + table + "\n")
		for _, row := range r.rows(t, `SELECT * FROM "`+table+`"`) {
			b.WriteString(row + "\n")
		}
	}
	return b.String()
}

func (r *Rig) dialect(lite, postgres string) string {
	if r.DB.Postgres() {
		return postgres
	}
	return lite
}

func (r *Rig) column(t testing.TB, query string) []string {
	t.Helper()
	var names []string
	for _, row := range r.rows(t, query) {
		names = append(names, strings.TrimSpace(row))
	}
	return names
}

// rows prints the values of each row, texts as they are.
func (r *Rig) rows(t testing.TB, query string) []string {
	t.Helper()
	var all []string
	if r.DB.Postgres() {
		rows, err := r.DB.Pool().Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, printed(values))
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		return all
	}
	rows, err := r.DB.Writer().QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		all = append(all, printed(values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}

func printed(values []any) string {
	var b strings.Builder
	for _, v := range values {
		if raw, ok := v.([]byte); ok {
			v = string(raw)
		}
		fmt.Fprintf(&b, "%v ", v)
	}
	return b.String()
}
