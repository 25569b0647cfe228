package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// NewInvitation has what staff choose for an invitation link.
type NewInvitation struct {
	Role    string        // "" means student
	Life    time.Duration // up to a year
	MaxUses int           // 1..1000
}

const (
	maxInvitationLife = 365 * 24 * time.Hour
	// The most unexpired invitation links of one course, and of one person in all
	// courses: enough for one for each student.
	maxInvitations   = 500
	maxInvitationsOf = 1000
)

var errInvitation = errorf(KindNotFound, wording.Invitation, "This invitation is not valid any more. Ask for a new one.")

// Invite makes an invitation link. Its token is returned only this once.
func (a *App) Invite(ctx context.Context, actor *Actor, courseID string, in NewInvitation) (ci *store.Invitation, token string, err error) {
	_, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return nil, "", err
	}
	if in.Role == "" {
		in.Role = RoleStudent
	}
	if err := Check(actor, ActInvite, res); err != nil {
		return nil, "", err
	}
	if err := errors.Join(oneOf("role", in.Role, RoleStudent, RoleTA, RoleTeacher),
		within("expires_in_hours", in.Life, time.Hour, maxInvitationLife), within("max_uses", in.MaxUses, 1, 1000)); err != nil {
		return nil, "", firstOf(err)
	}
	if err := mayTakeIn(actor, res, in.Role); err != nil {
		return nil, "", err
	}
	raw := make([]byte, 32)
	if _, err := rand.Read(raw); err != nil {
		return nil, "", err
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	now := a.instant()
	ci = &store.Invitation{ID: store.NewID(), CourseID: courseID, CreatedBy: actor.User.ID, Role: in.Role, TokenHash: hashToken(token),
		MaxUses: in.MaxUses, CreatedAt: now, ExpiresAt: now.Add(in.Life)}
	err = a.changeCourse(ctx, actor, courseID, ActInvite, func(tx *store.Tx, _ *store.Course, res Resource) error {
		if err := mayTakeIn(actor, res, in.Role); err != nil {
			return err
		}
		if err := tx.DeleteInvitationsBefore(ctx, courseID, now); err != nil {
			return err
		}
		if err := roomForInvitation(ctx, tx, ci); err != nil {
			return err
		}
		if err := tx.CreateInvitation(ctx, ci); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActInvite, target{"invitation", ci.ID}, nil, invitationChanges(ci))
	})
	return ci, token, err
}

// roomForInvitation returns nil if its course and its giver may have one more
// invitation. The transaction must have locked the course.
func roomForInvitation(ctx context.Context, tx *store.Tx, ci *store.Invitation) error {
	ofCourse, ofGiver, err := tx.CountInvitations(ctx, ci.CourseID, ci.CreatedBy, ci.CreatedAt)
	switch {
	case err != nil:
		return err
	case ofCourse >= maxInvitations:
		return errorf(KindConflict, wording.TooManyInvitations, "The course has %d invitation links, which is the most. Take some back first.", ofCourse)
	case ofGiver >= maxInvitationsOf:
		return errorf(KindConflict, wording.TooManyInvitations, "You have made %d invitation links that still work, which is the most. Take some back first.", ofGiver)
	}
	return nil
}

func within[T int | time.Duration](field string, v, least, most T) error {
	if v >= least && v <= most {
		return nil
	}
	if hours, ok := any(most).(time.Duration); ok {
		return invalid(field, "must be between 1 and %d", int(hours.Hours()))
	}
	return invalid(field, "must be between %v and %v", least, most)
}

// mayTakeIn checks that an actor may add people with this role to a course.
func mayTakeIn(actor *Actor, res Resource, role string) error {
	if err := Check(actor, ActInvite, res); err != nil {
		return err
	}
	return mayRule(actor, power{beyond: ActEnrolStaff, on: res, roles: []string{role}})
}

// invitationChanges is an invitation as the audit log shows it.
func invitationChanges(ci *store.Invitation) changes {
	return changes{"course_id": ci.CourseID, "role": ci.Role, "max_uses": ci.MaxUses, "uses": ci.Uses, "expires_at": ci.ExpiresAt}
}

// Invitations lists the invitation links of a course, newest first.
func (a *App) Invitations(ctx context.Context, actor *Actor, courseID string, p store.Page) ([]store.Invitation, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActReadJoinCode); err != nil {
		return nil, err
	}
	return a.db.Invitations(ctx, courseID, p)
}

// DeleteInvitation deletes a link. People who joined with it stay in the course.
func (a *App) DeleteInvitation(ctx context.Context, actor *Actor, courseID, id string) error {
	return a.changeCourse(ctx, actor, courseID, ActInvite, func(tx *store.Tx, _ *store.Course, res Resource) error {
		ci, err := tx.Invitation(ctx, id)
		if err == nil && ci.CourseID != courseID {
			err = store.ErrNotFound
		}
		if err != nil {
			return fromStore(err, "Invitation")
		}
		if err := mayTakeIn(actor, res, ci.Role); err != nil {
			return err
		}
		if err := tx.DeleteInvitation(ctx, id); err != nil {
			return fromStore(err, "Invitation")
		}
		return a.audit.record(ctx, tx, actor, ActInvite, target{"invitation", id}, invitationChanges(ci), nil)
	})
}

// AcceptInvitation adds the actor to the course of an invitation link. A member keeps
// the role that they have, and this does not count as a use of the link.
func (a *App) AcceptInvitation(ctx context.Context, actor *Actor, token string) (*store.Course, error) {
	if err := Check(actor, ActJoinCourse, Resource{}); err != nil {
		return nil, err
	}
	way, err := a.wayByInvitation(ctx, token)
	if err != nil {
		return nil, err
	}
	return way.course, a.enter(ctx, actor, way)
}

// wayByInvitation finds the course of an invitation link that can be used.
func (a *App) wayByInvitation(ctx context.Context, token string) (*wayIn, error) {
	if err := text("token", token, 1, 200); err != nil {
		return nil, err
	}
	ci, err := a.db.InvitationByHash(ctx, hashToken(token))
	if err != nil || !ci.ExpiresAt.After(a.instant()) {
		return nil, notValid(err)
	}
	giver, err := a.db.User(ctx, ci.CreatedBy)
	if err != nil {
		return nil, notValid(err)
	}
	c, res, err := a.course(ctx, &Actor{User: *giver}, ci.CourseID)
	if err != nil || mayTakeIn(&Actor{User: *giver}, res, ci.Role) != nil {
		return nil, notValid(err)
	}
	return &wayIn{course: c, role: ci.Role, by: store.CameByInvitation, with: ci.ID, makesAccounts: true,
		use: func(ctx context.Context, tx *store.Tx) error {
			if err := tx.UseInvitation(ctx, ci.ID, a.instant()); err != nil {
				return notValid(err)
			}
			return nil
		}}, nil
}

// notValid is the error for a link that cannot be used. It is the same for every reason,
// except that an internal fault stays one.
func notValid(err error) error {
	var known *Error
	if err == nil || errors.Is(err, store.ErrNotFound) || errors.As(err, &known) {
		return errInvitation
	}
	return err
}
