package web

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type versionOut struct {
	ID            string    `json:"id" format:"uuid"`
	ConfigID      string    `json:"config_id" format:"uuid"`
	VersionLabel  string    `json:"version_label"`
	SystemPrompt  string    `json:"system_prompt"`
	ModelProvider string    `json:"model_provider"`
	Model         *string   `json:"model"`
	CreatedAt     time.Time `json:"created_at"`
	CreatedBy     *string   `json:"created_by" format:"uuid"`
}

func versionForm(v *store.AgentVersion) versionOut {
	return versionOut{ID: v.ID, ConfigID: v.AgentID, VersionLabel: v.Label, SystemPrompt: v.SystemPrompt, ModelProvider: v.ModelProvider,
		Model: v.Model, CreatedAt: instant(v.CreatedAt), CreatedBy: nullable(v.CreatedBy)}
}

// VersionOut is exported for the document, see AgentOut.
type VersionOut = versionOut

// versionWholeOut is a version with all that it keeps.
type versionWholeOut struct {
	VersionOut
	Whole          bool       `json:"whole" doc:"false: type, category, capabilities, external_config and user_key_ids were not kept; they are null or empty, and a restore leaves them"`
	Name           string     `json:"name"`
	Type           *string    `json:"type"`
	Category       *string    `json:"category"`
	Settings       jsonObject `json:"settings"`
	TriggerConfig  jsonObject `json:"trigger_config"`
	ScheduleConfig jsonObject `json:"schedule_config"`
	ContextWindow  int        `json:"context_window"`
	Capabilities   jsonTexts  `json:"capabilities"`
	ExternalConfig jsonObject `json:"external_config" doc:"Without its secrets"`
	UserKeyIDs     jsonTexts  `json:"user_key_ids"`
}

func versionWholeForm(v *store.AgentVersion) versionWholeOut {
	return versionWholeOut{VersionOut: versionForm(v), Whole: v.Whole(), Name: v.Name, Type: nullable(v.Type), Category: nullable(v.Category),
		Settings: jsonObject(v.Settings), TriggerConfig: jsonObject(v.TriggerConfig), ScheduleConfig: jsonObject(v.ScheduleConfig),
		ContextWindow: v.ContextWindow, Capabilities: jsonTexts(v.Capabilities), ExternalConfig: jsonObject(v.ExternalConfig),
		UserKeyIDs: jsonTexts(v.UserKeyIDs)}
}

func (s *Server) version(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[versionWholeOut], error) {
	v, err := s.app.Version(ctx, actor, in.First.String(), in.Second.String())
	return formed(v, err, versionWholeForm)
}

type versionDiffOut struct {
	Changes []versionChangeOut `json:"changes"`
	NotKept []string           `json:"not_kept" doc:"What one of the two does not have, so that it is not compared"`
}

type versionChangeOut struct {
	Field  versionField  `json:"field"`
	Before *string       `json:"before" doc:"null for none, and where lines say it"`
	After  *string       `json:"after"`
	Lines  []diffLineOut `json:"lines" doc:"Of a long text, and of an object or a list as JSON; else empty"`
}

type diffLineOut struct {
	Op   string `json:"op" enum:"same,removed,added"`
	Text string `json:"text"`
}

// versionField is the name of a member of a version.
type versionField string

// Schema lists the names.
func (versionField) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, name := range app.VersionFields() {
		s.Enum = append(s.Enum, name)
	}
	return s
}

type versionDiffIn struct {
	ConfigID  id `path:"config_id"`
	VersionID id `path:"version_id"`
	With      id `query:"with" doc:"A later version; without it, what the agent is now"`
}

func (s *Server) versionDiff(ctx context.Context, actor *app.Actor, in *versionDiffIn) (*oneOut[versionDiffOut], error) {
	d, err := s.app.VersionDiff(ctx, actor, in.ConfigID.String(), in.VersionID.String(), in.With.String())
	if err != nil {
		return nil, err
	}
	out := versionDiffOut{Changes: make([]versionChangeOut, len(d.Changes)), NotKept: append([]string{}, d.NotKept...)}
	for i, c := range d.Changes {
		lines := make([]diffLineOut, len(c.Lines))
		for j, l := range c.Lines {
			lines[j] = diffLineOut{string(l.Op), l.Text}
		}
		out.Changes[i] = versionChangeOut{versionField(c.Field), c.Before, c.After, lines}
	}
	return &oneOut[versionDiffOut]{out}, nil
}

// agentUnmasked returns an agent without the mask of its key, as the routes under
// /agent-config answer.
func (s *Server) agentUnmasked(a *store.Agent) agentOut {
	out := s.agentForm(a)
	out.MaskedAPIKey = nil
	return out
}

func (s *Server) projectAgents(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[agentOut], error) {
	rows, err := s.app.Agents(ctx, actor, in.ID.String(), everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, s.agentUnmasked)
}

type setProjectAgentIn struct {
	ProjectID id     `path:"project_id"`
	AgentType string `path:"agent_type" maxLength:"64"`
	Body      agentChanges
}

func (s *Server) setProjectAgent(ctx context.Context, actor *app.Actor, in *setProjectAgentIn) (*oneOut[agentOut], error) {
	a, err := s.app.SetProjectAgent(ctx, actor, in.ProjectID.String(), in.AgentType, in.Body.settings(opt[string]{}, in.Body.SystemPrompt))
	if err != nil {
		return nil, err
	}
	return &oneOut[agentOut]{s.agentUnmasked(a)}, nil
}

type keepVersionIn struct {
	ConfigID id `path:"config_id"`
	Body     struct {
		VersionLabel string `json:"version_label"`
	}
}

func (s *Server) keepVersion(ctx context.Context, actor *app.Actor, in *keepVersionIn) (*oneOut[versionOut], error) {
	v, err := s.app.KeepVersion(ctx, actor, in.ConfigID.String(), in.Body.VersionLabel)
	if err != nil {
		return nil, err
	}
	return &oneOut[versionOut]{versionForm(v)}, nil
}

func (s *Server) versions(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[versionOut], error) {
	rows, err := s.app.Versions(ctx, actor, in.ID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, versionForm, in.PageIn)
}

func (s *Server) restoreVersion(ctx context.Context, actor *app.Actor, in *twoIDs) (*oneOut[agentOut], error) {
	return s.oneAgent(s.app.RestoreVersion(ctx, actor, in.First.String(), in.Second.String()))
}
