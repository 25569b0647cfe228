package app_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestSetUp(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		first, err := r.Operator().SetupToken(t.Context())
		if err != nil || len(first) < 32 {
			t.Fatalf("got %q, %v, want a long token", first, err)
		}
		token, err := r.Operator().SetupToken(t.Context())
		if err != nil || token == first {
			t.Fatalf("got %q, %v, want a new token", token, err)
		}
		if strings.Contains(r.Dump(t), token) {
			t.Error("the token itself is stored")
		}
		try := func(token, login, pw string) error {
			_, err := r.SetUp(t.Context(), app.FirstAdmin{Token: token, Email: login, FullName: "Root", Password: secret.Text(pw)}, app.Client{})
			return err
		}
		t.Run("OldToken", func(t *testing.T) {
			refused(t, try(first, "root@example.org", password), app.KindForbidden, "setup_done", "")
		})
		t.Run("WrongToken", func(t *testing.T) {
			for _, wrong := range []string{"", token + "x", strings.ToUpper(token)} {
				refused(t, try(wrong, "root@example.org", password), app.KindForbidden, "setup_done", "")
			}
		})
		t.Run("BadInputDoesNotSpendIt", func(t *testing.T) {
			refused(t, try(token, "root", password), app.KindInvalid, "invalid", "")
			refused(t, try(token, "root@example.org", "short"), app.KindInvalid, "invalid", "")
			taken := account(t, r, app.RoleGuest)
			r.Exec(t, "DELETE FROM users WHERE role = ?", app.RoleSuperAdmin)
			refused(t, try(token, strings.ToUpper(taken.Email), password), app.KindConflict, "exists", "User already exists")
		})
		t.Run("TakesAUserNameAsJoiningDoes", func(t *testing.T) {
			named := func(name string) error {
				_, err := r.SetUp(t.Context(), app.FirstAdmin{Token: token, Username: &name, Password: password}, app.Client{})
				return err
			}
			for name, field := range map[string]string{" ": "email", "ada@home": "username", "аda": "username", strings.Repeat("x", 65): "username"} {
				if err := named(name); app.KindOf(err) != app.KindInvalid || !strings.HasPrefix(err.Error(), "invalid: "+field+": ") {
					t.Errorf("%q: got %v, want %s refused", name, err, field)
				}
			}
			taken := account(t, r, app.RoleGuest)
			r.Exec(t, "DELETE FROM users WHERE role = ?", app.RoleSuperAdmin)
			refused(t, named(strings.ToUpper(*taken.Username)), app.KindRejected, "username_taken", "")
		})
		t.Run("TenAtOnce", func(t *testing.T) {
			var done, spent atomic.Int32
			var all sync.WaitGroup
			for i := range 10 {
				all.Go(func() {
					in := app.FirstAdmin{Token: token, Email: string(rune('a'+i)) + "@example.org", FullName: "Root", Password: password}
					tokens, err := r.SetUp(t.Context(), in, app.Client{})
					if err != nil {
						refused(t, err, app.KindForbidden, "setup_done", "")
						spent.Add(1)
						return
					}
					done.Add(1)
					if actor, err := r.Authenticate(t.Context(), tokens.Access); err != nil || actor.User.Role != app.RoleSuperAdmin {
						t.Errorf("got %+v, %v, want the super admin", actor, err)
					}
				})
			}
			all.Wait()
			if done.Load() != 1 || spent.Load() != 9 {
				t.Errorf("got %d accounts and %d refusals, want 1 and 9", done.Load(), spent.Load())
			}
			lines, err := storetest.All(r.DB.AuditEntries(t.Context(), store.AuditFilter{ActorID: "operator", Action: "user.create"}, "", 10))
			if err != nil || len(lines) != 1 || lines[0].TargetType != "user" {
				t.Errorf("got lines %+v, %v, want one of the operator", lines, err)
			}
		})
		t.Run("NoTokenAnyMore", func(t *testing.T) {
			if got, err := r.Operator().SetupToken(t.Context()); got != "" || err != nil {
				t.Errorf("got %q, %v, want none", got, err)
			}
			refused(t, try(token, "second@example.org", password), app.KindForbidden, "setup_done", "")
		})
	})
}

func TestSetUpWithoutEmail(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		token, err := r.Operator().SetupToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		name := "Frau  Lehrer"
		if _, err := r.SetUp(t.Context(), app.FirstAdmin{Token: token, Username: &name, Password: password}, app.Client{}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.SignIn(t.Context(), "frau lehrer", password, app.Client{}); err != nil {
			t.Errorf("sign in by the name: %v", err)
		}
		u, err := r.DB.UserByLogin(t.Context(), name)
		if err != nil || u.Role != app.RoleSuperAdmin || !app.WithoutEmail(u) || u.Name() != "Frau Lehrer" {
			t.Errorf("got %+v, %v, want a super admin without an e-mail address", u, err)
		}
	})
}

func TestEnsureSuperAdmin(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ login, email, username string }{
		"Email":     {"Root@Example.org", "Root@Example.org", "admin"},
		"PlainName": {"boss", "boss", "boss"},
		"Blanks":    {" boss ", "boss", "boss"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			storetest.EachURL(t, func(t *testing.T, url string) {
				r := apptest.NewStopped(t, url, func(cfg *config.Config) { cfg.Auth.SuperAdmin, cfg.Auth.SuperAdminPassword = c.login, password })
				made, err := r.Operator().EnsureSuperAdmin(t.Context())
				if err != nil || made != c.email {
					t.Fatalf("got %q, %v, want %q", made, err, c.email)
				}
				u, err := r.DB.UserByLogin(t.Context(), c.username)
				if err != nil || u.Email != c.email || u.Username == nil || *u.Username != c.username || u.Role != app.RoleSuperAdmin {
					t.Errorf("got %+v, %v", u, err)
				}
				before := u.PasswordHash
				for _, login := range []string{c.username, strings.ToUpper(c.email)} {
					if _, err := r.SignIn(t.Context(), login, password, app.Client{}); err != nil {
						t.Errorf("sign in as %q: %v", login, err)
					}
				}
				r.Config.Auth.SuperAdmin, r.Config.Auth.SuperAdminPassword = "another@example.org", "another password"
				if made, err := r.Operator().EnsureSuperAdmin(t.Context()); made != "" || err != nil {
					t.Errorf("with a super admin: got %q, %v, want nothing to happen", made, err)
				}
				if got := hash(t, r, u.ID); got != before {
					t.Error("the account was touched")
				}
			})
		})
	}
	t.Run("Refusals", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			r := apptest.NewStopped(t, url)
			if made, err := r.Operator().EnsureSuperAdmin(t.Context()); made != "" || err != nil {
				t.Errorf("without a setting: got %q, %v", made, err)
			}
			u := account(t, r, app.RoleTeacher)
			r.Exec(t, "DELETE FROM users WHERE role = ?", app.RoleSuperAdmin)
			before := hash(t, r, u.ID)
			for _, login := range []string{u.Email, strings.ToUpper(u.Email), *u.Username} {
				r.Config.Auth.SuperAdmin, r.Config.Auth.SuperAdminPassword = login, password
				if made, err := r.Operator().EnsureSuperAdmin(t.Context()); made != "" || err == nil || !strings.Contains(err.Error(), "no super admin") {
					t.Errorf("%q is taken: got %q, %v, want a refusal that says so", login, made, err)
				}
			}
			if after, err := r.DB.User(t.Context(), u.ID); err != nil || after.Role != app.RoleTeacher || after.PasswordHash != before {
				t.Errorf("the account was touched: %+v, %v", after, err)
			}
			r.Config.Auth.SuperAdmin, r.Config.Auth.SuperAdminPassword = "root@example.org", "short"
			if _, err := r.Operator().EnsureSuperAdmin(t.Context()); err == nil || strings.Contains(err.Error(), "short") {
				t.Errorf("a short password: got %v, want a refusal that does not repeat it", err)
			}
		})
	})
	t.Run("AdminIsTaken", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			r := apptest.NewStopped(t, url)
			name := "Admin"
			if _, err := r.CreateUser(t.Context(), r.User(t, app.RoleAdmin, "Ada"), app.NewUser{Email: "x@example.org", Username: &name}); err != nil {
				t.Fatal(err)
			}
			u, err := r.Operator().CreateSuperAdmin(t.Context(), "root@example.org", "Root", password)
			if err != nil || u.Username != nil {
				t.Errorf("got %+v, %v, want an account without a user name", u, err)
			}
		})
	})
	t.Run("TwoNodesAtOnce", func(t *testing.T) {
		t.Parallel()
		storetest.EachURL(t, func(t *testing.T, url string) {
			r := apptest.NewStopped(t, url, func(cfg *config.Config) {
				cfg.Auth.SuperAdmin, cfg.Auth.SuperAdminPassword = "root@example.org", password
			})
			var made atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					who, err := r.Operator().EnsureSuperAdmin(t.Context())
					if err != nil {
						t.Error(err)
					}
					if who != "" {
						made.Add(1)
					}
				})
			}
			all.Wait()
			if made.Load() != 1 {
				t.Errorf("made %d accounts, want 1", made.Load())
			}
		})
	})
}

func TestCheckEncryption(t *testing.T) {
	t.Parallel()
	const old, other = secret.Text("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="), secret.Text("enl4d3Z1dHNycXBvbm1sa2ppaGdmZWRjYmE5ODc2NTQ=")
	storetest.EachURL(t, func(t *testing.T, url string) {
		with := func(keys ...secret.Text) error {
			return apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.EncryptionKeys = keys }).Operator().CheckEncryption(t.Context())
		}
		for _, c := range []struct {
			name string
			keys []secret.Text
			ok   bool
		}{
			{"FirstStart", []secret.Text{old}, true}, {"Again", []secret.Text{old}, true}, {"WrongKey", []secret.Text{other}, false},
			{"NewKeyInFront", []secret.Text{other, old}, true}, {"StillTheFirst", []secret.Text{old}, true}, {"StillWrong", []secret.Text{other}, false},
		} {
			t.Run(c.name, func(t *testing.T) {
				err := with(c.keys...)
				if (err == nil) != c.ok {
					t.Errorf("got %v, want ok %v", err, c.ok)
				}
				if err != nil && (!strings.Contains(err.Error(), "encryption_keys") || strings.Contains(err.Error(), other.Reveal())) {
					t.Errorf("got %v, want the remedy without the key", err)
				}
			})
		}
	})
}
