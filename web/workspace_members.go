package web

import (
	"context"

	"github.com/coagent-studio/coagent/app"
)

// workspaceMember is one person of an organisation or a project.
type workspaceMember struct {
	UserID    string  `json:"user_id" format:"uuid"`
	Email     string  `json:"email"`
	FullName  *string `json:"full_name"`
	AvatarURL *string `json:"avatar_url"`
	Role      string  `json:"role" enum:"owner,admin,editor,member,viewer"`
}

func workspaceMemberForm(m *app.Member) workspaceMember {
	return workspaceMember{UserID: m.User.ID, Email: m.User.Email, FullName: m.User.FullName, AvatarURL: m.User.AvatarURL, Role: m.Role}
}

type (
	workspaceMembersOut = pageOut[workspaceMember]
	workspaceMemberOut  struct{ Body workspaceMember }
)

type organizationMembersIn struct {
	ID id `path:"org_id"`
	PageIn
}

func (s *Server) organizationMembers(ctx context.Context, actor *app.Actor, in *organizationMembersIn) (*workspaceMembersOut, error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.Member, error) { return s.app.OrganizationMembers(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, workspaceMemberForm, skipping[app.Member](in.PageIn))
}

type addOrganizationMemberIn struct {
	ID   id `path:"org_id"`
	Body struct {
		PersonIn
		Role string `json:"role,omitempty" default:"member" doc:"admin or member; the owner's passes on by a transfer"`
	}
}

func (s *Server) addOrganizationMember(ctx context.Context, actor *app.Actor, in *addOrganizationMemberIn) (*workspaceMemberOut, error) {
	m, err := s.app.AddOrganizationMember(ctx, actor, in.ID.String(), in.Body.person(), in.Body.Role)
	if err != nil {
		return nil, err
	}
	return &workspaceMemberOut{workspaceMemberForm(m)}, nil
}

type organizationMemberIn struct {
	ID     id `path:"org_id"`
	UserID id `path:"user_id"`
}

type changeOrganizationMemberIn struct {
	ID     id `path:"org_id"`
	UserID id `path:"user_id"`
	Body   struct {
		Role string `json:"role" doc:"admin or member; the owner's passes on by a transfer"`
	}
}

func (s *Server) changeOrganizationMember(ctx context.Context, actor *app.Actor, in *changeOrganizationMemberIn) (*messageOut, error) {
	if err := s.app.ChangeOrganizationMember(ctx, actor, in.ID.String(), in.UserID.String(), in.Body.Role); err != nil {
		return nil, err
	}
	return said("Role updated"), nil
}

func (s *Server) removeOrganizationMember(ctx context.Context, actor *app.Actor, in *organizationMemberIn) (*messageOut, error) {
	if err := s.app.RemoveOrganizationMember(ctx, actor, in.ID.String(), in.UserID.String()); err != nil {
		return nil, err
	}
	return said("User removed from organization"), nil
}

type projectMembersIn struct {
	ID id `path:"project_id"`
	PageIn
}

func (s *Server) projectMembers(ctx context.Context, actor *app.Actor, in *projectMembersIn) (*workspaceMembersOut, error) {
	rows, err := few(ctx, s, in.Limit, func() ([]app.Member, error) { return s.app.ProjectMembers(ctx, actor, in.ID.String(), in.page()) })
	if err != nil {
		return nil, err
	}
	return paged(ctx, s, rows, workspaceMemberForm, skipping[app.Member](in.PageIn))
}

type addProjectMemberIn struct {
	ID   id `path:"project_id"`
	Body struct {
		PersonIn
		Role string `json:"role,omitempty" default:"member" doc:"owner, admin, editor, member or viewer"`
	}
}

func (s *Server) addProjectMember(ctx context.Context, actor *app.Actor, in *addProjectMemberIn) (*workspaceMemberOut, error) {
	m, err := s.app.AddProjectMember(ctx, actor, in.ID.String(), in.Body.person(), in.Body.Role)
	if err != nil {
		return nil, err
	}
	return &workspaceMemberOut{workspaceMemberForm(m)}, nil
}

type projectMemberIn struct {
	ID     id `path:"project_id"`
	UserID id `path:"user_id"`
}

type changeProjectMemberIn struct {
	ID     id `path:"project_id"`
	UserID id `path:"user_id"`
	Body   struct {
		Role string `json:"role" doc:"owner, admin, editor, member or viewer"`
	}
}

func (s *Server) changeProjectMember(ctx context.Context, actor *app.Actor, in *changeProjectMemberIn) (*messageOut, error) {
	if err := s.app.ChangeProjectMember(ctx, actor, in.ID.String(), in.UserID.String(), in.Body.Role); err != nil {
		return nil, err
	}
	return said("Role updated"), nil
}

func (s *Server) removeProjectMember(ctx context.Context, actor *app.Actor, in *projectMemberIn) (*messageOut, error) {
	if err := s.app.RemoveProjectMember(ctx, actor, in.ID.String(), in.UserID.String()); err != nil {
		return nil, err
	}
	return said("User removed from project"), nil
}
