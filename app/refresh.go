package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

var errBadRefresh = errorf(KindUnauthenticated, wording.BadRefreshToken, "Invalid refresh token")

// Refresh exchanges a refresh token for the session's next pair. A page refreshes
// several times at once, so the refresh token that was used last returns the same pair
// again for a while. After that a used token ends the session: two devices must have it.
func (a *App) Refresh(ctx context.Context, token string) (*Tokens, error) {
	c, err := a.sessions.refreshClaims(token)
	if err != nil {
		return nil, err
	}
	var tokens *Tokens // none if the token was used before and the session ended for it
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		s, u, err := a.sessions.toRefresh(ctx, tx, c)
		if err != nil {
			return err
		}
		usedLast := c.Generation == s.Generation-1 && a.instant().Sub(s.RotatedAt) <= a.cfg.Auth.RefreshGrace
		switch {
		case c.Generation == s.Generation:
			err = a.sessions.rotate(ctx, tx, s)
		case !usedLast:
			return a.sessions.endReused(ctx, tx, s, u)
		}
		if err == nil {
			tokens, err = a.sessions.tokens(s)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if tokens == nil {
		a.log.WarnContext(ctx, "refresh token reused, session ended", "session", c.SessionID)
		a.sessions.closeSockets(c.SessionID)
		return nil, errBadRefresh
	}
	return tokens, nil
}

// refreshClaims reads a refresh token.
func (ss *sessions) refreshClaims(token string) (*claims, error) {
	if token == "" {
		return nil, errorf(KindUnauthenticated, wording.NoRefreshToken, "Refresh token missing")
	}
	c, err := ss.parse(token)
	if err != nil {
		return nil, errBadRefresh
	}
	if c.Type != tokenRefresh {
		return nil, errorf(KindUnauthenticated, wording.BadRefreshToken, "Invalid token type")
	}
	return c, nil
}

// toRefresh locks the session of a refresh token, if it is not over and its person
// is active.
func (ss *sessions) toRefresh(ctx context.Context, tx *store.Tx, c *claims) (*store.Session, *store.User, error) {
	s, err := tx.SessionForUpdate(ctx, c.SessionID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil, errBadRefresh
	}
	if err != nil {
		return nil, nil, err
	}
	if s.UserID != c.Subject || !s.EndedAt.IsZero() || !ss.now.instant().Before(s.ExpiresAt) {
		return nil, nil, errBadRefresh
	}
	u, err := tx.User(ctx, s.UserID)
	if err != nil {
		return nil, nil, err
	}
	if !u.IsActive {
		return nil, nil, errorf(KindUnauthenticated, wording.Inactive, "User not found or inactive")
	}
	return s, u, nil
}

// rotate gives a session its next pair of tokens. Acting as somebody else is not
// prolonged.
func (ss *sessions) rotate(ctx context.Context, tx *store.Tx, s *store.Session) error {
	now := ss.now.instant()
	s.Generation, s.RotatedAt = s.Generation+1, now
	if s.ImpersonatorID == "" {
		s.ExpiresAt = now.Add(ss.life())
	}
	return tx.RotateSession(ctx, s)
}

func (ss *sessions) endReused(ctx context.Context, tx *store.Tx, s *store.Session, u *store.User) error {
	const reason = "refresh token reused"
	if err := tx.EndSession(ctx, s.ID, reason, ss.now.instant()); err != nil {
		return err
	}
	owner := &Actor{User: *u, ImpersonatorID: s.ImpersonatorID}
	return ss.audit.record(ctx, tx, owner, didEndSession, target{"session", s.ID}, nil, changes{"reason": reason})
}
