package legacy

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/schedule"
	"github.com/coagent-studio/coagent/store"
)

// oldAgent is an agent with what is decided when all are known.
type oldAgent struct {
	store.Agent
	userKeys []string
}

func (p *plan) agentsOf(ctx context.Context) error {
	p.agent = map[string]*store.Agent{}
	var all []oldAgent
	err := p.each(ctx, "agentconfig", nil, func(r row) {
		switch {
		case r.noID():
		case r.Text("project_id") != "" && !p.project[r.id("project_id")]:
			r.gone("project")
		default:
			all = append(all, r.agent())
		}
	})
	if err != nil {
		return err
	}
	// The one in use keeps its name, then the older one.
	slices.SortFunc(all, func(a, b oldAgent) int {
		return cmp.Or(inUse(a)-inUse(b), a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID))
	})
	all = p.oneSystemAgent(all)
	p.nameAgents(all)
	p.keysInUse(all)
	p.parentsFirst(all)
	return nil
}

// inUse sorts what is in use first.
func inUse(a oldAgent) int {
	if a.IsActive || a.EncryptedAPIKey != "" && isSystem(a.Agent) {
		return 0
	}
	return 1
}

// isSystem tells whether an agent is the system's own.
func isSystem(a store.Agent) bool { return a.ProjectID == "" && !a.IsTemplate && !a.IsExternal }

// agent reads an agent. Its only time is called updated_at, and is that of its making.
func (r row) agent() oldAgent {
	at := r.when("updated_at")
	a := oldAgent{Agent: store.Agent{ID: r.id("id"), ProjectID: r.id("project_id"), ParentID: r.id("parent_config_id"), Name: r.titled("name"),
		ModelProvider: r.Text("model_provider"), Model: r.filled("model"), SystemPrompt: r.Text("system_prompt"), Settings: r.object("settings"),
		Capabilities: r.list("capabilities"), UserKeyIDs: "[]", IsActive: r.flag("is_active"), IsTemplate: r.flag("is_template"),
		IsExternal: r.flag("is_external"), CreatedBy: r.account("created_by"), CreatedAt: at, UpdatedAt: at, Version: 1}}
	_ = json.Unmarshal([]byte(r.list("user_key_ids")), &a.userKeys)
	a.Type = r.agentTypeOf()
	a.Category = r.categoryOf(a.Type)
	a.ContextWindow = r.window()
	if isSystem(a.Agent) {
		a.IsActive = true // the old system uses it whatever it says
	}
	a.TriggerConfig = r.trigger("trigger_config")
	a.ScheduleConfig = r.schedule("schedule_config")
	var why string
	if a.EncryptedAPIKey, why = r.p.seal(a.ModelProvider, r.Text("encrypted_api_key")); why != "" {
		r.p.report.decide(r.table, a.ID, "comes without its key, which %s", why)
	}
	r.external(&a.Agent)
	return a
}

// agentTypeOf is the type of an agent. A type of ours in other letters is that type.
func (r row) agentTypeOf() string {
	name := strings.TrimSpace(r.Text("type"))
	if name == "" {
		r.p.report.decide(r.table, r.own(), "has no type, and becomes one of type agent")
		return "agent"
	}
	lower := strings.ToLower(name)
	if r.p.category[name] == "" && r.p.category[lower] != "" {
		r.p.report.change(r.table, r.own(), "has the type %q, which is %s here", name, lower)
		return lower
	}
	return name
}

// categoryOf is that of the type: the old system says instructor of every agent of a project.
func (r row) categoryOf(kind string) string {
	said := r.Text("category")
	switch known := r.p.category[kind]; {
	case r.flag("is_external"):
		return "external"
	case known != "" && (said == "instructor" || !slices.Contains(categories, said)):
		return known
	case slices.Contains(categories, said):
		return said
	}
	r.p.report.decide(r.table, r.own(), "has the unknown category %q, and becomes an instructor", said)
	return "instructor"
}

func (r row) window() int {
	n := r.whole("context_window")
	if fits := min(max(n, 1), 1000); fits != n {
		r.p.report.change(r.table, r.own(), "reads %d messages, where between 1 and 1000 are possible: %d", n, fits)
		return fits
	}
	return n
}

// trigger reads what makes an agent speak. Two forms that the old system took have another
// one here that means the same.
func (r row) trigger(column string) store.JSON {
	text := r.json(column)
	if text == "" || text == "{}" {
		return ""
	}
	var old struct {
		Type  string          `json:"type"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal([]byte(text), &old) == nil {
		number := json.Number(strings.Trim(string(old.Value), `"`))
		value, err := number.Float64()
		switch {
		case old.Type == "time_based" && err == nil:
			text = store.ToJSON(map[string]any{"type": schedule.TimeInterval, "value": value})
			r.p.report.change(r.table, r.own(), "its trigger time_based is time_interval here")
		case old.Type == schedule.MessageCount && err == nil && value > 0 && value < 1:
			text = store.ToJSON(map[string]any{"type": schedule.MessageCount, "value": 1})
			r.p.report.change(r.table, r.own(), "its trigger of %v messages is one of 1", value)
		}
	}
	if _, err := schedule.ParseTrigger(string(text)); err != nil {
		r.p.report.decide(r.table, r.own(), "has a trigger that cannot be read, so the agent speaks only when it is called: %v", app.Explain(err))
	}
	return text
}

// schedule reads when an agent may speak.
func (r row) schedule(column string) store.JSON {
	text := r.json(column)
	if text == "" || text == "{}" {
		return ""
	}
	if _, err := schedule.ParseSchedule(string(text), time.UTC); err != nil {
		r.p.report.decide(r.table, r.own(), "has a schedule that cannot be read, so the agent is silent: %v", app.Explain(err))
		return text
	}
	if strings.Contains(string(text), ":") {
		r.p.schedules++
	}
	return text
}

// external takes the secrets out of the configuration of an agent outside.
func (r row) external(a *store.Agent) {
	text := r.json("external_config")
	if text == "" {
		return
	}
	var err error
	if a.ExternalConfig, a.EncryptedSecrets, err = r.p.rules.External(string(text)); err != nil {
		r.p.report.decide(r.table, a.ID, "comes without its external_config, which is no object")
	}
}

// oneSystemAgent keeps one system agent of each type: the one with a key, then the older
// one. The text of another is kept as a version of that one.
func (p *plan) oneSystemAgent(all []oldAgent) []oldAgent {
	first := map[string]string{}
	kept := all[:0]
	for _, a := range all {
		if isSystem(a.Agent) && first[a.Type] != "" {
			p.report.leave("agentconfig", a.ID, "is a second system agent of its type: its text is kept as a version of %s", first[a.Type])
			p.versions = append(p.versions, store.AgentVersion{ID: a.ID, AgentID: first[a.Type], Label: "second system agent of the old system", Name: a.Name,
				SystemPrompt: a.SystemPrompt, ModelProvider: a.ModelProvider, Model: a.Model, Settings: a.Settings, TriggerConfig: a.TriggerConfig,
				ScheduleConfig: a.ScheduleConfig, ContextWindow: a.ContextWindow, CreatedAt: a.CreatedAt, CreatedBy: a.CreatedBy})
			continue
		}
		if isSystem(a.Agent) {
			first[a.Type] = a.ID
		}
		kept = append(kept, a)
		p.report.came("agentconfig")
	}
	return kept
}

// nameAgents gives agents of one project and type different names.
func (p *plan) nameAgents(all []oldAgent) {
	taken := map[string]bool{}
	for i := range all {
		a := &all[i]
		if a.ProjectID == "" {
			continue
		}
		name := a.Name
		at := func() string { return a.ProjectID + "\x00" + a.Type + "\x00" + name }
		for n := 2; taken[at()]; n++ {
			name = fmt.Sprintf("%s %d", a.Name, n)
		}
		if name != a.Name {
			p.report.change("agentconfig", a.ID, "is called %q: another %s of its project has its name", name, a.Type)
			a.Name = name
		}
		taken[at()] = true
	}
}

// keysInUse keeps of an agent's chain the keys that come and belong to who made the agent.
func (p *plan) keysInUse(all []oldAgent) {
	owner := map[string]string{}
	for _, k := range p.keys {
		owner[k.ID] = k.UserID
	}
	for i := range all {
		a, kept := &all[i], []string{}
		for _, id := range a.userKeys {
			switch o := owner[strings.ToLower(id)]; {
			case o == "":
				p.report.change("agentconfig", a.ID, "loses the key %s of its chain, which does not come", id)
			case o != a.CreatedBy:
				p.report.change("agentconfig", a.ID, "loses the key %s of its chain, which is not of who made the agent", id)
			default:
				kept = append(kept, strings.ToLower(id))
			}
		}
		a.UserKeyIDs = store.ToJSON(kept)
	}
}

// parentsFirst puts each agent behind the one that it was made of.
func (p *plan) parentsFirst(all []oldAgent) {
	left := map[string]bool{}
	for _, a := range all {
		left[a.ID] = true
	}
	p.agents = make([]store.Agent, 0, len(all))
	for done := false; !done; {
		done = true
		for _, a := range all {
			if !left[a.ID] || a.ParentID != "" && a.ParentID != a.ID && left[a.ParentID] {
				continue
			}
			if a.ParentID != "" && p.agent[a.ParentID] == nil {
				p.report.change("agentconfig", a.ID, "loses the agent that it was made of, which does not come")
				a.ParentID = ""
			}
			p.addAgent(a.Agent)
			delete(left, a.ID)
			done = false
		}
	}
	for _, a := range all { // a circle
		if left[a.ID] {
			a.ParentID = ""
			p.addAgent(a.Agent)
		}
	}
}

func (p *plan) addAgent(a store.Agent) {
	p.agents = append(p.agents, a)
	p.agent[a.ID] = &p.agents[len(p.agents)-1]
}

func (p *plan) agentVersions(ctx context.Context) error {
	return p.each(ctx, "agentconfigversion", []string{"id"}, func(r row) {
		ag := p.agent[r.id("config_id")]
		switch {
		case r.noID():
		case ag == nil:
			r.gone("agent")
		default:
			p.versions = append(p.versions, store.AgentVersion{ID: r.id("id"), AgentID: ag.ID, Label: r.Text("version_label"), Name: ag.Name,
				SystemPrompt: r.Text("system_prompt"), ModelProvider: r.Text("model_provider"), Model: r.filled("model"), Settings: r.object("settings"),
				ContextWindow: ag.ContextWindow, CreatedAt: r.when("created_at"), CreatedBy: r.account("created_by")})
			p.report.came(r.table)
		}
	})
}
