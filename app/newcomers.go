package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// This file lets people into a course who have no account: with a code or an invitation
// they choose a name and a password, and the account, the place in the course and the
// session are made in one transaction. No e-mail address is needed.
//
// Staff hand out codes on purpose, so an open code is enough, unless the operator
// (auth.self_made_accounts) or the staff of the course (makes_accounts) forbid it. Codes
// could be guessed. So wrong ones are counted for the address before any is looked up, a
// closed code answers as a wrong one does, and whether a user name is taken is told only
// to those who have a way in.

// noMail is the domain of the addresses that accounts without an e-mail have in its place.
// RFC 2606 keeps it from ever being a host.
const noMail = "@no-mail.invalid"

// WithoutEmail reports whether an account has no e-mail address. Its person signs in with
// the user name, and staff hand over a link when the password is lost.
func WithoutEmail(u *store.User) bool { return strings.HasSuffix(u.Email, noMail) }

// loginOf is the name by which an account is known to those who look after it.
func loginOf(u *store.User) string {
	if WithoutEmail(u) && u.Username != nil {
		return *u.Username
	}
	return u.Email
}

// codeTriesPerHour is how many codes people without an account try at most in an hour, all
// together. That many guesses find one of a thousand codes in about ten years.
const codeTriesPerHour = 20_000

// Newcomer is somebody without an account who comes into a course: with the code or with
// the token of an invitation.
type Newcomer struct {
	Code, Token string
	FullName    string
	Username    *string // nil or blank: one is made from the name
	Password    secret.Text
	// ClientID names the request. Whoever sends it again with the same password, because
	// the answer was lost, gets the same account.
	ClientID string
}

// Arrived is somebody who has come into a course and is signed in.
type Arrived struct {
	Course *store.Course
	User   *store.User
	Tokens *Tokens
}

// JoinAsNewcomer makes an account for somebody who has a way into a course, takes them in
// and signs them in.
func (a *App) JoinAsNewcomer(ctx context.Context, in Newcomer, client Client) (*Arrived, error) {
	if !a.cfg.Auth.SelfMadeAccounts {
		return nil, errorf(KindForbidden, wording.NoNewAccounts, "Nobody can make an account here. Ask the staff of the course for one.")
	}
	u, err := in.account(a.instant())
	if err != nil {
		return nil, err
	}
	way, err := a.wayOfNewcomer(ctx, in, client)
	if err != nil {
		return nil, err
	}
	if !way.makesAccounts {
		return nil, errorf(KindForbidden, wording.NoNewAccounts, "This code is for people who have an account. Sign in first, or ask the staff of the course for one.")
	}
	if in.ClientID != "" {
		u.Email = "p-" + sum16(way.course.ID+" "+in.ClientID) + noMail
		if again, err := a.arriveAgain(ctx, u.Email, in, way, client); !errors.Is(err, store.ErrNotFound) {
			return again, err
		}
	}
	if err := a.mayArrive(ctx, way, client); err != nil {
		return nil, err
	}
	names, err := a.usernamesFor(ctx, u)
	if err != nil {
		return nil, err
	}
	who := limit.Asker{Address: limit.NetworkOf(client.Address), Account: "join " + way.with}
	if u.PasswordHash, err = a.passwords.hash(ctx, who, "account.password", in.Password.Reveal()); err != nil {
		return nil, err
	}
	out := &Arrived{Course: way.course, User: u}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := createNamed(ctx, tx, u, names); err != nil {
			return err
		}
		actor := &Actor{User: *u}
		if err := a.audit.record(ctx, tx, actor, ActCreateUser, target{"user", u.ID}, nil, userChanges(u)); err != nil {
			return err
		}
		if err := a.comeIn(ctx, tx, actor, way, true); err != nil {
			return err
		}
		out.Tokens, err = a.sessions.open(ctx, tx, u, client)
		return err
	})
	if errors.Is(err, store.ErrExists) { // the same request, twice at once
		return a.arriveAgain(ctx, u.Email, in, way, client)
	}
	if err != nil {
		return nil, fromStore(err, "Course")
	}
	return out, nil
}

// account checks what a newcomer chose, and returns the account without its hash.
func (in *Newcomer) account(now time.Time) (*store.User, error) {
	err := name("account.full_name", &in.FullName)
	if err == nil {
		err = personName("account.full_name", &in.FullName)
	}
	if err != nil {
		return nil, err
	}
	if letters(in.FullName) == "" {
		return nil, invalid("account.full_name", "must have a letter or a digit")
	}
	uname, err := username("account.username", in.Username)
	if err == nil {
		err = CheckPassword("account.password", in.Password.Reveal())
	}
	if err != nil {
		return nil, err
	}
	return personWithoutEmail(in.FullName, uname, now), nil
}

// placeholderEmail is the address of an account that has none.
func placeholderEmail(id string) string { return "p-" + id + noMail }

// personWithoutEmail is a new account of a person who has no e-mail address.
func personWithoutEmail(fullName string, uname *string, now time.Time) *store.User {
	id := store.NewID()
	return &store.User{ID: id, Email: placeholderEmail(id), Username: uname, FullName: blankToNil(&fullName), Role: RoleStudent, IsActive: true,
		CreatedAt: now, Version: 1}
}

// wayOfNewcomer finds the way in. Invitations cannot be guessed, codes could: see above.
func (a *App) wayOfNewcomer(ctx context.Context, in Newcomer, client Client) (*wayIn, error) {
	if in.Token != "" {
		return a.wayByInvitation(ctx, in.Token)
	}
	if err := a.limits.codeTries.spend(ctx, "all"); err != nil {
		return nil, err
	}
	return a.wayByCode(ctx, in.Code, "join address:"+limit.NetworkOf(client.Address), a.cfg.Auth.SigninFailuresPerAddress)
}

// mayArrive counts a new account against the limits of its code or invitation, its address
// and the whole installation.
func (a *App) mayArrive(ctx context.Context, way *wayIn, client Client) error {
	if err := a.limits.newPerWay.spend(ctx, way.with); err != nil {
		return err
	}
	if err := a.limits.newPerAddress.spend(ctx, limit.NetworkOf(client.Address)); err != nil {
		return err
	}
	return a.limits.newAtAll.spend(ctx, "all")
}

// arriveAgain signs in whoever has made an account with the same request before; the error
// is store.ErrNotFound when nobody has.
func (a *App) arriveAgain(ctx context.Context, email string, in Newcomer, way *wayIn, client Client) (*Arrived, error) {
	u, err := a.db.UserByEmail(ctx, email)
	if err != nil {
		return nil, err
	}
	tokens, err := a.SignIn(ctx, email, in.Password.Reveal(), client)
	if err != nil {
		return nil, err
	}
	return &Arrived{Course: way.course, User: u, Tokens: tokens}, nil
}

var errUsernameTaken = errorf(KindRejected, wording.UsernameTaken, "Username already taken")

// usernamesFor returns the free user names that an account may get: the one that the
// person chose, or some that are made from the name.
func (a *App) usernamesFor(ctx context.Context, u *store.User) ([]string, error) {
	names := madeUsernames(u.Name(), u.ID)
	if u.Username != nil {
		names = []string{*u.Username}
	}
	return freeUsernames(ctx, a.db.Queries, names)
}

// freeUsernames leaves out those that are taken; an error when all are.
func freeUsernames(ctx context.Context, q store.Queries, names []string) ([]string, error) {
	taken, err := q.TakenUsernames(ctx, names)
	if err != nil {
		return nil, err
	}
	var free []string
	for _, n := range names {
		if !taken[store.LoginKey(n)] {
			free = append(free, n)
		}
	}
	if len(free) == 0 {
		return nil, errUsernameTaken
	}
	return free, nil
}

// createNamed adds an account with the first of some names that nobody has taken meanwhile.
// The error is store.ErrExists when the account's address is taken.
func createNamed(ctx context.Context, tx *store.Tx, u *store.User, names []string) error {
	for _, n := range names {
		u.SetUsername(&n)
		added, err := tx.CreateUserOnce(ctx, u)
		if err != nil || added {
			return err
		}
	}
	if _, err := tx.UserByEmail(ctx, u.Email); err == nil {
		return store.ErrExists
	} else if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	return errUsernameTaken
}

const (
	// maxMadeUsername is how many characters of a name a made user name has at most.
	maxMadeUsername = 40
	// numberedUsernames is how often a name is numbered before a part of the id follows it.
	numberedUsernames = 20
)

// madeUsernames returns user names for a person, the best first: Ada Lovelace gets
// ada.lovelace, the second one ada.lovelace2. A name that cannot be one, for example in two
// scripts, becomes "student".
func madeUsernames(fullName, id string) []string {
	words := strings.FieldsFunc(strings.ToLower(norm.NFKC.String(fullName)), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsDigit(r)
	})
	base := strings.Join(words, ".")
	if r := []rune(base); len(r) > maxMadeUsername {
		base = strings.Trim(string(r[:maxMadeUsername]), ".")
	}
	if made, err := username("username", &base); err != nil || made == nil {
		base = "student"
	} else {
		base = *made
	}
	names := []string{base}
	for n := 2; n <= numberedUsernames; n++ {
		names = append(names, fmt.Sprint(base, n))
	}
	return append(names, base+"."+id[len(id)-6:], base+"."+id[len(id)-12:])
}
