package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/signon"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Signing out at both places: who signs out here is sent to the provider, and who signs out
// at the provider, or is signed out there, is signed out here.

// EndAtProvider returns the address at which the session of a token signs out at its
// provider too, "" when it began at none. back is where the browser then comes.
func (a *App) EndAtProvider(ctx context.Context, token, back string) string {
	c, err := a.sessions.parse(token)
	if err != nil && !errors.Is(err, errExpired) {
		return ""
	}
	row, err := a.db.SessionSignOn(ctx, c.SessionID)
	if err != nil {
		return ""
	}
	p, err := a.signOns.find(row.Provider)
	if err != nil || !p.EndSession {
		return ""
	}
	hint, err := a.signOns.keys.Decrypt(row.EncryptedIDToken)
	if err != nil {
		hint = ""
	}
	ctx, cancel := context.WithTimeout(ctx, signOnConnect)
	defer cancel()
	return p.at.End(ctx, hint.Reveal(), back)
}

// EndByProvider ends the sessions that began at a provider with whom a logout token of it
// names (OpenID Connect Back-Channel Logout 1.0), and the sign-ins that still wait for a
// code. A token counts once.
func (a *App) EndByProvider(ctx context.Context, id string, token secret.Text, client Client) error {
	s := a.signOns
	p, err := s.find(id)
	if err != nil {
		return err
	}
	// A provider that is known only signs out whom it signed in, but a stranger's tokens cost
	// the same to check.
	if err := s.admit(ctx, client); err != nil {
		return err
	}
	if err := s.slot(); err != nil {
		return err
	}
	defer s.busy.Free("all")
	refused := errorf(KindRejected, wording.SignOnLogout, "This logout_token does not hold, or came before. The log of this server says why.")
	who, err := p.at.Logout(ctx, token.Reveal())
	if errors.Is(err, signon.ErrToken) {
		s.log.WarnContext(ctx, "a logout token of a provider of identities does not hold", "provider", p.ID, "error", err)
		if err := s.tried(ctx, client); err != nil {
			return err
		}
		return refused
	}
	if err != nil {
		return s.down(ctx, p, err)
	}
	return a.db.InTx(ctx, func(tx *store.Tx) error {
		// In one transaction with its effect: a token whose effect was lost counts when it comes again.
		fresh, err := tx.SpendSignOn(ctx, "logout:"+sum16(p.Issuer+" "+who.ID), who.Until.UTC())
		if err != nil {
			return err
		}
		if !fresh {
			s.log.WarnContext(ctx, "a logout token of a provider of identities came before", "provider", p.ID)
			return refused
		}
		return s.endSignedOut(ctx, tx, store.SignedOut{Provider: p.ID, Subject: who.Subject, SID: who.SID})
	})
}

// endSignedOut ends what began at a provider with somebody whom it has signed out.
func (s *signOns) endSignedOut(ctx context.Context, tx *store.Tx, who store.SignedOut) error {
	if err := tx.DeletePendingSignedOut(ctx, who); err != nil {
		return err
	}
	for {
		ids, err := tx.SessionsSignedOut(ctx, who, s.now.instant(), store.MaxLimit)
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := s.sessions.end(ctx, tx, id, didSignOut, "signed out at the provider"); err != nil {
				return err
			}
		}
		tx.AfterCommit(func() {
			for _, id := range ids {
				s.sessions.closeSockets(id)
			}
		})
	}
}
