package store

import "context"

// isSystem selects system agents: in no project, no template and not external. An index
// allows one for each type.
const isSystem = "a.project_id IS NULL AND NOT a.is_template AND NOT a.is_external"

// System tells whether this is one of the program's own agents.
func (a *Agent) System() bool { return a.ProjectID == "" && !a.IsTemplate && !a.IsExternal }

// SystemAgent returns the system agent of a type.
func (q Queries) SystemAgent(ctx context.Context, agentType string) (*Agent, error) {
	a := new(Agent)
	return first(ctx, q.db.NewSelect().Model(a).Where("a.type = ?", agentType).Where(isSystem), a)
}

// SystemAgentForUpdate returns the system agent of a type, locked as by AgentForUpdate.
func (t *Tx) SystemAgentForUpdate(ctx context.Context, agentType string) (*Agent, error) {
	a, err := t.SystemAgent(ctx, agentType)
	if err != nil {
		return nil, err
	}
	return t.AgentForUpdate(ctx, a.ID)
}

// SystemAgents lists the program's own agents by type.
func (q Queries) SystemAgents(ctx context.Context, p Page) (*Listing[Agent], error) {
	return q.listAgents(ctx, p, q.db.NewSelect().Model((*Agent)(nil)).Where(isSystem).OrderExpr("a.type"))
}
