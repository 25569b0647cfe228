package app

import (
	"context"
	"errors"
	"slices"

	"github.com/coagent-studio/coagent/store"
)

// This file has the one rule about power over people. Everything that gives
// somebody a right over a person, or a right to a person, asks mayRule.

// power is what somebody is about to do to a person, or to give one.
type power struct {
	// beyond is the action whose rule answers, and whose text refuses, when the
	// power reaches beyond what the actor has by the action itself.
	beyond Action
	// accounts are the global roles that it concerns: the person's, and the one
	// that the person gets.
	accounts []string
	// on is the course, organisation or project whose roles it concerns: the
	// one that the person has there, and the one that the person gets.
	on    Resource
	roles []string
	// as is set when it lets somebody act as the person.
	as *account
}

// account is a person with all that whoever acts as them can do.
type account struct {
	user *store.User
	has  *store.Standing // its Places tell what the one who wants to act is there
}

// mayRule returns nil when the actor may have a power: nobody gets a right over
// another person, and nobody gives one to a person, that they do not have
// themselves. Only super admins have all that an admin has; admins have all
// that the others have.
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

// roleRank orders the roles within a course, an organisation and a project; who
// is outside has none.
var roleRank = map[string]int{
	RoleStudent: 1, RoleTA: 3, RoleTeacher: 4,
	orgMember: 1, "viewer": 1, "editor": 2, orgAdmin: 4, orgOwner: 5,
}

// reaches are the highest ranks that somebody in a place gives and takes: never
// more than their own, and those who run no place give none. TAs deal with
// students alone.
var reaches = map[Relation]int{
	IsCourseTA: roleRank[RoleStudent], IsCourseTeacher: roleRank[RoleTeacher], IsCourseOwner: roleRank[RoleTeacher],
	IsOrganizationAdmin: roleRank[orgAdmin], IsOrganizationOwner: roleRank[orgOwner],
	IsProjectAdmin: roleRank[orgAdmin], IsProjectOwner: roleRank[orgOwner],
}

// reach is the highest rank that somebody with these relations gives and takes.
func reach(has Relation) int {
	rank := 0
	for relation, r := range reaches {
		if has&relation != 0 {
			rank = max(rank, r)
		}
	}
	return rank
}

// governed tells whether somebody who is no admin has all that the person has.
// The account must be one that the person has put into the other's hands: a
// class list of theirs made it, or the person asked to join their course. What
// is beside such courses (an organisation, a key, a thread, a course of somebody
// else) is the person's alone. A password that is there is set anew by teachers
// of students; an account that nobody has used yet belongs to whoever was given
// its link, and the staff that imported it hands it out.
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

// mereStudent tells whether the role of an account gives no right over others.
func mereStudent(u *store.User) bool { return u.Role == RoleStudent || u.Role == RoleGuest }

// mayActAs checks that the actor may set a person's password or make a link
// that does. The transaction or the pool behind q says what the person has.
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

// linkHolds refuses a link whose giver may not act as the person any more: one
// of them may have another role by now, other courses, or something to lose.
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

// dropLinks takes back the links of people who got something in a transaction,
// where the giver has no right to it: nothing that happens later brings them
// back to life.
func (a *App) dropLinks(ctx context.Context, tx *store.Tx, userIDs []string) error {
	links, err := tx.LinksOf(ctx, store.LinkPassword, userIDs, a.instant())
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
