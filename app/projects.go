package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/store"
)

// projectRoles are the roles in a project.
var projectRoles = []string{"owner", "admin", "editor", "member", "viewer"}

// runsProject tells whether a role may manage a project.
func runsProject(role string) bool { return role == "owner" || role == "admin" }

// projectFor checks that the actor may do the action to a project, and loads
// it. Who has nothing to do with it does not learn whether it exists.
func (a *App) projectFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Project, Resource, error) {
	res := Resource{Noun: "Project"}
	if actor == nil {
		return nil, res, errNotAuthenticated
	}
	role, err := a.db.ProjectRole(ctx, id, actor.User.ID)
	if err != nil {
		return nil, res, err
	}
	res.Relations = projRelation[role]
	if err := Check(actor, action, res); err != nil {
		return nil, res, err
	}
	p, err := a.db.Project(ctx, id)
	return p, res, fromStore(err, "Project")
}

// Project returns one project.
func (a *App) Project(ctx context.Context, actor *Actor, id string) (*store.Project, error) {
	p, _, err := a.projectFor(ctx, actor, id, ActReadProject)
	return p, err
}

func projectFacts(p *store.Project) facts {
	return facts{"name": p.Name, "description": p.Description, "organization_id": p.OrganizationID}
}

// UpdateProject changes the sent members of a project.
func (a *App) UpdateProject(ctx context.Context, actor *Actor, id string, s WorkspaceSettings) (p *store.Project, err error) {
	if _, _, err := a.projectFor(ctx, actor, id, ActUpdateProject); err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if p, err = tx.ProjectForUpdate(ctx, id); err != nil {
			return err
		}
		before := projectFacts(p)
		if err := s.apply(&p.Name, &p.Description); err != nil {
			return err
		}
		if err := tx.UpdateProject(ctx, p); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActUpdateProject, target{"project", id}, before, projectFacts(p))
	})
	return p, fromStore(err, "Project")
}

// DeleteProject removes a project with its agents; what they said stays. A dry
// run only counts.
func (a *App) DeleteProject(ctx context.Context, actor *Actor, id string, dryRun bool) (store.Counts, error) {
	p, _, err := a.projectFor(ctx, actor, id, ActDeleteProject)
	if err != nil {
		return nil, err
	}
	if dryRun {
		return a.db.ProjectContents(ctx, id)
	}
	return nil, fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteProject(ctx, id); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActDeleteProject, target{"project", id}, projectFacts(p), nil)
	}), "Project")
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

// AddProjectMember takes somebody into a project, and as a member into its
// organisation.
func (a *App) AddProjectMember(ctx context.Context, actor *Actor, id string, who Person, role string) (*Member, error) {
	p, res, err := a.projectFor(ctx, actor, id, ActManageProject)
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
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		now := a.instant()
		if err := tx.LinkOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: p.OrganizationID, UserID: u.ID, Role: orgMember, CreatedAt: now}); err != nil {
			return err
		}
		if err := tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: id, UserID: u.ID, Role: role, CreatedAt: now}); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActManageProject, target{"project", id}, nil, memberFacts(u.ID, role))
	})
	if errors.Is(err, store.ErrExists) {
		err = errMember
	}
	return &Member{User: *u, Role: role}, fromStore(err, "Project")
}

func checkProjectRole(actor *Actor, on Resource, role string) error {
	if !slices.Contains(projectRoles, role) {
		return oneOf("role", role, projectRoles...)
	}
	if role == "owner" {
		return Check(actor, ActChangeProjectOwner, on)
	}
	return nil
}

// ChangeProjectMember gives a member of a project another role. Only owners
// make and change owners, and the last one who runs a project goes on doing so.
func (a *App) ChangeProjectMember(ctx context.Context, actor *Actor, id, userID, role string) error {
	_, res, err := a.projectFor(ctx, actor, id, ActManageProject)
	if err != nil {
		return err
	}
	if err := checkProjectRole(actor, res, role); err != nil {
		return err
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		before, err := projectMember(ctx, tx, actor, id, userID, res, runsProject(role))
		if err != nil {
			return err
		}
		if err := tx.SetProjectRole(ctx, id, userID, role); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, ActManageProject, target{"project", id}, memberFacts(userID, before), memberFacts(userID, role))
	})
}

// RemoveProjectMember takes somebody out of a project; everybody may leave by
// themselves, but for the last one who runs it.
func (a *App) RemoveProjectMember(ctx context.Context, actor *Actor, id, userID string) error {
	action := ActManageProject
	if actor != nil && actor.User.ID == userID {
		action = ActLeaveProject
	}
	_, res, err := a.projectFor(ctx, actor, id, action)
	if err != nil {
		return err
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		before, err := projectMember(ctx, tx, actor, id, userID, res, false)
		if err != nil {
			return err
		}
		if err := tx.RemoveProjectMember(ctx, id, userID); err != nil {
			return err
		}
		return a.record(ctx, tx, actor, action, target{"project", id}, memberFacts(userID, before), nil)
	})
}

// projectMember locks a project and returns a member's role, unless the actor
// may not change it; goesOn says that the member will run the project still.
func projectMember(ctx context.Context, tx *store.Tx, actor *Actor, id, userID string, on Resource, goesOn bool) (string, error) {
	if _, err := tx.ProjectForUpdate(ctx, id); err != nil {
		return "", fromStore(err, "Project")
	}
	role, err := tx.ProjectRole(ctx, id, userID)
	if err != nil {
		return "", err
	}
	if role == "" {
		return "", errorf(KindNotFound, "not_found", "User not found in project")
	}
	if role == "owner" {
		if err := Check(actor, ActChangeProjectOwner, on); err != nil {
			return "", err
		}
	}
	if !runsProject(role) || goesOn {
		return role, nil
	}
	other, err := tx.HasOtherProjectAdmin(ctx, id, userID)
	if err == nil && !other {
		err = errorf(KindRejected, "last_admin", "A project keeps its last admin; name another one first")
	}
	return role, err
}
