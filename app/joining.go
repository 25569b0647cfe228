package app

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file has the ways into a course in which staff do not enrol each person: the join
// code, which staff show to the class, and invitation links. The code belongs to the
// course and is valid until staff change it. A link belongs to its giver: it is valid
// only while the giver may add people with its role.

const (
	// codeLetters leaves out letters that look alike when they are read off a board. A
	// code of 8 has 39 bits.
	codeLetters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
	codeLength  = 8
	// joinTries is how many wrong codes one person may try within auth.signin_window.
	joinTries = 10
	// The most unexpired invitation links of one course, and of one person in all
	// courses: enough for one for each student.
	maxInvitations   = 500
	maxInvitationsOf = 1000
)

var errInvitation = errorf(KindNotFound, wording.Invitation, "This invitation is not valid any more. Ask for a new one.")

// newJoinCode makes a random code, without the hyphen with which it is shown.
func newJoinCode() (string, error) {
	code := make([]byte, 0, codeLength)
	for len(code) < codeLength {
		raw := make([]byte, 2*codeLength)
		if _, err := rand.Read(raw); err != nil {
			return "", err
		}
		for _, b := range raw {
			// Skip bytes beyond the last whole round: they would make some letters more
			// likely.
			if whole := 256 - 256%len(codeLetters); int(b) < whole && len(code) < codeLength {
				code = append(code, codeLetters[int(b)%len(codeLetters)])
			}
		}
	}
	return string(code), nil
}

// JoinCode returns the code with which people join a course.
func (a *App) JoinCode(ctx context.Context, actor *Actor, courseID string) (*store.JoinCode, error) {
	if _, err := a.courseFor(ctx, actor, courseID, ActReadJoinCode); err != nil {
		return nil, err
	}
	jc, err := a.db.JoinCode(ctx, courseID)
	return jc, fromStore(err, "Join code")
}

// SetJoinCode makes a new join code for a course. An old one is invalid at once.
func (a *App) SetJoinCode(ctx context.Context, actor *Actor, courseID string) (*store.JoinCode, error) {
	jc := &store.JoinCode{CourseID: courseID, CreatedAt: a.instant(), MakesAccounts: true}
	set := func() (err error) {
		if jc.Code, err = newJoinCode(); err != nil {
			return err
		}
		return a.changeCourse(ctx, actor, courseID, ActSetJoinCode, func(tx *store.Tx, _ *store.Course, _ Resource) error {
			if err = tx.SetJoinCode(ctx, jc); err != nil {
				return err
			}
			return a.audit.record(ctx, tx, actor, ActSetJoinCode, target{"course", courseID}, nil, changes{"join_code": "set"})
		})
	}
	err := set()
	if KindOf(err) == KindConflict { // another course has the same code
		err = set()
	}
	if err != nil {
		return nil, err
	}
	return jc, nil
}

// JoinCodeChanges are the members of a join code that staff may send. A member that is not
// sent keeps the stored value.
type JoinCodeChanges struct {
	Open          Opt[bool]
	MakesAccounts Opt[bool]
}

// joinCodeChanges is a join code as the audit log shows it.
func joinCodeChanges(jc *store.JoinCode) changes {
	return changes{"open": jc.ClosedAt.IsZero(), "makes_accounts": jc.MakesAccounts}
}

// UpdateJoinCode closes a join code or opens it again, and says whether it makes accounts.
// A closed code answers as one that never was.
func (a *App) UpdateJoinCode(ctx context.Context, actor *Actor, courseID string, in JoinCodeChanges) (jc *store.JoinCode, err error) {
	err = a.changeCourse(ctx, actor, courseID, ActSetJoinCode, func(tx *store.Tx, _ *store.Course, _ Resource) error {
		if jc, err = tx.JoinCode(ctx, courseID); err != nil {
			return fromStore(err, "Join code")
		}
		before, open := joinCodeChanges(jc), jc.ClosedAt.IsZero()
		if err := firstOf(errors.Join(in.Open.set("open", &open), in.MakesAccounts.set("makes_accounts", &jc.MakesAccounts))); err != nil {
			return err
		}
		if open {
			jc.ClosedAt = time.Time{}
		} else if jc.ClosedAt.IsZero() {
			jc.ClosedAt = a.instant()
		}
		if err := tx.UpdateJoinCode(ctx, jc); err != nil {
			return fromStore(err, "Join code")
		}
		return a.audit.record(ctx, tx, actor, ActSetJoinCode, target{"course", courseID}, before, joinCodeChanges(jc))
	})
	return jc, err
}

// DeleteJoinCode deletes a course's join code, so that nobody can join with it.
func (a *App) DeleteJoinCode(ctx context.Context, actor *Actor, courseID string) error {
	return a.changeCourse(ctx, actor, courseID, ActSetJoinCode, func(tx *store.Tx, _ *store.Course, _ Resource) error {
		if err := tx.DeleteJoinCode(ctx, courseID); err != nil {
			return fromStore(err, "Join code")
		}
		return a.audit.record(ctx, tx, actor, ActSetJoinCode, target{"course", courseID}, nil, changes{"join_code": "cleared"})
	})
}

// wayIn is an open way into a course: a join code or an invitation.
type wayIn struct {
	course        *store.Course
	role          string
	by, with      string // as store.CourseMember has them
	makesAccounts bool
	// use uses it up once, in the transaction in which somebody comes in. It returns an
	// error if the way was closed meanwhile.
	use func(ctx context.Context, tx *store.Tx) error
}

// JoinCourse adds the actor as a student to the course of a join code. A member keeps
// the role that they have.
func (a *App) JoinCourse(ctx context.Context, actor *Actor, code string) (*store.Course, error) {
	if err := Check(actor, ActJoinCourse, Resource{}); err != nil {
		return nil, err
	}
	way, err := a.wayByCode(ctx, code, "join:"+actor.User.ID, joinTries)
	if err != nil {
		return nil, err
	}
	return way.course, a.enter(ctx, actor, way)
}

// wayByCode finds the course of an open code. tries is the key for which wrong codes are
// counted: after most of them within the window not even a right one is looked up, so
// nobody learns which one is right.
func (a *App) wayByCode(ctx context.Context, code, tries string, most int) (*wayIn, error) {
	code = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(code))
	if err := text("code", code, 1, 64); err != nil {
		return nil, err
	}
	since := a.instant().Add(-a.cfg.Auth.SigninWindow)
	failed, err := a.db.SigninFailures(ctx, []string{tries}, since, most)
	if err != nil {
		return nil, err
	}
	if f := failed[tries]; f.Count >= most {
		return nil, tooFast("Too many wrong join codes", max(f.First.Sub(since), time.Second))
	}
	jc, err := a.db.OpenJoinCode(ctx, code)
	if errors.Is(err, store.ErrNotFound) {
		if err := a.db.InTx(ctx, func(tx *store.Tx) error { return tx.AddSigninFailures(ctx, []string{tries}, a.instant()) }); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fromStore(err, "Join code")
	}
	c, err := a.db.Course(ctx, jc.CourseID)
	if err != nil {
		return nil, fromStore(err, "Join code")
	}
	return &wayIn{course: c, role: RoleStudent, by: store.CameByCode, with: code, makesAccounts: jc.MakesAccounts,
		use: func(ctx context.Context, tx *store.Tx) error {
			now, err := tx.OpenJoinCode(ctx, code)
			if err == nil && now.CourseID != c.ID {
				err = store.ErrNotFound
			}
			return fromStore(err, "Join code")
		}}, nil
}

// enter links the actor to a course, and uses up the way in if the actor was no member
// before.
func (a *App) enter(ctx context.Context, actor *Actor, way *wayIn) error {
	return fromStore(a.db.InTx(ctx, func(tx *store.Tx) error { return a.comeIn(ctx, tx, actor, way, false) }), "Course")
}

// comeIn is enter within a transaction. made says that the transaction has made the
// account.
func (a *App) comeIn(ctx context.Context, tx *store.Tx, actor *Actor, way *wayIn, made bool) error {
	courseID := way.course.ID
	added, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: courseID, UserID: actor.User.ID, Role: way.role,
		Via: store.ViaJoined, CreatedAt: a.instant(), CameBy: way.by, CameWith: way.with, AccountMade: made})
	if errors.Is(err, store.ErrReferenced) {
		return notFound("Course")
	}
	if err != nil || !added {
		return err
	}
	if err := stillOpen(ctx, tx, courseID); err != nil {
		return err
	}
	if err := mayEnterAs(ctx, tx.Queries, courseID, &actor.User); err != nil {
		return err
	}
	if err := a.quotas.withinPlace(ctx, tx, actor, store.PlacedCourseMembers, courseID); err != nil {
		return err
	}
	if err := way.use(ctx, tx); err != nil {
		return err
	}
	return a.audit.record(ctx, tx, actor, ActJoinCourse, target{"course", courseID}, nil, memberChanges(actor.User.ID, way.role))
}

// NewInvitation has what staff choose for an invitation link.
type NewInvitation struct {
	Role    string        // "" means student
	Life    time.Duration // up to a year
	MaxUses int           // 1..1000
}

const maxInvitationLife = 365 * 24 * time.Hour

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
