package app_test

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := apptest.NewStopped(t, url)
		c := r.Class(t)
		ctx := t.Context()
		texts := func(title, content string) app.AnnouncementTexts {
			return app.AnnouncementTexts{Title: app.Some(title), Content: app.Some(content)}
		}
		t.Run("StaffWriteMembersRead", func(t *testing.T) {
			for _, who := range []*app.Actor{c.Teacher, c.TA, c.Admin} {
				if an, err := r.Announce(ctx, who, c.Course.ID, texts(" Exam ", "soon")); err != nil || an.Title != "Exam" || an.AuthorID != who.User.ID {
					t.Errorf("%s: got %+v, %v", who.User.Role, an, err)
				}
			}
			list, err := storetest.All(r.Announcements(ctx, c.Student, c.Course.ID, store.Page{}))
			if err != nil || len(list) != 3 || list[0].AuthorID != c.Admin.User.ID {
				t.Errorf("got %+v, %v, want three, the newest first", list, err)
			}
			_, err = r.Announce(ctx, c.Student, c.Course.ID, texts("a", "b"))
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.Announcements(ctx, c.Outsider, c.Course.ID, store.Page{})
			refused(t, err, app.KindNotFound, "", "Course not found")
			_, err = r.Announce(ctx, c.Admin, store.NewID(), texts("a", "b"))
			refused(t, err, app.KindNotFound, "", "Course not found")
		})
		t.Run("Invalid", func(t *testing.T) {
			for _, bad := range []app.AnnouncementTexts{{}, texts("", "b"), texts("a", " \n"), texts("a", "\x00"), texts("a", strings.Repeat("x", 20_001)),
				{Title: null[string](), Content: app.Some("b")}} {
				_, err := r.Announce(ctx, c.Teacher, c.Course.ID, bad)
				refused(t, err, app.KindInvalid, "", "")
			}
		})
		t.Run("Change", func(t *testing.T) {
			an, err := r.Announce(ctx, c.Teacher, c.Course.ID, texts("Exam", "soon"))
			if err != nil {
				t.Fatal(err)
			}
			got, err := r.UpdateAnnouncement(ctx, c.TA, an.ID, app.AnnouncementTexts{Content: app.Some("tomorrow")})
			if err != nil || got.Title != "Exam" || got.Content != "tomorrow" || got.UpdatedAt.Before(an.UpdatedAt) {
				t.Errorf("got %+v, %v", got, err)
			}
			_, err = r.UpdateAnnouncement(ctx, c.Student, an.ID, texts("a", "b"))
			refused(t, err, app.KindForbidden, "", "Not enough permissions")
			_, err = r.UpdateAnnouncement(ctx, c.Outsider, an.ID, texts("a", "b"))
			refused(t, err, app.KindNotFound, "", "Announcement not found")
			refused(t, r.DeleteAnnouncement(ctx, c.Student, an.ID), app.KindForbidden, "", "Not enough permissions")
			if err := r.DeleteAnnouncement(ctx, c.TA, an.ID); err != nil {
				t.Error(err)
			}
			refused(t, r.DeleteAnnouncement(ctx, c.TA, an.ID), app.KindNotFound, "", "Announcement not found")
			if got := audited(t, r, app.ActWriteAnnouncements, an.ID); got != 3 {
				t.Errorf("got %d lines in the audit log, want 3", got)
			}
		})
	})
}
