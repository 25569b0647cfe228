package app_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/realtime"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// audited counts the lines of the audit log with this action and thing.
func audited(t *testing.T, r *apptest.Rig, action app.Action, targetID string) int {
	t.Helper()
	_, log, _ := strings.Cut(r.Dump(t), "== audit_log\n")
	log, _, _ = strings.Cut(log, "== ")
	n := 0
	for line := range strings.Lines(log) {
		if strings.Contains(line, " "+string(action)+" ") && strings.Contains(line, targetID) {
			n++
		}
	}
	return n
}

// enrolled makes somebody and enrols them.
func enrolled(t *testing.T, r *apptest.Rig, c *apptest.Class, role string) *app.Actor {
	t.Helper()
	who := r.User(t, app.RoleStudent, "Any")
	if _, err := r.Enrol(t.Context(), c.Teacher, c.Course.ID, app.Person{ID: who.User.ID}, role); err != nil {
		t.Fatal(err)
	}
	return who
}

func TestChangeMemberRole(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		change := func(who *app.Actor, userID, role string) error {
			return r.ChangeMemberRole(t.Context(), who, c.Course.ID, userID, role)
		}
		co, pupil := enrolled(t, r, c, "teacher"), enrolled(t, r, c, "student")
		t.Run("OK", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Teacher, co, c.Admin} {
				for _, role := range []string{"ta", "teacher", "student", "student"} {
					if err := change(who, pupil.User.ID, role); err != nil {
						t.Errorf("%s to %s: %v", who.User.Role, role, err)
					}
				}
			}
			if got := audited(t, r, app.ActChangeMember, c.Course.ID); got != 9 {
				t.Errorf("got %d lines in the audit log, want one for each change", got)
			}
		})
		t.Run("TheNewRoleCounts", func(t *testing.T) {
			if err := change(c.Teacher, pupil.User.ID, "ta"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Enrol(t.Context(), pupil, c.Course.ID, app.Person{ID: c.Outsider.User.ID}, ""); err != nil {
				t.Errorf("a new TA enrols: %v", err)
			}
			if err := change(c.Teacher, pupil.User.ID, "student"); err != nil {
				t.Fatal(err)
			}
			refused(t, change(pupil, c.Outsider.User.ID, "student"), app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("TAs", func(t *testing.T) {
			if err := change(c.TA, pupil.User.ID, "student"); err != nil {
				t.Error(err)
			}
			for _, role := range []string{"ta", "teacher"} {
				refused(t, change(c.TA, pupil.User.ID, role), app.KindForbidden, "", "TAs cannot promote to TA/Teacher")
			}
			for _, id := range []string{c.TA.User.ID, co.User.ID} {
				refused(t, change(c.TA, id, "student"), app.KindForbidden, "", "TAs cannot modify TAs/Teachers")
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Student, r.User(t, app.RoleTeacher, "Other")} {
				refused(t, change(who, pupil.User.ID, "student"), app.KindForbidden, "", "Not enough permissions")
			}
			for _, who := range []*app.Actor{c.Teacher, co, c.Admin} {
				refused(t, change(who, c.Teacher.User.ID, "student"), app.KindRejected, "", "Cannot change owner role")
			}
			refused(t, change(c.Teacher, store.NewID(), "ta"), app.KindNotFound, "", "User not enrolled")
			refused(t, change(c.Teacher, pupil.User.ID, "owner"), app.KindInvalid, "", "role: must be one of student, ta, teacher")
			err := r.ChangeMemberRole(t.Context(), c.Teacher, store.NewID(), pupil.User.ID, "ta")
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
	})
}

func TestRemoveMember(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		remove := func(who *app.Actor, userID string) error {
			return r.RemoveMember(t.Context(), who, c.Course.ID, userID)
		}
		co := enrolled(t, r, c, "teacher")
		t.Run("OutOfTheRoomsToo", func(t *testing.T) {
			other := r.Class(t)
			for _, room := range []string{c.Room.ID, other.Room.ID} {
				teacher := c.Teacher
				if room == other.Room.ID {
					teacher = other.Teacher
				}
				if _, err := r.AssignToRoom(t.Context(), teacher, room, app.Person{ID: c.Student.User.ID}); err != nil {
					t.Fatal(err)
				}
			}
			here, there := r.Join(t, c.Student, c.Room.ID, true, -1), r.Join(t, c.Student, other.Room.ID, true, -1)
			if err := remove(c.TA, c.Student.User.ID); err != nil {
				t.Fatal(err)
			}
			if got := here.AwaitClose(t); got != realtime.CloseNotMember {
				t.Errorf("the socket was closed with %d, want 4003", got)
			}
			_, err := r.OpenRoom(t.Context(), c.Student, c.Room.ID, app.RoomParts{})
			refused(t, err, app.KindNotFound, "", "Room not found")
			there.Seat.Post(t.Context(), "still in the other course's room", "c1")
			there.Await(t, "the ack", func(f apptest.Frame) bool { return f.Is("ack") })
			if got := audited(t, r, app.ActRemoveMember, c.Course.ID); got != 1 {
				t.Errorf("got %d lines in the audit log, want 1", got)
			}
		})
		t.Run("TAsRemoveStudentsOnly", func(t *testing.T) {
			for _, id := range []string{c.TA.User.ID, co.User.ID} {
				refused(t, remove(c.TA, id), app.KindForbidden, "", "TAs cannot remove TAs/Teachers")
			}
		})
		t.Run("ADemotedTALosesWhatStaffSee", func(t *testing.T) {
			s := r.Join(t, c.TA, c.Room.ID, true, -1)
			if err := r.ChangeMemberRole(t.Context(), co, c.Course.ID, c.TA.User.ID, "student"); err != nil {
				t.Fatal(err)
			}
			if got := s.AwaitClose(t); got != realtime.CloseGoingAway {
				t.Errorf("the socket was closed with %d, want 1001: it comes back as a student's", got)
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Teacher, co, c.Admin} {
				refused(t, remove(who, c.Teacher.User.ID), app.KindRejected, "", "Cannot remove owner")
			}
			refused(t, remove(c.Teacher, c.Outsider.User.ID), app.KindNotFound, "", "User not found in course")
			refused(t, remove(c.Outsider, c.TA.User.ID), app.KindForbidden, "", "Not enough permissions")
		})
		t.Run("CoTeachersRemoveStaff", func(t *testing.T) {
			if err := remove(co, c.TA.User.ID); err != nil {
				t.Error(err)
			}
			if err := remove(c.Teacher, co.User.ID); err != nil {
				t.Error(err)
			}
		})
	})
}

func TestMembersAtOnce(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		pupil := enrolled(t, r, c, "student").User.ID
		removed := race(10, func(int) error { return r.RemoveMember(t.Context(), c.Teacher, c.Course.ID, pupil) })
		ok := 0
		for _, err := range removed {
			if err == nil {
				ok++
			} else if app.KindOf(err) != app.KindNotFound {
				t.Error(err)
			}
		}
		if ok != 1 {
			t.Errorf("removed %d times, want once", ok)
		}
	})
}

// race runs n at once and returns their errors.
func race(n int, fn func(int) error) []error {
	errs := make([]error, n)
	done := make(chan struct{})
	for i := range n {
		go func() { errs[i] = fn(i); done <- struct{}{} }()
	}
	for range n {
		<-done
	}
	return errs
}

func TestUpdateCourse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		co := enrolled(t, r, c, "teacher")
		update := func(who *app.Actor, s app.CourseSettings) (*store.Course, error) {
			return r.UpdateCourse(t.Context(), who, c.Course.ID, s)
		}
		t.Run("OK", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Teacher, co, c.Admin} {
				if got, err := update(who, app.CourseSettings{Title: app.Some(" Art "), Description: app.Some("About")}); err != nil || got.Title != "Art" || *got.Description != "About" {
					t.Errorf("got %+v, %v", got, err)
				}
				if got, err := update(who, app.CourseSettings{Description: null[string]()}); err != nil || got.Title != "Art" || got.Description != nil {
					t.Errorf("got %+v, %v, want the description gone and the title kept", got, err)
				}
			}
		})
		t.Run("Refuses", func(t *testing.T) {
			for _, who := range []*app.Actor{c.TA, c.Student, c.Outsider} {
				_, err := update(who, app.CourseSettings{})
				refused(t, err, app.KindForbidden, "", "Not enough permissions")
			}
			for _, title := range []app.Opt[string]{null[string](), app.Some(" "), app.Some("\x00")} {
				_, err := update(c.Teacher, app.CourseSettings{Title: title})
				refused(t, err, app.KindInvalid, "", "")
			}
			_, err := r.UpdateCourse(t.Context(), c.Admin, store.NewID(), app.CourseSettings{})
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("BothOfTwoChangesStand", func(t *testing.T) {
			for _, err := range race(10, func(i int) error {
				s := app.CourseSettings{Title: app.Some("Both")}
				if i%2 == 0 {
					s = app.CourseSettings{Description: app.Some("of them")}
				}
				_, err := update(c.Teacher, s)
				return err
			}) {
				if err != nil {
					t.Error(err)
				}
			}
			if got, err := r.Course(t.Context(), c.Student, c.Course.ID); err != nil || got.Title != "Both" || *got.Description != "of them" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	})
}

func TestDeleteCourse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.New(t, url)
		c := r.Class(t)
		ctx := t.Context()
		r.Model.Script(counted)
		post(t, r, c.Student, c.Room.ID, "@teacher hello")
		r.Idle(t, c.Room.ID)
		if _, err := r.Announce(ctx, c.Teacher, c.Course.ID, app.AnnouncementTexts{Title: app.Some("Exam"), Content: app.Some("soon")}); err != nil {
			t.Fatal(err)
		}
		t.Run("WhoMay", func(t *testing.T) {
			for _, who := range []*app.Actor{c.TA, c.Student, c.Outsider, enrolled(t, r, c, "teacher")} {
				for _, dry := range []bool{true, false} {
					_, _, err := r.DeleteCourse(ctx, who, c.Course.ID, dry)
					refused(t, err, app.KindForbidden, "", "Not enough permissions")
				}
			}
		})
		t.Run("DryRun", func(t *testing.T) {
			gone, counts, err := r.DeleteCourse(ctx, c.Teacher, c.Course.ID, true)
			if err != nil || gone != nil {
				t.Fatalf("got %+v, %v", gone, err)
			}
			for kind, want := range map[string]int{"rooms": 1, "messages": 2, "members": 4, "announcements": 1, "agents": 2, "turns": 1} {
				if counts[kind] != want {
					t.Errorf("%s: got %d, want %d", kind, counts[kind], want)
				}
			}
		})
		t.Run("OK", func(t *testing.T) {
			s := r.Join(t, c.Student, c.Room.ID, true, -1)
			gone, _, err := r.DeleteCourse(ctx, c.Teacher, c.Course.ID, false)
			if err != nil || gone.ID != c.Course.ID {
				t.Fatalf("got %+v, %v", gone, err)
			}
			if got := s.AwaitClose(t); got != realtime.CloseNotMember {
				t.Errorf("the socket was closed with %d, want 4003", got)
			}
			_, err = r.Course(ctx, c.Teacher, c.Course.ID)
			refused(t, err, app.KindNotFound, "", "Course not found")
			_, _, err = r.DeleteCourse(ctx, c.Teacher, c.Course.ID, false)
			refused(t, err, app.KindNotFound, "", "Course not found")
			if _, err := r.Agents(ctx, c.Teacher, c.Project.ID, store.Page{}); err != nil {
				t.Errorf("the project's agents stay: %v", err)
			}
			if got := audited(t, r, app.ActDeleteCourse, c.Course.ID); got != 1 {
				t.Errorf("got %d lines in the audit log, want 1", got)
			}
		})
	})
}

func TestDeleteThingsInUse(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		for range 5 {
			c := r.Class(t)
			for i := range 20 {
				post(t, r, c.Student, c.Room.ID, strings.Repeat("x", i+1))
			}
			ctx := t.Context()
			for i, err := range race(6, func(i int) (err error) {
				switch i {
				case 0:
					_, err = r.DeleteRoom(ctx, c.Teacher, c.Room.ID, false)
				case 1:
					_, _, err = r.DeleteCourse(ctx, c.Teacher, c.Course.ID, false)
				case 2:
					err = r.DeleteAgent(ctx, c.Teacher, c.TeacherAgent.ID)
				case 3:
					_, err = r.PostMessage(ctx, c.Student, c.Room.ID, "late", "")
				case 4:
					_, err = r.AttachAgent(ctx, c.Teacher, c.Room.ID, c.StudentAgent.ID)
				default:
					err = r.RemoveMember(ctx, c.Teacher, c.Course.ID, c.Student.User.ID)
				}
				return err
			}) {
				var known *app.Error
				if err != nil && (!errors.As(err, &known) || known.Kind == app.KindInternal) {
					t.Errorf("%d: %v", i, err)
				}
			}
		}
	})
}
