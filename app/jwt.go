package app

import (
	"crypto/sha256"
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// tokenRefresh marks a refresh token, which is never valid as an access token.
const tokenRefresh = "refresh"

type claims struct {
	jwt.RegisteredClaims
	SessionID  string `json:"sid"`
	Type       string `json:"type,omitempty"`
	Generation int    `json:"gen,omitempty"`
}

// tokens signs the two tokens of a session's current generation. The refresh token holds
// only what the session's database row has, so every node makes the same one for the
// same generation.
func (ss *sessions) tokens(s *store.Session) (*Tokens, error) {
	access, err := ss.sign(claims{SessionID: s.ID, RegisteredClaims: jwt.RegisteredClaims{
		Subject:   s.UserID,
		IssuedAt:  jwt.NewNumericDate(ss.now()),
		ExpiresAt: jwt.NewNumericDate(ss.now().Add(time.Duration(ss.cfg.Auth.AccessTokenMinutes) * time.Minute)),
	}})
	if err != nil {
		return nil, err
	}
	refresh, err := ss.sign(claims{SessionID: s.ID, Type: tokenRefresh, Generation: s.Generation,
		RegisteredClaims: jwt.RegisteredClaims{
			Subject:   s.UserID,
			IssuedAt:  jwt.NewNumericDate(s.RotatedAt),
			ExpiresAt: jwt.NewNumericDate(s.ExpiresAt),
		}})
	if err != nil {
		return nil, err
	}
	return &Tokens{Access: access, Refresh: refresh, SessionExpires: s.ExpiresAt}, nil
}

func (ss *sessions) sign(c claims) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString([]byte(ss.cfg.Auth.SecretKey.Reveal()))
}

// parse checks a token's signature and returns its claims. If the token is expired but
// its signature is valid, it returns the claims and errExpired.
func (ss *sessions) parse(token string) (*claims, error) {
	key := sha256.Sum256([]byte(token))
	if c := ss.known.claims(key); c != nil {
		if !ss.now().Before(c.ExpiresAt.Time) {
			return c, errExpired
		}
		return c, nil
	}
	c := new(claims)
	err := ss.verify(token, c, func(key secret.Text) []byte { return []byte(key.Reveal()) })
	switch {
	case err == nil && c.SessionID != "" && c.Subject != "":
		ss.known.add(key, c, ss.now())
		return c, nil
	case errors.Is(err, jwt.ErrTokenExpired) && c.SessionID != "" && c.Subject != "":
		return c, errExpired
	}
	return nil, errBadCredentials
}

// verifying lets a signature be of any of the keys: the one that signs now, or an earlier one.
func verifying(keys [][]byte) jwt.Keyfunc {
	set := jwt.VerificationKeySet{}
	for _, key := range keys {
		set.Keys = append(set.Keys, key)
	}
	return func(*jwt.Token) (any, error) { return set, nil }
}

// maxKnownTokens is how many tokens are cached. Beyond it the expired ones are forgotten,
// and if none has expired, all.
const maxKnownTokens = 10_000

// knownTokens caches the claims of tokens with a valid signature, by the tokens'
// checksums. Such a token comes with every request for some minutes. Its expiry and its
// session are still checked on every request.
type knownTokens struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]*claims
}

// claims returns the claims of a cached token, or nil. They are shared: do not change
// them.
func (k *knownTokens) claims(token [sha256.Size]byte) *claims {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[token]
}

func (k *knownTokens) add(token [sha256.Size]byte, c *claims, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.all) >= maxKnownTokens {
		maps.DeleteFunc(k.all, func(_ [sha256.Size]byte, old *claims) bool { return !now.Before(old.ExpiresAt.Time) })
	}
	if k.all == nil || len(k.all) >= maxKnownTokens {
		k.all = map[[sha256.Size]byte]*claims{}
	}
	k.all[token] = c
}
