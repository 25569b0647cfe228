package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// AgentType describes a kind of agent: how it is shown, and with which values a new agent
// of the kind starts. An agent names its type by TypeName, or names none.
type AgentType struct {
	bun.BaseModel        `bun:"table:agent_types,alias:aty"`
	ID                   string `bun:",pk"`
	TypeName             string
	DisplayName          string
	Description          *string
	Category             string
	Icon                 *string
	Color                *string
	DefaultSystemPrompt  *string
	DefaultModelProvider string
	DefaultModel         *string
	DefaultSettings      JSON
	DefaultCapabilities  JSON
	IsSystem             bool
	CreatedBy            string `bun:",nullzero"`
	CreatedAt            time.Time
	UpdatedAt            time.Time
	Version              int
}

// AgentType returns the agent type of this name.
func (q Queries) AgentType(ctx context.Context, typeName string) (*AgentType, error) {
	at := new(AgentType)
	return first(ctx, q.db.NewSelect().Model(at).Where("aty.type_name = ?", typeName), at)
}

// AgentTypes lists agent types, the system's own first, then by display name. With a
// category it lists only that category; it lists the system's own only with withSystem.
func (q Queries) AgentTypes(ctx context.Context, category string, withSystem bool, p Page) (*Listing[AgentType], error) {
	sel := q.db.NewSelect().Model((*AgentType)(nil)).OrderExpr("aty.is_system DESC, aty.display_name, aty.id")
	if category != "" {
		sel = sel.Where("aty.category = ?", category)
	}
	if !withSystem {
		sel = sel.Where("NOT aty.is_system")
	}
	return listing(ctx, listed[AgentType]{places: p.on(sel), key: "aty.id",
		size: q.octets("aty.description", "aty.default_system_prompt", "aty.default_settings", "aty.default_capabilities"),
		rows: q.everything,
		id:   func(at *AgentType) string { return at.ID }})
}

// AgentTypeNames lists the names of all types, MaxLimit at most.
func (q Queries) AgentTypeNames(ctx context.Context) (names []string, err error) {
	err = q.db.NewSelect().Model((*AgentType)(nil)).Column("type_name").OrderExpr("type_name").Limit(MaxLimit).Scan(ctx, &names)
	return names, translate(err)
}

// CountAgentsOfType counts the agents of this type.
func (q Queries) CountAgentsOfType(ctx context.Context, typeName string) (int, error) {
	n, err := q.db.NewSelect().Model((*Agent)(nil)).Where("a.type = ?", typeName).Count(ctx)
	return int(n), translate(err)
}

// CreateAgentType adds an agent type; ErrExists when its name is taken.
func (t *Tx) CreateAgentType(ctx context.Context, at *AgentType) error { return t.insert(ctx, at) }

// AgentTypeForUpdate returns an agent type, locked until the transaction ends.
func (t *Tx) AgentTypeForUpdate(ctx context.Context, typeName string) (*AgentType, error) {
	at := new(AgentType)
	return first(ctx, t.locked(t.db.NewSelect().Model(at).Where("aty.type_name = ?", typeName)), at)
}

// UpdateAgentType writes an agent type that was read at at.Version, and increases the
// version. ErrStale when it was changed meanwhile.
func (t *Tx) UpdateAgentType(ctx context.Context, at *AgentType) error {
	at.Version++
	res, err := t.db.NewUpdate().Model(at).ExcludeColumn("id", "type_name", "is_system", "created_by", "created_at").
		Where("aty.id = ?", at.ID).Where("aty.version = ?", at.Version-1).Exec(ctx)
	return changed(res, err, ErrStale)
}

// DeleteAgentType removes an agent type.
func (t *Tx) DeleteAgentType(ctx context.Context, id string) error {
	res, err := t.db.NewDelete().Model((*AgentType)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}
