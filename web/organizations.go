package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

type organizationOut struct {
	ID          string    `json:"id" format:"uuid"`
	Name        string    `json:"name"`
	Description *string   `json:"description"`
	OwnerID     string    `json:"owner_id" format:"uuid"`
	CreatedAt   time.Time `json:"created_at"`
}

func organizationForm(o *store.Organization) organizationOut {
	return organizationOut{ID: o.ID, Name: o.Name, Description: o.Description, OwnerID: o.OwnerID, CreatedAt: instant(o.CreatedAt)}
}

type organizationsOut struct{ Body list[organizationOut] }

func (s *Server) organizations(ctx context.Context, actor *app.Actor, in *PageIn) (*organizationsOut, error) {
	rows, err := s.app.Organizations(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	body, err := whole(ctx, s, rows, organizationForm)
	return &organizationsOut{body}, err
}

type createOrganizationIn struct {
	Body struct {
		Name        string  `json:"name"`
		Description *string `json:"description,omitempty"`
	}
}

type oneOrganizationOut struct{ Body organizationOut }

func (s *Server) createOrganization(ctx context.Context, actor *app.Actor, in *createOrganizationIn) (*oneOrganizationOut, error) {
	o, err := s.app.CreateOrganization(ctx, actor, in.Body.Name, in.Body.Description)
	if err != nil {
		return nil, err
	}
	return &oneOrganizationOut{organizationForm(o)}, nil
}

func (s *Server) organization(ctx context.Context, actor *app.Actor, in *oneID) (*oneOrganizationOut, error) {
	o, err := s.app.Organization(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneOrganizationOut{organizationForm(o)}, nil
}

// WorkspaceSettingsIn are the members of an organisation or a project that can be
// changed.
type WorkspaceSettingsIn struct {
	Name        opt[string] `json:"name,omitempty"`
	Description opt[string] `json:"description,omitempty"`
}

func (in WorkspaceSettingsIn) settings() app.WorkspaceSettings {
	return app.WorkspaceSettings{Name: in.Name.Opt, Description: in.Description.Opt}
}

type updateOrganizationIn struct {
	OrganizationID id `path:"org_id"`
	Body           WorkspaceSettingsIn
}

func (s *Server) updateOrganization(ctx context.Context, actor *app.Actor, in *updateOrganizationIn) (*oneOrganizationOut, error) {
	o, err := s.app.UpdateOrganization(ctx, actor, in.OrganizationID.String(), in.Body.settings())
	if err != nil {
		return nil, err
	}
	return &oneOrganizationOut{organizationForm(o)}, nil
}

type deleteOrganizationIn struct {
	OrganizationID id `path:"org_id"`
	DryRunIn
}

func (s *Server) deleteOrganization(ctx context.Context, actor *app.Actor, in *deleteOrganizationIn) (*deletedOut, error) {
	counts, err := s.app.DeleteOrganization(ctx, actor, in.OrganizationID.String(), in.DryRun)
	if err != nil {
		return nil, err
	}
	return deleted(counts), nil
}

type transferOrganizationIn struct {
	OrganizationID id `path:"org_id"`
	Body           struct {
		UserID id `json:"user_id" doc:"A member, who becomes the owner"`
	}
}

func (s *Server) transferOrganization(ctx context.Context, actor *app.Actor, in *transferOrganizationIn) (*oneOrganizationOut, error) {
	o, err := s.app.TransferOrganization(ctx, actor, in.OrganizationID.String(), in.Body.UserID.String())
	if err != nil {
		return nil, err
	}
	return &oneOrganizationOut{organizationForm(o)}, nil
}

// workspaceMember is one member of an organisation or a project.
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
