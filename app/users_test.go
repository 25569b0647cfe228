package app_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// actorOf is an account as one signed in with these tokens.
func actorOf(t *testing.T, r *apptest.Rig, tokens *app.Tokens) *app.Actor {
	t.Helper()
	actor, err := r.Authenticate(t.Context(), tokens.Access)
	if err != nil {
		t.Fatal(err)
	}
	return actor
}

// signedIn tells whether tokens still open anything.
func signedIn(t *testing.T, r *apptest.Rig, tokens *app.Tokens) bool {
	t.Helper()
	_, err := r.Authenticate(t.Context(), tokens.Access)
	return err == nil
}

func names(users []store.User) []string {
	list := make([]string, len(users))
	for i := range users {
		list[i] = users[i].Name()
	}
	return list
}

func TestSearchUsers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		tag := store.NewID()[24:]
		named := func(role, name string) *app.Actor {
			t.Helper()
			who := r.User(t, role, "p")
			r.Exec(t, "UPDATE users SET full_name = ?, email = ? WHERE id = ?", name+" "+tag, "z-"+who.User.ID+"@example.org", who.User.ID)
			return who
		}
		stranger := named(app.RoleStudent, "ÄNNE_Müller")
		classmate := named(app.RoleStudent, "Änne%Maier")
		gone := named(app.RoleStudent, "Änne Gone")
		r.Exec(t, "UPDATE users SET is_active = ? WHERE id = ?", false, gone.User.ID)
		if _, err := r.Enrol(t.Context(), c.Teacher, c.Course.ID, app.Person{ID: classmate.User.ID}, ""); err != nil {
			t.Fatal(err)
		}
		staffStudent := r.User(t, app.RoleStudent, "Helper")
		if _, err := r.Enrol(t.Context(), c.Teacher, c.Course.ID, app.Person{ID: staffStudent.User.ID}, "ta"); err != nil {
			t.Fatal(err)
		}
		find := func(who *app.Actor, q string) map[string]bool {
			t.Helper()
			rows, err := r.SearchUsers(t.Context(), who, q, 100)
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]bool{}
			for _, u := range rows {
				found[u.ID] = true
			}
			return found
		}
		for name, rule := range map[string]struct {
			who                       *app.Actor
			stranger, classmate, gone bool
		}{
			"Student": {c.Student, false, true, false}, "Outsider": {c.Outsider, false, false, false}, "Guest": {r.User(t, app.RoleGuest, "G"), false, false, false},
			"TA": {c.TA, true, true, false}, "StaffOfACourse": {staffStudent, true, true, false}, "Teacher": {c.Teacher, true, true, false},
			"Admin": {c.Admin, true, true, true},
		} {
			t.Run(name, func(t *testing.T) {
				found := find(rule.who, tag)
				if found[stranger.User.ID] != rule.stranger || found[classmate.User.ID] != rule.classmate || found[gone.User.ID] != rule.gone {
					t.Errorf("got stranger %v, classmate %v, inactive %v, want %v %v %v", found[stranger.User.ID], found[classmate.User.ID],
						found[gone.User.ID], rule.stranger, rule.classmate, rule.gone)
				}
			})
		}
		t.Run("TheOwnerIsFound", func(t *testing.T) {
			if !find(c.Student, c.Teacher.User.Email)[c.Teacher.User.ID] {
				t.Error("a student does not find the owner of the course")
			}
		})
		t.Run("AnyCaseAndNoWildcards", func(t *testing.T) {
			for q, want := range map[string]bool{"änne_müller " + tag: true, "ÄNNE_MÜLLER": true, "nne_m": true, strings.ToUpper(stranger.User.ID): true,
				"%": false, "änne%": false, "a_b": false, `\`: false, "'": false} {
				if got := find(c.Teacher, q)[stranger.User.ID]; got != want {
					t.Errorf("%q: found %v, want %v", q, got, want)
				}
			}
			if !find(c.Teacher, "Änne%m")[classmate.User.ID] {
				t.Error("a percent sign does not find itself")
			}
		})
		t.Run("AsAtSignIn", func(t *testing.T) {
			who, old := r.User(t, app.RoleStudent, "p"), r.User(t, app.RoleStudent, "p")
			r.Exec(t, "UPDATE users SET email = ?, email_key = ?, username = ?, username_key = ?, full_name = NULL WHERE id = ?", "zoë-"+tag+"@bücher.example",
				store.LoginKey("zoë-"+tag+"@bücher.example"), "straße-"+tag, store.LoginKey("straße-"+tag), who.User.ID)
			// As an older program has stored it.
			strange := "Ｚo\u200be\u0308.old-" + tag + "@x.org"
			r.Exec(t, "UPDATE users SET email = ?, email_key = ? WHERE id = ?", strange, store.LoginKey(strange), old.User.ID)
			foreign := r.User(t, app.RoleStudent, "p")
			host, nick := "ann-"+tag+"@xn--bcher-kva.example", "Ｇroße\u00a0Ta\u200bnte\u0301-"+tag
			r.Exec(t, "UPDATE users SET email = ?, email_key = ?, username = ?, username_key = ? WHERE id = ?", host, store.LoginKey(host), nick,
				store.LoginKey(nick), foreign.User.ID)
			for q, want := range map[string]*app.Actor{
				// A part of the ordinary spelling of what is stored in another one.
				"zoë.old-" + tag: old, "OË.OLD-" + tag: old, "zoë.old-" + tag + "@X": old, "ＺＯＥ\u0308.old-" + tag: old, "zoë.old-" + tag + "@x.": old,
				"ann-" + tag + "@bücher": foreign, "NN-" + tag + "@BÜCH": foreign, "ann-" + tag + "@bu\u0308cher.": foreign,
				"große tanté-" + tag: foreign, "ROßE\u3000TANTE\u0301-" + tag: foreign, "e tanté-" + tag: foreign, nick[len("Ｇ"):]: foreign,
				"ZOË-" + strings.ToUpper(tag) + "@BÜCHER.EXAMPLE": who, "zoe\u0308-" + tag + "@xn--bcher-kva.example": who, "ｚｏë－" + tag: who, "ZOE\u0308-" + tag: who,
				"zo\u200bë-" + tag: who, "ＳＴＲＡßＥ-" + tag: who, "zoë.old-" + tag + "@x.org": old, "ZOE\u0308.OLD-" + tag + "@X.ORG": old, strange: old,
			} {
				if found := find(c.Teacher, q); !found[want.User.ID] || len(found) != 1 {
					t.Errorf("%+q: found %v, want %s alone", q, found, want.User.ID)
				}
				if found := find(c.Student, q); len(found) != 0 {
					t.Errorf("%+q: a student found %v, who share no course", q, found)
				}
			}
		})
		t.Run("NothingVisibleFindsNobody", func(t *testing.T) {
			for _, q := range []string{"\u200b\u200d", "\ufeff", "\u00ad"} {
				if found := find(c.Admin, q); len(found) != 0 {
					t.Errorf("%+q: found %v", q, found)
				}
			}
		})
		t.Run("Limit", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Teacher, c.Student} {
				if rows, err := r.SearchUsers(t.Context(), who, "", 2); err != nil || len(rows) != 2 {
					t.Errorf("got %v, %v, want 2", names(rows), err)
				}
			}
		})
		t.Run("Invalid", func(t *testing.T) {
			for _, q := range []string{"a\x00", "\xff", strings.Repeat("x", 201)} {
				if _, err := r.SearchUsers(t.Context(), c.Teacher, q, 1); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%q: got %v, want an invalid error", q, err)
				}
			}
		})
		t.Run("Read", func(t *testing.T) {
			for who, want := range map[*app.Actor]bool{stranger: true, c.Student: false, c.Outsider: false, c.TA: true, c.Teacher: true, staffStudent: true, c.Admin: true} {
				u, err := r.App.User(t.Context(), who, stranger.User.ID)
				if want && (err != nil || u.ID != stranger.User.ID) {
					t.Errorf("%s: got %v", who.User.Name(), err)
				}
				if !want {
					refused(t, err, app.KindNotFound, "", "User not found")
				}
			}
			if _, err := r.App.User(t.Context(), c.Student, classmate.User.ID); err != nil {
				t.Errorf("a classmate: %v", err)
			}
			_, err := r.App.User(t.Context(), c.Admin, store.NewID())
			refused(t, err, app.KindNotFound, "", "User not found")
		})
		t.Run("List", func(t *testing.T) {
			if rows, err := storetest.All(r.Users(t.Context(), c.Admin, store.Page{Limit: 2})); err != nil || len(rows) != 2 || rows[0].ID < rows[1].ID {
				t.Errorf("got %v, %v, want the newest two", names(rows), err)
			}
			_, err := r.Users(t.Context(), c.Teacher, store.Page{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
		})
	})
}

func TestUpdateSelf(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		update := func(who *app.Actor, in app.UserChanges) (*store.User, error) {
			return r.UpdateSelf(t.Context(), who, in)
		}
		t.Run("RoleAndActiveStay", func(t *testing.T) {
			for _, role := range []string{app.RoleStudent, app.RoleAdmin, app.RoleSuperAdmin} {
				who := r.User(t, role, "Any")
				in := app.UserChanges{FullName: app.Some(" "), Role: app.Some(app.RoleTeacher), IsActive: app.Some(false)}
				if u, err := update(who, in); err != nil || u.Role != role || !u.IsActive || u.FullName != nil {
					t.Errorf("%s: got %+v, %v", role, u, err)
				}
				u, err := r.UpdateUser(t.Context(), who, who.User.ID, in)
				if role == app.RoleSuperAdmin {
					refused(t, err, app.KindRejected, "", "Super Admins cannot change their own role")
				} else if err != nil || u.Role != role || !u.IsActive {
					t.Errorf("%s by its id: got %+v, %v", role, u, err)
				}
			}
		})
		t.Run("Names", func(t *testing.T) {
			who, tag := r.User(t, app.RoleStudent, "Ann"), store.NewID()[24:]
			u, err := update(who, app.UserChanges{FullName: app.Some("Ann B."), Username: app.Some(" ann" + tag)})
			if err != nil || *u.FullName != "Ann B." || *u.Username != "ann"+tag || u.Version != 2 {
				t.Errorf("got %+v, %v", u, err)
			}
			_, err = update(r.User(t, app.RoleStudent, "Ben"), app.UserChanges{Username: app.Some("ANN" + tag)})
			refused(t, err, app.KindRejected, "username_taken", "Username already taken")
			u, err = update(who, app.UserChanges{Username: app.Some("")})
			if err != nil || u.Username != nil || *u.FullName != "Ann B." {
				t.Errorf("a blank user name: got %+v, %v, want none", u, err)
			}
			for _, in := range []app.UserChanges{{Username: app.Some("a@b")}, {FullName: app.Some(strings.Repeat("x", 201))}, {AvatarURL: app.Some("http://x.org/a.png")},
				{AvatarURL: app.Some("javascript:alert(1)")}, {AvatarURL: app.Some("/static/avatars/x.png")}, {Password: app.Some(secret.Text("short")), CurrentPassword: "x"}} {
				if _, err := update(who, in); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%+v: got %v, want an invalid error", in, err)
				}
			}
			u, err = update(who, app.UserChanges{AvatarURL: app.Some("https://example.org/a.png")})
			if err != nil || *u.AvatarURL != "https://example.org/a.png" {
				t.Errorf("got %+v, %v", u, err)
			}
		})
		t.Run("Password", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			own, other := signIn(t, r, u), signIn(t, r, u)
			who := actorOf(t, r, own)
			next := app.Some(secret.Text("another horse battery"))
			_, err := update(who, app.UserChanges{Password: next})
			refused(t, err, app.KindInvalid, "", "current_password: send the current password along with a new one")
			_, err = update(who, app.UserChanges{Password: next, CurrentPassword: "wrong"})
			refused(t, err, app.KindRejected, "wrong_password", "The current password is not right")
			if !signedIn(t, r, other) {
				t.Error("a refused change ended the other session")
			}
			// The client sends the password only if it was typed.
			for _, blank := range []app.Opt[secret.Text]{app.Some(secret.Text("")), {Sent: true, Null: true}} {
				if _, err := update(who, app.UserChanges{Password: blank}); err != nil {
					t.Error(err)
				}
			}
			if _, err := r.UpdateUser(t.Context(), who, u.ID, app.UserChanges{Password: next, CurrentPassword: password}); err != nil {
				t.Fatal(err)
			}
			if !signedIn(t, r, own) || signedIn(t, r, other) {
				t.Error("want the own session kept and the other one ended")
			}
			if _, err := r.SignIn(t.Context(), u.Email, "another horse battery", app.Client{}); err != nil {
				t.Error(err)
			}
		})
		t.Run("GuessesAreSlowedDown", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			who := actorOf(t, r, signIn(t, r, u))
			var err error
			for range r.Config.Auth.SigninFailuresPerAccount + 1 {
				_, err = update(who, app.UserChanges{Password: app.Some(secret.Text("another horse battery")), CurrentPassword: "wrong"})
			}
			refused(t, err, app.KindLimited, "", "")
			if _, err := r.SignIn(t.Context(), u.Email, password, app.Client{}); err != nil {
				t.Errorf("signing in elsewhere: %v", err)
			}
		})
		t.Run("AudienceOfTheAudit", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			who := actorOf(t, r, signIn(t, r, u))
			if _, err := update(who, app.UserChanges{Password: app.Some(secret.Text("another horse battery")), CurrentPassword: password}); err != nil {
				t.Fatal(err)
			}
			dump := r.Dump(t)
			if strings.Contains(dump, "another horse") || !strings.Contains(dump, "self.update user "+u.ID) {
				t.Error("want a line in the audit log, without the password")
			}
		})
	})
}

func TestUpdateUser(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		ctx := t.Context()
		admin, super := r.User(t, app.RoleAdmin, "Ada"), r.User(t, app.RoleSuperAdmin, "Root")
		role := func(role string) app.UserChanges { return app.UserChanges{Role: app.Some(role)} }
		t.Run("WhoMay", func(t *testing.T) {
			student, other, boss := r.User(t, app.RoleStudent, "Sue"), r.User(t, app.RoleAdmin, "Abe"), r.User(t, app.RoleSuperAdmin, "Boss")
			const modify, promote = "Only Super Admins can modify other Admins", "Only Super Admins can promote users to Admin"
			for _, c := range []struct {
				by, of *app.Actor
				in     app.UserChanges
				denial string
			}{
				{r.User(t, app.RoleTeacher, "T"), student, app.UserChanges{}, "Not enough permissions"},
				{student, other, app.UserChanges{}, "Not enough permissions"},
				{admin, other, app.UserChanges{FullName: app.Some("x")}, modify},
				{admin, boss, app.UserChanges{IsActive: app.Some(false)}, modify},
				{admin, boss, app.UserChanges{Password: app.Some(secret.Text("new password"))}, modify},
				{admin, other, role(app.RoleStudent), modify},
				{admin, student, role(app.RoleAdmin), promote},
				{admin, student, role(app.RoleSuperAdmin), promote},
				{admin, student, role(app.RoleTA), ""},
				{super, other, role(app.RoleTeacher), ""},
				{super, student, role(app.RoleAdmin), ""},
			} {
				u, err := r.UpdateUser(ctx, c.by, c.of.User.ID, c.in)
				if c.denial != "" {
					refused(t, err, app.KindForbidden, "", c.denial)
				} else if err != nil || c.in.Role.Sent && u.Role != c.in.Role.Value {
					t.Errorf("%+v: got %+v, %v", c.in, u, err)
				}
			}
			_, err := r.UpdateUser(ctx, admin, store.NewID(), app.UserChanges{})
			refused(t, err, app.KindNotFound, "", "User not found")
			_, err = r.UpdateUser(ctx, student, store.NewID(), app.UserChanges{})
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.UpdateUser(ctx, admin, student.User.ID, app.UserChanges{Password: app.Some(secret.Text("short"))})
			refused(t, err, app.KindForbidden, "", modify) // she was promoted above
			for _, in := range []app.UserChanges{role("king"), {Role: app.Opt[string]{Sent: true, Null: true}}, {IsActive: app.Opt[bool]{Sent: true, Null: true}}} {
				if _, err := r.UpdateUser(ctx, super, student.User.ID, in); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%+v: got %v, want an invalid error", in, err)
				}
			}
		})
		t.Run("ANewPasswordEndsAllSessions", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			tokens := signIn(t, r, u)
			if _, err := r.UpdateUser(ctx, admin, u.ID, app.UserChanges{Password: app.Some(secret.Text("another horse battery"))}); err != nil {
				t.Fatal(err)
			}
			if signedIn(t, r, tokens) {
				t.Error("the session lives")
			}
		})
		t.Run("InactivePeopleAreOut", func(t *testing.T) {
			u := account(t, r, app.RoleStudent)
			tokens := signIn(t, r, u)
			for _, active := range []bool{false, true} {
				if got, err := r.UpdateUser(ctx, admin, u.ID, app.UserChanges{IsActive: app.Some(active)}); err != nil || got.IsActive != active {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
			if signedIn(t, r, tokens) {
				t.Error("the session lives")
			}
			signIn(t, r, u)
		})
		t.Run("AFormerSuperAdminActsAsNobody", func(t *testing.T) {
			u := account(t, r, app.RoleSuperAdmin)
			boss := actorOf(t, r, signIn(t, r, u))
			tokens, err := r.Impersonate(ctx, boss, r.User(t, app.RoleStudent, "Sue").User.ID, app.Client{})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.UpdateUser(ctx, super, u.ID, role(app.RoleTeacher)); err != nil {
				t.Fatal(err)
			}
			if signedIn(t, r, tokens) {
				t.Error("the impersonated session lives")
			}
		})
	})
}

// However super admins try to take each other's rights at once, one stays.
func TestTheLastSuperAdminStays(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		remaining := func(supers []*app.Actor) (left []*app.Actor) {
			for _, s := range supers {
				if u, err := r.DB.User(t.Context(), s.User.ID); err == nil && u.Role == app.RoleSuperAdmin && u.IsActive {
					left = append(left, s)
				}
			}
			return left
		}
		for name, demote := range map[string]func(ctx context.Context, by *app.Actor, id string) error{
			"Demoted": func(ctx context.Context, by *app.Actor, id string) error {
				_, err := r.UpdateUser(ctx, by, id, app.UserChanges{Role: app.Some(app.RoleTeacher)})
				return err
			},
			"Inactive": func(ctx context.Context, by *app.Actor, id string) error {
				_, err := r.UpdateUser(ctx, by, id, app.UserChanges{IsActive: app.Some(false)})
				return err
			},
		} {
			t.Run(name, func(t *testing.T) {
				supers := []*app.Actor{r.User(t, app.RoleSuperAdmin, "A"), r.User(t, app.RoleSuperAdmin, "B"), r.User(t, app.RoleSuperAdmin, "C")}
				var all sync.WaitGroup
				for i := range supers {
					for _, other := range []int{i + 1, i + 2} {
						all.Go(func() {
							err := demote(t.Context(), supers[i], supers[other%3].User.ID)
							var e *app.Error
							if err != nil && (!errors.As(err, &e) || e.Kind == app.KindInternal) {
								t.Error(err)
							}
						})
					}
				}
				all.Wait()
				left := remaining(supers)
				if len(left) != 1 {
					t.Fatalf("got %d super admins left, want 1", len(left))
				}
				// The next of this test's subtests needs an end of this one.
				r.Exec(t, "UPDATE users SET role = 'teacher' WHERE id = ?", left[0].User.ID)
			})
		}
	})
}
