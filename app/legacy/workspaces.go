package legacy

import (
	"context"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

func (p *plan) organizations(ctx context.Context) error {
	p.org = map[string]bool{}
	err := p.each(ctx, "organization", nil, func(r row) {
		owner := r.account("owner_id")
		switch {
		case r.noID():
		case owner == "":
			r.gone("owner")
		default:
			p.org[r.id("id")] = true
			p.orgs = append(p.orgs, store.Organization{ID: r.id("id"), Name: r.titled("name"), Description: r.optional("description"), OwnerID: owner,
				CreatedAt: r.when("created_at"), Version: 1})
			p.report.came("organization")
		}
	})
	if err != nil {
		return err
	}
	born := map[string]store.Organization{}
	for _, o := range p.orgs {
		born[o.ID] = o
	}
	return p.links(ctx, "userorganizationlink", "organization_id", func(id string) bool { return p.org[id] }, func(r row, id, user string) {
		role := r.role([]string{"owner", "admin", "member"}, map[string]string{"super_admin": "admin"}, "member")
		p.orgMembers = append(p.orgMembers, store.OrganizationMember{OrganizationID: id, UserID: user, Role: role, CreatedAt: born[id].CreatedAt})
	})
}

// links reads a table that links people to something. fn gets each link whose two ends come,
// once.
func (p *plan) links(ctx context.Context, table, column string, there func(id string) bool, fn func(r row, id, user string)) error {
	seen := map[string]bool{}
	return p.each(ctx, table, []string{column, "user_id"}, func(r row) {
		id, user := r.id(column), r.account("user_id")
		at := r.Text("user_id") + " in " + r.Text(column)
		switch {
		case user == "":
			p.report.leave(table, at, "its account does not come")
		case !there(id):
			p.report.leave(table, at, "what it links to does not come")
		case seen[at]:
			p.report.leave(table, at, "is there twice")
		default:
			seen[at] = true
			before := p.report.of(table).LeftOut
			if fn(r, id, user); p.report.of(table).LeftOut == before {
				p.report.came(table)
			}
		}
	})
}

// link names a link in the report.
func (r row) link(column string) string { return r.Text("user_id") + " in " + r.Text(column) }

// role is the role of a link: one of ours, or what another text stands for.
func (r row) role(ours []string, known map[string]string, otherwise string) string {
	typed := r.Text("role")
	role := strings.ToLower(strings.TrimSpace(typed))
	if to, ok := known[role]; ok {
		r.p.report.change(r.table, r.Text("user_id"), "has the role %q, which is %s here", typed, to)
		return to
	}
	if slices.Contains(ours, role) {
		if role != typed {
			r.p.report.change(r.table, r.Text("user_id"), "has the role %q, which is %s here", typed, role)
		}
		return role
	}
	if otherwise != "" {
		r.p.report.decide(r.table, r.Text("user_id"), "has the unknown role %q, and becomes %s", typed, otherwise)
	}
	return otherwise
}

func (p *plan) projectsOf(ctx context.Context) error {
	p.project = map[string]bool{}
	born := map[string]store.Project{}
	err := p.each(ctx, "project", nil, func(r row) {
		org := r.id("organization_id")
		switch {
		case r.noID():
		case !p.org[org]:
			r.gone("organization")
		default:
			one := store.Project{ID: r.id("id"), OrganizationID: org, Name: r.titled("name"), Description: r.optional("description"),
				CreatedAt: r.when("created_at"), Version: 1}
			p.project[one.ID], born[one.ID] = true, one
			p.projects = append(p.projects, one)
			p.report.came("project")
		}
	})
	if err != nil {
		return err
	}
	return p.links(ctx, "userprojectlink", "project_id", func(id string) bool { return p.project[id] }, func(r row, id, user string) {
		role := r.role([]string{"owner", "admin", "editor", "member", "viewer"}, nil, "viewer")
		p.members = append(p.members, store.ProjectMember{ProjectID: id, UserID: user, Role: role, CreatedAt: born[id].CreatedAt})
	})
}
