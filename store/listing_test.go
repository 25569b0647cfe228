package store_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// readAll reads a list that find finds. It returns the ids of its rows, as they were read,
// and the number of queries.
func readAll[T any](t *testing.T, find func(ctx context.Context) (*store.Listing[T], error), id func(*T) string) (ids []string, reads int64) {
	t.Helper()
	ctx, count := store.CountReads(t.Context())
	list, err := find(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for row, err := range list.Rows(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id(row))
	}
	if !slices.Equal(ids, list.IDs()) || len(ids) != list.Len() {
		t.Errorf("got the rows %v of %v", ids, list.IDs())
	}
	return ids, count.Count()
}

// A list takes one statement, and one more for each portion after the first, whatever the
// rows have of other tables.
func TestListingStatements(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		w := newWorld(t, db)
		notice := func(an *store.Announcement) string { return an.ID }
		notices := func(ctx context.Context) (*store.Listing[store.Announcement], error) {
			return db.Announcements(ctx, w.course.ID, store.Page{})
		}
		if ids, reads := readAll(t, notices, notice); len(ids) != 0 || reads != 1 {
			t.Errorf("no rows: got %v by %d queries, want 1", ids, reads)
		}
		var want []string
		add := func(size int) {
			an := &store.Announcement{ID: store.NewID(), CourseID: w.course.ID, Title: fmt.Sprint(len(want)), Content: strings.Repeat("x", size),
				CreatedAt: at, UpdatedAt: at, Version: 1}
			w.tx(func(ctx context.Context, tx *store.Tx) error { return tx.CreateAnnouncement(ctx, an) })
			want = slices.Insert(want, 0, an.ID)
		}
		for _, c := range []struct {
			what  string
			sizes []int
			reads int64
		}{
			{"one row", []int{10}, 1},
			{"some rows", []int{0, 10, 1000}, 1},
			{"a large row behind the first portion", []int{}, 1},
			{"a row in front that is a portion", []int{70_000}, 3},
			{"more than a portion in front of that", []int{40_000, 20_000, 20_000}, 4},
		} {
			for _, size := range c.sizes {
				add(size)
			}
			if ids, reads := readAll(t, notices, notice); !slices.Equal(ids, want) || reads != c.reads {
				t.Errorf("%s: got %v by %d queries, want %v by %d", c.what, ids, reads, want, c.reads)
			}
		}
		list, err := notices(t.Context())
		mustBe(t, "the error", err, nil)
		for an, err := range list.Rows(t.Context()) {
			mustBe(t, "the error", err, nil)
			if an.CourseID != w.course.ID || an.Title == "" || an.Version != 1 || !an.CreatedAt.Equal(at) {
				t.Errorf("got %+v", an)
			}
		}

		other, name := newUser("other"), "Other"
		other.FullName = &name
		own := &store.Course{ID: store.NewID(), Title: "Own", OwnerID: other.ID, CreatedAt: at, Version: 1}
		w.tx(func(ctx context.Context, tx *store.Tx) error {
			if err := errorOf(tx.CreateUser(ctx, other), tx.CreateCourse(ctx, own)); err != nil {
				return err
			}
			for _, id := range []string{other.ID, w.pupil.ID} {
				if _, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: w.course.ID, UserID: id, Role: "student", CreatedAt: at}); err != nil {
					return err
				}
			}
			for range 3 {
				if _, err := post(ctx, tx, w, store.Message{SenderID: other.ID, Content: "hello"}); err != nil {
					return err
				}
			}
			return nil
		})
		said, reads := readAll(t, func(ctx context.Context) (*store.Listing[store.Message], error) {
			return db.ListMessages(ctx, w.room.ID, 0, 2)
		}, func(m *store.Message) string {
			if m.Sender == nil || m.Sender.FullName == nil || *m.Sender.FullName != name {
				t.Errorf("the message %s has the sender %+v", m.ID, m.Sender)
			}
			return m.ID
		})
		if len(said) != 2 || said[0] > said[1] || reads != 2 { // ids sort by time; they are read apart
			t.Errorf("messages: got %v by %d queries", said, reads)
		}
		people, reads := readAll(t, func(ctx context.Context) (*store.Listing[store.CourseMember], error) {
			return db.CourseMembers(ctx, w.course.ID, store.Page{})
		}, func(m *store.CourseMember) string {
			if m.User == nil || m.User.ID != m.UserID || m.CourseID != w.course.ID {
				t.Errorf("the member %s has the account %+v", m.UserID, m.User)
			}
			return m.UserID
		})
		if !slices.Contains(people, other.ID) || !slices.Contains(people, w.pupil.ID) || reads != 1 {
			t.Errorf("members: got %v by %d queries", people, reads)
		}
		courses, reads := readAll(t, func(ctx context.Context) (*store.Listing[store.Course], error) {
			return db.Courses(ctx, other.ID, false, store.Page{})
		}, func(c *store.Course) string {
			if c.ID == own.ID && (c.OwnerName == nil || *c.OwnerName != name) {
				t.Errorf("the owner's name is %v", c.OwnerName)
			}
			return c.ID
		})
		if !slices.Contains(courses, own.ID) || len(courses) != 2 || reads != 1 {
			t.Errorf("courses: got %v by %d queries", courses, reads)
		}
	})
}
