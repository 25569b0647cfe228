package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/store"
)

// This file has the one rule about power over people. All code that gives somebody a
// right over a person, or gives a right to a person, asks mayRule.

// power is what an actor is about to do to a person, or to give to one.
type power struct {
	// beyond is the action whose rule is checked if the power exceeds what the actor's
	// first action allows. A denial has the text of that rule.
	beyond Action
	// accounts are the global roles that are concerned: the person's own, and the one
	// that the person gets.
	accounts []string
	// on is the course, organisation or project that is concerned. roles are the
	// person's role there and the one that the person gets.
	on    Resource
	roles []string
	// as is set if the power lets the actor act as this person.
	as *account
}

// account is a person, with everything that whoever acts as this person can do.
type account struct {
	user *store.User
	has  *store.Standing // Other in its Places is the actor's own role there
}

// mayRule returns nil if the actor may have a power. The rule: nobody gets a right over
// another person, and nobody gives a right to a person, unless they have that right
// themselves. Only super admins have all rights of an admin. Admins have all rights of
// everybody else.
func mayRule(actor *Actor, p power) error {
	if slices.ContainsFunc(p.accounts, isAdminRole) {
		if err := Check(actor, p.beyond, Resource{}); err != nil {
			return err
		}
	}
	if actor.isAdmin() {
		return nil
	}
	own := reach(p.on.Relations)
	if slices.ContainsFunc(p.roles, func(role string) bool { return roleRank[role] > own }) || p.as != nil && !p.as.governed() {
		return denial(p.beyond, p.on)
	}
	return nil
}

// roleRank orders the roles within a course, an organisation and a project. Who is not
// in it has rank 0.
var roleRank = map[string]int{
	RoleStudent: 1, RoleTA: 3, RoleTeacher: 4,
	orgMember: 1, "viewer": 1, "editor": 2, orgAdmin: 4, orgOwner: 5,
}

// reaches is the highest rank that each relation lets an actor give and take. It is
// never above the actor's own rank. Only those who run a place have one, and TAs deal
// with students alone.
var reaches = map[Relation]int{
	IsCourseTA: roleRank[RoleStudent], IsCourseTeacher: roleRank[RoleTeacher], IsCourseOwner: roleRank[RoleTeacher],
	IsOrganizationAdmin: roleRank[orgAdmin], IsOrganizationOwner: roleRank[orgOwner],
	IsProjectAdmin: roleRank[orgAdmin], IsProjectOwner: roleRank[orgOwner],
}

// reach is the highest rank that an actor with these relations gives and takes.
func reach(has Relation) int {
	rank := 0
	for relation, r := range reaches {
		if has&relation != 0 {
			rank = max(rank, r)
		}
	}
	return rank
}

// governed reports whether an actor who is not an admin has every right that the person
// has. An actor must have a right to the account: a class list of theirs created it, or
// the person asked to join their course. Anything outside such courses (an organisation,
// a key, a thread, another teacher's course) is for the person alone.
//
// Teachers of a student may replace a password. An account that nobody has used yet
// belongs to whoever gets its link, so the staff that imported it may give that link
// out.
func (ac *account) governed() bool {
	if !mereStudent(ac.user) || ac.has.Owns || len(ac.has.Places) == 0 || len(ac.has.Places) >= store.MaxLimit {
		return false
	}
	unused, given := ac.user.PasswordHash == "", false
	for _, at := range ac.has.Places {
		teaches := at.Other == RoleTeacher && (at.Role == RoleStudent || at.Role == "")
		imported := unused && roleRank[at.Other] >= max(roleRank[at.Role], roleRank[RoleTA])
		if !teaches && !imported {
			return false
		}
		given = given || at.Via == store.ViaList || at.Via == store.ViaJoined && teaches
	}
	return given
}

// mereStudent reports whether the role of an account gives no rights over others.
func mereStudent(u *store.User) bool { return u.Role == RoleStudent || u.Role == RoleGuest }

// mayActAs checks that the actor may set a person's password, or make a link that sets
// it. q (a transaction or the pool) reads what the person has.
func mayActAs(ctx context.Context, q store.Queries, actor *Actor, u *store.User) error {
	p := power{beyond: ActUpdateAdminUser, accounts: []string{u.Role}}
	if !actor.isAdmin() {
		has, err := q.StandingOf(ctx, u.ID, actor.User.ID)
		if err != nil {
			return err
		}
		p.beyond, p.as = ActMakePasswordLink, &account{u, has}
	}
	return mayRule(actor, p)
}

// linkHolds refuses a link if its giver may not act as the person any more. For example
// one of them has another role by now, or is in other courses, or the person now has
// something to lose.
func linkHolds(ctx context.Context, tx *store.Tx, link *store.OneTimeLink, u *store.User) error {
	giver, err := tx.User(ctx, link.CreatedBy)
	if errors.Is(err, store.ErrNotFound) || err == nil && !giver.IsActive {
		return errLinkSpent
	}
	if err == nil {
		err = mayActAs(ctx, tx.Queries, &Actor{User: *giver}, u)
	}
	if KindOf(err) == KindForbidden {
		return errLinkSpent
	}
	return err
}

// dropLinks deletes the links of people who got something in this transaction, if the
// giver of a link has no right to it. No later change makes such a link valid again.
func dropLinks(ctx context.Context, now clock, tx *store.Tx, userIDs []string) error {
	links, err := tx.LinksOf(ctx, store.LinkPassword, userIDs, now.instant())
	if err != nil {
		return err
	}
	for _, l := range links {
		switch err := linkHolds(ctx, tx, &l, l.User); {
		case errors.Is(err, errLinkSpent):
			if err := tx.DeleteOneTimeLink(ctx, l.ID); err != nil {
				return err
			}
		case err != nil:
			return err
		}
	}
	return nil
}
