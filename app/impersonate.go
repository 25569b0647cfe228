package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// impersonationLife is how long a super admin may act as somebody else.
const impersonationLife = time.Hour

// Impersonate opens a session as another person, below the super admin's own session. It
// is marked as impersonated, lasts an hour, and ends with its parent.
func (a *App) Impersonate(ctx context.Context, actor *Actor, userID string, client Client) (*Tokens, error) {
	if err := Check(actor, ActImpersonate, Resource{}); err != nil {
		return nil, err
	}
	u, err := a.db.User(ctx, userID)
	if err != nil {
		return nil, fromStore(err, "User")
	}
	if u.IsBot() {
		return nil, errIsBot
	}
	if err := mayRule(actor, power{beyond: ActImpersonate, accounts: []string{u.Role}}); err != nil {
		return nil, err
	}
	if u.Role == RoleSuperAdmin || !u.IsActive {
		return nil, errorf(KindForbidden, wording.Forbidden, "Only active users who are no Super Admins can be impersonated")
	}
	now := a.instant()
	s := &store.Session{ID: store.NewID(), UserID: u.ID, ImpersonatorID: actor.User.ID, ParentID: actor.SessionID, Generation: 1,
		RotatedAt: now, CreatedAt: now, ExpiresAt: now.Add(impersonationLife),
		UserAgent: store.Cut(client.UserAgent, 300), Address: store.Cut(client.Address, 64)}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateSession(ctx, s); err != nil {
			return err
		}
		as := &Actor{User: *u, ImpersonatorID: actor.User.ID}
		return a.audit.record(ctx, tx, as, ActImpersonate, target{"session", s.ID}, nil, sessionChanges(s))
	}); err != nil {
		return nil, err
	}
	a.log.InfoContext(ctx, "impersonation began", "super_admin", actor.User.ID, "user", u.ID, "session", s.ID)
	return a.sessions.tokens(s)
}

// StopImpersonating ends the impersonated session of token and returns tokens of the
// super admin's own session. original is the token that the super admin had. It must
// belong to the parent session, and that session must be live: an expired token is not
// enough by itself.
func (a *App) StopImpersonating(ctx context.Context, token, original string) (*Tokens, error) {
	not := errorf(KindRejected, wording.NotImpersonating, "Not impersonating")
	if original == "" || IsAccessToken(original) {
		return nil, not
	}
	actor, err := a.AuthenticateSocket(ctx, original)
	if err != nil {
		if k := KindOf(err); k == KindUnauthenticated || k == KindRejected {
			return nil, not
		}
		return nil, err
	}
	if actor.User.Role != RoleSuperAdmin {
		return nil, not
	}
	own, err := a.db.Session(ctx, actor.SessionID)
	if err != nil {
		return nil, err
	}
	c, err := a.sessions.parse(token)
	if err != nil && !errors.Is(err, errExpired) {
		return nil, not
	}
	acting, err := a.db.Session(ctx, c.SessionID)
	if errors.Is(err, store.ErrNotFound) || (err == nil && (acting.ParentID != own.ID || !acting.EndedAt.IsZero())) {
		return nil, not
	}
	if err != nil {
		return nil, err
	}
	if err := a.endImpersonation(ctx, acting); err != nil {
		return nil, err
	}
	return a.sessions.tokens(own)
}

// endImpersonation ends an impersonated session.
func (a *App) endImpersonation(ctx context.Context, s *store.Session) error {
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		return a.sessions.end(ctx, tx, s.ID, didStopImpersonating, "impersonation stopped")
	}); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "impersonation ended", "super_admin", s.ImpersonatorID, "user", s.UserID, "session", s.ID)
	a.sessions.closeSockets(s.ID)
	return nil
}
