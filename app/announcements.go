package app

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

// AnnouncementTexts are the texts of an announcement. A text that is not sent keeps the
// stored one.
type AnnouncementTexts struct {
	Title   Opt[string]
	Content Opt[string]
}

func (s AnnouncementTexts) apply(an *store.Announcement) error {
	if err := errors.Join(s.Title.set("title", &an.Title), s.Content.set("content", &an.Content)); err != nil {
		return firstOf(err)
	}
	errs := []error{name("title", &an.Title), text("content", an.Content, 1, maxText)}
	if errs[1] == nil && strings.TrimSpace(an.Content) == "" {
		errs[1] = invalid("content", "must not be empty")
	}
	return firstOf(errors.Join(errs...))
}

// announcementChanges is an announcement as the audit log shows it.
func announcementChanges(an *store.Announcement) changes {
	return changes{"course_id": an.CourseID, "title": an.Title, "content": store.Cut(an.Content, 1000)}
}

// Announce sends an announcement to all members of a course.
func (a *App) Announce(ctx context.Context, actor *Actor, courseID string, s AnnouncementTexts) (*store.Announcement, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActWriteAnnouncements); err != nil {
		return nil, err
	}
	now := a.instant()
	an := &store.Announcement{ID: store.NewID(), CourseID: courseID, AuthorID: actor.User.ID, CreatedAt: now, UpdatedAt: now, Version: 1}
	if err := s.apply(an); err != nil {
		return nil, err
	}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateAnnouncement(ctx, an); err != nil {
			return err
		}
		if err := a.quotas.inCourse(ctx, tx, actor, store.PlacedAnnouncements, courseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteAnnouncements, target{"announcement", an.ID}, nil, announcementChanges(an))
	})
	if errors.Is(err, store.ErrReferenced) {
		return nil, notFound("Course")
	}
	return an, err
}

// Announcements lists a course's announcements, newest first.
func (a *App) Announcements(ctx context.Context, actor *Actor, courseID string, p store.Page) (*store.Listing[store.Announcement], error) {
	if _, err := a.courseRead(ctx, actor, courseID, ActReadAnnouncements); err != nil {
		return nil, err
	}
	return a.db.Announcements(ctx, courseID, p)
}

// UpdateAnnouncement changes the sent texts of an announcement.
func (a *App) UpdateAnnouncement(ctx context.Context, actor *Actor, id string, s AnnouncementTexts) (*store.Announcement, error) {
	courseID, err := a.announcementFor(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	var an *store.Announcement
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		if an, err = openAnnouncement(ctx, tx, courseID, id); err != nil {
			return err
		}
		before, size := announcementChanges(an), len(an.Content)
		if err := s.apply(an); err != nil {
			return err
		}
		an.UpdatedAt = a.instant()
		if err := tx.UpdateAnnouncement(ctx, an); err != nil {
			return err
		}
		if len(an.Content) > size {
			if err := a.quotas.courseGrew(ctx, tx, an.CourseID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActWriteAnnouncements, target{"announcement", id}, before, announcementChanges(an))
	})
	return an, fromStore(err, "Announcement")
}

// DeleteAnnouncement deletes an announcement.
func (a *App) DeleteAnnouncement(ctx context.Context, actor *Actor, id string) error {
	courseID, err := a.announcementFor(ctx, actor, id)
	if err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		an, err := openAnnouncement(ctx, tx, courseID, id)
		if err != nil {
			return err
		}
		if err := tx.DeleteAnnouncement(ctx, id); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActWriteAnnouncements, target{"announcement", id}, announcementChanges(an), nil)
	}), "Announcement")
}

// openAnnouncement locks an announcement of a course that is not archived.
func openAnnouncement(ctx context.Context, tx *store.Tx, courseID, id string) (*store.Announcement, error) {
	if err := tx.OpenCourse(ctx, courseID); err != nil {
		return nil, err
	}
	return tx.AnnouncementForUpdate(ctx, id)
}

// announcementFor checks that the actor may change an announcement. To an actor who may
// not read it, it is not found.
func (a *App) announcementFor(ctx context.Context, actor *Actor, id string) (courseID string, err error) {
	if actor == nil {
		return "", errNotAuthenticated
	}
	an, err := a.db.Announcement(ctx, id)
	if err != nil {
		return "", fromStore(err, "Announcement")
	}
	_, res, err := a.course(ctx, actor, an.CourseID)
	if err != nil {
		return "", err
	}
	res.Noun = "Announcement"
	if err := Check(actor, ActReadAnnouncements, res); err != nil {
		return "", err
	}
	return an.CourseID, Check(actor, ActWriteAnnouncements, res)
}
