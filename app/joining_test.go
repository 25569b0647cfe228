package app_test

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// roleIn is somebody's role in a course, "" without one.
func roleIn(t *testing.T, r *apptest.Rig, courseID string, who *app.Actor) string {
	t.Helper()
	role, err := r.DB.CourseRole(t.Context(), courseID, who.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	return role
}

func TestJoinCode(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		var code string
		t.Run("StaffMakeIt", func(t *testing.T) {
			_, err := r.JoinCode(ctx, c.Teacher, c.Course.ID)
			refused(t, err, app.KindNotFound, "", "Join code not found")
			for _, who := range []*app.Actor{c.Teacher, c.TA, c.Admin} {
				jc, err := r.SetJoinCode(ctx, who, c.Course.ID)
				if err != nil || !regexp.MustCompile(`^[A-HJKMNP-Z2-9]{8}$`).MatchString(jc.Code) || jc.Code == code {
					t.Fatalf("%s: got %+v, %v, want a fresh code", who.User.Role, jc, err)
				}
				code = jc.Code
			}
			if jc, err := r.JoinCode(ctx, c.TA, c.Course.ID); err != nil || jc.Code != code {
				t.Errorf("got %+v, %v, want %s", jc, err, code)
			}
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, err := r.SetJoinCode(ctx, who, c.Course.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				_, err = r.JoinCode(ctx, who, c.Course.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				refused(t, r.DeleteJoinCode(ctx, who, c.Course.ID), app.KindForbidden, "", "Not enough permissions")
			}
			if dump := r.Dump(t); strings.Count(dump, code) != 1 {
				t.Error("the code stands elsewhere than in its own row")
			}
		})
		t.Run("Join", func(t *testing.T) {
			who := r.User(t, app.RoleGuest, "Gus")
			typed := strings.ToLower(code[:4]) + " - " + code[4:]
			for range 2 {
				if got, err := r.JoinCourse(ctx, who, typed); err != nil || got.ID != c.Course.ID {
					t.Errorf("got %+v, %v", got, err)
				}
			}
			if got := roleIn(t, r, c.Course.ID, who); got != "student" {
				t.Errorf("joined as %q, want student", got)
			}
			if got := audited(t, r, app.ActJoinCourse, c.Course.ID); got != 1 {
				t.Errorf("got %d lines in the audit log, want 1", got)
			}
			if _, err := r.JoinCourse(ctx, c.TA, code); err != nil || roleIn(t, r, c.Course.ID, c.TA) != "ta" {
				t.Errorf("a TA who joins stays one: got %v", err)
			}
		})
		t.Run("OldCodesAreVoid", func(t *testing.T) {
			old := code
			jc, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			_, err = r.JoinCourse(ctx, c.Outsider, old)
			refused(t, err, app.KindNotFound, "", "Join code not found")
			if err := r.DeleteJoinCode(ctx, c.Teacher, c.Course.ID); err != nil {
				t.Error(err)
			}
			_, err = r.JoinCourse(ctx, c.Outsider, jc.Code)
			refused(t, err, app.KindNotFound, "", "Join code not found")
			refused(t, r.DeleteJoinCode(ctx, c.Teacher, c.Course.ID), app.KindNotFound, "", "Join code not found")
		})
		t.Run("GuessingIsSlow", func(t *testing.T) {
			thief := r.User(t, app.RoleStudent, "Thief")
			jc, err := r.SetJoinCode(ctx, c.Teacher, c.Course.ID)
			if err != nil {
				t.Fatal(err)
			}
			for range 10 {
				_, err := r.JoinCourse(ctx, thief, "AAAAAAAA")
				refused(t, err, app.KindNotFound, "", "")
			}
			_, err = r.JoinCourse(ctx, thief, jc.Code)
			refused(t, err, app.KindLimited, "rate_limited", "")
			if _, err := r.JoinCourse(ctx, r.User(t, app.RoleStudent, "Else"), jc.Code); err != nil {
				t.Errorf("somebody else is held up: %v", err)
			}
			r.Advance(r.Config.Auth.SigninWindow + time.Second)
			if _, err := r.JoinCourse(ctx, thief, jc.Code); err != nil {
				t.Errorf("after the window: %v", err)
			}
		})
		t.Run("Invalid", func(t *testing.T) {
			for _, bad := range []string{"", " - ", "\x00", strings.Repeat("A", 65)} {
				_, err := r.JoinCourse(ctx, c.Outsider, bad)
				refused(t, err, app.KindInvalid, "", "")
			}
		})
	})
}

func TestInvitations(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		invite := func(t *testing.T, who *app.Actor, role string, uses int) (*store.Invitation, string) {
			t.Helper()
			ci, token, err := r.Invite(ctx, who, c.Course.ID, app.NewInvitation{Role: role, Life: time.Hour, MaxUses: uses})
			if err != nil {
				t.Fatal(err)
			}
			return ci, token
		}
		const void = "This invitation is not valid any more. Ask for a new one."
		t.Run("OK", func(t *testing.T) {
			for _, role := range []string{"", "ta", "teacher"} {
				_, token := invite(t, c.Teacher, role, 1)
				who := r.User(t, app.RoleStudent, "New")
				for range 2 {
					if got, err := r.AcceptInvitation(ctx, who, token); err != nil || got.ID != c.Course.ID {
						if err == nil || app.KindOf(err) != app.KindNotFound {
							t.Errorf("got %+v, %v", got, err)
						}
					}
				}
				want := role
				if want == "" {
					want = "student"
				}
				if got := roleIn(t, r, c.Course.ID, who); got != want {
					t.Errorf("got role %q, want %q", got, want)
				}
				_, err := r.AcceptInvitation(ctx, r.User(t, app.RoleStudent, "Late"), token)
				refused(t, err, app.KindNotFound, "invitation", void)
				if strings.Contains(r.Dump(t), token) {
					t.Error("the token is stored as it is")
				}
			}
		})
		t.Run("MembersUseNothingUp", func(t *testing.T) {
			ci, token := invite(t, c.Teacher, "teacher", 1)
			if _, err := r.AcceptInvitation(ctx, c.Student, token); err != nil {
				t.Fatal(err)
			}
			if got, err := r.DB.Invitation(ctx, ci.ID); err != nil || got.Uses != 0 || roleIn(t, r, c.Course.ID, c.Student) != "student" {
				t.Errorf("got %+v, %v, want it unused and the student a student", got, err)
			}
		})
		t.Run("TwentyAtOnce", func(t *testing.T) {
			ci, token := invite(t, c.Teacher, "student", 7)
			people := make([]*app.Actor, 20)
			for i := range people {
				people[i] = r.User(t, app.RoleStudent, "Many")
			}
			in := 0
			for _, err := range race(len(people), func(i int) error { _, err := r.AcceptInvitation(ctx, people[i], token); return err }) {
				if err == nil {
					in++
				} else {
					refused(t, err, app.KindNotFound, "invitation", void)
				}
			}
			members := 0
			for _, p := range people {
				if roleIn(t, r, c.Course.ID, p) != "" {
					members++
				}
			}
			if got, err := r.DB.Invitation(ctx, ci.ID); err != nil || in != 7 || members != 7 || got.Uses != 7 {
				t.Errorf("%d accepted, %d members, %+v, %v, want 7 of each", in, members, got, err)
			}
		})
		t.Run("NotWithoutEnd", func(t *testing.T) {
			other := r.Class(t)
			fill := func(n int, course string, life time.Duration) {
				t.Helper()
				at := time.Now().UTC()
				r.Exec(t, "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) INSERT INTO course_invitations"+
					" (id, course_id, created_by, role, token_hash, max_uses, uses, created_at, expires_at) SELECT ? || i, ?, ?, 'student', ? || i, 1, 0, ?, ? FROM n",
					n, store.NewID(), course, other.Teacher.User.ID, store.NewID(), at, at.Add(life))
			}
			more := func(course string) error {
				_, _, err := r.Invite(ctx, other.Teacher, course, app.NewInvitation{Life: time.Hour, MaxUses: 1})
				return err
			}
			fill(500, other.Course.ID, -time.Minute)
			must(t, more(other.Course.ID)) // none of those counts
			fill(499, other.Course.ID, time.Hour)
			refused(t, more(other.Course.ID), app.KindConflict, "too_many_invitations", "The course has 500 invitation links, which is the most. Take some back first.")
			for range 2 {
				course, err := r.CreateCourse(ctx, other.Teacher, "Next", nil)
				must(t, err)
				must(t, more(course.ID))
				fill(249, course.ID, time.Hour)
			}
			course, err := r.CreateCourse(ctx, other.Teacher, "Last", nil)
			must(t, err)
			refused(t, more(course.ID), app.KindConflict, "too_many_invitations", "You have made 1000 invitation links that still work, which is the most. Take some back first.")
		})
		t.Run("TAsInviteStudentsOnly", func(t *testing.T) {
			invite(t, c.TA, "student", 1)
			ci, _ := invite(t, c.Teacher, "ta", 1)
			_, _, err := r.Invite(ctx, c.TA, c.Course.ID, app.NewInvitation{Role: "ta", Life: time.Hour, MaxUses: 1})
			refused(t, err, app.KindForbidden, "", "TAs can enroll students only")
			refused(t, r.DeleteInvitation(ctx, c.TA, c.Course.ID, ci.ID), app.KindForbidden, "", "TAs can enroll students only")
		})
		t.Run("AGiverWithoutTheRightGivesNothing", func(t *testing.T) {
			co := enrolled(t, r, c, "teacher")
			_, asTA := invite(t, co, "ta", 5)
			_, asStudent := invite(t, co, "student", 5)
			if err := r.ChangeMemberRole(ctx, c.Teacher, c.Course.ID, co.User.ID, "ta"); err != nil {
				t.Fatal(err)
			}
			_, err := r.AcceptInvitation(ctx, r.User(t, app.RoleStudent, "Any"), asTA)
			refused(t, err, app.KindNotFound, "invitation", void)
			if _, err := r.AcceptInvitation(ctx, r.User(t, app.RoleStudent, "Any"), asStudent); err != nil {
				t.Errorf("a TA's link for students: %v", err)
			}
			if err := r.RemoveMember(ctx, c.Teacher, c.Course.ID, co.User.ID); err != nil {
				t.Fatal(err)
			}
			_, err = r.AcceptInvitation(ctx, r.User(t, app.RoleStudent, "Any"), asStudent)
			refused(t, err, app.KindNotFound, "invitation", void)
			_, again := invite(t, c.TA, "student", 1)
			r.Exec(t, "UPDATE users SET is_active = FALSE WHERE id = ?", c.TA.User.ID)
			_, err = r.AcceptInvitation(ctx, r.User(t, app.RoleStudent, "Any"), again)
			refused(t, err, app.KindNotFound, "invitation", void)
		})
		t.Run("DeletedAndExpired", func(t *testing.T) {
			ci, token := invite(t, c.Teacher, "student", 1)
			if err := r.DeleteInvitation(ctx, c.Admin, c.Course.ID, ci.ID); err != nil {
				t.Fatal(err)
			}
			_, err := r.AcceptInvitation(ctx, c.Outsider, token)
			refused(t, err, app.KindNotFound, "invitation", void)
			refused(t, r.DeleteInvitation(ctx, c.Admin, c.Course.ID, ci.ID), app.KindNotFound, "", "Invitation not found")
			other := r.Class(t)
			ci, token = invite(t, c.Teacher, "student", 1)
			refused(t, r.DeleteInvitation(ctx, other.Teacher, other.Course.ID, ci.ID), app.KindNotFound, "", "Invitation not found")
			r.Advance(time.Hour)
			_, err = r.AcceptInvitation(ctx, c.Outsider, token)
			refused(t, err, app.KindNotFound, "invitation", void)
			fresh, _ := invite(t, c.Teacher, "student", 1)
			list, err := r.Invitations(ctx, c.Teacher, c.Course.ID, store.Page{})
			if err != nil || len(list) != 1 || list[0].ID != fresh.ID {
				t.Errorf("got %d, %v, want the expired ones gone", len(list), err)
			}
		})
		t.Run("Invalid", func(t *testing.T) {
			for _, bad := range []app.NewInvitation{{Role: "owner", Life: time.Hour, MaxUses: 1}, {Life: 0, MaxUses: 1}, {Life: -time.Hour, MaxUses: 1},
				{Life: 366 * 24 * time.Hour, MaxUses: 1}, {Life: time.Hour}, {Life: time.Hour, MaxUses: 1001}, {Life: time.Hour, MaxUses: -1}} {
				_, _, err := r.Invite(ctx, c.Teacher, c.Course.ID, bad)
				refused(t, err, app.KindInvalid, "", "")
			}
			for _, who := range []*app.Actor{c.Student, c.Outsider} {
				_, _, err := r.Invite(ctx, who, c.Course.ID, app.NewInvitation{Life: time.Hour, MaxUses: 1})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
				_, err = r.Invitations(ctx, who, c.Course.ID, store.Page{})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
		})
	})
}

func TestTransferCourse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		transfer := func(who *app.Actor, to string) (*store.Course, error) {
			return r.TransferCourse(ctx, who, c.Course.ID, to)
		}
		co := enrolled(t, r, c, "teacher")
		t.Run("Refuses", func(t *testing.T) {
			for _, who := range []*app.Actor{co, c.TA, c.Student, c.Outsider} {
				_, err := transfer(who, co.User.ID)
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			off := r.User(t, app.RoleTeacher, "Off")
			r.Exec(t, "UPDATE users SET is_active = FALSE WHERE id = ?", off.User.ID)
			for _, to := range []*app.Actor{c.Student, c.TA, c.Outsider, off} {
				_, err := transfer(c.Teacher, to.User.ID)
				refused(t, err, app.KindInvalid, "", "user_id: must be somebody active who teaches in the course or may have courses")
			}
			_, err := transfer(c.Teacher, store.NewID())
			refused(t, err, app.KindNotFound, "", "User not found")
		})
		t.Run("AnOwnerGivesOnce", func(t *testing.T) {
			course, err := r.CreateCourse(ctx, c.Teacher, "Twice", nil)
			must(t, err)
			var done, denied atomic.Int32
			count := func(err error) {
				if err == nil {
					done.Add(1)
				} else if k := app.KindOf(err); k == app.KindForbidden || k == app.KindNotFound {
					denied.Add(1)
				} else {
					t.Error(err)
				}
			}
			var all sync.WaitGroup
			for range 3 {
				to := r.User(t, app.RoleTeacher, "Heir").User.ID
				all.Go(func() { _, err := r.TransferCourse(ctx, c.Teacher, course.ID, to); count(err) })
				all.Go(func() { _, _, err := r.DeleteCourse(ctx, c.Teacher, course.ID, false); count(err) })
			}
			all.Wait()
			if done.Load() != 1 || denied.Load() != 5 {
				t.Errorf("%d transfers and deletions by one owner succeeded and %d were refused, want 1 and 5", done.Load(), denied.Load())
			}
		})
		t.Run("ToACoTeacher", func(t *testing.T) {
			if got, err := transfer(c.Teacher, co.User.ID); err != nil || got.OwnerID != co.User.ID {
				t.Fatalf("got %+v, %v", got, err)
			}
			if got := roleIn(t, r, c.Course.ID, c.Teacher); got != "teacher" {
				t.Errorf("the old owner is %q, want teacher", got)
			}
			_, _, err := r.DeleteCourse(ctx, c.Teacher, c.Course.ID, true)
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			if err := r.RemoveMember(ctx, co, c.Course.ID, c.Teacher.User.ID); err != nil {
				t.Errorf("the old owner can be removed: %v", err)
			}
			if got := audited(t, r, app.ActTransferCourse, c.Course.ID); got != 1 {
				t.Errorf("got %d lines in the audit log, want 1", got)
			}
		})
		t.Run("ByAnAdminToATeacherFromElsewhere", func(t *testing.T) {
			other := r.User(t, app.RoleTeacher, "Else")
			for range 2 {
				if got, err := transfer(c.Admin, other.User.ID); err != nil || got.OwnerID != other.User.ID {
					t.Fatalf("got %+v, %v", got, err)
				}
			}
			if got := roleIn(t, r, c.Course.ID, other); got != "teacher" {
				t.Errorf("the new owner is %q, want teacher", got)
			}
		})
	})
}
