package app

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

// Users lists all accounts, newest first.
func (a *App) Users(ctx context.Context, actor *Actor, p store.Page) (*store.Listing[store.User], error) {
	if err := Check(actor, ActListUsers, Resource{}); err != nil {
		return nil, err
	}
	return a.db.Users(ctx, p)
}

// SearchUsers finds at most limit people by a part of their e-mail, name or user name.
// Staff find everybody; others find people who share a course with them. Only admins
// find inactive accounts.
func (a *App) SearchUsers(ctx context.Context, actor *Actor, part string, limit int) ([]store.User, error) {
	if err := Check(actor, ActSearchUsers, Resource{}); err != nil {
		return nil, err
	}
	if err := text("q", part, 0, maxName); err != nil {
		return nil, err
	}
	_, res, err := a.acquaintance(ctx, actor, "")
	if err != nil {
		return nil, err
	}
	s := store.UserSearch{Text: part, Inactive: actor.isAdmin(), Limit: limit}
	if Check(actor, ActSearchEverybody, res) != nil {
		s.SharedBy = actor.User.ID
	}
	return a.db.SearchUsers(ctx, s)
}

// User returns one account.
func (a *App) User(ctx context.Context, actor *Actor, id string) (*store.User, error) {
	u, res, err := a.acquaintance(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	return u, Check(actor, ActReadUser, res)
}

// acquaintance loads an account and the actor's relations to it. With the id "" it only
// finds the relations that do not depend on an account.
func (a *App) acquaintance(ctx context.Context, actor *Actor, id string) (*store.User, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	var u *store.User
	if id != "" {
		var err error
		if u, err = a.db.User(ctx, id); err != nil {
			return nil, Resource{}, fromStore(err, "User")
		}
	}
	known, err := a.db.Acquaintance(ctx, actor.User.ID, id)
	if err != nil {
		return nil, Resource{}, err
	}
	res := Resource{Noun: "User"}
	for relation, holds := range map[Relation]bool{IsSelf: id == actor.User.ID, IsClassmate: known.Classmate,
		IsStaffSomewhere: known.Staff} {
		if holds {
			res.Relations |= relation
		}
	}
	return u, res, nil
}
