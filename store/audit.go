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

// AuditEntries lists the newest entries of the audit log that match the filter, newest
// first, limit at most. It takes those with an id below before, unless that is empty.
func (q Queries) AuditEntries(ctx context.Context, f AuditFilter, before string, limit int) (*Listing[AuditEntry], error) {
	query := q.db.NewSelect().Model((*AuditEntry)(nil)).OrderExpr("al.id DESC").Limit(int64(limit))
	for _, c := range []struct{ column, value string }{{"actor_id", f.ActorID}, {"on_behalf_of", f.OnBehalfOf}, {"action", f.Action},
		{"target_type", f.TargetType}, {"target_id", f.TargetID}} {
		if c.value != "" {
			query = query.Where("al.? = ?", bun.Ident(c.column), c.value)
		}
	}
	if before != "" {
		query = query.Where("al.id < ?", before)
	}
	if !f.Since.IsZero() {
		query = query.Where("al.created_at >= ?", f.Since.UTC())
	}
	if !f.Until.IsZero() {
		query = query.Where("al.created_at < ?", f.Until.UTC())
	}
	return listing(ctx, listed[AuditEntry]{
		places: query,
		key:    "al.id", size: q.octets("al.before", "al.after"),
		rows: q.everything,
		id:   func(e *AuditEntry) string { return e.ID },
	})
}

// DeleteAuditEntriesBefore deletes entries that were written before a time, at most
// limit.
func (t *Tx) DeleteAuditEntriesBefore(ctx context.Context, before time.Time, limit int) (int64, error) {
	return t.deleteBefore(ctx, (*AuditEntry)(nil), "created_at", before, limit)
}
