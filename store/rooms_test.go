package store_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestUpdateRoom(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		won := w.race(10, func(ctx context.Context, tx *store.Tx, _ int) error {
			r := *w.room
			r.Name, r.AIMode, r.AIFrequency, r.EventSeq, r.CourseID = "New", "off", 1, 99, "elsewhere"
			err := tx.UpdateRoom(ctx, &r)
			if want := map[bool]int{true: 2, false: 1}[err == nil]; r.Version != want {
				t.Errorf("the copy is at version %d after %v, want %d", r.Version, err, want)
			}
			return err
		})
		got, err := db.Room(t.Context(), w.room.ID)
		if err != nil {
			t.Fatal(err)
		}
		if won != 1 || got.Name != "New" || got.AIMode != "off" || got.AIFrequency != 1 || got.Version != 2 {
			t.Errorf("%d of 10 won, got %+v", won, got)
		}
		if got.EventSeq != 0 || got.CourseID != w.course.ID {
			t.Errorf("what is no setting was written: %+v", got)
		}
	})
}

func TestRoomAccess(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		ta, stranger := newUser("ta"), newUser("stranger")
		other := newRoom(w.course.ID)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			err := errors.Join(tx.CreateUser(ctx, ta), tx.CreateUser(ctx, stranger), tx.CreateRoom(ctx, other))
			for _, m := range []store.CourseMember{{UserID: w.pupil.ID, Role: "student"}, {UserID: ta.ID, Role: "ta"}, {UserID: ta.ID, Role: "student"}} {
				m.CourseID, m.CreatedAt = w.course.ID, at
				_, merr := tx.AddCourseMember(ctx, &m)
				err = errors.Join(err, merr)
			}
			first, ferr := tx.AddRoomMember(ctx, &store.RoomMember{RoomID: w.room.ID, UserID: w.pupil.ID, CreatedAt: at})
			again, aerr := tx.AddRoomMember(ctx, &store.RoomMember{RoomID: w.room.ID, UserID: w.pupil.ID, CreatedAt: at})
			if !first || again {
				t.Errorf("AddRoomMember: got %v and %v, want true and false", first, again)
			}
			return errors.Join(err, ferr, aerr)
		})
		all := []string{w.owner.ID, w.pupil.ID, ta.ID, stranger.ID}
		for _, room := range []*store.Room{w.room, other} {
			seats, err := db.RoomAccesses(t.Context(), room.ID, append(all, store.NewID()))
			if err != nil || len(seats) != len(all) {
				t.Fatalf("seats: got %d (%v), want %d", len(seats), err, len(all))
			}
			for i, want := range []store.RoomAccess{{IsOwner: true}, {CourseRole: "student", IsMember: room == w.room}, {CourseRole: "ta"}, {}} {
				got, err := db.RoomAccess(t.Context(), room.ID, all[i])
				if err != nil {
					t.Fatal(err)
				}
				if got.Room.ID != room.ID || got.CourseRole != want.CourseRole || got.IsOwner != want.IsOwner || got.IsMember != want.IsMember {
					t.Errorf("user %d: got %+v, want %+v", i, got, want)
				}
				seat := seats[all[i]]
				if seat.User.ID != all[i] || seat.CourseRole != want.CourseRole || seat.IsOwner != want.IsOwner || seat.IsMember != want.IsMember {
					t.Errorf("seat %d: got %+v, want %+v", i, seat, want)
				}
			}
		}
		for id, want := range map[string]bool{w.pupil.ID: true, ta.ID: false} {
			if got, err := db.HasRoomIn(t.Context(), w.course.ID, id); got != want || err != nil {
				t.Errorf("HasRoomIn: got %v (%v), want %v", got, err, want)
			}
		}
		for id, want := range map[string]int{"": 2, w.pupil.ID: 1, ta.ID: 0} {
			if got, err := storetest.All(db.RoomsInCourse(t.Context(), w.course.ID, id, store.Page{})); len(got) != want || err != nil {
				t.Errorf("RoomsInCourse: got %d (%v), want %d", len(got), err, want)
			}
		}
	})
}

func TestCourses(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		second := &store.Course{ID: store.NewID(), Title: "Second", OwnerID: w.pupil.ID, CreatedAt: at.Add(time.Second), Version: 1}
		mustBe(t, "a link before the course", w.try(func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: second.ID, UserID: w.owner.ID, Role: "ta", CreatedAt: at})
			return err
		}), store.ErrReferenced)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			err := tx.CreateCourse(ctx, second)
			_, merr := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: second.ID, UserID: w.owner.ID, Role: "ta", CreatedAt: at})
			return errors.Join(err, merr)
		})
		for user, want := range map[string][]string{
			"": {"Second", "Course"}, w.owner.ID: {"Second", "Course"}, w.pupil.ID: {"Second"}, store.NewID(): {},
		} {
			courses, err := storetest.All(db.Courses(t.Context(), user, false, store.Page{}))
			if err != nil || len(courses) != len(want) {
				t.Fatalf("got %+v (%v), want %v", courses, err, want)
			}
			for i, c := range courses {
				if c.Title != want[i] {
					t.Errorf("course %d: got %s, want %s", i, c.Title, want[i])
				}
			}
		}
		members, err := storetest.All(db.CourseMembers(t.Context(), second.ID, store.Page{}))
		if err != nil || len(members) != 1 || members[0].User.ID != w.owner.ID {
			t.Errorf("members: got %+v (%v)", members, err)
		}
		for user, want := range map[string]string{w.owner.ID: "ta", w.pupil.ID: ""} {
			if got, err := db.CourseRole(t.Context(), second.ID, user); got != want || err != nil {
				t.Errorf("role: got %q (%v), want %q", got, err, want)
			}
		}
	})
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			return errors.Join(
				tx.AddOrganizationMember(ctx, &store.OrganizationMember{OrganizationID: w.project.OrganizationID, UserID: w.pupil.ID, Role: "admin", CreatedAt: at}),
				tx.AddProjectMember(ctx, &store.ProjectMember{ProjectID: w.project.ID, UserID: w.pupil.ID, Role: "editor", CreatedAt: at}))
		})
		ctx := t.Context()
		for user, want := range map[string]struct {
			orgs, projects, ofOrg, ofOther int
			orgRole, projectRole           string
		}{
			w.pupil.ID: {1, 1, 1, 0, "admin", "editor"},
			w.owner.ID: {},
		} {
			orgs, err1 := storetest.All(db.OrganizationsOf(ctx, user, store.Page{}))
			projects, err2 := storetest.All(db.ProjectsOf(ctx, user, "", store.Page{}))
			ofOrg, err3 := storetest.All(db.ProjectsOf(ctx, user, w.project.OrganizationID, store.Page{}))
			ofOther, err4 := storetest.All(db.ProjectsOf(ctx, user, store.NewID(), store.Page{}))
			orgRole, err5 := db.OrganizationRole(ctx, w.project.OrganizationID, user)
			projectRole, err6 := db.ProjectRole(ctx, w.project.ID, user)
			mustBe(t, "the reads", errors.Join(err1, err2, err3, err4, err5, err6), nil)
			if len(orgs) != want.orgs || len(projects) != want.projects || len(ofOrg) != want.ofOrg || len(ofOther) != want.ofOther ||
				orgRole != want.orgRole || projectRole != want.projectRole {
				t.Errorf("got %d %d %d %d %q %q, want %+v", len(orgs), len(projects), len(ofOrg), len(ofOther), orgRole, projectRole, want)
			}
		}
	})
}
