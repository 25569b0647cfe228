package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

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
		"an organisation's people": func(t *testing.T, w *world) {
			org := w.as(owner).must(t, 200, post, v1+"/organizations", body{"name": "Club"}).text(t, "id")
			path := v1 + "/organizations/" + org
			m := w.as(owner).must(t, 200, post, path+"/members", body{"user_email": w.users[student].Email, "role": "admin"}).object(t)
			wantMembers(t, m, "user_id", "email", "full_name", "avatar_url", "role")
			list := w.as(student).must(t, 200, get, path+"/members").list(t)
			if len(list) != 2 || list[0]["role"] != "owner" || list[1]["user_id"] != w.users[student].ID {
				t.Errorf("got %v", list)
			}
			if got := w.as(student).must(t, 200, put, path, body{"name": "Guild", "description": nil}).object(t); got["name"] != "Guild" {
				t.Errorf("got %v", got)
			}
			if got := w.as(owner).must(t, 200, post, path+"/transfer", body{"user_id": w.users[student].ID}).text(t, "owner_id"); got != w.users[student].ID {
				t.Errorf("got the owner %s", got)
			}
			wantProblem(t, w.as(owner).do(t, del, path), 403, "Not enough permissions")
			if got := w.as(student).must(t, 200, del, path+"?dry_run=true").body; strings.TrimSpace(got) != `{"dry_run":true,"counts":{"agents":0,"members":2,"projects":0,"threads":0}}` {
				t.Errorf("got %s", got)
			}
			if got := w.as(owner).must(t, 200, del, path+"/members/"+w.users[owner].ID).text(t, "message"); got != "User removed from organization" {
				t.Errorf("got %q", got)
			}
			w.as(student).must(t, 204, del, path)
			wantProblem(t, w.as(student).do(t, get, path), 403, "Not enough permissions")
		},
		"a project's people": func(t *testing.T, w *world) {
			p := w.as(owner).must(t, 200, post, v1+"/projects", body{"name": "P", "organization_id": w.organization(t)}).text(t, "id")
			path := v1 + "/projects/" + p
			if got := w.as(owner).must(t, 200, post, path+"/members", body{"user_id": w.users[student].ID}).text(t, "role"); got != "member" {
				t.Errorf("got %q, want the default", got)
			}
			if got := w.as(owner).must(t, 200, put, path+"/members/"+w.users[student].ID, body{"role": "editor"}).text(t, "message"); got != "Role updated" {
				t.Errorf("got %q", got)
			}
			w.as(student).must(t, 200, put, v1+"/agent-config/"+p+"/critic", body{"system_prompt": "x", "model_provider": "offline"})
			wantProblem(t, w.as(owner).do(t, del, path+"/members/"+w.users[owner].ID), 400, "A project keeps its last admin; name another one first")
			w.as(student).must(t, 200, del, path+"/members/"+w.users[student].ID)
			wantProblem(t, w.as(student).do(t, get, path), 403, "Not enough permissions")
			if got := w.as(owner).must(t, 200, del, path+"?dry_run=true").body; strings.TrimSpace(got) != `{"dry_run":true,"counts":{"agents":3,"agents_in_rooms":0,"members":1,"threads":0}}` {
				t.Errorf("got %s", got)
			}
			w.as(owner).must(t, 204, del, path)
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
