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

// said checks a service's text.
func said(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestCourses(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		t.Run("Create", func(t *testing.T) {
			for role, ok := range map[string]bool{app.RoleGuest: false, app.RoleStudent: false, app.RoleTA: false, app.RoleTeacher: true, app.RoleAdmin: true, app.RoleSuperAdmin: true} {
				who := r.User(t, role, "Any")
				course, err := r.CreateCourse(ctx, who, " Art ", nil)
				if !ok {
					refused(t, err, app.KindForbidden, "forbidden", "Not enough permissions")
					continue
				}
				if err != nil || course.Title != "Art" || course.OwnerID != who.User.ID {
					t.Errorf("%s: got %+v, %v", role, course, err)
				}
				members, err := storetest.All(r.CourseMembers(ctx, who, course.ID, store.Page{}))
				if err != nil || len(members) != 1 || members[0].Role != "teacher" || members[0].User.ID != who.User.ID {
					t.Errorf("%s: got members %+v, %v, want the owner as a teacher", role, members, err)
				}
			}
			_, err := r.CreateCourse(ctx, nil, "Art", nil)
			refused(t, err, app.KindUnauthenticated, "", "Not authenticated")
			long := strings.Repeat("x", 20_001)
			_, err = r.CreateCourse(ctx, c.Teacher, " \t", &long)
			refused(t, err, app.KindInvalid, "invalid", "title: must not be empty; description: has 20001 characters, at most 20000 are possible")
		})
		t.Run("Read", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Admin, c.Teacher, c.TA, c.Student} {
				if got, err := r.Course(ctx, who, c.Course.ID); err != nil || got.Title != "Biology" {
					t.Errorf("%s: got %+v, %v", who.User.Role, got, err)
				}
			}
			_, err := r.Course(ctx, c.Outsider, c.Course.ID)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.Course(ctx, c.Admin, store.NewID())
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("List", func(t *testing.T) {
			for who, want := range map[*app.Actor]bool{c.Admin: true, c.Teacher: true, c.TA: true, c.Student: true, c.Outsider: false} {
				all, err := storetest.All(r.Courses(ctx, who, false, store.Page{Limit: 1000}))
				found := 0
				for _, course := range all {
					if course.ID == c.Course.ID {
						found++
					}
				}
				if err != nil || (found == 1) != want || found > 1 {
					t.Errorf("%s: found it %d times, %v, want %v", who.User.Role, found, err, want)
				}
			}
		})
		t.Run("Enrol", func(t *testing.T) {
			enrol := func(who *app.Actor, p app.Person, role string) (string, error) {
				return r.Enrol(ctx, who, c.Course.ID, p, role)
			}
			ann, ben := r.User(t, app.RoleStudent, "Ann"), r.User(t, app.RoleStudent, "Ben")
			got, err := enrol(c.Teacher, app.Person{Email: strings.ToUpper(ann.User.Email)}, "")
			said(t, got, err, "User Ann enrolled as student")
			got, err = enrol(c.Teacher, app.Person{ID: ann.User.ID}, "ta")
			said(t, got, err, "User already enrolled")
			if _, err := enrol(ann, app.Person{ID: ben.User.ID}, "student"); app.KindOf(err) != app.KindForbidden {
				t.Errorf("enrolled as a student all the same: got %v, want no right to enrol", err)
			}
			got, err = enrol(c.TA, app.Person{ID: ben.User.ID, Email: ann.User.Email}, "student")
			said(t, got, err, "User Ben enrolled as student")
			for _, role := range []string{"ta", "teacher"} {
				_, err = enrol(c.TA, app.Person{ID: c.Outsider.User.ID}, role)
				refused(t, err, app.KindForbidden, "", "TAs can enroll students only")
				who := r.User(t, app.RoleStudent, "Cleo")
				got, err = enrol(c.Admin, app.Person{ID: who.User.ID}, role)
				said(t, got, err, "User Cleo enrolled as "+role)
			}
			for _, role := range []string{"owner", "admin", "Student"} {
				_, err = enrol(c.Teacher, app.Person{ID: c.Outsider.User.ID}, role)
				refused(t, err, app.KindInvalid, "", "role: must be one of student, ta, teacher")
			}
			_, err = enrol(c.Teacher, app.Person{ID: store.NewID()}, "")
			refused(t, err, app.KindNotFound, "", "User not found")
			_, err = enrol(c.Teacher, app.Person{Email: "nobody@example.org"}, "")
			refused(t, err, app.KindNotFound, "", "User not found")
			_, err = enrol(c.Teacher, app.Person{}, "")
			refused(t, err, app.KindInvalid, "", "")
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err = enrol(who, app.Person{ID: store.NewID()}, "")
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			_, err = r.Enrol(ctx, c.Outsider, store.NewID(), app.Person{ID: ann.User.ID}, "")
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("ALinkedTeacherIsStaff", func(t *testing.T) {
			second := r.User(t, app.RoleStudent, "Second")
			if _, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: second.User.ID}, "teacher"); err != nil {
				t.Fatal(err)
			}
			got, err := r.Enrol(ctx, second, c.Course.ID, app.Person{ID: r.User(t, app.RoleGuest, "Dora").User.ID}, "ta")
			said(t, got, err, "User Dora enrolled as ta")
		})
		t.Run("EnrolTenAtOnce", func(t *testing.T) {
			who := r.User(t, app.RoleStudent, "Eve")
			var fresh atomic.Int32
			var all sync.WaitGroup
			for range 10 {
				all.Go(func() {
					switch got, err := r.Enrol(ctx, c.Teacher, c.Course.ID, app.Person{ID: who.User.ID}, ""); {
					case err != nil:
						t.Error(err)
					case got != "User already enrolled":
						fresh.Add(1)
					}
				})
			}
			all.Wait()
			if fresh.Load() != 1 {
				t.Errorf("enrolled %d times, want once", fresh.Load())
			}
		})
		t.Run("Members", func(t *testing.T) {
			members, err := storetest.All(r.CourseMembers(ctx, c.Student, c.Course.ID, store.Page{Limit: 3}))
			var got []string
			for _, m := range members {
				got = append(got, m.User.Name()+" "+m.Role)
			}
			if err != nil {
				t.Fatal(err)
			}
			want(t, "members", got, []string{"Tess teacher", "Sue student", "Tom ta"})
			_, err = r.CourseMembers(ctx, c.Outsider, c.Course.ID, store.Page{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
	})
}

func TestCreateUser(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		admin, super := r.User(t, app.RoleAdmin, "Ada"), r.User(t, app.RoleSuperAdmin, "Root")
		add := func(who *app.Actor, in app.NewUser) (*store.User, error) { return r.CreateUser(t.Context(), who, in) }
		name, blank, short := "ann", " ", "short"
		t.Run("OK", func(t *testing.T) {
			u, err := add(admin, app.NewUser{Email: " Ann@Example.org ", Username: &name, FullName: &blank, AvatarURL: &blank})
			if err != nil || u.Email != "Ann@Example.org" || *u.Username != "ann" || u.FullName != nil || u.AvatarURL != nil || u.Role != app.RoleGuest || !u.IsActive || u.PasswordHash != "" {
				t.Errorf("got %+v, %v", u, err)
			}
		})
		t.Run("BlankUserNamesAreNone", func(t *testing.T) {
			for _, mail := range []string{"b1@example.org", "b2@example.org"} {
				if u, err := add(admin, app.NewUser{Email: mail, Username: &blank}); err != nil || u.Username != nil {
					t.Errorf("got %+v, %v", u, err)
				}
			}
		})
		t.Run("Exists", func(t *testing.T) {
			upper := "ANN"
			for _, in := range []app.NewUser{{Email: "ann@example.ORG"}, {Email: "else@example.org", Username: &upper}} {
				_, err := add(admin, in)
				refused(t, err, app.KindRejected, "user_exists", "User already exists")
			}
		})
		t.Run("WhoMay", func(t *testing.T) {
			for _, role := range []string{app.RoleGuest, app.RoleStudent, app.RoleTA, app.RoleTeacher} {
				_, err := add(r.User(t, role, "Any"), app.NewUser{Email: "c@example.org"})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			for _, role := range []string{app.RoleAdmin, app.RoleSuperAdmin} {
				_, err := add(admin, app.NewUser{Email: "c@example.org", Role: role})
				refused(t, err, app.KindForbidden, "", "Only Super Admins can create Admin accounts")
				if u, err := add(super, app.NewUser{Email: role + "@example.org", Role: role}); err != nil || u.Role != role {
					t.Errorf("got %+v, %v", u, err)
				}
			}
		})
		t.Run("Invalid", func(t *testing.T) {
			for name, in := range map[string]app.NewUser{"Email": {Email: "nobody"}, "Role": {Email: "d@example.org", Role: "king"},
				"Password": {Email: "d@example.org", Password: &short}, "NoEmail": {}} {
				if _, err := add(super, in); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v, want an invalid error", name, err)
				}
			}
		})
	})
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		owner, other, admin := r.User(t, app.RoleStudent, "Sue"), r.User(t, app.RoleTeacher, "Tess"), r.User(t, app.RoleAdmin, "Ada")
		org, err := r.CreateOrganization(ctx, owner, " School ", nil)
		if err != nil || org.Name != "School" || org.OwnerID != owner.User.ID {
			t.Fatalf("got %+v, %v", org, err)
		}
		t.Run("OrganizationsAreOnesOwn", func(t *testing.T) {
			for who, n := range map[*app.Actor]int{owner: 1, other: 0, admin: 0} {
				if got, err := storetest.All(r.Organizations(ctx, who, store.Page{})); err != nil || len(got) != n {
					t.Errorf("%s: got %+v, %v, want %d", who.User.Role, got, err, n)
				}
			}
		})
		t.Run("EmptyName", func(t *testing.T) {
			_, err := r.CreateOrganization(ctx, owner, " ", nil)
			refused(t, err, app.KindInvalid, "", "name: must not be empty")
			_, err = r.CreateProject(ctx, owner, org.ID, "", nil)
			refused(t, err, app.KindInvalid, "", "name: must not be empty")
		})
		t.Run("Project", func(t *testing.T) {
			p, err := r.CreateProject(ctx, owner, org.ID, "Agents", nil)
			if err != nil {
				t.Fatal(err)
			}
			agents, err := storetest.All(r.Agents(ctx, owner, p.ID, store.Page{}))
			if err != nil || len(agents) != 2 {
				t.Fatalf("got %+v, %v, want two agents", agents, err)
			}
			for i, kind := range []string{store.AgentTeacher, store.AgentStudent} {
				if ag := agents[i]; ag.Type != kind || ag.ModelProvider != "offline" || !ag.IsActive || ag.CreatedBy != owner.User.ID {
					t.Errorf("got %+v, want an active %s on the offline provider", ag, kind)
				}
			}
			if got, err := storetest.All(r.Projects(ctx, owner, "", store.Page{})); err != nil || len(got) != 1 {
				t.Errorf("got %+v, %v, want one", got, err)
			}
			if got, err := storetest.All(r.Projects(ctx, owner, store.NewID(), store.Page{})); err != nil || len(got) != 0 {
				t.Errorf("of another organisation: got %+v, %v, want none", got, err)
			}
			if got, err := storetest.All(r.Projects(ctx, other, "", store.Page{})); err != nil || len(got) != 0 {
				t.Errorf("of somebody else: got %+v, %v, want none", got, err)
			}
			_, err = r.Agents(ctx, other, p.ID, store.Page{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.Agents(ctx, other, store.NewID(), store.Page{})
			refused(t, err, app.KindNotFound, "", "Project not found")
		})
		t.Run("ProjectOfOthers", func(t *testing.T) {
			_, err := r.CreateProject(ctx, other, org.ID, "Mine", nil)
			refused(t, err, app.KindForbidden, "", "Not enough permissions in organization")
			_, err = r.CreateProject(ctx, other, store.NewID(), "Mine", nil)
			refused(t, err, app.KindForbidden, "", "Not enough permissions in organization")
			_, err = r.CreateProject(ctx, admin, store.NewID(), "Mine", nil)
			refused(t, err, app.KindNotFound, "", "Organization not found")
			if _, err := r.CreateProject(ctx, admin, org.ID, "Help", nil); err != nil {
				t.Error(err)
			}
			_, err = r.CreateProject(ctx, nil, org.ID, "Mine", nil)
			refused(t, err, app.KindUnauthenticated, "", "")
		})
	})
}
