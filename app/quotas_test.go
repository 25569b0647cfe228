package app_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// Nobody but admins stores more than the quotas say, also of two at once.
func TestQuotas(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) {
			c.Quotas = config.Quotas{Organizations: 3, Projects: 3, Courses: 3, Templates: 3, Threads: 3, Keys: 3, AccessTokens: 3, Sessions: 3, Stored: 256 << 10,
				RoomsPerCourse: 3, AnnouncementsPerCourse: 3, ReportsPerCourse: 3, WorkflowsPerCourse: 3, MembersPerCourse: 6, MembersPerOrganization: 3,
				AgentsPerProject: 5, Artifacts: 256 << 10}
		})
		c := r.Class(t) // its teacher has one organisation, project and course
		ctx := t.Context()
		org, err := storetest.All(r.DB.OrganizationsOf(ctx, c.Teacher.User.ID, store.Page{}))
		must(t, err)
		text := func(n int) app.AgentSettings {
			return app.AgentSettings{Type: app.Some("teacher"), ModelProvider: app.Some("offline"), SystemPrompt: app.Some(strings.Repeat("x", n))}
		}
		there := func(kind store.Placed, place string) (n int) {
			t.Helper()
			must(t, r.DB.InTx(ctx, func(tx *store.Tx) (err error) { n, err = tx.CountPlaced(ctx, kind, place); return err }))
			return n
		}
		rooms, members, agents := there(store.PlacedRooms, c.Course.ID), there(store.PlacedCourseMembers, c.Course.ID), there(store.PlacedAgents, c.Project.ID)
		colleagues := there(store.PlacedOrganizationMembers, c.Project.OrganizationID)
		graph, err := r.Workflow(ctx, c.Teacher, "direct")
		must(t, err)
		strangers := make(chan *app.Actor, 40)
		for range cap(strangers) {
			strangers <- r.User(t, app.RoleStudent, "Stranger")
		}
		for name, rule := range map[string]struct {
			kind any
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
			"AccessTokens": {store.OwnedTokens, 3, func(who *app.Actor) error {
				_, _, err := r.CreateAccessToken(ctx, who, app.NewAccessToken{Name: "x", Scopes: []app.Scope{app.ScopeRead}, Days: 1})
				return err
			}},
			"Rooms": {store.PlacedRooms, 3 - rooms, func(who *app.Actor) error {
				_, err := r.CreateRoom(ctx, who, c.Course.ID, app.RoomSettings{Name: app.Some("Room")})
				return err
			}},
			"Announcements": {store.PlacedAnnouncements, 3, func(who *app.Actor) error {
				_, err := r.Announce(ctx, who, c.Course.ID, app.AnnouncementTexts{Title: app.Some("News"), Content: app.Some("-")})
				return err
			}},
			"Workflows": {store.PlacedWorkflows, 3, func(who *app.Actor) error {
				_, err := r.CreateWorkflow(ctx, who, c.Course.ID, app.WorkflowSettings{Name: app.Some(store.NewID()), Graph: app.Some(json.RawMessage(graph.Graph))})
				return err
			}},
			"Members": {store.PlacedCourseMembers, 6 - members, func(who *app.Actor) error {
				_, err := r.Enrol(ctx, who, c.Course.ID, app.Person{ID: (<-strangers).User.ID}, "")
				return err
			}},
			"Colleagues": {store.PlacedOrganizationMembers, 3 - colleagues, func(who *app.Actor) error {
				_, err := r.AddOrganizationMember(ctx, who, c.Project.OrganizationID, app.Person{Email: (<-strangers).User.Email}, "member")
				return err
			}},
			"Agents": {store.PlacedAgents, 5 - agents, func(who *app.Actor) error {
				s := text(1)
				s.Name = app.Some(store.NewID())
				_, err := r.CreateAgent(ctx, who, c.Project.ID, s)
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
						} else if refused(t, err, app.KindConflict, "quota", ""); !strings.Contains(err.Error(), fmt.Sprint("quotas.", rule.kind)) {
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
		t.Run("Joining", func(t *testing.T) { // a course that is full
			code, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
			must(t, err)
			_, err = r.JoinCourse(ctx, <-strangers, code.Code)
			refused(t, err, app.KindConflict, "quota", "")
		})
		t.Run("Reports", func(t *testing.T) {
			must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
				for range 4 {
					rp := &store.Report{ID: store.NewID(), CourseID: c.Course.ID, CreatedBy: c.Teacher.User.ID, ReportType: "course", Title: "R",
						State: store.ReportDone, CreatedAt: c.Course.CreatedAt, UpdatedAt: c.Course.CreatedAt, Version: 1}
					if err := tx.CreateReport(ctx, rp); err != nil {
						return err
					}
				}
				return nil
			}))
			_, err := r.SetSystemAgent(ctx, c.Admin, "analytics", app.AgentSettings{ModelProvider: app.Some("offline")})
			must(t, err)
			_, err = r.GenerateReport(ctx, c.Teacher, c.Course.ID)
			refused(t, err, app.KindConflict, "quota", "")
		})
		t.Run("Sessions", func(t *testing.T) {
			who := r.User(t, app.RoleTeacher, "Tess") // with one session
			for range 5 {
				must(t, r.DB.InTx(ctx, func(tx *store.Tx) error {
					s := &store.Session{ID: store.NewID(), UserID: who.User.ID, Generation: 1, RotatedAt: r.Now(), CreatedAt: r.Now(), ExpiresAt: r.Now().Add(1e12)}
					if err := tx.CreateSession(ctx, s); err != nil {
						return err
					}
					return tx.EndOldSessions(ctx, who.User.ID, 3, "too many newer ones", r.Now())
				}))
			}
			if open, err := r.DB.SessionsOf(ctx, who.User.ID, r.Now(), store.Page{}); err != nil || len(open) != 3 {
				t.Errorf("got %d sessions, %v, want the newest 3", len(open), err)
			}
			if _, err := r.Recheck(ctx, who); err == nil {
				t.Error("the oldest session is still good")
			}
		})
		t.Run("StoredInCourses", func(t *testing.T) {
			r.Config.Quotas.AnnouncementsPerCourse = 1000
			var err error
			for n := 0; err == nil && n < 60; n++ {
				_, err = r.Announce(ctx, c.TA, c.Course.ID, app.AnnouncementTexts{Title: app.Some("News"), Content: app.Some(strings.Repeat("x", 9_000))})
			}
			refused(t, err, app.KindConflict, "quota", "")
		})
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
