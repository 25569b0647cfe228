package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store/storetest"
)

// The commands and the set-up link can be used in any order, and twice.
func TestFirstStepsInAnyOrder(t *testing.T) {
	t.Parallel()
	const root, first = "root@example.org", "first@example.org"
	storetest.EachURL(t, func(t *testing.T, url string) {
		for _, order := range [][]string{{"admin", "demo", "link"}, {"admin", "link", "demo"}, {"demo", "admin", "link"},
			{"demo", "link", "admin"}, {"link", "admin", "demo"}, {"link", "demo", "admin"}} {
			r := apptest.NewStopped(t, storeOf(t, url), ownFolder(t))
			ctx := t.Context()
			linked := false
			steps := map[string]func() error{
				"admin": func() error { _, _, err := r.Operator().SeedAdmin(ctx, root, password); return err },
				"demo":  func() error { _, err := r.Operator().SeedDemo(ctx); return err },
				"link": func() error {
					token, err := r.Operator().SetupToken(ctx)
					if err != nil || token == "" { // there is a super admin already
						return err
					}
					linked = true
					_, err = r.SetUp(ctx, app.FirstAdmin{Token: token, Email: first, Password: password}, app.Client{})
					return err
				},
			}
			for _, step := range append(order, order...) {
				if err := steps[step](); err != nil {
					t.Fatalf("%v: %s: %v", order, step, err)
				}
			}
			must(t, r.Operator().SetPassword(ctx, root, "another horse battery"))
			accounts := map[string]string{root: "another horse battery", app.RoleStudent: ""}
			if linked {
				accounts[first] = password
			}
			file, err := r.Operator().DemoFile(ctx)
			must(t, err)
			accounts[app.RoleStudent] = accountsIn(t, file)[app.RoleStudent]
			for login, pw := range accounts {
				if _, err := r.SignIn(ctx, login, pw, app.Client{}); err != nil {
					t.Errorf("%v: %s: %v", order, login, err)
				}
			}
			if linked != (order[0] == "link") {
				t.Errorf("%v: the link was made: %t", order, linked)
			}
		}
	})
}
