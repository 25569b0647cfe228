package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
)

// sessions are the ways in which people and their programs prove who they are: sessions
// with their tokens, personal tokens, and the notes of devices that signed in. It makes
// them, reads them and ends them. What the person may do is not decided here.
type sessions struct {
	cfg   *config.Config
	db    *store.DB
	now   clock
	hub   *realtime.Hub
	audit auditLog
	known knownTokens
	// actors are the callers of the last seconds.
	actors knownActors
	uses   tokenUses
}

// Sessions lists where the actor is signed in, the newest sign-in first. Sessions in
// which a super admin acts as the actor are included.
func (a *App) Sessions(ctx context.Context, actor *Actor, p store.Page) ([]store.Session, error) {
	if err := Check(actor, ActOwnSessions, Resource{}); err != nil {
		return nil, err
	}
	return a.db.SessionsOf(ctx, actor.User.ID, a.instant(), p)
}

// EndSession signs the actor out on one device.
func (a *App) EndSession(ctx context.Context, actor *Actor, id string) error {
	if err := Check(actor, ActOwnSessions, Resource{}); err != nil {
		return err
	}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		s, err := tx.SessionForUpdate(ctx, id)
		if err != nil {
			return err
		}
		now := a.instant()
		if s.UserID != actor.User.ID || !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt) {
			return store.ErrNotFound
		}
		if err := tx.EndSession(ctx, id, "ended by its owner", now); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didEndSession, target{"session", id}, sessionChanges(s), nil)
	}); err != nil {
		return fromStore(err, "Session")
	}
	a.sessions.closeSockets(id)
	return nil
}

// EndOtherSessions signs the actor out everywhere but in the present session.
func (a *App) EndOtherSessions(ctx context.Context, actor *Actor) error {
	if err := Check(actor, ActOwnSessions, Resource{}); err != nil {
		return err
	}
	open, err := a.db.SessionsOf(ctx, actor.User.ID, a.instant(), store.Page{Limit: store.MaxLimit})
	if err != nil {
		return err
	}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.EndSessionsOf(ctx, actor.User.ID, actor.SessionID, "ended by its owner", a.instant()); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didEndSession, target{"user", actor.User.ID}, nil, changes{"sessions": "all but the current one ended"})
	}); err != nil {
		return err
	}
	for _, s := range open {
		if s.ID != actor.SessionID {
			a.sessions.closeSockets(s.ID)
		}
	}
	return nil
}
