package app_test

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ownFolder keeps the accounts that the demo writes down out of the default
// data folder.
func ownFolder(t *testing.T) func(*config.Config) {
	dir := t.TempDir()
	return func(c *config.Config) { c.DataDir = dir }
}

func TestSeedDemo(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("AReportCanBeMade", func(t *testing.T) {
			r := apptest.New(t, url, ownFolder(t))
			ctx := t.Context()
			for _, fresh := range []bool{true, false} {
				if demo, err := r.Operator().SeedDemo(ctx); err != nil || demo.Fresh != fresh {
					t.Fatalf("got %+v, %v, want fresh %t", demo, err, fresh)
				}
			}
			u, err := r.DB.UserByLogin(ctx, app.RoleTeacher)
			must(t, err)
			teacher := &app.Actor{User: *u}
			courses, err := storetest.All(r.Courses(ctx, teacher, false, store.Page{Limit: 2}))
			must(t, err)
			rooms, err := storetest.All(r.Rooms(ctx, teacher, courses[0].ID, store.Page{Limit: 2}))
			must(t, err)
			post(t, r, teacher, rooms[0].ID, "What do plants eat?")
			rp, err := r.GenerateReport(ctx, teacher, courses[0].ID)
			if err != nil || rp.State != store.ReportDone || rp.Content == "" {
				t.Errorf("got %+v, %v, want a report", rp, err)
			}
		})
		t.Run("AnAdminsAnalystStays", func(t *testing.T) {
			r := apptest.NewStopped(t, storeOf(t, url), ownFolder(t))
			ctx := t.Context()
			_, err := r.SetSystemAgent(ctx, r.User(t, app.RoleAdmin, "Ada"), store.AgentAnalytics,
				app.AgentSettings{SystemPrompt: app.Some("Mine"), IsActive: app.Some(false)})
			must(t, err)
			_, err = r.Operator().SeedDemo(ctx)
			must(t, err)
			if ag, err := r.DB.SystemAgent(ctx, store.AgentAnalytics); err != nil || ag.SystemPrompt != "Mine" || ag.IsActive {
				t.Errorf("got %+v, %v, want what the admin made", ag, err)
			}
		})
		t.Run("NamesThatAreTaken", func(t *testing.T) {
			r := apptest.NewStopped(t, storeOf(t, url), ownFolder(t))
			ctx := t.Context()
			if _, made, err := r.Operator().SeedAdmin(ctx, "root@example.org", password); err != nil || !made {
				t.Fatalf("made %t, %v", made, err)
			}
			name := "Teacher"
			_, err := r.CreateUser(ctx, r.User(t, app.RoleSuperAdmin, "Root"), app.NewUser{Email: "student@demo.example", Username: &name, Role: app.RoleGuest})
			must(t, err)
			for _, fresh := range []bool{true, false} {
				demo, err := r.Operator().SeedDemo(ctx)
				if err != nil || demo.Fresh != fresh {
					t.Fatalf("got %+v, %v, want fresh %t", demo, err, fresh)
				}
				accounts := accountsIn(t, demo.File)
				for _, name := range []string{"demo_teacher", "ta", "demo_student", "guest", "demo_admin", "super_admin"} {
					if _, err := r.SignIn(ctx, name, accounts[name], app.Client{}); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
				if len(accounts) != 6 {
					t.Errorf("got %v", accounts)
				}
			}
			if u, made, err := r.Operator().SeedAdmin(ctx, "ROOT@example.org", "another horse battery"); err != nil || made || u.Email != "root@example.org" {
				t.Errorf("the second time: got %+v, %t, %v", u, made, err)
			}
			_, _, err = r.Operator().SeedAdmin(ctx, "ta", password)
			refused(t, err, app.KindConflict, "user_exists", "")
		})
		t.Run("NothingOutsideBeforeTheCommit", func(t *testing.T) {
			r := apptest.NewStopped(t, storeOf(t, url), ownFolder(t))
			ctx, stop := context.WithCancel(t.Context())
			stop()
			if _, err := r.Operator().SeedDemo(ctx); err == nil {
				t.Fatal("made the demo without a database")
			}
			path := filepath.Join(r.Config.DataDir, "demo.txt")
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("there is a file: %v", err)
			}
			must(t, os.WriteFile(path, []byte("The accounts of another database"), 0o600))
			if file, err := r.Operator().DemoFile(t.Context()); file != "" || err != nil {
				t.Errorf("tells of %q, %v", file, err)
			}
			demo, err := r.Operator().SeedDemo(t.Context())
			must(t, err)
			first := accountsIn(t, demo.File)
			must(t, os.Remove(demo.File)) // as if the process had ended right after the commit
			_, err = r.Operator().SeedDemo(t.Context())
			must(t, err)
			if again := accountsIn(t, path); len(again) != 6 || !maps.Equal(first, again) {
				t.Errorf("got %v, then %v", first, again)
			}
			must(t, r.Operator().SetPassword(t.Context(), "ta", "another horse battery"))
			if file, err := r.Operator().DemoFile(t.Context()); file != "" || err != nil {
				t.Errorf("tells of %q, %v, which has an old password", file, err)
			}
			_, err = r.Operator().SeedDemo(t.Context())
			must(t, err)
			if again := accountsIn(t, path); len(again) != 5 || again["ta"] != "" {
				t.Errorf("got %v", again)
			}
			if file, err := r.Operator().DemoFile(t.Context()); file != path || err != nil {
				t.Errorf("tells of %q, %v", file, err)
			}
		})
	})
}

// accountsIn reads what seed-demo leaves for people.
func accountsIn(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	accounts := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 {
			accounts[fields[0]] = fields[1]
		}
	}
	return accounts
}
