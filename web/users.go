package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
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
}

func userForm(u *store.User) userOut {
	return userOut{ID: u.ID, Email: u.Email, Username: u.Username, FullName: u.FullName, Role: u.Role,
		AvatarURL: u.AvatarURL, IsActive: u.IsActive, CreatedAt: instant(u.CreatedAt)}
}

type oneUserOut struct{ Body userOut }

func (s *Server) me(_ context.Context, actor *app.Actor, _ *empty) (*oneUserOut, error) {
	if err := app.Check(actor, app.ActReadSelf, app.Resource{}); err != nil {
		return nil, err
	}
	return &oneUserOut{userForm(&actor.User)}, nil
}

type createUserIn struct {
	Body struct {
		Email     string  `json:"email"`
		Username  *string `json:"username,omitempty" doc:"Blank counts as none"`
		FullName  *string `json:"full_name,omitempty"`
		Role      string  `json:"role,omitempty" doc:"guest when left out"`
		AvatarURL *string `json:"avatar_url,omitempty"`
		Password  *string `json:"password,omitempty" doc:"Without one nobody can sign in until it is set"`
	}
}

func (s *Server) createUser(ctx context.Context, actor *app.Actor, in *createUserIn) (*oneUserOut, error) {
	b := in.Body
	u, err := s.app.CreateUser(ctx, actor, app.NewUser{Email: b.Email, Username: b.Username, FullName: b.FullName,
		Role: b.Role, AvatarURL: b.AvatarURL, Password: b.Password})
	if err != nil {
		return nil, err
	}
	return &oneUserOut{userForm(u)}, nil
}
