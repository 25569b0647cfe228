package store

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// MaxPlaces bounds how many rooms of agents are read at once.
const MaxPlaces = 2000

// AgentPlace is a room in which an agent is.
type AgentPlace struct {
	AgentID, RoomID, RoomName, CourseID string
	IsActive                            bool
	MutedUntil                          time.Time
	State                               string // of its turn that is not over, "" without one
	OutOfBudget                         bool   // that turn waits for a budget
}

// AgentProject is a project of agents, and the role of one person in it.
type AgentProject struct {
	ID, Name, Role string
}

// MyAgents lists the agents of the projects in which a person is, and the person's own
// templates and external agents, by project and age.
func (q Queries) MyAgents(ctx context.Context, userID string, p Page) (*Listing[Agent], error) {
	return q.listAgents(ctx, p, q.db.NewSelect().Model((*Agent)(nil)).
		Where("a.id IN (SELECT b.id FROM agents AS b JOIN project_members AS pm ON pm.project_id = b.project_id WHERE pm.user_id = ?"+
			" UNION SELECT c.id FROM agents AS c WHERE c.created_by = ? AND (c.is_template OR c.is_external))", userID, userID).
		OrderExpr("a.project_id, a.created_at, a.id"))
}

// ProjectsOfAgents returns projects by their ids, with the role of a person in each.
func (q Queries) ProjectsOfAgents(ctx context.Context, userID string, ids []string) (map[string]AgentProject, error) {
	found := make(map[string]AgentProject, len(ids))
	if len(ids) == 0 {
		return found, nil
	}
	var rows []AgentProject
	err := q.db.NewSelect().TableExpr("projects AS p").Join("LEFT JOIN project_members AS pm ON pm.project_id = p.id AND pm.user_id = ?", userID).
		ColumnExpr("p.id, p.name, COALESCE(pm.role, '') AS role").Where("p.id IN (?)", bun.List(ids)).Limit(int64(len(ids))).Scan(ctx, &rows)
	for _, row := range rows {
		found[row.ID] = row
	}
	return found, translate(err)
}

// PlacesOfAgents lists the rooms in which agents are, by agents and names, MaxPlaces at
// most.
func (q Queries) PlacesOfAgents(ctx context.Context, ids []string) ([]AgentPlace, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []AgentPlace
	err := q.db.NewSelect().TableExpr("room_agents AS ra").Join("JOIN rooms AS r ON r.id = ra.room_id").
		ColumnExpr("ra.agent_id, ra.room_id, r.name AS room_name, r.course_id, ra.is_active, ra.muted_until").
		ColumnExpr("COALESCE((SELECT t.state FROM agent_turns AS t WHERE t.room_id = ra.room_id AND t.agent_id = ra.agent_id"+
			" AND t.state IN (?, ?, ?, ?) ORDER BY t.id LIMIT 1), '') AS state", TurnQueued, TurnRunning, TurnWaiting, TurnParked).
		ColumnExpr("EXISTS (SELECT 1 FROM agent_turns AS p JOIN budget_waits AS bw ON bw.turn_id = p.id WHERE p.room_id = ra.room_id"+
			" AND p.agent_id = ra.agent_id AND p.state = ?) AS out_of_budget", TurnParked).
		Where("ra.agent_id IN (?)", bun.List(ids)).OrderExpr("ra.agent_id, r.name, r.id").Limit(MaxPlaces).Scan(ctx, &rows)
	return rows, translate(err)
}

// AgentContents counts where an agent is and what is deleted along with it. What it said
// stays.
func (q Queries) AgentContents(ctx context.Context, id string) (Counts, error) {
	return q.counts(ctx, id, []held{{"rooms", "room_agents", "agent_id = ?"},
		{"turns", "agent_turns", "state IN ('queued', 'running', 'waiting', 'parked') AND agent_id = ?"}})
}
