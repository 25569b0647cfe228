package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// longTexts are the columns whose texts are shown only up to longestCell characters, like
// all JSON values: a thousand rows may hold a gigabyte.
var longTexts = strings.Fields("content system_prompt default_system_prompt description")

const (
	longestCell = 4000
	mostOfCell  = 4 * longestCell // bytes
)

// Window narrows which rows of a table are read. Search is part of an id, a name or a
// text, in any case. From and Until bound created_at; zero is no bound.
type Window struct {
	Page
	Resolve     bool
	Search      string
	From, Until time.Time
}

// Browse lists rows of a table, the newest first, each as a JSON object with
// its members in the order of the columns.
func (q Queries) Browse(ctx context.Context, b *Browsed, w Window) (*Listing[json.RawMessage], error) {
	list := &Listing[json.RawMessage]{}
	list.read = func(ctx context.Context, places []place) ([]json.RawMessage, error) {
		return q.browsed(ctx, b, w.Resolve, places)
	}
	return list, translate(w.on(q.browsedPlaces(b, w)).Scan(ctx, &list.places))
}

// browsedPlaces selects the keys and the sizes of the rows in a window, the newest first.
func (q Queries) browsedPlaces(b *Browsed, w Window) *bun.SelectQuery {
	sel := q.db.NewSelect().TableExpr("? AS t", b.rows()).ColumnExpr(b.keyText() + " AS id").ColumnExpr(b.size(q) + " AS size")
	if b.where != "" {
		sel = sel.Where(b.where)
	}
	if w.Resolve {
		for _, r := range b.relations {
			sel = sel.Join(r.join)
		}
	}
	if w.Search != "" {
		sel = sel.WhereGroup(" AND ", func(any *bun.SelectQuery) *bun.SelectQuery { return b.find(any, w) })
	}
	if slices.Contains(b.Columns, "created_at") {
		sel = w.dated(sel).OrderExpr("t.created_at DESC")
	}
	if slices.Contains(b.Columns, "id") {
		sel = sel.OrderExpr("t.id DESC")
	}
	return sel
}

// rows is what stands behind FROM.
func (b *Browsed) rows() any {
	if b.from != "" {
		return bun.Safe(b.from)
	}
	return bun.Ident(b.Table)
}

// dated narrows to the rows that were made in the window's time.
func (w Window) dated(sel *bun.SelectQuery) *bun.SelectQuery {
	if !w.From.IsZero() {
		sel = sel.Where("t.created_at >= ?", w.From.UTC())
	}
	if !w.Until.IsZero() {
		sel = sel.Where("t.created_at <= ?", w.Until.UTC())
	}
	return sel
}

// find matches rows in which any of the searched columns holds the text. The characters
// with a meaning for LIKE are escaped.
func (b *Browsed) find(sel *bun.SelectQuery, w Window) *bun.SelectQuery {
	text := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(w.Search))
	pattern := "%" + text + "%"
	for _, c := range b.search {
		sel = sel.WhereOr(`lower(CAST(? AS TEXT)) LIKE ? ESCAPE '\'`, b.column(c), pattern)
	}
	if w.Resolve {
		for _, r := range b.relations {
			sel = sel.WhereOr("lower("+r.expr+`) LIKE ? ESCAPE '\'`, pattern)
		}
	}
	return sel
}

// keyText is the SQL for a row's key as one text.
func (b *Browsed) keyText() string {
	parts := make([]string, len(b.key))
	for i, c := range b.key {
		parts[i] = "CAST(t." + c + " AS TEXT)"
	}
	return strings.Join(parts, " || '/' || ")
}

func (b *Browsed) long(column string) bool {
	return slices.Contains(longTexts, column) || slices.Contains(b.json, column)
}

// size is the SQL for about how many bytes of a row are shown.
func (b *Browsed) size(q Queries) string {
	sum := "0"
	for _, c := range b.Columns {
		if n := q.octets("t." + c); b.long(c) {
			sum += fmt.Sprintf(" + CASE WHEN %s > %d THEN %[2]d ELSE %[1]s END", n, mostOfCell)
		}
	}
	return sum
}

// column is the expression for a column. The text of a deleted message is empty.
func (b *Browsed) column(name string) schema.QueryWithArgs {
	if b.Table == "messages" && name == "content" {
		return bun.SafeQuery("CASE WHEN t.deleted_at IS NULL THEN t.content ELSE '' END")
	}
	return bun.SafeQuery("t.?", bun.Ident(name))
}

// browsed reads the rows at these places, in their order. A row that was deleted
// meanwhile is left out.
func (q Queries) browsed(ctx context.Context, b *Browsed, resolve bool, places []place) ([]json.RawMessage, error) {
	sel, members := b.shown(q.db.NewSelect().TableExpr("? AS t", b.rows()).ColumnExpr(b.keyText()), resolve)
	rows, err := b.at(sel, places).Limit(int64(len(places))).Rows(ctx)
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	found, err := b.objects(rows, members)
	if err = cmp.Or(err, rows.Err()); err != nil {
		return nil, translate(err)
	}
	objects := make([]json.RawMessage, 0, len(found))
	for _, p := range places {
		if row := found[p.ID]; row != nil {
			objects = append(objects, row)
		}
	}
	return objects, nil
}

// shown selects what is shown of a row. It returns the names of the members.
func (b *Browsed) shown(sel *bun.SelectQuery, resolve bool) (*bun.SelectQuery, []string) {
	members := slices.Clone(b.Columns)
	for _, c := range b.Columns {
		if expr := b.column(c); b.long(c) {
			sel = sel.ColumnExpr("substr(CAST(? AS TEXT), 1, ?)", expr, longestCell)
		} else {
			sel = sel.ColumnExpr("?", expr)
		}
	}
	if resolve {
		for _, r := range b.relations {
			members = append(members, r.name)
			sel = sel.ColumnExpr(r.expr).Join(r.join)
		}
	}
	return sel, members
}

// at narrows to the rows with the keys of these places.
func (b *Browsed) at(sel *bun.SelectQuery, places []place) *bun.SelectQuery {
	for _, p := range places {
		sel = sel.WhereGroup(" OR ", func(row *bun.SelectQuery) *bun.SelectQuery {
			for i, part := range strings.SplitN(p.ID, "/", len(b.key)) {
				row = row.Where("t.? = ?", bun.Ident(b.key[i]), part)
			}
			return row
		})
	}
	return sel
}

// objects reads rows of a key and the members, and returns each as a JSON object by its
// key. The caller checks rows.Err.
func (b *Browsed) objects(rows *sql.Rows, members []string) (map[string]json.RawMessage, error) {
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	found := map[string]json.RawMessage{}
	for rows.Next() {
		var key string
		values, into := make([]any, len(members)), []any{&key}
		for i := range values {
			into = append(into, &values[i])
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		for i, v := range values {
			if n, ok := v.(int64); ok && types[i+1].DatabaseTypeName() == "BOOLEAN" {
				values[i] = n != 0 // SQLite's driver returns a number
			}
		}
		found[key] = b.object(members, values)
	}
	return found, nil
}

// object returns one row as a JSON object.
func (b *Browsed) object(members []string, values []any) json.RawMessage {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, name := range members {
		if i > 0 {
			out.WriteByte(',')
		}
		key, _ := json.Marshal(name) // encoding a column's name cannot fail
		text, err := json.Marshal(b.member(name, values[i]))
		if err != nil {
			text = []byte("null")
		}
		out.Write(key)
		out.WriteByte(':')
		out.Write(text)
	}
	out.WriteByte('}')
	return out.Bytes()
}

// member returns a column's value in the form in which it is encoded: JSON as it is,
// other texts as valid UTF-8, and times as UTC.
func (b *Browsed) member(name string, value any) any {
	if at, ok := value.(time.Time); ok {
		return at.UTC().Truncate(time.Microsecond)
	}
	text, ok := value.(string)
	if raw, isBytes := value.([]byte); isBytes {
		text, ok = string(raw), true
	}
	switch {
	case !ok:
		return value
	case slices.Contains(b.json, name) && json.Valid([]byte(text)):
		return json.RawMessage(text)
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}
