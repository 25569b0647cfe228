package app

import (
	"context"

	"github.com/coagent-studio/coagent/store"
)

// TransferCourse makes another person the owner of a course: an active teacher of the
// course, or anybody who may have courses of their own. The old owner stays as a
// teacher.
func (a *App) TransferCourse(ctx context.Context, actor *Actor, courseID, userID string) (*store.Course, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActTransferCourse); err != nil {
		return nil, err
	}
	u, err := a.db.User(ctx, userID)
	if err != nil {
		return nil, fromStore(err, "User")
	}
	if u.IsBot() {
		return nil, errIsBot
	}
	var c *store.Course
	err = a.changeCourse(ctx, actor, courseID, ActTransferCourse, func(tx *store.Tx, held *store.Course, res Resource) error {
		if c = held; c.OwnerID == userID {
			return nil
		}
		if err := mayRule(actor, power{beyond: ActTransferCourse, on: res, roles: []string{RoleTeacher}}); err != nil {
			return err
		}
		role, err := tx.CourseRole(ctx, courseID, userID)
		if err != nil {
			return err
		}
		if role != RoleTeacher && Check(&Actor{User: *u}, ActCreateCourse, Resource{}) != nil || !u.IsActive {
			return invalid("user_id", "must be somebody active who teaches in the course or may have courses")
		}
		before := courseChanges(c)
		for _, id := range []string{c.OwnerID, userID} {
			link := &store.CourseMember{CourseID: courseID, UserID: id, Role: RoleTeacher, CreatedAt: a.instant()}
			if added, err := tx.AddCourseMember(ctx, link); err != nil {
				return err
			} else if !added {
				if err := tx.SetCourseRole(ctx, courseID, id, RoleTeacher); err != nil {
					return err
				}
			}
		}
		c.OwnerID = userID
		if err := tx.UpdateCourse(ctx, c); err != nil {
			return err
		}
		if err := a.quotas.within(ctx, tx, userID, store.OwnedCourses); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActTransferCourse, target{"course", courseID}, before, courseChanges(c))
	})
	if err != nil {
		return nil, err
	}
	a.audience.rechecks.soon()
	return c, nil
}
