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

func oneOrganization(o *store.Organization, err error) (*oneOut[organizationOut], error) {
	return formed(o, err, organizationForm)
}

func (s *Server) organizations(ctx context.Context, actor *app.Actor, in *PageIn) (*pageOut[organizationOut], error) {
	rows, err := s.app.Organizations(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, organizationForm, *in)
}

type createOrganizationIn struct {
	Body struct {
		Name        string  `json:"name"`
		Description *string `json:"description,omitempty"`
	}
}

func (s *Server) createOrganization(ctx context.Context, actor *app.Actor, in *createOrganizationIn) (*oneOut[organizationOut], error) {
	return oneOrganization(s.app.CreateOrganization(ctx, actor, in.Body.Name, in.Body.Description))
}

func (s *Server) organization(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[organizationOut], error) {
	return oneOrganization(s.app.Organization(ctx, actor, in.ID.String()))
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

func (s *Server) updateOrganization(ctx context.Context, actor *app.Actor, in *updateOrganizationIn) (*oneOut[organizationOut], error) {
	return oneOrganization(s.app.UpdateOrganization(ctx, actor, in.OrganizationID.String(), in.Body.settings()))
}

func (s *Server) deleteOrganization(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedOut, error) {
	return deleted(s.app.DeleteOrganization(ctx, actor, in.ID.String(), in.DryRun))
}

type transferOrganizationIn struct {
	OrganizationID id `path:"org_id"`
	Body           struct {
		UserID id `json:"user_id" doc:"A member"`
	}
}

func (s *Server) transferOrganization(ctx context.Context, actor *app.Actor, in *transferOrganizationIn) (*oneOut[organizationOut], error) {
	return oneOrganization(s.app.TransferOrganization(ctx, actor, in.OrganizationID.String(), in.Body.UserID.String()))
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

func oneWorkspaceMember(m *app.Member, err error) (*oneOut[workspaceMember], error) {
	return formed(m, err, workspaceMemberForm)
}

func (s *Server) organizationMembers(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[workspaceMember], error) {
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
		Role string `json:"role,omitempty" default:"member"`
	}
}

func (s *Server) addOrganizationMember(ctx context.Context, actor *app.Actor, in *addOrganizationMemberIn) (*oneOut[workspaceMember], error) {
	return oneWorkspaceMember(s.app.AddOrganizationMember(ctx, actor, in.ID.String(), in.Body.person(), in.Body.Role))
}

type changeOrganizationMemberIn struct {
	ID     id `path:"org_id"`
	UserID id `path:"user_id"`
	Body   struct {
		Role string `json:"role"`
	}
}

func (s *Server) changeOrganizationMember(ctx context.Context, actor *app.Actor, in *changeOrganizationMemberIn) (*messageOut, error) {
	return said("Role updated", s.app.ChangeOrganizationMember(ctx, actor, in.ID.String(), in.UserID.String(), in.Body.Role))
}

func (s *Server) removeOrganizationMember(ctx context.Context, actor *app.Actor, in *twoIDs) (*messageOut, error) {
	return said("User removed from organization", s.app.RemoveOrganizationMember(ctx, actor, in.First.String(), in.Second.String()))
}
