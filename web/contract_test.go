package web

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app"
	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

var zTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$`)

func wantTime(t testing.TB, v any) {
	t.Helper()
	if s, ok := v.(string); !ok || !zTime.MatchString(s) {
		t.Errorf("got time %v, want RFC 3339 with Z and at most microseconds", v)
	}
}

// eachWorld runs rules on both databases. The rules of a world take turns: a
// subtest that waits for its turn would keep a whole server busy meanwhile.
func eachWorld(t *testing.T, rules map[string]func(*testing.T, *world)) {
	t.Helper()
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		for name, rule := range rules {
			t.Run(name, func(t *testing.T) { rule(t, w) })
		}
	})
}

func TestUsers(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			email := store.NewID() + "@example.org"
			got := w.as(admin).must(t, 200, post, v1+"/users/", body{"email": email, "username": "", "full_name": "Ada", "role": "ta",
				"password": testPassword, "unknown": 1}).object(t)
			wantMembers(t, got, "id", "email", "username", "full_name", "role", "avatar_url", "is_active", "created_at")
			wantTime(t, got["created_at"])
			if got["email"] != email || got["username"] != nil || got["full_name"] != "Ada" || got["role"] != "ta" || got["is_active"] != true {
				t.Errorf("got %v", got)
			}
			wantSession(t, w.anon().do(t, post, signInPath, form(email, testPassword)))
			// A second blank user name is no duplicate.
			w.as(admin).must(t, 200, post, v1+"/users/", body{"email": store.NewID() + "@example.org", "username": " "})
		},
		"only super admins make admins": func(t *testing.T, w *world) {
			b := body{"email": store.NewID() + "@example.org", "role": "admin"}
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", b), 403, "Only Super Admins can create Admin accounts")
			w.as(superAdmin).must(t, 200, post, v1+"/users/", b)
		},
		"taken": func(t *testing.T, w *world) {
			u := w.users[student]
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": strings.ToUpper(u.Email)}), 400, "User already exists")
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": store.NewID() + "@x.org", "username": *u.Username}), 400, "User already exists")
		},
		"the role comes before the body": func(t *testing.T, w *world) {
			wantProblem(t, w.as(student).do(t, post, v1+"/users/", "{"), 403, "Not enough permissions")
			wantProblem(t, w.anon().do(t, post, v1+"/users/", "{"), 401, "Not authenticated")
		},
		"invalid": func(t *testing.T, w *world) {
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": nil}), 422, "email: must be a text")
			wantProblem(t, w.as(admin).do(t, post, v1+"/users/", body{"email": "a@b.org", "role": "king"}), 422,
				"role: must be one of guest, student, ta, teacher, admin, super_admin")
		},
	})
}

func TestWorkspaces(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"organisations": func(t *testing.T, w *world) {
			got := w.as(guest).must(t, 200, post, v1+"/organizations", body{"name": "Zoo", "description": "Animals"}).object(t)
			wantMembers(t, got, "id", "name", "description", "owner_id", "created_at")
			if got["owner_id"] != w.users[guest].ID || got["description"] != "Animals" {
				t.Errorf("got %v", got)
			}
			if list := w.as(guest).must(t, 200, get, v1+"/organizations").list(t); len(list) != 1 || list[0]["id"] != got["id"] {
				t.Errorf("got %v, want the one that was made", list)
			}
		},
		"a new project has two agents that answer": func(t *testing.T, w *world) {
			org := w.as(ta).must(t, 200, post, v1+"/organizations", body{"name": "Mine"}).text(t, "id")
			p := w.as(ta).must(t, 200, post, v1+"/projects", body{"name": "P", "organization_id": strings.ToUpper(org)}).object(t)
			wantMembers(t, p, "id", "organization_id", "name", "description", "created_at")
			agents := w.as(ta).must(t, 200, get, v1+"/agents/"+p["id"].(string)).list(t)
			if len(agents) != 2 || agents[0]["type"] != "teacher" || agents[1]["type"] != "student" {
				t.Fatalf("got %v, want a teacher and a student", agents)
			}
			for _, a := range agents {
				if a["model_provider"] != "offline" || a["is_active"] != true {
					t.Errorf("got %v, want an active agent on the offline provider", a)
				}
			}
			for query, want := range map[string]int{"": 1, "?org_id=" + org: 1, "?org_id=" + store.NewID(): 0, "?skip=1": 0} {
				if list := w.as(ta).must(t, 200, get, v1+"/projects"+query).list(t); len(list) != want {
					t.Errorf("%q: got %d projects, want %d", query, len(list), want)
				}
			}
		},
		"not a member": func(t *testing.T, w *world) {
			wantProblem(t, w.as(student).do(t, post, v1+"/projects", body{"name": "P", "organization_id": store.NewID()}), 403,
				"Not enough permissions in organization")
			wantProblem(t, w.as(admin).do(t, post, v1+"/projects", body{"name": "P", "organization_id": store.NewID()}), 404, "Organization not found")
		},
		"windows": func(t *testing.T, w *world) {
			for query, detail := range map[string]string{"skip=-1": "skip: must be 0 or more", "limit=0": "limit: must be 1 or more",
				"limit=1001": "limit: must be 1000 or less", "limit=x": "limit: must be a whole number", "skip=99999999999999999999": "skip: must be a whole number",
				"org_id=5": "org_id: must be a UUID such as 0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90 (invalid UUID length: 1)"} {
				wantProblem(t, w.as(student).do(t, get, v1+"/projects?"+query), 422, detail)
			}
		},
	})
}

func TestCourses(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			made := w.as(otherTeacher).must(t, 200, post, v1+"/courses/", body{"title": " Maths ", "description": nil}).object(t)
			wantMembers(t, made, "id", "title", "description", "owner_id", "owner_name", "created_at")
			wantTime(t, made["created_at"])
			if made["title"] != "Maths" || made["owner_name"] != nil || made["owner_id"] != w.users[otherTeacher].ID {
				t.Errorf("got %v", made)
			}
			got := w.as(otherTeacher).must(t, 200, get, v1+"/courses/"+made["id"].(string)).object(t)
			if got["owner_name"] != nil || got["id"] != made["id"] {
				t.Errorf("got %v, want what was made", got)
			}
		},
		"the list has the owner's name": func(t *testing.T, w *world) {
			list := w.as(student).must(t, 200, get, v1+"/courses/").list(t)
			if len(list) != 1 || list[0]["id"] != w.course || list[0]["owner_name"] != *w.users[owner].FullName {
				t.Errorf("got %v, want the one course with its owner's name", list)
			}
			if list := w.as(guest).must(t, 200, get, v1+"/courses/"); strings.TrimSpace(list.body) != "[]" {
				t.Errorf("got %s, want []", list.body)
			}
		},
		"unknown and malformed": func(t *testing.T, w *world) {
			wantProblem(t, w.as(guest).do(t, get, v1+"/courses/"+store.NewID()), 404, "Course not found")
			a := w.as(guest).do(t, get, v1+"/courses/nonsense")
			if a.status != 422 || !strings.HasPrefix(a.text(t, "detail"), "course_id: must be a UUID") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		},
		"enrol": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			path := v1 + "/courses/" + course + "/enroll"
			u := w.users[otherStudent]
			said := func(a answer, want string) {
				t.Helper()
				if got := a.text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			said(w.as(owner).must(t, 200, post, path, body{"user_email": strings.ToUpper(u.Email), "user_id": nil}), "User "+*u.FullName+" enrolled as student")
			said(w.as(owner).must(t, 200, post, path, body{"user_id": u.ID, "role": "ta"}), "User already enrolled")
			said(w.as(owner).must(t, 200, post, path, body{"user_id": w.users[ta].ID, "role": "ta"}), "User "+*w.users[ta].FullName+" enrolled as ta")
			wantProblem(t, w.as(ta).do(t, post, path, body{"user_id": w.users[guest].ID, "role": "ta"}), 403, "TAs can enroll students only")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_id": store.NewID()}), 404, "User not found")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_email": "nobody@example.org"}), 404, "User not found")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_email": nil, "user_id": nil}), 422, "user_email: send user_email or user_id")
			wantProblem(t, w.as(owner).do(t, post, path, body{"user_id": u.ID, "role": "king"}), 422, "role: must be one of student, ta, teacher")
			wantProblem(t, w.as(owner).do(t, post, v1+"/courses/"+store.NewID()+"/enroll", body{"user_id": u.ID}), 404, "Course not found")
		},
		"members": func(t *testing.T, w *world) {
			list := w.as(student).must(t, 200, get, v1+"/courses/"+w.course+"/members").list(t)
			roles := map[any]any{}
			for _, m := range list {
				wantMembers(t, m, "user_id", "email", "full_name", "avatar_url", "role")
				roles[m["user_id"]] = m["role"]
			}
			for who, want := range map[string]string{owner: "teacher", ta: "ta", student: "student"} {
				if got := roles[w.users[who].ID]; got != want {
					t.Errorf("%s: got role %v, want %s", who, got, want)
				}
			}
			if len(list) != 3 {
				t.Errorf("got %d members, want 3", len(list))
			}
		},
	})
}

func TestRooms(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			made := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Lab", "course_id": strings.ReplaceAll(course, "-", "")}).object(t)
			wantMembers(t, made, "id", "course_id", "name", "description", "is_ai_active", "is_analytics_active", "ai_frequency", "ai_mode", "created_at")
			wantTime(t, made["created_at"])
			for member, want := range map[string]any{"course_id": course, "description": nil, "is_ai_active": true, "is_analytics_active": false,
				"ai_frequency": 0.5, "ai_mode": "teacher_only"} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			if list := w.as(owner).must(t, 200, get, v1+"/rooms/?course_id={"+course+"}").list(t); len(list) != 2 {
				t.Errorf("got %d rooms, want 2", len(list))
			}
		},
		"only linked rooms are listed to those without a place in the course": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Second", "course_id": course})
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/assign", body{"user_id": w.users[guest].ID})
			if list := w.as(guest).must(t, 200, get, v1+"/rooms/?course_id="+course).list(t); len(list) != 1 || list[0]["id"] != room {
				t.Errorf("got %v, want the one linked room", list)
			}
		},
		"update changes what is sent": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			path := v1 + "/rooms/" + room
			w.as(owner).must(t, 200, put, path, body{"description": "Old", "ai_frequency": 0.25})
			got := w.as(owner).must(t, 200, put, path, body{"description": nil, "name": "New"}).object(t)
			if got["description"] != nil || got["name"] != "New" || got["ai_frequency"] != 0.25 {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, path, body{"name": nil}), 422, "name: must not be null, leave it out to keep what is stored")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_frequency": 2}), 422, "ai_frequency: must be between 0 and 1")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_mode": "loud"}), 422, "ai_mode: must be one of off, teacher_only, both")
			wantProblem(t, w.as(owner).do(t, put, path, body{"ai_mode": 5, "is_ai_active": "x"}), 422, "ai_mode: must be a text; is_ai_active: must be true or false")
		},
		"assign": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			for _, want := range []string{"User " + *w.users[guest].FullName + " assigned to room", "User already assigned to room"} {
				if got := w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/assign", body{"user_email": w.users[guest].Email}).text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			w.as(guest).must(t, 200, get, v1+"/rooms/"+room)
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+store.NewID()+"/assign", body{"user_id": w.users[guest].ID}), 404, "Room not found")
		},
		"agents": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			agent := w.newAgent(t)
			at := v1 + "/rooms/" + room + "/agents"
			for _, want := range []string{"Agent assigned to room", "Agent already assigned to room"} {
				if got := w.as(owner).must(t, 200, post, at+"/"+strings.ToUpper(agent)).text(t, "message"); got != want {
					t.Errorf("got %q, want %q", got, want)
				}
			}
			if list := w.as(owner).must(t, 200, get, at).list(t); len(list) != 1 || list[0]["system_prompt"] != "Teach." || list[0]["masked_api_key"] == nil {
				t.Errorf("got %v, want the whole agent for staff", list)
			}
			if got := w.as(owner).must(t, 200, del, at+"/"+agent).text(t, "message"); got != "Agent removed from room" {
				t.Errorf("got %q", got)
			}
			wantProblem(t, w.as(owner).do(t, del, at+"/"+agent), 404, "Agent not assigned to this room")
			wantProblem(t, w.as(owner).do(t, post, at+"/"+store.NewID()), 404, "Agent not found")
		},
		"readers see an agent's face alone": func(t *testing.T, w *world) {
			face := w.as(student).must(t, 200, get, v1+"/rooms/"+w.room+"/agents").list(t)[0]
			wantMembers(t, face, agentMembers...)
			for member, v := range face {
				switch member {
				case "id", "type", "name", "category", "is_active", "is_external":
				default:
					if list, ok := v.([]any); v != nil && v != "" && v != false && v != 0.0 && (!ok || len(list) > 0) {
						t.Errorf("a student sees %s: %v", member, v)
					}
				}
			}
			if face["id"] != w.agent || face["category"] != "instructor" {
				t.Errorf("got %v", face)
			}
		},
	})
}

var agentMembers = []string{"id", "project_id", "type", "name", "category", "model_provider", "model", "system_prompt", "settings",
	"trigger_config", "schedule_config", "context_window", "is_active", "parent_config_id", "is_template", "is_external", "external_config",
	"capabilities", "created_by", "updated_at", "masked_api_key", "user_key_ids"}

func TestAgents(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			made := w.as(owner).must(t, 200, post, v1+"/agents/"+w.project, body{"type": "design", "system_prompt": "Draw.", "model_provider": "offline",
				"name": "Painter", "capabilities": []string{"draw"}, "user_key_ids": []string{strings.ToUpper(w.agent)}, "context_window": 7}).object(t)
			wantMembers(t, made, agentMembers...)
			wantTime(t, made["updated_at"])
			for member, want := range map[string]any{"project_id": w.project, "name": "Painter", "category": "utility", "is_active": true,
				"context_window": 7.0, "created_by": w.users[owner].ID, "masked_api_key": nil, "model": nil} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			if keys := made["user_key_ids"].([]any); len(keys) != 1 || keys[0] != w.agent {
				t.Errorf("got key ids %v, want the id in lower case", keys)
			}
		},
		"a name is taken once for each type": func(t *testing.T, w *world) {
			b := body{"type": "analytics", "system_prompt": "", "model_provider": "offline", "name": "Twin"}
			w.as(owner).must(t, 200, post, v1+"/agents/"+w.project, b)
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+w.project, b), 400, "A brain with this name already exists for this agent type.")
		},
		"type and prompt are required": func(t *testing.T, w *world) {
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+w.project, body{}), 422, "system_prompt: is missing; type: is missing")
			wantProblem(t, w.as(owner).do(t, post, v1+"/agents/"+store.NewID(), body{"type": "teacher", "system_prompt": ""}), 404, "Project not found")
		},
		"a key is shown as its mask, which keeps it": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			const mask = "sk******9c" // of apptest.CanaryKey
			for _, key := range []any{mask, "", nil} {
				if got := w.as(owner).must(t, 200, put, path, body{"api_key": key}).object(t)["masked_api_key"]; got != mask {
					t.Errorf("after %v: got %v, want %s", key, got, mask)
				}
			}
			if got := w.as(owner).must(t, 200, put, path, body{"api_key": "new-key-0123"}).object(t)["masked_api_key"]; got != "ne******23" {
				t.Errorf("got %v, want the mask of the new key", got)
			}
		},
		"objects keep the order of their members": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			const sent = `{"zeta":1,"a":{"y":[1,2.50],"b":"<é>"},"m":null}`
			a := w.as(owner).must(t, 200, put, path, `{"trigger_config": `+sent+`, "settings": `+sent+`}`)
			for _, member := range []string{"trigger_config", "settings"} {
				if !strings.Contains(a.body, `"`+member+`":`+sent) {
					t.Errorf("got %s, want %s as it was sent", a.body, member)
				}
			}
			got := w.as(owner).must(t, 200, put, path, body{"trigger_config": nil}).object(t)
			if got["trigger_config"] != nil || got["settings"] == nil {
				t.Errorf("got %v, want no trigger and the old settings", got)
			}
		},
		"what was read can be sent back whole": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			read := w.as(owner).must(t, 200, put, path, body{"schedule_config": body{"general": body{"mode": "none"}}}).object(t)
			again := w.as(owner).must(t, 200, put, path, read).object(t)
			delete(read, "updated_at")
			delete(again, "updated_at")
			for member, want := range read {
				if text(again[member]) != text(want) {
					t.Errorf("%s: got %v, want %v", member, again[member], want)
				}
			}
		},
		"invalid": func(t *testing.T, w *world) {
			path := v1 + "/agents/" + w.newAgent(t)
			for sent, detail := range map[string]string{
				`{"context_window": 1e30}`:          "context_window: must be 1000 or less",
				`{"context_window": 0}`:             "context_window: must be 1 or more",
				`{"context_window": "ten"}`:         "context_window: must be a whole number",
				`{"name": null}`:                    "name: must not be null, leave it out to keep what is stored",
				`{"settings": []}`:                  "settings: must be an object",
				`{"settings": null}`:                "settings: must not be null, leave it out to keep what is stored",
				`{"capabilities": [1]}`:             "capabilities[0]: must be a text",
				`{"name": "a\u0000b"}`:              "name: remove the NUL character",
				`{"trigger_config": {"a\u0000":1}}`: "trigger_config: remove the NUL character",
				`{"category": "king"}`:              "category: must be one of instructor, participant, utility",
			} {
				wantProblem(t, w.as(owner).do(t, put, path, sent), 422, detail)
			}
		},
		"activate": func(t *testing.T, w *world) {
			first, second := w.newAgent(t), w.newAgent(t)
			w.as(owner).must(t, 200, put, v1+"/agents/"+first+"/activate")
			if got := w.as(owner).must(t, 200, put, v1+"/agents/"+second+"/activate").object(t); got["is_active"] != true {
				t.Errorf("got %v", got)
			}
			for _, a := range w.as(owner).must(t, 200, get, v1+"/agents/"+w.project).list(t) {
				if a["id"] == first && a["is_active"] != false {
					t.Error("the other agent of the type is still active")
				}
			}
		},
		"delete": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			w.as(owner).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+agent)
			if a := w.as(owner).must(t, http.StatusNoContent, del, v1+"/agents/"+agent); a.body != "" {
				t.Errorf("got %q, want no body", a.body)
			}
			wantProblem(t, w.as(owner).do(t, del, v1+"/agents/"+agent), 404, "Agent config not found")
			wantProblem(t, w.as(owner).do(t, put, v1+"/agents/"+agent, body{}), 404, "Agent config not found")
			wantProblem(t, w.as(owner).do(t, put, v1+"/agents/"+agent+"/activate"), 404, "Agent config not found")
		},
	})
}

func TestMessages(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			at := v1 + "/rooms/" + room + "/messages"
			first := w.as(owner).must(t, 201, post, at, body{"text": " Guten Tag <b>é</b> ", "client_id": "one"})
			made := first.object(t)
			wantMembers(t, made, "id", "seq", "room_id", "client_id", "content", "sender", "sender_id", "created_at")
			wantTime(t, made["created_at"])
			for member, want := range map[string]any{"seq": 1.0, "room_id": room, "client_id": "one", "content": " Guten Tag <b>é</b> ",
				"sender": *w.users[owner].FullName, "sender_id": w.users[owner].ID} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			again := w.as(owner).must(t, 200, post, at, body{"text": "other text", "client_id": "one"})
			if again.body != first.body {
				t.Errorf("resent: got %s, want the first answer %s", again.body, first.body)
			}
		},
		"history": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			for _, text := range []string{"a", "b", "c"} {
				w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": text})
			}
			at := v1 + "/chat/messages/" + room
			contents := func(query string) string {
				var b strings.Builder
				for _, m := range w.as(owner).must(t, 200, get, at+query).list(t) {
					wantMembers(t, m, "id", "seq", "sender", "sender_id", "content", "agent_type", "agent_id", "agent_name", "turn_id", "created_at")
					wantTime(t, m["created_at"])
					if m["sender"] != *w.users[owner].FullName || m["sender_id"] != w.users[owner].ID || m["agent_type"] != nil {
						t.Errorf("got %v", m)
					}
					b.WriteString(m["content"].(string))
				}
				return b.String()
			}
			for query, want := range map[string]string{"": "abc", "?limit=2": "bc", "?before=3&limit=1": "b", "?before=1": "", "?before=0": "abc"} {
				if got := contents(query); got != want {
					t.Errorf("%q: got %q, want %q", query, got, want)
				}
			}
			wantProblem(t, w.as(owner).do(t, get, at+"?limit=0"), 422, "limit: must be 1 or more")
			wantProblem(t, w.as(owner).do(t, get, at+"?before=-1"), 422, "before: must be 0 or more")
			wantProblem(t, w.as(owner).do(t, get, v1+"/chat/messages/"+store.NewID()), 404, "Room not found")
		},
		"an agent's line carries its name": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Live", "course_id": course, "ai_frequency": 1}).text(t, "id")
			w.as(owner).must(t, 200, post, v1+"/rooms/"+room+"/agents/"+w.agent)
			w.as(owner).must(t, 201, post, v1+"/rooms/"+room+"/messages", body{"text": "@teacher hello"})
			var line map[string]any
			eventually(t, "the agent's answer", func() bool {
				list := w.as(owner).must(t, 200, get, v1+"/chat/messages/"+room).list(t)
				line = list[len(list)-1]
				return len(list) > 1
			})
			if line["sender"] != "Teacher AI" || line["agent_type"] != "teacher" || line["agent_id"] != w.agent || line["sender_id"] != nil || line["turn_id"] == nil {
				t.Errorf("got %v, want the teacher agent's line", line)
			}
		},
		"invalid": func(t *testing.T, w *world) {
			at := v1 + "/rooms/" + w.room + "/messages"
			for sent, detail := range map[string]string{`{}`: "text: is missing", `{"text":" "}`: "text: must not be empty", `{"text":null}`: "text: must be a text",
				`{"text":"a\u0000"}`: "text: remove the NUL character"} {
				wantProblem(t, w.as(owner).do(t, post, at, sent), 422, detail)
			}
			wantProblem(t, w.as(owner).do(t, post, at, body{"text": "x", "client_id": strings.Repeat("x", 65)}), 422,
				"client_id: has 65 characters, at most 64 are possible")
			if a := w.as(owner).do(t, post, at, body{"text": strings.Repeat("x", int(w.cfg.Limits.MessageBytes)+1)}); a.status != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d %s, want 413", a.status, a.body)
			}
			wantProblem(t, w.as(owner).do(t, post, v1+"/rooms/"+store.NewID()+"/messages", body{"text": "x"}), 404, "Room not found")
		},
	})
}

func TestReady(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		r := start(t, url)
		for _, path := range []string{pathHealth, pathReady} {
			if got := r.anon().must(t, 200, get, path).text(t, "status"); got != "ok" {
				t.Errorf("%s: got %q, want ok", path, got)
			}
		}
		// A newer program has migrated the database under our feet.
		err := r.opened.DB.InTx(t.Context(), func(tx *store.Tx) error {
			const newer = "INSERT INTO schema_migrations (name, group_id, migrated_at) VALUES ('9999', 9, CURRENT_TIMESTAMP)"
			if tx.PG != nil {
				return tx.Pinned(func() error { _, err := tx.PG.Exec(t.Context(), newer); return err })
			}
			_, err := tx.Lite.ExecContext(t.Context(), newer)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		a := r.anon().do(t, get, pathReady)
		wantProblem(t, a, 503, "The database schema does not fit this program")
		if code := a.text(t, "code"); code != "schema" {
			t.Errorf("got code %q, want schema", code)
		}
		r.anon().must(t, 200, get, pathHealth)
	})
}

// Without its database the server is alive but not ready, and its errors say
// nothing but the request's id.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	cfg := apptest.Config("", "")
	cfg.DataDir = t.TempDir()
	log := new(syncBuffer)
	logger := slog.New(logHandler{slog.NewJSONHandler(log, nil)})
	o, err := app.Open(t.Context(), cfg, logger, app.Mode{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewServer(o.App, cfg, logger, "test")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{Running: &Running{App: o.App, opened: o, server: s}, t: t, cfg: cfg, log: log}
	c := r.session(t, r.addUser(t, app.RoleStudent, "ada", true).ID)
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	ask := func(path string) answer {
		req := httptest.NewRequest(get, path, nil)
		req.Header.Set("Authorization", c.token)
		res, err := s.fiber.Test(req, 10_000)
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(res.Body)
		return answer{res.StatusCode, res.Header, string(b)}
	}
	if a := ask(pathHealth); a.status != 200 {
		t.Errorf("got %d, want 200: the process is alive", a.status)
	}
	a := ask(pathReady)
	wantProblem(t, a, 503, "The database does not answer")
	if code := a.text(t, "code"); code != "database" {
		t.Errorf("got code %q, want database", code)
	}
	a = ask(v1 + "/users/me")
	wantProblem(t, a, 500, "Internal server error")
	if id := a.text(t, "request_id"); !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "database is closed") {
		t.Errorf("the log does not tell why request %s failed:\n%s", id, log)
	}
}
