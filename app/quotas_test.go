package app_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Nobody but admins stores more than the quotas say, also of two at once.
func TestQuotas(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *app.Config) {
			c.Quotas = app.QuotasConfig{Organizations: 3, Projects: 3, Courses: 3, Templates: 3, Threads: 3, Keys: 3, Stored: 256 << 10}
		})
		c := r.Class(t) // its teacher has one organisation, project and course
		ctx := t.Context()
		org, err := storetest.All(r.DB.OrganizationsOf(ctx, c.Teacher.User.ID, store.Page{}))
		must(t, err)
		text := func(n int) app.AgentSettings {
			return app.AgentSettings{Type: app.Some("teacher"), ModelProvider: app.Some("offline"), SystemPrompt: app.Some(strings.Repeat("x", n))}
		}
		for name, rule := range map[string]struct {
			kind store.Owned
			free int
			make func(who *app.Actor) error
		}{
			"Organizations": {store.OwnedOrganizations, 2, func(who *app.Actor) error { _, err := r.CreateOrganization(ctx, who, "Club", nil); return err }},
			"Projects":      {store.OwnedProjects, 2, func(who *app.Actor) error { _, err := r.CreateProject(ctx, who, org[0].ID, "P", nil); return err }},
			"Courses":       {store.OwnedCourses, 2, func(who *app.Actor) error { _, err := r.CreateCourse(ctx, who, "Art", nil); return err }},
			"Templates":     {store.OwnedTemplates, 3, func(who *app.Actor) error { _, err := r.CreateTemplate(ctx, who, text(1)); return err }},
			"Threads": {store.OwnedThreads, 3, func(who *app.Actor) error {
				_, err := r.CreateThread(ctx, who, c.Project.ID, c.TeacherAgent.ID, app.ThreadSettings{})
				return err
			}},
			"Keys": {store.OwnedKeys, 3, func(who *app.Actor) error {
				_, err := r.CreateUserKey(ctx, who, app.NewUserKey{Provider: "openai", Alias: store.NewID(), Key: apptest.CanaryKey})
				return err
			}},
		} {
			t.Run(name, func(t *testing.T) {
				var made atomic.Int32
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						if err := rule.make(c.Teacher); err == nil {
							made.Add(1)
						} else if refused(t, err, app.KindConflict, "quota", ""); !strings.Contains(err.Error(), "quotas."+string(rule.kind)) {
							t.Errorf("got %v, want it to name the setting", err)
						}
					})
				}
				all.Wait()
				if int(made.Load()) != rule.free {
					t.Errorf("made %d, want %d", made.Load(), rule.free)
				}
				for range 5 {
					must(t, rule.make(c.Admin))
				}
			})
		}
		t.Run("Stored", func(t *testing.T) {
			who := r.User(t, app.RoleGuest, "Greta")
			ag, err := r.CreateTemplate(ctx, who, text(90_000))
			must(t, err)
			_, err = r.CreateTemplate(ctx, who, text(90_000))
			must(t, err)
			_, err = r.CreateTemplate(ctx, who, text(90_000))
			refused(t, err, app.KindConflict, "quota", "")
			_, err = r.KeepVersion(ctx, who, ag.ID, "")
			refused(t, err, app.KindConflict, "quota", "")
			_, err = r.UpdateAgent(ctx, who, ag.ID, text(10_000))
			must(t, err)
			_, err = r.KeepVersion(ctx, who, ag.ID, "")
			must(t, err)
			r.Config.Quotas.Stored = 64 << 10 // what is there goes on working, and may shrink
			_, err = r.UpdateAgent(ctx, who, ag.ID, text(9_000))
			must(t, err)
			_, err = r.UpdateAgent(ctx, who, ag.ID, text(9_001))
			refused(t, err, app.KindConflict, "quota", "")
			must(t, r.DeleteAgent(ctx, who, ag.ID))
			r.Config.Quotas.Stored = 256 << 10
		})
	})
}
