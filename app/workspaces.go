package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/store"
)

// Organizations lists those the actor is linked to.
func (a *App) Organizations(ctx context.Context, actor *Actor, p store.Page) (*store.Listing[store.Organization], error) {
	if err := Check(actor, ActListOrganizations, Resource{}); err != nil {
		return nil, err
	}
	return a.db.OrganizationsOf(ctx, actor.User.ID, p)
}

// CreateOrganization adds an organisation that the actor owns.
func (a *App) CreateOrganization(ctx context.Context, actor *Actor, title string, description *string) (*store.Organization, error) {
	if err := Check(actor, ActCreateOrganization, Resource{}); err != nil {
		return nil, err
	}
	if err := errors.Join(name("name", &title), optionalText("description", description, maxText)); err != nil {
		return nil, firstOf(err)
	}
	o := &store.Organization{ID: store.NewID(), Name: title, Description: description, OwnerID: actor.User.ID, CreatedAt: a.instant(), Version: 1}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateOrganization(ctx, o); err != nil {
			return err
		}
		if err := tx.AddOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: o.ID, UserID: o.OwnerID, Role: "owner", CreatedAt: o.CreatedAt}); err != nil {
			return err
		}
		if err := a.withinQuota(ctx, tx, o.OwnerID, store.OwnedOrganizations); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActCreateOrganization, target{"organization", o.ID}, nil,
			changes{"name": o.Name, "description": o.Description, "owner_id": o.OwnerID})
	})
	return o, err
}

// Projects lists those the actor is linked to, of one organisation when its id
// is given.
func (a *App) Projects(ctx context.Context, actor *Actor, organizationID string, p store.Page) (*store.Listing[store.Project], error) {
	if err := Check(actor, ActListProjects, Resource{}); err != nil {
		return nil, err
	}
	return a.db.ProjectsOf(ctx, actor.User.ID, organizationID, p)
}

// CreateProject adds a project with the actor as its admin, and a teacher and
// a student agent on the offline provider: the client has no way to make the
// first ones.
func (a *App) CreateProject(ctx context.Context, actor *Actor, organizationID, title string, description *string) (*store.Project, error) {
	now := a.instant()
	p := &store.Project{ID: store.NewID(), OrganizationID: organizationID, Description: description, CreatedAt: now, Version: 1}
	if actor != nil {
		p.CreatedBy = actor.User.ID
	}
	err := a.changeOrganization(ctx, actor, organizationID, ActCreateProject, func(tx *store.Tx, _ *store.Organization, _ Resource) error {
		if err := errors.Join(name("name", &title), optionalText("description", description, maxText)); err != nil {
			return firstOf(err)
		}
		p.Name = title
		if err := tx.CreateProject(ctx, p); err != nil {
			return err
		}
		if err := tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: p.ID, UserID: actor.User.ID, Role: "admin", CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.CreateAgents(ctx, a.firstAgents(p.ID, actor.User.ID)); err != nil {
			return err
		}
		if err := a.withinQuota(ctx, tx, actor.User.ID, store.OwnedProjects); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActCreateProject, target{"project", p.ID}, nil,
			changes{"organization_id": p.OrganizationID, "name": p.Name, "description": p.Description})
	})
	return p, err
}

// projectResource is a project as Check sees it; an unknown one is an error.
func (a *App) projectResource(ctx context.Context, actor *Actor, projectID string) (Resource, error) {
	if actor == nil {
		return Resource{}, errNotAuthenticated
	}
	if _, err := a.db.Project(ctx, projectID); err != nil {
		return Resource{}, fromStore(err, "Project")
	}
	role, err := a.db.ProjectRole(ctx, projectID, actor.User.ID)
	return Resource{Noun: "Project", Relations: projRelation[role]}, err
}
