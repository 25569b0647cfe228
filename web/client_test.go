package web

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/fasthttp/websocket"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/app/llm/llmtest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// spa is the existing web client: it keeps cookies, sends what that client
// sends, and refreshes once when a call is answered with 401.
type spa struct{ *browser }

func (r *rig) spa(t testing.TB) *spa { t.Helper(); return &spa{r.browser(t)} }

// call is the client's HTTP layer: JSON, and one refresh and replay on 401.
// The members are those that its views read.
func (b *spa) call(t testing.TB, status int, method, path string, v any, members ...string) answer {
	t.Helper()
	send := func() answer {
		if v == nil {
			return b.do(t, method, v1+path)
		}
		return b.do(t, method, v1+path, v)
	}
	a := send()
	if a.status == http.StatusUnauthorized {
		if again := b.do(t, post, pathRefresh); again.status != http.StatusOK {
			t.Fatalf("refresh: got %d %s", again.status, again.body)
		}
		a = send()
	}
	if a.status != status {
		t.Fatalf("%s %s: got %d %s, want %d", method, path, a.status, a.body, status)
	}
	if len(members) > 0 {
		a.mustHave(t, members)
	}
	return a
}

// mustHave fails unless the object, or each object of the list, has the members.
func (a answer) mustHave(t testing.TB, members []string) {
	t.Helper()
	rows := []map[string]any{}
	if strings.HasPrefix(a.body, "[") {
		if rows = a.list(t); len(rows) == 0 {
			t.Fatal("got an empty list")
		}
	} else {
		rows = append(rows, a.object(t))
	}
	for _, row := range rows {
		for _, m := range members {
			if _, ok := row[m]; !ok {
				t.Errorf("the client reads %s, which is missing in %.300s", m, a.body)
			}
		}
	}
}

func (b *spa) upload(t testing.TB, status int, path string, fields map[string]string, file []byte) answer {
	t.Helper()
	var buf bytes.Buffer
	form := multipart.NewWriter(&buf)
	for name, value := range fields {
		if err := form.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if file != nil {
		part, err := form.CreateFormFile("file", "me.png")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	a := b.send(t, b.r.anon().with("Content-Type", form.FormDataContentType()), post, v1+path, buf.String())
	if a.status != status {
		t.Fatalf("POST %s: got %d %s, want %d", path, a.status, a.body, status)
	}
	return a
}

func (b *spa) signIn(t testing.TB, login string) {
	t.Helper()
	if a := b.upload(t, http.StatusOK, "/login/access-token", map[string]string{"username": login, "password": testPassword}, nil); a.body != "" {
		t.Errorf("signing in: got the body %q, want none", a.body)
	}
}

// whoami is what the client asks on every page load.
func (b *spa) whoami(t testing.TB) map[string]any {
	t.Helper()
	a := b.call(t, http.StatusOK, post, "/login/test-token", nil)
	if strings.TrimSpace(a.body) == "null" {
		return nil
	}
	a.mustHave(t, []string{"id", "email", "username", "full_name", "role", "avatar_url"})
	return a.object(t)
}

// A day with the existing web client: every call that its mounted views make,
// with the bodies that it sends and the members that it reads.
func TestExistingClient(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, dbURL string) {
		model := llmtest.New(t)
		model.Script(llmtest.Always(llmtest.Response{Text: "Because light scatters."}))
		r := start(t, dbURL, func(cfg *config.Config) { cfg.LLM.OpenAI.BaseURL = model.URL + "/v1" })
		day := &clientDay{rig: r, admin: r.spa(t), teacher: r.spa(t)}
		boss := r.addUser(t, app.RoleSuperAdmin, "boss", true)
		day.admin.signIn(t, boss.Email)
		for _, part := range []struct {
			name string
			run  func(*testing.T)
		}{
			{"signing in", day.signingIn}, {"people", day.people}, {"profile", day.profile}, {"keys", day.keys}, {"workspace", day.workspace},
			{"agent view", day.agentView}, {"my agents", day.myAgents}, {"course", day.courseView}, {"room settings", day.roomSettings},
			{"chat", day.chat}, {"artifacts", day.artifacts}, {"system agents", day.systemAgents}, {"analytics", day.analytics},
			{"database", day.database}, {"impersonation", day.impersonation}, {"expired token", day.expiredToken},
			{"cleaning up", day.cleaningUp}, {"signing out", day.signingOut},
		} {
			if !t.Run(part.name, part.run) {
				return // the rest builds on it
			}
		}
	})
}

// clientDay is what the parts of the day hand on to each other.
type clientDay struct {
	*rig
	admin, teacher                                        *spa
	teacherID, studentID, studentEmail                    string
	project, agent, course, room, organization, otherUser string
}

func (d *clientDay) signingIn(t *testing.T) {
	stranger := d.spa(t)
	if who := stranger.whoami(t); who != nil {
		t.Errorf("nobody is signed in, got %v", who)
	}
	if a := stranger.upload(t, http.StatusBadRequest, "/login/access-token", map[string]string{"username": "x", "password": "y"}, nil); a.text(t, "detail") != "Incorrect username/email or password" {
		t.Errorf("got %s", a.body)
	}
	if who := d.admin.whoami(t); who["role"] != "super_admin" {
		t.Errorf("got %v", who)
	}
}

func (d *clientDay) people(t *testing.T) {
	// Blank fields leave as empty texts, also twice.
	for i, email := range []string{"blank-1@example.org", "blank-2@example.org"} {
		a := d.admin.call(t, http.StatusOK, post, "/users/", body{"email": email, "username": "", "full_name": "", "password": "", "role": "guest"}, "id")
		if i == 1 {
			d.otherUser = a.text(t, "id")
		}
	}
	d.teacherID = d.admin.call(t, http.StatusOK, post, "/users/", body{"email": "tea@example.org", "username": "tea", "full_name": "Ms Tea",
		"password": testPassword, "role": "teacher"}, "id").text(t, "id")
	d.studentEmail = "stu@example.org"
	d.studentID = d.admin.call(t, http.StatusOK, post, "/users/", body{"email": d.studentEmail, "username": "stu", "full_name": "Stu Dent",
		"password": testPassword, "role": "guest"}, "id").text(t, "id")
	if a := d.admin.call(t, http.StatusBadRequest, post, "/users/", body{"email": d.studentEmail, "username": "", "password": testPassword, "role": "guest"}); a.text(t, "detail") != "User already exists" {
		t.Errorf("got %s", a.body)
	}
	d.admin.call(t, http.StatusOK, get, "/users/", nil, "id", "full_name", "username", "email", "role", "is_active")
	d.admin.call(t, http.StatusOK, put, "/users/"+d.studentID, body{"full_name": "Stu Dent", "role": "student", "username": "stu"}, "role")
	d.admin.call(t, http.StatusOK, get, "/users/search?q=stu", nil, "id", "email", "full_name", "username")
	d.teacher.signIn(t, "tea")
}

func (d *clientDay) profile(t *testing.T) {
	d.teacher.call(t, http.StatusOK, put, "/users/me", body{"full_name": "Ms T", "avatar_url": nil}, "full_name", "avatar_url")
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewRGBA(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	at := d.teacher.upload(t, http.StatusOK, "/users/me/avatar", nil, picture.Bytes()).text(t, "avatar_url")
	if !strings.HasPrefix(at, "/static/avatars/") {
		t.Errorf("got avatar_url %q", at)
	}
	if a := d.teacher.do(t, get, at); a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "image/") {
		t.Errorf("the picture: got %d %s", a.status, a.header.Get("Content-Type"))
	}
	// The dialog sends back what it has read.
	d.teacher.call(t, http.StatusOK, put, "/users/me", body{"full_name": "Ms T", "avatar_url": at})
}

func (d *clientDay) keys(t *testing.T) {
	// The list that the dialog offers.
	for _, provider := range []string{"openai", "gemini", "claude"} {
		key := d.teacher.call(t, http.StatusOK, post, "/users/keys", body{"provider": provider, "alias": "mine", "api_key": "sk-wallet-key-1", "description": ""}).text(t, "id")
		d.teacher.call(t, http.StatusOK, get, "/users/keys", nil, "id", "alias", "provider", "masked_key", "created_at")
		d.teacher.call(t, http.StatusNoContent, del, "/users/keys/"+key, nil)
	}
}

func (d *clientDay) workspace(t *testing.T) {
	d.organization = d.teacher.call(t, http.StatusOK, post, "/organizations", body{"name": "School", "description": ""}, "id", "name").text(t, "id")
	d.teacher.call(t, http.StatusOK, get, "/organizations", nil, "id", "name")
	d.project = d.teacher.call(t, http.StatusOK, post, "/projects", body{"name": "Physics", "description": "", "organization_id": d.organization}, "id").text(t, "id")
	d.teacher.call(t, http.StatusOK, get, "/projects?org_id="+d.organization, nil, "id", "name")
}

func (d *clientDay) agentView(t *testing.T) {
	agents := d.teacher.call(t, http.StatusOK, get, "/agents/"+d.project, nil, "id", "name", "type", "system_prompt", "model_provider", "model",
		"is_active", "is_external", "external_config", "trigger_config", "context_window", "user_key_ids", "created_by", "updated_at").list(t)
	var whole map[string]any
	for _, ag := range agents {
		if ag["type"] == "teacher" {
			whole = ag
		}
	}
	if whole == nil {
		t.Fatal("a new project has no teacher agent, and the client cannot make one")
	}
	d.agent = whole["id"].(string)
	// The view saves the object as it was read, with what the person changed.
	whole["name"], whole["model_provider"], whole["model"], whole["api_key"], whole["is_active"] = "Herr Licht", "openai", "gpt-4o", "sk-agent-key-1", true
	whole["trigger_config"] = body{"type": "message_count", "value": 1}
	d.teacher.call(t, http.StatusOK, put, "/agents/"+d.agent, whole)
	for _, ag := range d.teacher.call(t, http.StatusOK, get, "/agents/"+d.project, nil).list(t) {
		if ag["id"] == d.agent && (ag["name"] != "Herr Licht" || ag["model"] != "gpt-4o" || ag["masked_api_key"] != "sk******-1") {
			t.Errorf("the agent was not stored: %v", ag)
		}
	}
	d.teacher.call(t, http.StatusOK, post, "/agent-config/"+d.agent+"/versions", body{"version_label": ""})
	d.teacher.call(t, http.StatusOK, get, "/agent-config/"+d.agent+"/versions", nil, "id", "version_label", "created_at", "model_provider", "system_prompt")
	if got := d.teacher.call(t, http.StatusOK, post, "/threads/stateless/"+d.agent, body{"message": "Why is the sky blue?"}).text(t, "reply"); got != "Because light scatters." {
		t.Errorf("the sandbox says %q", got)
	}
}

func (d *clientDay) myAgents(t *testing.T) {
	id := d.teacher.call(t, http.StatusOK, post, "/agents/global", body{"name": "Mine", "type": "teacher", "system_prompt": "Be kind.",
		"model_provider": "openai", "model": "gpt-4o", "api_key": "sk-mine-key-1"}).text(t, "id")
	d.teacher.call(t, http.StatusOK, get, "/agents/global/list", nil, "id", "name", "type", "model_provider")
	d.teacher.call(t, http.StatusOK, put, "/agents/"+id, body{"name": "Mine too", "type": "teacher", "system_prompt": "Be kind.",
		"model_provider": "openai", "model": "gpt-4o", "api_key": ""})
	if own := d.teacher.call(t, http.StatusOK, get, "/agents/global/list", nil).list(t)[0]; own["name"] != "Mine too" || own["masked_api_key"] == nil {
		t.Errorf("an empty key must keep the stored one, and the name must change: %v", own)
	}
	d.teacher.call(t, http.StatusNoContent, del, "/agents/"+id, nil)
}

func (d *clientDay) courseView(t *testing.T) {
	d.course = d.teacher.call(t, http.StatusOK, post, "/courses/", body{"title": "Light", "description": ""}, "id", "title").text(t, "id")
	d.teacher.call(t, http.StatusOK, get, "/courses/", nil, "id", "title", "description", "owner_id", "owner_name", "created_at")
	d.teacher.call(t, http.StatusOK, put, "/courses/"+d.course, body{"title": "Light and colour", "description": "x"})
	d.teacher.call(t, http.StatusOK, get, "/courses/"+d.course, nil, "id", "title", "description", "owner_id")
	d.teacher.call(t, http.StatusOK, post, "/courses/"+d.course+"/enroll", body{"user_email": nil, "user_id": d.studentID, "role": "student"})
	d.teacher.call(t, http.StatusOK, post, "/courses/"+d.course+"/enroll", body{"user_email": "blank-1@example.org", "user_id": nil, "role": "student"})
	d.teacher.call(t, http.StatusOK, get, "/courses/"+d.course+"/members", nil, "user_id", "email", "full_name", "avatar_url", "role")
	d.teacher.call(t, http.StatusOK, put, "/courses/"+d.course+"/members/"+d.studentID, body{"role": "ta"})
	d.teacher.call(t, http.StatusOK, put, "/courses/"+d.course+"/members/"+d.studentID, body{"role": "student"})
	d.teacher.call(t, http.StatusOK, post, "/announcements/", body{"title": "Welcome", "content": "Read chapter 1.", "course_id": d.course})
	d.teacher.call(t, http.StatusOK, get, "/announcements/?course_id="+d.course, nil, "id", "title", "content", "created_at")
	d.room = d.teacher.call(t, http.StatusOK, post, "/rooms/", body{"name": "Group 1", "course_id": d.course}, "id", "name", "is_ai_active").text(t, "id")
	d.teacher.call(t, http.StatusOK, get, "/rooms/?course_id="+d.course, nil, "id", "name", "is_ai_active")
}

func (d *clientDay) roomSettings(t *testing.T) {
	d.teacher.call(t, http.StatusOK, get, "/rooms/"+d.room, nil, "course_id", "ai_frequency", "is_analytics_active")
	d.teacher.call(t, http.StatusOK, put, "/rooms/"+d.room, body{"name": "Group 1", "ai_frequency": 1, "is_analytics_active": true})
	d.teacher.call(t, http.StatusOK, get, "/projects", nil, "id", "name")
	d.teacher.call(t, http.StatusOK, post, "/rooms/"+d.room+"/agents/"+d.agent, nil)
	d.teacher.call(t, http.StatusOK, get, "/rooms/"+d.room+"/agents", nil, "id", "name", "type")
	d.teacher.call(t, http.StatusOK, post, "/rooms/"+d.room+"/assign", body{"user_email": nil, "user_id": d.studentID, "role": "student"})
}

// chat opens the socket as the client does, by the cookie alone, and reads
// frames until the agent has answered.
func (d *clientDay) chat(t *testing.T) {
	d.teacher.call(t, http.StatusOK, get, "/chat/messages/"+d.room, nil)
	conn := d.socket(t, d.teacher)
	if err := conn.WriteMessage(websocket.TextMessage, []byte("Why is the sky blue?")); err != nil {
		t.Fatal(err)
	}
	var said []string
	for len(said) < 2 {
		_, text, err := conn.ReadMessage()
		if err != nil {
			t.Fatalf("after %q: %v", said, err)
		}
		var f struct {
			Type, Sender, Content, Timestamp string
			Metadata                         map[string]any
		}
		if err := json.Unmarshal(text, &f); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if f.Type != "message" {
			continue
		}
		wantTime(t, f.Timestamp)
		said = append(said, f.Sender+": "+f.Content)
		if own := f.Metadata["sender_id"] == d.teacherID; own == (f.Metadata["is_ai"] == true) {
			t.Errorf("who said it is unclear: %s", text)
		}
	}
	if got, want := strings.Join(said, " | "), "Ms T: Why is the sky blue? | [Teacher AI]: Because light scatters."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	d.teacher.call(t, http.StatusOK, get, "/chat/messages/"+d.room, nil, "sender", "content", "sender_id", "agent_type", "created_at")
}

func (d *clientDay) artifacts(t *testing.T) {
	at := "/workspaces/" + d.room + "/artifacts"
	task := d.teacher.call(t, http.StatusCreated, post, at, body{"type": "task", "title": "Build a prism",
		"content": body{"status": "todo", "priority": "high", "order": 3}}).text(t, "id")
	// Moving a card sends its new column alone.
	moved := d.teacher.call(t, http.StatusOK, put, "/workspaces/artifacts/"+task, body{"content": body{"status": "done"}}).object(t)
	if content := text(moved["content"]); !strings.Contains(content, `"priority":"high"`) || !strings.Contains(content, `"done"`) {
		t.Errorf("the card lost something: %s", content)
	}
	doc := d.teacher.call(t, http.StatusCreated, post, at, body{"type": "doc", "title": "Notes", "content": body{"type": "doc", "content": []any{}}}).text(t, "id")
	d.teacher.call(t, http.StatusOK, put, "/workspaces/artifacts/"+doc, body{"title": "Our notes"})
	d.teacher.call(t, http.StatusOK, get, at, nil, "id", "room_id", "type", "title", "content", "version", "last_modified_by", "created_by", "created_at", "updated_at")
	d.teacher.call(t, http.StatusNoContent, del, "/workspaces/artifacts/"+doc+"?hard_delete=false", nil)
}

func (d *clientDay) systemAgents(t *testing.T) {
	d.admin.call(t, http.StatusOK, get, "/agents/system", nil)
	d.admin.call(t, http.StatusOK, put, "/agents/system/design", body{"name": "System Design Agent", "type": "design",
		"system_prompt": "Write prompts.", "model_provider": "openai", "api_key": "sk-design-key-1", "model": "gpt-4o"})
	d.admin.call(t, http.StatusOK, put, "/agents/system/analytics", body{"type": "analytics", "system_prompt": "Analyse.",
		"model_provider": "openai", "api_key": "sk-analytics-key-1"})
	// Saved again without typing the keys anew.
	d.admin.call(t, http.StatusOK, put, "/agents/system/analytics", body{"type": "analytics", "system_prompt": "Analyse well.", "model_provider": "openai", "api_key": ""})
	d.admin.call(t, http.StatusOK, put, "/agents/system/design", body{"name": "System Design Agent", "type": "design",
		"system_prompt": "Write good prompts.", "model_provider": "openai", "api_key": nil, "model": "gpt-4o"})
	var design string
	for _, ag := range d.admin.call(t, http.StatusOK, get, "/agents/system", nil, "type", "id", "system_prompt", "model_provider", "masked_api_key").list(t) {
		if ag["masked_api_key"] == nil && (ag["type"] == "design" || ag["type"] == "analytics") {
			t.Errorf("the %v agent has lost its key", ag["type"])
		}
		if ag["type"] == "design" {
			design, _ = ag["id"].(string)
		}
	}
	version := d.admin.call(t, http.StatusOK, post, "/agent-config/"+design+"/versions", body{"version_label": "v1"}).text(t, "id")
	d.admin.call(t, http.StatusOK, post, "/agent-config/"+design+"/versions/"+version+"/restore", nil, "system_prompt", "masked_api_key")
	for _, who := range []*spa{d.admin, d.teacher} {
		if got := who.call(t, http.StatusOK, post, "/agents/generate", body{"requirement": "A kind tutor", "target_agent_type": "teacher",
			"provider": "openai", "custom_system_prompt": "", "project_id": d.project}).text(t, "generated_prompt"); got == "" {
			t.Error("no prompt was generated")
		}
	}
}

func (d *clientDay) analytics(t *testing.T) {
	report := d.teacher.call(t, http.StatusOK, post, "/analytics/"+d.course+"/generate", nil, "id", "report_type", "content", "created_at")
	if !strings.Contains(report.text(t, "content"), "Because light scatters.") {
		t.Errorf("got the report %s", report.body)
	}
	d.teacher.call(t, http.StatusOK, get, "/analytics/"+d.course, nil, "id", "report_type", "content", "created_at")
}

func (d *clientDay) database(t *testing.T) {
	var tables []string
	if err := json.Unmarshal([]byte(d.admin.call(t, http.StatusOK, get, "/admin/db/tables", nil).body), &tables); err != nil || len(tables) == 0 {
		t.Fatalf("tables: %v (%v)", tables, err)
	}
	for _, table := range tables {
		d.admin.call(t, http.StatusOK, get, "/admin/db/tables/"+table+"?limit=50&offset=0&resolve_relations=true&search=light"+
			"&start_date=2020-01-01T00:00:00.000Z&end_date=2099-01-01T00:00:00.000Z", nil)
	}
}

func (d *clientDay) impersonation(t *testing.T) {
	d.admin.call(t, http.StatusOK, post, "/login/impersonate/"+d.studentID, nil)
	if who := d.admin.whoami(t); who["id"] != d.studentID || d.admin.cookie("is_impersonating") != "true" {
		t.Errorf("acting as the student: got %v, flag %q", who, d.admin.cookie("is_impersonating"))
	}
	d.admin.call(t, http.StatusOK, post, "/login/stop-impersonate", nil)
	if who := d.admin.whoami(t); who["role"] != "super_admin" || d.admin.cookie("is_impersonating") != "" {
		t.Errorf("oneself again: got %v", who)
	}
}

// expiredToken has the browser's access token run out: the next call refreshes
// and is replayed, and nobody notices.
func (d *clientDay) expiredToken(t *testing.T) {
	token := d.teacher.cookie("access_token")
	old := d.token(t, claim(t, token, "sub"), claim(t, token, "sid"), time.Now().Add(-time.Minute))
	d.teacher.jar.SetCookies(d.teacher.at("/"), []*http.Cookie{{Name: "access_token", Value: old, Path: "/"}})
	d.teacher.call(t, http.StatusOK, get, "/courses/", nil, "id")
	if d.teacher.cookie("access_token") == old {
		t.Error("the client did not have to refresh")
	}
}

func (d *clientDay) cleaningUp(t *testing.T) {
	d.teacher.call(t, http.StatusOK, del, "/rooms/"+d.room+"/agents/"+d.agent, nil)
	d.teacher.call(t, http.StatusOK, post, "/rooms/"+d.room+"/agents/"+d.agent, nil)
	d.teacher.call(t, http.StatusOK, del, "/courses/"+d.course+"/members/"+d.studentID, nil)
	d.teacher.call(t, http.StatusNoContent, del, "/rooms/"+d.room, nil)
	d.teacher.call(t, http.StatusOK, del, "/courses/"+d.course, nil)
	d.admin.call(t, http.StatusOK, del, "/users/"+d.otherUser, nil)
	// Somebody who owns an organisation can be deleted too.
	d.admin.call(t, http.StatusOK, del, "/users/"+d.teacherID, nil)
	if a := d.admin.call(t, http.StatusNotFound, del, "/users/"+store.NewID(), nil); a.text(t, "detail") != "User not found" {
		t.Errorf("got %s", a.body)
	}
}

func (d *clientDay) signingOut(t *testing.T) {
	d.admin.call(t, http.StatusOK, post, "/login/logout", nil)
	if who := d.admin.whoami(t); who != nil {
		t.Errorf("still signed in as %v", who)
	}
	if who := d.teacher.whoami(t); who != nil {
		t.Errorf("a deleted person is still signed in as %v", who)
	}
}
