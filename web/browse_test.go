package web

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestBrowse(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"tables": func(t *testing.T, w *world) {
			var names []string
			a := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables")
			if err := json.Unmarshal([]byte(a.body), &names); err != nil {
				t.Fatal(err)
			}
			for _, want := range strings.Fields("user user_api_key organization userorganizationlink project userprojectlink course usercourselink " +
				"room userroomlink roomagentlink message announcement artifact agentconfig agentconfigversion agent_key agenttypemetadata") {
				if !slices.Contains(names, want) {
					t.Errorf("%s is missing in %v", want, names)
				}
			}
			for _, name := range names {
				w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/"+name+"?resolve_relations=true&search=a")
			}
		},
		"a row": func(t *testing.T, w *world) {
			row := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/user?search="+w.users[superAdmin].ID).list(t)[0]
			if row["role"] != "super_admin" || row["is_active"] != true {
				t.Errorf("got %v", row)
			}
			wantTime(t, row["created_at"])
		},
		"paging": func(t *testing.T, w *world) {
			first := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/user?limit=2").list(t)
			second := w.as(admin).must(t, http.StatusOK, get, v1+"/admin/db/tables/user?limit=1&offset=1").list(t)
			if len(first) != 2 || len(second) != 1 || first[1]["id"] != second[0]["id"] {
				t.Errorf("got %v, then %v", first, second)
			}
		},
		"refusals": func(t *testing.T, w *world) {
			wantProblem(t, w.as(owner).do(t, get, v1+"/admin/db/tables"), http.StatusBadRequest, "The user doesn't have enough privileges")
			wantProblem(t, w.as(admin).do(t, get, v1+"/admin/db/tables/settings"), http.StatusNotFound, "Table not found")
			wantProblem(t, w.as(admin).do(t, get, v1+"/admin/db/tables/users;--"), http.StatusNotFound, "Table not found")
			for _, query := range []string{"limit=0", "limit=1001", "limit=x", "offset=-1", "start_date=yesterday", "search=%00"} {
				if a := w.as(admin).do(t, get, v1+"/admin/db/tables/user?"+query); a.status != http.StatusUnprocessableEntity {
					t.Errorf("%s: got %d %s, want 422", query, a.status, a.body)
				}
			}
		},
	})
}
