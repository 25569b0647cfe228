package web

import (
	"net/http"

	"github.com/coagent-studio/coagent/app"
)

const (
	v1         = "/api/v1"
	pathHealth = "/healthz"
	pathReady  = "/readyz"
)

const (
	get  = http.MethodGet
	post = http.MethodPost
	put  = http.MethodPut
	del  = http.MethodDelete
)

const (
	rejected = http.StatusBadRequest
	denied   = http.StatusUnauthorized
	missing  = http.StatusNotFound
	conflict = http.StatusConflict
	limited  = http.StatusTooManyRequests
	created  = http.StatusCreated
	gone     = http.StatusNoContent
	upstream = http.StatusBadGateway
)

// routes registers every URL of the server. All paths under /agents use one parameter
// name: for OpenAPI /agents/{project_id} and /agents/{config_id} are the same path.
func (s *Server) routes(version string) error {
	s.accountRoutes()
	s.workspaceRoutes()
	s.courseRoutes()
	s.reportRoutes()
	s.roomRoutes()
	s.turnRoutes()
	s.workflowRoutes()
	s.agentRoutes()
	s.agentVersionRoutes()
	s.agentTypeRoutes()
	s.adminRoutes()
	s.artifactRoutes()
	s.threadRoutes()
	s.sockets()
	open(s, route{method: get, path: v1 + "/a2a/health", id: "a2aHealth", tag: "Agents", summary: "Tell external agents that this server hears them"}, s.a2aHealth)
	open(s, route{method: get, path: pathHealth, id: "health", tag: "Operation", summary: "Tell that the process is alive"}, s.health)
	open(s, route{method: get, path: pathReady, id: "ready", tag: "Operation", summary: "Tell whether requests can be served; code names the part that fails"}, s.ready)
	return s.pages(version)
}

func (s *Server) accountRoutes() {
	const login, users, spaces = "Sign-in", "Users", "Workspaces"
	open(s, route{method: post, path: v1 + "/login/access-token", id: "signIn", tag: login, summary: "Sign in with a form; sets the session's cookies",
		form: signInForm(), errors: []int{rejected, limited}}, s.signIn)
	open(s, route{method: post, path: v1 + "/login/refresh", id: "refresh", tag: login, summary: "Renew the session's cookies",
		errors: []int{denied}}, s.refresh)
	open(s, route{method: post, path: v1 + "/login/logout", id: "signOut", tag: login, summary: "End the session and clear its cookies"}, s.signOut)
	open(s, route{method: post, path: v1 + "/login/test-token", id: "whoami", tag: login, summary: "Tell who is signed in; null for nobody, 401 when a refresh would help",
		nullable: true, errors: []int{denied}}, s.whoami)
	open(s, route{method: post, path: v1 + "/setup", id: "setUp", tag: login, summary: "Make the first super admin with the one-time token, and sign in",
		errors: []int{conflict, limited}}, s.setUp)

	add(s, route{method: post, path: v1 + "/login/impersonate/{user_id}", id: "impersonate", tag: login, summary: "Act as somebody else for an hour; super admins only",
		role: app.ActImpersonate, errors: []int{missing}}, s.impersonate)
	open(s, route{method: post, path: v1 + "/login/stop-impersonate", id: "stopImpersonating", tag: login, summary: "Be oneself again",
		errors: []int{rejected}}, s.stopImpersonating)

	// The existing client calls these three without the code that renews its session.
	add(s, route{method: get, path: v1 + "/users/keys", id: "listUserKeys", tag: users, summary: "List the caller's model keys, masked",
		lateCookie: true}, s.userKeys)
	add(s, route{method: post, path: v1 + "/users/keys", id: "createUserKey", tag: users, summary: "Store a model key; it is never shown again",
		lateCookie: true, errors: []int{rejected, conflict}}, s.createUserKey)
	add(s, route{method: del, path: v1 + "/users/keys/{key_id}", id: "deleteUserKey", tag: users, summary: "Remove one of the caller's model keys",
		lateCookie: true, status: gone, errors: []int{missing}}, s.deleteUserKey)
	add(s, route{method: put, path: v1 + "/users/keys/{key_id}/shared", id: "shareUserKey", tag: users,
		summary: "Let agents of one's projects use the key as their last, or end that", errors: []int{missing}}, s.shareUserKey)
	add(s, route{method: get, path: v1 + "/users/keys/{key_id}/uses", id: "listUserKeyUses", tag: users,
		summary: "List the agents that used the key, the latest first", errors: []int{missing}}, s.userKeyUses)
	add(s, route{method: get, path: v1 + "/users/me/tokens", id: "listTokens", tag: users, summary: "List the caller's personal access tokens"}, s.tokens)
	add(s, route{method: post, path: v1 + "/users/me/tokens", id: "createToken", tag: users, summary: "Make a personal access token; it is shown this once, and outlives a change of the password",
		status: created, errors: []int{conflict}}, s.createToken)
	add(s, route{method: del, path: v1 + "/users/me/tokens/{token_id}", id: "revokeToken", tag: users, summary: "Revoke one of the caller's tokens",
		status: gone, errors: []int{missing}}, s.revokeToken)
	add(s, route{method: get, path: v1 + "/users/me/sessions", id: "listSessions", tag: users, summary: "List where the caller is signed in"}, s.sessions)
	add(s, route{method: del, path: v1 + "/users/me/sessions", id: "endOtherSessions", tag: users, summary: "Sign the caller out everywhere but here",
		status: gone}, s.endOtherSessions)
	add(s, route{method: del, path: v1 + "/users/me/sessions/{session_id}", id: "endSession", tag: users, summary: "Sign the caller out on one device",
		status: gone, errors: []int{missing}}, s.endSession)
	add(s, route{method: get, path: v1 + "/users/{user_id}/tokens", id: "listTokensOf", tag: users, summary: "List another person's tokens; admins only",
		role: app.ActManageTokens, errors: []int{missing}}, s.tokensOf)
	add(s, route{method: del, path: v1 + "/users/{user_id}/tokens", id: "revokeTokensOf", tag: users, summary: "Revoke all tokens of another person; admins only",
		role: app.ActManageTokens, status: gone, errors: []int{missing}}, s.revokeTokensOf)
	add(s, route{method: get, path: v1 + "/users/me", id: "me", tag: users, summary: "Show the caller"}, s.me)
	add(s, route{method: post, path: v1 + "/users/", id: "createUser", tag: users, summary: "Make an account", role: app.ActCreateUser}, s.createUser)
	add(s, route{method: put, path: v1 + "/users/me", id: "updateMe", tag: users, summary: "Change the caller's own account; never its role",
		errors: []int{conflict, limited}}, s.updateMe)
	add(s, route{method: post, path: v1 + "/users/me/avatar", id: "setAvatar", tag: users, summary: "Give the caller a picture, by its content: PNG, JPEG, GIF or WebP, 2 MiB at most",
		form: fileForm("The picture"), upload: true}, s.setAvatar)
	add(s, route{method: del, path: v1 + "/users/me/avatar", id: "removeAvatar", tag: users, summary: "Leave the caller without a picture"}, s.removeAvatar)
	s.avatars()
	add(s, route{method: get, path: v1 + "/users/", id: "listUsers", tag: users, summary: "List all accounts, newest first", role: app.ActListUsers}, s.users)
	add(s, route{method: get, path: v1 + "/users/search", id: "searchUsers", tag: users, summary: "Find people; those who are not staff find whom they share a course with"}, s.searchUsers)
	add(s, route{method: get, path: v1 + "/users/{user_id}", id: "getUser", tag: users, summary: "Show somebody", errors: []int{missing}}, s.user)
	add(s, route{method: put, path: v1 + "/users/{user_id}", id: "updateUser", tag: users, summary: "Change somebody's account",
		errors: []int{missing, conflict, limited}}, s.updateUser)
	add(s, route{method: post, path: v1 + "/users/{user_id}/password-link", id: "makePasswordLink", tag: users, summary: "Make a link with which somebody sets a new password once; shown this once",
		errors: []int{missing, conflict}}, s.makePasswordLink)
	open(s, route{method: post, path: v1 + "/login/password-link", id: "usePasswordLink", tag: login, summary: "Set a new password with a one-time link, end all sessions, and sign in",
		errors: []int{rejected, conflict, limited}}, s.usePasswordLink)
	add(s, route{method: del, path: v1 + "/users/{user_id}", id: "deleteUser", tag: users, summary: "Remove an account; its lines stay, its courses and organisations pass to the caller",
		errors: []int{missing, conflict}}, s.deleteUser)

	add(s, route{method: get, path: v1 + "/organizations", id: "listOrganizations", tag: spaces, summary: "List the caller's organisations"}, s.organizations)
	add(s, route{method: post, path: v1 + "/organizations", id: "createOrganization", tag: spaces, summary: "Make an organisation", errors: []int{conflict}}, s.createOrganization)
	add(s, route{method: get, path: v1 + "/projects", id: "listProjects", tag: spaces, summary: "List the caller's projects"}, s.projects)
	add(s, route{method: post, path: v1 + "/projects", id: "createProject", tag: spaces, summary: "Make a project with its first two agents",
		errors: []int{missing, conflict}}, s.createProject)
}

func (s *Server) adminRoutes() {
	const tag = "Administration"
	add(s, route{method: get, path: v1 + "/admin/audit", id: "listAuditLog", tag: tag, summary: "List who changed what, newest first; admins only",
		role: app.ActReadAudit}, s.auditLog)
	add(s, route{method: get, path: v1 + "/admin/db/tables", id: "listTables", tag: tag, summary: "List the tables that admins may look into",
		role: app.ActBrowse, errors: []int{rejected}}, s.tables)
	add(s, route{method: get, path: v1 + "/admin/db/tables/{table_name}", id: "listRows", tag: tag, summary: "List rows of a table without any secret, the newest first",
		role: app.ActBrowse, errors: []int{rejected, missing}}, s.rows)
}

func (s *Server) workspaceRoutes() {
	const tag = "Workspaces"
	known, edited := []int{missing}, []int{missing, conflict}
	const org, project = v1 + "/organizations/{org_id}", v1 + "/projects/{project_id}"
	add(s, route{method: get, path: org, id: "getOrganization", tag: tag, summary: "Show an organisation", errors: known}, s.organization)
	add(s, route{method: put, path: org, id: "updateOrganization", tag: tag, summary: "Change what is sent of an organisation", errors: edited}, s.updateOrganization)
	add(s, route{method: del, path: org, id: "deleteOrganization", tag: tag, summary: "Delete an organisation with its projects and their agents",
		status: gone, also: http.StatusOK, errors: edited}, s.deleteOrganization)
	add(s, route{method: post, path: org + "/transfer", id: "transferOrganization", tag: tag, summary: "Make another member the owner of an organisation",
		errors: edited}, s.transferOrganization)
	add(s, route{method: get, path: org + "/members", id: "listOrganizationMembers", tag: tag, summary: "List the people of an organisation", errors: known}, s.organizationMembers)
	add(s, route{method: post, path: org + "/members", id: "addOrganizationMember", tag: tag, summary: "Take somebody into an organisation", errors: edited}, s.addOrganizationMember)
	add(s, route{method: put, path: org + "/members/{user_id}", id: "changeOrganizationMember", tag: tag, summary: "Give a member of an organisation another role",
		errors: known}, s.changeOrganizationMember)
	add(s, route{method: del, path: org + "/members/{user_id}", id: "removeOrganizationMember", tag: tag, summary: "Take somebody, or oneself, out of an organisation and its projects",
		errors: edited}, s.removeOrganizationMember)

	add(s, route{method: get, path: project, id: "getProject", tag: tag, summary: "Show a project", errors: known}, s.project)
	add(s, route{method: put, path: project, id: "updateProject", tag: tag, summary: "Change what is sent of a project", errors: edited}, s.updateProject)
	add(s, route{method: del, path: project, id: "deleteProject", tag: tag, summary: "Delete a project with its agents; what they said stays",
		status: gone, also: http.StatusOK, errors: edited}, s.deleteProject)
	add(s, route{method: get, path: project + "/members", id: "listProjectMembers", tag: tag, summary: "List the people of a project", errors: known}, s.projectMembers)
	add(s, route{method: post, path: project + "/members", id: "addProjectMember", tag: tag, summary: "Take somebody into a project and its organisation", errors: edited}, s.addProjectMember)
	add(s, route{method: put, path: project + "/members/{user_id}", id: "changeProjectMember", tag: tag, summary: "Give a member of a project another role",
		errors: known}, s.changeProjectMember)
	add(s, route{method: del, path: project + "/members/{user_id}", id: "removeProjectMember", tag: tag, summary: "Take somebody, or oneself, out of a project",
		errors: known}, s.removeProjectMember)
}

func (s *Server) courseRoutes() {
	const tag = "Courses"
	known := []int{missing}
	add(s, route{method: post, path: v1 + "/courses/", id: "createCourse", tag: tag, summary: "Make a course", role: app.ActCreateCourse, errors: []int{conflict}}, s.createCourse)
	add(s, route{method: get, path: v1 + "/courses/", id: "listCourses", tag: tag, summary: "List the courses that the caller can open"}, s.courses)
	add(s, route{method: get, path: v1 + "/courses/{course_id}", id: "getCourse", tag: tag, summary: "Show a course", errors: known}, s.course)
	add(s, route{method: put, path: v1 + "/courses/{course_id}", id: "updateCourse", tag: tag, summary: "Change what is sent of a course",
		errors: []int{missing, conflict}}, s.updateCourse)
	add(s, route{method: del, path: v1 + "/courses/{course_id}", id: "deleteCourse", tag: tag, summary: "Delete a course with its rooms and all that is in them",
		errors: []int{missing, conflict}}, s.deleteCourse)
	add(s, route{method: post, path: v1 + "/courses/{course_id}/enroll", id: "enrol", tag: tag, summary: "Take somebody into a course", errors: []int{missing, conflict}}, s.enrol)
	add(s, route{method: post, path: v1 + "/courses/{course_id}/members/import", id: "importMembers", tag: tag, summary: "Take a class list into a course, CSV of 1 MiB and 2000 people at most; makes the accounts that are missing",
		form: listForm(), upload: true, errors: []int{missing, conflict}}, s.importMembers)
	add(s, route{method: get, path: v1 + "/courses/{course_id}/members", id: "listMembers", tag: tag, summary: "List the people of a course", errors: known}, s.members)
	add(s, route{method: put, path: v1 + "/courses/{course_id}/members/{user_id}", id: "changeMember", tag: tag, summary: "Give a member of a course another role", errors: known}, s.changeMember)
	add(s, route{method: del, path: v1 + "/courses/{course_id}/members/{user_id}", id: "removeMember", tag: tag, summary: "Take somebody out of a course and its rooms", errors: known}, s.removeMember)
	add(s, route{method: post, path: v1 + "/courses/{course_id}/transfer", id: "transferCourse", tag: tag, summary: "Make somebody else the owner of a course; the old owner stays as a teacher",
		errors: []int{missing, conflict}}, s.transferCourse)

	add(s, route{method: get, path: v1 + "/courses/{course_id}/join-code", id: "getJoinCode", tag: tag, summary: "Show the code by which students join a course", errors: known}, s.joinCode)
	add(s, route{method: put, path: v1 + "/courses/{course_id}/join-code", id: "setJoinCode", tag: tag, summary: "Make a join code, or a new one in place of the old",
		errors: []int{missing, conflict}}, s.setJoinCode)
	add(s, route{method: del, path: v1 + "/courses/{course_id}/join-code", id: "deleteJoinCode", tag: tag, summary: "Remove the join code", status: gone, errors: known}, s.deleteJoinCode)
	add(s, route{method: post, path: v1 + "/courses/join", id: "joinCourse", tag: tag, summary: "Join a course as a student with its code",
		errors: []int{missing, conflict, limited}}, s.joinCourse)
	add(s, route{method: post, path: v1 + "/courses/{course_id}/invitations", id: "invite", tag: tag, summary: "Make an invitation link; its token is shown this once",
		errors: []int{missing, conflict}}, s.invite)
	add(s, route{method: get, path: v1 + "/courses/{course_id}/invitations", id: "listInvitations", tag: tag, summary: "List a course's invitation links, newest first", errors: known}, s.invitations)
	add(s, route{method: del, path: v1 + "/courses/{course_id}/invitations/{invitation_id}", id: "deleteInvitation", tag: tag, summary: "Take an invitation link back",
		status: gone, errors: known}, s.deleteInvitation)
	add(s, route{method: post, path: v1 + "/courses/accept-invitation", id: "acceptInvitation", tag: tag, summary: "Join a course with the token of an invitation link", errors: []int{missing, conflict}}, s.acceptInvitation)

	add(s, route{method: post, path: v1 + "/announcements/", id: "announce", tag: tag, summary: "Tell something to all members of a course", errors: []int{missing, conflict}}, s.announce)
	add(s, route{method: get, path: v1 + "/announcements/", id: "listAnnouncements", tag: tag, summary: "List a course's announcements, newest first", errors: known}, s.announcements)
	add(s, route{method: put, path: v1 + "/announcements/{announcement_id}", id: "updateAnnouncement", tag: tag, summary: "Change what is sent of an announcement",
		errors: []int{missing, conflict}}, s.updateAnnouncement)
	add(s, route{method: del, path: v1 + "/announcements/{announcement_id}", id: "deleteAnnouncement", tag: tag, summary: "Take an announcement back",
		status: gone, errors: known}, s.deleteAnnouncement)
}

func (s *Server) reportRoutes() {
	const tag, one = "Analytics", v1 + "/analytics/{course_id}/reports/{report_id}"
	known := []int{missing}
	add(s, route{method: post, path: v1 + "/analytics/{course_id}/generate", id: "generateReport", large: manyBytes, tag: tag,
		summary: "Have the analytics agent report on every room of a course that has lines; answers when the report is done, or with one in state running after a while",
		patient: true, errors: []int{rejected, missing, conflict, limited}}, s.generateReport)
	add(s, route{method: get, path: v1 + "/analytics/{course_id}", id: "listReports", tag: tag, summary: "List the reports on a course, newest first", errors: known}, s.reports)
	add(s, route{method: get, path: one, id: "getReport", large: manyBytes, tag: tag, summary: "Show a report and how far it is", errors: known}, s.report)
	add(s, route{method: put, path: one, id: "updateReport", large: manyBytes, tag: tag, summary: "Change what is sent of a finished report",
		errors: []int{missing, conflict}}, s.updateReport)
	add(s, route{method: del, path: one, id: "deleteReport", tag: tag, summary: "Delete a report; one that is being written is given up",
		status: gone, errors: known}, s.deleteReport)
}

func (s *Server) roomRoutes() {
	const tag = "Rooms"
	known := []int{missing}
	add(s, route{method: post, path: v1 + "/rooms/", id: "createRoom", tag: tag, summary: "Make a room in a course", errors: []int{missing, conflict}}, s.createRoom)
	add(s, route{method: get, path: v1 + "/rooms/", id: "listRooms", tag: tag, summary: "List the rooms of a course that the caller can enter", errors: known}, s.rooms)
	add(s, route{method: get, path: v1 + "/rooms/{room_id}", id: "getRoom", tag: tag, summary: "Show a room", errors: known}, s.room)
	add(s, route{method: put, path: v1 + "/rooms/{room_id}", id: "updateRoom", tag: tag, summary: "Change what is sent of a room's settings",
		errors: []int{missing, conflict}}, s.updateRoom)
	add(s, route{method: del, path: v1 + "/rooms/{room_id}", id: "deleteRoom", tag: tag, summary: "Delete a room with all that was said in it",
		status: gone, also: http.StatusOK, errors: []int{missing, conflict}}, s.deleteRoom)
	add(s, route{method: post, path: v1 + "/rooms/{room_id}/assign", id: "assignToRoom", tag: tag, summary: "Admit somebody to one room", errors: known}, s.assignToRoom)
	add(s, route{method: get, path: v1 + "/rooms/{room_id}/agents", id: "listRoomAgents", tag: tag, summary: "List a room's agents; only their public face for those who are not staff",
		errors: known}, s.roomAgents)
	add(s, route{method: post, path: v1 + "/rooms/{room_id}/agents/{agent_id}", id: "attachAgent", tag: tag, summary: "Put an agent into a room", errors: known}, s.attachAgent)
	add(s, route{method: del, path: v1 + "/rooms/{room_id}/agents/{agent_id}", id: "detachAgent", tag: tag, summary: "Take an agent out of a room", errors: known}, s.detachAgent)
	const placed = v1 + "/rooms/{room_id}/agents/{agent_id}"
	add(s, route{method: get, path: placed + "/settings", id: "getRoomAgent", tag: tag, summary: "Show how an agent is set in a room, and why it may not speak if so; staff only", errors: known}, s.roomAgent)
	add(s, route{method: put, path: placed + "/settings", id: "setRoomAgent", tag: tag, summary: "Change what is sent of how an agent is set in a room, over its own settings; null leaves it to those",
		errors: []int{missing, conflict}}, s.setRoomAgent)
	add(s, route{method: post, path: placed + "/settings/copy", id: "copyRoomAgent", tag: tag, summary: "Set an agent in the course's other rooms as it is set here: in those of room_ids, or in all that it is in",
		errors: known}, s.copyRoomAgent)
	add(s, route{method: get, path: placed + "/state", id: "getAgentState", tag: tag, summary: "Show what happened to an agent in a room, and when time will make it speak; staff only", errors: known}, s.agentState)
	add(s, route{method: post, path: placed + "/wake", id: "wakeAgent", tag: tag, summary: "Give an agent a turn at once, whatever its trigger says; code tells why it cannot",
		errors: []int{missing, conflict}}, s.wakeAgent)
	add(s, route{method: post, path: placed + "/mute", id: "muteAgent", tag: tag, summary: "Keep an agent from speaking in a room until a time, or for so many minutes", errors: []int{missing, conflict}}, s.muteAgent)
	add(s, route{method: post, path: placed + "/unmute", id: "unmuteAgent", tag: tag, summary: "Let a muted agent speak again", errors: []int{missing, conflict}}, s.unmuteAgent)
	add(s, route{method: post, path: placed + "/sleep", id: "putAgentToSleep", tag: tag, summary: "Have an agent passed over until a person speaks", errors: []int{missing, conflict}}, s.putAgentToSleep)
	add(s, route{method: post, path: placed + "/awake", id: "rouseAgent", tag: tag, summary: "Rouse an agent that sleeps, without a turn", errors: []int{missing, conflict}}, s.clearAgentSleep)
	add(s, route{method: post, path: v1 + "/rooms/{room_id}/messages", id: "postMessage", tag: tag, summary: "Say something, once for each client_id; 200 when it had been said before",
		status: created, also: http.StatusOK, errors: []int{missing, limited}}, s.postMessage)
	const line = v1 + "/rooms/{room_id}/messages/{message_id}"
	add(s, route{method: put, path: line, id: "editMessage", tag: tag, summary: "Change the text of one's own line", errors: []int{missing, conflict, limited}}, s.editMessage)
	add(s, route{method: del, path: line, id: "deleteMessage", tag: tag, summary: "Take one's own line back; it can be restored for 15 minutes", status: gone, errors: []int{missing, limited}}, s.deleteMessage)
	add(s, route{method: post, path: line + "/restore", id: "restoreMessage", tag: tag, summary: "Bring one's own deleted line back", errors: []int{missing, conflict, limited}}, s.restoreMessage)
	add(s, route{method: post, path: line + "/hide", id: "hideMessage", tag: tag, summary: "Hide a line from everybody but staff", errors: known}, s.hideMessage)
	add(s, route{method: post, path: line + "/unhide", id: "showMessage", tag: tag, summary: "Show a hidden line again", errors: known}, s.showMessage)
	add(s, route{method: get, path: v1 + "/rooms/{room_id}/decisions", id: "listDecisions", tag: tag, summary: "List why each agent spoke or not, newest first; for staff", errors: known}, s.decisions)
	add(s, route{method: post, path: v1 + "/rooms/{room_id}/go-on", id: "goOn", tag: tag, summary: "Let the agents go on where a guard has cut them off", errors: []int{missing, conflict}}, s.goOn)
	add(s, route{method: post, path: v1 + "/rooms/{room_id}/turns/{turn_id}/stop", id: "stopTurn", tag: tag, summary: "Stop an agent's turn: staff may, and who asked; what it has said is kept", errors: known}, s.stopTurn)
	add(s, route{method: get, path: v1 + "/rooms/{room_id}/export", id: "exportRoom", large: manyBytes, tag: tag, summary: "Download all that was said in a room", errors: known}, s.exportRoom)
	s.fiber.Add(get, v1+"/rooms/:room_id/events", s.streamEvents)
	add(s, route{method: get, path: pathEvents, id: "listEvents", large: manyBytes, tag: tag, summary: "List a room's durable events after a seq; with Accept: text/event-stream as a live stream (id = seq, Last-Event-ID)",
		errors: known}, s.events)
	s.streamed(pathEvents)
	add(s, route{method: get, path: v1 + "/chat/messages/{room_id}", id: "listMessages", tag: tag, summary: "List what was said in a room, oldest first", errors: known}, s.history)
}

func (s *Server) artifactRoutes() {
	const tag, rooms, one = "Artifacts", v1 + "/workspaces/{room_id}/artifacts", v1 + "/workspaces/artifacts/{artifact_id}"
	known := []int{missing}
	add(s, route{method: get, path: rooms, id: "listArtifacts", tag: tag, summary: "List a room's tasks, documents and processes, newest first", errors: known}, s.artifacts)
	add(s, route{method: post, path: rooms, id: "createArtifact", large: manyBytes, tag: tag, summary: "Put a task, a document or a process into a room",
		status: created, errors: []int{rejected, missing, limited}}, s.createArtifact)
	add(s, route{method: get, path: one, id: "getArtifact", large: manyBytes, tag: tag, summary: "Show an artifact", errors: known}, s.artifact)
	add(s, route{method: put, path: one, id: "updateArtifact", large: manyBytes, tag: tag, summary: "Change an artifact's title or content",
		errors: []int{missing, conflict, limited}}, s.updateArtifact)
	add(s, route{method: del, path: one, id: "deleteArtifact", tag: tag, summary: "Delete an artifact, so that it can be restored",
		status: gone, errors: []int{missing, conflict}}, s.deleteArtifact)
	add(s, route{method: post, path: one + "/restore", id: "restoreArtifact", large: manyBytes, tag: tag, summary: "Bring a deleted artifact back",
		errors: []int{missing, conflict}}, s.restoreArtifact)
	add(s, route{method: get, path: one + "/versions", id: "listArtifactVersions", tag: tag, summary: "List what an artifact was before it was changed, newest first", errors: known}, s.artifactVersions)
	add(s, route{method: get, path: one + "/versions/{version}", id: "getArtifactVersion", large: manyBytes, tag: tag, summary: "Show an earlier version of an artifact", errors: known}, s.artifactVersion)
	add(s, route{method: post, path: one + "/versions/{version}/restore", id: "restoreArtifactVersion", large: manyBytes, tag: tag, summary: "Make an artifact again what it was; what it is now becomes an earlier version",
		errors: []int{missing, conflict, limited}}, s.restoreArtifactVersion)
}

func (s *Server) agentRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	// Fixed names come before {id}, which would match them too.
	add(s, route{method: get, path: v1 + "/agents/system", id: "listSystemAgents", tag: tag, summary: "List the program's own agents, their keys masked",
		role: app.ActReadSystemAgents}, s.systemAgents)
	add(s, route{method: put, path: v1 + "/agents/system/{agent_type}", id: "setSystemAgent", tag: tag, summary: "Change what is sent of the system agent of a type, or make it",
		role: app.ActWriteSystemAgents, errors: []int{conflict}}, s.setSystemAgent)
	add(s, route{method: post, path: v1 + "/agents/generate", id: "generateInstructions", tag: tag, summary: "Have the design agent write the instructions of another agent",
		role: app.ActDesignAgent, patient: true, errors: []int{missing, limited, upstream}}, s.generateInstructions)
	add(s, route{method: get, path: v1 + "/agents/global/list", id: "listTemplates", tag: tag, summary: "List the caller's own templates"}, s.templates)
	add(s, route{method: post, path: v1 + "/agents/global", id: "createTemplate", tag: tag, summary: "Make a template of one's own", errors: []int{conflict}}, s.createTemplate)
	add(s, route{method: post, path: v1 + "/agents/global/{id}/clone-to-project/{project_id}", id: "cloneTemplate", tag: tag,
		summary: "Put a copy of the caller's template {id} into a project, switched off", errors: edited}, s.cloneTemplate)
	add(s, route{method: get, path: v1 + "/agents/external/list", id: "listExternalAgents", tag: tag, summary: "List agents outside this program: all for admins, else the caller's own"},
		s.externalAgents)
	add(s, route{method: post, path: v1 + "/agents/external/create", id: "createExternalAgent", tag: tag,
		summary: "Make an agent outside this program; its callback_token is in this answer alone", role: app.ActCreateExternal, errors: []int{conflict}}, s.createExternalAgent)
	add(s, route{method: post, path: v1 + "/agents/external/test-connection", id: "testExternalAgent", tag: tag,
		summary: "Ask an external agent that is not stored for a sign of life", role: app.ActCreateExternal, errors: []int{limited}}, s.testExternalAgent)
	add(s, route{method: get, path: v1 + "/agents/{id}", id: "listAgents", tag: tag, summary: "List the agents of the project {id}", errors: known}, s.agents)
	add(s, route{method: post, path: v1 + "/agents/{id}", id: "createAgent", tag: tag, summary: "Make an agent in the project {id}", errors: edited}, s.createAgent)
	add(s, route{method: put, path: v1 + "/agents/{id}", id: "updateAgent", tag: tag, summary: "Change what is sent of the agent {id}", errors: edited}, s.updateAgent)
	add(s, route{method: get, path: v1 + "/agents/{id}/keys", id: "listAgentKeys", tag: tag, summary: "List the further keys of the agent {id}, masked", errors: known}, s.agentKeys)
	add(s, route{method: put, path: v1 + "/agents/{id}/keys", id: "setAgentKeys", tag: tag, summary: "Set or delete further keys of the agent {id}", errors: edited}, s.setAgentKeys)
	add(s, route{method: del, path: v1 + "/agents/{id}/api_key", id: "clearAgentKey", tag: tag, summary: "Remove the own key of the agent {id}",
		status: gone, errors: edited}, s.clearAgentKey)
	add(s, route{method: put, path: v1 + "/agents/{id}/activate", id: "activateAgent", tag: tag, summary: "Switch the agent {id} on and its project's others of the same type off",
		errors: edited}, s.activateAgent)
	add(s, route{method: get, path: v1 + "/agents/{id}/test-connection", id: "testStoredAgent", tag: tag, summary: "Ask the external agent {id} for a sign of life",
		errors: []int{missing, limited}}, s.testStoredAgent)
	add(s, route{method: post, path: v1 + "/agents/{id}/callback_token", id: "rotateCallbackToken", tag: tag,
		summary: "Give the external agent {id} a new token to call back with, shown in this answer alone", errors: edited}, s.rotateCallbackToken)
	add(s, route{method: post, path: v1 + "/agents/{id}/sync-from-parent", id: "syncAgent", tag: tag, summary: "Make the clone {id} what its template is now",
		errors: edited}, s.syncAgent)
	add(s, route{method: del, path: v1 + "/agents/{id}", id: "deleteAgent", tag: tag, summary: "Remove the agent {id}; what it said stays",
		status: gone, errors: known}, s.deleteAgent)
}

func (s *Server) agentVersionRoutes() {
	const tag = "Agents"
	known, edited := []int{missing}, []int{missing, conflict}
	add(s, route{method: get, path: v1 + "/agent-config/{project_id}", id: "listProjectAgents", tag: tag, summary: "List a project's agents, without masks", errors: known}, s.projectAgents)
	add(s, route{method: put, path: v1 + "/agent-config/{project_id}/{agent_type}", id: "setProjectAgent", tag: tag,
		summary: "Change what is sent of a project's first agent of a type, or make it", errors: edited}, s.setProjectAgent)
	add(s, route{method: post, path: v1 + "/agent-config/{config_id}/versions", id: "keepVersion", tag: tag, summary: "Keep what an agent is now", errors: edited}, s.keepVersion)
	add(s, route{method: get, path: v1 + "/agent-config/{config_id}/versions", id: "listVersions", tag: tag, summary: "List what is kept of an agent, newest first", errors: known}, s.versions)
	add(s, route{method: post, path: v1 + "/agent-config/{config_id}/versions/{version_id}/restore", id: "restoreVersion", tag: tag,
		summary: "Make an agent again what it was; what it was until now is kept first", errors: edited}, s.restoreVersion)
}

func (s *Server) agentTypeRoutes() {
	const tag = "Agent types"
	known := []int{missing}
	add(s, route{method: get, path: v1 + "/agent-types", id: "listAgentTypes", tag: tag, summary: "List what agents can be, the system's own types first",
		role: app.ActReadAgentTypes}, s.agentTypes)
	add(s, route{method: post, path: v1 + "/agent-types", id: "createAgentType", tag: tag, summary: "Describe a new type of agent",
		role: app.ActWriteAgentTypes, status: created}, s.createAgentType)
	add(s, route{method: get, path: v1 + "/agent-types/{type_name}", id: "getAgentType", tag: tag, summary: "Show a type of agent",
		role: app.ActReadAgentTypes, errors: known}, s.agentType)
	add(s, route{method: put, path: v1 + "/agent-types/{type_name}", id: "updateAgentType", tag: tag, summary: "Change what is sent of a type of agent; agents that exist stay as they are",
		role: app.ActWriteAgentTypes, errors: []int{missing, conflict}}, s.updateAgentType)
	add(s, route{method: del, path: v1 + "/agent-types/{type_name}", id: "deleteAgentType", tag: tag, summary: "Delete a type that no agent has",
		role: app.ActWriteAgentTypes, status: gone, errors: []int{missing, conflict}}, s.deleteAgentType)
	add(s, route{method: get, path: v1 + "/agent-types/{type_name}/schema", id: "agentTypeSchema", tag: tag, summary: "Show what a new agent of a type starts with",
		role: app.ActReadAgentTypes, errors: known}, s.agentTypeSchema)
}

func (s *Server) threadRoutes() {
	const tag, one = "Threads", v1 + "/threads/{thread_id}"
	known := []int{missing}
	asking := []int{missing, limited, upstream}
	add(s, route{method: post, path: v1 + "/threads/stateless/{agent_id}", id: "simulateAgent", tag: tag, summary: "Let an agent answer one message, of which nothing is kept",
		patient: true, errors: asking}, s.simulate)
	// Clients call the collection with and without the slash.
	for _, all := range []struct{ path, suffix string }{{v1 + "/threads/", ""}, {v1 + "/threads", "Bare"}} {
		add(s, route{method: post, path: all.path, id: "createThread" + all.suffix, tag: tag, summary: "Begin a conversation of one's own with an agent", errors: []int{missing, conflict}}, s.createThread)
		add(s, route{method: get, path: all.path, id: "listThreads" + all.suffix, tag: tag, summary: "List the caller's threads, the last used first"}, s.threads)
	}
	add(s, route{method: get, path: one, id: "getThread", tag: tag, summary: "Show one of the caller's threads", errors: known}, s.thread)
	add(s, route{method: put, path: one, id: "updateThread", tag: tag, summary: "Change what is sent of a thread, for example its name", errors: []int{missing, conflict}}, s.updateThread)
	add(s, route{method: del, path: one, id: "deleteThread", tag: tag, summary: "Delete a thread with all that is in it",
		status: gone, also: http.StatusOK, errors: []int{missing, conflict}}, s.deleteThread)
	add(s, route{method: post, path: one + "/messages", id: "talkInThread", tag: tag, summary: "Say something to a thread's agent and get its answer; what is said is kept when the agent fails",
		patient: true, errors: append([]int{conflict}, asking...)}, s.talkInThread)
	add(s, route{method: get, path: one + "/messages", id: "listThreadMessages", tag: tag, summary: "List what was said in a thread, oldest first, the newest 1000 at most", errors: known}, s.threadMessages)
}
