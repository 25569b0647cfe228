package legacy

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

// shipped are the types of agents that this program brings along, with their categories.
var shipped = map[string]string{store.AgentTeacher: "instructor", store.AgentStudent: "participant", store.AgentDesign: "utility",
	store.AgentAnalytics: "utility"}

var categories = []string{"instructor", "participant", "utility", "external"}

func (p *plan) agentTypes(ctx context.Context) error {
	p.category = map[string]string{}
	for name, category := range shipped {
		p.category[name] = category
	}
	return p.each(ctx, "agenttypemetadata", []string{"type_name"}, func(r row) {
		name := strings.TrimSpace(r.Text("type_name"))
		switch {
		case r.noID():
		case name == "":
			p.report.leave(r.table, r.own(), "has no name")
		case shipped[name] != "":
			p.report.leave(r.table, r.own(), "this program brings the type along: %s", name)
		case p.category[name] != "":
			p.report.leave(r.table, r.own(), "has the name of another type: %s", name)
		default:
			p.types = append(p.types, r.agentType(name))
			p.report.came(r.table)
		}
	})
}

func (r row) agentType(name string) store.AgentType {
	t := store.AgentType{ID: r.id("id"), TypeName: name, DisplayName: cmp.Or(strings.TrimSpace(r.Text("display_name")), name),
		Description: r.optional("description"), Category: r.Text("category"), Icon: r.optional("icon"), Color: r.optional("color"),
		DefaultSystemPrompt: r.optional("default_system_prompt"), DefaultModelProvider: r.Text("default_model_provider"),
		DefaultModel: r.filled("default_model"), DefaultSettings: r.object("default_settings"), DefaultCapabilities: r.list("default_capabilities"),
		CreatedBy: r.account("created_by"), CreatedAt: r.when("created_at"), UpdatedAt: r.when("updated_at"), Version: 1}
	if t.DisplayName != r.Text("display_name") {
		r.p.report.change(r.table, t.ID, "is shown as %q", t.DisplayName)
	}
	if !slices.Contains(categories, t.Category) {
		r.p.report.decide(r.table, t.ID, "has the unknown category %q, and becomes an instructor", t.Category)
		t.Category = "instructor"
	}
	r.p.category[name] = t.Category
	return t
}
