package app

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// Member is one person of a course, with the role that others see.
type Member struct {
	User     store.User
	Role     string
	Username *string // what they sign in with, for staff alone
}

// MemberList is the people of a course. It is read in portions.
type MemberList struct {
	links   *store.Listing[store.CourseMember]
	ownerID string
	owner   *store.User // the owner has no link to the course
	staff   bool        // it is for staff
}

// Most is about how many bytes of database rows are in memory at once.
func (l *MemberList) Most() int64 { return l.links.Most() }

// Rows yields the people in the order in which they joined.
func (l *MemberList) Rows(ctx context.Context) iter.Seq2[*Member, error] {
	return func(yield func(*Member, error) bool) {
		if l.owner != nil && !yield(l.member(l.owner, "teacher"), nil) {
			return
		}
		for link, err := range l.links.Rows(ctx) {
			if err != nil {
				yield(nil, err)
				return
			}
			m := l.member(link.User, link.Role)
			if link.UserID == l.ownerID {
				m.Role = "teacher"
			}
			if !yield(m, nil) {
				return
			}
		}
	}
}

func (l *MemberList) member(u *store.User, role string) *Member {
	m := &Member{User: *u, Role: role}
	if l.staff {
		m.Username = u.Username
	}
	return m
}

// CourseMembers lists the people of a course. The owner is always one of them, as a
// teacher.
func (a *App) CourseMembers(ctx context.Context, actor *Actor, courseID string, p store.Page) (*MemberList, error) {
	access, err := a.courseRead(ctx, actor, courseID, ActReadMembers)
	if err != nil {
		return nil, err
	}
	links, err := a.db.CourseMembers(ctx, courseID, p)
	if err != nil {
		return nil, err
	}
	list := &MemberList{links: links, ownerID: access.owner, staff: actor.isAdmin() || access.Relations&courseStaff != 0}
	if p.Skip == 0 && !slices.Contains(links.IDs(), access.owner) {
		list.owner, err = a.db.User(ctx, access.owner)
	}
	return list, err
}

// Person names an account by its id or by its e-mail address. If both are given, the id
// counts.
type Person struct {
	ID    string
	Email string
}

// person returns the account of a person. A bot is none: it has its place in its course.
func (a *App) person(ctx context.Context, p Person) (*store.User, error) {
	u, err := a.account(ctx, p)
	if err == nil && u.IsBot() {
		return nil, errIsBot
	}
	return u, err
}

// account returns the account of a person or a bot.
func (a *App) account(ctx context.Context, p Person) (*store.User, error) {
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

// Enrol links a person to a course with a role; "" means student. It does not change an
// existing link. The returned text says what happened.
func (a *App) Enrol(ctx context.Context, actor *Actor, courseID string, who Person, role string) (string, error) {
	if role == "" {
		role = RoleStudent
	}
	mayEnrol := func(res Resource) error {
		return mayRule(actor, power{beyond: ActEnrolStaff, on: res, roles: []string{role}})
	}
	_, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return "", err
	}
	if err := Check(actor, ActEnrolStudent, res); err != nil {
		return "", err
	}
	if err := oneOf("role", role, RoleStudent, RoleTA, RoleTeacher); err != nil {
		return "", err
	}
	if err := mayEnrol(res); err != nil {
		return "", err
	}
	u, err := a.person(ctx, who)
	if err != nil {
		return "", err
	}
	added, note := false, ""
	err = a.changeCourse(ctx, actor, courseID, ActEnrolStudent, func(tx *store.Tx, _ *store.Course, res Resource) (err error) {
		if err := mayEnrol(res); err != nil {
			return err
		}
		added, err = tx.AddCourseMember(ctx, &store.CourseMember{CourseID: courseID, UserID: u.ID, Role: role, CreatedAt: a.instant()})
		if err != nil || !added {
			return err
		}
		if note, err = sameNameNote(ctx, tx.Queries, courseID, u); err != nil {
			return err
		}
		if err := a.quotas.withinPlace(ctx, tx, actor, store.PlacedCourseMembers, courseID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActEnrolStudent, target{"course", courseID}, nil, memberChanges(u.ID, role))
	})
	if err != nil {
		return "", err
	}
	if !added {
		return "User already enrolled", nil
	}
	return fmt.Sprintf("User %s enrolled as %s%s", u.Name(), role, note), nil
}

// memberChanges is a person's membership of a course as the audit log shows it.
func memberChanges(userID, role string) changes { return changes{"user_id": userID, "role": role} }

// ChangeMemberRole gives a member of a course another role: student, ta or teacher. TAs
// may change only students, and only to student.
func (a *App) ChangeMemberRole(ctx context.Context, actor *Actor, courseID, userID, role string) error {
	err := a.changeCourse(ctx, actor, courseID, ActChangeMember, func(tx *store.Tx, c *store.Course, res Resource) error {
		if err := oneOf("role", role, RoleStudent, RoleTA, RoleTeacher); err != nil {
			return err
		}
		if err := mayRule(actor, power{beyond: ActPromoteMember, on: res, roles: []string{role}}); err != nil {
			return err
		}
		before, err := memberToChange(ctx, tx, c, userID, "Cannot change owner role", "User not enrolled")
		if err != nil {
			return err
		}
		if err := mayRule(actor, power{beyond: ActChangeStaff, on: res, roles: []string{before}}); err != nil {
			return err
		}
		if err := tx.SetCourseRole(ctx, c.ID, userID, role); err != nil || before == role {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActChangeMember, target{"course", c.ID}, memberChanges(userID, before), memberChanges(userID, role))
	})
	if err == nil {
		a.audience.rechecks.soon()
	}
	return err
}

// RemoveMember takes a person out of a course and of its rooms. The person's messages
// stay. TAs may remove students only.
func (a *App) RemoveMember(ctx context.Context, actor *Actor, courseID, userID string) error {
	err := a.changeCourse(ctx, actor, courseID, ActRemoveMember, func(tx *store.Tx, c *store.Course, res Resource) error {
		before, err := memberToChange(ctx, tx, c, userID, "Cannot remove owner", "User not found in course")
		if err != nil {
			return err
		}
		if err := mayRule(actor, power{beyond: ActRemoveStaff, on: res, roles: []string{before}}); err != nil {
			return err
		}
		if err := tx.RemoveCourseMember(ctx, c.ID, userID); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActRemoveMember, target{"course", c.ID}, memberChanges(userID, before), nil)
	})
	if err == nil {
		a.audience.rechecks.soon()
	}
	return err
}

// memberToChange returns a member's role in a course that the transaction has locked.
// ownerText is the error for the course's owner, noneText that for somebody who is not a
// member.
func memberToChange(ctx context.Context, tx *store.Tx, c *store.Course, userID, ownerText, noneText string) (role string, err error) {
	if userID == c.OwnerID {
		return "", errorf(KindRejected, wording.IsOwner, "%s", wording.Of(ownerText))
	}
	role, err = tx.CourseRole(ctx, c.ID, userID)
	if err == nil && role == "" {
		err = errorf(KindNotFound, wording.NotFound, "%s", wording.Of(noneText))
	}
	return role, err
}
