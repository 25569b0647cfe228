package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

type modelsOut struct {
	Providers []providerModelsOut `json:"providers"`
}

type providerModelsOut struct {
	Provider     string                `json:"provider" example:"openai"`
	DefaultModel *string               `json:"default_model" doc:"Of agents that name none"`
	Key          string                `json:"key" enum:"none,own,shared,agent" doc:"Whose key it was asked with; shared: in the project"`
	Fault        maybe[modelListFault] `json:"fault" doc:"Why it did not list its models; these are the known ones"`
	Models       []modelOut            `json:"models"`
}

type modelListFault struct {
	Reason string `json:"reason" example:"unavailable"`
	Detail string `json:"detail"`
}

type modelOut struct {
	ID         string            `json:"id" doc:"What an agent's model is set to"`
	Label      string            `json:"label"`
	Context    *int              `json:"context_tokens" doc:"Of a prompt with its answer; null when not known, as the next ones"`
	Output     *int              `json:"output_tokens" doc:"Of an answer"`
	SeesImages *bool             `json:"sees_images"`
	Price      maybe[modelPrice] `json:"price"`
}

type modelPrice struct {
	Input    exact  `json:"input" doc:"Of a million tokens"`
	Output   exact  `json:"output"`
	Currency string `json:"currency" example:"USD"`
}

type modelsIn struct {
	ProjectID id `query:"project_id"`
	AgentID   id `query:"agent_id"`
}

func (s *Server) models(ctx context.Context, actor *app.Actor, in *modelsIn) (*oneOut[modelsOut], error) {
	rows, err := s.app.Models(ctx, actor, app.ModelsWanted{ProjectID: in.ProjectID.String(), AgentID: in.AgentID.String()})
	if err != nil {
		return nil, err
	}
	out := modelsOut{Providers: make([]providerModelsOut, len(rows))}
	for i, p := range rows {
		of := providerModelsOut{Provider: p.Provider, DefaultModel: nullable(p.DefaultModel), Key: p.Key, Models: make([]modelOut, len(p.Models))}
		if p.Fault != nil {
			reason, detail := p.Fault.Plain()
			of.Fault.object = &modelListFault{reason, worded(ctx, detail)}
		}
		for j, m := range p.Models {
			of.Models[j] = modelOut{ID: m.ID, Label: m.Label, Context: known(m.Context), Output: known(m.Output), SeesImages: m.SeesImages}
			if m.Price != nil {
				of.Models[j].Price.object = &modelPrice{exact(m.Price.Input.String()), exact(m.Price.Output.String()), m.Price.Currency}
			}
		}
		out.Providers[i] = of
	}
	return &oneOut[modelsOut]{out}, nil
}

// known is a count, or null for 0.
func known(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
