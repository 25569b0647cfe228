package app

import (
	"context"
	"errors"
	"net/url"
	"slices"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// UserChanges are the members of an account that a client may send. A member that is not
// sent keeps the stored value.
type UserChanges struct {
	FullName  Opt[string]
	Username  Opt[string]
	AvatarURL Opt[string] // the stored address, an https address, or none
	Role      Opt[string]
	IsActive  Opt[bool]

	Password        Opt[secret.Text] // absent, null and "" keep the stored password
	CurrentPassword secret.Text      // needed to change one's own password
	Client          Client
}

func (c *UserChanges) newPassword() string { return c.Password.Value.Reveal() }

// UpdateSelf changes the actor's own account, but never the role or whether it is
// active. A new password needs the current one and ends the actor's other sessions.
func (a *App) UpdateSelf(ctx context.Context, actor *Actor, in UserChanges) (*store.User, error) {
	if err := Check(actor, ActUpdateSelf, Resource{}); err != nil {
		return nil, err
	}
	in.Role, in.IsActive = Opt[string]{}, Opt[bool]{}
	change := userChange{UserChanges: in, id: actor.User.ID, action: ActUpdateSelf, keep: actor.SessionID}
	if in.newPassword() == "" {
		return a.changeUser(ctx, actor, change)
	}
	if err := Check(actor, ActChangePassword, Resource{}); err != nil {
		return nil, err
	}
	if err := CheckPassword("password", in.newPassword()); err != nil {
		return nil, err
	}
	if err := a.passwords.checkCurrent(ctx, actor, in); err != nil {
		return nil, err
	}
	change.verified = actor.User.PasswordHash
	return a.changeUser(ctx, actor, change)
}

// checkCurrent wants the present password for a new one.
func (p *passwords) checkCurrent(ctx context.Context, actor *Actor, in UserChanges) error {
	if in.CurrentPassword == "" {
		return invalid("current_password", "send the current password along with a new one")
	}
	return p.recheck(ctx, actor, "current_password", in.CurrentPassword.Reveal())
}

// recheck checks the password of a signed-in person, which the client sent as field. It
// limits guesses as sign-in does. Otherwise somebody who finds an open browser could guess
// the password.
func (p *passwords) recheck(ctx context.Context, actor *Actor, field, current string) error {
	if current == "" {
		return invalid(field, "send your password")
	}
	attempt := newRecheck(actor)
	done, _, err := p.admit(ctx, &attempt)
	if err != nil {
		return err
	}
	defer done()
	ok, _, err := p.hasher.forAsker(actor.asker()).Verify(ctx, actor.User.PasswordHash, current)
	if err != nil {
		return err
	}
	if ok {
		return nil
	}
	if err := p.failed(ctx, attempt); !errors.Is(err, errWrongPassword) {
		return err
	}
	return errorf(KindRejected, wording.WrongPassword, "The current password is not right")
}

// UpdateUser changes another person's account. A new password ends all sessions of that
// person. Making the account inactive does the same.
func (a *App) UpdateUser(ctx context.Context, actor *Actor, userID string, in UserChanges) (*store.User, error) {
	if actor != nil && actor.User.ID == userID {
		if actor.User.Role == RoleSuperAdmin && in.Role.Sent && in.Role.Value != RoleSuperAdmin {
			return nil, errorf(KindRejected, wording.OwnRole, "Super Admins cannot change their own role")
		}
		return a.UpdateSelf(ctx, actor, in)
	}
	if err := Check(actor, ActUpdateUser, Resource{}); err != nil {
		return nil, err
	}
	if in.newPassword() != "" {
		if err := Check(actor, ActSetOtherPassword, Resource{}); err != nil {
			return nil, err
		}
	}
	return a.changeUser(ctx, actor, userChange{UserChanges: in, id: userID, action: ActUpdateUser})
}

// userChange is a change of one account.
type userChange struct {
	UserChanges
	id       string
	action   Action
	keep     string // the session that stays when a new password ends the others
	verified string // the hash that the current password was checked against
	hash     string // of the new password, or empty
}

func (a *App) changeUser(ctx context.Context, actor *Actor, c userChange) (*store.User, error) {
	if c.newPassword() != "" {
		// Check first, so that no password is hashed for an account that the actor may
		// not change.
		u, err := a.db.User(ctx, c.id)
		if err == nil {
			err = mayChange(actor, u, c)
		}
		if err != nil {
			return nil, fromStore(err, "User")
		}
		if c.hash, err = a.passwords.hash(ctx, actor.asker(), "password", c.newPassword()); err != nil {
			return nil, err
		}
	}
	var u *store.User
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		u, err = a.storeChange(ctx, tx, actor, c)
		return err
	})
	return u, err
}

// storeChange locks the account, changes it, and ends what only the account as it was
// before allowed.
func (a *App) storeChange(ctx context.Context, tx *store.Tx, actor *Actor, c userChange) (*store.User, error) {
	supers, err := lockSuperAdmins(ctx, tx, actor, c.Role.Sent || c.IsActive.Sent)
	if err != nil {
		return nil, err
	}
	u, err := tx.UserForUpdate(ctx, c.id)
	if err == nil {
		err = mayChange(actor, u, c)
	}
	if err != nil {
		return nil, fromStore(err, "User")
	}
	before, was := userChanges(u), *u
	if err := c.change(ctx, tx, u, supers); err != nil {
		return nil, err
	}
	if err := updateUser(ctx, tx, &was, u); err != nil {
		return nil, err
	}
	if err := c.endLinks(ctx, tx, &was, u); err != nil {
		return nil, err
	}
	after := userChanges(u)
	if c.hash != "" {
		after["password"] = "set"
	}
	if err := a.audit.record(ctx, tx, actor, c.action, target{"user", u.ID}, before, after); err != nil {
		return nil, err
	}
	return u, a.sessions.endAfterChange(ctx, tx, c, &was, u)
}

// change writes the sent members and the new password to an account, and refuses what
// only the stored accounts show: a name that somebody else has, the end of the last of
// the locked super admins, and a password that was changed meanwhile.
func (c *userChange) change(ctx context.Context, tx *store.Tx, u *store.User, supers []string) error {
	was := *u
	if err := c.apply(u); err != nil {
		return err
	}
	if was.Name() != u.Name() {
		if err := mayBeCalled(ctx, tx.Queries, u); err != nil {
			return err
		}
	}
	if activeSuper(&was) && !activeSuper(u) {
		if err := keepsSuperAdmin(supers, u.ID); err != nil {
			return err
		}
	}
	if c.hash == "" {
		return nil
	}
	if c.verified != "" && c.verified != u.PasswordHash {
		return errorf(KindConflict, wording.Stale, "The password was changed meanwhile; sign in again")
	}
	u.PasswordHash = c.hash
	return nil
}

// updateUser stores an account, and deletes the uploaded picture that it no longer shows.
func updateUser(ctx context.Context, tx *store.Tx, was, u *store.User) error {
	if err := tx.UpdateUser(ctx, u); errors.Is(err, store.ErrExists) {
		return errorf(KindRejected, wording.UsernameTaken, "Username already taken")
	} else if err != nil {
		return fromStore(err, "User")
	}
	if was.AvatarURL == nil || sameText(was.AvatarURL, u.AvatarURL) {
		return nil
	}
	return tx.DeleteAvatarOf(ctx, u.ID)
}

// endLinks deletes the links with which the person could set a password, if they were
// made for an account that was different: with another password or role, or active.
func (c *userChange) endLinks(ctx context.Context, tx *store.Tx, was, u *store.User) error {
	if c.hash == "" && was.Role == u.Role && (!was.IsActive || u.IsActive) {
		return nil
	}
	return tx.DeleteLinksOf(ctx, store.LinkPassword, u.ID)
}

// endAfterChange ends the sessions that a change of an account does not allow any more.
func (ss *sessions) endAfterChange(ctx context.Context, tx *store.Tx, c userChange, was, u *store.User) error {
	switch {
	case c.hash != "":
		return ss.endAll(ctx, tx, u.ID, c.keep, "new password")
	case was.IsActive && !u.IsActive:
		return ss.endAll(ctx, tx, u.ID, "", "account made inactive")
	case was.Role == RoleSuperAdmin && u.Role != RoleSuperAdmin:
		// Also end sessions in which the person acts as somebody else: only the super
		// admin's role allowed them.
		return ss.endAll(ctx, tx, u.ID, "", "no super admin any more")
	}
	return nil
}

// mayChange refuses a change of this account that the actor may not make.
func mayChange(actor *Actor, u *store.User, c userChange) error {
	if u.ID == actor.User.ID {
		return nil
	}
	if u.IsBot() {
		return errIsBot
	}
	if err := mayRule(actor, power{beyond: ActUpdateAdminUser, accounts: []string{u.Role}}); err != nil {
		return err
	}
	if c.Role.Sent && c.Role.Value != u.Role {
		return mayRule(actor, power{beyond: ActPromoteUser, accounts: []string{c.Role.Value}})
	}
	return nil
}

func isAdminRole(role string) bool { return slices.Contains(rolesOf[admins], role) }

// apply writes the sent members to an account and checks them. A name or an address that
// stays as it is may be one that would be refused today.
func (c *userChange) apply(u *store.User) error {
	role := u.Role
	if err := firstOf(errors.Join(c.Role.set("role", &role), c.IsActive.set("is_active", &u.IsActive))); err != nil {
		return err
	}
	if err := oneOf("role", role, rolesOf[everybody]...); err != nil {
		return err
	}
	u.Role = role
	if err := c.applyFullName(u); err != nil {
		return err
	}
	if err := c.applyUsername(u); err != nil {
		return err
	}
	return c.applyAvatarURL(u)
}

func (c *userChange) applyFullName(u *store.User) error {
	if !c.FullName.Sent {
		return nil
	}
	was := u.FullName
	c.FullName.setNullable(&u.FullName)
	if !sameText(was, u.FullName) {
		if err := personName("full_name", u.FullName); err != nil {
			return err
		}
	}
	u.FullName = blankToNil(u.FullName)
	return nil
}

func (c *userChange) applyUsername(u *store.User) error {
	if !c.Username.Sent {
		return nil
	}
	was := u.Username
	c.Username.setNullable(&u.Username)
	if sameText(was, u.Username) {
		return nil
	}
	name, err := username("username", u.Username)
	if err != nil {
		return err
	}
	if name == nil && WithoutEmail(u) {
		return invalid("username", "must not be empty: the account has no e-mail address to sign in with")
	}
	u.SetUsername(name)
	return nil
}

func (c *userChange) applyAvatarURL(u *store.User) error {
	if !c.AvatarURL.Sent {
		return nil
	}
	was := u.AvatarURL
	c.AvatarURL.setNullable(&u.AvatarURL)
	u.AvatarURL = blankToNil(u.AvatarURL)
	if sameText(was, u.AvatarURL) {
		return nil
	}
	return optionalAvatarURL("avatar_url", u.AvatarURL)
}

// sameText tells whether two texts are there and equal.
func sameText(a, b *string) bool { return a != nil && b != nil && *a == *b }

// optionalAvatarURL checks the address of a picture on another server. Every such
// address of an account is checked with it.
func optionalAvatarURL(field string, address *string) error {
	if blankToNil(address) == nil {
		return nil
	}
	value := *address
	if err := text(field, value, 1, 2000); err != nil {
		return err
	}
	if at, err := url.Parse(value); err != nil || at.Scheme != "https" || at.Host == "" || at.User != nil {
		return invalid(field, "must be an address that begins with https://, or upload a picture")
	}
	return nil
}

func activeSuper(u *store.User) bool { return u.Role == RoleSuperAdmin && u.IsActive }

// lockSuperAdmins locks the active super admins, if concerned says that a change may affect
// them. If two super admins remove each other's role at once, the second one is refused,
// because it has lost the role.
func lockSuperAdmins(ctx context.Context, tx *store.Tx, actor *Actor, concerned bool) ([]string, error) {
	if !concerned {
		return nil, nil
	}
	locked, err := tx.LockSuperAdmins(ctx)
	if err == nil && actor.User.Role == RoleSuperAdmin && !slices.Contains(locked, actor.User.ID) {
		return nil, forbidden(notEnough)
	}
	return locked, err
}

// keepsSuperAdmin refuses to remove the last of the locked super admins.
func keepsSuperAdmin(locked []string, without string) error {
	if slices.ContainsFunc(locked, func(id string) bool { return id != without }) {
		return nil
	}
	return errorf(KindRejected, wording.LastSuperAdmin, "The last active Super Admin must stay; make somebody else one first")
}

// endAll ends a person's sessions except keep, and closes their sockets in this
// process. Other processes close theirs when they next recheck the sessions.
func (ss *sessions) endAll(ctx context.Context, tx *store.Tx, userID, keep, reason string) error {
	now := ss.now.instant()
	ids, err := tx.LiveSessionsOf(ctx, userID, keep, now)
	if err != nil {
		return err
	}
	tx.AfterCommit(func() {
		for _, id := range ids {
			ss.closeSockets(id)
		}
	})
	return tx.EndSessionsOf(ctx, userID, keep, reason, now)
}
