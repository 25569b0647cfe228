//go:build unix

package movein

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/web/proctest"
)

// call is one that the existing client makes: who, what it sends, and which members it reads
// of the answer or of the first item of the list. A dash before a member says that it may be null.
type call struct {
	who, method, path string
	body              any
	reads             string
}

// clientCalls makes the calls of the existing client (W 6.4, in order) in the imported
// school.
func clientCalls(t *testing.T, nodes *proctest.Nodes, one school) {
	t.Helper()
	n := one.names(t)
	people := map[string]*proctest.Person{}
	for short, login := range map[string]string{"root": "admin", "mei": "mei", "soren": "søren", "ann": "ann@school.example", "ming": "小明"} {
		people[short] = person(t, nodes, login)
	}
	api := "/api/v1"
	course, room, project := n.Courses["1"], n.Rooms["b1"], n.Projects["1"]
	for _, c := range []call{
		{"ann", "POST", "/login/test-token", nil, "id email username full_name role avatar_url"},
		{"root", "GET", "/users/", nil, "id full_name username email role is_active"},
		{"root", "POST", "/users/", map[string]any{"email": "new@school.example", "username": "", "password": "A-new-account-2026", "full_name": "New", "role": "student"}, ""},
		{"root", "PUT", "/users/" + n.Users["ext"], map[string]any{"full_name": "Extern", "role": "student", "username": "ext"}, ""},
		{"mei", "GET", "/users/search?q=ann", nil, "id email full_name username"},
		{"ann", "PUT", "/users/me", map[string]any{"full_name": "Ann L", "avatar_url": nil}, "full_name avatar_url"},
		{"mei", "GET", "/users/keys", nil, "id alias provider masked_key created_at"},
		{"mei", "POST", "/users/keys", map[string]any{"provider": "openai", "alias": "new", "api_key": "sk-new-key-0001", "description": ""}, ""},
		{"mei", "GET", "/courses/", nil, "id title description owner_id owner_name created_at"},
		{"mei", "GET", "/courses/" + course, nil, "id title description owner_id created_at"},
		{"mei", "POST", "/courses/", map[string]any{"title": "A new course", "description": ""}, "id"},
		{"mei", "PUT", "/courses/" + course, map[string]any{"title": "自然 renamed", "description": "d"}, ""},
		{"mei", "GET", "/courses/" + course + "/members", nil, "user_id email full_name avatar_url role"},
		{"mei", "PUT", "/courses/" + course + "/members/" + n.Users["zoe"], map[string]any{"role": "ta"}, ""},
		{"mei", "POST", "/courses/" + course + "/enroll", map[string]any{"user_email": "ext@school.example", "user_id": nil, "role": "student"}, ""},
		{"mei", "GET", "/rooms/?course_id=" + course, nil, "id name is_ai_active"},
		{"mei", "GET", "/rooms/" + room, nil, "id name course_id ai_frequency is_analytics_active"},
		{"mei", "PUT", "/rooms/" + room, map[string]any{"name": "Group 3", "ai_frequency": 0.4, "is_analytics_active": true}, ""},
		{"mei", "POST", "/rooms/", map[string]any{"name": "A new room", "course_id": course}, "id"},
		{"mei", "POST", "/rooms/" + room + "/assign", map[string]any{"user_email": nil, "user_id": n.Users["ming"]}, ""},
		{"mei", "GET", "/rooms/" + room + "/agents", nil, "id name type"},
		{"mei", "DELETE", "/rooms/" + room + "/agents/" + n.Agents["coach"], nil, ""},
		{"mei", "POST", "/rooms/" + room + "/agents/" + n.Agents["coach"], nil, ""},
		{"ann", "GET", "/announcements/?course_id=" + course, nil, "id title content created_at"},
		{"mei", "POST", "/announcements/", map[string]any{"title": "Moved", "content": "We are here now", "course_id": course}, ""},
		{"ann", "GET", "/chat/messages/" + room, nil, "sender content sender_id agent_type created_at"},
		{"mei", "GET", "/organizations", nil, "id name"},
		{"mei", "POST", "/organizations", map[string]any{"name": "Another", "description": ""}, "id name"},
		{"mei", "GET", "/projects?org_id=" + n.Orgs["1"], nil, "id name"},
		{"mei", "GET", "/agents/" + project, nil, "id name type system_prompt model_provider model is_active is_external external_config trigger_config context_window user_key_ids created_by updated_at"},
		{"root", "GET", "/agents/system", nil, "type id system_prompt model_provider masked_api_key"},
		{"root", "PUT", "/agents/system/design", map[string]any{"name": "System Design Agent", "type": "design", "system_prompt": "Write.", "model_provider": "gemini", "api_key": nil, "model": nil}, ""},
		{"root", "PUT", "/agents/system/analytics", map[string]any{"type": "analytics", "system_prompt": "Look.", "model_provider": "gemini", "api_key": ""}, ""},
		{"mei", "GET", "/agents/global/list", nil, "id name type"},
		{"mei", "GET", "/agent-config/" + n.Agents["t_act"] + "/versions", nil, "id version_label created_at model_provider system_prompt"},
		{"mei", "POST", "/agent-config/" + n.Agents["t_act"] + "/versions", map[string]any{"version_label": "moved"}, "id"},
		{"ann", "GET", "/workspaces/" + room + "/artifacts", nil, "id room_id type title content version last_modified_by created_by created_at updated_at"},
		{"ann", "POST", "/workspaces/" + room + "/artifacts", map[string]any{"type": "task", "title": "Move in", "content": map[string]any{"status": "todo"}}, "id version"},
		{"ann", "PUT", "/workspaces/artifacts/" + *n.Artifacts["t0"], map[string]any{"content": map[string]any{"status": "done"}}, "id version"},
		{"ann", "PUT", "/workspaces/artifacts/" + *n.Artifacts["doc1"], map[string]any{"title": "觀察日記 v4"}, "id version"},
		{"mei", "DELETE", "/workspaces/artifacts/" + *n.Artifacts["t4"] + "?hard_delete=false", nil, ""},
		{"mei", "GET", "/analytics/" + course, nil, "id report_type content created_at"},
		{"mei", "GET", "/threads/" + n.Threads["a"] + "/messages", nil, "id role content created_at"},
		{"root", "GET", "/admin/db/tables", nil, ""},
		{"root", "GET", "/admin/db/tables/user?limit=5&offset=0&resolve_relations=true", nil, "id email"},
		{"root", "GET", "/agent-types", nil, "id type_name display_name category"},
		{"root", "POST", "/login/impersonate/" + n.Users["ming"], nil, ""},
		{"ann", "POST", "/login/logout", nil, ""},
	} {
		answer, err := people[c.who].Try(t.Context(), c.method, api+c.path, c.body)
		if err != nil || answer.Status/100 != 2 {
			t.Errorf("%s %s as %s: got %+v, %v", c.method, c.path, c.who, answer, err)
			continue
		}
		reads(t, c, answer.Body)
	}
	editAgent(t, people["mei"], n.Agents["t_act"], project)
	uploadAvatar(t, nodes, people["ming"], one)
}

// reads looks for what the client reads in the answer.
func reads(t *testing.T, c call, body string) {
	t.Helper()
	if c.reads == "" {
		return
	}
	var object map[string]json.RawMessage
	var list []map[string]json.RawMessage
	if json.Unmarshal([]byte(body), &object) != nil {
		if err := json.Unmarshal([]byte(body), &list); err != nil || len(list) == 0 {
			t.Errorf("%s %s: got %.200s (%v)", c.method, c.path, body, err)
			return
		}
		object = list[0]
	}
	for member := range strings.FieldsSeq(c.reads) {
		if _, ok := object[member]; !ok {
			t.Errorf("%s %s: %q is not in %.300s", c.method, c.path, member, body)
		}
	}
}

// editAgent sends the whole configuration back as it was read, as the client does.
func editAgent(t *testing.T, mei *proctest.Person, id, project string) {
	t.Helper()
	var all []map[string]any
	mei.Call(t, http.MethodGet, "/api/v1/agents/"+project, nil, &all)
	for _, a := range all {
		if a["id"] == id {
			mei.Call(t, http.MethodPut, "/api/v1/agents/"+id, a, nil)
			return
		}
	}
	t.Errorf("the project has no agent %s", id)
}

func uploadAvatar(t *testing.T, nodes *proctest.Nodes, p *proctest.Person, one school) {
	t.Helper()
	files, err := filepath.Glob(testdata + one.static + "/avatars/*.png")
	if err != nil || len(files) == 0 {
		t.Fatalf("got %v, %v", files, err)
	}
	data, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, _ := form.CreateFormFile("file", "me.png")
	_, _ = part.Write(data)
	_ = form.Close()
	a, err := nodes.Do(t.Context(), http.MethodPost, "/api/v1/users/me/avatar", p.Token(), form.FormDataContentType(), body.Bytes())
	if err != nil || a.Status != http.StatusOK {
		t.Errorf("upload a picture: got %+v, %v", a, err)
	}
}
