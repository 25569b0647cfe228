package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/coagent-studio/coagent/app/ledger"
	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/model"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Design is a request for an agent's instructions. The design agent uses its own
// instructions and model unless the request has others.
type Design struct {
	Requirement     string
	TargetAgentType string
	CourseContext   string
	// ProjectID names a project whose active design agent is used in place of the
	// built-in one. It is "" for none.
	ProjectID string

	SystemPrompt string
	Model        string
	Provider     string
	Key          secret.Text
	// Suggested is the provider that clients always send. It counts only if there is a
	// Key, or if it needs none: the design agent's key is for its own provider.
	Suggested string
}

// Error texts that are part of the API's contract.
var (
	errNoDesignKey  = errorf(KindRejected, wording.NoKey, "API Key is required. Please set it in the Design Agent settings for this course.")
	errBadDesignKey = errorf(KindRejected, wording.BadKey, "Invalid API Key provided.")
)

// GenerateInstructions has a design agent write the instructions of another agent. cut
// is true if they were cut before their end. Nothing is stored.
func (a *App) GenerateInstructions(ctx context.Context, actor *Actor, d Design) (text string, cut bool, err error) {
	if err := Check(actor, ActDesignAgent, Resource{}); err != nil {
		return "", false, err
	}
	if err := checkDesign(&d); err != nil {
		return "", false, err
	}
	ag, mayKnow, err := a.designer(ctx, actor, d.ProjectID)
	if err != nil {
		return "", false, err
	}
	keys, err := a.agents.designKeys(ctx, actor, ag, d)
	if err != nil {
		return "", false, err
	}
	release, err := a.calls.take(ctx, actor)
	if err != nil {
		return "", false, err
	}
	defer release()
	wait, done := a.calls.waiting(ctx)
	defer done()
	from := ledger.Origin{Kind: ledger.ForDesign, ProjectID: d.ProjectID, PersonID: actor.User.ID}
	said, err := a.model.Ask(wait, keys, a.model.NewPrompt(ag, from, ag.SystemPrompt, d.ask()), maxPrompt)
	if llm.KindOf(err) == llm.BadKey {
		return "", false, errBadDesignKey
	}
	return said.Text, said.Cut, notAnswered(err, mayKnow || !keys[0].OfAgent(), a.now())
}

func checkDesign(d *Design) error {
	d.Requirement, d.TargetAgentType = strings.TrimSpace(d.Requirement), strings.TrimSpace(d.TargetAgentType)
	for _, p := range []*string{&d.Provider, &d.Suggested, &d.Model} {
		*p = strings.TrimSpace(*p)
	}
	d.Key = secret.Text(strings.TrimSpace(d.Key.Reveal()))
	if strings.TrimSpace(d.SystemPrompt) == "" || d.SystemPrompt == designPlaceholder {
		d.SystemPrompt = ""
	}
	if strings.ContainsFunc(d.Model, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return invalid("custom_model", "must be the name of a model, without blanks")
	}
	return firstOf(errors.Join(text("requirement", d.Requirement, 1, maxText), text("target_agent_type", d.TargetAgentType, 1, 64),
		text("course_context", d.CourseContext, 0, maxText), text("custom_system_prompt", d.SystemPrompt, 0, maxPrompt),
		text("custom_provider", d.Provider, 0, 64), text("provider", d.Suggested, 0, 64),
		text("custom_model", d.Model, 0, maxName), text("custom_api_key", d.Key.Reveal(), 0, 4096)))
}

// designer returns the agent that writes instructions: the active design agent of the
// project, else the built-in one, else one with the defaults of its type. mayKnow is
// true if the actor may see why it fails.
func (a *App) designer(ctx context.Context, actor *Actor, projectID string) (ag *store.Agent, mayKnow bool, err error) {
	if projectID != "" {
		res, err := a.projectResource(ctx, actor, projectID)
		if err != nil {
			return nil, false, err
		}
		if err := Check(actor, ActUseProject, res); err != nil {
			return nil, false, err
		}
		ag, err := a.db.ActiveAgent(ctx, projectID, store.AgentDesign)
		if err == nil || store.UnlessMissing(err) != nil {
			return ag, Check(actor, ActUpdateAgent, res) == nil, err
		}
	}
	mayKnow = Check(actor, ActReadSystemAgents, Resource{}) == nil
	ag, err = a.db.SystemAgent(ctx, store.AgentDesign)
	if errors.Is(err, store.ErrNotFound) {
		fresh := a.agents.fresh("", "")
		return &fresh, mayKnow, a.agents.startAs(ctx, &fresh, store.AgentDesign)
	}
	return ag, mayKnow, err
}

// designKeys sets the agent's provider and model as the request asks, and returns the
// keys for the calls to its model.
func (r *agentRules) designKeys(ctx context.Context, by *Actor, ag *store.Agent, d Design) ([]model.Key, error) {
	ag.SystemPrompt = cmp.Or(d.SystemPrompt, ag.SystemPrompt)
	if d.Model != "" {
		ag.Model = &d.Model
	}
	own := d.Key.Reveal() != "" && !r.isMaskOf(ag, d.Key)
	provider := d.Provider
	if keyless := r.models.Known(d.Suggested) && !r.models.NeedsKey(d.Suggested); provider == "" && (own || keyless) {
		provider = d.Suggested
	}
	other := provider != "" && provider != ag.ModelProvider
	if other {
		if err := r.knownProvider("provider", provider); err != nil {
			return nil, err
		}
		ag.ModelProvider = provider
		if d.Model == "" {
			ag.Model = nil // the stored model is one of another provider
		}
	}
	switch {
	case own:
		return []model.Key{{Plain: d.Key, Kind: model.KeyTyped}}, nil
	case other && r.models.NeedsKey(provider):
		return r.storedKeys(ctx, by, provider)
	}
	keys, err := r.model.Keys(ctx, ag)
	var fault *model.Fault
	if errors.As(err, &fault) {
		return r.storedKeys(ctx, by, ag.ModelProvider)
	}
	return keys, err
}

// storedKeys are the actor's own keys for a provider. They serve where the design agent has
// none that it may use: who asks for the help pays for it.
func (r *agentRules) storedKeys(ctx context.Context, by *Actor, provider string) ([]model.Key, error) {
	keys, err := r.model.KeysOf(ctx, by.User.ID, provider)
	if err == nil && len(keys) == 0 {
		err = errNoDesignKey
	}
	return keys, err
}

// isMaskOf reports whether a client has sent back the mask of the stored key.
func (r *agentRules) isMaskOf(ag *store.Agent, key secret.Text) bool {
	masked := r.maskedKey(ag)
	return masked != nil && *masked == key.Reveal()
}

// ask is the conversation that is sent to the design agent's model.
func (d Design) ask() []llm.Message {
	var b strings.Builder
	fmt.Fprintf(&b, "Write the instructions of an agent of the type %q.\n\nWhat is required of it:\n%s", d.TargetAgentType, d.Requirement)
	if d.CourseContext != "" {
		fmt.Fprintf(&b, "\n\nThe course in which it works:\n%s", d.CourseContext)
	}
	return []llm.Message{{Role: llm.RoleUser, Text: b.String()}}
}
