package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// AuditEntry is one change that somebody made. Ids are texts without
// references: the log outlives what it tells of.
type AuditEntry struct {
	bun.BaseModel `bun:"table:audit_log,alias:al"`
	ID            string `bun:",pk"`
	CreatedAt     time.Time
	ActorID       string // who sat at the keyboard
	ActorName     string // as it was at the time
	OnBehalfOf    string `bun:",nullzero"` // whom the actor impersonated
	Action        string
	TargetType    string
	TargetID      string
	Before        JSON   `bun:",nullzero"` // the members that changed
	After         JSON   `bun:",nullzero"`
	RequestID     string `bun:",nullzero"`
}

// CreateAuditEntry adds a line to the audit log.
func (t *Tx) CreateAuditEntry(ctx context.Context, e *AuditEntry) error { return t.insert(ctx, e) }
