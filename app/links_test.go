package app_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestPasswordLinks(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		super := r.User(t, app.RoleSuperAdmin, "Root")
		code, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
		must(t, err)
		join := func(t *testing.T, u *store.User) {
			t.Helper()
			_, err := r.JoinCourse(ctx, &app.Actor{User: *u}, code.Code)
			must(t, err)
		}
		make := func(t *testing.T, by *app.Actor, id string) *app.PasswordLink {
			t.Helper()
			l, err := r.MakePasswordLink(ctx, by, id)
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		spent := func(t *testing.T, err error) {
			t.Helper()
			refused(t, err, app.KindForbidden, "link_spent", "This link is not valid any more. Ask for a new one.")
		}
		t.Run("OK", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			join(t, u)
			tokens := signIn(t, r, u)
			l := make(t, c.Teacher, u.ID)
			if l.URLPath != "/reset#token="+l.Token || strings.Contains(r.Dump(t), l.Token) {
				t.Errorf("got %s, or the token is stored", l.URLPath)
			}
			_, err := r.UsePasswordLink(ctx, l.Token, "short", app.Client{})
			refused(t, err, app.KindInvalid, "", "password: use at least 8 characters")
			fresh, err := r.UsePasswordLink(ctx, l.Token, "another horse battery", app.Client{})
			if err != nil || !signedIn(t, r, fresh) || signedIn(t, r, tokens) {
				t.Errorf("got %v, want the old session ended and a new one", err)
			}
			if _, err := r.SignIn(ctx, u.Email, "another horse battery", app.Client{}); err != nil {
				t.Error(err)
			}
			_, err = r.UsePasswordLink(ctx, l.Token, "a third horse battery", app.Client{})
			spent(t, err)
		})
		t.Run("WhoMay", func(t *testing.T) {
			const enough = "Not enough permissions"
			admin2, teacher2 := r.User(t, app.RoleAdmin, "Abe"), r.User(t, app.RoleTeacher, "Tina")
			helper := r.User(t, app.RoleStudent, "Helper") // staff elsewhere, a student here
			asked := r.User(t, app.RoleStudent, "Asked")
			join(t, &asked.User)
			elsewhere, err := r.CreateCourse(ctx, teacher2, "Art", nil)
			if err != nil {
				t.Fatal(err)
			}
			for course, role := range map[string]string{elsewhere.ID: "ta", c.Course.ID: "student"} {
				if _, err := r.Enrol(ctx, c.Admin, course, app.Person{ID: helper.User.ID}, role); err != nil {
					t.Fatal(err)
				}
			}
			for name, rule := range map[string]struct {
				by, of *app.Actor
				kind   app.Kind
				text   string
			}{
				"TeacherStudent": {c.Teacher, asked, "", ""}, "TeacherEnrolled": {c.Teacher, c.Student, app.KindForbidden, enough},
				"AdminEnrolled": {c.Admin, c.Student, "", ""}, "AdminTeacher": {c.Admin, c.Teacher, "", ""}, "SuperAdmin": {super, admin2, "", ""},
				"AnotherTeacher": {teacher2, c.Student, app.KindForbidden, enough}, "Stranger": {c.Outsider, c.Student, app.KindNotFound, "User not found"},
				"Classmate": {c.Student, c.TA, app.KindForbidden, enough}, "TeacherTA": {c.Teacher, c.TA, app.KindForbidden, enough},
				"TAStudent":      {c.TA, c.Student, app.KindForbidden, enough},
				"StaffElsewhere": {c.Teacher, helper, app.KindForbidden, enough},
				"AdminAdmin":     {c.Admin, admin2, app.KindForbidden, "Only Super Admins can modify other Admins"},
				"Oneself":        {c.Admin, c.Admin, app.KindRejected, "Change your own password in your profile"},
			} {
				t.Run(name, func(t *testing.T) {
					_, err := r.MakePasswordLink(ctx, rule.by, rule.of.User.ID)
					if rule.kind != "" {
						refused(t, err, rule.kind, "", rule.text)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			_, err = r.MakePasswordLink(ctx, c.Admin, store.NewID())
			refused(t, err, app.KindNotFound, "", "User not found")
		})
		t.Run("AStudentOfTwoTeachers", func(t *testing.T) {
			other, shared := r.User(t, app.RoleTeacher, "Theo"), r.User(t, app.RoleStudent, "Shared")
			elsewhere, err := r.CreateCourse(ctx, other, "Music", nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, course := range []string{c.Course.ID, elsewhere.ID} {
				if course == c.Course.ID {
					join(t, &shared.User)
				} else if _, err := r.Enrol(ctx, c.Admin, course, app.Person{ID: shared.User.ID}, ""); err != nil {
					t.Fatal(err)
				}
			}
			// Who could sign in as the student would read the other's course.
			for _, teacher := range []*app.Actor{c.Teacher, other} {
				_, err := r.MakePasswordLink(ctx, teacher, shared.User.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			make(t, c.Admin, shared.User.ID)
			if err := r.RemoveMember(ctx, other, elsewhere.ID, shared.User.ID); err != nil {
				t.Fatal(err)
			}
			make(t, c.Teacher, shared.User.ID)
			_, err = r.MakePasswordLink(ctx, other, shared.User.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("ANewOneTakesTheOldOneBack", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			old := make(t, c.Admin, u.ID)
			make(t, c.Admin, u.ID)
			_, err := r.UsePasswordLink(ctx, old.Token, "another horse battery", app.Client{})
			spent(t, err)
		})
		t.Run("OnceInARace", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			l := make(t, c.Admin, u.ID)
			var used atomic.Int32
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					if _, err := r.UsePasswordLink(ctx, l.Token, "another horse battery", app.Client{}); err == nil {
						used.Add(1)
					} else {
						spent(t, err)
					}
				})
			}
			all.Wait()
			if used.Load() != 1 {
				t.Errorf("used %d times, want once", used.Load())
			}
		})
		t.Run("GuessesAreSlowedDown", func(t *testing.T) {
			var err error
			for range r.Config.Auth.SigninFailuresPerAddress + 1 {
				_, err = r.UsePasswordLink(ctx, store.NewID(), "another horse battery", app.Client{Address: "192.0.2.77"})
			}
			refused(t, err, app.KindLimited, "", "")
		})
		t.Run("NobodyRisesByOne", func(t *testing.T) {
			for name, rise := range map[string]func(*store.User) error{
				"Organization": func(u *store.User) error {
					_, err := r.CreateOrganization(ctx, &app.Actor{User: *u}, "Club", nil)
					return err
				},
				"Project": func(u *store.User) error {
					return r.DB.InTx(ctx, func(tx *store.Tx) error {
						return tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: c.Project.ID, UserID: u.ID, Role: "editor", CreatedAt: r.Now()})
					})
				},
			} {
				t.Run(name, func(t *testing.T) {
					u := account(t, r, app.RoleStudent)
					join(t, u)
					before := make(t, c.Teacher, u.ID)
					must(t, rise(u))
					_, err := r.MakePasswordLink(ctx, c.Teacher, u.ID)
					refused(t, err, app.KindForbidden, "", "Not enough permissions")
					_, err = r.UsePasswordLink(ctx, before.Token, "another horse battery", app.Client{})
					spent(t, err)
				})
			}
		})
		t.Run("HoldsOnlyAsLongAsItsGiverMay", func(t *testing.T) {
			for name, change := range map[string]func(giver, u *store.User) error{
				"PersonRose": func(_, u *store.User) error {
					_, err := r.UpdateUser(ctx, super, u.ID, app.UserChanges{Role: app.Some(app.RoleAdmin)})
					return err
				},
				"PersonBecameStaff": func(_, u *store.User) error { return r.ChangeMemberRole(ctx, c.Admin, c.Course.ID, u.ID, "ta") },
				"PersonLeft":        func(_, u *store.User) error { return r.RemoveMember(ctx, c.Admin, c.Course.ID, u.ID) },
				"GiverLeft":         func(giver, _ *store.User) error { return r.RemoveMember(ctx, c.Admin, c.Course.ID, giver.ID) },
				"GiverInactive": func(giver, _ *store.User) error {
					_, err := r.UpdateUser(ctx, super, giver.ID, app.UserChanges{IsActive: app.Some(false)})
					return err
				},
				"GiverDeleted": func(giver, _ *store.User) error {
					_, _, err := r.DeleteUser(ctx, super, giver.ID, false)
					return err
				},
				"NewPassword": func(_, u *store.User) error {
					_, err := r.UpdateUser(ctx, super, u.ID, app.UserChanges{Password: app.Some(secret.Text("a horse of their own"))})
					return err
				},
				"Operator": func(_, u *store.User) error { return r.Operator().SetPassword(ctx, u.Email, "a horse of their own") },
			} {
				t.Run(name, func(t *testing.T) {
					giver, u := account(t, r, app.RoleTeacher), account(t, r, app.RoleStudent)
					_, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: giver.ID}, "teacher")
					must(t, err)
					join(t, u)
					l := make(t, &app.Actor{User: *giver}, u.ID)
					must(t, change(giver, u))
					_, err = r.UsePasswordLink(ctx, l.Token, "another horse battery", app.Client{})
					spent(t, err)
				})
			}
		})
		t.Run("OfAClassListEndsWithAPromotion", func(t *testing.T) {
			rows, err := r.ImportMembers(ctx, c.TA, c.Course.ID, []byte("email\n"+store.NewID()+"@x.org\n"), false)
			must(t, err)
			u, err := r.DB.UserByEmail(ctx, rows[0].Email)
			must(t, err)
			must(t, r.ChangeMemberRole(ctx, c.Teacher, c.Course.ID, u.ID, "teacher"))
			_, err = r.UsePasswordLink(ctx, rows[0].Link.Token, "another horse battery", app.Client{})
			spent(t, err)
		})
		t.Run("Expired", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			l := make(t, c.Admin, u.ID)
			r.Advance(3*24*time.Hour + time.Second)
			_, err := r.UsePasswordLink(ctx, l.Token, "another horse battery", app.Client{})
			spent(t, err)
		})
	})
}

func TestImportMembers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		tag := store.NewID()[24:]
		statuses := func(by *app.Actor, list string, dryRun bool) []string {
			t.Helper()
			rows, err := r.ImportMembers(ctx, by, c.Course.ID, []byte(list), dryRun)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, row := range rows {
				got = append(got, row.Status+" "+row.Message)
				if (row.Link != nil) != (row.Status == app.ImportCreated && !dryRun) {
					t.Errorf("%+v: a link for a new account alone", row)
				}
			}
			return got
		}
		list := "email,full_name,username,role\n" + "new-" + tag + "@x.org,New,new" + tag + ",\n" + "bad address,,,\n" +
			c.Outsider.User.Email + ",,,ta\n" + c.Student.User.Email + ",,,\n" + "NEW-" + tag + "@x.org,,,\n" +
			"second-" + tag + "@x.org,,NEW" + tag + ",\n" + c.Teacher.User.Email + ",,,\n" + "king-" + tag + "@x.org,,,king\n"
		want1 := []string{"created Account made, enrolled as student", "error email: is not an e-mail address, send one like ada@example.org",
			"enrolled Enrolled as ta", "already Already enrolled", "already The same person as in line 2", "error username: is taken by somebody else",
			"already Owner of the course", "error role: must be one of student, ta, teacher"}
		t.Run("DryRun", func(t *testing.T) {
			before := r.Dump(t)
			want(t, "lines", statuses(c.Teacher, list, true), want1)
			if r.Dump(t) != before {
				t.Error("a dry run has changed something")
			}
		})
		t.Run("OK", func(t *testing.T) {
			want(t, "lines", statuses(c.Teacher, list, false), want1)
			u, err := r.DB.UserByEmail(ctx, "new-"+tag+"@x.org")
			if err != nil || u.Role != app.RoleStudent || u.Name() != "New" || u.PasswordHash != "" {
				t.Errorf("got %+v, %v", u, err)
			}
		})
		t.Run("Again", func(t *testing.T) {
			again := append([]string{}, want1...)
			again[0], again[2] = "already Already enrolled", "already Already enrolled"
			want(t, "lines", statuses(c.Teacher, list, false), again)
		})
		t.Run("TheLinkWorks", func(t *testing.T) {
			rows, err := r.ImportMembers(ctx, c.TA, c.Course.ID, []byte("email;role\nlink-"+tag+"@x.org;\nta-"+tag+"@x.org;ta\n"), false)
			if err != nil || len(rows) != 2 || rows[0].Link == nil {
				t.Fatalf("got %+v, %v", rows, err)
			}
			if rows[1].Status != app.ImportError || rows[1].Message != "TAs can enroll students only" {
				t.Errorf("got %+v", rows[1])
			}
			if _, err := r.UsePasswordLink(ctx, rows[0].Link.Token, "another horse battery", app.Client{}); err != nil {
				t.Error(err)
			}
		})
		t.Run("AWholeYear", func(t *testing.T) {
			var b strings.Builder
			b.WriteString("email\n")
			for range 120 {
				b.WriteString(store.NewID() + "@x.org\n")
			}
			got := statuses(c.Admin, b.String(), false)
			for _, s := range got {
				if !strings.HasPrefix(s, app.ImportCreated) {
					t.Fatalf("got %s", s)
				}
			}
			if len(got) != 120 {
				t.Errorf("got %d lines, want 120", len(got))
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err := r.ImportMembers(ctx, who, c.Course.ID, []byte("email\n"), false)
				if who == c.Outsider { // enrolled as a TA above
					if err != nil {
						t.Error(err)
					}
					continue
				}
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			_, err := r.ImportMembers(ctx, c.Admin, store.NewID(), []byte("email\n"), false)
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
	})
}

// A spent link has given its right away: whoever used it chose the password, so
// the session that it opened is the person's like any later one, and stays when
// the person gets more; ending it would leave the password. The giver makes no
// further link then, and the audit log names who gave the spent one.
func TestSessionOfALinkStays(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		rows, err := r.ImportMembers(ctx, c.Teacher, c.Course.ID, []byte("email\n"+store.NewID()+"@x.org\n"), false)
		if err != nil || len(rows) != 1 || rows[0].Link == nil {
			t.Fatalf("got %+v, %v", rows, err)
		}
		tokens, err := r.UsePasswordLink(ctx, rows[0].Link.Token, "another horse battery", app.Client{})
		if err != nil {
			t.Fatal(err)
		}
		actor, err := r.Authenticate(ctx, tokens.Access)
		if err != nil {
			t.Fatal(err)
		}
		elsewhere, err := r.CreateCourse(ctx, c.Admin, "Chemistry", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Enrol(ctx, c.Admin, elsewhere.ID, app.Person{ID: actor.User.ID}, app.RoleStudent); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Authenticate(ctx, tokens.Access); err != nil {
			t.Errorf("the person's session: %v", err)
		}
		_, err = r.UsePasswordLink(ctx, rows[0].Link.Token, "a third horse battery", app.Client{})
		refused(t, err, app.KindForbidden, "link_spent", "")
		_, err = r.MakePasswordLink(ctx, c.Teacher, actor.User.ID)
		refused(t, err, app.KindForbidden, "", "")
		log, err := storetest.All(r.AuditLog(ctx, c.Admin, app.AuditFilter{Action: "user.set_password", TargetID: actor.User.ID}, "", 10))
		if err != nil || len(log) != 1 || !strings.Contains(string(log[0].After), c.Teacher.User.ID) {
			t.Errorf("the audit log: got %+v, %v", log, err)
		}
	})
}
