package app_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestDeleteUser(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		admin, super := r.User(t, app.RoleAdmin, "Ada"), r.User(t, app.RoleSuperAdmin, "Root")
		t.Run("LinesStay", func(t *testing.T) {
			c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
			gone := c.Student.User
			for _, line := range []string{`I am "quoted" \ <b>`, "second"} {
				if _, err := r.PostMessage(ctx, c.Student, c.Room.ID, line, store.NewID()); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := r.PostMessage(ctx, c.Teacher, c.Room.ID, "mine", ""); err != nil {
				t.Fatal(err)
			}
			sue, tess := r.Join(t, c.Student, c.Room.ID, true, -1), r.Join(t, c.Teacher, c.Room.ID, true, -1)
			counts := func() store.Counts {
				t.Helper()
				_, counts, err := r.DeleteUser(ctx, admin, gone.ID, true)
				if err != nil {
					t.Fatal(err)
				}
				return counts
			}
			if got := counts(); got["messages"] != 2 || got["courses"] != 1 || got["courses_transferred"] != 0 {
				t.Errorf("got %v", got)
			}
			u, _, err := r.DeleteUser(ctx, admin, gone.ID, false)
			if err != nil || u.ID != gone.ID || u.Email != gone.Email {
				t.Fatalf("got %+v, %v, want the account as it was", u, err)
			}
			if code := sue.AwaitClose(t); code != realtime.CloseSessionEnded {
				t.Errorf("the socket: got %d, want %d", code, realtime.CloseSessionEnded)
			}
			lines, err := storetest.All(r.History(ctx, c.Teacher, c.Room.ID, 0, 0))
			if err != nil || len(lines) != 3 || event.SenderName(&lines[0]) != "deleted user" || lines[0].SenderID != "" || lines[0].Content != `I am "quoted" \ <b>` {
				t.Errorf("got %+v, %v", lines, err)
			}
			tess.Seat.Resume(0)
			frame := tess.Await(t, "the lines again", func(f apptest.Frame) bool { return f.Fields["content"] == "second" })
			if frame.Fields["sender"] != "deleted user" || strings.Contains(frame.Text, gone.ID) {
				t.Errorf("got %s", frame.Text)
			}
			events, err := r.DB.Events(ctx, c.Room.ID, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range events {
				if strings.Contains(string(e.Body), gone.ID) || strings.Contains(string(e.Body), gone.Name()) {
					t.Errorf("an event keeps the person: %s", e.Body)
				}
			}
			if last := string(events[len(events)-1].Body); !strings.Contains(last, `"Tess"`) || !strings.Contains(last, c.Teacher.User.ID) {
				t.Errorf("another's event: got %s", last)
			}
			_, _, err = r.DeleteUser(ctx, admin, gone.ID, false)
			refused(t, err, app.KindNotFound, "", "User not found")
			_, _, err = r.DeleteUser(ctx, admin, gone.ID, true)
			refused(t, err, app.KindNotFound, "", "User not found")
		})
		t.Run("WhatTheyOwnPassesOn", func(t *testing.T) {
			c := r.Class(t)
			org, err := r.DB.Organization(ctx, c.Project.OrganizationID)
			if err != nil {
				t.Fatal(err)
			}
			if _, counts, err := r.DeleteUser(ctx, admin, c.Teacher.User.ID, true); err != nil || counts["courses_transferred"] != 1 || counts["organizations_transferred"] != 1 {
				t.Errorf("got %v, %v", counts, err)
			}
			if _, _, err := r.DeleteUser(ctx, admin, c.Teacher.User.ID, false); err != nil {
				t.Fatal(err)
			}
			course, err := r.Course(ctx, admin, c.Course.ID)
			if err != nil || course.OwnerID != admin.User.ID {
				t.Errorf("got %+v, %v, want the admin's", course, err)
			}
			if err := r.DB.InTx(ctx, func(tx *store.Tx) error { return tx.UpdateOrganization(ctx, org) }); !errors.Is(err, store.ErrStale) {
				t.Errorf("an edit of the organisation as it was: got %v, want stale", err)
			}
			orgs, err := storetest.All(r.Organizations(ctx, admin, store.Page{}))
			if err != nil || len(orgs) == 0 || orgs[0].OwnerID != admin.User.ID {
				t.Errorf("got %+v, %v, want the admin's", orgs, err)
			}
			members, err := r.ProjectMembers(ctx, admin, c.Project.ID, store.Page{})
			if got := rolesOf(t, members, err); len(got) != 1 || got[admin.User.ID] != "admin" {
				t.Errorf("got %v, want the admin, who owns its organisation", got)
			}
			for id, line := range map[string]string{c.Course.ID: "course.transfer", org.ID: "organization.transfer", c.Project.ID: "project.members"} {
				if got := strings.Join(logged(t, r, id), "\n"); !strings.Contains(got, line+" ") {
					t.Errorf("got\n%s\nwant %s", got, line)
				}
			}
			if agents, err := storetest.All(r.Agents(ctx, admin, c.Project.ID, store.Page{})); err != nil || len(agents) != 2 {
				t.Errorf("got %d agents, %v, want both kept", len(agents), err)
			}
		})
		t.Run("ProjectsPassToTheirOrganisation", func(t *testing.T) {
			c := r.Class(t)
			joe := r.User(t, app.RoleStudent, "Joe")
			_, err := r.AddOrganizationMember(ctx, c.Teacher, c.Project.OrganizationID, app.Person{ID: joe.User.ID}, "member")
			must(t, err)
			p, err := r.CreateProject(ctx, joe, c.Project.OrganizationID, "Joe's", nil)
			must(t, err)
			_, err = r.AddProjectMember(ctx, c.Teacher, c.Project.ID, app.Person{ID: joe.User.ID}, "admin")
			must(t, err)
			if _, counts, err := r.DeleteUser(ctx, admin, joe.User.ID, true); err != nil || counts["projects"] != 2 || counts["projects_transferred"] != 1 {
				t.Errorf("got %v, %v", counts, err)
			}
			_, _, err = r.DeleteUser(ctx, admin, joe.User.ID, false)
			must(t, err)
			for _, id := range []string{p.ID, c.Project.ID} {
				members, err := r.ProjectMembers(ctx, admin, id, store.Page{})
				if got := rolesOf(t, members, err); len(got) != 1 || got[c.Teacher.User.ID] != "admin" {
					t.Errorf("got %v, want the organisation's owner", got)
				}
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			student, other := r.User(t, app.RoleStudent, "Sue"), r.User(t, app.RoleAdmin, "Abe")
			del := func(by *app.Actor, id string) error { _, _, err := r.DeleteUser(ctx, by, id, false); return err }
			for _, who := range []*app.Actor{student, admin, super} {
				refused(t, del(who, who.User.ID), app.KindRejected, "", "Cannot delete your own account")
			}
			refused(t, del(student, other.User.ID), app.KindForbidden, "", "Not enough permissions")
			refused(t, del(r.User(t, app.RoleTeacher, "T"), student.User.ID), app.KindForbidden, "", "Not enough permissions")
			refused(t, del(admin, other.User.ID), app.KindForbidden, "", "Only Super Admins can delete Admin accounts")
			refused(t, del(admin, super.User.ID), app.KindForbidden, "", "Only Super Admins can delete Admin accounts")
			refused(t, del(nil, super.User.ID), app.KindUnauthenticated, "", "")
			refused(t, del(admin, store.NewID()), app.KindNotFound, "", "User not found")
			if err := del(super, other.User.ID); err != nil {
				t.Error(err)
			}
		})
		t.Run("SessionsEnd", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			tokens := signIn(t, r, u)
			if _, _, err := r.DeleteUser(ctx, admin, u.ID, false); err != nil {
				t.Fatal(err)
			}
			if signedIn(t, r, tokens) {
				t.Error("the session lives")
			}
		})
		// A line is either refused or disowned, however the two meet.
		t.Run("WhilePosting", func(t *testing.T) {
			c := r.Class(t, func(s *app.RoomSettings) { s.AIMode = app.Some(store.ModeOff) })
			var posted atomic.Int32
			var all sync.WaitGroup
			for range 6 {
				all.Go(func() {
					for range 10 {
						switch _, err := r.PostMessage(ctx, c.Student, c.Room.ID, "hello", ""); app.KindOf(err) {
						case app.KindInternal:
							if err != nil {
								t.Error(err)
							}
							posted.Add(1)
						default: // the account is gone
						}
					}
				})
			}
			all.Go(func() {
				if _, _, err := r.DeleteUser(ctx, admin, c.Student.User.ID, false); err != nil {
					t.Error(err)
				}
			})
			all.Wait()
			events, err := r.DB.Events(ctx, c.Room.ID, 0, 1000)
			if err != nil || len(events) != int(posted.Load()) {
				t.Errorf("got %d events, %v, want %d", len(events), err, posted.Load())
			}
			for _, e := range events {
				if strings.Contains(string(e.Body), c.Student.User.ID) {
					t.Fatalf("an event keeps the person: %s", e.Body)
				}
			}
		})
		t.Run("SuperAdminsDeleteEachOther", func(t *testing.T) {
			r.Exec(t, "UPDATE users SET role = 'teacher' WHERE id = ?", super.User.ID)
			a, b := r.User(t, app.RoleSuperAdmin, "A"), r.User(t, app.RoleSuperAdmin, "B")
			var done atomic.Int32
			var all sync.WaitGroup
			for by, of := range map[*app.Actor]*app.Actor{a: b, b: a} {
				all.Go(func() {
					if _, _, err := r.DeleteUser(ctx, by, of.User.ID, false); err == nil {
						done.Add(1)
					} else if app.KindOf(err) == app.KindInternal {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if done.Load() != 1 {
				t.Errorf("deleted %d, want 1", done.Load())
			}
		})
	})
}
