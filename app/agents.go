package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/a2a"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/turn"
	"github.com/coagent-studio/coagent/app/turntaking"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/jobs"
	"github.com/coagent-studio/coagent/store"
)

// providerOffline is the built-in provider that needs neither key nor network.
const providerOffline = "offline"

// defaultProvider is the provider of an agent for which nobody has chosen one.
const defaultProvider = "gemini"

// agentRules hold for every agent, whoever makes or changes it: the defaults, what its
// settings may be, who may change its keys, how its secrets are kept, and the quotas.
// The caller has checked that the actor may do the action.
type agentRules struct {
	db     *store.DB
	now    clock
	keys   *secret.Keyring
	models *llm.Models
	model  *model.Caller
	quotas quotas
	audit  auditLog

	external     *a2a.Client // calls agents outside this program
	messageBytes int         // what one of their messages may have
}

// fresh is an agent with every default in place.
func (r *agentRules) fresh(projectID, createdBy string) store.Agent {
	now := r.now.instant()
	return store.Agent{ID: store.NewID(), ProjectID: projectID, CreatedBy: createdBy, Name: "Default Profile",
		Category: categoryInstructor, ModelProvider: defaultProvider, Settings: "{}", Capabilities: "[]", UserKeyIDs: "[]",
		ContextWindow: 10, CreatedAt: now, UpdatedAt: now, Version: 1}
}

// Agents lists a project's agents.
func (a *App) Agents(ctx context.Context, actor *Actor, projectID string, p store.Page) (*store.Listing[store.Agent], error) {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActListAgents, res); err != nil {
		return nil, err
	}
	return a.db.AgentsInProject(ctx, projectID, p)
}

// CreateAgent adds an agent to a project. A person's first agent of a type becomes
// active, and the ready-made agent of that type is switched off.
func (a *App) CreateAgent(ctx context.Context, actor *Actor, projectID string, s AgentSettings) (*store.Agent, error) {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateAgent, res); err != nil {
		return nil, err
	}
	ag := a.agents.fresh(projectID, actor.User.ID)
	if err := a.agents.knownType(ctx, "type", s.Type.Value); err != nil {
		return nil, err
	}
	if err := a.agents.startAs(ctx, &ag, s.Type.Value); err != nil {
		return nil, err
	}
	if err := a.agents.apply(s, &ag); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		// LockAgents locks the project. Without it, two creates at once could both be
		// the first.
		siblings, err := tx.LockAgents(ctx, projectID, ag.Type)
		if err != nil {
			return fromStore(err, "Project")
		}
		if !s.IsActive.Sent {
			ag.IsActive = !slices.ContainsFunc(siblings, func(s store.Agent) bool { return !a.agents.readyMade(&s) })
		}
		if err := a.agents.giveWayTo(ctx, tx, actor, &ag, siblings); err != nil {
			return err
		}
		return a.agents.add(ctx, tx, actor, ActCreateAgent, &ag)
	})
	return &ag, agentError(err)
}

// add stores a new agent. Every agent that a person makes goes through it.
func (r *agentRules) add(ctx context.Context, tx *store.Tx, actor *Actor, action Action, ag *store.Agent) error {
	if err := mayChangeKeys(actor, &store.Agent{UserKeyIDs: "[]"}, ag); err != nil {
		return err
	}
	if err := tx.CreateAgents(ctx, []store.Agent{*ag}); err != nil {
		return err
	}
	var kinds []store.Owned
	if ag.IsTemplate {
		kinds = append(kinds, store.OwnedTemplates)
	}
	if ag.ProjectID != "" {
		if err := r.quotas.withinPlace(ctx, tx, actor, store.PlacedAgents, ag.ProjectID); err != nil {
			return err
		}
	}
	if err := r.quotas.within(ctx, tx, ag.CreatedBy, kinds...); err != nil {
		return err
	}
	return r.record(ctx, tx, actor, action, nil, ag)
}

// mayChangeKeys refuses a change of an agent's keys and secrets by a token, or by a
// person who acts as somebody else. Every change of an agent is checked with it.
func mayChangeKeys(actor *Actor, before, after *store.Agent) error {
	if before.EncryptedAPIKey == after.EncryptedAPIKey && before.EncryptedSecrets == after.EncryptedSecrets &&
		before.UserKeyIDs == after.UserKeyIDs {
		return nil
	}
	return actor.holds(scopeSession)
}

// agentError turns the store's error about an agent into one for the person.
func agentError(err error) error {
	if errors.Is(err, store.ErrExists) {
		return errorf(KindRejected, wording.AgentExists, "A brain with this name already exists for this agent type.")
	}
	return fromStore(err, "Agent config")
}

// UpdateAgent changes the sent members of an agent.
func (a *App) UpdateAgent(ctx context.Context, actor *Actor, id string, s AgentSettings) (*store.Agent, error) {
	was, err := a.agentFor(ctx, actor, id, ActUpdateAgent, "Agent config")
	if err != nil {
		return nil, err
	}
	if s.Type.Sent && s.Type.Value != was.Type {
		if err := a.agents.knownType(ctx, "type", s.Type.Value); err != nil {
			return nil, err
		}
	}
	ag := was
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		var siblings []store.Agent
		if was.ProjectID != "" && (s.IsActive.Value || s.Type.Sent) {
			// Lock order: project, agent, as wherever both are written.
			kind := was.Type
			if s.Type.Sent {
				kind = s.Type.Value
			}
			if siblings, err = tx.LockAgents(ctx, was.ProjectID, kind); err != nil {
				return err
			}
		}
		if ag, err = tx.AgentForUpdate(ctx, id); err != nil {
			return err
		}
		before := *ag
		if err := a.agents.change(ctx, tx, actor, ActUpdateAgent, ag, func(ag *store.Agent) error { return a.agents.apply(s, ag) }); err != nil {
			return err
		}
		if before.IsActive && before.Type == ag.Type {
			return nil
		}
		return a.agents.giveWayTo(ctx, tx, actor, ag, siblings)
	})
	return ag, agentError(err)
}

// editAgent changes an agent as it is stored now. If two people edit it at once, both
// changes stand, because each changes only the members that were sent.
func (a *App) editAgent(ctx context.Context, actor *Actor, action Action, id string, edit func(*store.Agent) error) (
	ag *store.Agent, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ag, err = tx.AgentForUpdate(ctx, id); err != nil {
			return err
		}
		return a.agents.change(ctx, tx, actor, action, ag, edit)
	})
	return ag, agentError(err)
}

// change edits an agent that the transaction has locked.
func (r *agentRules) change(ctx context.Context, tx *store.Tx, actor *Actor, action Action, ag *store.Agent,
	edit func(*store.Agent) error) error {
	before := *ag
	if err := edit(ag); err != nil {
		return err
	}
	if ag.UserKeyIDs != before.UserKeyIDs && ag.CreatedBy != actor.User.ID {
		return errorf(KindForbidden, wording.Forbidden, "user_key_ids: only the agent's creator, whose keys they are, can change them")
	}
	if err := mayChangeKeys(actor, &before, ag); err != nil {
		return err
	}
	if err := r.model.BindKeys(ctx, tx, &before, ag); err != nil {
		return err
	}
	ag.UpdatedAt = r.now.instant()
	if err := tx.UpdateAgent(ctx, ag); err != nil {
		return err
	}
	readdressed, err := r.readdressed(&before, ag)
	if err == nil && readdressed {
		err = tx.CloseBreaker(ctx, ag.ID)
	}
	if err != nil {
		return err
	}
	if ag.TriggerConfig != before.TriggerConfig || ag.ScheduleConfig != before.ScheduleConfig {
		if err := tx.RecheckTriggers(ctx, ag.ID, ag.UpdatedAt); err != nil {
			return err
		}
	}
	if agentGrew(&before, ag) {
		if err := r.quotas.within(ctx, tx, ag.CreatedBy); err != nil {
			return err
		}
	}
	return r.record(ctx, tx, actor, action, &before, ag)
}

// record adds a line about an agent to the audit log. before is nil for a new
// agent, after is nil for a deleted one.
func (r *agentRules) record(ctx context.Context, tx *store.Tx, actor *Actor, action Action, before, after *store.Agent) error {
	var old, now changes
	on := target{kind: "agent"}
	if before != nil {
		old, on.id = agentChanges(before), before.ID
	}
	if after != nil {
		now, on.id = agentChanges(after), after.ID
		was := ""
		if before != nil {
			was = before.EncryptedAPIKey
		}
		switch after.EncryptedAPIKey {
		case was:
		case "":
			now["api_key"] = "cleared"
		default:
			now["api_key"] = "set"
		}
	}
	return r.audit.record(ctx, tx, actor, action, on, old, now)
}

// agentChanges is an agent as the audit log shows it. Its settings may hold a client's
// secrets, so the log has only their checksums.
func agentChanges(ag *store.Agent) changes {
	return changes{"project_id": ag.ProjectID, "type": ag.Type, "name": ag.Name, "category": ag.Category, "model_provider": ag.ModelProvider,
		"model": ag.Model, "system_prompt": ag.SystemPrompt, "context_window": ag.ContextWindow, "is_active": ag.IsActive,
		"is_template": ag.IsTemplate, "is_external": ag.IsExternal, "settings": sum(string(ag.Settings)),
		"trigger_config": sum(string(ag.TriggerConfig)), "schedule_config": sum(string(ag.ScheduleConfig)),
		"external_config": sum(string(ag.ExternalConfig)), "secrets": sum(ag.EncryptedSecrets),
		"capabilities": sum(string(ag.Capabilities)), "user_key_ids": sum(string(ag.UserKeyIDs))}
}

// ActivateAgent switches an agent on. It switches off the other agents of its type in
// its project.
func (a *App) ActivateAgent(ctx context.Context, actor *Actor, id string) (*store.Agent, error) {
	ag, err := a.agentFor(ctx, actor, id, ActActivateAgent, "Agent config")
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ag.ProjectID != "" {
			// LockAgents locks the project, so that two activations, which both write
			// all of these agents, happen one after the other.
			siblings, err := tx.LockAgents(ctx, ag.ProjectID, ag.Type)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(siblings, func(s store.Agent) bool { return s.ID == ag.ID }); i >= 0 {
				ag = &siblings[i]
			}
			if err := tx.DeactivateSiblings(ctx, ag, a.instant()); err != nil {
				return err
			}
			for _, s := range siblings {
				if s.ID == ag.ID {
					continue
				}
				off := s
				off.IsActive = false
				if err := a.agents.record(ctx, tx, actor, ActActivateAgent, &s, &off); err != nil {
					return err
				}
			}
		}
		before := *ag
		ag.IsActive, ag.UpdatedAt = true, a.instant()
		if err := tx.UpdateAgent(ctx, ag); err != nil {
			return err
		}
		return a.agents.record(ctx, tx, actor, ActActivateAgent, &before, ag)
	})
	return ag, fromStore(err, "Agent config")
}

// AgentContents counts what goes when an agent is deleted: its places in rooms and its open
// turns.
func (a *App) AgentContents(ctx context.Context, actor *Actor, id string) (store.Counts, error) {
	if _, err := a.agentFor(ctx, actor, id, ActDeleteAgent, "Agent config"); err != nil {
		return nil, err
	}
	return a.db.AgentContents(ctx, id)
}

// DeleteAgent removes an agent from its project and from every room. Its messages stay.
func (a *App) DeleteAgent(ctx context.Context, actor *Actor, id string) error {
	ag, err := a.agentFor(ctx, actor, id, ActDeleteAgent, "Agent config")
	if err != nil {
		return err
	}
	var waiting []store.Turn // turns that are deleted with the agent; the people who asked for them get a signal
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if waiting, err = tx.TurnsToEnd(ctx, id); err != nil {
			return err
		}
		if err := tx.DeleteAgent(ctx, id); err != nil {
			return err
		}
		// The end of a turn would have gone on in its room. Now nothing ends it.
		for _, t := range waiting {
			if err := a.queue.Add(ctx, tx, jobs.DecideInRoom{RoomID: t.RoomID}); err != nil {
				return err
			}
		}
		return a.agents.record(ctx, tx, actor, ActDeleteAgent, ag, nil)
	})
	for _, t := range waiting {
		if err == nil && t.AskedBy != "" {
			a.audience.tell(t.RoomID, turn.Silence{UserID: t.AskedBy, AgentID: id, Name: ag.Name,
				Reason: turntaking.Reason(turntaking.RuleGone, "")})
		}
	}
	return fromStore(err, "Agent config")
}

// agentFor loads an agent and checks that the actor may do the action to it.
func (a *App) agentFor(ctx context.Context, actor *Actor, id string, action Action, noun string) (*store.Agent, error) {
	ag, res, err := a.agentResource(ctx, actor, id, noun)
	if err != nil {
		return nil, err
	}
	return ag, Check(actor, action, res)
}

// agentResource loads an agent and the actor's relations to it.
func (a *App) agentResource(ctx context.Context, actor *Actor, id, noun string) (*store.Agent, Resource, error) {
	res := Resource{Noun: noun}
	if actor == nil {
		return nil, res, errNotAuthenticated
	}
	ag, err := a.db.Agent(ctx, id)
	if err != nil {
		return nil, res, fromStore(err, noun)
	}
	role := ""
	if ag.ProjectID != "" {
		if role, err = a.db.ProjectRole(ctx, ag.ProjectID, actor.User.ID); err != nil {
			return nil, res, err
		}
	}
	res.Relations = agentRelations(actor, ag, role)
	return ag, res, nil
}

// agentRelations is how the actor stands to an agent, with this role in its project.
func agentRelations(actor *Actor, ag *store.Agent, role string) Relation {
	switch {
	case ag.ProjectID != "":
		return projRelation[role]
	case ag.CreatedBy == actor.User.ID && !ag.System():
		// Not for a system agent: whoever made it may not be an admin any more.
		return IsCreator
	}
	return 0
}
