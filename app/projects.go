package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// projectRoles are the roles in a project.
var projectRoles = []string{"owner", "admin", "editor", "member", "viewer"}

// runsProject reports whether a role may manage a project.
func runsProject(role string) bool { return role == "owner" || role == "admin" }

// projectFor loads a project and checks that the actor may do the action to it. To an
// actor without a role in it, the error is the same whether it exists or not.
func (a *App) projectFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Project, Resource, error) {
	return projectIn(ctx, a.db.Queries, actor, id, action)
}

func projectIn(ctx context.Context, q store.Queries, actor *Actor, id string, action Action) (*store.Project, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	role, err := q.ProjectRole(ctx, id, actor.User.ID)
	if err != nil {
		return nil, Resource{}, err
	}
	res := Resource{Noun: "Project", Relations: projRelation[role]}
	if err := Check(actor, action, res); err != nil {
		return nil, res, err
	}
	p, err := q.Project(ctx, id)
	return p, res, fromStore(err, "Project")
}

// changeProject runs fn in a transaction that locks a project and its people, if the
// actor may do the action: see changeCourse.
func (a *App) changeProject(ctx context.Context, actor *Actor, id string, action Action, fn func(*store.Tx, *store.Project, Resource) error) error {
	p, _, err := a.projectFor(ctx, actor, id, action)
	if err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		// Lock order: organisation, project. Leaving an organisation also leaves its
		// projects, so the other order could deadlock.
		if _, err := tx.OrganizationForUpdate(ctx, p.OrganizationID); err != nil {
			return err
		}
		if _, err := tx.ProjectForUpdate(ctx, id); err != nil {
			return err
		}
		p, res, err := projectIn(ctx, tx.Queries, actor, id, action)
		if err != nil {
			return err
		}
		return fn(tx, p, res)
	}), "Project")
}

// Project returns one project.
func (a *App) Project(ctx context.Context, actor *Actor, id string) (*store.Project, error) {
	p, _, err := a.projectFor(ctx, actor, id, ActReadProject)
	return p, err
}

func projectChanges(p *store.Project) changes {
	return changes{"name": p.Name, "description": p.Description, "organization_id": p.OrganizationID}
}

// UpdateProject changes the sent members of a project.
func (a *App) UpdateProject(ctx context.Context, actor *Actor, id string, s WorkspaceSettings) (p *store.Project, err error) {
	err = a.changeProject(ctx, actor, id, ActUpdateProject, func(tx *store.Tx, held *store.Project, _ Resource) error {
		p = held
		before, described := projectChanges(p), p.Description
		if err := s.apply(&p.Name, &p.Description); err != nil {
			return err
		}
		if err := tx.UpdateProject(ctx, p); err != nil {
			return err
		}
		if p.CreatedBy != "" && longer(described, p.Description) {
			if err := a.quotas.within(ctx, tx, p.CreatedBy); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActUpdateProject, target{"project", id}, before, projectChanges(p))
	})
	return p, err
}

// DeleteProject deletes a project with its agents. Their messages stay. A dry run only
// counts.
func (a *App) DeleteProject(ctx context.Context, actor *Actor, id string, dryRun bool) (store.Counts, error) {
	if dryRun {
		if _, _, err := a.projectFor(ctx, actor, id, ActDeleteProject); err != nil {
			return nil, err
		}
		return a.db.ProjectContents(ctx, id)
	}
	return nil, a.changeProject(ctx, actor, id, ActDeleteProject, func(tx *store.Tx, p *store.Project, _ Resource) error {
		if err := a.audience.threadsGo(ctx, tx, store.ThreadsOfProject, id, func() error { return tx.DeleteProject(ctx, id) }); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActDeleteProject, target{"project", id}, projectChanges(p), nil)
	})
}

// ProjectMembers lists the people of a project.
func (a *App) ProjectMembers(ctx context.Context, actor *Actor, id string, p store.Page) ([]Member, error) {
	if _, _, err := a.projectFor(ctx, actor, id, ActReadProject); err != nil {
		return nil, err
	}
	links, err := a.db.ProjectMembers(ctx, id, p)
	members := make([]Member, len(links))
	for i, l := range links {
		members[i] = Member{User: *l.User, Role: l.Role}
	}
	return members, err
}

// AddProjectMember adds a person to a project, and also as a member to its organisation.
func (a *App) AddProjectMember(ctx context.Context, actor *Actor, id string, who Person, role string) (*Member, error) {
	_, res, err := a.projectFor(ctx, actor, id, ActManageProject)
	if err != nil {
		return nil, err
	}
	if err := checkProjectRole(actor, res, role); err != nil {
		return nil, err
	}
	u, err := a.acquainted(ctx, actor, who)
	if err != nil {
		return nil, err
	}
	err = a.changeProject(ctx, actor, id, ActManageProject, func(tx *store.Tx, p *store.Project, res Resource) error {
		if err := checkProjectRole(actor, res, role); err != nil {
			return err
		}
		now := a.instant()
		if err := tx.LinkOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: p.OrganizationID, UserID: u.ID, Role: orgMember, CreatedAt: now}); err != nil {
			return err
		}
		if err := a.quotas.withinPlace(ctx, tx, actor, store.PlacedOrganizationMembers, p.OrganizationID); err != nil {
			return err
		}
		err := tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: id, UserID: u.ID, Role: role, CreatedAt: now})
		if errors.Is(err, store.ErrExists) {
			return errMember
		}
		if err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActManageProject, target{"project", id}, nil, memberChanges(u.ID, role))
	})
	return &Member{User: *u, Role: role}, err
}

func checkProjectRole(actor *Actor, on Resource, role string) error {
	if !slices.Contains(projectRoles, role) {
		return oneOf("role", role, projectRoles...)
	}
	return mayRule(actor, power{beyond: ActChangeProjectOwner, on: on, roles: []string{role}})
}

// ChangeProjectMember gives a member of a project another role. Only owners make and
// change owners. The last member who can manage the project keeps such a role.
func (a *App) ChangeProjectMember(ctx context.Context, actor *Actor, id, userID, role string) error {
	return a.changeProject(ctx, actor, id, ActManageProject, func(tx *store.Tx, _ *store.Project, res Resource) error {
		if err := checkProjectRole(actor, res, role); err != nil {
			return err
		}
		before, err := projectMember(ctx, tx, actor, id, userID, res, runsProject(role))
		if err != nil {
			return err
		}
		if err := tx.SetProjectRole(ctx, id, userID, role); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActManageProject, target{"project", id}, memberChanges(userID, before), memberChanges(userID, role))
	})
}

// RemoveProjectMember removes a person from a project. Everybody may remove themselves,
// except the last member who can manage the project.
func (a *App) RemoveProjectMember(ctx context.Context, actor *Actor, id, userID string) error {
	action := ActManageProject
	if actor != nil && actor.User.ID == userID {
		action = ActLeaveProject
	}
	return a.changeProject(ctx, actor, id, action, func(tx *store.Tx, _ *store.Project, res Resource) error {
		before, err := projectMember(ctx, tx, actor, id, userID, res, false)
		if err != nil {
			return err
		}
		if err := tx.RemoveProjectMember(ctx, id, userID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, action, target{"project", id}, memberChanges(userID, before), nil)
	})
}

// projectMember returns a member's role in a project that the transaction has locked, if
// the actor may change it. goesOn says that the member can still manage the project
// after the change.
func projectMember(ctx context.Context, tx *store.Tx, actor *Actor, id, userID string, on Resource, goesOn bool) (string, error) {
	role, err := tx.ProjectRole(ctx, id, userID)
	if err != nil {
		return "", err
	}
	if role == "" {
		return "", errorf(KindNotFound, wording.NotFound, "User not found in project")
	}
	if actor.User.ID != userID { // members may remove themselves
		if err := mayRule(actor, power{beyond: ActChangeProjectOwner, on: on, roles: []string{role}}); err != nil {
			return "", err
		}
	}
	if !runsProject(role) || goesOn {
		return role, nil
	}
	other, err := tx.HasOtherProjectAdmin(ctx, id, userID)
	if err == nil && !other {
		err = errorf(KindRejected, wording.LastAdmin, "A project keeps its last admin; name another one first")
	}
	return role, err
}

// Projects lists the projects that the actor is linked to. organizationID, unless "",
// limits them to one organisation.
func (a *App) Projects(ctx context.Context, actor *Actor, organizationID string, p store.Page) (*store.Listing[store.Project], error) {
	if err := Check(actor, ActListProjects, Resource{}); err != nil {
		return nil, err
	}
	return a.db.ProjectsOf(ctx, actor.User.ID, organizationID, p)
}

// CreateProject adds a project with the actor as its admin, and with a teacher and a
// student agent on the offline provider. The client has no way to make a project's first
// agents.
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
		return a.addProject(ctx, tx, actor, p)
	})
	return p, err
}

// addProject stores a new project of the actor with its first agents. The transaction
// must hold the lock of its organisation.
func (a *App) addProject(ctx context.Context, tx *store.Tx, actor *Actor, p *store.Project) error {
	if err := tx.CreateProject(ctx, p); err != nil {
		return err
	}
	if err := tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: p.ID, UserID: actor.User.ID, Role: "admin", CreatedAt: p.CreatedAt}); err != nil {
		return err
	}
	if err := tx.CreateAgents(ctx, a.agents.firstAgents(p.ID, actor.User.ID, actor.Lang)); err != nil {
		return err
	}
	if err := a.quotas.within(ctx, tx, actor.User.ID, store.OwnedProjects); err != nil {
		return err
	}
	return a.audit.record(ctx, tx, actor, ActCreateProject, target{"project", p.ID}, nil,
		changes{"organization_id": p.OrganizationID, "name": p.Name, "description": p.Description})
}

// projectResource is a project as a resource for Check. It is an error if the project
// does not exist.
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
