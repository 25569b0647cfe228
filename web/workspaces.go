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

type organizationsOut struct{ Body []organizationOut }

func (s *Server) organizations(ctx context.Context, actor *app.Actor, in *PageIn) (*organizationsOut, error) {
	rows, err := s.app.Organizations(ctx, actor, in.page())
	if err != nil {
		return nil, err
	}
	return &organizationsOut{listOf(rows, organizationForm)}, nil
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

type projectsOut struct{ Body []projectOut }

func (s *Server) projects(ctx context.Context, actor *app.Actor, in *projectsIn) (*projectsOut, error) {
	rows, err := s.app.Projects(ctx, actor, in.OrganizationID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return &projectsOut{listOf(rows, projectForm)}, nil
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
