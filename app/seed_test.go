package app_test

import (
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// ownFolder keeps the accounts that the demo writes down out of the default
// data folder.
func ownFolder(t *testing.T) func(*app.Config) {
	dir := t.TempDir()
	return func(c *app.Config) { c.DataDir = dir }
}

func TestSeedDemo(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		t.Run("AReportCanBeMade", func(t *testing.T) {
			r := apptest.New(t, url, ownFolder(t))
			ctx := t.Context()
			for _, fresh := range []bool{true, false} {
				if demo, err := r.SeedDemo(ctx); err != nil || demo.Fresh != fresh {
					t.Fatalf("got %+v, %v, want fresh %t", demo, err, fresh)
				}
			}
			u, err := r.DB.UserByLogin(ctx, app.RoleTeacher)
			must(t, err)
			teacher := &app.Actor{User: *u}
			courses, err := r.Courses(ctx, teacher, store.Page{Limit: 2})
			must(t, err)
			rooms, err := r.Rooms(ctx, teacher, courses[0].ID, store.Page{Limit: 2})
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
			_, err := r.SetSystemAgent(ctx, r.User(t, app.RoleAdmin, "Ada"), app.AgentAnalytics,
				app.AgentSettings{SystemPrompt: app.Some("Mine"), IsActive: app.Some(false)})
			must(t, err)
			_, err = r.SeedDemo(ctx)
			must(t, err)
			if ag, err := r.DB.SystemAgent(ctx, app.AgentAnalytics); err != nil || ag.SystemPrompt != "Mine" || ag.IsActive {
				t.Errorf("got %+v, %v, want what the admin made", ag, err)
			}
		})
	})
}
