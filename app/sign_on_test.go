package app_test

import (
	"net/http"
	"strings"
	"sync"
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

// provider is one of the configuration, as config fills it in.
func provider(fake *signontest.Provider, id string) config.SignOn {
	return config.SignOn{ID: id, Name: "School", Issuer: fake.URL, ClientID: signontest.ClientID, ClientSecret: signontest.ClientSecret,
		DefaultRole: app.RoleStudent, SecondFactor: config.SecondFactorTrusted, TrustedEmail: true, MakeAccounts: true, EndSession: true,
		Groups: map[string]string{"Teachers": app.RoleTeacher, "Root": app.RoleSuperAdmin},
		Claims: config.SignOnClaims{Name: "name", Email: "email", EmailVerified: "email_verified", Username: "preferred_username", Language: "locale", Groups: "groups"}}
}

const backAt = "https://studio.example/back"

// way goes to a provider and back to the program.
func way(t *testing.T, r *apptest.Rig, fake *signontest.Provider, id string) app.SignOnReturn {
	t.Helper()
	begun, err := r.BeginSignOn(t.Context(), id, backAt, "/rooms/1")
	if err != nil {
		t.Fatal(err)
	}
	return returned(t, fake, id, begun)
}

func returned(t *testing.T, fake *signontest.Provider, id string, begun *app.SignOnBegun) app.SignOnReturn {
	t.Helper()
	q := fake.Visit(t, begun.Address)
	return app.SignOnReturn{Provider: id, Code: q.Get("code"), State: q.Get("state"), Issuer: q.Get("iss"), Note: begun.Note}
}

func signedOn(t *testing.T, r *apptest.Rig, fake *signontest.Provider, id string) (*app.Actor, *app.SignedOn) {
	t.Helper()
	done, err := r.FinishSignOn(t.Context(), way(t, r, fake, id), stranger())
	if err != nil {
		t.Fatal(err)
	}
	actor, err := r.Authenticate(t.Context(), done.Tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	return actor, done
}

func TestSignOn(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake, other := signontest.New(t), signontest.New(t)
		strict, plain := provider(fake, "strict"), provider(other, "plain")
		plain.TrustedEmail, plain.MakeAccounts = false, false
		r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn = []config.SignOn{strict, plain} })
		t.Run("MakesAnAccountAndFindsItAgain", func(t *testing.T) {
			fake.Person = map[string]any{"sub": "1", "name": "Ada Lovelace", "email": "Ada@School.example", "email_verified": true, "preferred_username": "countess", "locale": "zh_TW"}
			actor, done := signedOn(t, r, fake, "strict")
			u := actor.User
			if u.Email != "Ada@School.example" || u.Name() != "Ada Lovelace" || *u.Username != "countess" || u.Role != app.RoleStudent || u.PasswordHash != "" ||
				app.PreferencesOf(&u).Locale != "zh-TW" || done.To != "/rooms/1" {
				t.Errorf("got %+v, to %s", u, done.To)
			}
			fake.Person["email"], fake.Person["name"] = "new@school.example", "Renamed"
			if again, _ := signedOn(t, r, fake, "strict"); again.User.ID != u.ID || again.User.Name() != "Ada Lovelace" {
				t.Errorf("got %+v", again.User)
			}
			end := r.EndAtProvider(t.Context(), done.Tokens.Access, "https://studio.example/")
			if !strings.HasPrefix(end, fake.URL+"/logout?") || !strings.Contains(end, "id_token_hint=ey") {
				t.Errorf("got %q", end)
			}
			r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, u.ID)
			_, err := r.FinishSignOn(t.Context(), way(t, r, fake, "strict"), stranger())
			refused(t, err, app.KindRejected, "inactive", "")
		})
		t.Run("AVerifiedAddressOfATrustedProviderIsTheAccount", func(t *testing.T) {
			u := account(t, r, app.RoleTeacher)
			before := signIn(t, r, u)
			for _, verified := range []any{false, "false"} {
				fake.Person = map[string]any{"sub": "unverified" + store.NewID(), "email": u.Email, "email_verified": verified}
				if actor, _ := signedOn(t, r, fake, "strict"); actor.User.ID == u.ID || actor.User.Email == u.Email {
					t.Errorf("%v: got the account of somebody else", verified)
				}
			}
			other.Person = map[string]any{"sub": "2", "email": u.Email, "email_verified": true}
			_, err := r.FinishSignOn(t.Context(), way(t, r, other, "plain"), stranger())
			refused(t, err, app.KindForbidden, "sign_on_no_account", "")
			fake.Person = map[string]any{"sub": "2", "email": strings.ToUpper(u.Email), "email_verified": true}
			if actor, _ := signedOn(t, r, fake, "strict"); actor.User.ID != u.ID || actor.User.Role != app.RoleTeacher {
				t.Errorf("got %+v, want the account with the address", actor.User)
			}
			if _, err := r.Authenticate(t.Context(), before.Access); err == nil {
				t.Error("a session from before goes on")
			}
		})
		t.Run("RolesFollowTheProviderThatGaveThem", func(t *testing.T) {
			fake.Person = map[string]any{"sub": "3", "name": "Tess", "groups": []any{"Others", "Teachers"}}
			as := func() store.User { actor, _ := signedOn(t, r, fake, "strict"); return actor.User }
			u := as()
			if u.Role != app.RoleTeacher {
				t.Errorf("got %s", u.Role)
			}
			fake.Person["groups"] = "Others"
			if got := as().Role; got != app.RoleStudent {
				t.Errorf("got %s, want student: the group is gone", got)
			}
			super := r.User(t, app.RoleSuperAdmin, "Root")
			if _, err := r.UpdateUser(t.Context(), super, u.ID, app.UserChanges{Role: app.Opt[string]{Sent: true, Value: app.RoleAdmin}}); err != nil {
				t.Fatal(err)
			}
			fake.Person["groups"] = []any{"Teachers"}
			if got := as().Role; got != app.RoleAdmin {
				t.Errorf("got %s, want admin: an admin gave it", got)
			}
		})
		t.Run("ARaisedAccountLosesAPasswordThatOthersMayKnow", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			fake.Person = map[string]any{"sub": "4", "email": u.Email, "email_verified": true, "groups": []any{"Teachers"}}
			if actor, _ := signedOn(t, r, fake, "strict"); actor.User.ID != u.ID || actor.User.Role != app.RoleTeacher || actor.User.PasswordHash != "" {
				t.Errorf("got %+v", actor.User)
			}
		})
		t.Run("TwoAtOnceAreOneAccount", func(t *testing.T) {
			fake.Person = map[string]any{"sub": "5", "name": "Twin", "email": "twin@school.example", "email_verified": true}
			ways := make([]app.SignOnReturn, 4)
			for i := range ways {
				ways[i] = way(t, r, fake, "strict")
			}
			var all sync.WaitGroup
			var mu sync.Mutex
			ids := map[string]bool{}
			for _, w := range ways {
				all.Go(func() {
					done, err := r.FinishSignOn(t.Context(), w, stranger())
					if err != nil {
						t.Error(err)
						return
					}
					actor, err := r.Authenticate(t.Context(), done.Tokens.Access)
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						ids[actor.User.ID] = true
					}
				})
			}
			all.Wait()
			if len(ids) != 1 {
				t.Errorf("got accounts %v, want one", ids)
			}
		})
	})
}

func TestSignOnHostile(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake, other := signontest.New(t), signontest.New(t)
		narrow := provider(other, "narrow")
		narrow.AllowedDomains = []string{"school.example"}
		r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn = []config.SignOn{provider(fake, "school"), narrow} })
		over := func(t *testing.T, in app.SignOnReturn) {
			t.Helper()
			_, err := r.FinishSignOn(t.Context(), in, stranger())
			refused(t, err, app.KindRejected, "sign_on_over", "")
		}
		t.Run("OnceAndInThatBrowser", func(t *testing.T) {
			in := way(t, r, fake, "school")
			for _, change := range []func(*app.SignOnReturn){
				func(in *app.SignOnReturn) { in.State = "another" }, func(in *app.SignOnReturn) { in.State = "" },
				func(in *app.SignOnReturn) { in.Note = "" }, func(in *app.SignOnReturn) { in.Note = way(t, r, fake, "school").Note },
				func(in *app.SignOnReturn) { in.Note = secret.Text(signIn(t, r, account(t, r, app.RoleStudent)).Access) },
			} {
				bad := in
				change(&bad)
				over(t, bad)
			}
			if _, err := r.FinishSignOn(t.Context(), in, stranger()); err != nil {
				t.Fatal(err)
			}
			over(t, in)
			late := way(t, r, fake, "school")
			r.Advance(11 * time.Minute)
			over(t, late)
		})
		t.Run("MixUp", func(t *testing.T) {
			in := way(t, r, fake, "school")
			in.Provider = "narrow"
			over(t, in)
			in = way(t, r, fake, "school")
			in.Issuer = other.URL
			over(t, in)
		})
		t.Run("ATokenThatDoesNotHold", func(t *testing.T) {
			fake.Lie = func(c jwt.MapClaims) { c["nonce"] = "another" }
			_, err := r.FinishSignOn(t.Context(), way(t, r, fake, "school"), stranger())
			refused(t, err, app.KindRejected, "sign_on_refused", "School did not sign you in (invalid_token). Try again, or ask whoever looks after it.")
			fake.Lie = nil
			in := way(t, r, fake, "school")
			in.Error, in.Code = "<script>", ""
			_, err = r.FinishSignOn(t.Context(), in, stranger())
			refused(t, err, app.KindRejected, "sign_on_refused", "School did not sign you in (error). Try again, or ask whoever looks after it.")
		})
		t.Run("OtherDomains", func(t *testing.T) {
			for _, person := range []map[string]any{{"sub": "a", "email": "a@evil.example", "email_verified": true}, {"sub": "b", "email": "b@school.example", "email_verified": false},
				{"sub": "c"}, {"sub": "d", "email": "d@school.example@evil.example", "email_verified": true}} {
				other.Person = person
				_, err := r.FinishSignOn(t.Context(), way(t, r, other, "narrow"), stranger())
				refused(t, err, app.KindForbidden, "sign_on_no_account", "")
			}
		})
		t.Run("OnlyOwnPaths", func(t *testing.T) {
			for _, to := range []string{"https://evil.example", "//evil.example", `/\evil.example`, "/%0a//evil.example\n", "javascript:alert(1)", "evil", "", "/api/v1/login/logout", "/" + strings.Repeat("a", 3000)} {
				begun, err := r.BeginSignOn(t.Context(), "school", backAt, to)
				if err != nil {
					t.Fatal(err)
				}
				done, err := r.FinishSignOn(t.Context(), returned(t, fake, "school", begun), stranger())
				if err != nil || done.To != "/" {
					t.Errorf("%q: got %+v, %v", to, done, err)
				}
			}
		})
		t.Run("Down", func(t *testing.T) {
			dead := signontest.New(t)
			dead.Answer["/.well-known/openid-configuration"] = func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }
			r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn = []config.SignOn{provider(dead, "dead")} })
			_, err := r.BeginSignOn(t.Context(), "dead", backAt, "/")
			refused(t, err, app.KindUnavailable, "sign_on_down", "")
			_, err = r.BeginSignOn(t.Context(), "nobody", backAt, "/")
			refused(t, err, app.KindNotFound, "not_found", "")
		})
	})
}

func TestSignOnSecondFactor(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake := signontest.New(t)
		for setting, asks := range map[string]map[string]bool{
			config.SecondFactorTrusted: {"pwd": false}, config.SecondFactorAsk: {"mfa": true}, config.SecondFactorClaimed: {"pwd": true, "mfa": false}} {
			p := provider(fake, "school")
			p.SecondFactor = setting
			r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn, c.Auth.TwoFactor = []config.SignOn{p}, config.TwoFactorStaff })
			for amr, want := range asks {
				u := twoFactored(t, r, app.RoleTeacher)
				fake.Person = map[string]any{"sub": u.ID, "email": u.Email, "email_verified": true, "amr": []any{amr}}
				done, err := r.FinishSignOn(t.Context(), way(t, r, fake, "school"), stranger())
				if err != nil || (done.Tokens.Pending != "") != want {
					t.Errorf("%s, %s: got %+v, %v", setting, amr, done, err)
				}
				// Of staff without it, it is asked where the provider does not do it.
				fake.Person = map[string]any{"sub": store.NewID(), "name": "Tess", "groups": []any{"Teachers"}, "amr": []any{amr}}
				if actor, _ := signedOn(t, r, fake, "school"); actor.MustSetUp != want {
					t.Errorf("%s, %s: must set up: %v", setting, amr, actor.MustSetUp)
				}
			}
		}
	})
}

func TestIdentities(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		fake := signontest.New(t)
		r := apptest.NewStopped(t, dbURL, func(c *config.Config) { c.Auth.SignOn = []config.SignOn{provider(fake, "school")} })
		u := account(t, r, app.RoleTeacher)
		tokens := signIn(t, r, u)
		actor, err := r.Authenticate(t.Context(), tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.BeginLink(t.Context(), actor, "school", backAt, "/account", app.Proof{Password: "wrong"})
		refused(t, err, app.KindRejected, "wrong_password", "")
		link := func(token string) error {
			t.Helper()
			begun, err := r.BeginLink(t.Context(), actor, "school", backAt, "/account", app.Proof{Password: password})
			if err != nil {
				t.Fatal(err)
			}
			in := returned(t, fake, "school", begun)
			in.Token = token
			done, err := r.FinishSignOn(t.Context(), in, stranger())
			if err == nil && (done.Tokens != nil || done.To != "/account") {
				t.Errorf("got %+v", done)
			}
			return err
		}
		fake.Person = map[string]any{"sub": "mine", "email": "other@school.example", "email_verified": true}
		for _, token := range []string{"", signIn(t, r, u).Access, signIn(t, r, account(t, r, app.RoleTeacher)).Access} {
			refused(t, link(token), app.KindRejected, "sign_on_over", "") // another browser
		}
		if err := link(tokens.Access); err != nil {
			t.Fatal(err)
		}
		refused(t, link(tokens.Access), app.KindConflict, "sign_on_linked", "")
		if as, _ := signedOn(t, r, fake, "school"); as.User.ID != u.ID {
			t.Errorf("got %+v", as.User)
		}
		rows, err := r.Identities(t.Context(), actor)
		if err != nil || len(rows) != 1 || rows[0].Provider != "school" {
			t.Fatalf("got %+v, %v", rows, err)
		}
		stranger := r.User(t, app.RoleTeacher, "T")
		refused(t, r.Unlink(t.Context(), stranger, rows[0].ID), app.KindNotFound, "not_found", "")
		r.Exec(t, "UPDATE users SET password_hash = NULL WHERE id = ?", u.ID)
		refused(t, r.Unlink(t.Context(), actor, rows[0].ID), app.KindConflict, "sign_on_last", "")
		r.Exec(t, "UPDATE users SET password_hash = 'x' WHERE id = ?", u.ID)
		if err := r.Unlink(t.Context(), actor, rows[0].ID); err != nil {
			t.Fatal(err)
		}
	})
}
