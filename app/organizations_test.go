package app_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// rolesOf are the roles of members by their ids.
func rolesOf(t *testing.T, members []app.Member, err error) map[string]string {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	roles := map[string]string{}
	for _, m := range members {
		roles[m.User.ID] = m.Role
	}
	return roles
}

// meanwhile has act wait for a transaction that holds something, which then
// makes the change, and returns what act came to.
func meanwhile(t *testing.T, r *apptest.Rig, hold, change func(*store.Tx) error, act func() error) error {
	t.Helper()
	done := make(chan error, 1)
	must(t, r.DB.InTx(t.Context(), func(tx *store.Tx) error {
		if err := hold(tx); err != nil {
			return err
		}
		var waiting func() bool
		if r.DB.Postgres() {
			waiting = func() (yes bool) {
				must(t, r.DB.Pool().QueryRow(t.Context(), "SELECT EXISTS (SELECT 1 FROM pg_stat_activity"+
					" WHERE datname = current_database() AND wait_event_type = 'Lock')").Scan(&yes))
				return yes
			}
		} else {
			waiting = func() bool { return r.DB.Waiting() > 0 }
		}
		go func() { done <- act() }()
		apptest.Await(t, "the other to wait", waiting)
		return change(tx)
	}))
	return <-done
}

// Who loses a right while waiting for others is refused, as the rights are asked
// again under the lock.
func TestRightsUnderTheLock(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		org, project, course := c.Project.OrganizationID, c.Project.ID, c.Course.ID
		joe, sue := r.User(t, app.RoleStudent, "Joe"), r.User(t, app.RoleTeacher, "Sue")
		boss := r.User(t, app.RoleTeacher, "Boss")
		_, err := r.AddProjectMember(ctx, c.Teacher, project, app.Person{ID: sue.User.ID}, "viewer")
		must(t, err)
		_, err = r.AddProjectMember(ctx, c.Teacher, project, app.Person{ID: boss.User.ID}, "admin")
		must(t, err)
		holdOrg := func(tx *store.Tx) error { _, err := tx.OrganizationForUpdate(ctx, org); return err }
		for name, act := range map[string]func() error{
			"organisation, add": func() error {
				_, err := r.AddOrganizationMember(ctx, boss, org, app.Person{ID: joe.User.ID}, "admin")
				return err
			},
			"organisation, change": func() error { return r.ChangeOrganizationMember(ctx, boss, org, sue.User.ID, "admin") },
			"organisation, remove": func() error { return r.RemoveOrganizationMember(ctx, boss, org, sue.User.ID) },
			"organisation, update": func() error {
				_, err := r.UpdateOrganization(ctx, boss, org, app.WorkspaceSettings{Name: app.Some("Mine")})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				must(t, r.ChangeOrganizationMember(ctx, c.Teacher, org, boss.User.ID, "admin"))
				err := meanwhile(t, r, holdOrg, func(tx *store.Tx) error { return tx.SetOrganizationRole(ctx, org, boss.User.ID, "member") }, act)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			})
		}
		for name, act := range map[string]func() error{
			"project, add": func() error {
				_, err := r.AddProjectMember(ctx, boss, project, app.Person{ID: joe.User.ID}, "admin")
				return err
			},
			"project, change": func() error { return r.ChangeProjectMember(ctx, boss, project, sue.User.ID, "admin") },
			"project, remove": func() error { return r.RemoveProjectMember(ctx, boss, project, sue.User.ID) },
			"project, delete": func() error { _, err := r.DeleteProject(ctx, boss, project, false); return err },
		} {
			t.Run(name, func(t *testing.T) {
				must(t, r.ChangeProjectMember(ctx, c.Teacher, project, boss.User.ID, "admin"))
				err := meanwhile(t, r, holdOrg, func(tx *store.Tx) error { return tx.SetProjectRole(ctx, project, boss.User.ID, "viewer") }, act)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			})
		}
		for name, act := range map[string]func() error{
			"course, enrol": func() error {
				_, err := r.Enrol(ctx, boss, course, app.Person{ID: joe.User.ID}, "teacher")
				return err
			},
			"course, change": func() error { return r.ChangeMemberRole(ctx, boss, course, c.Student.User.ID, "ta") },
			"course, remove": func() error { return r.RemoveMember(ctx, boss, course, c.TA.User.ID) },
			"course, invite": func() error {
				_, _, err := r.Invite(ctx, boss, course, app.NewInvitation{Role: "teacher", Life: time.Hour, MaxUses: 1})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				_, err := r.Enrol(ctx, c.Teacher, course, app.Person{ID: boss.User.ID}, "teacher")
				must(t, err)
				err = meanwhile(t, r, func(tx *store.Tx) error { _, err := tx.CourseForUpdate(ctx, course); return err },
					func(tx *store.Tx) error { return tx.RemoveCourseMember(ctx, course, boss.User.ID) }, act)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			})
		}
	})
}

func TestOrganizations(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		org := c.Project.OrganizationID
		roles := func() map[string]string {
			t.Helper()
			members, err := r.OrganizationMembers(ctx, c.Admin, org, store.Page{})
			return rolesOf(t, members, err)
		}
		join := func(role string) *app.Actor {
			t.Helper()
			u := r.User(t, app.RoleStudent, "Joe")
			if _, err := r.AddOrganizationMember(ctx, c.Teacher, org, app.Person{Email: u.User.Email}, role); err != nil {
				t.Fatal(err)
			}
			return u
		}
		t.Run("Members", func(t *testing.T) {
			joe := join("member")
			_, err := r.AddOrganizationMember(ctx, c.Teacher, org, app.Person{ID: joe.User.ID}, "admin")
			refused(t, err, app.KindConflict, "", "User is already a member; change the role instead")
			if err := r.ChangeOrganizationMember(ctx, c.Teacher, org, joe.User.ID, "admin"); err != nil || roles()[joe.User.ID] != "admin" {
				t.Errorf("got %v, %v", roles(), err)
			}
			if err := r.RemoveOrganizationMember(ctx, joe, org, joe.User.ID); err != nil || roles()[joe.User.ID] != "" {
				t.Errorf("leaving: got %v, %v", roles(), err)
			}
			refused(t, r.ChangeOrganizationMember(ctx, c.Teacher, org, joe.User.ID, "admin"), app.KindNotFound, "", "User not found in organization")
			refused(t, r.RemoveOrganizationMember(ctx, c.Teacher, org, joe.User.ID), app.KindNotFound, "", "User not found in organization")
		})
		t.Run("TheOwnerStays", func(t *testing.T) {
			boss := join("admin")
			refused(t, r.ChangeOrganizationMember(ctx, boss, org, c.Teacher.User.ID, "member"), app.KindRejected, "", "Cannot change owner role")
			refused(t, r.RemoveOrganizationMember(ctx, boss, org, c.Teacher.User.ID), app.KindRejected, "", "Cannot remove owner; transfer the organization first")
			refused(t, r.RemoveOrganizationMember(ctx, c.Teacher, org, c.Teacher.User.ID), app.KindRejected, "", "Cannot remove owner; transfer the organization first")
			for _, role := range []string{"owner", "", "king"} {
				if err := r.ChangeOrganizationMember(ctx, c.Teacher, org, boss.User.ID, role); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%q: got %v, want invalid", role, err)
				}
			}
		})
		t.Run("MembersDoNotManage", func(t *testing.T) {
			joe := join("member")
			_, err := r.AddOrganizationMember(ctx, joe, org, app.Person{ID: c.Student.User.ID}, "member")
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.UpdateOrganization(ctx, joe, org, app.WorkspaceSettings{Name: app.Some("Mine")})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.Organization(ctx, c.Outsider, store.NewID())
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.Organization(ctx, c.Admin, store.NewID())
			refused(t, err, app.KindNotFound, "", "Organization not found")
		})
		t.Run("StrangersAreNotFound", func(t *testing.T) {
			own, err := r.CreateOrganization(ctx, c.Outsider, "Mine", nil)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.AddOrganizationMember(ctx, c.Outsider, own.ID, app.Person{Email: c.Teacher.User.Email}, "member")
			refused(t, err, app.KindNotFound, "", "User not found")
			_, err = r.AddOrganizationMember(ctx, c.Outsider, own.ID, app.Person{Email: "nobody@example.org"}, "member")
			refused(t, err, app.KindNotFound, "", "User not found")
		})
		t.Run("WhoLeavesHandsProjectsToTheOwner", func(t *testing.T) {
			joe := join("member")
			p, err := r.CreateProject(ctx, joe, org, "Joe's", nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.RemoveOrganizationMember(ctx, c.Teacher, org, joe.User.ID); err != nil {
				t.Fatal(err)
			}
			members, err := r.ProjectMembers(ctx, c.Admin, p.ID, store.Page{})
			if got := rolesOf(t, members, err); len(got) != 1 || got[c.Teacher.User.ID] != "admin" {
				t.Errorf("got %v, want the owner as its admin", got)
			}
			if got, want := logged(t, r, p.ID)[1], `project.members  -> {"role":"admin","user_id":"`+c.Teacher.User.ID+`"}`; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
		t.Run("Transfer", func(t *testing.T) {
			boss := join("admin")
			_, err := r.TransferOrganization(ctx, boss, org, boss.User.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.TransferOrganization(ctx, c.Teacher, org, c.Outsider.User.ID)
			refused(t, err, app.KindNotFound, "", "User not found in organization")
			o, err := r.TransferOrganization(ctx, c.Teacher, org, boss.User.ID)
			if err != nil || o.OwnerID != boss.User.ID || roles()[boss.User.ID] != "owner" || roles()[c.Teacher.User.ID] != "admin" {
				t.Errorf("got %+v, %v, %v", o, roles(), err)
			}
			if _, err := r.TransferOrganization(ctx, c.Admin, org, c.Teacher.User.ID); err != nil {
				t.Error(err)
			}
		})
		t.Run("Delete", func(t *testing.T) {
			o, err := r.CreateOrganization(ctx, c.Teacher, "Doomed", nil)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.CreateProject(ctx, c.Teacher, o.ID, "Doomed", nil)
			if err != nil {
				t.Fatal(err)
			}
			counts, err := r.DeleteOrganization(ctx, c.Teacher, o.ID, true)
			if err != nil || counts["projects"] != 1 || counts["agents"] != 2 || counts["members"] != 1 {
				t.Errorf("got %v, %v", counts, err)
			}
			if _, err := r.DeleteOrganization(ctx, c.Teacher, o.ID, false); err != nil {
				t.Fatal(err)
			}
			if _, err := r.DB.Project(ctx, p.ID); err == nil {
				t.Error("its project is still there")
			}
		})
		t.Run("EditsAreAudited", func(t *testing.T) {
			if _, err := r.UpdateOrganization(ctx, c.Teacher, org, app.WorkspaceSettings{Description: app.Some("New")}); err != nil {
				t.Fatal(err)
			}
			for _, bad := range []app.WorkspaceSettings{{Name: null[string]()}, {Name: app.Some(" ")}, {Description: app.Some("\x00")}} {
				if _, err := r.UpdateOrganization(ctx, c.Teacher, org, bad); app.KindOf(err) != app.KindInvalid {
					t.Errorf("got %v, want invalid", err)
				}
			}
			entries, err := storetest.All(r.DB.AuditEntries(ctx, store.AuditFilter{TargetID: org}, "", 100))
			seen := ""
			for _, e := range entries {
				seen += e.Action + " "
			}
			for _, want := range []string{"organization.create", "organization.update", "organization.members", "organization.leave", "organization.transfer"} {
				if err != nil || !strings.Contains(seen, want) {
					t.Errorf("got %q, %v, want %s", seen, err, want)
				}
			}
		})
	})
}

func TestProjects(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c, ctx := r.Class(t), t.Context()
		r.Types(t, c.Admin, "x")
		id := c.Project.ID
		roles := func() map[string]string {
			t.Helper()
			members, err := r.ProjectMembers(ctx, c.Admin, id, store.Page{})
			return rolesOf(t, members, err)
		}
		join := func(by *app.Actor, role string) *app.Actor {
			t.Helper()
			u := r.User(t, app.RoleStudent, "Joe")
			if _, err := r.AddProjectMember(ctx, by, id, app.Person{ID: u.User.ID}, role); err != nil {
				t.Fatal(err)
			}
			return u
		}
		t.Run("JoinsTheOrganisationToo", func(t *testing.T) {
			joe := join(c.Teacher, "viewer")
			if role, err := r.DB.OrganizationRole(ctx, c.Project.OrganizationID, joe.User.ID); err != nil || role != "member" {
				t.Errorf("got %q, %v", role, err)
			}
			_, err := r.CreateAgent(ctx, joe, id, app.AgentSettings{Type: app.Some("x")})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			if err := r.ChangeProjectMember(ctx, c.Teacher, id, joe.User.ID, "editor"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.CreateAgent(ctx, joe, id, app.AgentSettings{Type: app.Some("x")}); err != nil {
				t.Errorf("as editor: %v", err)
			}
			if err := r.RemoveProjectMember(ctx, joe, id, joe.User.ID); err != nil || roles()[joe.User.ID] != "" {
				t.Errorf("leaving: got %v, %v", roles(), err)
			}
		})
		t.Run("TheLastAdminStays", func(t *testing.T) {
			const text = "A project keeps its last admin; name another one first"
			teacher := c.Teacher.User.ID
			refused(t, r.RemoveProjectMember(ctx, c.Teacher, id, teacher), app.KindRejected, "", text)
			refused(t, r.ChangeProjectMember(ctx, c.Admin, id, teacher, "viewer"), app.KindRejected, "", text)
			boss := join(c.Teacher, "admin")
			var all sync.WaitGroup
			for _, who := range []*app.Actor{c.Teacher, boss} {
				all.Go(func() { _ = r.RemoveProjectMember(ctx, who, id, who.User.ID) })
			}
			all.Wait()
			n := 0
			for _, role := range roles() {
				if role == "admin" {
					n++
				}
			}
			if n != 1 {
				t.Errorf("both left at once: got %v, want one admin", roles())
			}
			if roles()[teacher] == "" {
				if _, err := r.AddProjectMember(ctx, c.Admin, id, app.Person{ID: teacher}, "admin"); err != nil {
					t.Fatal(err)
				}
			}
		})
		t.Run("OwnersAreMadeByOwners", func(t *testing.T) {
			const text = "Only owners can make or change owners"
			joe := join(c.Teacher, "member")
			refused(t, r.ChangeProjectMember(ctx, c.Teacher, id, joe.User.ID, "owner"), app.KindForbidden, "", text)
			if err := r.ChangeProjectMember(ctx, c.Admin, id, joe.User.ID, "owner"); err != nil {
				t.Fatal(err)
			}
			refused(t, r.RemoveProjectMember(ctx, c.Teacher, id, joe.User.ID), app.KindForbidden, "", text)
			if err := r.ChangeProjectMember(ctx, joe, id, joe.User.ID, "viewer"); err != nil {
				t.Error(err)
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			_, err := r.AddProjectMember(ctx, c.Teacher, id, app.Person{ID: c.Student.User.ID}, "king")
			if app.KindOf(err) != app.KindInvalid {
				t.Errorf("got %v, want invalid", err)
			}
			refused(t, r.RemoveProjectMember(ctx, c.Teacher, id, c.Outsider.User.ID), app.KindNotFound, "", "User not found in project")
			_, err = r.Project(ctx, c.Outsider, store.NewID())
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("Delete", func(t *testing.T) {
			counts, err := r.DeleteProject(ctx, c.Teacher, id, true)
			if err != nil || counts["agents"] < 2 || counts["agents_in_rooms"] != 2 {
				t.Errorf("got %v, %v", counts, err)
			}
			if _, err := r.DeleteProject(ctx, c.Teacher, id, false); err != nil {
				t.Fatal(err)
			}
			if agents, err := r.DB.AgentsInRoom(ctx, c.Room.ID); err != nil || len(agents) != 0 {
				t.Errorf("got %d agents in the room, %v", len(agents), err)
			}
			_, err = r.Project(ctx, c.Admin, id)
			refused(t, err, app.KindNotFound, "", "Project not found")
		})
	})
}
