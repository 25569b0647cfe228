package app

import (
	"context"
	"errors"

	"github.com/coagent-studio/coagent/store"
)

// CreateCourse adds a course that the actor owns and teaches.
func (a *App) CreateCourse(ctx context.Context, actor *Actor, title string, description *string) (*store.Course, error) {
	if err := Check(actor, ActCreateCourse, Resource{}); err != nil {
		return nil, err
	}
	if err := errors.Join(name("title", &title), optionalText("description", description, maxText)); err != nil {
		return nil, firstOf(err)
	}
	c := &store.Course{ID: store.NewID(), Title: title, Description: description, OwnerID: actor.User.ID, CreatedAt: a.instant(), Version: 1}
	err := a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateCourse(ctx, c); err != nil {
			return err
		}
		if _, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: c.ID, UserID: c.OwnerID, Role: RoleTeacher, CreatedAt: c.CreatedAt}); err != nil {
			return err
		}
		if err := a.quotas.within(ctx, tx, c.OwnerID, store.OwnedCourses); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActCreateCourse, target{"course", c.ID}, nil, courseChanges(c))
	})
	return c, err
}

// Courses lists all courses for admins. Others get those that they own or are linked to.
// Without archived it leaves out those that are archived; with it they are the list.
func (a *App) Courses(ctx context.Context, actor *Actor, archived bool, p store.Page) (*store.Listing[store.Course], error) {
	if err := Check(actor, ActListCourses, Resource{}); err != nil {
		return nil, err
	}
	of := actor.User.ID
	if actor.isAdmin() {
		of = ""
	}
	return a.db.Courses(ctx, of, archived, p)
}

// Course returns one course.
func (a *App) Course(ctx context.Context, actor *Actor, id string) (*store.Course, error) {
	return a.courseFor(ctx, actor, id, ActReadCourse)
}

// CourseSettings are the members of a course that its teachers set. A member that is not
// sent keeps the stored value.
type CourseSettings struct {
	Title       Opt[string]
	Description Opt[string]
}

func (s CourseSettings) apply(c *store.Course) error {
	s.Description.setNullable(&c.Description)
	if err := s.Title.set("title", &c.Title); err != nil {
		return err
	}
	return firstOf(errors.Join(name("title", &c.Title), optionalText("description", c.Description, maxText)))
}

// courseChanges is a course as the audit log shows it.
func courseChanges(c *store.Course) changes {
	return changes{"title": c.Title, "description": c.Description, "owner_id": c.OwnerID}
}

// UpdateCourse changes the sent members of a course.
func (a *App) UpdateCourse(ctx context.Context, actor *Actor, id string, s CourseSettings) (*store.Course, error) {
	var c *store.Course
	err := a.changeCourse(ctx, actor, id, ActUpdateCourse, func(tx *store.Tx, held *store.Course, _ Resource) error {
		c = held
		before, described := courseChanges(c), c.Description
		if err := s.apply(c); err != nil {
			return err
		}
		if err := tx.UpdateCourse(ctx, c); err != nil {
			return err
		}
		if longer(described, c.Description) {
			if err := a.quotas.within(ctx, tx, c.OwnerID); err != nil {
				return err
			}
		}
		return a.audit.record(ctx, tx, actor, ActUpdateCourse, target{"course", id}, before, courseChanges(c))
	})
	return c, err
}

// DeleteCourse deletes a course with its rooms, their messages, its members and
// announcements, and returns it as it was. A dry run only counts.
func (a *App) DeleteCourse(ctx context.Context, actor *Actor, id string, dryRun bool) (*store.Course, store.Counts, error) {
	if dryRun {
		if _, err := a.courseFor(ctx, actor, id, ActDeleteCourse); err != nil {
			return nil, nil, err
		}
		counts, err := a.db.CourseContents(ctx, id)
		return nil, counts, err
	}
	var c *store.Course
	err := a.changeCourse(ctx, actor, id, ActDeleteCourse, func(tx *store.Tx, held *store.Course, _ Resource) error {
		c = held
		if err := tx.DeleteCourse(ctx, id); err != nil {
			return err
		}
		tx.AfterCommit(func() { a.audience.reportEnded(id) })
		return a.audit.record(ctx, tx, actor, ActDeleteCourse, target{"course", id}, courseChanges(c), nil)
	})
	if err != nil {
		return nil, nil, err
	}
	a.audience.rechecks.soon()
	return c, nil, nil
}

// courseFor loads a course and checks that the actor may do the action to it.
func (a *App) courseFor(ctx context.Context, actor *Actor, id string, action Action) (*store.Course, error) {
	c, res, err := a.course(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	return c, Check(actor, action, res)
}

// course loads a course and the actor's relations to it.
func (a *App) course(ctx context.Context, actor *Actor, id string) (*store.Course, Resource, error) {
	return courseIn(ctx, a.db.Queries, actor, id)
}

// courseRead checks that the actor may do an action that only reads, and returns how the
// actor stands to the course. It asks the database after a change only.
func (a *App) courseRead(ctx context.Context, actor *Actor, id string, action Action) (courseAccess, error) {
	access, err := a.courseAccess(ctx, actor, id)
	if err != nil {
		return access, err
	}
	return access, Check(actor, action, access.Resource)
}

// courseAccess returns how the actor stands to a course, for an action that only reads.
func (a *App) courseAccess(ctx context.Context, actor *Actor, id string) (courseAccess, error) {
	if actor == nil {
		return courseAccess{}, errNotAuthenticated
	}
	actors := &a.sessions.actors
	access, epoch, ok := actors.course(actor.known, id, a.instant())
	if ok {
		return access, nil
	}
	c, res, err := a.course(ctx, actor, id)
	if err != nil {
		return courseAccess{}, err
	}
	access = courseAccess{c.OwnerID, res}
	actors.keepCourse(actor.known, id, access, epoch)
	return access, nil
}

func courseIn(ctx context.Context, q store.Queries, actor *Actor, id string) (*store.Course, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	c, role, err := q.CourseAccess(ctx, id, actor.User.ID)
	if err != nil {
		return nil, Resource{}, fromStore(err, "Course")
	}
	res := Resource{Noun: "Course", Relations: courseRelation[role], Archived: !c.ArchivedAt.IsZero()}
	if c.OwnerID == actor.User.ID {
		res.Relations |= IsCourseOwner
	}
	return c, res, nil
}

// changeCourse runs fn in a transaction that locks a course and its people, if the actor
// may do the action. It checks that twice: before the lock, so that an actor without the
// right does not make others wait, and under the lock, when nobody can change the
// answer.
func (a *App) changeCourse(ctx context.Context, actor *Actor, id string, action Action, fn func(*store.Tx, *store.Course, Resource) error) error {
	return a.changeCourseBehind(ctx, actor, id, action, func(*store.Tx) error { return nil }, fn)
}

// changeCourseBehind is changeCourse for who needs other locks, which first takes before that
// of the course.
func (a *App) changeCourseBehind(ctx context.Context, actor *Actor, id string, action Action,
	first func(*store.Tx) error, fn func(*store.Tx, *store.Course, Resource) error) error {
	if _, err := a.courseFor(ctx, actor, id, action); err != nil {
		return err
	}
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := first(tx); err != nil {
			return err
		}
		if _, err := tx.CourseForUpdate(ctx, id); err != nil {
			return err
		}
		c, res, err := courseIn(ctx, tx.Queries, actor, id)
		if err == nil {
			err = Check(actor, action, res)
		}
		if err != nil {
			return err
		}
		return fn(tx, c, res)
	}), "Course")
}
