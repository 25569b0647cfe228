package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// deletedName stands where the name of somebody stood whose account is gone.
const deletedName = "deleted user"

// DeleteUser removes an account with its sessions, keys and memberships. Its
// courses and organisations pass to the actor, projects that nobody else runs
// to the owners of their organisations; what the person said stays,
// said by a deleted user, and so do agents and artifacts. A dry run counts and
// changes nothing; otherwise the account is returned as it was.
func (a *App) DeleteUser(ctx context.Context, actor *Actor, id string, dryRun bool) (*store.User, store.Counts, error) {
	if actor != nil && actor.User.ID == id {
		return nil, nil, errorf(KindRejected, "own_account", "Cannot delete your own account")
	}
	if err := Check(actor, ActDeleteUser, Resource{}); err != nil {
		return nil, nil, err
	}
	if dryRun {
		u, err := a.db.User(ctx, id)
		if err == nil {
			err = mayDelete(actor, u)
		}
		if err != nil {
			return nil, nil, fromStore(err, "User")
		}
		counts, err := a.db.UserContents(ctx, id)
		return nil, counts, err
	}
	var u *store.User
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		u, err = a.removeUser(ctx, tx, actor, id)
		return fromStore(err, "User")
	})
	return u, nil, err
}

// mayDelete refuses what an admin may not delete.
func mayDelete(actor *Actor, u *store.User) error {
	return mayRule(actor, power{beyond: ActDeleteAdminUser, accounts: []string{u.Role}})
}

func (a *App) removeUser(ctx context.Context, tx *store.Tx, actor *Actor, id string) (*store.User, error) {
	supers, err := a.superAdmins(ctx, tx, actor, true)
	if err != nil {
		return nil, err
	}
	u, err := tx.UserForUpdate(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := mayDelete(actor, u); err != nil {
		return nil, err
	}
	if activeSuper(u) {
		if err := keepsSuperAdmin(supers, u.ID); err != nil {
			return nil, err
		}
	}
	now := a.instant()
	sessions, err := tx.LiveSessionsOf(ctx, id, "", now)
	if err != nil {
		return nil, err
	}
	if err := a.passOn(ctx, tx, actor, id); err != nil {
		return nil, err
	}
	if err := tx.DisownEvents(ctx, id, deletedName); err != nil {
		return nil, err
	}
	// Nobody else could see them, and their keys were the person's.
	if err := tx.DeleteTemplatesOf(ctx, id); err != nil {
		return nil, err
	}
	if err := tx.DeleteUser(ctx, id); err != nil {
		return nil, err
	}
	tx.AfterCommit(func() {
		a.hub.CloseUser(id, realtime.CloseSessionEnded, "account deleted")
		for _, s := range sessions { // those as somebody else among them
			a.sessionEnded(s)
		}
		// What rooms keep of the last minutes still has the name.
		a.hub.Forget()
	})
	return u, a.record(ctx, tx, actor, ActDeleteUser, target{"user", id}, userChanges(u), nil)
}

// passOn gives what somebody owns to the actor, and the projects that only they
// ran to the owners of their organisations.
func (a *App) passOn(ctx context.Context, tx *store.Tx, actor *Actor, id string) error {
	courses, organizations, err := tx.GiveAway(ctx, id, actor.User.ID, a.instant())
	if err != nil {
		return err
	}
	before, after := changes{"owner_id": id}, changes{"owner_id": actor.User.ID}
	for _, c := range courses {
		if err := a.record(ctx, tx, actor, ActTransferCourse, target{"course", c}, before, after); err != nil {
			return err
		}
	}
	for _, o := range organizations {
		if err := a.record(ctx, tx, actor, ActTransferOrganization, target{"organization", o}, before, after); err != nil {
			return err
		}
	}
	return a.leaveProjects(ctx, tx, actor, id, "")
}
