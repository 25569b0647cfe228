package app

import (
	"context"
	"errors"
	"fmt"

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
		_, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: c.ID, UserID: c.OwnerID, Role: "teacher", CreatedAt: c.CreatedAt})
		return err
	})
	return c, err
}

// Courses lists all courses for admins, and for others those they own or are
// linked to.
func (a *App) Courses(ctx context.Context, actor *Actor, p store.Page) ([]store.Course, error) {
	if err := Check(actor, ActListCourses, Resource{}); err != nil {
		return nil, err
	}
	of := actor.User.ID
	if actor.isAdmin() {
		of = ""
	}
	return a.db.Courses(ctx, of, p)
}

// Course returns one course.
func (a *App) Course(ctx context.Context, actor *Actor, id string) (*store.Course, error) {
	c, res, err := a.course(ctx, actor, id)
	if err != nil {
		return nil, err
	}
	return c, Check(actor, ActReadCourse, res)
}

// course loads a course and how the actor stands to it.
func (a *App) course(ctx context.Context, actor *Actor, id string) (*store.Course, Resource, error) {
	if actor == nil {
		return nil, Resource{}, errNotAuthenticated
	}
	c, err := a.db.Course(ctx, id)
	if err != nil {
		return nil, Resource{}, fromStore(err, "Course")
	}
	role, err := a.db.CourseRole(ctx, id, actor.User.ID)
	if err != nil {
		return nil, Resource{}, err
	}
	res := Resource{Noun: "Course", Relations: courseRelation[role]}
	if c.OwnerID == actor.User.ID {
		res.Relations |= IsCourseOwner
	}
	return c, res, nil
}

// Member is one person of a course with the role that others see.
type Member struct {
	User store.User
	Role string
}

// CourseMembers lists the people of a course; the owner is always there, as a
// teacher.
func (a *App) CourseMembers(ctx context.Context, actor *Actor, courseID string, p store.Page) ([]Member, error) {
	c, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActReadMembers, res); err != nil {
		return nil, err
	}
	links, err := a.db.CourseMembers(ctx, courseID, p)
	if err != nil {
		return nil, err
	}
	members := make([]Member, 0, len(links)+1)
	owner := false
	for _, l := range links {
		m := Member{User: *l.User, Role: l.Role}
		if l.UserID == c.OwnerID {
			owner, m.Role = true, "teacher"
		}
		members = append(members, m)
	}
	if !owner && p.Skip == 0 {
		u, err := a.db.User(ctx, c.OwnerID)
		if err != nil {
			return nil, err
		}
		members = append([]Member{{User: *u, Role: "teacher"}}, members...)
	}
	return members, nil
}

// Person names an account by id, which wins, or by e-mail.
type Person struct {
	ID    string
	Email string
}

func (a *App) person(ctx context.Context, p Person) (*store.User, error) {
	var u *store.User
	var err error
	switch {
	case p.ID != "":
		u, err = a.db.User(ctx, p.ID)
	case p.Email != "":
		if err := text("user_email", p.Email, 1, 254); err != nil {
			return nil, err
		}
		u, err = a.db.UserByEmail(ctx, p.Email)
	default:
		return nil, invalid("user_email", "send user_email or user_id")
	}
	return u, fromStore(err, "User")
}

// Enrol links a person to a course with a role, student when empty. The text
// says what happened; an existing link stays as it is.
func (a *App) Enrol(ctx context.Context, actor *Actor, courseID string, who Person, role string) (string, error) {
	_, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return "", err
	}
	if err := Check(actor, ActEnrolStudent, res); err != nil {
		return "", err
	}
	if role == "" {
		role = RoleStudent
	}
	if err := oneOf("role", role, RoleStudent, RoleTA, RoleTeacher); err != nil {
		return "", err
	}
	if role != RoleStudent {
		if err := Check(actor, ActEnrolStaff, res); err != nil {
			return "", err
		}
	}
	u, err := a.person(ctx, who)
	if err != nil {
		return "", err
	}
	added := false
	err = a.db.InTx(ctx, func(tx *store.Tx) (err error) {
		added, err = tx.AddCourseMember(ctx, &store.CourseMember{CourseID: courseID, UserID: u.ID, Role: role, CreatedAt: a.instant()})
		return fromStore(err, "Course")
	})
	if err != nil {
		return "", err
	}
	if !added {
		return "User already enrolled", nil
	}
	return fmt.Sprintf("User %s enrolled as %s", u.Name(), role), nil
}
