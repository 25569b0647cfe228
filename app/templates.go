package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Templates lists the actor's own templates.
func (a *App) Templates(ctx context.Context, actor *Actor, p store.Page) (*store.Listing[store.Agent], error) {
	if err := Check(actor, ActListTemplates, Resource{}); err != nil {
		return nil, err
	}
	return a.db.TemplatesOf(ctx, actor.User.ID, p)
}

// CreateTemplate adds a template that belongs to the actor. Agents in projects are
// cloned from it.
func (a *App) CreateTemplate(ctx context.Context, actor *Actor, s AgentSettings) (*store.Agent, error) {
	if err := Check(actor, ActCreateTemplate, Resource{}); err != nil {
		return nil, err
	}
	if err := a.agents.knownType(ctx, "type", s.Type.Value); err != nil {
		return nil, err
	}
	ag := a.agents.fresh("", actor.User.ID)
	if err := a.agents.startAs(ctx, &ag, s.Type.Value); err != nil {
		return nil, err
	}
	ag.Name, ag.IsTemplate = "My Agent", true
	if err := a.agents.apply(s, &ag); err != nil {
		return nil, err
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		return a.agents.add(ctx, tx, actor, ActCreateTemplate, &ag)
	})
	return &ag, agentError(err)
}

// CloneTemplate adds a copy of the actor's template to a project, with its key and
// switched off. If its name is taken there, the copy gets another one.
func (a *App) CloneTemplate(ctx context.Context, actor *Actor, id, projectID string) (*store.Agent, error) {
	src, res, err := a.agentResource(ctx, actor, id, "Global agent")
	if err != nil {
		return nil, err
	}
	if !src.IsTemplate {
		if err := Check(actor, ActReadAgent, res); err != nil {
			return nil, err
		}
		return nil, errorf(KindRejected, wording.NoTemplate, "Source agent is not a template")
	}
	if err := Check(actor, ActCloneTemplate, res); err != nil {
		return nil, err
	}
	if res, err = a.projectResource(ctx, actor, projectID); err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateAgent, res); err != nil {
		return nil, err
	}
	now := a.instant()
	clone := *src
	clone.ID, clone.ProjectID, clone.ParentID, clone.CreatedBy = store.NewID(), projectID, src.ID, actor.User.ID
	clone.IsTemplate, clone.IsActive, clone.CreatedAt, clone.UpdatedAt, clone.Version = false, false, now, now, 1
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		siblings, err := tx.LockAgents(ctx, projectID, clone.Type)
		if err != nil {
			return fromStore(err, "Project")
		}
		clone.Name = freeName(src.Name, siblings)
		if err := a.agents.add(ctx, tx, actor, ActCloneTemplate, &clone); !errors.Is(err, store.ErrReferenced) {
			return err
		}
		return notFound("Global agent")
	})
	return &clone, agentError(err)
}

// freeName is a name that no sibling has: the wanted one, or that with a number.
func freeName(want string, siblings []store.Agent) string {
	free, letters := want, []rune(want)
	for n := 2; slices.ContainsFunc(siblings, func(ag store.Agent) bool { return ag.Name == free }); n++ {
		number := fmt.Sprintf(" (%d)", n)
		free = string(letters[:min(len(letters), maxName-len(number))]) + number
	}
	return free
}

// SyncAgent gives a clone the present settings of its template: all that makes an agent, as a
// version has it. The clone keeps its name, its keys and whether it is on. Its old settings
// are kept as a version. What the actor could not set is refused, as of RestoreVersion.
func (a *App) SyncAgent(ctx context.Context, actor *Actor, id string) (ag *store.Agent, err error) {
	if ag, err = a.agentFor(ctx, actor, id, ActSyncAgent, "Agent config"); err != nil {
		return nil, err
	}
	if ag.ParentID == "" {
		return nil, errorf(KindRejected, wording.NoParent, "Agent has no parent template to sync from")
	}
	parent, err := a.agentFor(ctx, actor, ag.ParentID, ActUseAgent, "Parent template")
	if err != nil {
		return nil, err
	}
	return a.agents.become(ctx, actor, ActSyncAgent, ag, "before sync with "+parent.Name, func(ag *store.Agent) *store.AgentVersion {
		v := versionOf(parent)
		v.Name, v.UserKeyIDs = ag.Name, ag.UserKeyIDs
		return v
	})
}

// SetProjectAgent changes the sent members of a project's oldest agent of a type. It
// makes that agent if there is none.
func (a *App) SetProjectAgent(ctx context.Context, actor *Actor, projectID, agentType string, s AgentSettings) (*store.Agent, error) {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateAgent, res); err != nil {
		return nil, err
	}
	if err := text("agent_type", agentType, 1, 64); err != nil {
		return nil, err
	}
	s.Type = Some(agentType)
	fresh := a.agents.fresh(projectID, actor.User.ID)
	if err := a.agents.startAs(ctx, &fresh, agentType); err != nil {
		return nil, err
	}
	fresh.IsActive = true // it is the first of its type
	ag := &fresh
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		siblings, err := tx.LockAgents(ctx, projectID, agentType)
		if err != nil {
			return fromStore(err, "Project")
		}
		if len(siblings) == 0 {
			if err := a.agents.apply(s, ag); err != nil {
				return err
			}
			return a.agents.add(ctx, tx, actor, ActCreateAgent, ag)
		}
		if ag, err = tx.AgentForUpdate(ctx, siblings[0].ID); err != nil {
			return err
		}
		if err := a.agents.change(ctx, tx, actor, ActUpdateAgent, ag, func(ag *store.Agent) error { return a.agents.apply(s, ag) }); err != nil {
			return err
		}
		return a.agents.giveWayTo(ctx, tx, actor, ag, siblings)
	})
	return ag, agentError(err)
}
