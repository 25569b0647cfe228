package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// This file has what admins see of all accounts, and of what the database keeps.

// The orders of accounts.
const (
	UsersNewest  = "newest"
	UsersOldest  = "oldest"
	UsersByEmail = "email"
)

// UserFilter says which accounts to list, and in which order. A zero member narrows nothing.
type UserFilter struct {
	Text, Role, Kind, CourseID string
	Active                     *bool
	Order                      string
	After                      *User // go on behind this account
	Limit                      int
}

// matching selects the ids of accounts.
func (q Queries) matching(f UserFilter) *bun.SelectQuery {
	sel := q.db.NewSelect().Model((*User)(nil))
	if f.Text != "" {
		sel = q.textIn(sel, f.Text)
	}
	if f.Role != "" {
		sel = sel.Where("u.role = ?", f.Role)
	}
	if f.Kind != "" {
		sel = sel.Where("u.kind = ?", f.Kind)
	}
	if f.Active != nil {
		sel = sel.Where("u.is_active = ?", *f.Active)
	}
	if f.CourseID != "" {
		sel = sel.Where("u.id IN (?)", bun.SafeQuery("SELECT user_id FROM course_members WHERE course_id = ?0"+
			" UNION ALL SELECT owner_id FROM courses WHERE id = ?0 UNION ALL SELECT id FROM users WHERE bot_course_id = ?0", f.CourseID))
	}
	return sel
}

// FilteredUsers lists accounts.
func (q Queries) FilteredUsers(ctx context.Context, f UserFilter) ([]User, error) {
	found := q.matching(f).Column("u.id")
	// Not by the ids alone: those of accounts from another system do not say how old they are.
	order := "u.created_at DESC, u.id DESC"
	switch f.Order {
	case UsersByEmail:
		order = "u.search_text, u.id"
		if f.After != nil {
			// The row is compared in the database, which computes search_text.
			found = found.Where("(u.search_text, u.id) > (SELECT a.search_text, a.id FROM users AS a WHERE a.id = ?)", f.After.ID)
		}
	case UsersOldest:
		order = "u.created_at, u.id"
		if f.After != nil {
			found = found.Where("(u.created_at, u.id) > (SELECT a.created_at, a.id FROM users AS a WHERE a.id = ?)", f.After.ID)
		}
	default:
		if f.After != nil {
			found = found.Where("(u.created_at, u.id) < (SELECT a.created_at, a.id FROM users AS a WHERE a.id = ?)", f.After.ID)
		}
	}
	var rows []User
	err := q.db.NewSelect().Model(&rows).Where("u.id IN (?)", found.OrderExpr(order).Limit(int64(f.Limit))).OrderExpr(order).
		Limit(int64(f.Limit)).Scan(ctx)
	return rows, translate(err)
}

// CountUsers counts the accounts of a filter, wherever it goes on.
func (q Queries) CountUsers(ctx context.Context, f UserFilter) (n int64, err error) {
	err = q.matching(f).ColumnExpr("count(*)").Scan(ctx, &n)
	return n, translate(err)
}

// SessionSum is how often somebody is signed in now, and when one of the sessions was last
// renewed, which a browser in use does every few minutes.
type SessionSum struct {
	UserID string
	Open   int
	SeenAt bun.NullTime
}

// SessionSums sums the sessions of some accounts.
func (q Queries) SessionSums(ctx context.Context, userIDs []string, now time.Time) (map[string]SessionSum, error) {
	sums := make(map[string]SessionSum, len(userIDs))
	if len(userIDs) == 0 {
		return sums, nil
	}
	var rows []SessionSum
	err := q.db.NewSelect().TableExpr("sessions AS s").Column("s.user_id").ColumnExpr("max(s.rotated_at) AS seen_at").
		ColumnExpr("sum(CASE WHEN s.ended_at IS NULL AND s.expires_at > ? THEN 1 ELSE 0 END) AS open", now).
		Where("s.user_id IN (?)", bun.List(userIDs)).GroupExpr("s.user_id").Scan(ctx, &rows)
	for _, r := range rows {
		sums[r.UserID] = r
	}
	return sums, translate(err)
}

// CountAuditEntries counts the entries of the audit log that match a filter, up to most.
func (q Queries) CountAuditEntries(ctx context.Context, f AuditFilter, most int) (n int64, err error) {
	found := f.on(q, q.db.NewSelect().Model((*AuditEntry)(nil)).ColumnExpr("1")).Limit(int64(most))
	err = q.db.NewSelect().TableExpr("(?) AS found", found).ColumnExpr("count(*)").Scan(ctx, &n)
	return n, translate(err)
}

// QueueCount is how many jobs of a queue are in a state.
type QueueCount struct {
	Queue, State string
	Jobs         int64
}

// QueueCounts counts the jobs that have not ended well.
func (q Queries) QueueCounts(ctx context.Context) ([]QueueCount, error) {
	var rows []QueueCount
	err := q.db.NewRaw("SELECT queue, state, count(*) AS jobs FROM river_job WHERE state IN ('available', 'running', 'retryable', 'scheduled', 'discarded')"+
		" GROUP BY queue, state ORDER BY queue, state LIMIT 100").Scan(ctx, &rows)
	return rows, translate(err)
}

// TableSize is how many bytes a table takes with its indexes.
type TableSize struct {
	Name  string
	Bytes int64
}

// maxMeasured is the largest SQLite file of which the tables are measured: that reads all
// of it.
const maxMeasured = 256 << 20

// StorageSizes returns the size of the database, and its largest tables, limit at most.
func (d *DB) StorageSizes(ctx context.Context, limit int) (bytes int64, tables []TableSize, err error) {
	if d.Postgres() {
		if err := d.db.NewRaw("SELECT pg_database_size(current_database())").Scan(ctx, &bytes); err != nil {
			return 0, nil, translate(err)
		}
		err = d.db.NewRaw("SELECT c.relname AS name, pg_total_relation_size(c.oid) AS bytes FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace"+
			" WHERE n.nspname = current_schema() AND c.relkind = 'r' ORDER BY bytes DESC, name LIMIT ?", limit).Scan(ctx, &tables)
		return bytes, tables, translate(err)
	}
	if err := d.db.NewRaw("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").Scan(ctx, &bytes); err != nil || bytes > maxMeasured {
		return bytes, nil, translate(err)
	}
	err = d.db.NewRaw("SELECT s.tbl_name AS name, sum(p.pgsize) AS bytes FROM dbstat AS p JOIN sqlite_master AS s ON s.name = p.name"+
		" WHERE p.aggregate = TRUE GROUP BY s.tbl_name ORDER BY bytes DESC, name LIMIT ?", limit).Scan(ctx, &tables)
	return bytes, tables, translate(err)
}

// Node is a process on the same Postgres, as it told last.
type Node struct {
	bun.BaseModel `bun:"table:nodes,alias:nd"`
	ID            string `bun:",pk"`
	Version       string
	Serves, Works bool
	StartedAt     time.Time
	SeenAt        time.Time
	Connections   int    // sockets
	Keys          string // fingerprints of its encryption keys with a blank between; of an older version none
}

// NodeDeadAfter is how long a process may be silent before it counts as gone. It tells of
// itself several times in that time.
const NodeDeadAfter = time.Minute

// Alive reports whether a process has told of itself lately.
func (n *Node) Alive(now time.Time) bool { return now.Sub(n.SeenAt) < NodeDeadAfter }

// TellNode stores what a process tells of itself, by the clock that all share.
func (t *Tx) TellNode(ctx context.Context, n *Node) error {
	_, err := t.db.NewInsert().Model(n).On("CONFLICT (id) DO UPDATE").Set("seen_at = EXCLUDED.seen_at").
		Set("connections = EXCLUDED.connections").Exec(ctx)
	return translate(err)
}

// Nodes lists the processes, the latest start first.
func (q Queries) Nodes(ctx context.Context) ([]Node, error) {
	var rows []Node
	err := q.db.NewSelect().Model(&rows).OrderExpr("nd.started_at DESC, nd.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// DeleteNodesBefore forgets processes that told nothing since a time, at most limit.
func (t *Tx) DeleteNodesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*Node)(nil), "seen_at", before, limit)
}
