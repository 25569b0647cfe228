package app_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

const newPassword = secret.Text("correct horse battery")

func newcomer(code, name string) app.Newcomer {
	return app.Newcomer{Code: code, FullName: name, Password: newPassword}
}

func from(address string) app.Client { return app.Client{UserAgent: "test", Address: address} }

func TestNewcomers(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.SigninFailuresPerAddress = 5 })
		c := r.Class(t)
		ctx := t.Context()
		jc, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
		if err != nil {
			t.Fatal(err)
		}
		var ada *app.Arrived
		t.Run("AccountPlaceAndSession", func(t *testing.T) {
			got, err := r.JoinAsNewcomer(ctx, newcomer(strings.ToLower(jc.Code), " Ada  Lovelace "), from("10.0.0.1"))
			if err != nil {
				t.Fatal(err)
			}
			ada = got
			if got.Course.ID != c.Course.ID || *got.User.Username != "ada.lovelace" || got.User.Role != app.RoleStudent || !app.WithoutEmail(got.User) {
				t.Errorf("got %+v %+v", got.Course, got.User)
			}
			who, err := r.Authenticate(ctx, got.Tokens.Access)
			if err != nil || who.User.ID != got.User.ID || roleIn(t, r, c.Course.ID, who) != "student" {
				t.Errorf("got %+v, %v, want a signed-in student", who, err)
			}
			if _, err := r.SignIn(ctx, "Ada.Lovelace", newPassword.Reveal(), from("10.0.0.2")); err != nil {
				t.Errorf("sign in with the user name: %v", err)
			}
			if audited(t, r, app.ActCreateUser, got.User.ID) != 1 || audited(t, r, app.ActJoinCourse, c.Course.ID) != 1 {
				t.Error("the audit log lacks a line")
			}
			if _, err := r.UpdateSelf(ctx, who, app.UserChanges{Username: app.Some("")}); err == nil {
				t.Error("the only name to sign in with can be taken off")
			}
		})
		t.Run("ChosenName", func(t *testing.T) {
			in := newcomer(jc.Code, "Grace Hopper")
			name := "ADA.lovelace"
			in.Username = &name
			_, err := r.JoinAsNewcomer(ctx, in, from("10.0.0.1"))
			refused(t, err, app.KindRejected, "username_taken", "")
			in.Code = "AAAAAAAA"
			_, err = r.JoinAsNewcomer(ctx, in, from("10.0.0.9"))
			refused(t, err, app.KindNotFound, "", "Join code not found")
			in.Code, name = jc.Code, "grace"
			if got, err := r.JoinAsNewcomer(ctx, in, from("10.0.0.1")); err != nil || *got.User.Username != "grace" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
		t.Run("SentTwice", func(t *testing.T) {
			in := newcomer(jc.Code, "Lin Mei")
			in.ClientID = store.NewID()
			got := make([]*app.Arrived, 4)
			var all sync.WaitGroup
			for i := range got {
				all.Go(func() { got[i], _ = r.JoinAsNewcomer(ctx, in, from("10.0.0.1")) })
			}
			all.Wait()
			for _, g := range got {
				if g == nil || g.User.ID != got[0].User.ID || g.Tokens == nil {
					t.Fatalf("got %+v, want the same account four times", got)
				}
			}
			in.Password = "another horse battery"
			_, err := r.JoinAsNewcomer(ctx, in, from("10.0.0.1"))
			wrongPassword(t, err)
		})
		t.Run("ManyOfOneName", func(t *testing.T) {
			names := make([]string, 12)
			var all sync.WaitGroup
			for i := range names {
				all.Go(func() {
					got, err := r.JoinAsNewcomer(ctx, newcomer(jc.Code, "王小明"), from("10.0.0.1"))
					if err != nil {
						t.Errorf("got %v", err)
						return
					}
					names[i] = *got.User.Username
				})
			}
			all.Wait()
			seen := map[string]bool{}
			for _, n := range names {
				if seen[n] || !strings.HasPrefix(n, "王小明") {
					t.Errorf("got user names %v", names)
				}
				seen[n] = true
			}
		})
		t.Run("Invitation", func(t *testing.T) {
			_, token, err := r.Invite(ctx, c.Teacher, c.Course.ID, app.NewInvitation{Role: app.RoleTA, Life: time.Hour, MaxUses: 1})
			if err != nil {
				t.Fatal(err)
			}
			in := app.Newcomer{Token: token, FullName: "Tia", Password: newPassword}
			got, err := r.JoinAsNewcomer(ctx, in, from("10.0.0.1"))
			if err != nil || roleIn(t, r, c.Course.ID, &app.Actor{User: *got.User}) != "ta" {
				t.Errorf("got %+v, %v", got, err)
			}
			before := len(r.Dump(t))
			_, err = r.JoinAsNewcomer(ctx, in, from("10.0.0.1"))
			refused(t, err, app.KindNotFound, "invitation", "")
			if after := len(r.Dump(t)); after != before {
				t.Error("a used invitation leaves something")
			}
		})
		t.Run("Refused", func(t *testing.T) {
			before := r.Dump(t)
			for field, in := range map[string]app.Newcomer{
				"full_name": newcomer(jc.Code, " "), "body.full_name": newcomer(jc.Code, "---"), "brackets": newcomer(jc.Code, "[AI] Bot"),
				"nul": newcomer(jc.Code, "A\x00"), "code": newcomer("", "Ann"), "password": {Code: jc.Code, FullName: "Ann", Password: "short"},
			} {
				if _, err := r.JoinAsNewcomer(ctx, in, from("10.0.0.1")); app.KindOf(err) != app.KindInvalid {
					t.Errorf("%s: got %v", field, err)
				}
			}
			_, err := r.JoinAsNewcomer(ctx, newcomer(jc.Code, c.TeacherAgent.Name), from("10.0.0.1"))
			refused(t, err, app.KindRejected, "name_of_agent", fmt.Sprintf("Your name is or looks like %q, the name of an agent or a bot in this course. Choose another.", c.TeacherAgent.Name))
			if r.Dump(t) != before {
				t.Error("something is stored of those who were refused")
			}
		})
		t.Run("StaffSeeAndRemove", func(t *testing.T) {
			rows, err := r.Arrivals(ctx, c.TA, store.Arrivals{CourseID: c.Course.ID, Made: true, With: jc.Code}, store.Page{Limit: 100})
			if err != nil || len(rows) != 15 || rows[len(rows)-1].UserID != ada.User.ID || rows[0].User == nil || rows[0].CameBy != store.CameByCode {
				t.Errorf("got %d arrivals %+v, %v", len(rows), rows, err)
			}
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err := r.Arrivals(ctx, who, store.Arrivals{CourseID: c.Course.ID}, store.Page{Limit: 100})
				refused(t, err, app.KindForbidden, "", "")
			}
			for _, who := range []*app.Actor{c.TA, c.Student, c.Outsider} {
				refused(t, r.RemoveArrival(ctx, who, c.Course.ID, ada.User.ID), app.KindForbidden, "", "")
			}
			refused(t, r.RemoveArrival(ctx, c.Teacher, c.Course.ID, c.Student.User.ID), app.KindConflict, "account_not_made_here", "")
			refused(t, r.RemoveArrival(ctx, c.Teacher, c.Course.ID, c.Outsider.User.ID), app.KindNotFound, "", "")
			other, err := r.CreateCourse(ctx, c.Admin, "Physics", nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := r.Enrol(ctx, c.Admin, other.ID, app.Person{ID: ada.User.ID}, "student"); err != nil {
				t.Fatal(err)
			}
			refused(t, r.RemoveArrival(ctx, c.Teacher, c.Course.ID, ada.User.ID), app.KindForbidden, "", "")
			if err := r.RemoveMember(ctx, c.Admin, other.ID, ada.User.ID); err != nil {
				t.Fatal(err)
			}
			if err := r.RemoveArrival(ctx, c.Teacher, c.Course.ID, ada.User.ID); err != nil {
				t.Error(err)
			}
			if _, err := r.DB.User(ctx, ada.User.ID); err == nil {
				t.Error("the account is still there")
			}
			if _, err := r.Authenticate(ctx, ada.Tokens.Access); err == nil {
				t.Error("the session goes on")
			}
		})
		t.Run("ClosedIsWrong", func(t *testing.T) {
			join := func() error {
				_, err := r.JoinAsNewcomer(ctx, newcomer(jc.Code, "Zoe"), from("10.0.0.3"))
				return err
			}
			set := func(in app.JoinCodeChanges) {
				t.Helper()
				if _, err := r.UpdateJoinCode(ctx, c.TA, c.Course.ID, in); err != nil {
					t.Fatal(err)
				}
			}
			set(app.JoinCodeChanges{MakesAccounts: app.Some(false)})
			refused(t, join(), app.KindForbidden, "no_new_accounts", "")
			if _, err := r.JoinCourse(ctx, c.Outsider, jc.Code); err != nil {
				t.Errorf("somebody with an account: %v", err)
			}
			set(app.JoinCodeChanges{Open: app.Some(false), MakesAccounts: app.Some(true)})
			refused(t, join(), app.KindNotFound, "", "Join code not found")
			_, err := r.JoinCourse(ctx, r.User(t, app.RoleGuest, "Gil"), jc.Code)
			refused(t, err, app.KindNotFound, "", "Join code not found")
			set(app.JoinCodeChanges{Open: app.Some(true)})
			if err := join(); err != nil {
				t.Errorf("open again: %v", err)
			}
			_, err = r.UpdateJoinCode(ctx, c.Student, c.Course.ID, app.JoinCodeChanges{Open: app.Some(false)})
			refused(t, err, app.KindForbidden, "", "")
		})
		t.Run("GuessingIsSlow", func(t *testing.T) {
			for range 5 {
				_, err := r.JoinAsNewcomer(ctx, newcomer("AAAAAAAA", "Thief"), from("10.9.9.9"))
				refused(t, err, app.KindNotFound, "", "")
			}
			for _, code := range []string{jc.Code, "AAAAAAAA"} { // a right code is not told from a wrong one
				_, err := r.JoinAsNewcomer(ctx, newcomer(code, "Thief"), from("10.9.9.9"))
				refused(t, err, app.KindLimited, "rate_limited", "")
			}
			if _, err := r.JoinAsNewcomer(ctx, newcomer(jc.Code, "Else"), from("10.0.0.4")); err != nil {
				t.Errorf("somebody elsewhere is held up: %v", err)
			}
		})
	})
}

func TestNewcomersAreLimited(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url, func(c *config.Config) { c.Auth.NewAccountsPerCode, c.Auth.NewAccountsPerAddress = 6, 4 })
		c := r.Class(t)
		jc, err := r.SetJoinCode(t.Context(), c.Teacher, c.Course.ID)
		if err != nil {
			t.Fatal(err)
		}
		join := func(address string) error {
			_, err := r.JoinAsNewcomer(t.Context(), newcomer(jc.Code, "Ann"), from(address))
			return err
		}
		for i, address := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.2"} {
			if err := join(address); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		refused(t, join("10.0.0.3"), app.KindLimited, "rate_limited", "") // half of 6 at once
		r.Advance(time.Hour)
		for _, address := range []string{"10.0.0.1", "10.0.0.1"} {
			if err := join(address); err != nil {
				t.Errorf("an hour later: %v", err)
			}
		}
		refused(t, join("10.0.0.1"), app.KindLimited, "rate_limited", "") // half of 4 from one address
		r.Config.Auth.SelfMadeAccounts = false
		refused(t, join("10.0.0.7"), app.KindForbidden, "no_new_accounts", "")
	})
}

func TestClassListWithoutEmails(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		send := func(list string) string {
			t.Helper()
			rows, err := r.ImportMembers(ctx, c.TA, c.Course.ID, []byte(list), false)
			if err != nil {
				t.Fatal(err)
			}
			var told []string
			for _, row := range rows {
				told = append(told, fmt.Sprintf("%d %s %s link=%v", row.Line, row.Status, row.Username, row.Link != nil))
			}
			return strings.Join(told, "; ")
		}
		for _, step := range []struct{ list, want string }{
			{"姓名,帳號\n王小明,ming\n李美,\n", "2 created ming link=true; 3 created 李美 link=true"},
			{"姓名,帳號\n王小明,MING\n李美,\n", "2 already ming link=false; 3 already 李美 link=false"},
			{"name\nAnn Lee\nAnn Lee\n", "2 created ann.lee link=true; 3 error  link=false"},
			{"name\nAnn Lee\n\"\n", "2 already ann.lee link=false; 3 error  link=false"},
			{"username\nbob\n", "2 created bob link=true"},
			{"email,full_name,username\n,Cid,\n,Dee,dee\n", "2 error  link=false; 3 created dee link=true"},
		} {
			if got := send(step.list); got != step.want {
				t.Errorf("%q: got %s, want %s", step.list, got, step.want)
			}
		}
		rows, err := r.ImportMembers(ctx, c.Teacher, c.Course.ID, []byte("username\neve\n"), false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.UsePasswordLink(ctx, rows[0].Link.Token, "correct horse battery", from("10.0.0.1")); err != nil {
			t.Fatal(err)
		}
		if _, err := r.SignIn(ctx, "eve", "correct horse battery", from("10.0.0.1")); err != nil {
			t.Errorf("sign in with the user name: %v", err)
		}
	})
}
