package app

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// Personal access tokens are for programs that act for a person. Each has a name, scopes
// and an expiry, and is shown once. It may do what its person may do at that moment,
// limited to its scopes. It is not valid after it is revoked or expires, nor while its
// person is inactive. A new password does not end it: a person who fears that a token
// has leaked revokes it.
const (
	// tokenMark begins every token, so that scanners for leaked secrets recognise it.
	tokenMark = "coa_"
	// maxTokenDays is the longest life of a token.
	maxTokenDays = 365
	// usedEvery is the precision of the time when a token was last used.
	usedEvery = time.Minute
)

// NewAccessToken is what a person chooses for a new token.
type NewAccessToken struct {
	Name   string
	Scopes []Scope // at least one of read, write and admin
	Days   int     // until it expires, 1..365
}

// IsAccessToken reports whether a text has the form of a personal access token. It does
// not check whether the token is valid.
func IsAccessToken(token string) bool { return strings.HasPrefix(token, tokenMark) }

// CreateAccessToken makes a token for the actor. The secret is returned only this once.
func (a *App) CreateAccessToken(ctx context.Context, actor *Actor, in NewAccessToken) (*store.AccessToken, secret.Text, error) {
	if err := Check(actor, ActOwnTokens, Resource{}); err != nil {
		return nil, "", err
	}
	if err := in.check(ScopeRead, ScopeWrite, ScopeAdmin); err != nil {
		return nil, "", err
	}
	var made *MadeToken
	err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		made, err = a.storeToken(ctx, tx, actor, actor.User.ID, in)
		return err
	})
	if err != nil {
		return nil, "", fromStore(err, "User")
	}
	return made.AccessToken, made.Secret, nil
}

// check checks what somebody has chosen for a token that may have these scopes.
func (in *NewAccessToken) check(scopes ...Scope) error {
	names := make([]string, len(scopes))
	for i, s := range scopes {
		names[i] = string(s)
	}
	errs := []error{name("name", &in.Name), between("expires_in_days", in.Days, 1, maxTokenDays)}
	if len(in.Scopes) == 0 {
		errs = append(errs, invalid("scopes", "must name at least one of %s", strings.Join(names, ", ")))
	}
	for _, s := range in.Scopes {
		errs = append(errs, oneOf("scopes", string(s), names...))
	}
	slices.Sort(in.Scopes)
	in.Scopes = slices.Compact(in.Scopes)
	return firstOf(errors.Join(errs...))
}

// storeToken makes a token for an account, in the name of the actor.
func (a *App) storeToken(ctx context.Context, tx *store.Tx, actor *Actor, userID string, in NewAccessToken) (*MadeToken, error) {
	plain := tokenMark + rand.Text() + rand.Text() // 260 bits
	now := a.instant()
	t := &store.AccessToken{ID: store.NewID(), UserID: userID, Name: in.Name, Scopes: store.ToJSON(in.Scopes),
		Hash: hashToken(plain), CreatedAt: now, ExpiresAt: now.AddDate(0, 0, in.Days)}
	if err := tx.CreateAccessToken(ctx, t); err != nil {
		return nil, err
	}
	if err := a.quotas.within(ctx, tx, userID, store.OwnedTokens); err != nil {
		return nil, err
	}
	return &MadeToken{t, secret.Text(plain)}, a.audit.record(ctx, tx, actor, didCreateToken, target{"token", t.ID}, nil, tokenChanges(t))
}

// tokenChanges is a token as the audit log shows it.
func tokenChanges(t *store.AccessToken) changes {
	return changes{"user_id": t.UserID, "name": t.Name, "scopes": t.Scopes, "expires_at": t.ExpiresAt}
}

// AccessTokens lists the actor's tokens, newest first.
func (a *App) AccessTokens(ctx context.Context, actor *Actor) (*store.Listing[store.AccessToken], error) {
	if err := Check(actor, ActOwnTokens, Resource{}); err != nil {
		return nil, err
	}
	return a.db.AccessTokens(ctx, actor.User.ID)
}

// RevokeAccessToken revokes one of the actor's tokens.
func (a *App) RevokeAccessToken(ctx context.Context, actor *Actor, id string) error {
	if err := Check(actor, ActOwnTokens, Resource{}); err != nil {
		return err
	}
	if err := a.db.InTx(ctx, func(tx *store.Tx) error {
		t, err := tx.DeleteAccessToken(ctx, actor.User.ID, id)
		if err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, didRevokeToken, target{"token", id}, tokenChanges(t), nil)
	}); err != nil {
		return fromStore(err, "Token")
	}
	a.sessions.closeTokens(id)
	return nil
}

// AccessTokensOf lists another person's tokens, for admins.
func (a *App) AccessTokensOf(ctx context.Context, actor *Actor, userID string) (*store.Listing[store.AccessToken], error) {
	if err := a.mayManageTokens(ctx, actor, userID); err != nil {
		return nil, err
	}
	return a.db.AccessTokens(ctx, userID)
}

// RevokeAccessTokensOf revokes all tokens of another person.
func (a *App) RevokeAccessTokensOf(ctx context.Context, actor *Actor, userID string) error {
	if err := a.mayManageTokens(ctx, actor, userID); err != nil {
		return err
	}
	var ids []string
	if err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if ids, err = tx.DeleteAccessTokensOf(ctx, userID); err != nil || len(ids) == 0 {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActManageTokens, target{"user", userID}, changes{"tokens": ids}, nil)
	}); err != nil {
		return err
	}
	a.sessions.closeTokens(ids...)
	return nil
}

func (a *App) mayManageTokens(ctx context.Context, actor *Actor, userID string) error {
	if err := Check(actor, ActManageTokens, Resource{}); err != nil {
		return err
	}
	u, err := a.db.User(ctx, userID)
	if err != nil {
		return fromStore(err, "User")
	}
	return mayRule(actor, power{beyond: ActManageAdminTokens, accounts: []string{u.Role}})
}

// tokenActor returns the actor behind a token with this hash.
func (ss *sessions) tokenActor(ctx context.Context, hash string) (*Actor, error) {
	now := ss.now.instant()
	known, err := ss.actors.find(hash, now, func() (*knownActor, error) {
		t, err := ss.db.AccessTokenByHash(ctx, hash)
		return ss.readToken(t, err, now)
	})
	if err != nil {
		return nil, err
	}
	if now.Sub(known.used) >= usedEvery {
		ss.uses.note(known.actor.TokenID)
	}
	return known.caller(), nil
}

func (ss *sessions) readToken(t *store.AccessToken, err error, now time.Time) (*knownActor, error) {
	if errors.Is(err, store.ErrNotFound) {
		return nil, errBadCredentials
	}
	if err != nil {
		return nil, err
	}
	if !now.Before(t.ExpiresAt) {
		return nil, errBadCredentials
	}
	if !t.User.IsActive {
		return nil, errInactive
	}
	actor := Actor{User: *t.User, TokenID: t.ID, Scopes: []Scope{}}
	if err := json.Unmarshal([]byte(t.Scopes), &actor.Scopes); err != nil {
		return nil, err
	}
	// A bot ends with its course.
	return &knownActor{actor: actor, used: t.LastUsedAt, until: t.ExpiresAt, read: now, of: []string{t.UserID, t.ID, t.User.BotCourseID}}, nil
}

// tokenUses are the tokens that were used since their use was last stored. It is stored
// later, so that no request waits for it.
type tokenUses struct {
	mu  sync.Mutex
	ids map[string]struct{}
}

func (u *tokenUses) note(id string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ids == nil {
		u.ids = map[string]struct{}{}
	}
	u.ids[id] = struct{}{}
}

func (u *tokenUses) take() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	ids := slices.Sorted(maps.Keys(u.ids))
	u.ids = nil
	return ids
}

// storeUses stores which tokens were used.
func (ss *sessions) storeUses(ctx context.Context) error {
	for ids := range slices.Chunk(ss.uses.take(), 500) {
		if err := ss.db.InTx(ctx, func(tx *store.Tx) error { return tx.UseAccessTokens(ctx, ids, ss.now.instant()) }); err != nil {
			return err
		}
	}
	return nil
}

// credential names the session or token of an actor, for the check of open sockets.
func (a *Actor) credential() string {
	if a.TokenID != "" {
		return tokenMark + a.TokenID
	}
	return a.SessionID
}

// live returns those of the credentials that have not ended.
func (ss *sessions) live(ctx context.Context, credentials []string) (map[string]bool, error) {
	live := map[string]bool{}
	var sessions, tokens []string
	for _, c := range credentials {
		if id, ok := strings.CutPrefix(c, tokenMark); ok {
			tokens = append(tokens, id)
		} else {
			sessions = append(sessions, c)
		}
	}
	alive, err := ss.db.LiveSessions(ctx, sessions, ss.now.instant())
	if err != nil {
		return nil, err
	}
	for _, id := range alive {
		live[id] = true
	}
	if alive, err = ss.db.LiveAccessTokens(ctx, tokens, ss.now.instant()); err != nil {
		return nil, err
	}
	for _, id := range alive {
		live[tokenMark+id] = true
	}
	return live, nil
}

// closeTokens closes the sockets of some tokens in this process. Other processes close
// theirs when they next recheck the sessions.
func (ss *sessions) closeTokens(ids ...string) {
	for _, id := range ids {
		ss.hub.CloseSession(tokenMark+id, realtime.CloseSessionEnded, "token revoked")
	}
}
