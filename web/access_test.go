package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// columns are the callers of the table below, in its order. The answers to all
// others follow from theirs: see otherCallers.
var columns = []string{guest, student, assigned, otherStudent, ta, coTeacher, owner, otherTeacher, viewer, editor, projectAdmin, admin, superAdmin}

// row is what one route answers to each of columns.
type row struct {
	route string // "GET /api/v1/users/me"
	want  string
	// request gives the path's parameters in order, and the body; it may make
	// what the request uses up.
	request func(t testing.TB, w *world) ([]string, any)
}

const (
	everyone200   = "200 200 200 200 200 200 200 200 200 200 200 200 200"
	everyone409   = "409 409 409 409 409 409 409 409 409 409 409 409 409"
	teachersOnly  = "403 403 403 403 403 200 200 200 403 403 403 200 200"
	ownersOrg     = "403 403 403 403 403 403 200 403 403 403 403 200 200"
	projectAdmins = "403 403 403 403 403 403 200 403 403 403 200 200 200"
	adminsOnly    = "403 403 403 403 403 403 403 403 403 403 403 200 200"
	agentUsers    = "404 404 404 404 404 404 200 404 404 200 200 200 200"
	// those who run the course that a room is in
	courseStaffOnly = "403 403 403 403 200 200 200 403 403 403 403 200 200"
	// the same for what others do not learn of
	hiddenFromOthers = "404 404 404 404 200 200 200 404 404 404 404 200 200"
	// the teachers of the course, without its assistants
	courseTeachersOnly = "403 403 403 403 403 200 200 403 403 403 403 200 200"
	ownersOnly         = "403 403 403 403 403 403 200 403 403 403 403 403 403"
	// those who may enter the room; others do not learn of it
	roomPeopleOnly = "404 200 200 404 200 200 200 404 404 404 404 200 200"
	roomStaff      = "403 403 403 403 200 200 200 403 403 403 403 200 200"
)

// accessTable is who may do what. A route that is missing here fails the test.
//
//nolint:gochecknoglobals // a table
var accessTable = []row{
	//                                                  gue stu ass oth  ta cot own tea vie edi pad adm sup
	{"GET /api/v1/users/me", everyone200, nothing},
	{"POST /api/v1/users/", "403 403 403 403 403 403 403 403 403 403 403 200 200", func(testing.TB, *world) ([]string, any) {
		return nil, body{"email": store.NewID() + "@example.org"}
	}},
	{"GET /api/v1/users/", adminsOnly, nothing},
	{"GET /api/v1/users/search", everyone200, func(testing.TB, *world) ([]string, any) { return []string{"?q=full"}, nil }},
	{"PUT /api/v1/users/me", everyone200, sending(body{})},
	{"POST /api/v1/users/me/avatar", "422 422 422 422 422 422 422 422 422 422 422 422 422", sending(body{})}, // see TestAvatars
	{"DELETE /api/v1/users/me/avatar", everyone200, nothing},
	{"GET /static/avatars/{file}", everyone200, func(t testing.TB, w *world) ([]string, any) {
		url := w.as(owner).send(t, v1+"/users/me/avatar", "a.png", "image/png", pixels(t, 2)).text(t, "avatar_url")
		return []string{strings.TrimPrefix(url, "/static/avatars/")}, nil
	}},
	{"GET /api/v1/users/{user_id}", "404 200 404 404 200 200 200 200 404 404 404 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.users[student].ID}, nil
	}},
	{"PUT /api/v1/users/{user_id}", "403 200 403 403 403 403 403 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.users[student].ID}, body{}
	}},
	// Of somebody who has asked into the course and has nothing else: see TestPasswordLinks of app.
	{"POST /api/v1/users/{user_id}/password-link", "404 403 404 404 403 200 200 403 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.newPupil(t)}, nil
	}},
	{"POST /api/v1/courses/{course_id}/members/import", "422 422 422 422 422 422 422 422 422 422 422 422 422", onCourse(body{})}, // see TestImport
	{"DELETE /api/v1/users/{user_id}", adminsOnly, func(t testing.TB, w *world) ([]string, any) {
		return []string{w.addUser(t, "student", "leaver", true).ID}, nil
	}},
	{"POST /api/v1/login/impersonate/{user_id}", "403 403 403 403 403 403 403 403 403 403 403 403 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.users[student].ID}, nil
	}},
	{"GET /api/v1/users/keys", everyone200, nothing},
	{"POST /api/v1/users/keys", everyone200, func(testing.TB, *world) ([]string, any) {
		return nil, body{"provider": "openai", "alias": store.NewID(), "api_key": apptest.CanaryKey}
	}},
	{"POST /api/v1/schedules/preview", everyone200, sending(body{"trigger_config": body{"type": "time_interval", "value": 60}})},
	{"GET /api/v1/models", everyone200, nothing},
	{"POST /api/v1/users/keys/test", everyone200, sending(body{"provider": "claude", "api_key": apptest.CanaryKey})},
	{"POST /api/v1/users/keys/{key_id}/test", "404 404 404 404 404 404 200 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{ownersKey(t, w)}, nil
	}},
	{"DELETE /api/v1/users/keys/{key_id}", "404 404 404 404 404 404 204 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{ownersKey(t, w)}, nil
	}},
	{"PUT /api/v1/users/keys/{key_id}/shared", "404 404 404 404 404 404 200 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{ownersKey(t, w)}, body{"shared": true}
	}},
	{"GET /api/v1/users/keys/{key_id}/uses", "404 404 404 404 404 404 200 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{ownersKey(t, w)}, nil
	}},
	{"GET /api/v1/users/me/tokens", everyone200, nothing},
	{"POST /api/v1/users/me/tokens", "201 201 201 201 201 201 201 201 201 201 201 201 201", func(testing.TB, *world) ([]string, any) {
		return nil, body{"name": "CI", "scopes": []string{"read"}, "expires_in_days": 1}
	}},
	{"DELETE /api/v1/users/me/tokens/{token_id}", "404 404 404 404 404 404 204 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(owner).must(t, http.StatusCreated, post, v1+"/users/me/tokens",
			body{"name": "CI", "scopes": []string{"read"}, "expires_in_days": 1}).text(t, "id")}, nil
	}},
	{"GET /api/v1/users/me/mentions", everyone200, nothing},
	{"GET /api/v1/search", everyone200, func(testing.TB, *world) ([]string, any) { return []string{"?q=hello"}, nil }},
	{"PUT /api/v1/users/me/mentions/read", everyone200, sending(body{"ids": []string{store.NewID()}})},
	{"GET /api/v1/users/me/rooms", everyone200, nothing},
	{"GET /api/v1/users/me/agents", "403 403 403 403 403 403 200 403 200 200 200 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{"?agent_id=" + w.agent}, nil
	}},
	{"PUT /api/v1/users/me/rooms/{room_id}", roomPeopleOnly, onRoom(body{"notify": "mentions", "pinned": true})},
	{"PUT /api/v1/rooms/{room_id}/read", roomPeopleOnly, onRoom(body{"seq": 1})},
	{"POST /api/v1/rooms/{room_id}/unread", roomPeopleOnly, func(t testing.TB, w *world) ([]string, any) {
		w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "hello"})
		return []string{w.room}, body{"seq": 1}
	}},
	{"GET /api/v1/users/me/preferences", everyone200, nothing},
	{"PUT /api/v1/users/me/preferences", everyone200, sending(body{"theme": "dark"})},
	{"GET /api/v1/users/me/approvals", everyone200, nothing},
	{"GET /api/v1/courses/{course_id}/runs", courseStaffOnly, onCourse(nil)},
	{"GET /api/v1/rooms/{room_id}/people", roomPeopleOnly, onRoom(nil)},
	{"GET /api/v1/users/me/sessions", everyone200, nothing},
	{"DELETE /api/v1/users/me/sessions", "204 204 204 204 204 204 204 204 204 204 204 204 204", nothing},
	{"DELETE /api/v1/users/me/sessions/{session_id}", "404 404 404 404 404 404 204 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{claim(t, w.session(t, w.users[owner].ID).token, "sid")}, nil
	}},
	{"GET /api/v1/users/me/identities", everyone200, nothing},
	// See TestIdentities of app for those with a provider.
	{"POST /api/v1/users/me/identities", "404 404 404 404 404 404 404 404 404 404 404 404 404", sending(body{"provider": "nobody", "password": testPassword})},
	{"DELETE /api/v1/users/me/identities/{identity_id}", "404 404 404 404 404 404 204 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.newIdentity(t, owner)}, nil
	}},
	{"GET /api/v1/users/me/two-factor", everyone200, nothing},
	{"POST /api/v1/users/me/two-factor", everyone200, sending(body{"password": testPassword})},
	// See TestTwoFactor for those who have begun.
	{"POST /api/v1/users/me/two-factor/confirm", everyone409, func(t testing.TB, w *world) ([]string, any) {
		storetest.Exec(t, w.opened.DB, "DELETE FROM two_factors")
		return nil, body{"code": "000000"}
	}},
	{"POST /api/v1/users/me/two-factor/recovery-codes", everyone409, sending(body{"password": testPassword})},
	{"POST /api/v1/users/me/two-factor/remove", everyone409, sending(body{"password": testPassword})},
	{"DELETE /api/v1/users/{user_id}/two-factor", "403 403 403 403 403 403 403 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		u := w.addUser(t, app.RoleTeacher, "enrolled", true)
		apptest.SetTwoFactor(t, w.opened.DB, w.cfg, u.ID)
		return []string{u.ID}, nil
	}},
	{"GET /api/v1/users/{user_id}/tokens", adminsOnly, func(_ testing.TB, w *world) ([]string, any) { return []string{w.users[ta].ID}, nil }},
	{"DELETE /api/v1/users/{user_id}/tokens", "403 403 403 403 403 403 403 403 403 403 403 204 204", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.users[ta].ID}, nil
	}},
	{"GET /api/v1/organizations", everyone200, nothing},
	{"POST /api/v1/organizations", everyone200, sending(body{"name": "Mine"})},
	{"GET /api/v1/projects", everyone200, nothing},
	{"POST /api/v1/projects", "403 403 403 403 403 403 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		org := w.as(owner).do(t, get, v1+"/organizations").list(t)[0]["id"]
		return nil, body{"name": "Mine", "organization_id": org}
	}},
	{"GET /api/v1/organizations/{org_id}", ownersOrg, onOrganization(nil)},
	{"PUT /api/v1/organizations/{org_id}", ownersOrg, onOrganization(body{"name": "School", "description": "New"})},
	{"DELETE /api/v1/organizations/{org_id}", "403 403 403 403 403 403 204 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/organizations", body{"name": "Doomed"}).text(t, "id")}, nil
	}},
	{"GET /api/v1/organizations/{org_id}/members", ownersOrg, onOrganization(nil)},
	{"POST /api/v1/organizations/{org_id}/members", ownersOrg, func(t testing.TB, w *world) ([]string, any) {
		return []string{w.organization(t)}, body{"user_id": w.addUser(t, app.RoleStudent, "joiner", true).ID, "role": "member"}
	}},
	{"PUT /api/v1/organizations/{org_id}/members/{user_id}", ownersOrg, onOrganizationMember(body{"role": "admin"})},
	{"DELETE /api/v1/organizations/{org_id}/members/{user_id}", ownersOrg, onOrganizationMember(nil)},
	{"POST /api/v1/organizations/{org_id}/transfer", ownersOrg, func(t testing.TB, w *world) ([]string, any) {
		org := w.as(owner).must(t, http.StatusOK, post, v1+"/organizations", body{"name": "Handed on"}).text(t, "id")
		w.as(owner).must(t, http.StatusOK, post, v1+"/organizations/"+org+"/members", body{"user_id": w.users[otherTeacher].ID})
		return []string{org}, body{"user_id": w.users[otherTeacher].ID}
	}},
	{"GET /api/v1/projects/{project_id}", "403 403 403 403 403 403 200 403 200 200 200 200 200", onProject(nil)},
	{"PUT /api/v1/projects/{project_id}", projectAdmins, onProject(body{"description": "New"})},
	{"DELETE /api/v1/projects/{project_id}", "403 403 403 403 403 403 204 403 403 403 204 204 204", func(t testing.TB, w *world) ([]string, any) {
		doomed := w.as(owner).must(t, http.StatusOK, post, v1+"/projects", body{"name": "Doomed", "organization_id": w.organization(t)}).text(t, "id")
		w.as(owner).must(t, http.StatusOK, post, v1+"/projects/"+doomed+"/members", body{"user_id": w.users[projectAdmin].ID, "role": "admin"})
		return []string{doomed}, nil
	}},
	{"GET /api/v1/projects/{project_id}/members", "403 403 403 403 403 403 200 403 200 200 200 200 200", onProject(nil)},
	// The project's admin is a student who shares no course with the newcomer, and so may not learn that there is an account.
	{"POST /api/v1/projects/{project_id}/members", "403 403 403 403 403 403 200 403 403 403 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.project}, body{"user_id": w.addUser(t, app.RoleStudent, "joiner", true).ID, "role": "viewer"}
	}},
	{"PUT /api/v1/projects/{project_id}/members/{user_id}", projectAdmins, onProjectMember(body{"role": "editor"})},
	{"DELETE /api/v1/projects/{project_id}/members/{user_id}", projectAdmins, onProjectMember(nil)},
	{"POST /api/v1/courses/", "403 403 403 403 403 200 200 200 403 403 403 200 200", sending(body{"title": "Mine"})},
	{"GET /api/v1/courses/", everyone200, nothing},
	{"GET /api/v1/courses/{course_id}", "403 200 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"POST /api/v1/courses/{course_id}/enroll", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.course}, body{"user_id": w.users[student].ID}
	}},
	{"GET /api/v1/courses/{course_id}/members", "403 200 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"PUT /api/v1/courses/{course_id}", "403 403 403 403 403 200 200 403 403 403 403 200 200", onCourse(body{"description": "New"})},
	{"DELETE /api/v1/courses/{course_id}", "403 403 403 403 403 403 200 403 403 403 403 200 200", onDoomedCourse},
	{"PUT /api/v1/courses/{course_id}/members/{user_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.course, w.newMember(t)}, body{"role": "student"}
	}},
	{"DELETE /api/v1/courses/{course_id}/members/{user_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.course, w.newMember(t)}, nil
	}},
	{"GET /api/v1/courses/{course_id}/bots", courseStaffOnly, onCourse(nil)},
	{"POST /api/v1/courses/{course_id}/bots", "403 403 403 403 403 201 201 403 403 403 403 201 201", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.course}, body{"name": "Bot " + store.NewID()}
	}},
	{"PATCH /api/v1/courses/{course_id}/bots/{bot_id}", courseTeachersOnly, onBot(func(w *world) body { return body{"room_ids": []string{w.room}} })},
	{"DELETE /api/v1/courses/{course_id}/bots/{bot_id}", "403 403 403 403 403 204 204 403 403 403 403 204 204", onBot(nil)},
	{"GET /api/v1/courses/{course_id}/bots/{bot_id}/tokens", courseTeachersOnly, onBot(nil)},
	{"POST /api/v1/courses/{course_id}/bots/{bot_id}/tokens", "403 403 403 403 403 201 201 403 403 403 403 201 201",
		onBot(func(*world) body { return body{"name": "program", "expires_in_days": 1} })},
	{"DELETE /api/v1/courses/{course_id}/bots/{bot_id}/tokens/{token_id}", "403 403 403 403 403 204 204 403 403 403 403 204 204",
		func(t testing.TB, w *world) ([]string, any) {
			bot, token := w.newBot(t)
			return []string{w.course, bot, token.text(t, "id")}, nil
		}},
	{"POST /api/v1/courses/{course_id}/transfer", "403 403 403 403 403 403 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		course, _ := onDoomedCourse(t, w)
		return course, body{"user_id": w.users[otherTeacher].ID}
	}},
	{"GET /api/v1/courses/{course_id}/join-code", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		w.as(owner).must(t, http.StatusOK, put, v1+"/courses/"+w.course+"/join-code")
		return []string{w.course}, nil
	}},
	{"PUT /api/v1/courses/{course_id}/join-code", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"DELETE /api/v1/courses/{course_id}/join-code", "403 403 403 403 204 204 204 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		w.as(owner).must(t, http.StatusOK, put, v1+"/courses/"+w.course+"/join-code")
		return []string{w.course}, nil
	}},
	{"PATCH /api/v1/courses/{course_id}/join-code", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		w.as(owner).must(t, http.StatusOK, put, v1+"/courses/"+w.course+"/join-code")
		return []string{w.course}, body{"open": false}
	}},
	{"GET /api/v1/courses/{course_id}/arrivals", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"POST /api/v1/courses/join", everyone200, func(t testing.TB, w *world) ([]string, any) {
		course, _ := w.newRoom(t, owner)
		return nil, body{"code": w.as(owner).must(t, http.StatusOK, put, v1+"/courses/"+course+"/join-code").text(t, "code")}
	}},
	{"POST /api/v1/courses/{course_id}/invitations", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(body{"role": "student", "max_uses": 3})},
	{"GET /api/v1/courses/{course_id}/invitations", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"DELETE /api/v1/courses/{course_id}/invitations/{invitation_id}", "403 403 403 403 204 204 204 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.course, w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+w.course+"/invitations", body{}).text(t, "id")}, nil
	}},
	{"POST /api/v1/courses/accept-invitation", everyone200, func(t testing.TB, w *world) ([]string, any) {
		course, _ := w.newRoom(t, owner)
		return nil, body{"token": w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+course+"/invitations", body{}).text(t, "token")}
	}},
	{"POST /api/v1/announcements/", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return nil, body{"title": "Exam", "content": "Tomorrow", "course_id": w.course}
	}},
	{"GET /api/v1/announcements/", "404 200 404 404 200 200 200 404 404 404 404 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{"?course_id=" + w.course}, nil
	}},
	{"PUT /api/v1/announcements/{announcement_id}", "404 403 404 404 200 200 200 404 404 404 404 200 200", onAnnouncement(body{"title": "New"})},
	{"DELETE /api/v1/announcements/{announcement_id}", "404 403 404 404 204 204 204 404 404 404 404 204 204", onAnnouncement(nil)},
	{"POST /api/v1/analytics/{course_id}/generate", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		w.analyst(t)
		return []string{w.course}, nil
	}},
	{"GET /api/v1/analytics/{course_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"GET /api/v1/analytics/{course_id}/reports/{report_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", onReport(nil)},
	{"PUT /api/v1/analytics/{course_id}/reports/{report_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", onReport(body{"title": "New"})},
	{"DELETE /api/v1/analytics/{course_id}/reports/{report_id}", "403 403 403 403 204 204 204 403 403 403 403 204 204", onReport(nil)},
	{"POST /api/v1/rooms/", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return nil, body{"name": "Mine", "course_id": w.course}
	}},
	{"GET /api/v1/rooms/", "404 200 200 404 200 200 200 404 404 404 404 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{"?course_id=" + w.course}, nil
	}},
	{"GET /api/v1/rooms/{room_id}", "404 200 200 404 200 200 200 404 404 404 404 200 200", onRoom(nil)},
	{"PUT /api/v1/rooms/{room_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", onRoom(body{})},
	{"DELETE /api/v1/rooms/{room_id}", "403 403 403 403 204 204 204 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": "Doomed", "course_id": w.course}).text(t, "id")}, nil
	}},
	{"POST /api/v1/rooms/{room_id}/assign", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.room}, body{"user_id": w.users[assigned].ID}
	}},
	{"GET /api/v1/rooms/{room_id}/agents", "404 200 200 404 200 200 200 404 404 404 404 200 200", onRoom(nil)},
	// A TA runs the room but may not use the project's agents, whose keys are paid for.
	{"POST /api/v1/rooms/{room_id}/agents", "403 403 403 403 403 403 201 403 403 403 403 201 201", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.room}, body{"type": "student", "name": store.NewID(), "system_prompt": "", "model_provider": "offline", "project_id": w.project,
			"is_active": false}
	}},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}", "403 403 403 403 404 404 200 403 403 403 403 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.room, w.agent}, nil
	}},
	{"GET /api/v1/rooms/{room_id}/agents/{agent_id}/settings", roomStaff, onRoomAgent(nil)},
	{"PUT /api/v1/rooms/{room_id}/agents/{agent_id}/settings", roomStaff, onRoomAgent(body{"context_window": 20})},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/settings/copy", roomStaff, onRoomAgent(body{})},
	{"GET /api/v1/rooms/{room_id}/agents/{agent_id}/state", roomStaff, onRoomAgent(nil)},
	// The room is off: who may, is told so.
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/wake", "403 403 403 403 409 409 409 403 403 403 403 409 409", onRoomAgent(nil)},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/mute", roomStaff, onRoomAgent(body{"minutes": 1})},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/unmute", roomStaff, onRoomAgent(nil)},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/sleep", roomStaff, onRoomAgent(nil)},
	{"POST /api/v1/rooms/{room_id}/agents/{agent_id}/awake", roomStaff, onRoomAgent(nil)},
	{"DELETE /api/v1/rooms/{room_id}/agents/{agent_id}", "403 403 403 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		agent := w.newAgent(t)
		w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/"+w.room+"/agents/"+agent)
		return []string{w.room, agent}, nil
	}},
	{"POST /api/v1/rooms/{room_id}/messages", "403 201 201 403 201 201 201 403 403 403 403 201 201", onRoom(body{"text": "hello"})},
	{"GET /api/v1/rooms/{room_id}/messages", "403 200 200 403 200 200 200 403 403 403 403 200 200", onRoom(nil)},
	{"PUT /api/v1/rooms/{room_id}/messages/{message_id}", "403 403 403 403 403 403 200 403 403 403 403 403 403", onLine(body{"text": "edited"})},
	{"DELETE /api/v1/rooms/{room_id}/messages/{message_id}", "403 403 403 403 403 403 204 403 403 403 403 403 403", onLine(nil)},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/restore", "403 403 403 403 403 403 200 403 403 403 403 403 403", onLine(nil)},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/hide", "403 403 403 403 200 200 200 403 403 403 403 200 200", onLine(nil)},
	{"POST /api/v1/rooms/{room_id}/messages/{message_id}/unhide", "403 403 403 403 200 200 200 403 403 403 403 200 200", onLine(nil)},
	{"GET /api/v1/rooms/{room_id}/turns", courseStaffOnly, onRoom(nil)},
	{"GET /api/v1/rooms/{room_id}/turns/{turn_id}", courseStaffOnly, func(t testing.TB, w *world) ([]string, any) {
		room, turn, _ := w.parked(t)
		return []string{room, turn}, nil
	}},
	{"GET /api/v1/rooms/{room_id}/approvals", courseStaffOnly, onRoom(nil)},
	{"POST /api/v1/rooms/{room_id}/approvals/{step_id}", courseStaffOnly, func(t testing.TB, w *world) ([]string, any) {
		room, _, step := w.parked(t)
		return []string{room, step}, body{"decision": "reject"}
	}},
	{"GET /api/v1/rooms/{room_id}/decisions", courseStaffOnly, onRoom(nil)},
	{"GET /api/v1/workflows", courseStaffOnly, func(_ testing.TB, w *world) ([]string, any) { return []string{"?course_id=" + w.course}, nil }},
	{"POST /api/v1/workflows", "403 403 403 403 201 201 201 403 403 403 403 201 201", func(_ testing.TB, w *world) ([]string, any) {
		return nil, body{"course_id": w.course, "name": store.NewID(), "graph": graph}
	}},
	{"GET /api/v1/workflows/{workflow_id}", hiddenFromOthers, onWorkflow(nil)},
	{"PUT /api/v1/workflows/{workflow_id}", hiddenFromOthers, onWorkflow(body{"graph": graph})},
	{"DELETE /api/v1/workflows/{workflow_id}", "404 404 404 404 204 204 204 404 404 404 404 204 204", onWorkflow(nil)},
	{"GET /api/v1/rooms/{room_id}/workflow", courseStaffOnly, onRoom(nil)},
	{"PUT /api/v1/rooms/{room_id}/workflow", courseStaffOnly, onRoom(body{"workflow_id": "direct"})},
	{"GET /api/v1/rooms/{room_id}/a2a", courseStaffOnly, onRoom(nil)},
	{"GET /api/v1/rooms/{room_id}/runs", courseStaffOnly, onRoom(nil)},
	{"GET /api/v1/runs/{run_id}", "404 403 404 404 200 200 200 404 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		_, run := w.reviewed(t)
		return []string{run}, nil
	}},
	{"POST /api/v1/runs/{run_id}/pause", "404 403 404 404 200 200 200 404 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		_, run := w.reviewed(t)
		return []string{run}, nil
	}},
	{"POST /api/v1/runs/{run_id}/resume", "404 403 404 404 200 200 200 404 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		_, run := w.reviewed(t)
		return []string{run}, nil
	}},
	{"POST /api/v1/runs/{run_id}/cancel", "404 403 404 404 200 200 200 404 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		_, run := w.reviewed(t)
		return []string{run}, nil
	}},
	{"POST /api/v1/rooms/{room_id}/go-on", courseStaffOnly, onRoom(nil)},
	{"POST /api/v1/rooms/{room_id}/turns/{turn_id}/stop", "404 403 200 404 200 200 200 404 404 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.room, w.newTurn(t, assigned)}, nil
	}},
	{"GET /api/v1/rooms/{room_id}/export", "404 200 200 404 200 200 200 404 404 404 404 200 200", onRoom(nil)},
	{"PUT /api/v1/rooms/{room_id}/messages/{message_id}/reactions", "403 200 200 403 200 200 200 403 403 403 403 200 200", onLine(body{"emoji": "👍"})},
	{"DELETE /api/v1/rooms/{room_id}/messages/{message_id}/reactions", "403 200 200 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		path, _ := onLine(nil)(t, w)
		return append(path, "?emoji=%F0%9F%91%8D"), nil
	}},
	{"GET /api/v1/rooms/{room_id}/messages/{message_id}/reactions", "403 200 200 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		path, _ := onLine(nil)(t, w)
		w.as(ta).must(t, http.StatusOK, put, v1+"/rooms/"+w.room+"/messages/"+path[1]+"/reactions", body{"emoji": "👍"})
		return path, nil
	}},
	{"PUT /api/v1/rooms/{room_id}/messages/{message_id}/pin", "403 403 403 403 204 204 204 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		for _, pin := range w.as(owner).must(t, http.StatusOK, get, v1+"/rooms/"+w.room+"/pins").list(t) {
			w.as(owner).must(t, http.StatusNoContent, del, v1+"/rooms/"+w.room+"/messages/"+fmt.Sprint(pin["message_id"])+"/pin")
		}
		return onLine(nil)(t, w)
	}},
	{"DELETE /api/v1/rooms/{room_id}/messages/{message_id}/pin", "403 403 403 403 204 204 204 403 403 403 403 204 204", onLine(nil)},
	{"GET /api/v1/rooms/{room_id}/pins", "403 200 200 403 200 200 200 403 403 403 403 200 200", onRoom(nil)},
	{"GET /api/v1/users/me/bookmarks", everyone200, nothing},
	{"PUT /api/v1/users/me/bookmarks/{message_id}", "404 204 204 404 204 204 204 404 404 404 404 204 204", func(t testing.TB, w *world) ([]string, any) {
		path, _ := onLine(nil)(t, w)
		return path[1:], body{"note": "For the exam"}
	}},
	{"DELETE /api/v1/users/me/bookmarks/{message_id}", "204 204 204 204 204 204 204 204 204 204 204 204 204", func(testing.TB, *world) ([]string, any) {
		return []string{store.NewID()}, nil
	}},
	{"GET /api/v1/rooms/{room_id}/messages/{message_id}/replies", "403 200 200 403 200 200 200 403 403 403 403 200 200", func(t testing.TB, w *world) ([]string, any) {
		path, _ := onLine(nil)(t, w)
		w.as(ta).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "a reply", "reply_to": path[1]})
		return path, nil
	}},
	{"POST /api/v1/rooms/{room_id}/files", "404 201 201 404 201 201 201 404 404 404 404 201 201", onRoom(body{"a": 1})},
	{"GET /api/v1/rooms/{room_id}/files", "404 200 200 404 200 200 200 404 404 404 404 200 200", onRoom(nil)},
	{"GET /api/v1/files/{file_id}", "404 200 200 404 200 200 200 404 404 404 404 200 200", onFile},
	{"GET /api/v1/files/{file_id}/image", "404 200 200 404 200 200 200 404 404 404 404 200 200", onFile},
	{"GET /api/v1/files/{file_id}/thumbnail", "404 200 200 404 200 200 200 404 404 404 404 200 200", onFile},
	{"DELETE /api/v1/files/{file_id}", "404 404 404 404 404 404 204 404 404 404 404 404 404", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.uploadAs(t, owner, "a.txt", []byte("hello"))}, nil
	}},
	{"GET /api/v1/chat/messages/{room_id}", "403 200 200 403 200 200 200 403 403 403 403 200 200", onRoom(nil)},
	{"GET /api/v1/rooms/{room_id}/events", "403 200 200 403 200 200 200 403 403 403 403 200 200", onRoom(nil)},
	{"GET /api/v1/agents/{id}", "403 403 403 403 403 403 200 403 200 200 200 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.project}, nil
	}},
	{"POST /api/v1/agents/{id}", "403 403 403 403 403 403 200 403 403 200 200 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.project}, body{"type": "student", "name": store.NewID(), "system_prompt": "", "model_provider": "offline"}
	}},
	{"PUT /api/v1/agents/{id}", "403 403 403 403 403 403 200 403 403 200 200 200 200", onFreshAgent(body{})},
	{"PUT /api/v1/agents/{id}/activate", "403 403 403 403 403 403 200 403 403 200 200 200 200", func(t testing.TB, w *world) ([]string, any) {
		// Of a type of its own, since this switches the others of the type off.
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/agents/"+w.project, body{"type": freshType(t, w), "system_prompt": "",
			"model_provider": "offline"}).text(t, "id")}, nil
	}},
	{"GET /api/v1/agents/{id}/keys", "403 403 403 403 403 403 200 403 200 200 200 200 200", onFreshAgent(nil)},
	{"PUT /api/v1/agents/{id}/keys", "403 403 403 403 403 403 200 403 403 200 200 200 200", onFreshAgent(body{"room_key": apptest.CanaryKey})},
	{"POST /api/v1/agents/{id}/keys/test", "403 403 403 403 403 403 200 403 403 200 200 200 200", onFreshAgent(nil)},
	{"DELETE /api/v1/agents/{id}/api_key", "403 403 403 403 403 403 204 403 403 204 204 204 204", onFreshAgent(nil)},
	{"DELETE /api/v1/agents/{id}", "403 403 403 403 403 403 204 403 403 204 204 204 204", onFreshAgent(nil)},
	{"GET /api/v1/admin/audit", adminsOnly, nothing},
	{"GET /api/v1/usage", roomStaff, func(_ testing.TB, w *world) ([]string, any) { return []string{"?course_id=" + w.course}, nil }},
	{"GET /api/v1/budgets", courseTeachersOnly, func(_ testing.TB, w *world) ([]string, any) {
		return []string{"?scope_kind=course&scope_id=" + w.course}, nil
	}},
	{"POST /api/v1/budgets", "403 403 403 403 403 201 201 403 403 403 403 201 201", func(t testing.TB, w *world) ([]string, any) {
		return nil, body{"scope_kind": "room", "scope_id": w.room, "period": "day", "unit": "tokens", "cap": 1000}
	}},
	{"GET /api/v1/budgets/{budget_id}", courseTeachersOnly, onBudget(nil)},
	{"PUT /api/v1/budgets/{budget_id}", courseTeachersOnly, onBudget(body{"cap": "2000"})},
	{"DELETE /api/v1/budgets/{budget_id}", "403 403 403 403 403 204 204 403 403 403 403 204 204", onBudget(nil)},
	{"GET /api/v1/admin/db/tables", "400 400 400 400 400 400 400 400 400 400 400 200 200", nothing},
	{"GET /api/v1/admin/db/tables/{table_name}", "400 400 400 400 400 400 400 400 400 400 400 200 200", func(testing.TB, *world) ([]string, any) {
		return []string{"user"}, nil
	}},
	{"GET /api/v1/workspaces/{room_id}/artifacts", "404 200 200 404 200 200 200 404 404 404 404 200 200", onRoom(nil)},
	{"POST /api/v1/workspaces/{room_id}/artifacts", "404 201 201 404 201 201 201 404 404 404 404 201 201",
		onRoom(body{"type": "task", "title": "Write", "content": body{"status": "todo"}, "parent_artifact_id": nil})},
	{"GET /api/v1/workspaces/artifacts/{artifact_id}", "404 200 200 404 200 200 200 404 404 404 404 200 200", onFreshArtifact(nil, false)},
	{"PUT /api/v1/workspaces/artifacts/{artifact_id}", "404 200 200 404 200 200 200 404 404 404 404 200 200",
		onFreshArtifact(body{"title": "Read", "content": body{"status": "done"}, "expected_version": 1}, false)},
	{"PUT /api/v1/workspaces/artifacts/{artifact_id}/position", "404 200 200 404 200 200 200 404 404 404 404 200 200",
		onFreshArtifact(body{"column": "done"}, false)},
	{"DELETE /api/v1/workspaces/artifacts/{artifact_id}", "404 204 204 404 204 204 204 404 404 404 404 204 204", onFreshArtifact(nil, false)},
	// Whoever deleted it may undo that too: see TestArtifacts.
	{"POST /api/v1/workspaces/artifacts/{artifact_id}/restore", "404 404 404 404 200 200 200 404 404 404 404 200 200", onFreshArtifact(nil, true)},
	{"GET /api/v1/workspaces/artifacts/{artifact_id}/versions", "404 200 200 404 200 200 200 404 404 404 404 200 200", onFreshArtifact(nil, false)},
	{"GET /api/v1/workspaces/artifacts/{artifact_id}/versions/{version}", "404 200 200 404 200 200 200 404 404 404 404 200 200", onChangedArtifact},
	{"POST /api/v1/workspaces/artifacts/{artifact_id}/versions/{version}/restore", "404 200 200 404 200 200 200 404 404 404 404 200 200", onChangedArtifact},
	{"GET /api/v1/agents/global/list", everyone200, nothing},
	{"POST /api/v1/agents/global", everyone200, sending(body{"type": "teacher", "system_prompt": "Teach.", "model_provider": "offline", "api_key": apptest.CanaryKey})},
	// The template is the owner's: admins have no way around that.
	{"POST /api/v1/agents/global/{id}/clone-to-project/{project_id}", "403 403 403 403 403 403 200 403 403 403 403 403 403", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.newTemplate(t, owner), w.project}, nil
	}},
	{"POST /api/v1/agents/{id}/sync-from-parent", "403 403 403 403 403 403 200 403 403 404 404 200 200", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/agents/global/"+w.newTemplate(t, owner)+"/clone-to-project/"+w.project).text(t, "id")}, nil
	}},
	{"GET /api/v1/agent-config/{project_id}", "403 403 403 403 403 403 200 403 200 200 200 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.project}, nil
	}},
	{"PUT /api/v1/agent-config/{project_id}/{agent_type}", "403 403 403 403 403 403 200 403 403 200 200 200 200", func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.project, "analytics"}, body{"type": "analytics", "system_prompt": "x", "model_provider": "offline"}
	}},
	{"POST /api/v1/agent-config/{config_id}/versions", "403 403 403 403 403 403 200 403 403 200 200 200 200", onFreshAgent(body{"version_label": "v1"})},
	{"GET /api/v1/agent-config/{config_id}/versions", "403 403 403 403 403 403 200 403 200 200 200 200 200", onFreshAgent(nil)},
	{"POST /api/v1/agent-config/{config_id}/versions/{version_id}/restore", "403 403 403 403 403 403 200 403 403 200 200 200 200", onKeptVersion},
	{"GET /api/v1/agent-config/{config_id}/versions/{version_id}", "403 403 403 403 403 403 200 403 200 200 200 200 200", onKeptVersion},
	{"GET /api/v1/agent-config/{config_id}/versions/{version_id}/diff", "403 403 403 403 403 403 200 403 200 200 200 200 200", onKeptVersion},
	{"GET /api/v1/agents/external/list", everyone200, nothing},
	{"POST /api/v1/agents/external/create", adminsOnly, sending(external)},
	{"POST /api/v1/agents/external/test-connection", adminsOnly, sending(external)},
	{"GET /api/v1/agents/{id}/test-connection", adminsOnly, onExternal},
	{"POST /api/v1/agents/{id}/callback_token", adminsOnly, onExternal},
	{"POST /api/v1/threads/stateless/{agent_id}", agentUsers, func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.agent}, body{"message": "hello"}
	}},
	{"POST /api/v1/threads/stateless/{agent_id}/stream", agentUsers, func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.agent}, body{"message": "hello"}
	}},
	{"POST /api/v1/threads/{thread_id}/messages/stream", ownersOnly, onThread(body{"message": "hello", "client_id": "1", "metadata_json": "{}"})},
	{"POST /api/v1/threads/", agentUsers, newThread},
	{"POST /api/v1/threads", agentUsers, newThread},
	{"GET /api/v1/threads/", everyone200, nothing},
	{"GET /api/v1/threads", everyone200, nothing},
	{"GET /api/v1/threads/{thread_id}", ownersOnly, onThread(nil)},
	{"PUT /api/v1/threads/{thread_id}", ownersOnly, onThread(body{"name": "New"})},
	{"DELETE /api/v1/threads/{thread_id}", "403 403 403 403 403 403 204 403 403 403 403 403 403", onThread(nil)},
	{"POST /api/v1/threads/{thread_id}/messages", ownersOnly, onThread(body{"message": "hello", "client_id": "1", "metadata_json": "{}"})},
	{"GET /api/v1/threads/{thread_id}/messages", ownersOnly, onThread(nil)},
	{"POST /api/v1/threads/{thread_id}/turns", "403 403 403 403 403 403 202 403 403 403 403 403 403", onThread(body{"message": "hello", "client_id": "1", "metadata_json": "{}"})},
	{"GET /api/v1/threads/{thread_id}/turns", ownersOnly, onThread(nil)},
	{"GET /api/v1/threads/{thread_id}/turns/{turn_id}", ownersOnly, onThreadTurn(nil)},
	{"POST /api/v1/threads/{thread_id}/turns/{turn_id}/stop", ownersOnly, onThreadTurn(nil)},
	{"GET /api/v1/threads/{thread_id}/approvals", ownersOnly, onThread(nil)},
	{"POST /api/v1/threads/{thread_id}/approvals/{step_id}", ownersOnly, onThreadApproval(body{"decision": "reject", "note": "no"})},
	{"GET /api/v1/threads/{thread_id}/events", ownersOnly, onThread(nil)},
	{"GET /api/v1/threads/{thread_id}/artifacts", ownersOnly, onThread(nil)},
	{"GET /api/v1/threads/{thread_id}/artifacts/{artifact_id}", ownersOnly, onThreadArtifact},
	{"POST /api/v1/agents/generate", teachersOnly, sending(body{"requirement": "Ask back", "target_agent_type": "teacher", "course_context": nil,
		"custom_system_prompt": "Write.", "custom_provider": "offline", "custom_model": nil, "custom_api_key": "", "api_key": nil, "provider": "gemini", "project_id": nil})},
	{"GET /api/v1/agents/system", adminsOnly, nothing},
	{"PUT /api/v1/agents/system/{agent_type}", adminsOnly, func(testing.TB, *world) ([]string, any) {
		return []string{"design"}, body{"system_prompt": "Write prompts.", "model_provider": "offline", "api_key": apptest.CanaryKey}
	}},
	{"GET /api/v1/agent-types", teachersOnly, nothing},
	{"POST /api/v1/agent-types", "403 403 403 403 403 403 403 403 403 403 403 201 201", func(testing.TB, *world) ([]string, any) {
		return nil, body{"type_name": "t-" + store.NewID(), "display_name": "Type"}
	}},
	{"GET /api/v1/agent-types/{type_name}", teachersOnly, onType(nil)},
	{"GET /api/v1/agent-types/{type_name}/schema", teachersOnly, onType(nil)},
	{"PUT /api/v1/agent-types/{type_name}", adminsOnly, onType(body{"description": "New"})},
	{"DELETE /api/v1/agent-types/{type_name}", "403 403 403 403 403 403 403 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(admin).must(t, http.StatusCreated, post, v1+"/agent-types",
			body{"type_name": "t-" + store.NewID(), "display_name": "Doomed"}).text(t, "type_name")}, nil
	}},
	{"GET /api/v1/courses/{course_id}/overview", "403 200 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"POST /api/v1/courses/{course_id}/archive", "403 403 403 403 403 200 200 403 403 403 403 200 200", onDoomedCourse},
	{"DELETE /api/v1/courses/{course_id}/archive", "403 403 403 403 403 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"POST /api/v1/courses/{course_id}/copies", "403 403 403 403 403 202 202 403 403 403 403 202 202", func(t testing.TB, w *world) ([]string, any) {
		endCopies(t, w)
		return []string{w.course}, body{"title": "Copy"}
	}},
	{"GET /api/v1/courses/{course_id}/copies/{copy_id}", "404 404 404 404 404 404 200 404 404 404 404 404 404", onCopy},
	{"DELETE /api/v1/courses/{course_id}/copies/{copy_id}", "404 404 404 404 404 404 200 404 404 404 404 404 404", onCopy},
	{"GET /api/v1/courses/{course_id}/agents", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"GET /api/v1/courses/{course_id}/figures", "403 403 403 403 200 200 200 403 403 403 403 200 200", onCourse(nil)},
	{"GET /api/v1/admin/users", adminsOnly, nothing},
	{"GET /api/v1/admin/audit/search", adminsOnly, nothing},
	{"GET /api/v1/admin/system", adminsOnly, nothing},
	{"GET /api/v1/admin/backups", "403 403 403 403 403 403 403 403 403 403 403 403 200", nothing},
	{"POST /api/v1/admin/backups", "403 403 403 403 403 403 403 403 403 403 403 403 202", func(t testing.TB, w *world) ([]string, any) {
		storetest.Exec(t, w.opened.DB, "DELETE FROM backups")
		return nil, nil
	}},
	{"GET /api/v1/admin/backups/{backup_id}", "403 403 403 403 403 403 403 403 403 403 403 403 200", onBackup},
	{"DELETE /api/v1/admin/backups/{backup_id}", "403 403 403 403 403 403 403 403 403 403 403 403 204", onBackup},
	{"GET /api/v1/admin/doctor", "403 403 403 403 403 403 403 403 403 403 403 403 200", nothing},
	{"GET /api/v1/admin/keys", "403 403 403 403 403 403 403 403 403 403 403 403 200", nothing},
	{"POST /api/v1/admin/keys/rotation", "403 403 403 403 403 403 403 403 403 403 403 403 202", nothing},
	{"GET /api/v1/admin/users/{user_id}/sessions", adminsOnly, func(_ testing.TB, w *world) ([]string, any) {
		return []string{w.users[otherStudent].ID}, nil
	}},
	{"DELETE /api/v1/admin/users/{user_id}/sessions", "403 403 403 403 403 403 403 403 403 403 403 204 204", func(t testing.TB, w *world) ([]string, any) {
		return []string{w.addUser(t, app.RoleStudent, "signed in", true).ID}, nil
	}},
	{"DELETE /api/v1/admin/users/{user_id}/sessions/{session_id}", "403 403 403 403 403 403 403 403 403 403 403 204 204",
		func(t testing.TB, w *world) ([]string, any) {
			u := w.addUser(t, app.RoleStudent, "signed in", true)
			w.session(t, u.ID)
			list, err := w.opened.DB.SessionsOf(t.Context(), u.ID, time.Now(), store.Page{Limit: 1})
			if err != nil || len(list) != 1 {
				t.Fatalf("got %v, %v", list, err)
			}
			return []string{u.ID, list[0].ID}, nil
		}},
	{"GET /admin/queue/{path...}", adminsOnly, func(testing.TB, *world) ([]string, any) { return []string{"api/queues"}, nil }},
	{"POST /admin/queue/{path...}", adminsOnly, func(t testing.TB, w *world) ([]string, any) {
		return []string{"api/jobs/cancel"}, body{"ids": []string{w.finishedJob(t)}}
	}},
	{"PUT /admin/queue/{path...}", adminsOnly, func(testing.TB, *world) ([]string, any) { return []string{"api/queues/quick/resume"}, nil }},
	{"PATCH /admin/queue/{path...}", adminsOnly, func(testing.TB, *world) ([]string, any) { return []string{"api/queues/quick"}, body{} }},
}

// These check their callers by themselves: see TestSocketAccess and TestMySocketFrames.
const (
	socketRoute   = "GET /api/v1/chat/ws/{room_id}"
	mySocketRoute = "GET " + pathMySocket
	myStreamRoute = "GET " + pathMyEvents
)

// publicRoutes answer everybody alike, or have tests of their own.
var publicRoutes = []string{
	"GET " + pathProviders, "GET " + pathProviders + "/{provider}/begin", "GET " + pathProviders + "/{provider}/callback", "POST " + pathProviders + "/{provider}/logout",
	"POST /api/v1/login/access-token", "POST " + pathCode, "POST /api/v1/login/refresh", "POST /api/v1/login/logout", "POST /api/v1/login/test-token",
	"POST /api/v1/login/stop-impersonate", "POST /api/v1/setup", socketRoute, mySocketRoute, myStreamRoute, "GET /healthz", "GET /readyz", "GET /", "GET /setup",
	"GET /reset", "POST /api/v1/login/password-link", "GET /studio", "GET /docs", "GET /redoc", "GET /asyncapi.json", "GET /openapi.json",
	"GET /api/v1/openapi.json", "GET /api/v1/a2a/health", "POST /api/v1/a2a/webhook", "GET /api/v1/meta",
}

func nothing(testing.TB, *world) ([]string, any) { return nil, nil }

func sending(b body) func(testing.TB, *world) ([]string, any) {
	return func(testing.TB, *world) ([]string, any) { return nil, b }
}

// onBudget is a budget of the world's room.
func onBudget(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		return []string{w.newBudget(t, "room", w.room)}, b
	}
}

func onCourse(b any) func(testing.TB, *world) ([]string, any) {
	return func(_ testing.TB, w *world) ([]string, any) { return []string{w.course}, b }
}

// onDoomedCourse is a course of the world's owner and co-teacher.
func onDoomedCourse(t testing.TB, w *world) ([]string, any) {
	course := w.as(owner).must(t, http.StatusOK, post, v1+"/courses/", body{"title": "Doomed"}).text(t, "id")
	w.as(owner).must(t, http.StatusOK, post, v1+"/courses/"+course+"/enroll", body{"user_id": w.users[coTeacher].ID, "role": "teacher"})
	return []string{course}, nil
}

// onCopy is a copy that the world's owner has asked for, and that no job makes.
func onCopy(t testing.TB, w *world) ([]string, any) {
	endCopies(t, w)
	c := &store.CourseCopy{ID: store.NewID(), CourseID: w.course, CreatedBy: w.users[owner].ID, Title: "Copy", Parts: "{}", State: store.CopyQueued, Attempt: 1,
		LeaseUntil: time.Now().Add(time.Hour), CreatedAt: time.Now()}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateCopy(t.Context(), c, 20) }); err != nil {
		t.Fatal(err)
	}
	return []string{w.course, c.ID}, nil
}

// endCopies ends all copies: a person can have one that is under way.
func endCopies(t testing.TB, w *world) {
	storetest.Exec(t, w.opened.DB, "UPDATE course_copies SET state = 'cancelled', ended_at = created_at WHERE ended_at IS NULL")
}

func onAnnouncement(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/announcements/",
			body{"title": "Exam", "content": "Tomorrow", "course_id": w.course}).text(t, "id")}, b
	}
}

func onReport(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		w.analyst(t)
		return []string{w.course, w.as(owner).must(t, http.StatusOK, post, v1+"/analytics/"+w.course+"/generate").text(t, "id")}, b
	}
}

func onRoom(b any) func(testing.TB, *world) ([]string, any) {
	return func(_ testing.TB, w *world) ([]string, any) { return []string{w.room}, b }
}

// external is an agent that nobody reaches: its address is this machine's own.
//
//nolint:gochecknoglobals // a sample
var external = body{"name": "Far", "type": "external", "webhook_url": "http://127.0.0.1:9/hook", "auth_type": "bearer", "auth_token": apptest.CanaryKey,
	"oauth_config": nil, "timeout_ms": 30000, "fallback_message": "Later.", "system_prompt": ""}

func onExternal(t testing.TB, w *world) ([]string, any) {
	return []string{w.as(admin).must(t, http.StatusOK, post, v1+"/agents/external/create", external).text(t, "id")}, nil
}

// onFile is a picture in a message of the world's owner.
func onFile(t testing.TB, w *world) ([]string, any) { return []string{w.postedFile(t)}, nil }

func onOrganization(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) { return []string{w.organization(t)}, b }
}

func onOrganizationMember(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		org, u := w.organization(t), w.addUser(t, app.RoleStudent, "joiner", true)
		w.as(owner).must(t, http.StatusOK, post, v1+"/organizations/"+org+"/members", body{"user_id": u.ID})
		return []string{org, u.ID}, b
	}
}

func onProject(b any) func(testing.TB, *world) ([]string, any) {
	return func(_ testing.TB, w *world) ([]string, any) { return []string{w.project}, b }
}

func onProjectMember(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		u := w.addUser(t, app.RoleStudent, "joiner", true)
		w.as(owner).must(t, http.StatusOK, post, v1+"/projects/"+w.project+"/members", body{"user_id": u.ID})
		return []string{w.project, u.ID}, b
	}
}

func onType(b any) func(testing.TB, *world) ([]string, any) {
	return func(testing.TB, *world) ([]string, any) { return []string{"design"}, b }
}

// onLine is a line of the world's owner.
func onLine(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		return []string{w.room, w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+w.room+"/messages", body{"text": "hello"}).text(t, "id")}, b
	}
}

func newThread(_ testing.TB, w *world) ([]string, any) {
	return nil, body{"project_id": w.project, "agent_id": w.agent, "name": "Mine", "metadata_json": nil}
}

// onThread is a thread of the world's owner.
func onThread(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		_, in := newThread(t, w)
		return []string{w.as(owner).must(t, http.StatusOK, post, v1+"/threads/", in).text(t, "id")}, b
	}
}

func onFreshAgent(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) { return []string{w.newAgent(t)}, b }
}

func onFreshArtifact(b any, deleted bool) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) {
		made := w.newArtifact(t, "task")
		if deleted {
			w.as(owner).must(t, http.StatusNoContent, del, v1+"/workspaces/artifacts/"+made)
		}
		return []string{made}, b
	}
}

// onKeptVersion names an agent and a version of it.
func onKeptVersion(t testing.TB, w *world) ([]string, any) {
	agent := w.newAgent(t)
	return []string{agent, w.as(owner).must(t, http.StatusOK, post, v1+"/agent-config/"+agent+"/versions", body{"version_label": ""}).text(t, "id")}, nil
}

// onChangedArtifact names an artifact and its first version.
func onChangedArtifact(t testing.TB, w *world) ([]string, any) {
	made := w.newArtifact(t, "task")
	w.as(owner).must(t, http.StatusOK, put, v1+"/workspaces/artifacts/"+made, body{"title": "Changed"})
	return []string{made, "1"}, nil
}

// fill puts values into the {parameters} of a path; what is left over is
// appended.
func fill(path string, values []string) string {
	for _, v := range values {
		from := strings.IndexByte(path, '{')
		if from < 0 {
			path += v
			continue
		}
		path = path[:from] + v + path[from+strings.IndexByte(path[from:], '}')+1:]
	}
	return path
}

// ask sends a row's request as one caller.
func (r row) ask(t testing.TB, w *world, c *caller) answer {
	t.Helper()
	method, path, _ := strings.Cut(r.route, " ")
	values, b := r.request(t, w)
	if b == nil {
		return c.do(t, method, fill(path, values))
	}
	return c.do(t, method, fill(path, values), b)
}

func TestAccess(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		t.Run("every route is in the table", func(t *testing.T) { everyRouteHasARow(t, w) })
		others := newOtherCallers(t, w)
		for _, r := range accessTable {
			t.Run(r.route, func(t *testing.T) {
				want := strings.Fields(r.want)
				if len(want) != len(columns) {
					t.Fatalf("the row has %d columns, want %d", len(want), len(columns))
				}
				for i, who := range columns {
					if a := r.ask(t, w, w.as(who)); fmt.Sprint(a.status) != want[i] {
						t.Errorf("%s: got %d %s, want %s", who, a.status, a.body, want[i])
					}
				}
				others.check(t, r, want)
			})
		}
		t.Run("no secret is in the audit log", func(t *testing.T) { noSecretIsLogged(t, w) })
	})
}

func everyRouteHasARow(t *testing.T, w *world) {
	var have, want []string
	for _, r := range accessTable {
		have = append(have, r.route)
	}
	for _, r := range w.server.table {
		route := r.method + " " + r.path
		switch {
		case !r.public:
			want = append(want, route)
		case !slices.Contains(publicRoutes, route) && !isPageFile(r.path):
			t.Errorf("%s is public but not in publicRoutes", route)
		}
	}
	slices.Sort(have)
	slices.Sort(want)
	if !slices.Equal(have, want) {
		t.Errorf("the table has\n%s\nthe server has\n%s", strings.Join(have, "\n"), strings.Join(want, "\n"))
	}
}

// isPageFile tells whether a path is one of the files of our pages.
func isPageFile(path string) bool {
	return strings.Contains(path, ".") && (strings.HasPrefix(path, pathStudio+"/") || strings.HasPrefix(path, pathDocs+"/"))
}

// Who gets into a room by a socket is in socketTable; this is about the rest of
// the handshake.
func TestSocketAccess(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	upgrade := func(who string) *caller {
		return w.as(who).with("Connection", "Upgrade").with("Upgrade", "websocket").
			with("Sec-WebSocket-Version", "13").with("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	}
	path := v1 + "/chat/ws/" + w.room
	t.Run("foreign origin", func(t *testing.T) {
		if a := upgrade(owner).with("Origin", "https://evil.example").do(t, get, path); a.status != http.StatusForbidden {
			t.Errorf("got %d %s, want 403", a.status, a.body)
		}
	})
	t.Run("unknown and malformed rooms", func(t *testing.T) {
		for _, room := range []string{store.NewID(), "x"} {
			if a := upgrade(superAdmin).do(t, get, v1+"/chat/ws/"+room); a.status != http.StatusForbidden {
				t.Errorf("%s: got %d %s, want 403", room, a.status, a.body)
			}
		}
	})
	t.Run("no upgrade", func(t *testing.T) {
		if a := w.as(owner).do(t, get, path); a.status != http.StatusUpgradeRequired {
			t.Errorf("got %d %s, want 426", a.status, a.body)
		}
	})
}

// foreignDetail is the text to a page at an origin, from a server that is known as own.
func foreignDetail(origin, own string) string {
	from := "of another site"
	advice := "set http.public_url to it; to let the pages of another site in, list it in http.cors_origins."
	if config.CanonicalOrigin(origin) != "" {
		from = "at " + origin + ", and this server is known as " + own
		advice = "set http.public_url to it, or let the proxy pass on Host; to let the pages of another site in, list it in http.cors_origins."
	}
	return "This request comes from a page " + from + ". If people open CoAgent Studio at that address, " + advice
}

// A page of another site must not change anything, whoever is signed in.
func TestForeignOrigin(t *testing.T) {
	t.Parallel()
	w := newWorld(t, storetest.SQLite(t))
	for _, r := range w.server.table {
		if r.method == get {
			continue
		}
		t.Run(r.method+" "+r.path, func(t *testing.T) {
			path := fill(r.path, []string{w.room, w.agent})
			for _, h := range [][2]string{{"Origin", "https://evil.example"}, {"Origin", "null"}, {"Sec-Fetch-Site", "cross-site"},
				{"Origin", "http://" + w.Addr.String() + ".evil.example"}} {
				wantProblem(t, w.as(superAdmin).with(h[0], h[1]).do(t, r.method, path, body{}), http.StatusForbidden,
					foreignDetail(w.as(superAdmin).with(h[0], h[1]).extra.Get("Origin"), "http://"+w.Addr.String()))
			}
		})
	}
	t.Run("own origin passes", func(t *testing.T) {
		w.as(owner).with("Origin", "http://"+w.Addr.String()).with("Sec-Fetch-Site", "same-origin").
			must(t, http.StatusOK, post, v1+"/courses/", body{"title": "Mine"})
	})
}

// onRoomAgent is a request about the world's agent in its room.
func onRoomAgent(b any) func(testing.TB, *world) ([]string, any) {
	return func(_ testing.TB, w *world) ([]string, any) { return []string{w.room, w.agent}, b }
}

// ownersKey stores a model key of the owner and returns its id.
func ownersKey(t testing.TB, w *world) string {
	t.Helper()
	return w.as(owner).must(t, http.StatusOK, post, v1+"/users/keys",
		body{"provider": "openai", "alias": store.NewID(), "api_key": apptest.CanaryKey}).text(t, "id")
}

// freshType describes an agent type of which there is no agent yet.
func freshType(t testing.TB, w *world) string {
	t.Helper()
	name := "t-" + store.NewID()
	w.as(superAdmin).must(t, http.StatusCreated, post, v1+"/agent-types", body{"type_name": name, "display_name": name, "category": "instructor"})
	return name
}

// onBackup is about a backup that failed.
func onBackup(t testing.TB, w *world) ([]string, any) {
	t.Helper()
	id := store.NewID()
	storetest.Exec(t, w.opened.DB, `INSERT INTO backups (id, state, name, place, with_keys, reason, created_at, ended_at)
		VALUES (?, 'failed', 'none', 'nowhere', FALSE, 'The disk is full.', '2026-01-02 03:04:05+00:00', '2026-01-02 03:04:05+00:00')`, id)
	return []string{id}, nil
}
