package apptest

import (
	"fmt"
	"iter"
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

// Cells yields "table.column" and the text of every value of every table.
func (r *Rig) Cells(t testing.TB) iter.Seq2[string, string] {
	columns := r.column(t, r.dialect("SELECT m.name || '.' || c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c WHERE m.type = 'table'",
		"SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'"))
	return func(yield func(place, text string) bool) {
		for _, place := range columns {
			table, column, _ := strings.Cut(place, ".")
			for _, text := range r.rows(t, `SELECT CAST("`+column+`" AS TEXT) FROM "`+table+`" WHERE "`+column+`" IS NOT NULL`) {
				if !yield(place, text) {
					return
				}
			}
		}
	}
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
