package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// AuditFilter narrows the audit log. A zero member narrows nothing.
type AuditFilter struct {
	ActorID, OnBehalfOf, Action, TargetType, TargetID string
	Since, Until                                      time.Time // from Since on, before Until

	Text   string // a part of who acted, of an id or of a changed member, in any case of Latin letters
	Oldest bool   // the oldest first
}

// AuditEntry is one change that somebody made. Its ids are plain texts without
// references: the log outlives the rows that it is about.
type AuditEntry struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`
	ID            string `bun:",pk"`
	CreatedAt     time.Time
	ActorID       string // the person who acted
	ActorName     string // their name at that time
	OnBehalfOf    string `bun:",nullzero"` // the person whom the actor impersonated
	Action        string
	TargetType    string
	TargetID      string
	Before        JSON   `bun:",nullzero"` // the members that changed
	After         JSON   `bun:",nullzero"`
	RequestID     string `bun:",nullzero"`
}

// CreateAuditEntry adds an entry to the audit log.
func (t *Tx) CreateAuditEntry(ctx context.Context, e *AuditEntry) error { return t.insert(ctx, e) }

// AuditEntries lists the entries of the audit log that match the filter, in its order,
// limit at most. It goes on behind the entry with the id before, unless that is empty.
func (q Queries) AuditEntries(ctx context.Context, f AuditFilter, before string, limit int) (*Listing[AuditEntry], error) {
	query := f.on(q, q.db.NewSelect().Model((*AuditEntry)(nil)))
	order, behind := "al.id DESC", "al.id < ?"
	if f.Oldest {
		order, behind = "al.id", "al.id > ?"
	}
	if before != "" {
		query = query.Where(behind, before)
	}
	return listing(ctx, listed[AuditEntry]{
		places: query.OrderExpr(order).Limit(int64(limit)),
		key:    "al.id", size: q.octets("al.before", "al.after"),
		rows: q.everything,
		id:   func(e *AuditEntry) string { return e.ID },
	})
}

// on selects the entries that match the filter.
func (f AuditFilter) on(q Queries, query *bun.SelectQuery) *bun.SelectQuery {
	for _, c := range []struct{ column, value string }{{"actor_id", f.ActorID}, {"on_behalf_of", f.OnBehalfOf}, {"action", f.Action},
		{"target_type", f.TargetType}, {"target_id", f.TargetID}} {
		if c.value != "" {
			query = query.Where("al.? = ?", bun.Ident(c.column), c.value)
		}
	}
	if !f.Since.IsZero() {
		query = query.Where("al.created_at >= ?", f.Since.UTC())
	}
	if !f.Until.IsZero() {
		query = query.Where("al.created_at < ?", f.Until.UTC())
	}
	if f.Text != "" {
		query = query.WhereGroup(" AND ", func(sel *bun.SelectQuery) *bun.SelectQuery {
			for _, text := range needles(f.Text) {
				for _, column := range []string{"al.actor_name", "al.actor_id", "al.action", "al.target_id", "CAST(al.before AS TEXT)", "CAST(al.after AS TEXT)"} {
					sel = sel.WhereOr("? > 0", q.found("lower("+column+")", text))
				}
			}
			return sel
		})
	}
	return query
}

// DeleteAuditEntriesBefore deletes entries that were written before a time, at most
// limit.
func (t *Tx) DeleteAuditEntriesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*AuditEntry)(nil), "created_at", before, limit)
}
