package web

import (
	"context"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/secret"
	"github.com/coagent-studio/coagent/store"
)

// userOut is an account as others see it.
type userOut struct {
	ID        string    `json:"id" format:"uuid"`
	Email     string    `json:"email"`
	Username  *string   `json:"username"`
	FullName  *string   `json:"full_name"`
	Role      string    `json:"role" enum:"guest,student,ta,teacher,admin,super_admin"`
	AvatarURL *string   `json:"avatar_url"`
	IsActive  bool      `json:"is_active"`
	CreatedAt time.Time `json:"created_at"`
	Kind      string    `json:"kind,omitempty" enum:"bot" doc:"Absent for a person"`
	CourseID  string    `json:"course_id,omitempty" format:"uuid" doc:"Of a bot"`
	NoEmail   bool      `json:"no_email,omitempty" doc:"email is only a placeholder"`

	Preferences *PreferencesOut `json:"preferences,omitempty" doc:"Only in /users/me"`
	TwoFactor   string          `json:"two_factor,omitempty" enum:"off,on,required" doc:"Only of the caller, and for admins. required: nothing else is possible before it is set up"`
}

func userForm(u *store.User) userOut {
	return userOut{ID: u.ID, Email: u.Email, Username: u.Username, FullName: u.FullName, Role: u.Role,
		AvatarURL: u.AvatarURL, IsActive: u.IsActive, CreatedAt: instant(u.CreatedAt), Kind: kindOf(u), CourseID: u.BotCourseID, NoEmail: app.WithoutEmail(u)}
}

// ownForm is the caller's account.
func ownForm(actor *app.Actor) userOut {
	out := accountForm(&actor.User)
	if actor.MustSetUp {
		out.TwoFactor = "required"
	}
	return out
}

// accountForm is an account as its person and admins see it.
func accountForm(u *store.User) userOut {
	out := userForm(u)
	if out.TwoFactor = "off"; !u.TwoFactorAt.IsZero() {
		out.TwoFactor = "on"
	}
	if u.IsBot() {
		out.TwoFactor = ""
	}
	return out
}

func oneUser(u *store.User, err error) (*oneOut[userOut], error) {
	return formed(u, err, userForm)
}

func (s *Server) me(_ context.Context, actor *app.Actor, _ *empty) (*oneOut[userOut], error) {
	if err := app.Check(actor, app.ActReadSelf, app.Resource{}); err != nil {
		return nil, err
	}
	out := ownForm(actor)
	if !actor.User.IsBot() {
		p := app.PreferencesOf(&actor.User)
		mine := preferencesForm(&p)
		out.Preferences = &mine
	}
	return &oneOut[userOut]{out}, nil
}

type createUserIn struct {
	Body struct {
		Email     string  `json:"email,omitempty" doc:"May be left out of an account with a user name"`
		Username  *string `json:"username,omitempty" doc:"Blank counts as none"`
		FullName  *string `json:"full_name,omitempty"`
		Role      string  `json:"role,omitempty" doc:"Without it guest"`
		AvatarURL *string `json:"avatar_url,omitempty" example:"https://example.org/ada.png"`
		Password  *string `json:"password,omitempty" doc:"Without it nobody can sign in until it is set"`
	}
}

func (s *Server) createUser(ctx context.Context, actor *app.Actor, in *createUserIn) (*oneOut[userOut], error) {
	b := in.Body
	return oneUser(s.app.CreateUser(ctx, actor, app.NewUser{Email: b.Email, Username: b.Username, FullName: b.FullName,
		Role: b.Role, AvatarURL: b.AvatarURL, Password: b.Password}))
}

func (s *Server) users(ctx context.Context, actor *app.Actor, in *PageIn) (*pageOut[userOut], error) {
	rows, err := s.app.Users(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, accountForm, *in)
}

type searchUsersIn struct {
	Q     string `query:"q" doc:"A part of the e-mail, name or user name; empty finds everybody"`
	Limit int    `query:"limit" minimum:"1" maximum:"100" default:"10"`
}

// Resolve checks that q is there. huma's own check would refuse an empty q too.
func (in *searchUsersIn) Resolve(ctx huma.Context) []error {
	if at := ctx.URL(); !at.Query().Has("q") {
		return []error{&huma.ErrorDetail{Location: "query.q", Message: "is missing, add it to the address"}}
	}
	return nil
}

func (s *Server) searchUsers(ctx context.Context, actor *app.Actor, in *searchUsersIn) (*listOut[userOut], error) {
	rows, err := few(ctx, s, in.Limit, func() ([]store.User, error) { return s.app.SearchUsers(ctx, actor, in.Q, in.Limit) })
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, userForm)
}

func (s *Server) user(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[userOut], error) {
	return oneUser(s.app.User(ctx, actor, in.ID.String()))
}

// OwnChangesIn are the members of an account that its person may change.
type OwnChangesIn struct {
	FullName        opt[string]      `json:"full_name,omitempty"`
	Username        opt[string]      `json:"username,omitempty" doc:"Blank counts as none"`
	AvatarURL       opt[string]      `json:"avatar_url,omitempty" example:"https://example.org/ada.png" doc:"The stored one, or an https address"`
	Password        opt[secret.Text] `json:"password,omitempty" doc:"Ends the other sessions; absent, null or blank: as before"`
	CurrentPassword secret.Text      `json:"current_password,omitempty" doc:"For one's own new password"`
}

func (in OwnChangesIn) changes(ctx context.Context) app.UserChanges {
	return app.UserChanges{FullName: in.FullName.Opt, Username: in.Username.Opt, AvatarURL: in.AvatarURL.Opt,
		Password: in.Password.Opt, CurrentPassword: in.CurrentPassword, Client: requestOf(ctx).client}
}

type deletedUserOut struct{ Body orCounts[userOut] }

func (s *Server) deleteUser(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedUserOut, error) {
	u, counts, err := s.app.DeleteUser(ctx, actor, in.ID.String(), in.DryRun)
	if err != nil {
		return nil, err
	}
	out := &deletedUserOut{orCounts[userOut]{counts: counts}}
	if u != nil {
		out.Body.deleted = userForm(u)
	}
	return out, nil
}

type updateMeIn struct{ Body OwnChangesIn }

func (s *Server) updateMe(ctx context.Context, actor *app.Actor, in *updateMeIn) (*oneOut[userOut], error) {
	return oneUser(s.app.UpdateSelf(ctx, actor, in.Body.changes(ctx)))
}

type updateUserIn struct {
	UserID id `path:"user_id"`
	Body   struct {
		OwnChangesIn
		Role     opt[string] `json:"role,omitempty" doc:"Not for oneself"`
		IsActive opt[bool]   `json:"is_active,omitempty" doc:"false signs out; not for oneself"`
	}
}

func (s *Server) updateUser(ctx context.Context, actor *app.Actor, in *updateUserIn) (*oneOut[userOut], error) {
	changes := in.Body.changes(ctx)
	changes.Role, changes.IsActive = in.Body.Role.Opt, in.Body.IsActive.Opt
	return oneUser(s.app.UpdateUser(ctx, actor, in.UserID.String(), changes))
}
