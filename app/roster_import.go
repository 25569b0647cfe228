package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/store"
)

// The results for one line of a class list.
const (
	ImportCreated  = "created"  // an account was created and enrolled
	ImportEnrolled = "enrolled" // the account existed and was enrolled in the course
	ImportAlready  = "already"  // the account existed and was in the course; nothing changed
	ImportError    = "error"
)

// Imported is the result for one line of a class list.
type Imported struct {
	Line    int // number of the line in the file
	Email   string
	Status  string
	Message string
	Link    *PasswordLink // only for a new account
}

// importChunk is how many lines commit together. Others wait until these are done.
const importChunk = 50

// errDryRun rolls back the transaction of a dry run.
var errDryRun = errors.New("dry run")

// importer adds the people of one list to a course.
type importer struct {
	app       *App
	actor     *Actor
	course    *store.Course
	on        Resource // the course, with the actor's relations to it
	firstLine map[string]int
}

// ImportMembers adds the people of a class list to a course. It creates accounts for
// those who have none, with links to set a password. A wrong line does not stop the
// others, and sending a list again changes nothing. A dry run only says what would
// happen.
func (a *App) ImportMembers(ctx context.Context, actor *Actor, courseID string, list []byte, dryRun bool) ([]Imported, error) {
	c, res, err := a.course(ctx, actor, courseID)
	if err != nil {
		return nil, err
	}
	if err := Check(actor, ActImportMembers, res); err != nil {
		return nil, err
	}
	lines, err := readRoster(list)
	if err != nil {
		return nil, err
	}
	in := &importer{app: a, actor: actor, course: c, on: res, firstLine: map[string]int{}}
	all := make([]Imported, 0, len(lines))
	for chunk := range slices.Chunk(lines, importChunk) {
		var done []Imported
		err := a.db.InTx(ctx, func(tx *store.Tx) (err error) {
			if done, err = in.chunk(ctx, tx, chunk); err == nil && dryRun {
				return errDryRun
			}
			return err
		})
		if err != nil && !errors.Is(err, errDryRun) {
			return nil, fromStore(err, "Course")
		}
		all = append(all, done...)
	}
	if dryRun {
		for i := range all {
			all[i].Link = nil // a dry run has not stored the link
		}
	}
	return all, nil
}

func (in *importer) chunk(ctx context.Context, tx *store.Tx, lines []rosterRow) ([]Imported, error) {
	done := make([]Imported, len(lines))
	for i, l := range lines {
		done[i] = Imported{Line: l.number, Email: store.Cut(l.email, 254)}
		if l.fault != "" {
			done[i].Status, done[i].Message = ImportError, "This line "+l.fault
			continue
		}
		err := in.line(ctx, tx, l.rosterLine, &done[i])
		var known *Error
		switch {
		case errors.As(err, &known) && (known.Kind == KindInvalid || known.Kind == KindForbidden):
			done[i].Status, done[i].Message = ImportError, known.Message
		case err != nil:
			return nil, err
		}
	}
	return done, nil
}

// line adds one person. All its checks come before its writes, and its writes are
// statements that do not fail: on Postgres one failed statement would abort the whole
// transaction.
func (in *importer) line(ctx context.Context, tx *store.Tx, l rosterLine, out *Imported) error {
	u, role, err := in.person(l)
	if err != nil {
		return err
	}
	key := store.LoginKey(u.Email)
	if first, twice := in.firstLine[key]; twice {
		out.Status, out.Message = ImportAlready, fmt.Sprintf("The same person as in line %d", first)
		return nil
	}
	in.firstLine[key] = l.number
	known, err := tx.UserByEmail(ctx, l.email)
	if errors.Is(err, store.ErrNotFound) {
		added, err := tx.CreateUserOnce(ctx, u)
		if err != nil {
			return err
		}
		if added {
			return in.created(ctx, tx, u, role, out)
		}
		// Another transaction has just stored the e-mail, or somebody has the user name.
		if known, err = tx.UserByEmail(ctx, l.email); errors.Is(err, store.ErrNotFound) {
			return invalid("username", "is taken by somebody else")
		} else if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if known.IsBot() {
		return invalid("email", "is the address of a bot, which is in no class list")
	}
	if known.ID == in.course.OwnerID {
		out.Status, out.Message = ImportAlready, "Owner of the course"
		return nil
	}
	added, err := in.enrol(ctx, tx, known.ID, role, store.ViaEnrolled)
	out.Status, out.Message = ImportAlready, "Already enrolled"
	if err != nil || !added {
		return err
	}
	note, err := sameNameNote(ctx, tx.Queries, in.course.ID, known)
	out.Status, out.Message = ImportEnrolled, "Enrolled as "+role+note
	return err
}

// person checks a line and returns the account that it needs.
func (in *importer) person(l rosterLine) (*store.User, string, error) {
	role := strings.ToLower(l.role)
	if role == "" {
		role = RoleStudent
	}
	mail := l.email
	if err := firstOf(errors.Join(email("email", &mail), personName("full_name", &l.fullName),
		oneOf("role", role, RoleStudent, RoleTA, RoleTeacher))); err != nil {
		return nil, "", err
	}
	uname, err := username("username", &l.username)
	if err != nil {
		return nil, "", err
	}
	if err := mayRule(in.actor, power{beyond: ActEnrolStaff, on: in.on, roles: []string{role}}); err != nil {
		return nil, "", err
	}
	return &store.User{ID: store.NewID(), Email: mail, Username: uname, FullName: blankToNil(&l.fullName), Role: RoleStudent,
		IsActive: true, CreatedAt: in.app.instant(), Version: 1}, role, nil
}

func (in *importer) created(ctx context.Context, tx *store.Tx, u *store.User, role string, out *Imported) error {
	if err := in.app.audit.record(ctx, tx, in.actor, ActCreateUser, target{"user", u.ID}, nil, userChanges(u)); err != nil {
		return err
	}
	if _, err := in.enrol(ctx, tx, u.ID, role, store.ViaList); err != nil {
		return err
	}
	note, err := sameNameNote(ctx, tx.Queries, in.course.ID, u)
	if err != nil {
		return err
	}
	link, err := storeLink(ctx, in.app.now, tx, in.actor, u.ID, rosterLinkLife)
	out.Status, out.Message, out.Link = ImportCreated, "Account made, enrolled as "+role+note, link
	return err
}

func (in *importer) enrol(ctx context.Context, tx *store.Tx, userID, role, via string) (bool, error) {
	added, err := tx.AddCourseMember(ctx, &store.CourseMember{CourseID: in.course.ID, UserID: userID, Role: role, Via: via, CreatedAt: in.app.instant()})
	if err != nil || !added {
		return false, err
	}
	if err := in.app.quotas.withinPlace(ctx, tx, in.actor, store.PlacedCourseMembers, in.course.ID); err != nil {
		return false, err
	}
	return true, in.app.audit.record(ctx, tx, in.actor, ActEnrolStudent, target{"course", in.course.ID}, nil, memberChanges(userID, role))
}
