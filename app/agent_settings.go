package app

import (
	"encoding/json"
	"errors"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// AgentSettings are the members of an agent that a client may send. A member that is not
// sent keeps the stored value, or gets the default in a new agent.
type AgentSettings struct {
	Type           Opt[string]
	Name           Opt[string]
	Category       Opt[string]
	ModelProvider  Opt[string]
	Model          Opt[string]
	SystemPrompt   Opt[string]
	APIKey         Opt[secret.Text] // absent, null, "" and the stored key's mask keep the stored key
	Settings       Opt[json.RawMessage]
	TriggerConfig  Opt[json.RawMessage]
	ScheduleConfig Opt[json.RawMessage]
	ExternalConfig Opt[json.RawMessage]
	Capabilities   Opt[[]string]
	UserKeyIDs     Opt[[]string]
	ContextWindow  Opt[int]
	IsActive       Opt[bool]
}

// apply writes the sent members to an agent and checks the result.
func (r *agentRules) apply(s AgentSettings, ag *store.Agent) error {
	s.Model.setNullable(&ag.Model)
	if err := firstOf(errors.Join(s.Type.set("type", &ag.Type), s.Name.set("name", &ag.Name),
		s.Category.set("category", &ag.Category), s.ModelProvider.set("model_provider", &ag.ModelProvider),
		s.SystemPrompt.set("system_prompt", &ag.SystemPrompt), s.ContextWindow.set("context_window", &ag.ContextWindow),
		s.IsActive.set("is_active", &ag.IsActive))); err != nil {
		return err
	}
	if err := firstOf(errors.Join(text("type", ag.Type, 1, 64), name("name", &ag.Name), checkCategory(ag),
		r.checkProvider(ag), cleanModel("model", ag), text("system_prompt", ag.SystemPrompt, 0, maxPrompt),
		between("context_window", ag.ContextWindow, 1, 1000))); err != nil {
		return err
	}
	if err := applyJSON(s, ag); err != nil {
		return err
	}
	if err := r.applyExternal(s.ExternalConfig, ag); err != nil {
		return err
	}
	return r.applyKey(s.APIKey, ag)
}

func checkCategory(ag *store.Agent) error {
	if ag.IsExternal {
		return oneOf("category", ag.Category, categoryExternal)
	}
	return oneOf("category", ag.Category, categories...)
}

func (r *agentRules) checkProvider(ag *store.Agent) error {
	if ag.IsExternal && ag.ModelProvider == categoryExternal {
		return nil
	}
	return r.knownProvider("model_provider", ag.ModelProvider)
}

// knownProvider refuses the name of a provider that the configuration does not have.
func (r *agentRules) knownProvider(field, provider string) error {
	return oneOf(field, provider, r.models.Names()...)
}

// Providers are the names of all providers of models, in alphabetical order.
func (a *App) Providers() []string { return a.agents.models.Names() }

func applyJSON(s AgentSettings, ag *store.Agent) error {
	for _, m := range []struct {
		field    string
		sent     Opt[json.RawMessage]
		to       *store.JSON
		nullable bool
		check    func(store.JSON) error
	}{
		{"settings", s.Settings, &ag.Settings, false, nil},
		{"trigger_config", s.TriggerConfig, &ag.TriggerConfig, true, checkTrigger},
		{"schedule_config", s.ScheduleConfig, &ag.ScheduleConfig, true, checkSchedule},
	} {
		if !m.sent.Sent {
			continue
		}
		v, err := object(m.field, m.sent.Value, "")
		if err != nil {
			return err
		}
		if v == "" && !m.nullable {
			return invalid(m.field, "must not be null, leave it out to keep what is stored")
		}
		// Clients send back what they read, so accept the stored value, whatever it is.
		if m.check != nil && v != *m.to {
			if err := m.check(v); err != nil {
				return err
			}
		}
		*m.to = v
	}
	for _, m := range []struct {
		field string
		sent  Opt[[]string]
		to    *store.JSON
	}{{"capabilities", s.Capabilities, &ag.Capabilities}, {"user_key_ids", s.UserKeyIDs, &ag.UserKeyIDs}} {
		if err := setTexts(m.field, m.sent, m.to); err != nil {
			return err
		}
	}
	return nil
}

// setTexts stores a sent list of short texts. Absent and null keep the stored list.
func setTexts(field string, sent Opt[[]string], to *store.JSON) error {
	if !sent.Sent || sent.Null {
		return nil
	}
	if len(sent.Value) > 100 {
		return invalid(field, "has %d entries, at most 100 are possible", len(sent.Value))
	}
	for _, v := range sent.Value {
		if err := text(field, v, 1, 100); err != nil {
			return err
		}
	}
	*to = store.ToJSON(append([]string{}, sent.Value...))
	return nil
}

// cleanModel removes blanks and the like around an agent's model name. A blank name
// becomes none.
func cleanModel(field string, ag *store.Agent) error {
	ag.Model = blankToNil(ag.Model)
	if ag.Model == nil {
		return nil
	}
	if err := text(field, *ag.Model, 1, maxName); err != nil {
		return err
	}
	model, err := llm.CleanModel(*ag.Model)
	if err != nil {
		return invalid(field, "%v", err)
	}
	ag.Model = &model
	return nil
}

func between(field string, n, least, most int) error {
	if n < least || n > most {
		return invalid(field, "must be between %d and %d", least, most)
	}
	return nil
}
