package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// DeleteUser deletes an account with its sessions, keys and memberships. The actor
// becomes the owner of its courses and organisations. A project that nobody else can
// manage goes to the owner of its organisation. The person's messages stay, as those of
// a deleted user; agents and artifacts stay too. A dry run only counts. Otherwise the
// account is returned as it was.
func (a *App) DeleteUser(ctx context.Context, actor *Actor, id string, dryRun bool) (*store.User, store.Counts, error) {
	if actor != nil && actor.User.ID == id {
		return nil, nil, errorf(KindRejected, wording.OwnAccount, "Cannot delete your own account")
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
		u, err = a.removeUser(ctx, tx, actor, id, nil)
		return fromStore(err, "User")
	})
	return u, nil, err
}

// mayDelete refuses to delete an account that the actor may not delete.
func mayDelete(actor *Actor, u *store.User) error {
	if u.IsBot() {
		return errIsBot
	}
	return mayRule(actor, power{beyond: ActDeleteAdminUser, accounts: []string{u.Role}})
}

// removeUser removes an account that it has locked, if also, which may be nil, agrees.
func (a *App) removeUser(ctx context.Context, tx *store.Tx, actor *Actor, id string, also func(*store.User) error) (*store.User, error) {
	if err := tx.LockThreadsOf(ctx, id); err != nil {
		return nil, err
	}
	supers, err := lockSuperAdmins(ctx, tx, actor, true)
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
	if also != nil {
		if err := also(u); err != nil {
			return nil, err
		}
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
	if err := passOn(ctx, a.now, a.audit, tx, actor, id); err != nil {
		return nil, err
	}
	if err := tx.DisownEvents(ctx, id, event.DeletedName); err != nil {
		return nil, err
	}
	// Nobody else can see the person's templates, and their keys belonged to the person.
	if err := tx.DeleteTemplatesOf(ctx, id); err != nil {
		return nil, err
	}
	if err := a.audience.threadsGo(ctx, tx, store.ThreadsOfPerson, id, func() error { return tx.DeleteUser(ctx, id) }); err != nil {
		return nil, err
	}
	tx.AfterCommit(func() {
		a.audience.hub.CloseUser(id, realtime.CloseSessionEnded, "account deleted")
		for _, s := range sessions { // also those in which the person acts as somebody else
			a.sessions.closeSockets(s)
		}
		// The hub's cached frames of the last minutes still have the person's name.
		a.audience.hub.Forget()
	})
	return u, a.audit.record(ctx, tx, actor, ActDeleteUser, target{"user", id}, userChanges(u), nil)
}

// passOn makes the actor the owner of what a person owns. A project that only this
// person could manage goes to the owner of its organisation.
func passOn(ctx context.Context, now clock, audit auditLog, tx *store.Tx, actor *Actor, id string) error {
	courses, organizations, err := tx.GiveAway(ctx, id, actor.User.ID, now.instant())
	if err != nil {
		return err
	}
	before, after := changes{"owner_id": id}, changes{"owner_id": actor.User.ID}
	for _, c := range courses {
		if err := audit.record(ctx, tx, actor, ActTransferCourse, target{"course", c}, before, after); err != nil {
			return err
		}
	}
	for _, o := range organizations {
		if err := audit.record(ctx, tx, actor, ActTransferOrganization, target{"organization", o}, before, after); err != nil {
			return err
		}
	}
	return leaveProjects(ctx, now, audit, tx, actor, id, "")
}
