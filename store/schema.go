package store

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// Schema describes the tables of the current schema without the tables of marks. It has
// one text "table: what it has" for each column with its position, each constraint, index
// and trigger. Two databases of one kind with the same texts treat every statement alike.
func (d *DB) Schema(ctx context.Context) ([]string, error) { return d.schemaLines(ctx, d.write) }

func (d *DB) schemaLines(ctx context.Context, db bun.IDB) ([]string, error) {
	read := liteSchema
	if d.Postgres() {
		read = postgresSchema
	}
	lines, err := read(ctx, db)
	if err != nil {
		return nil, translate(err)
	}
	lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "schema_migration") })
	slices.Sort(lines)
	return lines, nil
}

// postgresSchema reads the catalogue. The server writes the expressions; with "pretty" it
// leaves out the schema's name.
func postgresSchema(ctx context.Context, db bun.IDB) (lines []string, err error) {
	err = db.NewRaw(`WITH t AS (
			SELECT c.oid, c.relname || ': ' AS name, c.relpersistence, c.relkind, c.relrowsecurity FROM pg_class AS c
			JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p'))
		SELECT t.name || concat_ws(' ', 'table', relkind, relpersistence, CASE WHEN relrowsecurity THEN 'row security' END) FROM t
		UNION ALL
		SELECT t.name || concat_ws(' ', 'column', row_number() OVER (PARTITION BY t.oid ORDER BY a.attnum), a.attname,
			format_type(a.atttypid, a.atttypmod),
			(SELECT 'COLLATE ' || l.collname FROM pg_collation AS l, pg_type AS y
				WHERE l.oid = a.attcollation AND y.oid = a.atttypid AND y.typcollation <> l.oid),
			CASE WHEN a.attnotnull THEN 'NOT NULL' END, a.attidentity, CASE WHEN a.attgenerated <> '' THEN 'GENERATED' END,
			'DEFAULT ' || pg_get_expr(e.adbin, e.adrelid, true))
		FROM t JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
		LEFT JOIN pg_attrdef AS e ON e.adrelid = a.attrelid AND e.adnum = a.attnum
		UNION ALL
		SELECT t.name || concat_ws(' ', 'constraint', c.conname, pg_get_constraintdef(c.oid, true))
		FROM t JOIN pg_constraint AS c ON c.conrelid = t.oid AND c.contype IN ('c', 'f', 'p', 'u', 'x')
		UNION ALL
		SELECT t.name || concat_ws(' ', pg_get_indexdef(i.indexrelid, 0, true), CASE WHEN NOT i.indisvalid THEN 'INVALID' END)
		FROM t JOIN pg_index AS i ON i.indrelid = t.oid
		UNION ALL
		SELECT t.name || pg_get_triggerdef(g.oid, true) FROM t JOIN pg_trigger AS g
			ON g.tgrelid = t.oid AND NOT g.tgisinternal`).Scan(ctx, &lines)
	return lines, err
}

// liteSchema parses the statements that SQLite stores. They are all that SQLite knows of
// a table.
func liteSchema(ctx context.Context, db bun.IDB) ([]string, error) {
	var kept []struct{ Type, Tbl, SQL string }
	err := db.NewRaw(`SELECT type, tbl_name AS tbl, sql FROM sqlite_master
		WHERE type IN ('table', 'index', 'trigger') AND sql IS NOT NULL AND name NOT LIKE 'sqlite_%'`).Scan(ctx, &kept)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, k := range kept {
		text := plainSQL(k.SQL)
		if k.Type != "table" {
			lines = append(lines, k.Tbl+": "+strings.Join(text, ","))
			continue
		}
		_, text[0], _ = strings.Cut(text[0], "(")
		last := &text[len(text)-1]
		end := strings.LastIndexByte(*last, ')')
		lines = append(lines, k.Tbl+": table"+(*last)[end+1:])
		*last = (*last)[:end]
		for i, part := range text {
			if constraint.MatchString(part) {
				lines = append(lines, k.Tbl+": constraint "+part)
				continue
			}
			lines = append(lines, fmt.Sprintf("%s: column %d %s", k.Tbl, i+1, part))
		}
	}
	return lines, nil
}

// constraint matches the beginning of a part of CREATE TABLE that is not a column.
var constraint = regexp.MustCompile(`^(CONSTRAINT|PRIMARY|UNIQUE|CHECK|FOREIGN)\b`)

// plainSQL returns a statement without comments and with as few blanks as possible, split
// at the commas of its outermost brackets.
func plainSQL(statement string) []string {
	var parts []string
	var part strings.Builder
	depth, blank := 0, false
	for i := 0; i < len(statement); i++ {
		c := statement[i]
		switch {
		case strings.HasPrefix(statement[i:], "--"):
			i += strings.IndexByte(statement[i:]+"\n", '\n')
			blank = true
			continue
		case strings.ContainsRune(" \t\r\n", rune(c)):
			blank = true
			continue
		case c == ',' && depth == 1:
			parts = append(parts, part.String())
			part.Reset()
			blank = false
			continue
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		written := part.String()
		if blank && written != "" && !strings.HasSuffix(written, "(") && !strings.ContainsRune("(),", rune(c)) {
			part.WriteByte(' ')
		}
		blank = false
		if quote := strings.IndexByte(statement[i+1:], c); (c == '\'' || c == '"') && quote >= 0 {
			part.WriteString(statement[i : i+quote+2])
			i += quote + 1
			continue
		}
		part.WriteByte(c)
	}
	return append(parts, part.String())
}
