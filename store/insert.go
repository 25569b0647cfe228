package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/uptrace/bun/schema"
)

// insert adds one row or several rows of one table with one statement.
func (t *Tx) insert(ctx context.Context, rows any) error {
	t.noteGains(rows)
	if res, err := t.insertBound(ctx, rows, ""); res != nil || err != nil {
		return translate(err)
	}
	_, err := t.db.NewInsert().Model(rows).Exec(ctx)
	return translate(err)
}

// insertOnce adds a row unless one with its key exists. added tells whether it did.
func (t *Tx) insertOnce(ctx context.Context, row any) (added bool, err error) {
	res, err := t.insertBound(ctx, row, " ON CONFLICT DO NOTHING")
	if res == nil && err == nil {
		res, err = t.db.NewInsert().Model(row).On("CONFLICT DO NOTHING").Exec(ctx)
	}
	n, err := affected(res, err)
	if n > 0 {
		t.noteGains(row)
	}
	return n > 0, err
}

// insertBound adds one row by a statement whose text is always the same, so that each
// connection prepares it once. The result is nil when it can not: for several rows the
// text would differ with their number.
func (t *Tx) insertBound(ctx context.Context, rows any, onConflict string) (sql.Result, error) {
	row := reflect.Indirect(reflect.ValueOf(rows))
	if row.Kind() == reflect.Slice {
		if row.Len() != 1 {
			return nil, nil //nolint:nilnil // the caller has another way
		}
		row = row.Index(0)
	}
	if _, ok := row.Addr().Interface().(schema.BeforeAppendModelHook); ok {
		return nil, nil //nolint:nilnil // bun completes the row
	}
	table := t.db.Dialect().Tables().Get(row.Type())
	values := make([]any, len(table.Fields))
	for i, f := range table.Fields {
		v, ok, err := columnValue(f, row)
		if !ok || err != nil {
			return nil, err
		}
		values[i] = v
	}
	return t.db.ExecContext(t.boundText(ctx, values...), insertText(table)+onConflict)
}

// columnValue is what a row has for a column. No column that may be NULL has another
// default in the database, so a zero value may be written as NULL. ok is false for a type
// that only bun can write.
func columnValue(f *schema.Field, row reflect.Value) (v driver.Value, ok bool, err error) {
	if f.NullZero && f.HasZeroValue(row) {
		return nil, true, nil
	}
	field := row.FieldByIndex(f.Index)
	if field.Kind() == reflect.Pointer {
		if field.IsNil() {
			return nil, true, nil
		}
		field = field.Elem()
	}
	switch x := field.Interface().(type) {
	case driver.Valuer:
		v, err = x.Value()
		return v, true, err
	case time.Time:
		return x, true, nil
	case []byte:
		return x, true, nil
	}
	switch field.Kind() {
	case reflect.String:
		return field.String(), true, nil
	case reflect.Bool:
		return field.Bool(), true, nil
	case reflect.Int, reflect.Int32, reflect.Int64:
		return field.Int(), true, nil
	case reflect.Float64:
		return field.Float(), true, nil
	}
	return nil, false, nil
}

// insertTexts are the texts of insertText by the type of the row.
var insertTexts sync.Map

func insertText(table *schema.Table) string {
	if text, ok := insertTexts.Load(table.Type); ok {
		return text.(string)
	}
	columns, marks := make([]string, len(table.Fields)), make([]string, len(table.Fields))
	for i, f := range table.Fields {
		columns[i], marks[i] = string(f.SQLName), "$"+strconv.Itoa(i+1)
	}
	text := "INSERT INTO " + string(table.SQLName) + " (" + strings.Join(columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")"
	insertTexts.Store(table.Type, text)
	return text
}
