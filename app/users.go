package app

import (
	"context"
	"errors"
	"strings"

	"github.com/coagent-studio/coagent/app/limit"
	"github.com/coagent-studio/coagent/app/wording"
	"github.com/coagent-studio/coagent/store"
)

// NewUser has what an admin enters for a new account.
type NewUser struct {
	Email     string // "" with a user name for a person who has none
	Username  *string
	FullName  *string
	Role      string // "" means guest
	AvatarURL *string
	Password  *string // nil: nobody can sign in until a password is set
}

// CreateUser adds an account.
func (a *App) CreateUser(ctx context.Context, actor *Actor, in NewUser) (*store.User, error) {
	if err := Check(actor, ActCreateUser, Resource{}); err != nil {
		return nil, err
	}
	if in.Password != nil && *in.Password != "" {
		if err := Check(actor, ActSetOtherPassword, Resource{}); err != nil {
			return nil, err
		}
	}
	if err := mayRule(actor, power{beyond: ActCreateAdminUser, accounts: []string{in.Role}}); err != nil {
		return nil, err
	}
	u, err := newUser(ctx, a.passwords, a.now, actor.asker(), in)
	if err != nil {
		return nil, err
	}
	err = a.db.InTx(ctx, func(tx *store.Tx) error {
		if err := tx.CreateUser(ctx, u); err != nil {
			return err
		}
		return a.audit.record(ctx, tx, actor, ActCreateUser, target{"user", u.ID}, nil, userChanges(u))
	})
	if errors.Is(err, store.ErrExists) {
		return nil, errorf(KindRejected, wording.UserExists, "User already exists")
	}
	return u, err
}

// userChanges is an account as the audit log shows it.
func userChanges(u *store.User) changes {
	return changes{"email": u.Email, "username": u.Username, "full_name": u.FullName, "role": u.Role, "is_active": u.IsActive,
		"avatar_url": u.AvatarURL}
}

// newUser checks the members of an account and hashes its password.
func newUser(ctx context.Context, passwords *passwords, now clock, who limit.Asker, in NewUser) (*store.User, error) {
	if in.Role == "" {
		in.Role = RoleGuest
	}
	wrongEmail := email("email", &in.Email)
	if strings.TrimSpace(in.Email) == "" && blankToNil(in.Username) != nil { // a user name is enough to sign in
		in.Email, wrongEmail = placeholderEmail(store.NewID()), nil
	}
	if err := errors.Join(wrongEmail, oneOf("role", in.Role, rolesOf[everybody]...),
		personName("full_name", in.FullName), optionalAvatarURL("avatar_url", in.AvatarURL)); err != nil {
		return nil, firstOf(err)
	}
	uname, err := username("username", in.Username)
	if err != nil {
		return nil, err
	}
	u := &store.User{ID: store.NewID(), Email: in.Email, Username: uname, FullName: blankToNil(in.FullName),
		Role: in.Role, AvatarURL: blankToNil(in.AvatarURL), IsActive: true, CreatedAt: now.instant(), Version: 1}
	if in.Password != nil && *in.Password != "" {
		if u.PasswordHash, err = passwords.hash(ctx, who, "password", *in.Password); err != nil {
			return nil, err
		}
	}
	return u, nil
}

// hash checks a new password against the policy and hashes it.
func (p *passwords) hash(ctx context.Context, who limit.Asker, field, password string) (string, error) {
	if err := CheckPassword(field, password); err != nil {
		return "", err
	}
	return p.hasher.forAsker(who).Hash(ctx, password)
}

// asker is a signed-in person who waits for the hasher. Each person has a queue of their
// own, whatever else comes from the same address.
func (a *Actor) asker() limit.Asker { return limit.Asker{Address: "person " + a.User.ID, Known: true} }

// blankToNil turns a text with only blanks into nil.
func blankToNil(s *string) *string {
	if s == nil || strings.TrimSpace(*s) == "" {
		return nil
	}
	return s
}

// firstOf merges joined *Errors into one that lists every wrong field.
func firstOf(err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return err
	}
	var all *Error
	for _, e := range joined.Unwrap() {
		var one *Error
		if !errors.As(e, &one) {
			return err
		}
		if all == nil {
			c := *one
			all = &c
			continue
		}
		all.Message += "; " + one.Message
		all.Fields = append(all.Fields, one.Fields...)
	}
	return all
}
