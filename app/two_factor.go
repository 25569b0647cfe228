package app

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Two-factor sign-in: beside the password a person shows a code of the app on their phone,
// or one of the recovery codes on paper. Whoever has a password may set it up; the operator
// can ask it of admins, or of all staff (auth.two_factor), who can then do nothing else
// before. It guards the ways in that begin with a password: signing in and links that set
// a password. Personal access tokens are made in a session that has passed it, and acting
// as somebody else begins in one, so neither asks again.

// twoFactor checks the second factor of people.
type twoFactor struct {
	cfg   *config.Config
	db    *store.DB
	now   clock
	keys  *secret.Keyring
	log   *slog.Logger
	audit auditLog
}

const (
	// codeTries is how many wrong codes an account takes from strange devices within
	// auth.signin_window. Only somebody with the password gets so far, and with 480 tries
	// a day one finds a code in about two years.
	codeTries = 5
	maxCode   = 64 // characters of a code as it is typed
)

var (
	errWrongCode    = errorf(KindRejected, wording.WrongCode, "The code is not right. Wait for the next one, or use a recovery code.")
	errSetUpFirst   = errorf(KindForbidden, wording.TwoFactorRequired, "Set up two-factor sign-in first: this server asks it of everybody with your role")
	errNoTwoFactor  = errorf(KindConflict, wording.TwoFactorOff, "Two-factor sign-in is not set up")
	errHasTwoFactor = errorf(KindConflict, wording.TwoFactorOn, "Two-factor sign-in is set up already. Remove it first to set it up on another phone.")
)

// hasTwoFactor reports whether an account signs in with a second factor.
func hasTwoFactor(u *store.User) bool { return u != nil && !u.TwoFactorAt.IsZero() }

// asked reports whether the operator asks a second factor of people with a role.
func (f *twoFactor) asked(role string) bool { return asksTwoFactor(f.cfg, role) }

func asksTwoFactor(cfg *config.Config, role string) bool {
	switch cfg.Auth.TwoFactor {
	case config.TwoFactorAdmins:
		return isAdminRole(role)
	case config.TwoFactorStaff:
		return slices.Contains(rolesOf[tasUp], role)
	}
	return false
}

// mustSetUpTwoFactor reports whether a session can do nothing before its person has set up
// two-factor sign-in. A session that a sign-in with a second factor began can.
func mustSetUpTwoFactor(cfg *config.Config, s *store.Session) bool {
	return s.ImpersonatorID == "" && !s.SecondFactor && !hasTwoFactor(s.User) && asksTwoFactor(cfg, s.User.Role)
}

// TwoFactorState is how a person stands with two-factor sign-in.
type TwoFactorState struct {
	Since     time.Time // zero while it is not set up
	Available bool      // the operator lets people set it up
	Required  bool      // the operator asks it of people with this role
	CodesLeft int       // unused recovery codes
	Password  bool      // the account has a password, which some changes want
}

// TwoFactor tells the actor how they stand with two-factor sign-in.
func (a *App) TwoFactor(ctx context.Context, actor *Actor) (*TwoFactorState, error) {
	if err := Check(actor, ActReadTwoFactor, Resource{}); err != nil {
		return nil, err
	}
	u := &actor.User
	left, err := a.db.RecoveryCodesLeft(ctx, u.ID)
	return &TwoFactorState{Since: u.TwoFactorAt, Available: a.cfg.Auth.TwoFactor != config.TwoFactorOff, Required: a.twoFactor.asked(u.Role),
		CodesLeft: left, Password: u.PasswordHash != ""}, err
}

// TwoFactorKey is what a person enters into their app. It is shown once.
type TwoFactorKey struct {
	Secret secret.Text // to type in
	URI    secret.Text // otpauth://
	QR     secret.Text // the URI as a picture, a data: URL
}

// BeginTwoFactor makes a key for the actor's app. It counts from ConfirmTwoFactor on. A
// person who begins again gets another one.
func (a *App) BeginTwoFactor(ctx context.Context, actor *Actor, password secret.Text) (*TwoFactorKey, error) {
	if err := Check(actor, ActOwnTwoFactor, Resource{}); err != nil {
		return nil, err
	}
	if a.cfg.Auth.TwoFactor == config.TwoFactorOff {
		return nil, errorf(KindForbidden, wording.TwoFactorUnavailable, "Two-factor sign-in is turned off on this server (auth.two_factor)")
	}
	if hasTwoFactor(&actor.User) {
		return nil, errHasTwoFactor
	}
	if actor.User.PasswordHash != "" {
		if err := a.passwords.recheck(ctx, actor, "password", password.Reveal()); err != nil {
			return nil, err
		}
	}
	key, err := newTOTPKey(a.twoFactor.server(), loginOf(&actor.User))
	if err != nil {
		return nil, err
	}
	sealed, err := a.twoFactor.keys.Encrypt(key.secret)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		return tx.BeginTwoFactor(ctx, &store.TwoFactor{UserID: actor.User.ID, EncryptedSecret: sealed, CreatedAt: a.instant()})
	})
	if errors.Is(err, store.ErrStale) {
		return nil, errHasTwoFactor
	}
	return &TwoFactorKey{Secret: key.secret, URI: key.uri, QR: key.qr}, fromStore(err, "User")
}

// server is the name under which an app lists the keys of this server.
func (f *twoFactor) server() string {
	if at, err := url.Parse(f.cfg.HTTP.PublicURL); err == nil && at.Hostname() != "" {
		return "CoAgent Studio " + at.Hostname()
	}
	return "CoAgent Studio"
}

// ConfirmTwoFactor makes the actor's new key count, with a code that the app shows. It
// returns the recovery codes, which are shown once, and ends the actor's other sessions:
// whoever began them has shown no code.
func (a *App) ConfirmTwoFactor(ctx context.Context, actor *Actor, code string) (codes []secret.Text, err error) {
	if err := Check(actor, ActOwnTwoFactor, Resource{}); err != nil {
		return nil, err
	}
	if err := text("code", code, 1, maxCode); err != nil {
		return nil, err
	}
	err = a.twoFactor.guarded(ctx, actor.User.ID, recheckCodes(actor), a.cfg.Auth.SigninFailuresPerAccount, func(tx *store.Tx, u *store.User) error {
		row, err := tx.TwoFactor(ctx, u.ID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return errNoTwoFactor
		case err != nil:
			return err
		case !row.ConfirmedAt.IsZero():
			return errHasTwoFactor
		}
		step, err := a.twoFactor.step(ctx, row, typedCode(code))
		if err != nil {
			return err
		}
		if err := tx.ConfirmTwoFactor(ctx, u.ID, step, a.instant()); err != nil {
			return err
		}
		if codes, err = a.twoFactor.replaceCodes(ctx, tx, u.ID); err != nil {
			return err
		}
		if err := a.sessions.endAll(ctx, tx, u.ID, actor.SessionID, "two-factor sign-in set up"); err != nil {
			return err
		}
		if err := tx.SetSecondFactor(ctx, actor.SessionID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didSetUpTwoFactor, target{"user", u.ID}, nil, changes{"two_factor": "set"})
	})
	return codes, err
}

func (f *twoFactor) replaceCodes(ctx context.Context, tx *store.Tx, userID string) ([]secret.Text, error) {
	codes, hashes := newRecoveryCodes()
	return codes, tx.SetRecoveryCodes(ctx, userID, hashes)
}

// Proof is how a signed-in person shows that it is still them: with the password or with
// a code.
type Proof struct{ Password, Code secret.Text }

// NewRecoveryCodes replaces the actor's recovery codes. They are shown once.
func (a *App) NewRecoveryCodes(ctx context.Context, actor *Actor, by Proof) (codes []secret.Text, err error) {
	err = a.changeTwoFactor(ctx, actor, by, func(tx *store.Tx) error {
		if codes, err = a.twoFactor.replaceCodes(ctx, tx, actor.User.ID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didMakeRecoveryCodes, target{"user", actor.User.ID}, nil, changes{"recovery_codes": "set"})
	})
	return codes, err
}

// RemoveTwoFactor ends the actor's two-factor sign-in.
func (a *App) RemoveTwoFactor(ctx context.Context, actor *Actor, by Proof) error {
	return a.changeTwoFactor(ctx, actor, by, func(tx *store.Tx) error {
		if err := tx.DeleteTwoFactor(ctx, actor.User.ID); errors.Is(err, store.ErrNotFound) {
			return errNoTwoFactor
		} else if err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didRemoveTwoFactor, target{"user", actor.User.ID}, nil, changes{"two_factor": "cleared"})
	})
}

// changeTwoFactor runs a change of a person who has two-factor sign-in and proves to be
// them.
func (a *App) changeTwoFactor(ctx context.Context, actor *Actor, by Proof, change func(tx *store.Tx) error) error {
	if err := Check(actor, ActOwnTwoFactor, Resource{}); err != nil {
		return err
	}
	if !hasTwoFactor(&actor.User) {
		return errNoTwoFactor
	}
	if err := a.prove(ctx, actor, by); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		// Under the lock nobody else changes it meanwhile.
		if u, err := tx.UserForUpdate(ctx, actor.User.ID); err != nil {
			return err
		} else if !hasTwoFactor(u) {
			return errNoTwoFactor
		}
		return change(tx)
	}), "User")
}

// prove checks a proof of the actor. Wrong ones count for the session, as wrong passwords
// there do.
func (a *App) prove(ctx context.Context, actor *Actor, by Proof) error {
	code := by.Code.Reveal()
	if code == "" {
		return a.passwords.recheck(ctx, actor, "password", by.Password.Reveal())
	}
	if err := text("code", code, 1, maxCode); err != nil {
		return err
	}
	if !hasTwoFactor(&actor.User) {
		return errNoTwoFactor
	}
	return a.twoFactor.guarded(ctx, actor.User.ID, recheckCodes(actor), a.cfg.Auth.SigninFailuresPerAccount, func(tx *store.Tx, u *store.User) error {
		return a.twoFactor.spend(ctx, tx, u, typedCode(code))
	})
}

// ResetTwoFactor ends another person's two-factor sign-in and signs them out everywhere:
// the phone is lost. It is for admins, within their own rights.
func (a *App) ResetTwoFactor(ctx context.Context, actor *Actor, userID string) error {
	if err := Check(actor, ActResetTwoFactor, Resource{}); err != nil {
		return err
	}
	if userID == actor.User.ID {
		return errorf(KindRejected, wording.OwnAccount, "Remove your own two-factor sign-in on your account page")
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		u, err := tx.UserForUpdate(ctx, userID)
		if err != nil {
			return err
		}
		if err := mayRule(actor, power{beyond: ActUpdateAdminUser, accounts: []string{u.Role}}); err != nil {
			return err
		}
		return a.operator.dropTwoFactor(ctx, tx, actor, u, a.sessions.endAll)
	}), "User")
}

// ResetTwoFactor ends the two-factor sign-in of an account, found by e-mail or user name,
// and its sessions. It is for the operator, when the last admin has lost the phone.
func (o *Operator) ResetTwoFactor(ctx context.Context, login string) error {
	u, err := o.db.UserByLogin(ctx, login)
	if err != nil {
		return fromStore(err, "User")
	}
	return o.db.InTx(ctx, func(tx *store.Tx) error {
		held, err := tx.UserForUpdate(ctx, u.ID)
		if err != nil {
			return fromStore(err, "User")
		}
		return o.dropTwoFactor(ctx, tx, operator(), held, func(ctx context.Context, tx *store.Tx, id, keep, reason string) error {
			return tx.EndSessionsOf(ctx, id, keep, reason, o.now.instant())
		})
	})
}

// dropTwoFactor deletes the key and the codes of an account, whose row is locked.
func (o *Operator) dropTwoFactor(ctx context.Context, tx *store.Tx, actor *Actor, u *store.User,
	end func(ctx context.Context, tx *store.Tx, userID, keep, reason string) error) error {
	if err := tx.DeleteTwoFactor(ctx, u.ID); errors.Is(err, store.ErrNotFound) {
		return errNoTwoFactor
	} else if err != nil {
		return err
	}
	if err := end(ctx, tx, u.ID, "", "two-factor sign-in reset"); err != nil {
		return err
	}
	return o.audit.record(ctx, tx, actor, ActResetTwoFactor, target{"user", u.ID}, nil, changes{"two_factor": "cleared", "sessions": "ended"})
}
