package app

import (
	"context"
	"errors"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// A sign-in with two factors comes in two forms. The studio sends the password, gets a
// note that says so for five minutes, and sends the code with it. A client that has one
// field for the password sends the code right behind it, and a wrong code is then the
// same answer as a wrong password.

// pendingLife is how long a person may look for their phone.
const pendingLife = 5 * time.Minute

// pending is the content of the note of a device whose person has still to show a code.
// Epoch is the account's: a new password ends the note.
type pending struct {
	jwt.RegisteredClaims
	Epoch  int    `json:"e"`
	SignOn string `json:"s,omitempty"` // the store.PendingSignOn of who comes from a provider
}

// PendingLife is how long a client keeps Tokens.Pending.
func PendingLife() time.Duration { return pendingLife }

// needsCode answers a sign-in whose first factor was right.
func (ss *sessions) needsCode(u *store.User) (*Tokens, error) { return ss.needsCodeAfter(u, "") }

// needsCodeAfter is needsCode for somebody whose first factor is a sign-in at a provider,
// which a store.PendingSignOn keeps.
func (ss *sessions) needsCodeAfter(u *store.User, signOn string) (*Tokens, error) {
	note, err := ss.sealNote(pendingNotes, pending{Epoch: u.DeviceEpoch, SignOn: signOn,
		RegisteredClaims: jwt.RegisteredClaims{Subject: u.ID, ExpiresAt: jwt.NewNumericDate(ss.now().Add(pendingLife))}})
	return &Tokens{Pending: note}, err
}

// typed is what a person typed as a password, with what a check of it has found.
type typed struct {
	code    string // of the second factor, "" for none
	newHash string // as verify returns it
}

// read checks what was typed as a password: the password, or the password and a code for
// an account with a second factor. For an account without one it takes the same time.
func (p *passwords) read(ctx context.Context, u *store.User, text string, who limit.Asker) (typed, error) {
	password, code, ok := withCode(text)
	if ok && hasTwoFactor(u) {
		newHash, err := p.verify(ctx, u, password, who)
		if !errors.Is(err, errWrongPassword) {
			return typed{code, newHash}, err
		}
	}
	newHash, err := p.verify(ctx, u, text, who)
	if ok && !hasTwoFactor(u) && errors.Is(err, errWrongPassword) {
		if err := p.hasher.forAsker(who).VerifyNobody(ctx, password); err != nil {
			return typed{}, err
		}
	}
	return typed{"", newHash}, err
}

// SignInWithCode ends a sign-in whose first answer was Tokens.Pending.
func (a *App) SignInWithCode(ctx context.Context, note secret.Text, code string, client Client) (*Tokens, error) {
	over := errorf(KindRejected, wording.TwoFactorOver, "This took too long, or your password has changed. Sign in again.")
	p := new(pending)
	if err := a.sessions.openNote(pendingNotes, note, p); err != nil || p.Subject == "" {
		return nil, over
	}
	if err := text("code", code, 1, maxCode); err != nil {
		return nil, err
	}
	u, err := a.db.User(ctx, p.Subject)
	if errors.Is(err, store.ErrNotFound) {
		return nil, over
	}
	if err != nil {
		return nil, err
	}
	d := a.sessions.device(client.Note)
	key, most := a.twoFactor.codesOf(u, d)
	var tokens *Tokens
	err = a.twoFactor.guarded(ctx, u.ID, key, most, func(tx *store.Tx, held *store.User) (err error) {
		if held.DeviceEpoch != p.Epoch || !held.IsActive || !hasTwoFactor(held) {
			return over
		}
		if err := a.twoFactor.spend(ctx, tx, held, typedCode(code)); err != nil {
			return err
		}
		if err := forgiveSignin(ctx, tx, newSignin(held.Email, held, d, client.Address)); err != nil {
			return err
		}
		if p.SignOn == "" {
			tokens, err = a.sessions.openProven(ctx, tx, held, client)
			return err
		}
		from, err := tx.TakePendingSignOn(ctx, p.SignOn, held.ID)
		if errors.Is(err, store.ErrNotFound) {
			return over // used, or signed out at the provider meanwhile
		}
		if err == nil {
			tokens, err = a.sessions.beginAt(ctx, tx, held, client, from.SignOnOrigin, true)
		}
		return err
	})
	return tokens, err
}
