package web

import "net/http"

func (s *Server) workspaceRoutes() {
	const tag = "Workspaces"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/organizations", "listOrganizations", s.organizations,
		route{tag: tag, summary: "List the caller's organisations"})
	add(s, post, v1+"/organizations", "createOrganization", s.createOrganization,
		route{tag: tag, summary: "Make an organisation", errors: []int{conflict}})
	add(s, get, v1+"/projects", "listProjects", s.projects,
		route{tag: tag, summary: "List the caller's projects"})
	add(s, post, v1+"/projects", "createProject", s.createProject,
		route{tag: tag, summary: "Make a project with its first two agents", errors: edited})

	add(s, get, v1+"/organizations/{org_id}", "getOrganization", s.organization,
		route{tag: tag, summary: "Show an organisation", errors: known})
	add(s, put, v1+"/organizations/{org_id}", "updateOrganization", s.updateOrganization,
		route{tag: tag, summary: "Change what is sent of an organisation", errors: edited})
	add(s, del, v1+"/organizations/{org_id}", "deleteOrganization", s.deleteOrganization,
		route{tag: tag, summary: "Delete an organisation with its projects and their agents",
			status: gone, also: http.StatusOK, errors: edited})
	add(s, post, v1+"/organizations/{org_id}/transfer", "transferOrganization", s.transferOrganization,
		route{tag: tag, summary: "Make another member the owner of an organisation", errors: edited})
	add(s, get, v1+"/organizations/{org_id}/members", "listOrganizationMembers", s.organizationMembers,
		route{tag: tag, summary: "List the people of an organisation", errors: known})
	add(s, post, v1+"/organizations/{org_id}/members", "addOrganizationMember", s.addOrganizationMember,
		route{tag: tag, summary: "Take somebody into an organisation", errors: edited})
	add(s, put, v1+"/organizations/{org_id}/members/{user_id}", "changeOrganizationMember", s.changeOrganizationMember,
		route{tag: tag, summary: "Give a member of an organisation another role", errors: known})
	add(s, del, v1+"/organizations/{org_id}/members/{user_id}", "removeOrganizationMember", s.removeOrganizationMember,
		route{tag: tag, summary: "Take somebody, or oneself, out of an organisation and its projects", errors: edited})

	add(s, get, v1+"/projects/{project_id}", "getProject", s.project,
		route{tag: tag, summary: "Show a project", errors: known})
	add(s, put, v1+"/projects/{project_id}", "updateProject", s.updateProject,
		route{tag: tag, summary: "Change what is sent of a project", errors: edited})
	add(s, del, v1+"/projects/{project_id}", "deleteProject", s.deleteProject,
		route{tag: tag, summary: "Delete a project with its agents; what they said stays",
			status: gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/projects/{project_id}/members", "listProjectMembers", s.projectMembers,
		route{tag: tag, summary: "List the people of a project", errors: known})
	add(s, post, v1+"/projects/{project_id}/members", "addProjectMember", s.addProjectMember,
		route{tag: tag, summary: "Take somebody into a project and its organisation", errors: edited})
	add(s, put, v1+"/projects/{project_id}/members/{user_id}", "changeProjectMember", s.changeProjectMember,
		route{tag: tag, summary: "Give a member of a project another role", errors: known})
	add(s, del, v1+"/projects/{project_id}/members/{user_id}", "removeProjectMember", s.removeProjectMember,
		route{tag: tag, summary: "Take somebody, or oneself, out of a project", errors: known})
}
