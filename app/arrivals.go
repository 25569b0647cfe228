package app

import (
	"context"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Arrivals lists who came into a course by a code or an invitation, the latest first.
func (a *App) Arrivals(ctx context.Context, actor *Actor, of store.Arrivals, p store.Page) ([]store.CourseMember, error) {
	if _, err := a.courseFor(ctx, actor, of.CourseID, ActReadJoinCode); err != nil {
		return nil, err
	}
	if err := text("came_with", of.With, 0, 64); err != nil {
		return nil, err
	}
	return a.db.Arrivals(ctx, of, p)
}

// RemoveArrival removes a person from a course together with the account that was made on
// the way in. Only those may do it who may sign in as the person anyway, see
// account.governed: so nothing goes that belongs to the person alone or to other teachers.
func (a *App) RemoveArrival(ctx context.Context, actor *Actor, courseID, userID string) error {
	c, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return err
	}
	if err := Check(actor, ActRemoveMember, res); err != nil {
		return err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		_, err := a.removeUser(ctx, tx, actor, userID, func(u *store.User) error { return mayRemoveArrival(ctx, tx, actor, c, res, u) })
		return fromStore(err, "User")
	})
	if err == nil {
		a.audience.rechecks.soon()
	}
	return err
}

// mayRemoveArrival checks the right to remove an account that the transaction has locked.
func mayRemoveArrival(ctx context.Context, tx *store.Tx, actor *Actor, c *store.Course, res Resource, u *store.User) error {
	role, err := memberToChange(ctx, tx, c, u.ID, "Cannot remove owner", "User not found in course")
	if err != nil {
		return err
	}
	if err := mayRule(actor, power{beyond: ActRemoveStaff, on: res, roles: []string{role}}); err != nil {
		return err
	}
	m, err := tx.CourseMember(ctx, c.ID, u.ID)
	if err != nil {
		return err
	}
	if !m.AccountMade {
		return errorf(KindConflict, wording.AccountNotMadeHere, "The account was not made on the way into this course. Remove the person from the course alone.")
	}
	may := mayActAs(ctx, tx.Queries, actor, u)
	if may != nil && KindOf(may) != KindForbidden {
		return may
	}
	on := Resource{Noun: "User"}
	if may == nil {
		on.Relations = IsTeacherOfPerson
	}
	return Check(actor, ActRemoveArrival, on)
}
