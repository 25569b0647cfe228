package app

import (
	"context"
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The categories of agents: what an agent does in a room, whatever its type is called.
// External agents run outside this program.
const (
	categoryInstructor  = "instructor"
	categoryParticipant = "participant"
	categoryUtility     = "utility"
	categoryExternal    = "external"
)

// categories are those of agents that run in this program. External agents have their
// own routes.
var categories = []string{categoryInstructor, categoryParticipant, categoryUtility}

// AgentTypeSettings are the members of an agent type that admins set. A member that is
// not sent keeps the stored value, or gets the default in a new type.
type AgentTypeSettings struct {
	DisplayName          Opt[string]
	Description          Opt[string]
	Category             Opt[string]
	Icon                 Opt[string]
	Color                Opt[string]
	DefaultSystemPrompt  Opt[string]
	DefaultModelProvider Opt[string]
	DefaultModel         Opt[string]
	DefaultSettings      Opt[json.RawMessage]
	DefaultCapabilities  Opt[[]string]
}

// applyType writes the sent members to an agent type and checks the result.
func (r *agentRules) applyType(s AgentTypeSettings, at *store.AgentType) error {
	s.Description.setNullable(&at.Description)
	s.Icon.setNullable(&at.Icon)
	s.Color.setNullable(&at.Color)
	s.DefaultSystemPrompt.setNullable(&at.DefaultSystemPrompt)
	s.DefaultModel.setNullable(&at.DefaultModel)
	if err := firstOf(errors.Join(s.DisplayName.set("display_name", &at.DisplayName), s.Category.set("category", &at.Category),
		s.DefaultModelProvider.set("default_model_provider", &at.DefaultModelProvider))); err != nil {
		return err
	}
	at.DefaultModel = blankToNil(at.DefaultModel)
	if err := firstOf(errors.Join(name("display_name", &at.DisplayName), optionalText("description", at.Description, maxText),
		oneOf("category", at.Category, append([]string{categoryExternal}, categories...)...), optionalText("icon", at.Icon, 64),
		optionalText("color", at.Color, 32), optionalText("default_system_prompt", at.DefaultSystemPrompt, maxPrompt),
		r.checkTypeProvider(at), optionalText("default_model", at.DefaultModel, maxName))); err != nil {
		return err
	}
	if s.DefaultSettings.Sent {
		settings, err := object("default_settings", s.DefaultSettings.Value, "{}")
		if err != nil {
			return err
		}
		at.DefaultSettings = settings
	}
	return setTexts("default_capabilities", s.DefaultCapabilities, &at.DefaultCapabilities)
}

func (r *agentRules) checkTypeProvider(at *store.AgentType) error {
	if at.Category == categoryExternal && at.DefaultModelProvider == categoryExternal {
		return nil
	}
	return r.knownProvider("default_model_provider", at.DefaultModelProvider)
}

// AgentTypes lists agent types, the built-in ones first. category, unless "", limits
// them to one category. withSystem includes the types of system agents.
func (a *App) AgentTypes(ctx context.Context, actor *Actor, category string, withSystem bool) (*store.Listing[store.AgentType], error) {
	if err := Check(actor, ActReadAgentTypes, Resource{}); err != nil {
		return nil, err
	}
	if err := text("category", category, 0, maxName); err != nil {
		return nil, err
	}
	return a.db.AgentTypes(ctx, category, withSystem, store.Page{Limit: store.MaxLimit})
}

// AgentType returns the agent type with this name.
func (a *App) AgentType(ctx context.Context, actor *Actor, typeName string) (*store.AgentType, error) {
	if err := Check(actor, ActReadAgentTypes, Resource{}); err != nil {
		return nil, err
	}
	if !typeNames.MatchString(typeName) {
		return nil, noSuchType(typeName)
	}
	at, err := a.db.AgentType(ctx, typeName)
	return at, typeError(err, typeName)
}

// typeNames matches names that can stand behind an "@".
var typeNames = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,63}$`)

// CreateAgentType adds an agent type.
func (a *App) CreateAgentType(ctx context.Context, actor *Actor, typeName string, s AgentTypeSettings) (*store.AgentType, error) {
	if err := Check(actor, ActWriteAgentTypes, Resource{}); err != nil {
		return nil, err
	}
	if !typeNames.MatchString(typeName) {
		return nil, invalid("type_name", "must begin with a small letter and have small letters, digits, _ and - alone, 64 at most")
	}
	now := a.instant()
	at := &store.AgentType{ID: store.NewID(), TypeName: typeName, DisplayName: typeName, Category: categoryInstructor, DefaultModelProvider: defaultProvider,
		DefaultSettings: "{}", DefaultCapabilities: "[]", CreatedBy: actor.User.ID, CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := a.agents.applyType(s, at); err != nil {
		return nil, err
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateAgentType(ctx, at); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteAgentTypes, target{"agent_type", at.ID}, nil, typeChanges(at))
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindRejected, wording.AgentTypeExists, "Agent type '%s' already exists", typeName)
	}
	return at, err
}

// UpdateAgentType changes the sent members of an agent type. Existing agents stay as
// they are, since a type only gives new agents their first settings.
func (a *App) UpdateAgentType(ctx context.Context, actor *Actor, typeName string, s AgentTypeSettings) (at *store.AgentType, err error) {
	if err := Check(actor, ActWriteAgentTypes, Resource{}); err != nil {
		return nil, err
	}
	if !typeNames.MatchString(typeName) {
		return nil, noSuchType(typeName)
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if at, err = tx.AgentTypeForUpdate(ctx, typeName); err != nil {
			return err
		}
		before := *at
		if err := a.agents.applyType(s, at); err != nil {
			return err
		}
		if at.IsSystem && at.Category != before.Category {
			return errorf(KindRejected, wording.SystemType, "Cannot change the category of system type '%s'", typeName)
		}
		at.UpdatedAt = a.instant()
		if err := tx.UpdateAgentType(ctx, at); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteAgentTypes, target{"agent_type", at.ID}, typeChanges(&before), typeChanges(at))
	})
	return at, typeError(err, typeName)
}

// DeleteAgentType deletes an agent type. It is an error if an agent has this type.
func (a *App) DeleteAgentType(ctx context.Context, actor *Actor, typeName string) error {
	if err := Check(actor, ActWriteAgentTypes, Resource{}); err != nil {
		return err
	}
	if !typeNames.MatchString(typeName) {
		return noSuchType(typeName)
	}
	return typeError(a.db.InTx(ctx, func(tx *store.Tx) error {
		at, err := tx.AgentTypeForUpdate(ctx, typeName)
		if err != nil {
			return err
		}
		if at.IsSystem {
			return errorf(KindRejected, wording.SystemType, "Cannot delete system type '%s'", typeName)
		}
		n, err := tx.CountAgentsOfType(ctx, typeName)
		if err != nil {
			return err
		}
		if n > 0 {
			return errorf(KindConflict, wording.AgentTypeUsed, "Agents of type '%s': %d. Delete them or give them another type first.",
				typeName, n)
		}
		if err := tx.DeleteAgentType(ctx, at.ID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteAgentTypes, target{"agent_type", at.ID}, typeChanges(at), nil)
	}), typeName)
}

func noSuchType(typeName string) error { return typeError(store.ErrNotFound, typeName) }

// typeError turns the store's error about an agent type into one for the person.
func typeError(err error, typeName string) error {
	if !errors.Is(err, store.ErrNotFound) {
		return fromStore(err, "Agent type")
	}
	if len(typeName) > 64 {
		typeName = typeName[:64] + "..."
	}
	return errorf(KindNotFound, wording.NotFound, "Agent type '%s' not found", typeName)
}

// typeChanges is an agent type as the audit log shows it.
func typeChanges(at *store.AgentType) changes {
	return changes{"type_name": at.TypeName, "display_name": at.DisplayName, "description": at.Description, "category": at.Category,
		"icon": at.Icon, "color": at.Color, "default_system_prompt": at.DefaultSystemPrompt, "default_model_provider": at.DefaultModelProvider,
		"default_model": at.DefaultModel, "default_settings": sum(string(at.DefaultSettings)), "default_capabilities": sum(string(at.DefaultCapabilities))}
}

// knownType refuses an agent type that does not exist. An agent with a mistyped type
// would wait for a mention that nobody writes.
func (r *agentRules) knownType(ctx context.Context, field, typeName string) error {
	if err := text(field, typeName, 1, 64); err != nil {
		return err
	}
	_, err := r.db.AgentType(ctx, typeName)
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	names, err := r.db.AgentTypeNames(ctx)
	if err != nil {
		return err
	}
	return invalid(field, "must be one of %s; an admin can add a type", strings.Join(names, ", "))
}

// startAs gives a new agent the defaults of its type. It changes nothing if the type
// does not exist.
func (r *agentRules) startAs(ctx context.Context, ag *store.Agent, typeName string) error {
	at, err := r.db.AgentType(ctx, typeName)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if at.Category != categoryExternal {
		ag.Category = at.Category
	}
	if r.models.Known(at.DefaultModelProvider) { // the configuration may have lost this provider
		ag.ModelProvider, ag.Model = at.DefaultModelProvider, at.DefaultModel
	}
	ag.Settings, ag.Capabilities = at.DefaultSettings, at.DefaultCapabilities
	if at.DefaultSystemPrompt != nil {
		ag.SystemPrompt = *at.DefaultSystemPrompt
	}
	return nil
}
