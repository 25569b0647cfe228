package legacy

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

// bcryptHash is the form of the old system's password hashes. They work at the first sign-in
// and are made anew then.
var bcryptHash = regexp.MustCompile(`^\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}$`)

// oldUser is an account as the old system has it.
type oldUser struct {
	store.User
	email, username string
	avatar          string
}

func (p *plan) people(ctx context.Context) error {
	var all []oldUser
	err := p.each(ctx, "user", nil, func(r row) {
		if r.noID() {
			return
		}
		all = append(all, r.oldUser())
	})
	// The older account keeps a login that two have.
	slices.SortFunc(all, func(a, b oldUser) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) })
	p.user = map[string]*store.User{}
	p.meetBootstrap(all)
	taken := logins{email: map[string]string{}, username: map[string]string{}}
	if p.bootstrap != nil {
		taken.take(p.bootstrap)
	}
	p.users = make([]store.User, 0, len(all))
	for _, old := range all {
		if p.user[old.ID] != nil {
			p.report.leave("user", old.ID, "has the id of another account")
			continue
		}
		p.logins(&old, taken)
		p.users = append(p.users, old.User)
		p.user[old.ID] = &p.users[len(p.users)-1]
		p.report.came("user")
		p.picture(&p.users[len(p.users)-1], old.avatar)
	}
	return err
}

// oldUser reads an account without its logins.
func (r row) oldUser() oldUser {
	id, say := r.id("id"), r.p.report
	u := oldUser{User: store.User{ID: id, Role: strings.ToLower(r.Text("role")), PasswordHash: r.Text("hashed_password"), IsActive: r.flag("is_active"),
		CreatedAt: r.when("created_at"), Version: 1, Kind: store.KindPerson}, email: r.Text("email"), username: r.Text("username"), avatar: r.Text("avatar_url")}
	if !slices.Contains([]string{"guest", "student", "ta", "teacher", "admin", "super_admin"}, u.Role) {
		say.decide("user", id, "has the unknown role %q, and becomes a guest", r.Text("role"))
		u.Role = "guest"
	}
	if u.PasswordHash != "" && !bcryptHash.MatchString(u.PasswordHash) {
		say.decide("user", id, "has a password in a form that is not bcrypt, so give this person a password link")
		u.PasswordHash = ""
	}
	if u.PasswordHash == "" && r.Text("google_sub") != "" {
		say.decide("user", id, "signed in by Google, which does not come over: give this person a password link, or set up single sign-on")
	}
	u.FullName = r.filled("full_name")
	if u.FullName != nil {
		typed := *u.FullName
		if err := r.p.rules.PersonName(u.FullName); err != nil {
			*u.FullName = strings.TrimSpace(typed)
			say.decide("user", id, "keeps a name that nobody could set here: %v", app.Explain(err))
		}
	}
	return u
}

// meetBootstrap decides what becomes of the super admin that the first start has made by
// auth.super_admin: the same person of the old system takes its place, else it stays.
func (p *plan) meetBootstrap(all []oldUser) {
	b := p.bootstrap
	if b == nil {
		return
	}
	for _, old := range all {
		if old.Role == "super_admin" && store.LoginKey(old.email) == b.EmailKey {
			p.report.decide("user", old.ID, "takes the place of the super admin %s of the configuration: the old password is the one that holds", b.Email)
			p.replaced, p.bootstrap = b, nil
			return
		}
	}
}

// logins are the addresses and user names that are taken, by their keys, with the id of who
// has them.
type logins struct{ email, username map[string]string }

func (l logins) take(u *store.User) {
	l.email[store.LoginKey(u.Email)] = u.ID
	if u.Username != nil {
		l.username[store.LoginKey(*u.Username)] = u.ID
	}
}

// logins gives an account its address and user name: those of the old system where nobody
// else has them.
func (p *plan) logins(u *oldUser, taken logins) {
	typed := strings.TrimSpace(u.email)
	address, plain := p.address(u, typed, taken)
	name := p.username(u, taken)
	if name == "" && plain != "" {
		name = p.free(plain, taken) // an address that is none was a name to sign in by
		if name != plain {
			p.report.decide("user", u.ID, "signs in as %q: another account has %q", name, plain)
		}
	}
	if address == "" {
		address = p.rules.PlaceholderEmail(u.ID)
		if name == "" {
			local, _, _ := strings.Cut(typed, "@")
			name = p.free(cmp.Or(local, "user_"+u.ID[:8]), taken)
			p.report.decide("user", u.ID, "signs in as %q", name)
		}
	}
	u.Email = address
	u.SetUsername(nil)
	if name != "" {
		u.SetUsername(&name)
	}
	taken.take(&u.User)
}

// address returns the address of an account, "" without one. plain is a text in its place
// that has no @.
func (p *plan) address(u *oldUser, typed string, taken logins) (address, plain string) {
	address = typed
	switch err := p.rules.Email(&address); {
	case typed == "":
		p.report.decide("user", u.ID, "has no address")
		return "", ""
	case err != nil && !strings.Contains(typed, "@"):
		p.report.change("user", u.ID, "has %q in place of an address, which becomes the user name", typed)
		return "", typed
	case err != nil:
		address = typed
		p.report.decide("user", u.ID, "keeps an address that nobody could set here: %v", app.Explain(err))
	case address != u.email:
		p.report.change("user", u.ID, "its address %q is now %q", u.email, address)
	}
	if other := taken.email[store.LoginKey(address)]; other != "" {
		p.report.decide("user", u.ID, "has the address %q that the account %s has too in other letters: it comes without an address", typed, other)
		return "", ""
	}
	return address, ""
}

// username returns the user name of an account, "" without one.
func (p *plan) username(u *oldUser, taken logins) string {
	typed := strings.TrimSpace(u.username)
	if typed == "" {
		if u.username != "" {
			p.report.change("user", u.ID, "its user name has only blanks, and is left out")
		}
		return ""
	}
	value := typed
	name, err := p.rules.Username(&value)
	switch {
	case strings.Contains(typed, "@"), store.LoginKey(typed) == "":
		p.report.decide("user", u.ID, "its user name %q is left out: it could be taken for an address", typed)
		return ""
	case err != nil:
		p.report.decide("user", u.ID, "keeps a user name that nobody could set here: %v", app.Explain(err))
	case *name != u.username:
		p.report.change("user", u.ID, "its user name %q is now %q", u.username, *name)
		typed = *name
	default:
		typed = *name
	}
	given := p.free(typed, taken)
	if given != typed {
		p.report.decide("user", u.ID, "signs in as %q: another account has the user name %q", given, typed)
	}
	return given
}

// free returns a user name that nobody has: the wanted one, or with a number behind it.
func (p *plan) free(wanted string, taken logins) string {
	name := wanted
	for n := 2; taken.username[store.LoginKey(name)] != ""; n++ {
		name = fmt.Sprintf("%s_%d", wanted, n)
	}
	return name
}
