package app_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/bcrypt"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const password = "correct horse battery"

// account adds an account that can sign in.
func account(t *testing.T, r *apptest.Rig, role string) *store.User {
	t.Helper()
	id := store.NewID()
	name, pw := "User-"+id[24:], password
	super := r.User(t, app.RoleSuperAdmin, "Root")
	u, err := r.CreateUser(t.Context(), super, app.NewUser{Email: "Mail-" + id[24:] + "@Example.org", Username: &name, Role: role, Password: &pw})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func signIn(t *testing.T, r *apptest.Rig, u *store.User) *app.Tokens {
	t.Helper()
	tokens, err := r.SignIn(t.Context(), u.Email, password, app.Client{UserAgent: "test", Address: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// refused checks the code and the text of an error.
func refused(t *testing.T, err error, kind app.Kind, code, text string) {
	t.Helper()
	var e *app.Error
	if !errors.As(err, &e) || e.Kind != kind || (code != "" && string(e.Code) != code) || (text != "" && e.Message != text) {
		t.Errorf("got error %v, want %s (%s) %q", err, kind, code, text)
	}
}

func wrongPassword(t *testing.T, err error) {
	t.Helper()
	refused(t, err, app.KindRejected, "wrong_password", "Incorrect username/email or password")
}

func TestSignIn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u := account(t, r, app.RoleStudent)
		try := func(login, pw string) error {
			_, err := r.SignIn(t.Context(), login, pw, app.Client{Address: "192.0.2.1"})
			return err
		}
		t.Run("OK", func(t *testing.T) {
			for _, login := range []string{u.Email, strings.ToUpper(u.Email), " " + strings.ToLower(u.Email) + "\n", *u.Username, strings.ToUpper(*u.Username)} {
				tokens, err := r.SignIn(t.Context(), login, password, app.Client{})
				if err != nil {
					t.Fatalf("%q: %v", login, err)
				}
				actor, err := r.Authenticate(t.Context(), tokens.Access)
				if err != nil || actor.User.ID != u.ID || actor.SessionID == "" || actor.ImpersonatorID != "" {
					t.Errorf("%q: got %+v, %v", login, actor, err)
				}
			}
		})
		t.Run("WrongIsWrongWhateverItIs", func(t *testing.T) {
			blank := r.User(t, app.RoleStudent, "Nopass")
			for name, c := range map[string][2]string{
				"Password": {u.Email, password + "!"}, "Case": {u.Email, strings.ToUpper(password)}, "Unknown": {"nobody@example.org", password},
				"NoPassword": {blank.User.Email, password}, "EmptyPassword": {blank.User.Email, ""}, "Empty": {"", ""}, "NUL": {u.Email + "\x00", password},
				"NULPassword": {u.Email, password + "\x00"}, "BadUTF8": {"\xff", password}, "Long": {strings.Repeat("a", 300), password},
				"LongPassword": {u.Email, strings.Repeat("a", 5000)}, "Wildcard": {"%", password},
			} {
				t.Run(name, func(t *testing.T) { wrongPassword(t, try(c[0], c[1])) })
			}
		})
		t.Run("Inactive", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			tokens := signIn(t, r, u)
			r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, u.ID)
			refused(t, try(u.Email, password), app.KindRejected, "inactive", "Inactive user")
			wrongPassword(t, try(u.Email, "something else"))
			_, err := r.Authenticate(t.Context(), tokens.Access)
			refused(t, err, app.KindRejected, "inactive", "Inactive user")
			_, err = r.Refresh(t.Context(), tokens.Refresh)
			refused(t, err, app.KindUnauthenticated, "inactive", "User not found or inactive")
		})
		t.Run("BcryptIsUpgraded", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			old, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			r.Exec(t, "UPDATE users SET password_hash = ? WHERE id = ?", string(old), u.ID)
			wrongPassword(t, try(u.Email, "something else"))
			if got := hash(t, r, u.ID); got != string(old) {
				t.Errorf("after a wrong password: got %s, want the old hash", got)
			}
			for range 2 {
				if err := try(u.Email, password); err != nil {
					t.Fatal(err)
				}
				if got := hash(t, r, u.ID); !strings.HasPrefix(got, "$argon2id$") {
					t.Errorf("got %s, want argon2id", got)
				}
			}
		})
		t.Run("OwnEmailIsNobodysUserName", func(t *testing.T) {
			name := u.Email
			_, err := r.CreateUser(t.Context(), r.User(t, app.RoleAdmin, "Ada"), app.NewUser{Email: "other@example.org", Username: &name})
			refused(t, err, app.KindInvalid, "invalid", "")
		})
	})
}

func hash(t *testing.T, r *apptest.Rig, id string) string {
	t.Helper()
	u, err := r.DB.User(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return u.PasswordHash
}

// forge signs claims with a secret.
func forge(t *testing.T, method jwt.SigningMethod, secret any, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(method, claims).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func claimsOf(t *testing.T, token string) jwt.MapClaims {
	t.Helper()
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(token, claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestTokens(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u, other := account(t, r, app.RoleStudent), account(t, r, app.RoleAdmin)
		tokens := signIn(t, r, u)
		if _, err := r.Authenticate(t.Context(), tokens.Access); err != nil { // known from here on, which helps none of the below
			t.Fatal(err)
		}
		secret := []byte(r.Config.Auth.SecretKey.Reveal())
		with := func(change func(jwt.MapClaims)) jwt.MapClaims {
			c := claimsOf(t, tokens.Access)
			change(c)
			return c
		}
		parts := strings.Split(tokens.Access, ".")
		body, err := base64.RawURLEncoding.DecodeString(parts[1])
		if err != nil {
			t.Fatal(err)
		}
		swapped := base64.RawURLEncoding.EncodeToString([]byte(strings.ReplaceAll(string(body), u.ID, other.ID)))
		for name, token := range map[string]string{
			"Garbage": "garbage", "Dots": "..", "Refresh": tokens.Refresh, "Tampered": parts[0] + "." + swapped + "." + parts[2],
			"NoSignature":  parts[0] + "." + parts[1] + ".",
			"OtherSecret":  forge(t, jwt.SigningMethodHS256, []byte("another secret of at least 32 bytes!"), claimsOf(t, tokens.Access)),
			"EmptySecret":  forge(t, jwt.SigningMethodHS256, []byte{}, claimsOf(t, tokens.Access)),
			"None":         forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claimsOf(t, tokens.Access)),
			"OtherMethod":  forge(t, jwt.SigningMethodHS512, secret, claimsOf(t, tokens.Access)),
			"NoExpiry":     forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { delete(c, "exp") })),
			"NoSession":    forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { delete(c, "sid") })),
			"NoSubject":    forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { delete(c, "sub") })),
			"OtherSubject": forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { c["sub"] = other.ID })),
			"NoSuchSid":    forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { c["sid"] = store.NewID() })),
			"OddSid":       forge(t, jwt.SigningMethodHS256, secret, with(func(c jwt.MapClaims) { c["sid"] = 1 })),
		} {
			t.Run(name, func(t *testing.T) {
				for what, call := range map[string]func(context.Context, string) (*app.Actor, error){"Authenticate": r.Authenticate, "AuthenticateSocket": r.AuthenticateSocket} {
					if actor, err := call(t.Context(), token); app.KindOf(err) != app.KindUnauthenticated || actor != nil {
						t.Errorf("%s: got %v, %v, want nobody", what, actor, err)
					}
				}
				if actor, err := r.Whoami(t.Context(), token); actor != nil || err != nil {
					t.Errorf("Whoami: got %v, %v, want nobody", actor, err)
				}
				if name != "Refresh" {
					if got, err := r.Refresh(t.Context(), token); app.KindOf(err) != app.KindUnauthenticated || got != nil {
						t.Errorf("Refresh: got %v, %v, want none", got, err)
					}
				}
			})
		}
		t.Run("None", func(t *testing.T) {
			_, err := r.Authenticate(t.Context(), "")
			refused(t, err, app.KindUnauthenticated, "unauthenticated", "Not authenticated")
			_, err = r.Refresh(t.Context(), "")
			refused(t, err, app.KindUnauthenticated, "no_refresh_token", "Refresh token missing")
			_, err = r.Refresh(t.Context(), tokens.Access)
			refused(t, err, app.KindUnauthenticated, "bad_refresh_token", "Invalid token type")
		})
		if _, err := r.Authenticate(t.Context(), tokens.Access); err != nil {
			t.Errorf("the true token, after all that: %v", err)
		}
	})
}

func TestTokensOverTime(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u := account(t, r, app.RoleStudent)
		tokens, ended := signIn(t, r, u), signIn(t, r, u)
		if actor, err := r.Whoami(t.Context(), tokens.Access); err != nil || actor == nil || actor.User.ID != u.ID {
			t.Errorf("Whoami: got %v, %v, want the user", actor, err)
		}
		if err := r.SignOut(t.Context(), ended.Access); err != nil {
			t.Fatal(err)
		}
		r.Advance(time.Duration(r.Config.Auth.AccessTokenMinutes)*time.Minute + time.Second)
		t.Run("Expired", func(t *testing.T) {
			_, err := r.Authenticate(t.Context(), tokens.Access)
			refused(t, err, app.KindUnauthenticated, "token_expired", "Could not validate credentials")
			_, err = r.Whoami(t.Context(), tokens.Access)
			refused(t, err, app.KindUnauthenticated, "token_expired", "")
			if actor, err := r.AuthenticateSocket(t.Context(), tokens.Access); err != nil || actor.User.ID != u.ID {
				t.Errorf("a socket: got %v, %v, want the user", actor, err)
			}
		})
		t.Run("ExpiredAndEnded", func(t *testing.T) {
			if actor, err := r.Whoami(t.Context(), ended.Access); actor != nil || err != nil {
				t.Errorf("Whoami: got %v, %v, want nobody: a refresh would not help", actor, err)
			}
			_, err := r.AuthenticateSocket(t.Context(), ended.Access)
			refused(t, err, app.KindUnauthenticated, "bad_token", "")
		})
		t.Run("RefreshProlongs", func(t *testing.T) {
			next, err := r.Refresh(t.Context(), tokens.Refresh)
			if err != nil {
				t.Fatal(err)
			}
			if !next.SessionExpires.After(tokens.SessionExpires) {
				t.Errorf("got an end at %s, want one after %s", next.SessionExpires, tokens.SessionExpires)
			}
			if _, err := r.Authenticate(t.Context(), next.Access); err != nil {
				t.Error(err)
			}
			tokens = next
		})
		r.Advance(time.Duration(r.Config.Auth.RefreshTokenDays) * 24 * time.Hour)
		t.Run("SessionExpired", func(t *testing.T) {
			_, err := r.Refresh(t.Context(), tokens.Refresh)
			refused(t, err, app.KindUnauthenticated, "bad_refresh_token", "Invalid refresh token")
			_, err = r.AuthenticateSocket(t.Context(), tokens.Access)
			refused(t, err, app.KindUnauthenticated, "bad_token", "")
		})
	})
}

func TestRefresh(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *app.Tokens) {
			r := apptest.NewStopped(t, url)
			return r, signIn(t, r, account(t, r, app.RoleStudent))
		}
		refresh := func(t *testing.T, r *apptest.Rig, token string) *app.Tokens {
			t.Helper()
			next, err := r.Refresh(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			return next
		}
		t.Run("Rotates", func(t *testing.T) {
			r, first := start(t)
			second := refresh(t, r, first.Refresh)
			third := refresh(t, r, second.Refresh)
			if first.Refresh == second.Refresh || second.Refresh == third.Refresh {
				t.Error("a refresh token came twice")
			}
		})
		t.Run("GraceGivesTheSameSuccessor", func(t *testing.T) {
			r, first := start(t)
			second := refresh(t, r, first.Refresh)
			r.Advance(r.Config.Auth.RefreshGrace - 5*time.Second)
			if got := refresh(t, r, first.Refresh); got.Refresh != second.Refresh {
				t.Error("got another successor")
			}
			refresh(t, r, second.Refresh)
		})
		t.Run("ReuseEndsTheSession", func(t *testing.T) {
			r, first := start(t)
			second := refresh(t, r, first.Refresh)
			r.Advance(r.Config.Auth.RefreshGrace + time.Second)
			for _, token := range []string{first.Refresh, second.Refresh} {
				_, err := r.Refresh(t.Context(), token)
				refused(t, err, app.KindUnauthenticated, "bad_refresh_token", "Invalid refresh token")
			}
			_, err := r.Authenticate(t.Context(), second.Access)
			refused(t, err, app.KindUnauthenticated, "bad_token", "")
		})
		t.Run("GrandparentEndsTheSession", func(t *testing.T) {
			r, first := start(t)
			refresh(t, r, refresh(t, r, first.Refresh).Refresh)
			_, err := r.Refresh(t.Context(), first.Refresh)
			refused(t, err, app.KindUnauthenticated, "bad_refresh_token", "")
		})
		t.Run("TwentyAtOnce", func(t *testing.T) {
			r, first := start(t)
			got := make([]string, 20)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() {
					next, err := r.Refresh(t.Context(), first.Refresh)
					if err != nil {
						t.Error(err)
						return
					}
					got[i] = next.Refresh
				})
			}
			all.Wait()
			for _, token := range got {
				if token != got[0] {
					t.Fatal("there are several successors")
				}
			}
			refresh(t, r, got[0])
		})
	})
}

func TestSignOut(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		start := func(t *testing.T) (*apptest.Rig, *store.User, *app.Tokens) {
			r := apptest.NewStopped(t, url)
			u := account(t, r, app.RoleSuperAdmin)
			return r, u, signIn(t, r, u)
		}
		over := func(t *testing.T, r *apptest.Rig, tokens *app.Tokens) {
			t.Helper()
			_, err := r.AuthenticateSocket(t.Context(), tokens.Access)
			refused(t, err, app.KindUnauthenticated, "bad_token", "")
			_, err = r.Refresh(t.Context(), tokens.Refresh)
			refused(t, err, app.KindUnauthenticated, "bad_refresh_token", "")
		}
		out := func(t *testing.T, r *apptest.Rig, token string) {
			t.Helper()
			if err := r.SignOut(t.Context(), token); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("OK", func(t *testing.T) {
			r, u, tokens := start(t)
			other := signIn(t, r, u)
			out(t, r, tokens.Access)
			out(t, r, tokens.Access)
			over(t, r, tokens)
			if _, err := r.Authenticate(t.Context(), other.Access); err != nil {
				t.Errorf("the session of another device: %v", err)
			}
		})
		t.Run("WithAnExpiredToken", func(t *testing.T) {
			r, _, tokens := start(t)
			r.Advance(time.Duration(r.Config.Auth.AccessTokenMinutes+1) * time.Minute)
			out(t, r, tokens.Access)
			over(t, r, tokens)
		})
		t.Run("WithNoToken", func(t *testing.T) {
			r, _, tokens := start(t)
			for _, token := range []string{"", "garbage", tokens.Access + "x"} {
				out(t, r, token)
			}
			if _, err := r.Authenticate(t.Context(), tokens.Access); err != nil {
				t.Error(err)
			}
		})
		t.Run("EndsWhatWasOpenedFromIt", func(t *testing.T) {
			r, _, tokens := start(t)
			super, err := r.Authenticate(t.Context(), tokens.Access)
			if err != nil {
				t.Fatal(err)
			}
			as, err := r.Impersonate(t.Context(), super, account(t, r, app.RoleStudent).ID, app.Client{})
			if err != nil {
				t.Fatal(err)
			}
			if actor, err := r.Authenticate(t.Context(), as.Access); err != nil || actor.ImpersonatorID != super.User.ID {
				t.Fatalf("got %+v, %v, want the super admin behind it", actor, err)
			}
			out(t, r, tokens.Access)
			over(t, r, as)
		})
		t.Run("CutsTheSockets", func(t *testing.T) {
			r, u, tokens := start(t)
			c := r.Class(t)
			actor, err := r.Authenticate(t.Context(), tokens.Access)
			if err != nil {
				t.Fatal(err)
			}
			other, err := r.Authenticate(t.Context(), signIn(t, r, u).Access)
			if err != nil {
				t.Fatal(err)
			}
			mine, theirs := r.Join(t, actor, c.Room.ID, true, -1), r.Join(t, other, c.Room.ID, true, -1)
			out(t, r, tokens.Access)
			if got := mine.AwaitClose(t); got != realtime.CloseSessionEnded {
				t.Errorf("close code: got %d, want %d", got, realtime.CloseSessionEnded)
			}
			post(t, r, c.Student, c.Room.ID, "still here?")
			theirs.Await(t, "the line", func(f apptest.Frame) bool { return f.Fields["content"] == "still here?" })
		})
	})
}

func TestSetPassword(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		u := account(t, r, app.RoleStudent)
		tokens := signIn(t, r, u)
		refused(t, r.Operator().SetPassword(t.Context(), u.Email, "short"), app.KindInvalid, "invalid", "")
		refused(t, r.Operator().SetPassword(t.Context(), "nobody", "long enough"), app.KindNotFound, "not_found", "User not found")
		if err := r.Operator().SetPassword(t.Context(), strings.ToUpper(*u.Username), "a new password"); err != nil {
			t.Fatal(err)
		}
		_, err := r.SignIn(t.Context(), u.Email, password, app.Client{})
		wrongPassword(t, err)
		if _, err := r.SignIn(t.Context(), u.Email, "a new password", app.Client{}); err != nil {
			t.Error(err)
		}
		_, err = r.Authenticate(t.Context(), tokens.Access)
		refused(t, err, app.KindUnauthenticated, "bad_token", "")
	})
}
