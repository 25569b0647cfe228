package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/store"
)

// Accounts from before addresses had one form are found as they were typed
// then; all others by the form in which they are kept.

func userByLogin(ctx context.Context, q store.Queries, login string) (*store.User, error) {
	return inBothForms(login, func(l string) (*store.User, error) { return q.UserByLogin(ctx, l) })
}

func userByEmail(ctx context.Context, q store.Queries, email string) (*store.User, error) {
	return inBothForms(email, func(e string) (*store.User, error) { return q.UserByEmail(ctx, e) })
}

func inBothForms(typed string, find func(string) (*store.User, error)) (*store.User, error) {
	u, err := find(typed)
	if one := canonical(typed); errors.Is(err, store.ErrNotFound) && one != typed {
		return find(one)
	}
	return u, err
}
