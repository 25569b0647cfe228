package web

import (
	"context"
	"encoding/json"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// agentOut is an agent's configuration. It has the key's mask, never the key.
type agentOut struct {
	ID             string     `json:"id" format:"uuid"`
	ProjectID      *string    `json:"project_id" format:"uuid"`
	Type           string     `json:"type"`
	Name           string     `json:"name"`
	Category       string     `json:"category"`
	ModelProvider  string     `json:"model_provider"`
	Model          *string    `json:"model"`
	SystemPrompt   *string    `json:"system_prompt"`
	Settings       jsonObject `json:"settings"`
	TriggerConfig  jsonObject `json:"trigger_config"`
	ScheduleConfig jsonObject `json:"schedule_config"`
	ContextWindow  int        `json:"context_window"`
	IsActive       bool       `json:"is_active"`
	ParentConfigID *string    `json:"parent_config_id" format:"uuid"`
	IsTemplate     bool       `json:"is_template"`
	IsExternal     bool       `json:"is_external"`
	ExternalConfig jsonObject `json:"external_config" doc:"Without its secrets"`
	Capabilities   jsonTexts  `json:"capabilities"`
	CreatedBy      *string    `json:"created_by" format:"uuid"`
	UpdatedAt      *time.Time `json:"updated_at"`
	MaskedAPIKey   *string    `json:"masked_api_key"`
	UserKeyIDs     jsonTexts  `json:"user_key_ids"`

	Unreachable *unreachableOut `json:"unreachable,omitempty" doc:"Of an external agent that failed the last time"`
}

// unreachableOut says that an agent outside this program failed the last time.
type unreachableOut struct {
	Failures     int        `json:"failures" doc:"In a row"`
	AskedAgainAt *time.Time `json:"asked_again_at" doc:"Until then nobody asks it; null: it is asked"`
	Detail       string     `json:"detail"`
}

func unreachableForm(u *app.Unreachable) *unreachableOut {
	if u == nil {
		return nil
	}
	return &unreachableOut{u.Failures, optionalInstant(u.AskedAgainAt), u.Detail}
}

// agentFace returns what people in a room may know of an agent.
func agentFace(a *store.Agent) agentOut {
	return agentOut{ID: a.ID, Type: a.Type, Name: a.Name, Category: a.Category, IsActive: a.IsActive, IsExternal: a.IsExternal}
}

func (s *Server) agentForm(a *store.Agent) agentOut {
	out, updated := agentFace(a), instant(a.UpdatedAt)
	out.ProjectID, out.ParentConfigID, out.CreatedBy = nullable(a.ProjectID), nullable(a.ParentID), nullable(a.CreatedBy)
	out.ModelProvider, out.Model, out.SystemPrompt = a.ModelProvider, a.Model, &a.SystemPrompt
	out.Settings, out.TriggerConfig = jsonObject(a.Settings), jsonObject(a.TriggerConfig)
	out.ScheduleConfig, out.ExternalConfig = jsonObject(a.ScheduleConfig), jsonObject(a.ExternalConfig)
	out.ContextWindow, out.IsTemplate = a.ContextWindow, a.IsTemplate
	out.Capabilities, out.UserKeyIDs = jsonTexts(a.Capabilities), jsonTexts(a.UserKeyIDs)
	out.UpdatedAt, out.MaskedAPIKey = &updated, s.app.MaskedKey(a)
	return out
}

func (s *Server) oneAgent(a *store.Agent, err error) (*oneOut[agentOut], error) {
	return formed(a, err, s.agentForm)
}

// AgentSettingsIn are the members of an agent other than those that a new one needs. A
// client may send back everything that it read.
type AgentSettingsIn struct {
	Name           opt[string]          `json:"name,omitempty"`
	Category       opt[string]          `json:"category,omitempty"`
	ModelProvider  opt[string]          `json:"model_provider,omitempty"`
	Model          opt[string]          `json:"model,omitempty"`
	APIKey         opt[secret.Text]     `json:"api_key,omitempty" doc:"Absent, null, empty or masked: as before"`
	Settings       opt[json.RawMessage] `json:"settings,omitempty"`
	TriggerConfig  opt[json.RawMessage] `json:"trigger_config,omitempty"`
	ScheduleConfig opt[json.RawMessage] `json:"schedule_config,omitempty"`
	ExternalConfig opt[json.RawMessage] `json:"external_config,omitempty"`
	Capabilities   opt[[]string]        `json:"capabilities,omitempty"`
	UserKeyIDs     opt[[]id]            `json:"user_key_ids,omitempty"`
	ContextWindow  opt[int]             `json:"context_window,omitempty" minimum:"1" maximum:"1000" doc:"The newest messages that it reads, at least"`
	IsActive       opt[bool]            `json:"is_active,omitempty"`
}

func (in AgentSettingsIn) settings(kind, prompt opt[string]) app.AgentSettings {
	keys := app.Opt[[]string]{Sent: in.UserKeyIDs.Sent, Null: in.UserKeyIDs.Null}
	for _, k := range in.UserKeyIDs.Value {
		keys.Value = append(keys.Value, k.String())
	}
	return app.AgentSettings{Type: kind.Opt, SystemPrompt: prompt.Opt, Name: in.Name.Opt, Category: in.Category.Opt,
		ModelProvider: in.ModelProvider.Opt, Model: in.Model.Opt, APIKey: in.APIKey.Opt, Settings: in.Settings.Opt,
		TriggerConfig: in.TriggerConfig.Opt, ScheduleConfig: in.ScheduleConfig.Opt, ExternalConfig: in.ExternalConfig.Opt,
		Capabilities: in.Capabilities.Opt, UserKeyIDs: keys, ContextWindow: in.ContextWindow.Opt, IsActive: in.IsActive.Opt}
}

func (s *Server) agents(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[agentOut], error) {
	rows, err := s.app.Agents(ctx, actor, in.ID.String(), everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.agentForm)
}

// newAgent is the body with a new agent.
type newAgent struct {
	AgentSettingsIn
	Type         opt[string] `json:"type"`
	SystemPrompt opt[string] `json:"system_prompt"`
}

// agentChanges is the body with what changes of an agent whose type the address names.
type agentChanges struct {
	AgentSettingsIn
	SystemPrompt opt[string] `json:"system_prompt,omitempty"`
}

type createAgentIn struct {
	ID   id `path:"id"`
	Body newAgent
}

func (s *Server) createAgent(ctx context.Context, actor *app.Actor, in *createAgentIn) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.CreateAgent(ctx, actor, in.ID.String(), in.Body.settings(in.Body.Type, in.Body.SystemPrompt)))
}

type updateAgentIn struct {
	ID   id `path:"id"`
	Body struct {
		AgentSettingsIn
		Type         opt[string] `json:"type,omitempty"`
		SystemPrompt opt[string] `json:"system_prompt,omitempty"`
	}
}

func (s *Server) updateAgent(ctx context.Context, actor *app.Actor, in *updateAgentIn) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.UpdateAgent(ctx, actor, in.ID.String(), in.Body.settings(in.Body.Type, in.Body.SystemPrompt)))
}

func (s *Server) activateAgent(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.ActivateAgent(ctx, actor, in.ID.String()))
}

func (s *Server) deleteAgent(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedOut, error) {
	if in.DryRun {
		return deleted(s.app.AgentContents(ctx, actor, in.ID.String()))
	}
	return deleted(nil, s.app.DeleteAgent(ctx, actor, in.ID.String()))
}
