package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app/mention"
	"github.com/coagent-studio/coagent/app/wording"
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
	Line  int // number of the line in the file
	Email string
	// Name and Username are those of the account, for the sheet that staff hand out.
	Name, Username string

	Status  string
	Message string        // in English
	Refusal *Error        // of a line with ImportError
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
	listed    map[string]string // see listedPeople

	withEmails bool // the list has a column of addresses
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
	in := &importer{app: a, actor: actor, course: c, on: res, firstLine: map[string]int{}, withEmails: len(lines) > 0 && lines[0].withEmails}
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
		var err error = errorf(KindInvalid, wording.Invalid, "This line %s", l.fault)
		if l.fault.Pattern == "" {
			err = in.line(ctx, tx, l.rosterLine, &done[i])
		}
		var known *Error
		switch {
		case errors.As(err, &known) && (known.Kind == KindInvalid || known.Kind == KindForbidden):
			done[i].Status, done[i].Message, done[i].Refusal = ImportError, known.Message, known
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
	key := l.key(u)
	if first, twice := in.firstLine[key]; twice {
		if l.email == "" && l.username == "" {
			return invalid("full_name", "is the same as in line %d; add a user name to tell the two apart", first)
		}
		out.Status, out.Message = ImportAlready, fmt.Sprintf("The same person as in line %d", first)
		return nil
	}
	in.firstLine[key] = l.number
	known, err := in.known(ctx, tx, l, u)
	if errors.Is(err, store.ErrNotFound) {
		added, err := in.create(ctx, tx, l, u)
		if err != nil {
			return err
		}
		if added {
			return in.created(ctx, tx, u, role, out)
		}
		// Another transaction has just stored the account, or somebody has the user name.
		if known, err = in.known(ctx, tx, l, u); errors.Is(err, store.ErrNotFound) {
			return invalid("username", "is taken by somebody else")
		} else if err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	out.name(known)
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
	noEmail := mail == ""
	if noEmail {
		if l.username == "" && (in.withEmails || letters(l.fullName) == "") {
			return nil, "", invalid("email", "must not be empty; somebody without an address needs a user name, or a name in a list without addresses")
		}
	} else if err := email("email", &mail); err != nil {
		return nil, "", err
	}
	if err := firstOf(errors.Join(personName("full_name", &l.fullName), oneOf("role", role, RoleStudent, RoleTA, RoleTeacher))); err != nil {
		return nil, "", err
	}
	uname, err := username("username", &l.username)
	if err != nil {
		return nil, "", err
	}
	if err := mayRule(in.actor, power{beyond: ActEnrolStaff, on: in.on, roles: []string{role}}); err != nil {
		return nil, "", err
	}
	u := personWithoutEmail(l.fullName, uname, in.app.instant())
	if !noEmail {
		u.Email = mail
	}
	return u, role, nil
}

// key is equal for two lines about the same person.
func (l rosterLine) key(u *store.User) string {
	switch {
	case l.email != "":
		return store.LoginKey(u.Email)
	case u.Username != nil:
		return "user name " + store.LoginKey(*u.Username)
	}
	return "name " + mention.Fold(u.Name())
}

// known returns the account of a line's person. Somebody of whom the list has only the name
// is known if a list has made an account of that name for this course before; so sending a
// list again changes nothing.
func (in *importer) known(ctx context.Context, tx *store.Tx, l rosterLine, u *store.User) (*store.User, error) {
	switch {
	case l.email != "":
		return tx.UserByEmail(ctx, l.email)
	case u.Username != nil && l.username != "":
		return tx.UserByUsername(ctx, *u.Username)
	}
	listed, err := in.listedPeople(ctx, tx.Queries)
	if err != nil {
		return nil, err
	}
	if id, ok := listed[*u.FullName]; ok {
		return tx.User(ctx, id)
	}
	return nil, store.ErrNotFound
}

// listedPeople has the ids of those without an e-mail, by their names, whom class lists had
// made for the course before this one. It is read once for a list.
func (in *importer) listedPeople(ctx context.Context, q store.Queries) (map[string]string, error) {
	if in.listed != nil {
		return in.listed, nil
	}
	listed := map[string]string{}
	for after := ""; ; {
		people, err := q.ListedPeople(ctx, in.course.ID, "%"+noMail, after)
		if err != nil {
			return nil, err
		}
		for i := range people {
			if n := people[i].FullName; n != nil {
				listed[*n] = people[i].ID
			}
		}
		if len(people) < store.MaxLimit {
			in.listed = listed
			return listed, nil
		}
		after = people[len(people)-1].ID
	}
}

// create makes the account of a line. A person without an e-mail gets a user name.
func (in *importer) create(ctx context.Context, tx *store.Tx, l rosterLine, u *store.User) (added bool, err error) {
	if l.email != "" || u.Username != nil {
		return tx.CreateUserOnce(ctx, u)
	}
	names, err := freeUsernames(ctx, tx.Queries, madeUsernames(u.Name(), u.ID))
	if err != nil {
		return false, err
	}
	return true, createNamed(ctx, tx, u, names)
}

// name says whose account it is.
func (out *Imported) name(u *store.User) {
	if out.Name = u.Name(); u.Username != nil {
		out.Username = *u.Username
	}
}

func (in *importer) created(ctx context.Context, tx *store.Tx, u *store.User, role string, out *Imported) error {
	out.name(u)
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
