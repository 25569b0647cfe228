package app

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// This file and invitations.go have the ways into a course in which staff do not enrol each
// person: the join code, which staff show to the class, and invitation links. The code
// belongs to the course and is valid until staff change it. A link belongs to its giver: it
// is valid only while the giver may add people with its role.

const (
	// codeLetters leaves out letters that look alike when they are read off a board. A
	// code of 8 has 39 bits.
	codeLetters = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
	codeLength  = 8
	// joinTries is how many wrong codes one person may try within auth.signin_window.
	joinTries = 10
)

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
	if err := tx.OpenCourse(ctx, courseID); err != nil {
		return fromStore(err, "Course")
	}
	if err := mayEnterAs(ctx, tx.Queries, courseID, &actor.User, made); err != nil {
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
