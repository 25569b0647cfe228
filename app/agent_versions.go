package app

import (
	"context"
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
	v := &store.AgentVersion{ID: store.NewID(), AgentID: ag.ID, Label: label, Name: ag.Name, SystemPrompt: ag.SystemPrompt,
		ModelProvider: ag.ModelProvider, Model: ag.Model, Settings: ag.Settings, TriggerConfig: ag.TriggerConfig,
		ScheduleConfig: ag.ScheduleConfig, ContextWindow: ag.ContextWindow, CreatedAt: r.now.instant(), CreatedBy: actor.User.ID}
	if err := tx.CreateAgentVersion(ctx, v, maxVersions); err != nil || ag.CreatedBy == "" {
		return v, err
	}
	return v, r.quotas.within(ctx, tx, ag.CreatedBy)
}

// Versions lists an agent's versions, newest first, without their settings.
func (a *App) Versions(ctx context.Context, actor *Actor, agentID string, p store.Page) (*store.Listing[store.AgentVersion], error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActReadVersions, "Agent config"); err != nil {
		return nil, err
	}
	return a.db.AgentVersions(ctx, agentID, p)
}

// RestoreVersion sets an agent back to a version. It first keeps the present settings as
// a version, so that a restore can be undone. The agent's keys stay.
func (a *App) RestoreVersion(ctx context.Context, actor *Actor, agentID, versionID string) (ag *store.Agent, err error) {
	if _, err := a.agentFor(ctx, actor, agentID, ActRestoreVersion, "Agent config"); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ag, err = tx.AgentForUpdate(ctx, agentID); err != nil {
			return err
		}
		v, err := tx.AgentVersion(ctx, agentID, versionID)
		if err != nil {
			return fromStore(err, "Version")
		}
		if _, err := a.agents.keep(ctx, tx, actor, ag, "before restore of "+versionTitle(v, a.cfg.Location())); err != nil {
			return err
		}
		return a.agents.change(ctx, tx, actor, ActRestoreVersion, ag, func(ag *store.Agent) error {
			ag.Name, ag.SystemPrompt, ag.ModelProvider, ag.Model = v.Name, v.SystemPrompt, v.ModelProvider, v.Model
			ag.Settings, ag.TriggerConfig, ag.ScheduleConfig, ag.ContextWindow = v.Settings, v.TriggerConfig, v.ScheduleConfig, v.ContextWindow
			// A version that was kept long ago may have settings that are not valid now.
			return firstOf(errors.Join(a.agents.checkProvider(ag), checkTrigger(ag.TriggerConfig), checkSchedule(ag.ScheduleConfig)))
		})
	})
	return ag, agentError(err)
}

// versionTitle is a version's label, or the time when it was kept if it has none.
func versionTitle(v *store.AgentVersion, zone *time.Location) string {
	if v.Label != "" {
		return v.Label
	}
	return v.CreatedAt.In(zone).Format(time.DateTime)
}
