package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// The roles that admins of an organisation can give. The owner's role changes only by
// TransferOrganization.
const (
	orgAdmin  = "admin"
	orgMember = "member"
	orgOwner  = "owner"
)

// WorkspaceSettings are the members of an organisation or a project that its admins set.
// A member that is not sent keeps the stored value.
type WorkspaceSettings struct {
	Name        Opt[string]
	Description Opt[string]
}

func (s WorkspaceSettings) apply(title *string, description **string) error {
	s.Description.setNullable(description)
	if err := s.Name.set("name", title); err != nil {
		return err
	}
	return firstOf(errors.Join(name("name", title), optionalText("description", *description, maxText)))
}

// organizationFor loads an organisation and checks that the actor may do the action to
// it. To an actor without a role in it, the error is the same whether it exists or not.
func (a *App) organizationFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Organization, error) {
	o, _, err := organizationIn(ctx, a.db.Queries, actor, id, action)
	return o, err
}

func organizationIn(ctx context.Context, q store.Queries, actor *Actor, id string, action Action) (*store.Organization, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	role, err := q.OrganizationRole(ctx, id, actor.User.ID)
	if err != nil {
		return nil, Resource{}, err
	}
	res := Resource{Noun: "Organization", Relations: orgRelation[role]}
	if err := Check(actor, action, res); err != nil {
		return nil, res, err
	}
	o, err := q.Organization(ctx, id)
	return o, res, fromStore(err, "Organization")
}

// changeOrganization runs fn in a transaction that locks an organisation and its people,
// if the actor may do the action: see changeCourse.
func (a *App) changeOrganization(ctx context.Context, actor *Actor, id string, action Action, fn func(*store.Tx, *store.Organization, Resource) error) error {
	if _, err := a.organizationFor(ctx, actor, id, action); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if _, err := tx.OrganizationForUpdate(ctx, id); err != nil {
			return err
		}
		o, res, err := organizationIn(ctx, tx.Queries, actor, id, action)
		if err != nil {
			return err
		}
		return fn(tx, o, res)
	}), "Organization")
}

// Organization returns one organisation.
func (a *App) Organization(ctx context.Context, actor *Actor, id string) (*store.Organization, error) {
	return a.organizationFor(ctx, actor, id, ActReadOrganization)
}

func organizationChanges(o *store.Organization) changes {
	return changes{"name": o.Name, "description": o.Description, "owner_id": o.OwnerID}
}

// UpdateOrganization changes the sent members of an organisation.
func (a *App) UpdateOrganization(ctx context.Context, actor *Actor, id string, s WorkspaceSettings) (o *store.Organization, err error) {
	err = a.changeOrganization(ctx, actor, id, ActUpdateOrganization, func(tx *store.Tx, held *store.Organization, _ Resource) error {
		o = held
		before, described := organizationChanges(o), o.Description
		if err := s.apply(&o.Name, &o.Description); err != nil {
			return err
		}
		if err := tx.UpdateOrganization(ctx, o); err != nil {
			return err
		}
		if longer(described, o.Description) {
			if err := a.quotas.within(ctx, tx, o.OwnerID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActUpdateOrganization, target{"organization", id}, before, organizationChanges(o))
	})
	return o, err
}

// DeleteOrganization deletes an organisation with its projects and their agents. A dry
// run only counts.
func (a *App) DeleteOrganization(ctx context.Context, actor *Actor, id string, dryRun bool) (store.Counts, error) {
	if dryRun {
		if _, err := a.organizationFor(ctx, actor, id, ActDeleteOrganization); err != nil {
			return nil, err
		}
		return a.db.OrganizationContents(ctx, id)
	}
	return nil, a.changeOrganization(ctx, actor, id, ActDeleteOrganization, func(tx *store.Tx, o *store.Organization, _ Resource) error {
		if err := a.audience.threadsGo(ctx, tx, store.ThreadsOfOrganization, id, func() error { return tx.DeleteOrganization(ctx, id) }); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActDeleteOrganization, target{"organization", id}, organizationChanges(o), nil)
	})
}

// OrganizationMembers lists the people of an organisation.
func (a *App) OrganizationMembers(ctx context.Context, actor *Actor, id string, p store.Page) ([]Member, error) {
	if _, err := a.organizationFor(ctx, actor, id, ActReadOrganization); err != nil {
		return nil, err
	}
	links, err := a.db.OrganizationMembers(ctx, id, p)
	members := make([]Member, len(links))
	for i, l := range links {
		members[i] = Member{User: *l.User, Role: l.Role}
	}
	return members, err
}

// acquainted finds a person to add to a workspace. A person whom the actor may not look
// up is not found, so that nobody learns in this way who has an account.
func (a *App) acquainted(ctx context.Context, actor *Actor, who Person) (*store.User, error) {
	u, err := a.person(ctx, who)
	if err != nil {
		return nil, err
	}
	_, err = a.User(ctx, actor, u.ID)
	return u, err
}

var errMember = errorf(KindConflict, wording.Member, "User is already a member; change the role instead")

// AddOrganizationMember adds a person to an organisation, as member or admin.
func (a *App) AddOrganizationMember(ctx context.Context, actor *Actor, id string, who Person, role string) (*Member, error) {
	if _, err := a.organizationFor(ctx, actor, id, ActManageOrganization); err != nil {
		return nil, err
	}
	if err := oneOf("role", role, orgAdmin, orgMember); err != nil {
		return nil, err
	}
	u, err := a.acquainted(ctx, actor, who)
	if err != nil {
		return nil, err
	}
	err = a.changeOrganization(ctx, actor, id, ActManageOrganization, func(tx *store.Tx, _ *store.Organization, res Resource) error {
		if err := mayRule(actor, power{beyond: ActManageOrganization, on: res, roles: []string{role}}); err != nil {
			return err
		}
		err := tx.AddOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: id, UserID: u.ID, Role: role, CreatedAt: a.instant()})
		if errors.Is(err, store.ErrExists) {
			return errMember
		}
		if err != nil {
			return err
		}
		if err := a.quotas.withinPlace(ctx, tx, actor, store.PlacedOrganizationMembers, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActManageOrganization, target{"organization", id}, nil, memberChanges(u.ID, role))
	})
	return &Member{User: *u, Role: role}, err
}

// ChangeOrganizationMember gives a member of an organisation another role.
func (a *App) ChangeOrganizationMember(ctx context.Context, actor *Actor, id, userID, role string) error {
	return a.changeOrganization(ctx, actor, id, ActManageOrganization, func(tx *store.Tx, o *store.Organization, res Resource) error {
		if err := oneOf("role", role, orgAdmin, orgMember); err != nil {
			return err
		}
		before, err := organizationMember(ctx, tx, o, userID, "Cannot change owner role")
		if err == nil {
			err = mayRule(actor, power{beyond: ActManageOrganization, on: res, roles: []string{before, role}})
		}
		if err != nil {
			return err
		}
		if err := tx.SetOrganizationRole(ctx, id, userID, role); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActManageOrganization, target{"organization", id}, memberChanges(userID, before), memberChanges(userID, role))
	})
}

// RemoveOrganizationMember removes a person from an organisation and its projects.
// Everybody but the owner may remove themselves. If a project would have no admin then,
// the organisation's owner becomes one.
func (a *App) RemoveOrganizationMember(ctx context.Context, actor *Actor, id, userID string) error {
	action := ActManageOrganization
	if actor != nil && actor.User.ID == userID {
		action = ActLeaveOrganization
	}
	return a.changeOrganization(ctx, actor, id, action, func(tx *store.Tx, o *store.Organization, res Resource) error {
		before, err := organizationMember(ctx, tx, o, userID, "Cannot remove owner; transfer the organization first")
		if err == nil && action == ActManageOrganization {
			err = mayRule(actor, power{beyond: action, on: res, roles: []string{before}})
		}
		if err != nil {
			return err
		}
		if err := tx.RemoveOrganizationMember(ctx, id, userID); err != nil {
			return err
		}
		if err := a.audit.record(ctx, tx, actor, action, target{"organization", id}, memberChanges(userID, before), nil); err != nil {
			return err
		}
		return leaveProjects(ctx, a.now, a.audit, tx, actor, userID, id)
	})
}

// leaveProjects removes a person from the projects of an organisation, or from all
// projects if organizationID is "". The owner of the organisation takes over each
// project that would have no admin then.
func leaveProjects(ctx context.Context, now clock, audit auditLog, tx *store.Tx, actor *Actor, userID, organizationID string) error {
	passed, err := tx.LeaveProjects(ctx, userID, organizationID, now.instant())
	if err != nil {
		return err
	}
	for _, m := range passed {
		if err := audit.record(ctx, tx, actor, ActManageProject, target{"project", m.ProjectID}, nil, memberChanges(m.UserID, m.Role)); err != nil {
			return err
		}
	}
	return nil
}

// organizationMember returns a member's role in an organisation that the transaction has
// locked. If ownerText is not "", it is the error for the owner.
func organizationMember(ctx context.Context, tx *store.Tx, o *store.Organization, userID, ownerText string) (string, error) {
	role, err := tx.OrganizationRole(ctx, o.ID, userID)
	switch {
	case err != nil:
		return "", err
	case userID == o.OwnerID && ownerText != "":
		return "", errorf(KindRejected, wording.IsOwner, "%s", wording.Of(ownerText))
	case role == "":
		return "", errorf(KindNotFound, wording.NotFound, "User not found in organization")
	}
	return role, nil
}

// TransferOrganization makes another member the owner of an organisation. The old owner
// stays as an admin.
func (a *App) TransferOrganization(ctx context.Context, actor *Actor, id, userID string) (o *store.Organization, err error) {
	err = a.changeOrganization(ctx, actor, id, ActTransferOrganization, func(tx *store.Tx, held *store.Organization, res Resource) error {
		o = held
		if _, err := organizationMember(ctx, tx, o, userID, ""); err != nil || o.OwnerID == userID {
			return err
		}
		if err := mayRule(actor, power{beyond: ActTransferOrganization, on: res, roles: []string{orgOwner}}); err != nil {
			return err
		}
		if u, err := tx.User(ctx, userID); err != nil {
			return err
		} else if !u.IsActive {
			return errorf(KindRejected, wording.Inactive, "This account is inactive")
		}
		before, old := organizationChanges(o), o.OwnerID
		o.OwnerID = userID
		if err := errors.Join(tx.UpdateOrganization(ctx, o), tx.SetOrganizationRole(ctx, id, userID, orgOwner)); err != nil {
			return err
		}
		if err := tx.SetOrganizationRole(ctx, id, old, orgAdmin); err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := a.quotas.within(ctx, tx, userID, store.OwnedOrganizations); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActTransferOrganization, target{"organization", id}, before, organizationChanges(o))
	})
	return o, err
}

// Organizations lists the organisations that the actor is linked to.
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
	err := a.db.InTx(ctx, func(tx *store.Tx) error { return a.addOrganization(ctx, tx, actor, o) })
	return o, err
}

// addOrganization stores a new organisation with its owner.
func (a *App) addOrganization(ctx context.Context, tx *store.Tx, actor *Actor, o *store.Organization) error {
	if err := tx.CreateOrganization(ctx, o); err != nil {
		return err
	}
	if err := tx.AddOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: o.ID, UserID: o.OwnerID, Role: "owner", CreatedAt: o.CreatedAt}); err != nil {
		return err
	}
	if err := a.quotas.within(ctx, tx, o.OwnerID, store.OwnedOrganizations); err != nil {
		return err
	}
	return a.audit.record(ctx, tx, actor, ActCreateOrganization, target{"organization", o.ID}, nil,
		changes{"name": o.Name, "description": o.Description, "owner_id": o.OwnerID})
}
