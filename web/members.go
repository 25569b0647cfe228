package web

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/coagent-studio/coagent/app"
)

// PersonIn names a person by e-mail or id. With both, the id counts.
type PersonIn struct {
	UserEmail *string `json:"user_email,omitempty" doc:"Without user_id"`
	UserID    *id     `json:"user_id,omitempty"`
}

func (p PersonIn) person() app.Person {
	var who app.Person
	if p.UserID != nil {
		who.ID = p.UserID.String()
	}
	if p.UserEmail != nil {
		who.Email = *p.UserEmail
	}
	return who
}

type enrolIn struct {
	CourseID id `path:"course_id"`
	Body     struct {
		PersonIn
		Role string `json:"role,omitempty" doc:"Without it student"`
	}
}

func (s *Server) enrol(ctx context.Context, actor *app.Actor, in *enrolIn) (*messageOut, error) {
	return said(s.app.Enrol(ctx, actor, in.CourseID.String(), in.Body.person(), in.Body.Role))
}

type memberOut struct {
	UserID    string  `json:"user_id" format:"uuid"`
	Email     string  `json:"email"`
	FullName  *string `json:"full_name"`
	AvatarURL *string `json:"avatar_url"`
	Role      string  `json:"role" enum:"student,ta,teacher"`
	Username  *string `json:"username,omitempty" doc:"For staff"`
}

func (s *Server) members(ctx context.Context, actor *app.Actor, in *oneID) (*listOut[memberOut], error) {
	rows, err := s.app.CourseMembers(ctx, actor, in.ID.String(), everything)
	if err != nil {
		return nil, err
	}
	return whole(ctx, s, rows, func(m *app.Member) memberOut {
		return memberOut{UserID: m.User.ID, Email: m.User.Email, FullName: m.User.FullName, AvatarURL: m.User.AvatarURL, Role: m.Role, Username: m.Username}
	})
}

// MemberIn names a person of a course.
type MemberIn struct {
	CourseID id `path:"course_id"`
	UserID   id `path:"user_id"`
}

type changeMemberIn struct {
	MemberIn
	Body struct {
		Role string `json:"role"`
	}
}

func (s *Server) changeMember(ctx context.Context, actor *app.Actor, in *changeMemberIn) (*messageOut, error) {
	return said("Role updated", s.app.ChangeMemberRole(ctx, actor, in.CourseID.String(), in.UserID.String(), in.Body.Role))
}

type removeMemberIn struct {
	MemberIn
	Account bool `query:"account" doc:"Removes the account too"`
}

// Resolve checks the flag.
func (in *removeMemberIn) Resolve(ctx huma.Context) []error { return flagged(ctx, "account") }

func (s *Server) removeMember(ctx context.Context, actor *app.Actor, in *removeMemberIn) (*messageOut, error) {
	if in.Account {
		return said("Account removed", s.app.RemoveArrival(ctx, actor, in.CourseID.String(), in.UserID.String()))
	}
	return said("User removed from course", s.app.RemoveMember(ctx, actor, in.CourseID.String(), in.UserID.String()))
}
