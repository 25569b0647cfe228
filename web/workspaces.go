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

type projectOut struct {
	ID             string    `json:"id" format:"uuid"`
	OrganizationID string    `json:"organization_id" format:"uuid"`
	Name           string    `json:"name"`
	Description    *string   `json:"description"`
	CreatedAt      time.Time `json:"created_at"`
}

func projectForm(p *store.Project) projectOut {
	return projectOut{ID: p.ID, OrganizationID: p.OrganizationID, Name: p.Name, Description: p.Description, CreatedAt: instant(p.CreatedAt)}
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

type projectsIn struct {
	PageIn
	OrganizationID id `query:"org_id" doc:"Only projects of this organisation"`
}

type projectsOut struct{ Body list[projectOut] }

func (s *Server) projects(ctx context.Context, actor *app.Actor, in *projectsIn) (*projectsOut, error) {
	rows, err := s.app.Projects(ctx, actor, in.OrganizationID.String(), in.page())
	if err != nil {
		return nil, err
	}
	body, err := whole(ctx, s, rows, projectForm)
	return &projectsOut{body}, err
}

type createProjectIn struct {
	Body struct {
		Name           string  `json:"name"`
		OrganizationID id      `json:"organization_id"`
		Description    *string `json:"description,omitempty"`
	}
}

type oneProjectOut struct{ Body projectOut }

func (s *Server) createProject(ctx context.Context, actor *app.Actor, in *createProjectIn) (*oneProjectOut, error) {
	p, err := s.app.CreateProject(ctx, actor, in.Body.OrganizationID.String(), in.Body.Name, in.Body.Description)
	if err != nil {
		return nil, err
	}
	return &oneProjectOut{projectForm(p)}, nil
}

func (s *Server) organization(ctx context.Context, actor *app.Actor, in *oneID) (*oneOrganizationOut, error) {
	o, err := s.app.Organization(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneOrganizationOut{organizationForm(o)}, nil
}

// WorkspaceSettingsIn are the members of an organisation or a project that can
// be changed.
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

func (s *Server) project(ctx context.Context, actor *app.Actor, in *oneID) (*oneProjectOut, error) {
	p, err := s.app.Project(ctx, actor, in.ID.String())
	if err != nil {
		return nil, err
	}
	return &oneProjectOut{projectForm(p)}, nil
}

type updateProjectIn struct {
	ProjectID id `path:"project_id"`
	Body      WorkspaceSettingsIn
}

func (s *Server) updateProject(ctx context.Context, actor *app.Actor, in *updateProjectIn) (*oneProjectOut, error) {
	p, err := s.app.UpdateProject(ctx, actor, in.ProjectID.String(), in.Body.settings())
	if err != nil {
		return nil, err
	}
	return &oneProjectOut{projectForm(p)}, nil
}

type deleteProjectIn struct {
	ProjectID id `path:"project_id"`
	DryRunIn
}

func (s *Server) deleteProject(ctx context.Context, actor *app.Actor, in *deleteProjectIn) (*deletedOut, error) {
	counts, err := s.app.DeleteProject(ctx, actor, in.ProjectID.String(), in.DryRun)
	if err != nil {
		return nil, err
	}
	return deleted(counts), nil
}
