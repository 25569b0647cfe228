package app

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/llm"
	"github.com/coagent-studio/coagent/store"
)

// The agent types of every class. Others behave as their category says.
const (
	AgentTeacher = "teacher"
	AgentStudent = "student"
)

// providerOffline is the built-in provider that needs neither key nor network.
const providerOffline = "offline"

// defaultProvider is that of an agent for which nobody has chosen one.
const defaultProvider = "gemini"

// AgentSettings are the members of an agent that a client may send. Unsent ones
// keep what is stored, or take the default in a new agent.
type AgentSettings struct {
	Type           Opt[string]
	Name           Opt[string]
	Category       Opt[string]
	ModelProvider  Opt[string]
	Model          Opt[string]
	SystemPrompt   Opt[string]
	APIKey         Opt[Secret] // absent, null, "" and its own mask all keep the stored key
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
func (a *App) apply(s AgentSettings, ag *store.Agent) error {
	s.Model.setNullable(&ag.Model)
	if err := firstOf(errors.Join(s.Type.set("type", &ag.Type), s.Name.set("name", &ag.Name),
		s.Category.set("category", &ag.Category), s.ModelProvider.set("model_provider", &ag.ModelProvider),
		s.SystemPrompt.set("system_prompt", &ag.SystemPrompt), s.ContextWindow.set("context_window", &ag.ContextWindow),
		s.IsActive.set("is_active", &ag.IsActive))); err != nil {
		return err
	}
	if err := firstOf(errors.Join(text("type", ag.Type, 1, 64), name("name", &ag.Name), a.checkCategory(ag),
		a.checkProvider(ag), cleanModel("model", ag), text("system_prompt", ag.SystemPrompt, 0, maxPrompt),
		between("context_window", ag.ContextWindow, 1, 1000))); err != nil {
		return err
	}
	if err := applyJSON(s, ag); err != nil {
		return err
	}
	if err := a.applyExternal(s.ExternalConfig, ag); err != nil {
		return err
	}
	return a.applyKey(s.APIKey, ag)
}

func (a *App) checkCategory(ag *store.Agent) error {
	if ag.IsExternal {
		return oneOf("category", ag.Category, categoryExternal)
	}
	return oneOf("category", ag.Category, categories...)
}

func (a *App) checkProvider(ag *store.Agent) error {
	if ag.IsExternal && ag.ModelProvider == categoryExternal || a.models.Known(ag.ModelProvider) {
		return nil
	}
	return oneOf("model_provider", ag.ModelProvider, a.models.Names()...)
}

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
		// Clients send back what they read: what is stored stays, whatever it is.
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

// setTexts stores a sent list of short texts; absent and null keep the stored
// one.
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
	*to = toJSON(append([]string{}, sent.Value...))
	return nil
}

// cleanModel takes the name of an agent's model as it was meant; a blank one is none.
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

// cleanKey takes a model key as it was meant, without what came along when it
// was copied.
func cleanKey(field string, key Secret) (Secret, error) {
	if err := text(field, key.Reveal(), 1, 4096); err != nil {
		return "", err
	}
	clean, err := llm.CleanKey(key.Reveal())
	if err != nil {
		return "", invalid(field, "%v", err)
	}
	return Secret(clean), nil
}

// applyKey stores a newly typed key, encrypted. Clients send back what they
// read, so an empty key or the mask of the stored one keeps it.
func (a *App) applyKey(sent Opt[Secret], ag *store.Agent) error {
	if !sent.Sent || sent.Null || strings.TrimSpace(sent.Value.Reveal()) == "" {
		return nil
	}
	if m := a.MaskedKey(ag); m != nil && *m == sent.Value.Reveal() {
		return nil
	}
	key, err := cleanKey("api_key", sent.Value)
	if err != nil {
		return err
	}
	token, err := a.sealKey(ag.ModelProvider, key)
	ag.EncryptedAPIKey = token
	return err
}

// MaskedKey is an agent's key as people may see it, nil without one.
func (a *App) MaskedKey(ag *store.Agent) *string {
	if ag.EncryptedAPIKey == "" {
		return nil
	}
	masked := a.MaskToken(ag.EncryptedAPIKey)
	return &masked
}

func between(field string, n, least, most int) error {
	if n < least || n > most {
		return invalid(field, "must be between %d and %d", least, most)
	}
	return nil
}

// newAgent is an agent with every default in place.
func (a *App) newAgent(projectID, createdBy string) store.Agent {
	now := a.instant()
	return store.Agent{ID: store.NewID(), ProjectID: projectID, CreatedBy: createdBy, Name: "Default Profile",
		Category: categoryInstructor, ModelProvider: defaultProvider, Settings: "{}", Capabilities: "[]", UserKeyIDs: "[]",
		ContextWindow: 10, CreatedAt: now, UpdatedAt: now, Version: 1}
}

// firstAgents are the two agents of a new project: they answer at once, on the
// offline provider, until somebody gives them a model.
func (a *App) firstAgents(projectID, createdBy string) []store.Agent {
	teacher, student := a.newAgent(projectID, createdBy), a.newAgent(projectID, createdBy)
	teacher.Type, teacher.Name = AgentTeacher, "Teacher"
	teacher.SystemPrompt = "You are a patient teacher. Answer briefly and end with a question that leads the class on."
	student.Type, student.Name, student.Category = AgentStudent, "Student", categoryParticipant
	student.SystemPrompt = "You are a curious student of this class. Add one short, honest thought or question."
	teacher.Capabilities = toJSON([]string{CapChatRead, CapChatWrite, CapArtifactRead, CapArtifactWrite, CapMembersRead})
	student.Capabilities = toJSON([]string{CapChatRead, CapChatWrite, CapArtifactRead})
	for _, ag := range []*store.Agent{&teacher, &student} {
		ag.ModelProvider, ag.IsActive = providerOffline, true
	}
	return []store.Agent{teacher, student}
}

// Agents lists a project's agents.
func (a *App) Agents(ctx context.Context, actor *Actor, projectID string, p store.Page) (*store.Listing[store.Agent], error) {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActListAgents, res); err != nil {
		return nil, err
	}
	return a.db.AgentsInProject(ctx, projectID, p)
}

// readyMade tells whether an agent is one that the program has put into a new
// project, and nobody has made it their own since.
func (a *App) readyMade(ag *store.Agent) bool {
	return slices.ContainsFunc(a.firstAgents(ag.ProjectID, ""), func(made store.Agent) bool {
		return made.Type == ag.Type && made.Name == ag.Name && made.SystemPrompt == ag.SystemPrompt && made.ModelProvider == ag.ModelProvider &&
			ag.EncryptedAPIKey == ""
	})
}

// giveWayTo switches off the ready-made agents among siblings, since a person has
// made one of their type.
func (a *App) giveWayTo(ctx context.Context, tx *store.Tx, actor *Actor, siblings []store.Agent) error {
	for i := range siblings {
		was := siblings[i]
		if !was.IsActive || !a.readyMade(&was) {
			continue
		}
		off := was
		off.IsActive, off.UpdatedAt = false, a.instant()
		if err := tx.UpdateAgent(ctx, &off); err != nil {
			return err
		}
		if err := a.recordAgent(ctx, tx, actor, ActActivateAgent, &was, &off); err != nil {
			return err
		}
	}
	return nil
}

// CreateAgent adds an agent to a project; the first of its type that a person
// makes is active, and the ready-made one gives way to it.
func (a *App) CreateAgent(ctx context.Context, actor *Actor, projectID string, s AgentSettings) (*store.Agent, error) {
	res, err := a.projectResource(ctx, actor, projectID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActCreateAgent, res); err != nil {
		return nil, err
	}
	ag := a.newAgent(projectID, actor.User.ID)
	if err := a.knownType(ctx, "type", s.Type.Value); err != nil {
		return nil, err
	}
	if err := a.startAs(ctx, &ag, s.Type.Value); err != nil {
		return nil, err
	}
	if err := a.apply(s, &ag); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		// The project's row serialises two creates that would both be the first.
		siblings, err := tx.LockAgents(ctx, projectID, ag.Type)
		if err != nil {
			return fromStore(err, "Project")
		}
		if !s.IsActive.Sent {
			ag.IsActive = !slices.ContainsFunc(siblings, func(s store.Agent) bool { return !a.readyMade(&s) })
		}
		if ag.IsActive {
			if err := a.giveWayTo(ctx, tx, actor, siblings); err != nil {
				return err
			}
		}
		return a.addAgent(ctx, tx, actor, ActCreateAgent, &ag)
	})
	return &ag, agentError(err)
}

// addAgent stores a new agent; every one that somebody makes goes through it.
func (a *App) addAgent(ctx context.Context, tx *store.Tx, actor *Actor, action Action, ag *store.Agent) error {
	if err := mayChangeKeys(actor, &store.Agent{UserKeyIDs: "[]"}, ag); err != nil {
		return err
	}
	if err := tx.CreateAgents(ctx, []store.Agent{*ag}); err != nil {
		return err
	}
	var kinds []store.Owned
	if ag.IsTemplate {
		kinds = append(kinds, store.OwnedTemplates)
	}
	if err := a.withinQuota(ctx, tx, ag.CreatedBy, kinds...); err != nil {
		return err
	}
	return a.recordAgent(ctx, tx, actor, action, nil, ag)
}

// mayChangeKeys refuses a token, and whoever acts as somebody else, what changes
// the keys and secrets that an agent calls others with, whichever way it comes.
func mayChangeKeys(actor *Actor, before, after *store.Agent) error {
	if before.EncryptedAPIKey == after.EncryptedAPIKey && before.EncryptedSecrets == after.EncryptedSecrets && before.UserKeyIDs == after.UserKeyIDs {
		return nil
	}
	return actor.holds(scopeSession)
}

// agentError words what the store says about an agent.
func agentError(err error) error {
	if errors.Is(err, store.ErrExists) {
		return errorf(KindRejected, "agent_exists", "A brain with this name already exists for this agent type.")
	}
	return fromStore(err, "Agent config")
}

// UpdateAgent changes the sent members of an agent.
func (a *App) UpdateAgent(ctx context.Context, actor *Actor, id string, s AgentSettings) (*store.Agent, error) {
	was, err := a.agentFor(ctx, actor, id, ActUpdateAgent, "Agent config")
	if err != nil {
		return nil, err
	}
	if s.Type.Sent && s.Type.Value != was.Type {
		if err := a.knownType(ctx, "type", s.Type.Value); err != nil {
			return nil, err
		}
	}
	return a.editAgent(ctx, actor, ActUpdateAgent, id, func(ag *store.Agent) error { return a.apply(s, ag) })
}

// editAgent changes an agent as it is stored now: of two people who edit at
// once both changes stand, as each touches what it names.
func (a *App) editAgent(ctx context.Context, actor *Actor, action Action, id string, edit func(*store.Agent) error) (ag *store.Agent, err error) {
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ag, err = tx.AgentForUpdate(ctx, id); err != nil {
			return err
		}
		return a.changeAgent(ctx, tx, actor, action, ag, edit)
	})
	return ag, agentError(err)
}

// changeAgent edits an agent that the transaction holds.
func (a *App) changeAgent(ctx context.Context, tx *store.Tx, actor *Actor, action Action, ag *store.Agent, edit func(*store.Agent) error) error {
	before := *ag
	if err := edit(ag); err != nil {
		return err
	}
	if ag.UserKeyIDs != before.UserKeyIDs && ag.CreatedBy != actor.User.ID {
		return &Error{Kind: KindForbidden, Code: "forbidden", Message: "user_key_ids: only the agent's creator, whose keys they are, can change them"}
	}
	if err := mayChangeKeys(actor, &before, ag); err != nil {
		return err
	}
	if err := a.bindKeys(ctx, tx, &before, ag); err != nil {
		return err
	}
	ag.UpdatedAt = a.instant()
	if err := tx.UpdateAgent(ctx, ag); err != nil {
		return err
	}
	if ag.TriggerConfig != before.TriggerConfig || ag.ScheduleConfig != before.ScheduleConfig {
		if err := tx.PokeTriggers(ctx, ag.ID, ag.UpdatedAt); err != nil {
			return err
		}
	}
	if agentGrew(&before, ag) {
		if err := a.withinQuota(ctx, tx, ag.CreatedBy); err != nil {
			return err
		}
	}
	return a.recordAgent(ctx, tx, actor, action, &before, ag)
}

// recordAgent adds a line about an agent to the audit log; before is nil for a
// new one, after for a deleted one.
func (a *App) recordAgent(ctx context.Context, tx *store.Tx, actor *Actor, action Action, before, after *store.Agent) error {
	var old, now facts
	on := target{kind: "agent"}
	if before != nil {
		old, on.id = agentFacts(before), before.ID
	}
	if after != nil {
		now, on.id = agentFacts(after), after.ID
		was := ""
		if before != nil {
			was = before.EncryptedAPIKey
		}
		switch after.EncryptedAPIKey {
		case was:
		case "":
			now["api_key"] = "cleared"
		default:
			now["api_key"] = "set"
		}
	}
	return a.record(ctx, tx, actor, action, on, old, now)
}

// agentFacts is an agent as the audit log shows it. What its settings hold is
// the client's own affair and may be a secret, so they are told by their sum.
func agentFacts(ag *store.Agent) facts {
	return facts{"project_id": ag.ProjectID, "type": ag.Type, "name": ag.Name, "category": ag.Category, "model_provider": ag.ModelProvider,
		"model": ag.Model, "system_prompt": ag.SystemPrompt, "context_window": ag.ContextWindow, "is_active": ag.IsActive,
		"is_template": ag.IsTemplate, "is_external": ag.IsExternal, "settings": sum(string(ag.Settings)),
		"trigger_config": sum(string(ag.TriggerConfig)), "schedule_config": sum(string(ag.ScheduleConfig)),
		"external_config": sum(string(ag.ExternalConfig)), "secrets": sum(ag.EncryptedSecrets),
		"capabilities": sum(string(ag.Capabilities)), "user_key_ids": sum(string(ag.UserKeyIDs))}
}

// ActivateAgent switches an agent on and the others of its type in its project
// off.
func (a *App) ActivateAgent(ctx context.Context, actor *Actor, id string) (*store.Agent, error) {
	ag, err := a.agentFor(ctx, actor, id, ActActivateAgent, "Agent config")
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if ag.ProjectID != "" {
			// The project's row serialises two activations, each of which writes
			// both agents.
			siblings, err := tx.LockAgents(ctx, ag.ProjectID, ag.Type)
			if err != nil {
				return err
			}
			if i := slices.IndexFunc(siblings, func(s store.Agent) bool { return s.ID == ag.ID }); i >= 0 {
				ag = &siblings[i]
			}
			if err := tx.DeactivateSiblings(ctx, ag, a.instant()); err != nil {
				return err
			}
			for _, s := range siblings {
				if s.ID == ag.ID {
					continue
				}
				off := s
				off.IsActive = false
				if err := a.recordAgent(ctx, tx, actor, ActActivateAgent, &s, &off); err != nil {
					return err
				}
			}
		}
		before := *ag
		ag.IsActive, ag.UpdatedAt = true, a.instant()
		if err := tx.UpdateAgent(ctx, ag); err != nil {
			return err
		}
		return a.recordAgent(ctx, tx, actor, ActActivateAgent, &before, ag)
	})
	return ag, fromStore(err, "Agent config")
}

// DeleteAgent removes an agent from its project and every room; what it said
// stays.
func (a *App) DeleteAgent(ctx context.Context, actor *Actor, id string) error {
	ag, err := a.agentFor(ctx, actor, id, ActDeleteAgent, "Agent config")
	if err != nil {
		return err
	}
	var waiting []store.Turn // of people whom its turns, which go with it, would have answered
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if waiting, err = tx.TurnsToEnd(ctx, id); err != nil {
			return err
		}
		if err := tx.DeleteAgent(ctx, id); err != nil {
			return err
		}
		return a.recordAgent(ctx, tx, actor, ActDeleteAgent, ag, nil)
	})
	for _, t := range waiting {
		if err == nil && t.AskedBy != "" {
			a.tellSilence(t.RoomID, silence{UserID: t.AskedBy, AgentID: id, Name: ag.Name, Reason: reasonText(ruleGone, "")})
		}
	}
	return fromStore(err, "Agent config")
}

// agentFor loads an agent and checks that the actor may do the action to it.
func (a *App) agentFor(ctx context.Context, actor *Actor, id string, action Action, noun string) (*store.Agent, error) {
	ag, res, err := a.agentResource(ctx, actor, id, noun)
	if err != nil {
		return nil, err
	}
	return ag, Check(actor, action, res)
}

// agentResource loads an agent and how the actor stands to it.
func (a *App) agentResource(ctx context.Context, actor *Actor, id, noun string) (*store.Agent, Resource, error) {
	res := Resource{Noun: noun}
	if actor == nil {
		return nil, res, errNotAuthenticated
	}
	ag, err := a.db.Agent(ctx, id)
	if err != nil {
		return nil, res, fromStore(err, noun)
	}
	if ag.ProjectID != "" {
		role, err := a.db.ProjectRole(ctx, ag.ProjectID, actor.User.ID)
		if err != nil {
			return nil, res, err
		}
		res.Relations = projRelation[role]
	} else if ag.CreatedBy == actor.User.ID && !ag.System() {
		// Who made a system agent may be an admin no more.
		res.Relations = IsCreator
	}
	return ag, res, nil
}
