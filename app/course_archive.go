package app

import (
	"context"
	"time"

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
	err := a.changeCourse(ctx, actor, id, ActArchiveCourse, func(tx *store.Tx, held *store.Course, _ Resource) error {
		if c = held; c.ArchivedAt.IsZero() == at.IsZero() {
			return nil
		}
		before := changes{"archived": !c.ArchivedAt.IsZero()}
		if err := tx.SetCourseArchived(ctx, c, at); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActArchiveCourse, target{"course", id}, before, changes{"archived": !at.IsZero()})
	})
	return c, err
}

// stillOpen refuses what would add to a course that has just been archived. The caller has
// added a row that refers to the course, so on Postgres an archiving is over or waits.
func stillOpen(ctx context.Context, tx *store.Tx, courseID string) error {
	c, err := tx.Course(ctx, courseID)
	if err == nil && !c.ArchivedAt.IsZero() {
		return errArchived
	}
	return err
}
