package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/signon/signontest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// TestSecretKeysBefore: a new secret key signs nobody out while the old one is kept behind it.
func TestSecretKeysBefore(t *testing.T) {
	t.Parallel()
	const first, second = secret.Text("first-0123456789-0123456789-0123456789"), secret.Text("second-0123456789-0123456789-0123456789")
	storetest.EachURL(t, func(t *testing.T, url string) {
		fake := signontest.New(t)
		fake.Person = map[string]any{"sub": "1", "name": "Ada Lovelace", "email": "ada@school.example", "email_verified": true}
		with := func(now secret.Text, before ...secret.Text) *apptest.Rig {
			return apptest.NewStopped(t, url, func(c *config.Config) {
				c.Auth.SecretKey, c.Auth.SecretKeysBefore, c.Auth.SignOn = now, before, []config.SignOn{provider(fake, "school")}
			})
		}
		old, both, after := with(first), with(second, first), with(second)
		must(t, old.Operator().CheckEncryption(t.Context()))
		_, _, err := old.Operator().SeedAdmin(t.Context(), "root", password)
		must(t, err)
		was, err := old.SignIn(t.Context(), "root", password, app.Client{})
		must(t, err)
		if _, err := both.Authenticate(t.Context(), was.Access); err != nil {
			t.Errorf("the old token beside the new key: %v", err)
		}
		if _, err := after.Authenticate(t.Context(), was.Access); app.KindOf(err) != app.KindUnauthenticated {
			t.Errorf("the old token without the old key: got %v", err)
		}
		is, err := both.SignIn(t.Context(), "root", password, app.Client{})
		must(t, err)
		if _, err := after.Authenticate(t.Context(), is.Access); err != nil {
			t.Errorf("a new token: %v", err)
		}
		if _, err := old.Authenticate(t.Context(), is.Access); err == nil {
			t.Error("the old key signs still")
		}
		// What a browser keeps on its way is a note, and lives on as tokens do.
		if _, err := both.FinishSignOn(t.Context(), way(t, old, fake, "school"), stranger()); err != nil {
			t.Errorf("a way to a provider that began under the old key: %v", err)
		}
		if _, err := after.FinishSignOn(t.Context(), way(t, old, fake, "school"), stranger()); err == nil {
			t.Error("a way to a provider that began under the old key ends well without it")
		}
		u := account(t, old, app.RoleTeacher)
		apptest.SetTwoFactor(t, old.DB, old.Config, u.ID)
		begun, err := old.SignIn(t.Context(), u.Email, password, stranger())
		must(t, err)
		code := apptest.Code(t, apptest.AppKey, old.Now())
		if _, err := after.SignInWithCode(t.Context(), begun.Pending, code, stranger()); err == nil {
			t.Error("a sign-in that began under the old key ends well without it")
		}
		if _, err := both.SignInWithCode(t.Context(), begun.Pending, code, stranger()); err != nil {
			t.Errorf("a sign-in that began under the old key: %v", err)
		}
	})
}
