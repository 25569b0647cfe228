package dump_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/coagent-studio/coagent/store/dump"
	"github.com/coagent-studio/coagent/store/storetest"
)

// whole is a dump of these statements that pg_dump has finished.
func whole(statements string) string {
	return "--\n-- PostgreSQL database dump\n--\n\n" + statements + "\n\n--\n-- PostgreSQL database dump complete\n--\n"
}

func open(t *testing.T, text string) dump.Source {
	t.Helper()
	s, err := dump.Open(t.Context(), strings.NewReader(text), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// read lists the rows of a table as texts.
func read(t *testing.T, s dump.Source, table string, order, after []string) (rows []string) {
	t.Helper()
	columns := s.Tables()[table]
	err := s.Scan(t.Context(), table, order, after, func(r dump.Row) error {
		var b strings.Builder
		for _, c := range columns {
			if r.Null(c) {
				b.WriteString("∅|")
				continue
			}
			fmt.Fprintf(&b, "%s|", r.Text(c))
		}
		rows = append(rows, b.String())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

const twoTables = `\restrict abc
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
CREATE TYPE public.mood AS ENUM ('OK', 'SAD');
CREATE FUNCTION public.f() RETURNS text LANGUAGE plpgsql AS $_$ BEGIN INSERT INTO x VALUES ('no; '); RETURN 'CREATE TABLE y (a text)'; END; $_$;
CREATE FUNCTION public.g() RETURNS integer LANGUAGE sql BEGIN ATOMIC SELECT CASE WHEN true THEN 1 END; SELECT 2; END;
CREATE TABLE public."user" (
    id integer NOT NULL,
    "Full Name" character varying(20) DEFAULT 'a, b'::character varying, -- a comment; with a semicolon
    mood public.mood,
    price numeric(10,2),
    at timestamp with time zone,
    CONSTRAINT c CHECK ((id > 0))
);
/* a /* nested */ comment; */
`

const wantUsers = `1|O'Hara "x"; \|OK|-1.50|2026-09-01 00:00:00+00|
2|tab	line
end|∅|∅|2026-09-01 01:30:00.5+00|
3||SAD|2e3|∅|`

// TestForms: the same rows come of every form that pg_dump writes.
func TestForms(t *testing.T) {
	t.Parallel()
	for form, rows := range map[string]string{
		"copy": `COPY public."user" (mood, id, "Full Name", price, at) FROM stdin;
OK	1	O'Hara "x"; \\	-1.50	2026-09-01 08:00:00+08
\N	2	tab\tline\nend	\N	2026-09-01 01:30:00.5+00
SAD	3		2e3	\N
\.
`,
		"inserts": `INSERT INTO public."user" VALUES (1, 'O''Hara "x"; \', 'OK', -1.50, '2026-09-01 08:00:00+08');
INSERT INTO public."user" VALUES (2, 'tab	line
end', NULL, NULL, '2026-09-01 01:30:00.5+00');
INSERT INTO public."user" VALUES (3, '', 'SAD', 2e3, NULL);
`,
		"column inserts": `INSERT INTO public."user" (at, mood, id, "Full Name", price) OVERRIDING SYSTEM VALUE VALUES
	('2026-09-01 08:00:00+08'::timestamp with time zone, 'OK'::public.mood, 1, E'O\'Hara "x"; \\', '-1.50'::numeric(10,2)),
	('2026-09-01 01:30:00.5+00', NULL, 2, E'tab\tline\x0aend', NULL),
	(DEFAULT, 'SAD', 3, $$$$, +2e3) ON CONFLICT DO NOTHING;
`,
		"old strings": `SET standard_conforming_strings = off;
INSERT INTO "user" VALUES (1, 'O\'Hara "x"; \\', 'OK', -1.50, '2026-09-01 08:00:00+08'), (2, 'tab\tline\012end', NULL, NULL, '2026-09-01 01:30:00.5+00'), (3, '', 'SAD', 2e3);
`,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			for _, text := range []string{whole(twoTables + rows), whole(twoTables + rows + "CREATE TABLE other.\"user\" (x text);\nINSERT INTO other.\"user\" VALUES ('not ours');")} {
				s := open(t, text)
				if got := strings.Join(read(t, s, "user", []string{"id"}, nil), "\n"); got != wantUsers {
					t.Errorf("got\n%s\nwant\n%s", got, wantUsers)
				}
				if got := read(t, s, "user", []string{"at", "id"}, []string{"2026-09-01 00:00:00+00", "1"}); len(got) != 1 || !strings.HasPrefix(got[0], "2|") {
					t.Errorf("behind the first: got %q", got)
				}
			}
		})
	}
}

// TestHostile: a broken dump is refused with a sentence that says what to do, and leaves no
// file behind.
func TestHostile(t *testing.T) {
	t.Parallel()
	rows := `INSERT INTO public."user" VALUES (1, 'x', 'OK', 1, NULL);`
	good := whole(twoTables + rows)
	for name, c := range map[string]struct{ text, want string }{
		"empty":                {"", "is empty"},
		"custom format":        {"PGDMP\x01\x0e", "pg_restore"},
		"UTF-16":               {"\xff\xfe-\x00-\x00", "PowerShell"},
		"another text":         {whole("hello;"), "no plain dump"},
		"data alone":           {whole(`INSERT INTO public.x VALUES (1);`), "without --data-only"},
		"another encoding":     {whole("SET client_encoding = 'LATIN1';" + twoTables), "--encoding=UTF8"},
		"bytes that are none":  {whole(twoTables + "INSERT INTO public.\"user\" VALUES (1, 'caf\xe9');"), "--encoding=UTF8"},
		"NUL":                  {whole(twoTables + "INSERT INTO public.\"user\" VALUES (1, 'a\x00b');"), "not UTF-8"},
		"cut in a string":      {before(good, "'x'") + "'x", "was cut"},
		"cut in a statement":   {before(good, "VALUES"), "was cut"},
		"cut between":          {before(good, rows) + rows, "was cut"},
		"cut in a COPY":        {twoTables + "COPY public.\"user\" (id, mood) FROM stdin;\n1\tOK\n2\t", "was cut"},
		"cut behind a line":    {twoTables + "COPY public.\"user\" (id, mood) FROM stdin;\n1\tOK\n", "was cut"},
		"too many values":      {whole(twoTables + "INSERT INTO public.\"user\" VALUES (1, 'x', 'OK', 1, NULL, 7);"), "6 values for 5 columns"},
		"an unknown column":    {whole(twoTables + "INSERT INTO public.\"user\" (id, shoe) VALUES (1, 2);"), "column shoe"},
		"an expression":        {whole(twoTables + "INSERT INTO public.\"user\" VALUES (now());"), "does not know"},
		"a table made twice":   {whole(twoTables + "CREATE TABLE public.\"user\" (id text);"), "a second time"},
		"CSV":                  {whole(twoTables + "COPY public.\"user\" FROM stdin WITH (FORMAT csv);\n1,2\n\\.\n"), "csv"},
		"a comment without an": {whole(twoTables + rows + " /* end"), "was cut"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, err := dump.Open(t.Context(), strings.NewReader(c.text), dir)
			if err == nil {
				_ = s.Close()
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("%d files are left", len(left))
			}
		})
	}
}

// TestPacked: gzip and a mark of UTF-8 are read as what is in them, and what a killed process
// has left is deleted.
func TestPacked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left := filepath.Join(dir, "coagent-dump-1")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(left, "dump.db")
	if err := os.WriteFile(old, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(left, oldTime, oldTime); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte("\xef\xbb\xbf" + whole(twoTables)))
	_ = w.Close()
	for _, text := range []string{packed.String(), "\xef\xbb\xbf" + whole(twoTables)} {
		s, err := dump.Open(t.Context(), strings.NewReader(text), dir)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Tables()["user"]; len(got) != 5 || got[1] != "Full Name" {
			t.Errorf("got the columns %q", got)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if files, _ := os.ReadDir(dir); len(files) > 0 {
		t.Errorf("got %d files, want none", len(files))
	}
}

// TestLive: a server gives the same rows as its dump, for every table of the old system.
func TestLive(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../app/legacy/testdata/*.sql")
	if err != nil || len(files) != 3 {
		t.Fatalf("got %q, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			url := storetest.Postgres(t)
			load(t, url, string(text))
			server, err := dump.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = server.Close() }()
			spooled := open(t, string(text))
			for table, columns := range spooled.Tables() {
				if !slices.Equal(columns, server.Tables()[table]) {
					t.Errorf("%s: got the columns %q, want %q", table, server.Tables()[table], columns)
				}
				got, want := read(t, server, table, nil, nil), read(t, spooled, table, nil, nil)
				slices.Sort(got)
				slices.Sort(want)
				if strings.Join(got, "\n") != strings.Join(want, "\n") {
					t.Errorf("%s: got\n%s\nwant\n%s", table, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
				n, err := server.Count(t.Context(), table)
				if m, _ := spooled.Count(t.Context(), table); err != nil || n != m || n != int64(len(got)) {
					t.Errorf("%s: counted %d and %d of %d, %v", table, n, m, len(got), err)
				}
			}
			order := []string{"room_id", "created_at", "id"}
			got, want := read(t, server, "message", order, nil), read(t, spooled, "message", order, nil)
			if !slices.Equal(got, want) {
				t.Error("the messages come in another order")
			}
			var third []string
			n := 0
			_ = spooled.Scan(t.Context(), "message", order, nil, func(r dump.Row) error {
				if n++; n == 3 {
					third = []string{r.Text("room_id"), r.Text("created_at"), r.Text("id")}
				}
				return nil
			})
			if got := read(t, server, "message", order, third); !slices.Equal(got, want[3:]) {
				t.Errorf("behind the third message: got %d, want %d", len(got), len(want)-3)
			}
		})
	}
}

// load fills a database with a dump, in a schema that has nothing else.
func load(t *testing.T, url, text string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(t.Context())) }()
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, `\`) {
			lines = append(lines, line)
		}
	}
	if _, err := conn.Exec(t.Context(), "DROP SCHEMA public CASCADE; CREATE SCHEMA public;"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), strings.Join(lines, "")); err != nil {
		t.Fatal(err)
	}
}

func TestTablesOfTheOldSystem(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]map[string]int64{
		"legacy-ce8dc8d.sql":          {"user": 17, "message": 61, "artifact": 20, "usercourselink": 18, "room": 11, "agentconfig": 21},
		"legacy-ce8dc8d-migrated.sql": {"user": 17, "message": 61, "agenttypemetadata": 7, "alembic_version": 1, "agentconfig": 21},
		"legacy-head.sql":             {"user": 17, "message": 60, "space": 3, "roomagentlink": 15, "workflow_run": 3, "audit_log": 4},
	} {
		text, err := os.ReadFile("../../app/legacy/testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		s, got := open(t, string(text)), map[string]int64{}
		for table := range want {
			got[table], _ = s.Count(t.Context(), table)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", file, got, want)
		}
	}
}

func before(text, what string) string { text, _, _ = strings.Cut(text, what); return text }
