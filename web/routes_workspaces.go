package web

import "net/http"

func (s *Server) workspaceRoutes() {
	const tag = "Workspaces"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, get, v1+"/organizations", "listOrganizations", s.organizations,
		route{tag: tag, summary: "List the caller's organisations",
			description: "For everybody: those owned, or of which the caller is a member."})
	add(s, post, v1+"/organizations", "createOrganization", s.createOrganization,
		route{tag: tag, summary: "Make an organisation",
			description: "For everybody who is signed in. The caller becomes its owner.",
			example:     `{"name":"School"}`,
			errors:      []int{conflict}})
	add(s, get, v1+"/projects", "listProjects", s.projects,
		route{tag: tag, summary: "List the caller's projects",
			description: "For everybody: those in which the caller is a member."})
	add(s, post, v1+"/projects", "createProject", s.createProject,
		route{tag: tag, summary: "Make a project with its first two agents",
			description: "For admins of the organisation. The caller becomes its admin.",
			example:     `{"organization_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90","name":"Physics agents"}`,
			errors:      edited})

	add(s, get, v1+"/organizations/{org_id}", "getOrganization", s.organization,
		route{tag: tag, summary: "Show an organisation",
			description: "For its members.",
			errors:      known})
	add(s, put, v1+"/organizations/{org_id}", "updateOrganization", s.updateOrganization,
		route{tag: tag, summary: "Change an organisation",
			description: "For its admins.",
			example:     `{"description":"All classes"}`,
			errors:      edited})
	add(s, del, v1+"/organizations/{org_id}", "deleteOrganization", s.deleteOrganization,
		route{tag: tag, summary: "Delete an organisation with its projects and their agents",
			description: "For its owner and admins.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, post, v1+"/organizations/{org_id}/transfer", "transferOrganization", s.transferOrganization,
		route{tag: tag, summary: "Make another member the owner of an organisation",
			description: "For its owner and admins.",
			example:     `{"user_id":"0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90"}`,
			errors:      edited})
	add(s, get, v1+"/organizations/{org_id}/members", "listOrganizationMembers", s.organizationMembers,
		route{tag: tag, summary: "List the people of an organisation",
			description: "For its admins.",
			errors:      known})
	add(s, post, v1+"/organizations/{org_id}/members", "addOrganizationMember", s.addOrganizationMember,
		route{tag: tag, summary: "Take somebody into an organisation",
			description: "For its admins.",
			example:     `{"user_email":"ada@example.org","role":"member"}`,
			errors:      edited})
	add(s, put, v1+"/organizations/{org_id}/members/{user_id}", "changeOrganizationMember", s.changeOrganizationMember,
		route{tag: tag, summary: "Give a member of an organisation another role",
			description: "For its admins.",
			example:     `{"role":"admin"}`,
			errors:      known})
	add(s, del, v1+"/organizations/{org_id}/members/{user_id}", "removeOrganizationMember", s.removeOrganizationMember,
		route{tag: tag, summary: "Take somebody out of an organisation and its projects",
			description: "For its admins, and for oneself. The owner stays.",
			errors:      edited})

	add(s, get, v1+"/projects/{project_id}", "getProject", s.project,
		route{tag: tag, summary: "Show a project",
			description: "For its members.",
			errors:      known})
	add(s, put, v1+"/projects/{project_id}", "updateProject", s.updateProject,
		route{tag: tag, summary: "Change a project",
			description: "For its admins.",
			example:     `{"description":"For all classes"}`,
			errors:      edited})
	add(s, del, v1+"/projects/{project_id}", "deleteProject", s.deleteProject,
		route{tag: tag, summary: "Delete a project with its agents; what they said stays",
			description: "For its admins.",
			status:      gone, also: http.StatusOK, errors: edited})
	add(s, get, v1+"/projects/{project_id}/members", "listProjectMembers", s.projectMembers,
		route{tag: tag, summary: "List the people of a project",
			description: "For its members.",
			errors:      known})
	add(s, post, v1+"/projects/{project_id}/members", "addProjectMember", s.addProjectMember,
		route{tag: tag, summary: "Take somebody into a project and its organisation",
			description: "For its admins.",
			example:     `{"user_email":"ada@example.org","role":"editor"}`,
			errors:      edited})
	add(s, put, v1+"/projects/{project_id}/members/{user_id}", "changeProjectMember", s.changeProjectMember,
		route{tag: tag, summary: "Give a member of a project another role",
			description: "For its admins.",
			example:     `{"role":"viewer"}`,
			errors:      known})
	add(s, del, v1+"/projects/{project_id}/members/{user_id}", "removeProjectMember", s.removeProjectMember,
		route{tag: tag, summary: "Take somebody out of a project",
			description: "For its admins, and for oneself.",
			errors:      known})
}
