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
		"windows": func(t *testing.T, w *world) {
			for query, detail := range map[string]string{"skip=-1": "skip: must be 0 or more", "limit=0": "limit: must be 1 or more",
				"limit=1001": "limit: must be 1000 or less", "limit=x": "limit: must be a whole number", "skip=99999999999999999999": "skip: must be a whole number",
				"org_id=5": "org_id: must be a UUID such as 0199c0de-7a4b-7c1e-9c55-3d2f6a1b8e90 (invalid UUID length: 1)"} {
				wantProblem(t, w.as(student).do(t, get, v1+"/projects?"+query), 422, detail)
			}
		},
	})
}
