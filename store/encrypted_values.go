package store

import (
	"context"
	"strings"

	"github.com/uptrace/bun"
)

// EncryptedValue is one value of an encrypted column.
type EncryptedValue struct {
	Key   []string // the values of EncryptedColumn.Key
	Token string
}

// where narrows a statement to the column's rows that hold something.
func (c EncryptedColumn) where(q bun.QueryBuilder) bun.QueryBuilder {
	q = q.Where("? IS NOT NULL", bun.Ident(c.Column)).Where("? <> ''", bun.Ident(c.Column))
	if len(c.Only) > 0 {
		q = q.Where("? IN (?)", bun.Ident(c.Key[0]), bun.List(c.Only))
	}
	return q
}

// idents are the columns of the key.
func (c EncryptedColumn) idents() []any {
	all := make([]any, len(c.Key))
	for i, name := range c.Key {
		all[i] = bun.Ident(name)
	}
	return all
}

// marks are n placeholders in parentheses.
func marks(n int) string { return "(" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")" }

// EncryptedValues returns the next values of a column in the order of the key, limit at most.
// after is the key of the last one before; nil begins.
func (q Queries) EncryptedValues(ctx context.Context, c EncryptedColumn, after []string, limit int) ([]EncryptedValue, error) {
	sel := q.db.NewSelect().TableExpr("?", bun.Ident(c.Table)).Limit(int64(limit))
	for _, name := range c.Key {
		sel = sel.ColumnExpr("?", bun.Ident(name)).OrderExpr("?", bun.Ident(name))
	}
	sel = sel.ColumnExpr("?", bun.Ident(c.Column)).ApplyQueryBuilder(c.where)
	if after != nil {
		sel = sel.Where(marks(len(c.Key))+" > "+marks(len(c.Key)), append(c.idents(), anys(after)...)...)
	}
	rows, err := sel.Rows(ctx)
	if err != nil {
		return nil, translate(err)
	}
	defer func() { _ = rows.Close() }()
	var values []EncryptedValue
	for rows.Next() {
		v := EncryptedValue{Key: make([]string, len(c.Key))}
		into := make([]any, 0, len(c.Key)+1)
		for i := range v.Key {
			into = append(into, &v.Key[i])
		}
		if err := rows.Scan(append(into, &v.Token)...); err != nil {
			return nil, translate(err)
		}
		values = append(values, v)
	}
	return values, translate(rows.Err())
}

// CountEncryptedValues counts the values of a column.
func (q Queries) CountEncryptedValues(ctx context.Context, c EncryptedColumn) (n int, err error) {
	err = q.db.NewSelect().TableExpr("?", bun.Ident(c.Table)).ColumnExpr("count(*)").ApplyQueryBuilder(c.where).Scan(ctx, &n)
	return n, translate(err)
}

// ReplaceEncrypted gives a value another token for what it holds. It returns false, and
// changes nothing, when somebody has set or deleted the value since it was read.
func (t *Tx) ReplaceEncrypted(ctx context.Context, c EncryptedColumn, v EncryptedValue, token string) (bool, error) {
	upd := t.db.NewUpdate().TableExpr("?", bun.Ident(c.Table)).Set("? = ?", bun.Ident(c.Column), token).
		Where("? = ?", bun.Ident(c.Column), v.Token)
	for i, name := range c.Key {
		upd = upd.Where("? = ?", bun.Ident(name), v.Key[i])
	}
	n, err := affected(upd.Exec(ctx))
	return n > 0, err
}

func anys(texts []string) []any {
	all := make([]any, len(texts))
	for i, text := range texts {
		all[i] = text
	}
	return all
}
