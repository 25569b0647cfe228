package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// AgentVersion is the state of an agent at one time, without its keys.
type AgentVersion struct {
	bun.BaseModel  `bun:"table:agent_versions,alias:av"`
	ID             string `bun:",pk"`
	AgentID        string
	Label          string
	Name           string
	SystemPrompt   string
	ModelProvider  string
	Model          *string
	Settings       JSON
	TriggerConfig  JSON `bun:",nullzero"`
	ScheduleConfig JSON `bun:",nullzero"`
	ContextWindow  int
	CreatedAt      time.Time
	CreatedBy      string `bun:",nullzero"`

	// What follows is empty in a version from before these were kept, see Whole.
	Type           string `bun:",nullzero"`
	Category       string `bun:",nullzero"`
	Capabilities   JSON   `bun:",nullzero"`
	ExternalConfig JSON   `bun:",nullzero"` // without secrets
	UserKeyIDs     JSON   `bun:"user_key_ids,nullzero"`
}

// Whole tells whether all that makes an agent was kept. Old versions have neither type nor
// category, capabilities, external configuration and ids of keys.
func (v *AgentVersion) Whole() bool { return v.Type != "" }

// AgentVersion returns one version of an agent.
func (q Queries) AgentVersion(ctx context.Context, agentID, id string) (*AgentVersion, error) {
	v := new(AgentVersion)
	return first(ctx, q.db.NewSelect().Model(v).Where("av.id = ?", id).Where("av.agent_id = ?", agentID), v)
}

// AgentVersions lists an agent's versions, newest first, without their JSON columns.
func (q Queries) AgentVersions(ctx context.Context, agentID string, p Page) (*Listing[AgentVersion], error) {
	sel := q.db.NewSelect().Model((*AgentVersion)(nil)).Where("av.agent_id = ?", agentID).OrderExpr("av.created_at DESC, av.id DESC")
	return listing(ctx, listed[AgentVersion]{places: p.on(sel), key: "av.id", size: q.octets("av.system_prompt"),
		rows: func(model any) *bun.SelectQuery {
			return q.db.NewSelect().Model(model).ExcludeColumn("settings", "trigger_config", "schedule_config", "capabilities", "external_config", "user_key_ids")
		},
		id: func(v *AgentVersion) string { return v.ID }})
}

// CreateAgentVersion adds a version. It deletes the agent's oldest versions beyond keep.
func (t *Tx) CreateAgentVersion(ctx context.Context, v *AgentVersion, keep int) error {
	if err := t.insert(ctx, v); err != nil {
		return err
	}
	old := t.db.NewSelect().Model((*AgentVersion)(nil)).Column("av.id").Where("av.agent_id = ?", v.AgentID).
		OrderExpr("av.created_at DESC, av.id DESC").Limit(MaxLimit).Offset(int64(keep))
	_, err := t.db.NewDelete().Model((*AgentVersion)(nil)).Where("id IN (?)", old).Exec(ctx)
	return translate(err)
}
