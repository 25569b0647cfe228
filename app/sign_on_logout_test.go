package app_test

import (
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/signon/signontest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestSignOnThenCode: a session that begins at a provider and ends with a code here knows
// its provider, and the way to it counts once.
func TestSignOnThenCode(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake := signontest.New(t)
		p := provider(fake, "school")
		p.SecondFactor = config.SecondFactorAsk
		r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn = []config.SignOn{p} })
		pending := func(t *testing.T) (*store.User, secret.Text) {
			t.Helper()
			u := twoFactored(t, r, app.RoleTeacher)
			fake.Person = map[string]any{"sub": u.ID, "email": u.Email, "email_verified": true, "sid": "sid of " + u.ID}
			done, err := r.FinishSignOn(t.Context(), way(t, r, fake, "school"), stranger())
			if err != nil || done.Tokens.Pending == "" {
				t.Fatalf("got %+v, %v", done, err)
			}
			return u, done.Tokens.Pending
		}
		code := func() string {
			r.Advance(30 * time.Second) // each code counts once
			return apptest.Code(t, apptest.AppKey, r.Now())
		}
		t.Run("KnowsItsProvider", func(t *testing.T) {
			u, note := pending(t)
			_, err := r.SignInWithCode(t.Context(), note, "000000", stranger())
			refused(t, err, app.KindRejected, "wrong_code", "")
			tokens, err := r.SignInWithCode(t.Context(), note, code(), stranger())
			must(t, err)
			at := r.EndAtProvider(t.Context(), tokens.Access, backAt)
			if want := fake.URL + "/logout?"; len(at) < len(want) || at[:len(want)] != want {
				t.Errorf("signs out at %q, want %q", at, want)
			}
			_, err = r.SignInWithCode(t.Context(), note, code(), stranger())
			refused(t, err, app.KindRejected, "two_factor_over", "")
			must(t, r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sid": "sid of " + u.ID}), stranger()))
			if _, err := r.Authenticate(t.Context(), tokens.Access); app.KindOf(err) != app.KindUnauthenticated {
				t.Errorf("the session goes on after the sign-out there: %v", err)
			}
		})
		t.Run("EndsWithTheSignOutThere", func(t *testing.T) {
			u, note := pending(t)
			must(t, r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sub": u.ID}), stranger()))
			_, err := r.SignInWithCode(t.Context(), note, code(), stranger())
			refused(t, err, app.KindRejected, "two_factor_over", "")
		})
	})
}

// logout is a logout token of a provider, with further claims; nil takes one away.
func logout(fake *signontest.Provider, r *apptest.Rig, claims map[string]any) secret.Text {
	c := jwt.MapClaims{"iss": fake.URL, "aud": signontest.ClientID, "iat": r.Now().Unix(), "exp": r.Now().Add(2 * time.Minute).Unix(), "jti": store.NewID(),
		"events": map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}}
	for name, value := range claims {
		c[name] = value
		if value == nil {
			delete(c, name)
		}
	}
	return secret.Text(fake.Signed(c))
}

func TestSignedOutByProvider(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake, other := signontest.New(t), signontest.New(t)
		r := apptest.NewStopped(t, dbURL, func(c *config.Config) {
			c.Auth.SignOn = []config.SignOn{provider(fake, "school"), provider(other, "other")}
			c.Auth.SigninFailuresPerAddress = 100
		})
		session := func(t *testing.T, at *signontest.Provider, id, sub, sid string) string {
			t.Helper()
			at.Person = map[string]any{"sub": sub, "name": "Ada Lovelace"}
			if sid != "" {
				at.Person["sid"] = sid
			}
			_, done := signedOn(t, r, at, id)
			return done.Tokens.Access
		}
		over := func(t *testing.T, token string, want bool) {
			t.Helper()
			if _, err := r.Authenticate(t.Context(), token); (app.KindOf(err) == app.KindUnauthenticated && err != nil) != want {
				t.Errorf("ended: got %v, want %v", err, want)
			}
		}
		t.Run("OneSession", func(t *testing.T) {
			one, two, nameless := session(t, fake, "school", "a", "1"), session(t, fake, "school", "a", "2"), session(t, fake, "school", "a", "")
			must(t, r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sid": "1"}), stranger()))
			over(t, one, true)
			over(t, two, false)
			over(t, nameless, false)
			must(t, r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sub": "a", "sid": "3"}), stranger()))
			over(t, two, false)
			over(t, nameless, true) // it may be that one
		})
		t.Run("AllOfAPersonAndOfNobodyElse", func(t *testing.T) {
			one, two := session(t, fake, "school", "b", "1"), session(t, fake, "school", "b", "")
			stays, there := session(t, fake, "school", "c", "1"), session(t, other, "other", "b", "1")
			must(t, r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sub": "b"}), stranger()))
			over(t, one, true)
			over(t, two, true)
			over(t, stays, false)
			over(t, there, false)
			if n := storetest.Count(t, r.DB, "SELECT count(*) FROM audit_log WHERE action = 'session.sign_out' AND CAST(after AS TEXT) LIKE '%signed out at the provider%'"); n < 4 {
				t.Errorf("got %d lines in the audit log, want one for each session", n)
			}
		})
		t.Run("ATokenCountsOnce", func(t *testing.T) {
			token := logout(fake, r, map[string]any{"sub": "d"})
			must(t, r.EndByProvider(t.Context(), "school", token, stranger()))
			later := session(t, fake, "school", "d", "")
			refused(t, r.EndByProvider(t.Context(), "school", token, stranger()), app.KindRejected, "sign_on_logout", "")
			over(t, later, false)
		})
		t.Run("WhatDoesNotHold", func(t *testing.T) {
			stays := session(t, fake, "school", "e", "1")
			now := r.Now()
			const event = "http://schemas.openid.net/event/backchannel-logout"
			for name, claims := range map[string]map[string]any{
				"of another issuer": {"iss": other.URL}, "for another client": {"aud": "another"}, "without events": {"events": nil},
				"another event": {"events": map[string]any{"https://example.org/event": map[string]any{}}}, "an event that is no object": {"events": map[string]any{event: "yes"}},
				"with a nonce": {"nonce": "n"}, "without jti": {"jti": nil}, "without iat": {"iat": nil}, "old": {"iat": now.Add(-11 * time.Minute).Unix()},
				"of tomorrow": {"iat": now.Add(24 * time.Hour).Unix()}, "expired": {"exp": now.Add(-time.Second).Unix()}, "of nobody": {"sub": nil},
				"a sub with a zero byte": {"sub": "e\x00"},
			} {
				with := map[string]any{"sub": "e"}
				for member, value := range claims {
					with[member] = value
				}
				if err := r.EndByProvider(t.Context(), "school", logout(fake, r, with), stranger()); app.KindOf(err) != app.KindRejected {
					t.Errorf("%s: got %v", name, err)
				}
			}
			fromOther := logout(other, r, map[string]any{"iss": fake.URL, "sub": "e"}) // another key
			unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"iss": fake.URL, "sub": "e"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
			must(t, err)
			for _, token := range []secret.Text{"", "x", "a.b.c", fromOther, secret.Text(unsigned)} {
				refused(t, r.EndByProvider(t.Context(), "school", token, stranger()), app.KindRejected, "sign_on_logout", "")
			}
			over(t, stays, false)
			refused(t, r.EndByProvider(t.Context(), "nobody", "x", stranger()), app.KindNotFound, "not_found", "")
		})
		t.Run("TooManyThatDoNotHold", func(t *testing.T) {
			r := apptest.NewStopped(t, dbURL, func(c *config.Config) {
				c.Auth.SignOn, c.Auth.SigninFailuresPerAddress = []config.SignOn{provider(fake, "school")}, 3
			})
			client := app.Client{Address: "203.0.113.77"}
			for range 3 {
				refused(t, r.EndByProvider(t.Context(), "school", "x", client), app.KindRejected, "sign_on_logout", "")
			}
			if err := r.EndByProvider(t.Context(), "school", logout(fake, r, map[string]any{"sub": "e"}), client); app.KindOf(err) != app.KindLimited {
				t.Errorf("got %v, want it to be refused for a while", err)
			}
		})
	})
}
