package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/store"
)

// designPlaceholder is what the client sends as instructions when somebody saves only
// the design agent's key. Storing it would overwrite the instructions that an admin has
// written.
const designPlaceholder = "System Design Agent"

// SystemAgents lists the program's own agents, without templates and external agents.
func (a *App) SystemAgents(ctx context.Context, actor *Actor) (*store.Listing[store.Agent], error) {
	if err := Check(actor, ActReadSystemAgents, Resource{}); err != nil {
		return nil, err
	}
	return a.db.SystemAgents(ctx, store.Page{Limit: store.MaxLimit})
}

// SetSystemAgent changes the sent members of the system agent of a type. It makes that
// agent if there is none.
func (a *App) SetSystemAgent(ctx context.Context, actor *Actor, agentType string, s AgentSettings) (*store.Agent, error) {
	if err := Check(actor, ActWriteSystemAgents, Resource{}); err != nil {
		return nil, err
	}
	if err := text("agent_type", agentType, 1, 64); err != nil {
		return nil, err
	}
	s.Type = Some(agentType)
	if agentType == store.AgentDesign && s.SystemPrompt.Value == designPlaceholder {
		s.SystemPrompt = Opt[string]{}
	}
	fresh := a.agents.fresh("", actor.User.ID)
	if err := a.agents.startAs(ctx, &fresh, agentType); err != nil {
		return nil, err
	}
	fresh.IsActive = true
	ag, err := a.putSystemAgent(ctx, actor, fresh, s)
	if errors.Is(err, store.ErrExists) {
		// Another transaction made it between the check and the insert, so change that
		// one.
		ag, err = a.putSystemAgent(ctx, actor, fresh, s)
	}
	return ag, fromStore(err, "System agent")
}

func (a *App) putSystemAgent(ctx context.Context, actor *Actor, fresh store.Agent, s AgentSettings) (ag *store.Agent, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		ag, err = tx.SystemAgentForUpdate(ctx, s.Type.Value)
		if errors.Is(err, store.ErrNotFound) {
			ag = &fresh
			if err := a.agents.apply(s, ag); err != nil {
				return err
			}
			return a.agents.add(ctx, tx, actor, ActWriteSystemAgents, ag)
		}
		if err != nil {
			return err
		}
		return a.agents.change(ctx, tx, actor, ActWriteSystemAgents, ag, func(ag *store.Agent) error { return a.agents.apply(s, ag) })
	})
	return ag, err
}
