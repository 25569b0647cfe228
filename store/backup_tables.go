package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/uptrace/bun"
)

// BackupColumn is a column that a backup has. Kind is text, int, float, bool, time or bytes,
// the same on both databases.
type BackupColumn struct{ Name, Kind string }

// BackupTable is a table that a backup has.
type BackupTable struct {
	Name    string
	Columns []BackupColumn
	blank   map[int]any // values that stand for encrypted ones, by the column's place
	where   string      // which rows a backup has; all when empty
}

// LeftOut is what a backup does not have, and why. Missed says that people notice: it does
// not come again by itself.
type LeftOut struct {
	What, Why string
	Missed    bool
}

// leftTables are the tables that a backup does not have. Any other table is in it, those of
// later versions too.
var leftTables = map[string]string{
	"leases":           "what one process does for all at this moment",
	"nodes":            "which processes run at this moment",
	"rate_buckets":     "what people may still do at this moment",
	"signin_failures":  "failed sign-ins of the last minutes",
	"sessions":         "people sign in again: a session that was ended since the backup must not come back",
	"session_sign_ons": "belongs to sessions",
	"pending_sign_ons": "sign-ins of the last minutes that wait for a code",
	"spent_sign_ons":   "which ways to a provider of identities were used in the last minutes",
	"one_time_links":   "links that set a password: one that was used since the backup must not come back",
	"backups":          "the list of backups belongs to the place where they lie",
}

// leftPrefixes begin the names of tables that are made again from others, or belong to a
// library.
var leftPrefixes = []struct{ prefix, why string }{
	{"river_", "jobs come again from the rows that they are about"},
	{"message_words", "the index of the search is made again from the messages"},
	{"schema_migration", "the manifest has the schema"},
	{"sqlite_", "belongs to SQLite"},
	{unfinishedTable, "the mark of a database that is being filled"},
}

// leftColumns are made again by the program. Columns that a database generates, and those of
// a kind that only one database has, are left out too.
var leftColumns = map[string]string{
	"messages.search_pos": "a message's place in the index of the search, which is made again",
}

// leftSettings are the settings that belong to one installation.
var leftSettings = map[string]string{
	backfillKey:  "how far the index of the search is",
	SettingSetup: "the link that makes the first admin",
}

// catalogueRow is a column as the database knows it.
type catalogueRow struct {
	TableName, Name, Type string
	Required, Generated   bool
}

// kindOf is what a column of a type holds; "" for a type that only this database has.
func kindOf(typ string) (string, error) {
	switch strings.ToLower(typ) {
	case "text", "json":
		return "text", nil
	case "integer", "bigint":
		return "int", nil
	case "boolean":
		return "bool", nil
	case "timestamp", "timestamp with time zone":
		return "time", nil
	case "double precision":
		return "float", nil
	case "bytea", "blob":
		return "bytes", nil
	case "tsvector", "xid8":
		return "", nil
	}
	return "", fmt.Errorf("a backup does not know columns of the type %s", typ)
}

// catalogue lists the columns of all tables, in their order.
func catalogue(ctx context.Context, db bun.IDB, postgres bool) (rows []catalogueRow, err error) {
	q := `SELECT m.name AS table_name, c.name AS name, c.type AS type, c."notnull" AS required, c.hidden > 0 AS generated
		FROM sqlite_master AS m JOIN pragma_table_xinfo(m.name) AS c WHERE m.type = 'table' ORDER BY m.name, c.cid`
	if postgres {
		q = `SELECT c.relname AS table_name, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS required,
				a.attgenerated <> '' AS generated
			FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
			JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
			WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT EXISTS (SELECT 1 FROM pg_depend AS d
				WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
			ORDER BY c.relname COLLATE "C", a.attnum`
	}
	err = db.NewRaw(q).Scan(ctx, &rows)
	return rows, translate(err)
}

// whyLeft tells whether a backup leaves out a table, and why.
func whyLeft(table string) (l LeftOut, left bool) {
	for _, p := range leftPrefixes {
		if strings.HasPrefix(table, p.prefix) {
			return LeftOut{What: p.prefix + "*", Why: p.why}, true
		}
	}
	why, left := leftTables[table]
	return LeftOut{What: table, Why: why, Missed: table == "sessions" || table == "one_time_links"}, left
}

// backupTables lists what a backup has, by name, and what it leaves out.
func backupTables(ctx context.Context, db bun.IDB, postgres, withKeys bool) (tables []BackupTable, left []LeftOut, err error) {
	columns, err := catalogue(ctx, db, postgres)
	if err != nil {
		return nil, nil, err
	}
	for _, c := range columns {
		if l, out := whyLeft(c.TableName); out {
			if !slices.Contains(left, l) {
				left = append(left, l)
			}
			continue
		}
		if len(tables) == 0 || tables[len(tables)-1].Name != c.TableName {
			tables = append(tables, BackupTable{Name: c.TableName, blank: map[int]any{}})
		}
		t := &tables[len(tables)-1]
		kind, err := kindOf(c.Type)
		if err != nil {
			return nil, nil, fmt.Errorf("%w (%s.%s)", err, c.TableName, c.Name)
		}
		name := c.TableName + "." + c.Name
		switch why := leftColumns[name]; {
		case why != "":
			left = append(left, LeftOut{What: name, Why: why})
			continue
		case c.Generated || kind == "":
			left = append(left, LeftOut{What: name, Why: "the database makes it again"})
			continue
		}
		if !withKeys {
			left = t.leaveEncrypted(c, left)
		}
		t.Columns = append(t.Columns, BackupColumn{c.Name, kind})
	}
	return tables, leaveSettings(tables, left, withKeys), nil
}

// leaveEncrypted empties the column if its values are encrypted.
func (t *BackupTable) leaveEncrypted(c catalogueRow, left []LeftOut) []LeftOut {
	for _, e := range EncryptedColumns() {
		if e.Table != t.Name || e.Column != c.Name || len(e.Only) > 0 {
			continue
		}
		var blank any
		if c.Required {
			blank = ""
		}
		t.blank[len(t.Columns)] = blank
		left = append(left, encrypted(e))
	}
	return left
}

// encrypted is why an encrypted value is left out. Who restores gets a new word to prove the
// keys, and misses only the others.
func encrypted(e EncryptedColumn) LeftOut {
	canary := slices.Contains(e.Only, SettingCanary)
	return LeftOut{What: e.Name(), Why: e.Holds + ": encrypted, and taken along only with keys", Missed: !canary}
}

// leaveSettings leaves out the settings of one installation, and without keys the encrypted
// ones.
func leaveSettings(tables []BackupTable, left []LeftOut, withKeys bool) []LeftOut {
	i := slices.IndexFunc(tables, func(t BackupTable) bool { return t.Name == "settings" })
	if i < 0 {
		return left
	}
	var names []string
	for name, why := range leftSettings {
		names, left = append(names, name), append(left, LeftOut{What: "settings.value (" + name + ")", Why: why})
	}
	for _, e := range EncryptedColumns() {
		if e.Table == "settings" && !withKeys {
			names = append(names, e.Only...)
			left = append(left, encrypted(e))
		}
	}
	slices.Sort(names)
	slices.SortFunc(left, func(a, b LeftOut) int { return strings.Compare(a.What, b.What) })
	tables[i].where = "key NOT IN ('" + strings.Join(names, "', '") + "')"
	return left
}
