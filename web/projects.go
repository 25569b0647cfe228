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

func oneProject(p *store.Project, err error) (*oneOut[projectOut], error) {
	return formed(p, err, projectForm)
}

type projectsIn struct {
	PageIn
	OrganizationID id `query:"org_id"`
}

func (s *Server) projects(ctx context.Context, actor *app.Actor, in *projectsIn) (*pageOut[projectOut], error) {
	rows, err := s.app.Projects(ctx, actor, in.OrganizationID.String(), in.page())
	if err != nil {
		return nil, err
	}
	return linked(ctx, s, rows, projectForm, in.PageIn)
}

type createProjectIn struct {
	Body struct {
		Name           string  `json:"name"`
		OrganizationID id      `json:"organization_id"`
		Description    *string `json:"description,omitempty"`
	}
}

func (s *Server) createProject(ctx context.Context, actor *app.Actor, in *createProjectIn) (*oneOut[projectOut], error) {
	actor.Lang = requestOf(ctx).language()
	return oneProject(s.app.CreateProject(ctx, actor, in.Body.OrganizationID.String(), in.Body.Name, in.Body.Description))
}

func (s *Server) project(ctx context.Context, actor *app.Actor, in *oneID) (*oneOut[projectOut], error) {
	return oneProject(s.app.Project(ctx, actor, in.ID.String()))
}

type updateProjectIn struct {
	ProjectID id `path:"project_id"`
	Body      WorkspaceSettingsIn
}

func (s *Server) updateProject(ctx context.Context, actor *app.Actor, in *updateProjectIn) (*oneOut[projectOut], error) {
	return oneProject(s.app.UpdateProject(ctx, actor, in.ProjectID.String(), in.Body.settings()))
}

func (s *Server) deleteProject(ctx context.Context, actor *app.Actor, in *deletionOf) (*deletedOut, error) {
	return deleted(s.app.DeleteProject(ctx, actor, in.ID.String(), in.DryRun))
}

func (s *Server) projectMembers(ctx context.Context, actor *app.Actor, in *pageOf) (*pageOut[workspaceMember], error) {
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
		Role string `json:"role,omitempty" default:"member"`
	}
}

func (s *Server) addProjectMember(ctx context.Context, actor *app.Actor, in *addProjectMemberIn) (*oneOut[workspaceMember], error) {
	return oneWorkspaceMember(s.app.AddProjectMember(ctx, actor, in.ID.String(), in.Body.person(), in.Body.Role))
}

type changeProjectMemberIn struct {
	ID     id `path:"project_id"`
	UserID id `path:"user_id"`
	Body   struct {
		Role string `json:"role"`
	}
}

func (s *Server) changeProjectMember(ctx context.Context, actor *app.Actor, in *changeProjectMemberIn) (*messageOut, error) {
	return said("Role updated", s.app.ChangeProjectMember(ctx, actor, in.ID.String(), in.UserID.String(), in.Body.Role))
}

func (s *Server) removeProjectMember(ctx context.Context, actor *app.Actor, in *twoIDs) (*messageOut, error) {
	return said("User removed from project", s.app.RemoveProjectMember(ctx, actor, in.First.String(), in.Second.String()))
}
