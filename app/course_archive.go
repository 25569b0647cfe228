package app

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app/event"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

var errArchived = errorf(KindConflict, wording.Archived, "The course is archived: it can be read, and nothing in it changes until it is opened again")

// ArchiveCourse makes a course read-only for everybody, with all its rooms. Turns that are
// under way are stopped, and no agent begins another. An archived course stays as it is.
func (a *App) ArchiveCourse(ctx context.Context, actor *Actor, id string) (*store.Course, error) {
	c, err := a.setArchived(ctx, actor, id, a.instant())
	if err != nil {
		return nil, err
	}
	turns, err := a.db.OpenTurnsOfCourse(ctx, id)
	if err != nil {
		return nil, err
	}
	for i := range turns {
		if _, err := a.engine.Stop(ctx, turns[i].ID, actor.User.ID); err != nil {
			return nil, fromStore(err, "Turn")
		}
	}
	return c, nil
}

// ReopenCourse undoes ArchiveCourse. Turns that were stopped stay so.
func (a *App) ReopenCourse(ctx context.Context, actor *Actor, id string) (*store.Course, error) {
	return a.setArchived(ctx, actor, id, time.Time{})
}

func (a *App) setArchived(ctx context.Context, actor *Actor, id string, at time.Time) (*store.Course, error) {
	var c *store.Course
	// The rooms before the course: whoever changes a room may lock its course after it.
	rooms := func(tx *store.Tx) error { return tx.LockRoomsOf(ctx, id) }
	err := a.changeCourseBehind(ctx, actor, id, ActArchiveCourse, rooms, func(tx *store.Tx, held *store.Course, _ Resource) error {
		if c = held; c.ArchivedAt.IsZero() == at.IsZero() {
			return nil
		}
		before := changes{"archived": !c.ArchivedAt.IsZero()}
		told := store.Event{Type: event.TypeArchived, Body: store.ToJSON(event.Archived{Archived: !at.IsZero()}), CreatedAt: a.instant()}
		if err := tx.SetCourseArchived(ctx, c, at, told); err != nil {
			return err
		}
		tx.AfterCommit(a.audience.rechecks.soon)
		return a.audit.record(ctx, tx, actor, ActArchiveCourse, target{"course", id}, before, changes{"archived": !at.IsZero()})
	})
	return c, err
}
