package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// CheckEncryption checks that the configured keys are those with which the database was
// made. The first start encrypts a known word; every later start must be able to decrypt
// it.
func (o *Operator) CheckEncryption(ctx context.Context) error {
	canary, err := o.db.Setting(ctx, store.SettingCanary)
	if errors.Is(err, store.ErrNotFound) {
		fresh, err := o.agents.keys.NewCanary()
		if err != nil {
			return err
		}
		if err := o.db.InTx(ctx, func(tx *store.Tx) (err error) {
			canary, err = tx.InitSetting(ctx, store.SettingCanary, fresh)
			return err
		}); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if err := o.agents.keys.CheckCanary(canary); err != nil {
		return errors.New("the encryption key is not the one this database was made with; " +
			"set auth.encryption_keys (COAGENT_AUTH_ENCRYPTION_KEYS, ENCRYPTION_KEY) to the old key, or put the new one in front of it; " +
			"where the keys are in the data folder's secrets.yaml, put that file back from a backup")
	}
	return nil
}

// EnsureSuperAdmin makes the configured super admin if there is none at the start. It
// never changes an existing account. made is the new account's e-mail address.
func (o *Operator) EnsureSuperAdmin(ctx context.Context) (made string, err error) {
	login, password := o.cfg.Auth.SuperAdmin, o.cfg.Auth.SuperAdminPassword.Reveal()
	if login == "" || password == "" {
		return "", nil
	}
	if has, err := o.db.HasSuperAdmin(ctx); err != nil || has {
		return "", err
	}
	u, err := o.CreateSuperAdmin(ctx, login, "Super Admin", password)
	var known *Error
	if errors.As(err, &known) && known.Code == "user_exists" {
		// If two processes start at once, the other one may have made it.
		if has, err := o.db.HasSuperAdmin(ctx); err != nil || has {
			return "", err
		}
		return "", fmt.Errorf("auth.super_admin: an account %q exists but is no super admin; choose another name", login)
	}
	if err != nil {
		return "", fmt.Errorf("auth.super_admin: %w", err)
	}
	return u.Email, nil
}

// SeedAdmin is CreateSuperAdmin for the command line. It does not change a super admin
// that exists: made is then false.
func (o *Operator) SeedAdmin(ctx context.Context, login, password string) (u *store.User, made bool, err error) {
	u, err = o.CreateSuperAdmin(ctx, login, "", password)
	var known *Error
	if !errors.As(err, &known) || known.Code != "user_exists" {
		return u, err == nil, err
	}
	if u, err = o.db.UserByLogin(ctx, strings.TrimSpace(login)); err != nil {
		return nil, false, fromStore(err, "User")
	}
	if !activeSuper(u) {
		return nil, false, errorf(KindConflict, wording.UserExists, "An account %s exists, and is no active super admin. Choose another e-mail or name.", u.Name())
	}
	return u, false, nil
}

// CreateSuperAdmin adds a super admin. If login is an e-mail address, the user name is
// "admin"; a plain name is used for both. It is for the operator and for the first
// start.
func (o *Operator) CreateSuperAdmin(ctx context.Context, login, fullName, password string) (*store.User, error) {
	login = strings.TrimSpace(login)
	uname := login
	if strings.Contains(login, "@") {
		uname = "admin"
		if err := email("login", &login); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(text("login", login, 1, 254), personName("full_name", &fullName)); err != nil {
		return nil, firstOf(err)
	}
	hash, err := o.passwords.hash(ctx, limit.Asker{}, "password", password)
	if err != nil {
		return nil, err
	}
	u := &store.User{ID: store.NewID(), Email: login, Username: &uname, FullName: blankToNil(&fullName),
		Role: RoleSuperAdmin, PasswordHash: hash, IsActive: true, CreatedAt: o.now.instant(), Version: 1}
	err = o.db.InTx(ctx, func(tx *store.Tx) error {
		// Somebody may have the user name "admin" already. Then the e-mail address is
		// enough.
		if taken, err := tx.UserByLogin(ctx, uname); err == nil && uname != login && taken != nil {
			u.Username = nil
		} else if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return o.audit.record(ctx, tx, operator(), ActCreateUser, target{"user", u.ID}, nil, userChanges(u))
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindRejected, wording.UserExists, "User already exists")
	}
	return u, err
}

// SetupToken makes the one-time token for the link that creates the first admin. It is
// "" if there is a super admin. Only its hash is stored, and each start replaces it.
func (o *Operator) SetupToken(ctx context.Context) (string, error) {
	if has, err := o.db.HasSuperAdmin(ctx); err != nil || has {
		return "", err
	}
	raw := make([]byte, 24)
	if _, err := rand.Read(raw); err != nil {
		return "", err
	}
	token := base64.RawURLEncoding.EncodeToString(raw)
	err := o.db.InTx(ctx, func(tx *store.Tx) error {
		return tx.SetSetting(ctx, store.SettingSetup, hashToken(token))
	})
	return token, err
}

// FirstAdmin is what the person at the set-up link says of themselves. Email or Username is
// enough: a teacher on a laptop may have no e-mail address to give.
type FirstAdmin struct {
	Token, Email, FullName string
	Username               *string
	Password               secret.Text
}

// account checks what the person said, and returns the account without its hash.
func (in *FirstAdmin) account(now time.Time) (*store.User, error) {
	uname, err := username("username", in.Username)
	if err == nil {
		err = personName("full_name", &in.FullName)
	}
	if err != nil {
		return nil, err
	}
	u := personWithoutEmail(in.FullName, uname, now)
	u.Role = RoleSuperAdmin
	if uname == nil || strings.TrimSpace(in.Email) != "" {
		err, u.Email = email("email", &in.Email), in.Email
	}
	return u, err
}

// SetUp makes the first super admin with the set-up token, which is then used up, and
// signs that admin in.
func (a *App) SetUp(ctx context.Context, in FirstAdmin, client Client) (*Tokens, error) {
	spent := errorf(KindForbidden, wording.SetupDone, "This set-up link is not valid any more. Restart coagent for a new one, or sign in.")
	want, err := a.db.Setting(ctx, store.SettingSetup)
	if errors.Is(err, store.ErrNotFound) {
		return nil, spent
	}
	if err != nil {
		return nil, err
	}
	if subtle.ConstantTimeCompare([]byte(want), []byte(hashToken(in.Token))) != 1 {
		return nil, spent
	}
	u, err := in.account(a.instant())
	if err != nil {
		return nil, err
	}
	who := limit.Asker{Address: limit.NetworkOf(client.Address), Account: "setup"}
	if u.PasswordHash, err = a.passwords.hash(ctx, who, "password", in.Password.Reveal()); err != nil {
		return nil, err
	}
	var tokens *Tokens
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		// The deletion works as a lock: of two people with the link, the second one
		// finds no token.
		if err := tx.DeleteSetting(ctx, store.SettingSetup); errors.Is(err, store.ErrNotFound) {
			return spent
		} else if err != nil {
			return err
		}
		if has, err := tx.HasSuperAdmin(ctx); err != nil {
			return err
		} else if has {
			return spent
		}
		if u.Username == nil {
			err = fromStore(tx.CreateUser(ctx, u), "User")
		} else {
			err = createNamed(ctx, tx, u, []string{*u.Username})
		}
		if err != nil {
			return fromStore(err, "User")
		}
		// Record it for the operator: the link was printed on the machine.
		if err := a.audit.record(ctx, tx, operator(), ActCreateUser, target{"user", u.ID}, nil, userChanges(u)); err != nil {
			return err
		}
		tokens, err = a.sessions.open(ctx, tx, u, client)
		return err
	})
	return tokens, err
}

func hashToken(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
