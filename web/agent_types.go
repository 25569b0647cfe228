package web

import (
	"context"
	"encoding/json"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type agentTypeOut struct {
	ID                   string     `json:"id" format:"uuid"`
	TypeName             string     `json:"type_name"`
	DisplayName          string     `json:"display_name"`
	Description          *string    `json:"description"`
	Category             string     `json:"category" enum:"instructor,participant,utility,external"`
	Icon                 *string    `json:"icon"`
	Color                *string    `json:"color"`
	DefaultSystemPrompt  *string    `json:"default_system_prompt"`
	DefaultModelProvider string     `json:"default_model_provider"`
	DefaultModel         *string    `json:"default_model"`
	DefaultSettings      jsonObject `json:"default_settings"`
	DefaultCapabilities  jsonTexts  `json:"default_capabilities"`
	IsSystem             bool       `json:"is_system"`
}

func agentTypeForm(t *store.AgentType) agentTypeOut {
	return agentTypeOut{ID: t.ID, TypeName: t.TypeName, DisplayName: t.DisplayName, Description: t.Description, Category: t.Category,
		Icon: t.Icon, Color: t.Color, DefaultSystemPrompt: t.DefaultSystemPrompt, DefaultModelProvider: t.DefaultModelProvider,
		DefaultModel: t.DefaultModel, DefaultSettings: jsonObject(t.DefaultSettings), DefaultCapabilities: jsonTexts(t.DefaultCapabilities),
		IsSystem: t.IsSystem}
}

func oneAgentType(t *store.AgentType, err error) (*oneOut[agentTypeOut], error) {
	return formed(t, err, agentTypeForm)
}

// agentTypeIn is the path parameter of one agent type.
type agentTypeIn struct {
	TypeName string `path:"type_name"`
}

type agentTypesIn struct {
	Category      string `query:"category"`
	IncludeSystem bool   `query:"include_system" default:"true"`
}

func (s *Server) agentTypes(ctx context.Context, actor *app.Actor, in *agentTypesIn) (*listOut[agentTypeOut], error) {
	rows, err := s.app.AgentTypes(ctx, actor, in.Category, in.IncludeSystem)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, agentTypeForm)
}

func (s *Server) agentType(ctx context.Context, actor *app.Actor, in *agentTypeIn) (*oneOut[agentTypeOut], error) {
	return oneAgentType(s.app.AgentType(ctx, actor, in.TypeName))
}

// AgentTypeSettingsIn are the members of an agent type other than its names.
type AgentTypeSettingsIn struct {
	Description          opt[string]          `json:"description,omitempty"`
	Category             opt[string]          `json:"category,omitempty" doc:"How agents of the type behave in a room"`
	Icon                 opt[string]          `json:"icon,omitempty"`
	Color                opt[string]          `json:"color,omitempty"`
	DefaultSystemPrompt  opt[string]          `json:"default_system_prompt,omitempty"`
	DefaultModelProvider opt[string]          `json:"default_model_provider,omitempty"`
	DefaultModel         opt[string]          `json:"default_model,omitempty"`
	DefaultSettings      opt[json.RawMessage] `json:"default_settings,omitempty"`
	DefaultCapabilities  opt[[]string]        `json:"default_capabilities,omitempty"`
}

func (in AgentTypeSettingsIn) settings(displayName opt[string]) app.AgentTypeSettings {
	return app.AgentTypeSettings{DisplayName: displayName.Opt, Description: in.Description.Opt, Category: in.Category.Opt, Icon: in.Icon.Opt,
		Color: in.Color.Opt, DefaultSystemPrompt: in.DefaultSystemPrompt.Opt, DefaultModelProvider: in.DefaultModelProvider.Opt,
		DefaultModel: in.DefaultModel.Opt, DefaultSettings: in.DefaultSettings.Opt, DefaultCapabilities: in.DefaultCapabilities.Opt}
}

type createAgentTypeIn struct {
	Body struct {
		AgentTypeSettingsIn
		TypeName    string      `json:"type_name" doc:"It never changes"`
		DisplayName opt[string] `json:"display_name"`
	}
}

func (s *Server) createAgentType(ctx context.Context, actor *app.Actor, in *createAgentTypeIn) (*oneOut[agentTypeOut], error) {
	return oneAgentType(s.app.CreateAgentType(ctx, actor, in.Body.TypeName, in.Body.settings(in.Body.DisplayName)))
}

type updateAgentTypeIn struct {
	TypeName string `path:"type_name"`
	Body     struct {
		AgentTypeSettingsIn
		DisplayName opt[string] `json:"display_name,omitempty"`
	}
}

func (s *Server) updateAgentType(ctx context.Context, actor *app.Actor, in *updateAgentTypeIn) (*oneOut[agentTypeOut], error) {
	return oneAgentType(s.app.UpdateAgentType(ctx, actor, in.TypeName, in.Body.settings(in.Body.DisplayName)))
}

func (s *Server) deleteAgentType(ctx context.Context, actor *app.Actor, in *agentTypeIn) (*empty, error) {
	return nil, s.app.DeleteAgentType(ctx, actor, in.TypeName)
}

type agentTypeSchemaOut struct {
	Body struct {
		TypeName   string            `json:"type_name"`
		Category   string            `json:"category"`
		Defaults   agentTypeDefaults `json:"defaults"`
		IsExternal bool              `json:"is_external"`
	}
}

type agentTypeDefaults struct {
	SystemPrompt  *string    `json:"system_prompt"`
	ModelProvider string     `json:"model_provider"`
	Model         *string    `json:"model"`
	Settings      jsonObject `json:"settings"`
	Capabilities  jsonTexts  `json:"capabilities"`
}

func (s *Server) agentTypeSchema(ctx context.Context, actor *app.Actor, in *agentTypeIn) (*agentTypeSchemaOut, error) {
	t, err := s.app.AgentType(ctx, actor, in.TypeName)
	if err != nil {
		return nil, err
	}
	out := new(agentTypeSchemaOut)
	out.Body.TypeName, out.Body.Category, out.Body.IsExternal = t.TypeName, t.Category, t.Category == "external"
	out.Body.Defaults = agentTypeDefaults{SystemPrompt: t.DefaultSystemPrompt, ModelProvider: t.DefaultModelProvider, Model: t.DefaultModel,
		Settings: jsonObject(t.DefaultSettings), Capabilities: jsonTexts(t.DefaultCapabilities)}
	return out, nil
}
