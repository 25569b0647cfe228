package app

import (
	"context"
	"errors"
	"sync"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/price"
	"github.com/coagent-studio/coagent/store"
)

// Whose key the models of a provider were listed with.
const (
	ListedKeyless = "none"   // the provider needs none
	ListedOwn     = "own"    // the actor's
	ListedShared  = "shared" // of somebody in the project
	ListedAgent   = "agent"  // one that the agent uses
)

// ListedKeys are all of these words.
var ListedKeys = []string{ListedKeyless, ListedOwn, ListedShared, ListedAgent}

// ProviderModels are the models of one provider that the actor can choose.
type ProviderModels struct {
	Provider     string
	DefaultModel string
	Key          string
	Fault        *llm.Error // the provider did not answer, and Models are those that are known
	Models       []ModelChoice
}

// ModelChoice is a model with what is known of it. Price is nil when it has none.
type ModelChoice struct {
	llm.ListedModel
	Price *price.Price
}

// ModelsWanted says for what somebody chooses a model: an agent, or a new one in a project.
// Both may be "".
type ModelsWanted struct{ ProjectID, AgentID string }

// Models lists the providers that the actor can choose a model of, with their models: those
// that need no key, and those for which there is a key that the actor may use.
func (a *App) Models(ctx context.Context, actor *Actor, w ModelsWanted) ([]ProviderModels, error) {
	if err := Check(actor, ActListModels, Resource{}); err != nil {
		return nil, err
	}
	ag, err := a.modelsWantedBy(ctx, actor, &w)
	if err != nil {
		return nil, err
	}
	keys, err := a.db.UserKeysToUse(ctx, actor.User.ID, w.ProjectID)
	if err != nil {
		return nil, err
	}
	var out []ProviderModels
	var tokens [][]string
	for _, name := range a.Providers() {
		p, with := ProviderModels{Provider: name, DefaultModel: a.agents.models.DefaultModel(name)}, []string{}
		for i := range keys {
			if keys[i].Provider != name {
				continue
			}
			if p.Key == "" {
				p.Key = ListedShared
				if keys[i].UserID == actor.User.ID {
					p.Key = ListedOwn
				}
			}
			with = append(with, keys[i].EncryptedKey)
		}
		switch {
		case !a.agents.models.NeedsKey(name):
			p.Key = ListedKeyless
		case ag != nil && ag.ModelProvider == name:
			p.Key = ListedAgent
		case p.Key == "":
			continue
		}
		out, tokens = append(out, p), append(tokens, with)
	}
	return a.listModels(ctx, ag, out, tokens)
}

// modelsWantedBy checks that the actor may have the keys of the project and of the agent
// used. It returns the agent, and its project in w.
func (a *App) modelsWantedBy(ctx context.Context, actor *Actor, w *ModelsWanted) (ag *store.Agent, err error) {
	if w.AgentID != "" {
		if ag, err = a.agentFor(ctx, actor, w.AgentID, ActUpdateAgent, "Agent config"); err != nil {
			return nil, err
		}
		if w.ProjectID == "" || w.ProjectID == ag.ProjectID {
			w.ProjectID = ag.ProjectID
			return ag, nil
		}
	}
	if w.ProjectID == "" {
		return ag, nil
	}
	res, err := a.projectResource(ctx, actor, w.ProjectID)
	if err != nil {
		return nil, err
	}
	return ag, Check(actor, ActCreateAgent, res)
}

// listModels asks all providers at once, each with the keys there are for it. A provider
// without a key that works at its present address is left out.
func (a *App) listModels(ctx context.Context, ag *store.Agent, of []ProviderModels, tokens [][]string) ([]ProviderModels, error) {
	var wg sync.WaitGroup
	found, faults := make([]bool, len(of)), make([]error, len(of))
	for i := range of {
		wg.Go(func() {
			var list model.Listed
			if of[i].Key == ListedAgent {
				list, found[i], faults[i] = a.model.ModelsOfAgent(ctx, ag)
			}
			if !found[i] && faults[i] == nil {
				list, found[i], faults[i] = a.model.ModelsFor(ctx, of[i].Provider, tokens[i])
			}
			of[i].Fault, of[i].Models = list.Fault, a.describeModels(of[i].Provider, list.Models)
		})
	}
	wg.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	out := of[:0]
	for i := range of {
		if found[i] {
			out = append(out, of[i])
		}
	}
	return out, nil
}

// describeModels adds the prices, what their list says of models, and what providers have said of their models in answers.
func (a *App) describeModels(provider string, listed []llm.ListedModel) []ModelChoice {
	out, now := make([]ModelChoice, len(listed)), a.now()
	for i, m := range listed {
		out[i] = ModelChoice{m, a.ledger.Prices.Find(provider, m.ID, now)}
		if p := out[i].Price; p != nil && m.Output == 0 {
			out[i].Output = p.MaxOutput
		}
		if p := out[i].Price; p != nil && m.SeesImages == nil {
			out[i].SeesImages = p.SeesImages
		}
		if m.Context == 0 {
			out[i].Context = a.model.Window(provider, m.ID)
		}
	}
	return out
}
