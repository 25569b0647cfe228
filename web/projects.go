package web

import (
	"context"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/store"
)

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
