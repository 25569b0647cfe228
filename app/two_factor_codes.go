package app

import (
	"context"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// recheckCodes is the key for which wrong codes of a signed-in person count. Neither their
// other sessions nor their next sign-in are affected.
func recheckCodes(actor *Actor) string {
	return "codes:" + sum16("session "+actor.SessionID+" of "+actor.User.ID)
}

// codesOf is the key for which wrong codes of a sign-in count, and how many of them are
// taken. What strangers try does not affect a device that signed in before.
func (f *twoFactor) codesOf(u *store.User, d *device) (key string, most int) {
	if d.knows(u) {
		return "codes:" + sum16("device "+d.ID+" of "+u.ID), f.cfg.Auth.SigninFailuresPerAccount
	}
	return "codes:" + sum16("user "+u.ID), codeTries
}

// guarded runs try, which checks a code of a person before it changes anything. The
// account is locked meanwhile, so many guesses at once are taken one after the other. An
// errWrongCode counts for the key; after most of them within the window no code is
// checked until the first one is past.
func (f *twoFactor) guarded(ctx context.Context, userID, key string, most int, try func(tx *store.Tx, u *store.User) error) error {
	wrong := false
	err := f.db.InTx(ctx, func(tx *store.Tx) error {
		wrong = false
		u, err := tx.UserForUpdate(ctx, userID)
		if err != nil {
			return err
		}
		since := f.now.instant().Add(-f.cfg.Auth.SigninWindow)
		counts, err := tx.SigninFailures(ctx, []string{key}, since, most)
		if err != nil {
			return err
		}
		if c := counts[key]; c.Count >= most {
			return tooFast("Too many wrong codes", max(c.First.Sub(since), time.Second))
		}
		err = try(tx, u)
		if wrong = errors.Is(err, errWrongCode); wrong {
			return tx.AddSigninFailures(ctx, []string{key}, f.now.instant())
		}
		if err != nil {
			return err
		}
		return tx.ForgiveSignin(ctx, key)
	})
	if err == nil && wrong {
		return errWrongCode
	}
	return fromStore(err, "User")
}

// spend checks a code of a person whose account is locked, and uses it up.
func (f *twoFactor) spend(ctx context.Context, tx *store.Tx, u *store.User, code string) error {
	if !hasTwoFactor(u) {
		return errNoTwoFactor
	}
	if recoveryForm.MatchString(code) {
		err := tx.UseRecoveryCode(ctx, u.ID, hashToken(code))
		if errors.Is(err, store.ErrNotFound) {
			return errWrongCode
		}
		if err != nil {
			return err
		}
		return f.audit.record(ctx, tx, &Actor{User: *u}, didUseRecoveryCode, target{"user", u.ID}, nil, changes{"recovery_code": "used"})
	}
	row, err := tx.TwoFactor(ctx, u.ID)
	if errors.Is(err, store.ErrNotFound) {
		return errWrongCode
	}
	if err != nil {
		return err
	}
	step, err := f.step(ctx, row, code)
	if err != nil {
		return err
	}
	if err := tx.UseTwoFactorStep(ctx, u.ID, step); errors.Is(err, store.ErrStale) {
		return errWrongCode
	} else if err != nil {
		return err
	}
	return nil
}

// step is the step at which a code of a person's app is right. A database that was restored
// without its keys has none that can be read: a recovery code still lets the person in.
func (f *twoFactor) step(ctx context.Context, row *store.TwoFactor, code string) (int64, error) {
	key, err := f.keys.Decrypt(row.EncryptedSecret)
	if err != nil {
		f.log.WarnContext(ctx, "the key of somebody's authenticator app cannot be read; they need a recovery code, or a reset", "user", row.UserID, "error", err)
		return 0, errWrongCode
	}
	step := totpStep(key, code, row.LastStep, f.now())
	if step == 0 {
		return 0, errWrongCode
	}
	return step, nil
}
