package web

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// auditRow is the line that a route's change leaves in the audit log.
type auditRow struct {
	route  string
	who    string // of the world's callers
	action app.Action
	on     string // the kind of thing that the line is about
	ask    asking // nil asks as accessTable does
}

// asking sends a route's request as a caller; row is that of accessTable.
type asking func(t testing.TB, w *world, c *caller, r row) answer

// auditTable is what the audit log says of every change. A route that changes
// something is here or in unaudited; otherwise the test fails.
//
//nolint:gochecknoglobals // a table
var auditTable = []auditRow{
	{"POST /api/v1/users/", admin, app.ActCreateUser, "user", nil},
	{"PUT /api/v1/users/me", student, app.ActUpdateSelf, "user", sent(body{"full_name": "Renamed"})},
	{"POST /api/v1/users/me/avatar", student, app.ActUpdateSelf, "user", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.send(t, v1+"/users/me/avatar", "a.png", "image/png", pixels(t, 2))
	}},
	{"DELETE /api/v1/users/me/avatar", ta, app.ActUpdateSelf, "user", func(t testing.TB, _ *world, c *caller, _ row) answer {
		c.send(t, v1+"/users/me/avatar", "a.png", "image/png", pixels(t, 2))
		return c.do(t, del, v1+"/users/me/avatar")
	}},
	{"PUT /api/v1/users/{user_id}", admin, app.ActUpdateUser, "user", sent(body{"full_name": "Named by an admin", "role": "guest"})},
	{"POST /api/v1/users/{user_id}/password-link", owner, app.ActMakePasswordLink, "user", nil},
	{"POST /api/v1/courses/{course_id}/members/import", owner, app.ActEnrolStudent, "course", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.with("Content-Type", mimeCSV).do(t, post, v1+"/courses/"+w.course+"/members/import", "email\n"+store.NewID()+"@example.org\n")
	}},
	{"DELETE /api/v1/users/{user_id}", admin, app.ActDeleteUser, "user", nil},
	{"POST " + pathCode, otherTeacher, "session.sign_in", "session", func(t testing.TB, w *world, _ *caller, _ row) answer {
		return w.enrol(t, otherTeacher, func(*caller) answer {
			b := w.browser(t)
			b.do(t, post, signInPath, form(w.users[otherTeacher].Email, testPassword))
			return b.do(t, post, pathCode, body{"code": apptest.RecoveryCode})
		})
	}},
	{"POST /api/v1/users/me/two-factor/confirm", otherTeacher, "two_factor.set_up", "user", func(t testing.TB, w *world, c *caller, _ row) answer {
		key := c.must(t, http.StatusOK, post, twoFactorPath, body{"password": testPassword}).text(t, "secret")
		a := c.do(t, post, twoFactorPath+"/confirm", body{"code": apptest.Code(t, key, time.Now())})
		c.must(t, http.StatusNoContent, post, twoFactorPath+"/remove", body{"password": testPassword})
		return a
	}},
	{"POST /api/v1/users/me/two-factor/recovery-codes", otherTeacher, "two_factor.recovery_codes", "user", func(t testing.TB, w *world, _ *caller, _ row) answer {
		return w.enrol(t, otherTeacher, func(c *caller) answer {
			return c.do(t, post, twoFactorPath+"/recovery-codes", body{"password": testPassword})
		})
	}},
	{"POST /api/v1/users/me/two-factor/remove", otherTeacher, "two_factor.remove", "user", func(t testing.TB, w *world, _ *caller, _ row) answer {
		return w.enrol(t, otherTeacher, func(c *caller) answer {
			return c.do(t, post, twoFactorPath+"/remove", body{"code": apptest.Code(t, apptest.AppKey, time.Now())})
		})
	}},
	{"DELETE /api/v1/users/me/identities/{identity_id}", owner, "identity.unlink", "user", nil},
	{"DELETE /api/v1/users/{user_id}/two-factor", admin, app.ActResetTwoFactor, "user", nil},
	{"POST /api/v1/admin/keys/rotation", superAdmin, app.ActRotateKeys, "encryption", nil},
	{"DELETE /api/v1/admin/users/{user_id}/sessions", admin, app.ActManageSessions, "user", nil},
	{"DELETE /api/v1/admin/users/{user_id}/sessions/{session_id}", admin, app.ActManageSessions, "session", nil},
	{"POST /api/v1/login/access-token", otherStudent, "session.sign_in", "session", func(t testing.TB, w *world, _ *caller, _ row) answer {
		return w.anon().do(t, post, signInPath, form(w.users[otherStudent].Email, testPassword))
	}},
	{"POST /api/v1/login/logout", otherStudent, "session.sign_out", "session", func(t testing.TB, w *world, _ *caller, _ row) answer {
		return w.session(t, w.users[otherStudent].ID).do(t, post, signOutPath)
	}},
	{"POST /api/v1/login/password-link", viewer, "user.set_password", "user", func(t testing.TB, w *world, _ *caller, _ row) answer {
		link := w.as(admin).must(t, http.StatusOK, post, v1+"/users/"+w.users[viewer].ID+"/password-link")
		return w.anon().do(t, post, v1+"/login/password-link", body{"token": link.text(t, "token"), "password": "another horse battery"})
	}},
	{"POST /api/v1/login/impersonate/{user_id}", superAdmin, app.ActImpersonate, "session", nil},
	{"POST /api/v1/login/stop-impersonate", superAdmin, "user.stop_impersonating", "session", func(t testing.TB, w *world, _ *caller, _ row) answer {
		b := w.browser(t)
		b.do(t, post, signInPath, form(w.users[superAdmin].Email, testPassword))
		b.do(t, post, v1+"/login/impersonate/"+w.users[student].ID)
		return b.do(t, post, v1+"/login/stop-impersonate")
	}},
	{"POST /api/v1/users/keys", owner, "key.create", "key", nil},
	{"DELETE /api/v1/users/keys/{key_id}", owner, "key.delete", "key", nil},
	{"PUT /api/v1/users/keys/{key_id}/shared", owner, "key.share", "key", nil},
	{"POST /api/v1/users/me/tokens", owner, "token.create", "token", nil},
	{"DELETE /api/v1/users/me/tokens/{token_id}", owner, "token.revoke", "token", nil},
	{"DELETE /api/v1/users/me/sessions", otherTeacher, "session.end", "user", nil},
	{"DELETE /api/v1/users/me/sessions/{session_id}", owner, "session.end", "session", nil},
	{"DELETE /api/v1/users/{user_id}/tokens", admin, app.ActManageTokens, "user", func(t testing.TB, w *world, c *caller, _ row) answer {
		w.newToken(t, ta, "read")
		return c.do(t, del, v1+"/users/"+w.users[ta].ID+"/tokens")
	}},
	{"POST /api/v1/organizations", owner, app.ActCreateOrganization, "organization", nil},
	{"PUT /api/v1/organizations/{org_id}", owner, app.ActUpdateOrganization, "organization", nil},
	{"DELETE /api/v1/organizations/{org_id}", owner, app.ActDeleteOrganization, "organization", nil},
	{"POST /api/v1/organizations/{org_id}/members", owner, app.ActManageOrganization, "organization", nil},
	{"PUT /api/v1/organizations/{org_id}/members/{user_id}", owner, app.ActManageOrganization, "organization", nil},
	{"DELETE /api/v1/organizations/{org_id}/members/{user_id}", owner, app.ActManageOrganization, "organization", nil},
	{"POST /api/v1/organizations/{org_id}/transfer", owner, app.ActTransferOrganization, "organization", nil},
	{"POST /api/v1/projects", owner, app.ActCreateProject, "project", nil},
	{"PUT /api/v1/projects/{project_id}", owner, app.ActUpdateProject, "project", nil},
	{"DELETE /api/v1/projects/{project_id}", owner, app.ActDeleteProject, "project", nil},
	{"POST /api/v1/projects/{project_id}/members", owner, app.ActManageProject, "project", nil},
	{"PUT /api/v1/projects/{project_id}/members/{user_id}", owner, app.ActManageProject, "project", nil},
	{"DELETE /api/v1/projects/{project_id}/members/{user_id}", owner, app.ActManageProject, "project", nil},
	{"POST /api/v1/courses/", owner, app.ActCreateCourse, "course", nil},
	{"PUT /api/v1/courses/{course_id}", owner, app.ActUpdateCourse, "course", nil},
	{"DELETE /api/v1/courses/{course_id}", owner, app.ActDeleteCourse, "course", nil},
	{"POST /api/v1/courses/{course_id}/enroll", ta, app.ActEnrolStudent, "course", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, post, v1+"/courses/"+w.course+"/enroll", body{"user_id": w.addUser(t, app.RoleStudent, "joiner", true).ID})
	}},
	{"PUT /api/v1/courses/{course_id}/members/{user_id}", owner, app.ActChangeMember, "course", sent(body{"role": "ta"})},
	{"DELETE /api/v1/courses/{course_id}/members/{user_id}", ta, app.ActRemoveMember, "course", nil},
	{"POST /api/v1/courses/{course_id}/copies", owner, app.ActCopyCourse, "course", nil},
	{"DELETE /api/v1/courses/{course_id}/copies/{copy_id}", owner, app.ActCancelCopy, "course_copy", nil},
	{"POST /api/v1/courses/{course_id}/archive", owner, app.ActArchiveCourse, "course", nil},
	{"DELETE /api/v1/courses/{course_id}/archive", owner, app.ActArchiveCourse, "course", func(t testing.TB, w *world, c *caller, _ row) answer {
		course, _ := onDoomedCourse(t, w)
		w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+course[0]+"/archive")
		return c.do(t, del, v1+"/courses/"+course[0]+"/archive")
	}},
	{"POST /api/v1/courses/{course_id}/transfer", owner, app.ActTransferCourse, "course", nil},
	{"POST /api/v1/courses/{course_id}/bots", coTeacher, app.ActManageBots, "bot", nil},
	{"PATCH /api/v1/courses/{course_id}/bots/{bot_id}", coTeacher, app.ActManageBots, "bot", sent(body{"is_active": false})},
	{"DELETE /api/v1/courses/{course_id}/bots/{bot_id}", coTeacher, app.ActManageBots, "bot", nil},
	{"POST /api/v1/courses/{course_id}/bots/{bot_id}/tokens", coTeacher, "token.create", "token", nil},
	{"DELETE /api/v1/courses/{course_id}/bots/{bot_id}/tokens/{token_id}", coTeacher, "token.revoke", "token", nil},
	{"PUT /api/v1/courses/{course_id}/join-code", owner, app.ActSetJoinCode, "course", nil},
	{"PATCH /api/v1/courses/{course_id}/join-code", owner, app.ActSetJoinCode, "course", nil},
	{"DELETE /api/v1/courses/{course_id}/join-code", owner, app.ActSetJoinCode, "course", nil},
	{"POST /api/v1/courses/join", student, app.ActJoinCourse, "course", nil},
	{"POST /api/v1/courses/{course_id}/invitations", owner, app.ActInvite, "invitation", nil},
	{"DELETE /api/v1/courses/{course_id}/invitations/{invitation_id}", owner, app.ActInvite, "invitation", nil},
	{"POST /api/v1/courses/accept-invitation", student, app.ActJoinCourse, "course", nil},
	{"POST /api/v1/announcements/", ta, app.ActWriteAnnouncements, "announcement", nil},
	{"PUT /api/v1/announcements/{announcement_id}", ta, app.ActWriteAnnouncements, "announcement", nil},
	{"DELETE /api/v1/announcements/{announcement_id}", ta, app.ActWriteAnnouncements, "announcement", nil},
	{"PUT /api/v1/analytics/{course_id}/reports/{report_id}", owner, app.ActUpdateReport, "report", nil},
	{"DELETE /api/v1/analytics/{course_id}/reports/{report_id}", owner, app.ActDeleteReport, "report", nil},
	{"POST /api/v1/rooms/", ta, app.ActCreateRoom, "room", nil},
	{"PUT /api/v1/rooms/{room_id}", ta, app.ActUpdateRoom, "room", sent(body{"name": "Renamed"})},
	{"POST /api/v1/budgets", coTeacher, "budget.create", "budget", nil},
	{"PUT /api/v1/budgets/{budget_id}", coTeacher, app.ActWriteBudgets, "budget", nil},
	{"DELETE /api/v1/budgets/{budget_id}", coTeacher, "budget.delete", "budget", nil},
	{"POST /api/v1/workflows", ta, app.ActWriteWorkflows, "workflow", nil},
	{"PUT /api/v1/workflows/{workflow_id}", ta, app.ActWriteWorkflows, "workflow", sent(body{"name": "Renamed"})},
	{"DELETE /api/v1/workflows/{workflow_id}", ta, app.ActWriteWorkflows, "workflow", nil},
	{"PUT /api/v1/rooms/{room_id}/workflow", ta, app.ActSetWorkflow, "room", sent(body{"workflow_id": "student_teacher_review"})},
	{"DELETE /api/v1/rooms/{room_id}", ta, app.ActDeleteRoom, "room", nil},
	{"POST /api/v1/rooms/{room_id}/assign", ta, app.ActAssignToRoom, "room", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, post, v1+"/rooms/"+w.room+"/assign", body{"user_id": w.addUser(t, app.RoleStudent, "joiner", true).ID})
	}},
	{"POST /api/v1/rooms/{room_id}/agents", owner, app.ActAttachAgent, "room", nil},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}", owner, app.ActAttachAgent, "room", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, post, v1+"/rooms/"+w.room+"/agents/"+w.newAgent(t))
	}},
	{"DELETE /api/v1/rooms/{room_id}/agents/{agent_id}", owner, app.ActDetachAgent, "room", nil},
	{"PUT /api/v1/rooms/{room_id}/agents/{agent_id}/settings", ta, app.ActSetRoomAgent, "room", nil},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/settings/copy", ta, app.ActSetRoomAgent, "room", func(t testing.TB, w *world, c *caller, r row) answer {
		w.livelyRoom(t)
		return r.ask(t, w, c)
	}},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/wake", ta, app.ActWakeAgent, "room", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, post, v1+"/rooms/"+w.livelyRoom(t)+"/agents/"+w.agent+"/wake")
	}},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/mute", ta, app.ActSetRoomAgent, "room", nil},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/unmute", ta, app.ActSetRoomAgent, "room", nil},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/sleep", ta, app.ActSetRoomAgent, "room", nil},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/awake", ta, app.ActSetRoomAgent, "room", nil},
	{"POST /api/v1/runs/{run_id}/pause", ta, app.ActControlRun, "run", nil},
	{"POST /api/v1/runs/{run_id}/resume", ta, app.ActControlRun, "run", func(t testing.TB, w *world, c *caller, _ row) answer {
		_, run := w.reviewed(t)
		c.must(t, http.StatusOK, post, v1+"/runs/"+run+"/pause")
		return c.do(t, post, v1+"/runs/"+run+"/resume")
	}},
	{"POST /api/v1/rooms/{room_id}/approvals/{step_id}", owner, app.ActDecideApproval, "turn_step", nil},
	{"POST /api/v1/threads/{thread_id}/approvals/{step_id}", owner, app.ActDecideInThread, "turn_step", nil},
	{"DELETE /api/v1/rooms/{room_id}/messages/{message_id}", owner, "message.delete", "message", nil},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/restore", owner, "message.restore", "message", func(t testing.TB, w *world, c *caller, _ row) answer {
		line := v1 + "/rooms/" + w.room + "/messages/" + c.must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "hello"}).text(t, "id")
		c.must(t, http.StatusNoContent, del, line)
		return c.do(t, post, line+"/restore")
	}},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/hide", ta, app.ActHideMessage, "message", nil},
	{"PUT /api/v1/rooms/{room_id}/messages/{message_id}/pin", ta, app.ActPinMessage, "message", nil},
	{"DELETE /api/v1/rooms/{room_id}/messages/{message_id}/pin", ta, app.ActPinMessage, "message", func(t testing.TB, w *world, c *caller, _ row) answer {
		path, _ := onLine(nil)(t, w)
		line := v1 + "/rooms/" + w.room + "/messages/" + path[1]
		c.must(t, http.StatusNoContent, put, line+"/pin")
		return c.must(t, http.StatusNoContent, del, line+"/pin")
	}},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/unhide", ta, app.ActHideMessage, "message", func(t testing.TB, w *world, c *caller, _ row) answer {
		path, _ := onLine(nil)(t, w)
		line := v1 + "/rooms/" + w.room + "/messages/" + path[1]
		c.must(t, http.StatusOK, post, line+"/hide")
		return c.do(t, post, line+"/unhide")
	}},
	{"POST /api/v1/agents/{id}", editor, app.ActCreateAgent, "agent", nil},
	{"PUT /api/v1/agents/{id}", editor, app.ActUpdateAgent, "agent", sent(body{"name": "Renamed"})},
	{"PUT /api/v1/agents/{id}/activate", editor, app.ActActivateAgent, "agent", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, put, v1+"/agents/"+c.must(t, http.StatusOK, post, v1+"/agents/"+w.project, body{"type": freshType(t, w), "system_prompt": "",
			"model_provider": "offline", "is_active": false}).text(t, "id")+"/activate")
	}},
	{"PUT /api/v1/agents/{id}/keys", editor, app.ActWriteKeys, "agent", nil},
	{"DELETE /api/v1/agents/{id}/api_key", editor, app.ActWriteKeys, "agent", nil},
	{"DELETE /api/v1/agents/{id}", editor, app.ActDeleteAgent, "agent", nil},
	{"DELETE /api/v1/workspaces/artifacts/{artifact_id}", student, app.ActDeleteArtifact, "artifact", nil},
	{"POST /api/v1/workspaces/artifacts/{artifact_id}/restore", ta, app.ActRestoreArtifact, "artifact", nil},
	{"POST /api/v1/agents/global", owner, app.ActCreateTemplate, "agent", nil},
	{"POST /api/v1/agents/global/{id}/clone-to-project/{project_id}", owner, app.ActCloneTemplate, "agent", nil},
	{"POST /api/v1/agents/{id}/sync-from-parent", owner, app.ActSyncAgent, "agent", func(t testing.TB, w *world, c *caller, _ row) answer {
		template := w.newTemplate(t, owner)
		clone := c.must(t, http.StatusOK, post, v1+"/agents/global/"+template+"/clone-to-project/"+w.project).text(t, "id")
		c.must(t, http.StatusOK, put, v1+"/agents/"+template, body{"system_prompt": "Teach better."})
		return c.do(t, post, v1+"/agents/"+clone+"/sync-from-parent")
	}},
	{"PUT /api/v1/agent-config/{project_id}/{agent_type}", editor, app.ActUpdateAgent, "agent", func(t testing.TB, w *world, c *caller, _ row) answer {
		return c.do(t, put, v1+"/agent-config/"+w.project+"/teacher", body{"type": "teacher", "system_prompt": "Changed", "model_provider": "offline"})
	}},
	{"POST /api/v1/agent-config/{config_id}/versions", editor, app.ActKeepVersion, "agent", nil},
	{"POST /api/v1/agent-config/{config_id}/versions/{version_id}/restore", editor, app.ActRestoreVersion, "agent", func(t testing.TB, w *world, c *caller, _ row) answer {
		at := v1 + "/agent-config/" + w.newAgent(t) + "/versions"
		kept := c.must(t, http.StatusOK, post, at, body{"version_label": ""}).text(t, "id")
		c.must(t, http.StatusOK, put, v1+"/agents/"+strings.Split(at, "/")[4], body{"system_prompt": "Changed"})
		return c.do(t, post, at+"/"+kept+"/restore")
	}},
	{"POST /api/v1/agents/external/create", admin, app.ActCreateExternal, "agent", nil},
	{"POST /api/v1/agents/{id}/callback_token", admin, app.ActRotateCallback, "agent", nil},
	{"PUT /api/v1/agents/system/{agent_type}", admin, app.ActWriteSystemAgents, "agent", nil},
	{"POST /api/v1/agent-types", admin, app.ActWriteAgentTypes, "agent_type", nil},
	{"PUT /api/v1/agent-types/{type_name}", admin, app.ActWriteAgentTypes, "agent_type", nil},
	{"DELETE /api/v1/agent-types/{type_name}", admin, app.ActWriteAgentTypes, "agent_type", nil},
	{"DELETE /api/v1/threads/{thread_id}", owner, "thread.delete", "thread", nil},
	{"POST /api/v1/admin/backups", superAdmin, app.ActBackUp, "backup", nil},
	{"DELETE /api/v1/admin/backups/{backup_id}", superAdmin, "backup.delete", "backup", nil},
	{"POST /admin/queue/{path...}", admin, app.ActOperate, "queue", nil},
	{"PUT /admin/queue/{path...}", admin, app.ActOperate, "queue", nil},
	{"PATCH /admin/queue/{path...}", admin, app.ActOperate, "queue", nil},
}

// The reasons why a route leaves no line.
const (
	asksOnly     = "it changes nothing"
	isTalk       = "what people and agents say is its own record"
	ownMark      = "it is the person's own mark"
	keptVersions = "every version is kept with who made it"
)

// unaudited are the routes that leave no line, each with the reason.
//
//nolint:gochecknoglobals // a table
var unaudited = map[string]string{
	"POST /api/v1/login/refresh":    "the same session goes on; its last use is in its row",
	"POST /api/v1/login/test-token": asksOnly,
	"POST /api/v1/setup":            "it works once for a database: see app.TestSetUp",

	"POST " + pathProviders + "/{provider}/logout": "each session that it ends leaves a line: see app.TestSignedOutByProvider",

	"POST /api/v1/users/me/two-factor": "it counts when it is confirmed",
	"POST /api/v1/users/me/identities": "the line is written when the browser comes back, see app.TestIdentities",

	"POST /api/v1/runs/{run_id}/cancel":           "the turn keeps who has stopped it",
	"POST /api/v1/analytics/{course_id}/generate": "it takes nothing away, and the report says who asked for it",

	"POST /api/v1/a2a/webhook":                          isTalk,
	"POST /api/v1/rooms/{room_id}/messages":             isTalk,
	"PUT /api/v1/rooms/{room_id}/messages/{message_id}": isTalk,
	"PUT /api/v1/users/me/mentions/read":                ownMark,
	"PUT /api/v1/users/me/rooms/{room_id}":              ownMark,
	"PUT /api/v1/rooms/{room_id}/read":                  ownMark,
	"PUT /api/v1/users/me/preferences":                  "it is how the person likes the program",
	"POST /api/v1/rooms/{room_id}/unread":               ownMark,
	"POST /api/v1/rooms/{room_id}/files":                isTalk,
	"DELETE /api/v1/files/{file_id}":                    "nobody but its uploader has seen it",
	"POST /api/v1/rooms/{room_id}/turns/{turn_id}/stop": isTalk,
	"POST /api/v1/rooms/{room_id}/go-on":                isTalk,
	"POST /api/v1/threads/":                             isTalk,
	"POST /api/v1/threads":                              isTalk,
	"PUT /api/v1/threads/{thread_id}":                   isTalk,
	"POST /api/v1/threads/{thread_id}/messages":         isTalk,
	"POST /api/v1/threads/{thread_id}/messages/stream":  isTalk,

	"PUT /api/v1/rooms/{room_id}/messages/{message_id}/reactions":    isTalk,
	"DELETE /api/v1/rooms/{room_id}/messages/{message_id}/reactions": isTalk,
	"PUT /api/v1/users/me/bookmarks/{message_id}":                    ownMark,
	"DELETE /api/v1/users/me/bookmarks/{message_id}":                 ownMark,

	"POST /api/v1/threads/{thread_id}/turns":                isTalk,
	"POST /api/v1/threads/{thread_id}/turns/{turn_id}/stop": isTalk,

	"POST /api/v1/threads/stateless/{agent_id}":                                  asksOnly,
	"POST /api/v1/threads/stateless/{agent_id}/stream":                           asksOnly,
	"POST /api/v1/agents/generate":                                               asksOnly,
	"POST /api/v1/agents/external/test-connection":                               asksOnly,
	"POST /api/v1/agents/{id}/keys/test":                                         asksOnly,
	"POST /api/v1/schedules/preview":                                             asksOnly,
	"POST /api/v1/users/keys/test":                                               asksOnly,
	"POST /api/v1/users/keys/{key_id}/test":                                      asksOnly,
	"POST /api/v1/workspaces/{room_id}/artifacts":                                keptVersions,
	"PUT /api/v1/workspaces/artifacts/{artifact_id}":                             keptVersions,
	"PUT /api/v1/workspaces/artifacts/{artifact_id}/position":                    keptVersions,
	"POST /api/v1/workspaces/artifacts/{artifact_id}/versions/{version}/restore": keptVersions,
}

// sent asks as accessTable does, with another body.
func sent(b body) asking {
	return func(t testing.TB, w *world, c *caller, r row) answer {
		request := r.request
		r.request = func(t testing.TB, w *world) ([]string, any) {
			path, _ := request(t, w)
			return path, b
		}
		return r.ask(t, w, c)
	}
}

func TestAccessIsAudited(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		t.Run("every change is in the table", func(t *testing.T) { everyChangeIsDeclared(t, w) })
		for _, r := range auditTable {
			t.Run(r.route, func(t *testing.T) { r.check(t, w) })
		}
		t.Run("no secret is in the audit log", func(t *testing.T) { noSecretIsLogged(t, w) })
	})
}

func everyChangeIsDeclared(t *testing.T, w *world) {
	have := slices.Collect(maps.Keys(unaudited))
	for _, r := range auditTable {
		have = append(have, r.route)
	}
	var want []string
	for _, r := range w.server.table {
		if r.method != get {
			want = append(want, r.method+" "+r.path)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("auditTable and unaudited have\n%s\nthe server has\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// check does what the route does and looks for the line of that very request.
func (r auditRow) check(t *testing.T, w *world) {
	at := row{route: r.route}
	if i := slices.IndexFunc(accessTable, func(a row) bool { return a.route == r.route }); i >= 0 {
		at = accessTable[i]
	}
	ask := r.ask
	if ask == nil {
		ask = func(t testing.TB, w *world, c *caller, r row) answer { return r.ask(t, w, c) }
	}
	a := ask(t, w, w.as(r.who), at)
	if a.status >= http.StatusBadRequest {
		t.Fatalf("got %d %s", a.status, a.body)
	}
	rows, err := storetest.All(w.opened.DB.AuditEntries(t.Context(), store.AuditFilter{ActorID: w.users[r.who].ID}, "", 20))
	if err != nil {
		t.Fatal(err)
	}
	rows = slices.DeleteFunc(rows, func(e store.AuditEntry) bool { return e.RequestID != a.header.Get(requestIDHeader) })
	found := slices.ContainsFunc(rows, func(e store.AuditEntry) bool {
		return e.Action == string(r.action) && e.TargetType == r.on && e.TargetID != "" && e.ActorName == w.users[r.who].Email
	})
	if !found {
		t.Errorf("got lines %+v, want one of %s for %s about a %s", rows, r.who, r.action, r.on)
	}
	for _, e := range rows {
		for _, secret := range shownOnce(a) {
			if strings.Contains(string(e.Before+e.After), secret) {
				t.Errorf("%s holds what the answer shows once: %s %s", e.Action, e.Before, e.After)
			}
		}
	}
}

// shownOnce are the secrets that an answer gives to its caller.
func shownOnce(a answer) []string {
	var in map[string]any
	if json.Unmarshal([]byte(a.body), &in) != nil {
		return nil
	}
	var found []string
	for _, member := range []string{"token", "code", "url_path", "callback_token"} {
		if secret, ok := in[member].(string); ok {
			found = append(found, secret)
		}
	}
	return found
}
