package web

import (
	"cmp"
	"context"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
)

type generateIn struct {
	Body struct {
		Requirement        string           `json:"requirement"`
		TargetAgentType    string           `json:"target_agent_type" example:"teacher"`
		CourseContext      opt[string]      `json:"course_context,omitempty"`
		ProjectID          opt[id]          `json:"project_id,omitempty" doc:"Whose active design agent serves, not the program's"`
		CourseID           opt[string]      `json:"course_id,omitempty" doc:"Not used"`
		CustomSystemPrompt opt[string]      `json:"custom_system_prompt,omitempty" doc:"In place of the design agent's"`
		CustomProvider     opt[string]      `json:"custom_provider,omitempty" doc:"In place of the design agent's; with a key sent, or one of the caller's"`
		CustomModel        opt[string]      `json:"custom_model,omitempty"`
		CustomAPIKey       opt[secret.Text] `json:"custom_api_key,omitempty"`
		APIKey             opt[secret.Text] `json:"api_key,omitempty" doc:"Without custom_api_key"`
		Provider           opt[string]      `json:"provider,omitempty" doc:"Of the key that is sent"`
	}
}

type generatedOut struct {
	Body struct {
		GeneratedPrompt string `json:"generated_prompt"`
		Truncated       bool   `json:"truncated,omitempty" doc:"Cut before its end"`
	}
}

func (s *Server) generateInstructions(ctx context.Context, actor *app.Actor, in *generateIn) (*generatedOut, error) {
	b := in.Body
	d := app.Design{Requirement: b.Requirement, TargetAgentType: b.TargetAgentType, CourseContext: b.CourseContext.Value,
		ProjectID: b.ProjectID.Value.String(), SystemPrompt: b.CustomSystemPrompt.Value, Model: b.CustomModel.Value,
		Provider: b.CustomProvider.Value, Key: cmp.Or(b.CustomAPIKey.Value, b.APIKey.Value), Suggested: b.Provider.Value}
	prompt, cut, err := s.app.GenerateInstructions(ctx, actor, d)
	if err != nil {
		return nil, err
	}
	out := new(generatedOut)
	out.Body.GeneratedPrompt, out.Body.Truncated = prompt, cut
	return out, nil
}
