package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// The types of agents that the program itself makes. Agents of other types behave as
// their category says.
const (
	AgentTeacher   = "teacher"
	AgentStudent   = "student"
	AgentDesign    = "design"    // writes other agents' instructions
	AgentAnalytics = "analytics" // writes reports
)

// Agent is the configuration of one AI agent. It belongs to a project, or to
// nobody (a system agent), or to its creator (a template).
type Agent struct {
	bun.BaseModel    `bun:"table:agents,alias:a"`
	ID               string `bun:",pk"`
	ProjectID        string `bun:",nullzero"`
	ParentID         string `bun:",nullzero"`
	Type             string
	Name             string
	Category         string
	ModelProvider    string
	Model            *string
	SystemPrompt     string
	EncryptedAPIKey  string `bun:"encrypted_api_key,nullzero"`
	Settings         JSON
	TriggerConfig    JSON   `bun:",nullzero"`
	ScheduleConfig   JSON   `bun:",nullzero"`
	ExternalConfig   JSON   `bun:",nullzero"` // without secrets
	EncryptedSecrets string `bun:",nullzero"` // the secrets of ExternalConfig
	Capabilities     JSON
	UserKeyIDs       JSON `bun:"user_key_ids"`
	ContextWindow    int
	IsActive         bool
	IsTemplate       bool
	IsExternal       bool
	CreatedBy        string `bun:",nullzero"`
	CreatedAt        time.Time
	UpdatedAt        time.Time
	Version          int
}

// Agent returns the agent with this id.
func (q Queries) Agent(ctx context.Context, id string) (*Agent, error) {
	a := new(Agent)
	ctx, bound := q.bound(ctx, id)
	return first(ctx, q.db.NewSelect().Model(a).Where("a.id = ?", bound...), a)
}

// AgentNames returns the names of agents by their ids, in one statement.
func (q Queries) AgentNames(ctx context.Context, ids []string) (map[string]string, error) {
	names := make(map[string]string, len(ids))
	if len(ids) == 0 {
		return names, nil
	}
	var rows []Agent
	err := q.db.NewSelect().Model(&rows).Column("a.id", "a.name").Where("a.id IN (?)", bun.List(ids)).Limit(int64(len(ids))).Scan(ctx)
	for _, ag := range rows {
		names[ag.ID] = ag.Name
	}
	return names, translate(err)
}

// AgentForUpdate returns an agent, locked until the transaction ends, together with its
// rooms: UpdateAgent changes these too, and rooms are locked before agents.
func (t *Tx) AgentForUpdate(ctx context.Context, id string) (*Agent, error) {
	if err := t.lockRooms(ctx, roomsOfAgent, id); err != nil {
		return nil, err
	}
	a := new(Agent)
	sel := t.db.NewSelect().Model(a).Where("a.id = ?", id)
	if t.PG != nil {
		sel = sel.For("NO KEY UPDATE") // turns of the agent may be added meanwhile
	}
	return first(ctx, sel, a)
}

// AgentsInProject lists a project's agents, oldest first.
func (q Queries) AgentsInProject(ctx context.Context, projectID string, p Page) (*Listing[Agent], error) {
	return q.listAgents(ctx, p, q.db.NewSelect().Model((*Agent)(nil)).Where("a.project_id = ?", projectID).OrderExpr("a.created_at, a.id"))
}

// listAgents lists the agents of a query in the query's order.
func (q Queries) listAgents(ctx context.Context, p Page, sel *bun.SelectQuery) (*Listing[Agent], error) {
	return listing(ctx, listed[Agent]{places: p.on(sel), key: "a.id",
		size: q.octets("a.system_prompt", "a.settings", "a.trigger_config", "a.schedule_config", "a.external_config", "a.encrypted_secrets",
			"a.capabilities", "a.user_key_ids", "a.encrypted_api_key"),
		rows: q.everything,
		id:   func(a *Agent) string { return a.ID }})
}

// CreateAgents adds agents with one statement.
func (t *Tx) CreateAgents(ctx context.Context, agents []Agent) error { return t.insert(ctx, &agents) }

// UpdateAgent writes an agent that was read at a.Version, and increases the version.
// ErrStale when somebody else changed it meanwhile.
func (t *Tx) UpdateAgent(ctx context.Context, a *Agent) error {
	if err := t.lockRooms(ctx, roomsOfAgent, a.ID); err != nil {
		return err
	}
	a.Version++
	res, err := t.db.NewUpdate().Model(a).ExcludeColumn("id", "project_id", "created_by", "created_at").
		Where("a.id = ?", a.ID).Where("a.version = ?", a.Version-1).Exec(ctx)
	if err := changed(res, err, ErrStale); err != nil {
		a.Version-- // the caller's copy stays what it read
		return err
	}
	// Only now: no room can get the agent any more before the transaction ends, see
	// AddRoomAgent.
	return t.agentsChanged(ctx, roomsOfAgent, a.ID)
}

// DeactivateSiblings switches off the other agents of the same type in the
// same project.
func (t *Tx) DeactivateSiblings(ctx context.Context, a *Agent, now time.Time) error {
	siblings := roomsOf + "a.project_id = ? AND a.type = ? AND a.id <> ?"
	if err := t.lockRooms(ctx, siblings, a.ProjectID, a.Type, a.ID); err != nil {
		return err
	}
	_, err := t.db.NewUpdate().Model((*Agent)(nil)).Set("is_active = ?", false).Set("updated_at = ?", now).
		Set("version = version + 1").Where("project_id = ?", a.ProjectID).Where("type = ?", a.Type).
		Where("id <> ?", a.ID).Where("is_active").Exec(ctx)
	if err != nil {
		return translate(err)
	}
	return t.agentsChanged(ctx, siblings, a.ProjectID, a.Type, a.ID)
}

// DeleteAgent deletes an agent with its links and turns. Its messages stay.
func (t *Tx) DeleteAgent(ctx context.Context, id string) error {
	if err := t.agentsChanged(ctx, roomsOfAgent, id); err != nil {
		return err
	}
	res, err := t.db.NewDelete().Model((*Agent)(nil)).Where("id = ?", id).Exec(ctx)
	return changed(res, err, ErrNotFound)
}

// LockAgents locks a project, so that no other transaction changes its agents, and the
// rooms of all its agents, together with further ones. It lists its agents of one type.
// ErrNotFound for an unknown project.
func (t *Tx) LockAgents(ctx context.Context, projectID, agentType string, rooms ...string) ([]Agent, error) {
	if err := t.lockProject(ctx, projectID, rooms...); err != nil {
		return nil, err
	}
	var rows []Agent
	err := t.db.NewSelect().Model(&rows).Where("a.project_id = ?", projectID).Where("a.type = ?", agentType).
		OrderExpr("a.created_at, a.id").Limit(MaxLimit).Scan(ctx)
	return rows, translate(err)
}

// lockProject locks a project and the rooms of its agents, in this order, the rooms
// together with further ones.
func (t *Tx) lockProject(ctx context.Context, id string, rooms ...string) error {
	res, err := t.db.NewRaw("UPDATE projects SET name = name WHERE id = ?", id).Exec(ctx)
	if err := changed(res, err, ErrNotFound); err != nil {
		return err
	}
	if len(rooms) > 0 {
		return t.lockRooms(ctx, roomsOf+"a.project_id = ? UNION SELECT id FROM rooms WHERE id IN (?)", id, bun.List(rooms))
	}
	return t.lockRooms(ctx, roomsOf+"a.project_id = ?", id)
}

// TemplatesOf lists a person's own templates, oldest first.
func (q Queries) TemplatesOf(ctx context.Context, userID string, p Page) (*Listing[Agent], error) {
	return q.listAgents(ctx, p, q.db.NewSelect().Model((*Agent)(nil)).Where("a.created_by = ?", userID).Where("a.is_template").
		OrderExpr("a.created_at, a.id"))
}

// ExternalAgents lists the agents outside this program, oldest first: all of
// them, or with userID only those that the user made.
func (q Queries) ExternalAgents(ctx context.Context, userID string, p Page) (*Listing[Agent], error) {
	sel := q.db.NewSelect().Model((*Agent)(nil)).Where("a.is_external").OrderExpr("a.created_at, a.id")
	if userID != "" {
		sel = sel.Where("a.created_by = ?", userID)
	}
	return q.listAgents(ctx, p, sel)
}

// DeleteTemplatesOf deletes a person's own templates. Their clones stay.
func (t *Tx) DeleteTemplatesOf(ctx context.Context, userID string) error {
	if err := t.agentsChanged(ctx, roomsOf+"a.created_by = ? AND a.is_template", userID); err != nil {
		return err
	}
	_, err := t.db.NewDelete().Model((*Agent)(nil)).Where("created_by = ?", userID).Where("is_template").Exec(ctx)
	return translate(err)
}

// ActiveAgent returns a project's active agent of a type that is not external; the oldest
// of several.
func (q Queries) ActiveAgent(ctx context.Context, projectID, agentType string) (*Agent, error) {
	a := new(Agent)
	return first(ctx, q.db.NewSelect().Model(a).Where("a.project_id = ?", projectID).Where("a.type = ?", agentType).
		Where("a.is_active").Where("NOT a.is_external").OrderExpr("a.created_at, a.id"), a)
}
