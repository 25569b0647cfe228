package app

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// maxVersions is how many versions of one agent are kept.
const maxVersions = 200

// KeepVersion stores the present settings of an agent as a version. label may be "".
func (a *App) KeepVersion(ctx context.Context, actor *Actor, agentID, label string) (v *store.AgentVersion, err error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActKeepVersion, "Agent config"); err != nil {
		return nil, err
	}
	if err := text("version_label", label, 0, maxName); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		ag, err := tx.AgentForUpdate(ctx, agentID)
		if err != nil {
			return err
		}
		if v, err = a.agents.keep(ctx, tx, actor, ag, label); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActKeepVersion, target{"agent", agentID}, nil, changes{"version_id": v.ID, "version_label": label})
	})
	return v, fromStore(err, "Agent config")
}

// keep stores the present settings of an agent. The transaction must hold its lock.
func (r *agentRules) keep(ctx context.Context, tx *store.Tx, actor *Actor, ag *store.Agent, label string) (*store.AgentVersion, error) {
	v := versionOf(ag)
	v.ID, v.Label, v.CreatedAt, v.CreatedBy = store.NewID(), label, r.now.instant(), actor.User.ID
	if err := tx.CreateAgentVersion(ctx, v, maxVersions); err != nil || ag.CreatedBy == "" {
		return v, err
	}
	return v, r.quotas.within(ctx, tx, ag.CreatedBy)
}

// versionOf is all that makes an agent. Whether it is switched on is not part of it, and
// neither are its keys, but for the ids of its creator's.
func versionOf(ag *store.Agent) *store.AgentVersion {
	return &store.AgentVersion{AgentID: ag.ID, Name: ag.Name, SystemPrompt: ag.SystemPrompt, ModelProvider: ag.ModelProvider, Model: ag.Model,
		Settings: ag.Settings, TriggerConfig: ag.TriggerConfig, ScheduleConfig: ag.ScheduleConfig, ContextWindow: ag.ContextWindow,
		Type: ag.Type, Category: ag.Category, Capabilities: ag.Capabilities, ExternalConfig: ag.ExternalConfig, UserKeyIDs: ag.UserKeyIDs}
}

// Version returns a version of an agent.
func (a *App) Version(ctx context.Context, actor *Actor, agentID, versionID string) (*store.AgentVersion, error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActReadVersions, "Agent config"); err != nil {
		return nil, err
	}
	v, err := a.db.AgentVersion(ctx, agentID, versionID)
	return v, fromStore(err, "Version")
}

// Versions lists an agent's versions, newest first, without their settings.
func (a *App) Versions(ctx context.Context, actor *Actor, agentID string, p store.Page) (*store.Listing[store.AgentVersion], error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActReadVersions, "Agent config"); err != nil {
		return nil, err
	}
	return a.db.AgentVersions(ctx, agentID, p)
}

// RestoreVersion sets an agent back to a version: to all that was kept. It first keeps
// what the agent is now as a version, so that a restore can be undone. The agent's own keys
// and secrets stay, and whether it is on. What the actor could not set is refused: the keys
// of somebody else, or an address to which the secrets may not go.
func (a *App) RestoreVersion(ctx context.Context, actor *Actor, agentID, versionID string) (ag *store.Agent, err error) {
	was, err := a.agentFor(ctx, actor, agentID, ActRestoreVersion, "Agent config")
	if err != nil {
		return nil, err
	}
	v, err := a.db.AgentVersion(ctx, agentID, versionID)
	if err != nil {
		return nil, fromStore(err, "Version")
	}
	return a.agents.become(ctx, actor, ActRestoreVersion, was, "before restore of "+versionTitle(v, a.cfg.Location()),
		func(*store.Agent) *store.AgentVersion { return v })
}

// become makes an agent what a version is, which may depend on what the agent is now. It
// first keeps that as a version with this label. was is the agent as it was read before.
func (r *agentRules) become(ctx context.Context, actor *Actor, action Action, was *store.Agent, label string,
	version func(*store.Agent) *store.AgentVersion) (ag *store.Agent, err error) {
	v := version(was)
	retyped := v.Whole() && v.Type != was.Type
	if retyped {
		if err := r.knownType(ctx, "type", v.Type); err != nil {
			return nil, err
		}
	}
	err = r.db.InTx(ctx, func(tx *store.Tx) error {
		var siblings []store.Agent
		if retyped && was.ProjectID != "" {
			// Lock order: project, agent, as wherever both are written.
			if siblings, err = tx.LockAgents(ctx, was.ProjectID, v.Type); err != nil {
				return err
			}
		}
		if ag, err = tx.AgentForUpdate(ctx, was.ID); err != nil {
			return err
		}
		if _, err := r.keep(ctx, tx, actor, ag, label); err != nil {
			return err
		}
		if err := r.change(ctx, tx, actor, action, ag, func(ag *store.Agent) error { return r.restore(version(ag), ag) }); err != nil {
			return err
		}
		if !retyped {
			return nil
		}
		return r.giveWayTo(ctx, tx, actor, ag, siblings)
	})
	return ag, agentError(err)
}

// restore writes what was kept to an agent. A version that was kept long ago may have
// settings that are not valid now.
func (r *agentRules) restore(v *store.AgentVersion, ag *store.Agent) error {
	ag.Name, ag.SystemPrompt, ag.ModelProvider, ag.Model = v.Name, v.SystemPrompt, v.ModelProvider, v.Model
	ag.Settings, ag.TriggerConfig, ag.ScheduleConfig, ag.ContextWindow = v.Settings, v.TriggerConfig, v.ScheduleConfig, v.ContextWindow
	if v.Whole() {
		ag.Type, ag.Category, ag.Capabilities, ag.UserKeyIDs = v.Type, v.Category, v.Capabilities, v.UserKeyIDs
		if v.ExternalConfig == "" && !ag.IsExternal {
			ag.ExternalConfig = ""
		}
		if err := firstOf(errors.Join(checkCategory(ag), r.applyExternal(Some(json.RawMessage(v.ExternalConfig)), ag))); err != nil {
			return err
		}
	}
	return firstOf(errors.Join(r.checkProvider(ag), checkTrigger(ag.TriggerConfig), checkSchedule(ag.ScheduleConfig)))
}

// versionTitle is a version's label, or the time when it was kept if it has none.
func versionTitle(v *store.AgentVersion, zone *time.Location) string {
	if v.Label != "" {
		return v.Label
	}
	return v.CreatedAt.In(zone).Format(time.DateTime)
}
