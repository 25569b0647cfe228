package app

import (
	"context"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// AgentCan is what a person may do with an agent now.
type AgentCan struct {
	Use, Edit, Delete bool
	// Keys: choose which of one's own stored keys it uses, which is for its creator alone.
	Keys bool
}

// MyAgent is an agent of the actor, with its home and the rooms in which it is.
type MyAgent struct {
	store.Agent
	ProjectName string // "" outside of projects
	// ReadyMade: the program made it for a new project and nobody changed it. It is switched
	// off when another agent of its type in the project becomes active.
	ReadyMade   bool
	Places      []store.AgentPlace // those that the actor may enter
	Can         AgentCan
	Unreachable *Unreachable
}

// MyAgents lists the agents of the actor's projects, and the actor's own templates and
// external agents. With an id it lists that agent alone, if the actor may read it.
func (a *App) MyAgents(ctx context.Context, actor *Actor, id string) (*store.Listing[MyAgent], error) {
	if err := Check(actor, ActListMyAgents, Resource{}); err != nil {
		return nil, err
	}
	var rows *store.Listing[store.Agent]
	if id == "" {
		var err error
		if rows, err = a.db.MyAgents(ctx, actor.User.ID, store.Page{Limit: store.MaxLimit}); err != nil {
			return nil, err
		}
	} else {
		ag, err := a.agentFor(ctx, actor, id, ActReadAgent, "Agent config")
		if err != nil {
			return nil, err
		}
		rows = store.Of([]store.Agent{*ag})
	}
	return store.Map(rows, func(ctx context.Context, rows []store.Agent) ([]MyAgent, error) { return a.myAgents(ctx, actor, rows) }), nil
}

// myAgents adds to agents what the actor has of them.
func (a *App) myAgents(ctx context.Context, actor *Actor, rows []store.Agent) ([]MyAgent, error) {
	ids, homes := make([]string, len(rows)), []string{}
	var outside []string
	for i := range rows {
		if rows[i].IsExternal {
			outside = append(outside, rows[i].ID)
		}
		if ids[i] = rows[i].ID; rows[i].ProjectID != "" && !slices.Contains(homes, rows[i].ProjectID) {
			homes = append(homes, rows[i].ProjectID)
		}
	}
	projects, err := a.db.ProjectsOfAgents(ctx, actor.User.ID, homes)
	if err != nil {
		return nil, err
	}
	places, err := a.placesOf(ctx, actor, ids)
	if err != nil {
		return nil, err
	}
	breakers := map[string]*store.Breaker{}
	if len(outside) > 0 {
		if breakers, err = a.db.Breakers(ctx, outside); err != nil {
			return nil, err
		}
	}
	all := make([]MyAgent, len(rows))
	for i := range rows {
		ag, home := &rows[i], projects[rows[i].ProjectID]
		res := Resource{Noun: "Agent config", Relations: agentRelations(actor, ag, home.Role)}
		may := func(action Action) bool { return Check(actor, action, res) == nil }
		all[i] = MyAgent{Agent: *ag, ProjectName: home.Name, ReadyMade: a.agents.readyMade(ag), Places: places[ag.ID],
			Can: AgentCan{Use: may(ActUseAgent), Edit: may(ActUpdateAgent), Delete: may(ActDeleteAgent),
				Keys: may(ActWriteKeys) && ag.CreatedBy == actor.User.ID}, Unreachable: a.unreachable(breakers[ag.ID])}
	}
	return all, nil
}

// placesOf lists the rooms of agents that the actor may enter, by agents.
func (a *App) placesOf(ctx context.Context, actor *Actor, agentIDs []string) (map[string][]store.AgentPlace, error) {
	rows, err := a.db.PlacesOfAgents(ctx, agentIDs)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, p := range rows {
		if !slices.Contains(ids, p.RoomID) {
			ids = append(ids, p.RoomID)
		}
	}
	spent, err := a.outOfBudget(ctx, rows)
	if err != nil {
		return nil, err
	}
	rooms, err := a.RoomStandings(ctx, actor, ids)
	places, now := map[string][]store.AgentPlace{}, a.now()
	for _, p := range rows {
		if !now.Before(p.MutedUntil) {
			p.MutedUntil = time.Time{}
		}
		p.OutOfBudget = p.OutOfBudget || spent[[2]string{p.RoomID, p.AgentID}]
		if _, may := rooms[p.RoomID]; may {
			places[p.AgentID] = append(places[p.AgentID], p)
		}
	}
	return places, err
}
