package app

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Client is the device that signs in, as the list of sessions shows it. Note is what
// DeviceNote returned for it at an earlier sign-in.
type Client struct {
	UserAgent string
	Address   string
	Note      secret.Text
}

// Tokens are what a signed-in device stores. Access is short-lived and names the
// session. Refresh is exchanged for the next pair. Both expire with the session.
type Tokens struct {
	Access         string
	Refresh        string
	SessionExpires time.Time

	// Pending is set, and nothing else, when the person has still to show a code of the
	// second factor. SignInWithCode wants it back.
	Pending secret.Text

	user *store.User // set if the person signed in as themselves, for DeviceNote
}

var (
	errNotAuthenticated = errorf(KindUnauthenticated, wording.Unauthenticated, "Not authenticated")
	errBadCredentials   = errorf(KindUnauthenticated, wording.BadToken, "Could not validate credentials")
	errExpired          = errorf(KindUnauthenticated, wording.TokenExpired, "Could not validate credentials")
	errInactive         = errorf(KindRejected, wording.Inactive, "Inactive user")
	errWrongPassword    = errorf(KindRejected, wording.WrongPassword, "Incorrect username/email or password")
)

// SignIn opens a session for the account with this e-mail or user name. Neither the
// answer nor the time it takes shows whether the account exists.
func (a *App) SignIn(ctx context.Context, login, password string, client Client) (*Tokens, error) {
	login = strings.TrimSpace(login)
	if login == "" || text("username", login, 1, 254) != nil || text("password", password, 1, maxPasswordBytes) != nil {
		return nil, errWrongPassword
	}
	u, err := a.db.UserByLogin(ctx, login)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	attempt := newSignin(login, u, a.sessions.device(client.Note), client.Address)
	done, late, err := a.passwords.admit(ctx, &attempt)
	if err != nil {
		return nil, err
	}
	defer done()
	found, err := a.passwords.read(ctx, u, password, limit.Asker{Address: limit.NetworkOf(client.Address), Account: attempt.account,
		Known: attempt.device != "", Late: late})
	if errors.Is(err, errWrongPassword) {
		return nil, a.passwords.failed(ctx, attempt)
	}
	if err != nil {
		return nil, err
	}
	tokens, err := a.sessionOf(ctx, u, found, attempt, client)
	if errors.Is(err, errWrongCode) {
		return nil, a.passwords.failed(ctx, attempt)
	}
	return tokens, err
}

// sessionOf opens a session for somebody with the right password, or asks for the code.
func (a *App) sessionOf(ctx context.Context, u *store.User, found typed, attempt signin, client Client) (tokens *Tokens, err error) {
	open := func(tx *store.Tx, now *store.User) error {
		// Verifying takes long enough for an operator to replace the password meanwhile.
		if now.PasswordHash != u.PasswordHash || !now.IsActive || hasTwoFactor(now) != hasTwoFactor(u) {
			return errWrongPassword
		}
		switch {
		case !hasTwoFactor(now):
			tokens, err = a.sessions.open(ctx, tx, now, client)
		case found.code == "":
			tokens, err = a.sessions.needsCode(now)
		default:
			if err = a.twoFactor.spend(ctx, tx, now, found.code); err == nil {
				tokens, err = a.sessions.openProven(ctx, tx, now, client)
			}
		}
		if err == nil && found.newHash != "" {
			err = tx.SetPasswordHash(ctx, u.ID, found.newHash)
		}
		if err != nil || tokens.Pending != "" {
			return err
		}
		return forgiveSignin(ctx, tx, attempt)
	}
	if found.code != "" {
		key, most := a.twoFactor.codesOf(u, a.sessions.device(client.Note))
		err := a.twoFactor.guarded(ctx, u.ID, key, most, open)
		return tokens, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		now, err := tx.User(ctx, u.ID)
		if err != nil {
			return err
		}
		return open(tx, now)
	})
	return tokens, err
}

// verify checks a password against an account, which is nil if there is none. newHash is
// not "" if the stored hash is of an older kind; store newHash in its place.
func (p *passwords) verify(ctx context.Context, u *store.User, password string, who limit.Asker) (newHash string, err error) {
	hasher := p.hasher.forAsker(who)
	if u == nil || u.PasswordHash == "" {
		if err := hasher.VerifyNobody(ctx, password); err != nil {
			return "", err
		}
		return "", errWrongPassword
	}
	ok, upgrade, err := hasher.Verify(ctx, u.PasswordHash, password)
	switch {
	case err != nil:
		return "", err
	case !ok:
		return "", errWrongPassword
	case !u.IsActive:
		return "", errInactive
	case upgrade:
		newHash, err = hasher.Hash(ctx, password)
	}
	return newHash, err
}

// open adds a session for a user and makes its first tokens.
func (ss *sessions) open(ctx context.Context, tx *store.Tx, u *store.User, client Client) (*Tokens, error) {
	return ss.begin(ctx, tx, u, client, &store.Session{})
}

// openProven is open for somebody who has shown a second factor.
func (ss *sessions) openProven(ctx context.Context, tx *store.Tx, u *store.User, client Client) (*Tokens, error) {
	return ss.begin(ctx, tx, u, client, &store.Session{SecondFactor: true})
}

// begin stores a session of which only the way in is known.
func (ss *sessions) begin(ctx context.Context, tx *store.Tx, u *store.User, client Client, s *store.Session) (*Tokens, error) {
	now := ss.now.instant()
	s.ID, s.UserID, s.Generation, s.RotatedAt, s.CreatedAt = store.NewID(), u.ID, 1, now, now
	s.ExpiresAt, s.UserAgent, s.Address = now.Add(ss.life()), store.Cut(client.UserAgent, 300), store.Cut(client.Address, 64)
	if err := tx.CreateSession(ctx, s); err != nil {
		return nil, err
	}
	if err := tx.EndOldSessions(ctx, u.ID, ss.cfg.Quotas.Sessions, "too many newer ones", now); err != nil {
		return nil, err
	}
	if err := ss.audit.record(ctx, tx, &Actor{User: *u}, didSignIn, target{"session", s.ID}, nil, sessionChanges(s)); err != nil {
		return nil, err
	}
	tokens, err := ss.tokens(s)
	if err == nil {
		tokens.user = u
	}
	return tokens, err
}

func (ss *sessions) life() time.Duration {
	return time.Duration(ss.cfg.Auth.RefreshTokenDays) * 24 * time.Hour
}

// Authenticate returns the actor behind a session's access token or a personal token,
// and counts the request.
func (a *App) Authenticate(ctx context.Context, token string) (*Actor, error) {
	return a.limits.countRequest(ctx)(a.sessions.authenticate(ctx, token, false))
}

// AuthenticateLate is Authenticate for the few requests that the existing client sends
// without refreshing its session first. It accepts an expired token of a live session if
// its signature is valid. The caller must have checked that the request comes from one
// of our own pages.
func (a *App) AuthenticateLate(ctx context.Context, token string) (*Actor, error) {
	return a.limits.countRequest(ctx)(a.sessions.authenticate(ctx, token, true))
}

// countRequest counts a request of the actor, if one was found.
func (l *limits) countRequest(ctx context.Context) func(*Actor, error) (*Actor, error) {
	return func(actor *Actor, err error) (*Actor, error) {
		if err == nil {
			err = l.requests.spend(ctx, actor.User.ID)
		}
		if err != nil {
			return nil, err
		}
		return actor, nil
	}
}

// AuthenticateSocket is Authenticate for a socket's handshake. It accepts an expired
// token of a live session if its signature is valid, because a client reconnects without
// refreshing first.
func (a *App) AuthenticateSocket(ctx context.Context, token string) (*Actor, error) {
	return a.sessions.authenticate(ctx, token, true)
}

func (ss *sessions) authenticate(ctx context.Context, token string, expiredToo bool) (*Actor, error) {
	if token == "" {
		return nil, errNotAuthenticated
	}
	if IsAccessToken(token) {
		return ss.tokenActor(ctx, hashToken(token))
	}
	c, err := ss.parse(token)
	if err != nil && (!errors.Is(err, errExpired) || !expiredToo) {
		return nil, err
	}
	if c.Type == tokenRefresh {
		return nil, errBadCredentials
	}
	return ss.actor(ctx, c.SessionID, c.Subject)
}

// actor returns the actor of a live session. The user must be active.
func (ss *sessions) actor(ctx context.Context, sessionID, userID string) (*Actor, error) {
	known, err := ss.actors.find(sessionID, ss.now(), func() (*knownActor, error) { return ss.readActor(ctx, sessionID, userID) })
	if err != nil {
		return nil, err
	}
	if known.actor.User.ID != userID {
		return nil, errBadCredentials
	}
	return known.caller(), nil
}

func (ss *sessions) readActor(ctx context.Context, sessionID, userID string) (*knownActor, error) {
	now := ss.now()
	s, err := ss.db.Session(ctx, sessionID)
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBadCredentials
	}
	if err != nil {
		return nil, err
	}
	if s.UserID != userID || !s.EndedAt.IsZero() || !now.Before(s.ExpiresAt) {
		return nil, errBadCredentials
	}
	if !s.User.IsActive {
		return nil, errInactive
	}
	if s.ImpersonatorID != "" {
		super, err := ss.db.User(ctx, s.ImpersonatorID)
		if err != nil {
			return nil, fromStore(err, "User")
		}
		if !super.IsActive || super.Role != RoleSuperAdmin {
			return nil, errBadCredentials
		}
	}
	return &knownActor{actor: Actor{User: *s.User, SessionID: s.ID, ImpersonatorID: s.ImpersonatorID, MustSetUp: mustSetUpTwoFactor(ss.cfg, s)}, until: s.ExpiresAt, read: now,
		of: []string{s.UserID, s.ID, s.ImpersonatorID, s.ParentID}}, nil
}

// Whoami answers the client's question on every page load. It returns the actor, nil if
// nobody is signed in, or an error if a refresh would help.
func (a *App) Whoami(ctx context.Context, token string) (*Actor, error) {
	actor, err := a.Authenticate(ctx, token)
	if !errors.Is(err, errExpired) {
		if k := KindOf(err); err != nil && k != KindUnauthenticated && k != KindRejected {
			return nil, err
		}
		return actor, nil
	}
	_, err = a.AuthenticateSocket(ctx, token)
	switch KindOf(err) {
	case KindUnauthenticated, KindRejected:
		return nil, nil // the session is over, so a refresh would not help
	}
	if err != nil {
		return nil, err
	}
	return nil, errExpired
}

// SignOut ends the session of an access token, even of an expired one. It ignores any
// other token, because signing out never fails.
func (a *App) SignOut(ctx context.Context, token string) error {
	c, err := a.sessions.parse(token)
	if err != nil && !errors.Is(err, errExpired) {
		return nil // no session to end
	}
	id := c.SessionID
	// Signing out while acting as somebody else ends both sessions.
	if s, err := a.db.Session(ctx, id); err == nil && s.ParentID != "" {
		if err := a.endImpersonation(ctx, s); err != nil {
			return err
		}
		id = s.ParentID
	}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error { return a.sessions.end(ctx, tx, id, didSignOut, "signed out") }); err != nil {
		return err
	}
	a.sessions.closeSockets(c.SessionID)
	a.sessions.closeSockets(id)
	return nil
}

// end ends a session and those opened from it, and records that in the audit log
// in the name of its user. It does nothing if the session has ended or does not exist.
func (ss *sessions) end(ctx context.Context, tx *store.Tx, id string, action Action, reason string) error {
	s, err := tx.SessionForUpdate(ctx, id)
	if errors.Is(err, store.ErrNotFound) || (err == nil && !s.EndedAt.IsZero()) {
		return nil
	}
	if err != nil {
		return err
	}
	u, err := tx.User(ctx, s.UserID)
	if err != nil {
		return err
	}
	if err := tx.EndSession(ctx, id, reason, ss.now.instant()); err != nil {
		return err
	}
	owner := &Actor{User: *u, ImpersonatorID: s.ImpersonatorID}
	return ss.audit.record(ctx, tx, owner, action, target{"session", id}, nil, changes{"reason": reason})
}

// sessionChanges is a session as the audit log shows it.
func sessionChanges(s *store.Session) changes {
	return changes{"user_agent": s.UserAgent, "address": s.Address, "expires_at": s.ExpiresAt}
}

// closeSockets closes the sockets of a session in this process. Other processes close
// theirs when they next recheck the sessions.
func (ss *sessions) closeSockets(sessionID string) {
	ss.hub.CloseSession(sessionID, realtime.CloseSessionEnded, "session ended")
}
