package web

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coagent-studio/coagent/store"
)

// newBudget makes a large budget and gives back its id. Budgets of a scope are few, so it
// lives as long as the test.
func (w *world) newBudget(t testing.TB, kind, scope string) string {
	t.Helper()
	b := store.Budget{ID: store.NewID(), ScopeKind: kind, ScopeID: scope, Period: store.PeriodMonth, Unit: store.UnitTokens, Cap: 1e9,
		CreatedAt: time.Now(), UpdatedAt: time.Now(), Version: 1}
	if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateBudget(t.Context(), &b) }); err != nil {
		t.Fatal(err)
	}
	return b.ID
}

// used adds calls of models.
func (w *world) used(t testing.TB, calls ...store.Usage) {
	t.Helper()
	for _, u := range calls {
		u.ID, u.Origin, u.State, u.Basis = store.NewID(), "turn", store.UsageSettled, store.BasisReported
		u.Outcome = "ok"
		if u.Provider == "" {
			u.Provider, u.Model = "openai", "gpt-4o"
		}
		u.Day = u.StartedAt.Format(time.DateOnly)
		if err := w.opened.DB.InTx(t.Context(), func(tx *store.Tx) error { return tx.CreateUsage(t.Context(), &u) }); err != nil {
			t.Fatal(err)
		}
	}
}

func TestUsageSums(t *testing.T) {
	day := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	const march = "?from=2026-03-01&to=2026-03-31"
	eachWorld(t, map[string]func(*testing.T, *world){
		"groups, totals, pages": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			path := v1 + "/usage" + march + "&course_id=" + course
			gone := store.NewID()
			w.used(t, store.Usage{CourseID: course, RoomID: room, AgentID: w.agent, PersonID: w.users[student].ID, StartedAt: day, InputTokens: 10, OutputTokens: 5, Cost: 1_500_000_001, Currency: "USD"},
				store.Usage{CourseID: course, RoomID: room, AgentID: w.agent, StartedAt: day.AddDate(0, 0, 1), InputTokens: 20, OutputTokens: 5, CachedTokens: 3, Cost: 2, Currency: "USD"},
				store.Usage{CourseID: course, RoomID: gone, AgentID: w.agent, StartedAt: day, InputTokens: 7, Provider: "school", Model: "llama"},
				store.Usage{CourseID: course, RoomID: room, StartedAt: day.AddDate(0, 1, 0), InputTokens: 1000, Cost: 5, Currency: "USD"})
			all := w.as(owner).must(t, 200, get, path).object(t)
			wantMembers(t, all, "from", "until", "group_by", "rows", "totals")
			if got := fmt.Sprint(all["totals"]); !strings.Contains(got, "calls:2") || !strings.Contains(got, "cost:1.500000003") || !strings.Contains(got, "cost:0") {
				t.Errorf("got totals %s", got)
			}
			by := w.as(owner).must(t, 200, get, path+"&group_by=room,day").object(t)["rows"].([]any)
			if len(by) != 3 {
				t.Fatalf("got %d rows, want 3: %v", len(by), by)
			}
			named := 0
			for _, r := range by {
				row := r.(map[string]any)
				if row["room_id"] == room && row["room_name"] != nil {
					named++
				}
				if row["room_id"] == gone && row["room_name"] != nil {
					t.Errorf("a room that is gone has the name %v", row["room_name"])
				}
			}
			if named != 2 {
				t.Errorf("got %d rows with the room's name in %v", named, by)
			}
			first := w.as(owner).must(t, 200, get, path+"&group_by=day,room&limit=2")
			if rows := first.object(t)["rows"].([]any); len(rows) != 2 || first.header.Get("Link") == "" {
				t.Errorf("got %v with link %q", rows, first.header.Get("Link"))
			}
			if rows := w.as(owner).must(t, 200, get, path+"&group_by=day,room&limit=2&skip=2").object(t)["rows"].([]any); len(rows) != 1 {
				t.Errorf("got %v, want the last row", rows)
			}
			for query, want := range map[string]string{"&group_by=weather": "body.group_by", "&group_by=day,day": "twice", "&from=yesterday": "from", "&format=xml": "format",
				"&to=2026-02-01": "to"} {
				query = strings.Replace(path, march, march+query, 1)
				if strings.Contains(query, "&from=") {
					query = strings.Replace(query, "from=2026-03-01&", "", 1)
				}
				if strings.Contains(query, "&to=2026-02") {
					query = strings.Replace(query, "&to=2026-03-31", "", 1)
				}
				if a := w.as(admin).do(t, get, query); a.status != 422 {
					t.Errorf("%s: got %d %s, want 422 with %s", query, a.status, a.body, want)
				}
			}
		},
		"CSV": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			w.as(owner).must(t, 200, put, v1+"/rooms/"+room, body{"name": `=HYPERLINK("http://evil.example","x")`})
			w.used(t, store.Usage{CourseID: course, RoomID: room, StartedAt: day, InputTokens: 10, Cost: 7, Currency: "USD", Provider: "school", Model: "+llama"})
			path := v1 + "/usage" + march + "&group_by=room,model&course_id=" + course
			for _, a := range []answer{w.as(owner).do(t, get, path+"&format=csv"), w.as(owner).with("Accept", "text/csv").do(t, get, path)} {
				if got := a.header.Get("Content-Type"); !strings.HasPrefix(got, mimeCSV) {
					t.Errorf("got content type %q", got)
				}
				rows, err := csv.NewReader(strings.NewReader(a.body)).ReadAll()
				if err != nil || len(rows) != 2 || rows[0][0] != "room_id" || rows[1][0] != room {
					t.Fatalf("got %v, %v", rows, err)
				}
				for _, c := range rows[1] {
					if strings.IndexAny(c, "=+-@") == 0 {
						t.Errorf("the cell %q begins a formula", c)
					}
				}
				if !strings.HasPrefix(rows[1][1], "'=HYPER") || rows[1][10] != "0.000000007" {
					t.Errorf("got %v", rows[1])
				}
			}
		},
		"who": func(t *testing.T, w *world) {
			me := w.users[student].ID
			w.used(t, store.Usage{RoomID: w.room, PersonID: me, AgentID: w.agent, StartedAt: day, InputTokens: 1},
				store.Usage{RoomID: w.room, PersonID: w.users[ta].ID, AgentID: w.agent, StartedAt: day, InputTokens: 2})
			calls := func(who, query string, status int) string {
				a := w.as(who).do(t, get, v1+"/usage"+march+query)
				if a.status != status {
					t.Errorf("%s%s: got %d %s, want %d", who, query, a.status, a.body, status)
				}
				if a.status != 200 {
					return ""
				}
				return fmt.Sprint(a.object(t)["totals"])
			}
			if got := calls(student, "", 200); !strings.Contains(got, "calls:1") || !strings.Contains(got, "input_tokens:1 ") {
				t.Errorf("a student's own: got %s", got)
			}
			calls(student, "&person_id="+w.users[ta].ID, 403)
			calls(student, "&room_id="+w.room, 403)
			calls(student, "&room_id="+w.room+"&person_id="+me, 200) // of one's own, no more than that
			calls(ta, "&room_id="+w.room, 200)
			calls(otherTeacher, "&room_id="+w.room, 403)
			calls(editor, "&agent_id="+w.agent, 200)
			calls(viewer, "&agent_id="+w.agent, 403)
			calls(student, "&key_id="+store.NewID(), 404)
			calls(student, "&course_id="+store.NewID(), 404)
			calls(admin, "&course_id="+store.NewID(), 200) // of what was deleted too
		},
		"keys of others": func(t *testing.T, w *world) {
			key := ownersKey(t, w)
			course, room := w.newRoom(t, owner)
			const february = "?from=2026-02-01&to=2026-02-28"
			w.used(t, store.Usage{CourseID: course, RoomID: room, PersonID: w.users[student].ID, KeyID: key, KeyOwner: w.users[owner].ID, StartedAt: day.AddDate(0, -1, 0), InputTokens: 1})
			for who, shown := range map[string]bool{owner: true, admin: true, student: false} {
				query := february + "&group_by=key&person_id=" + w.users[student].ID
				if who == owner {
					query += "&course_id=" + course
				}
				found := false
				for _, r := range w.as(who).must(t, 200, get, v1+"/usage"+query).object(t)["rows"].([]any) {
					if row := r.(map[string]any); row["key_id"] == key {
						found = true
						if (row["key_alias"] != nil) != shown {
							t.Errorf("%s: got %v, want the name of the key: %v", who, row, shown)
						}
					}
				}
				if !found {
					t.Errorf("%s does not see the key's calls", who)
				}
			}
		},
		"far times": func(t *testing.T, w *world) {
			for _, query := range []string{"?from=0001-01-01&to=9999-12-31", "?to=9999-12-31", "?to=0001-01-01", "?from=9999-12-31", "?from=0000-01-01",
				"?from=0000-01-01T00:00:00%2B23:59", "?to=9999-12-31T23:59:59-23:59", "?from=2026-02-30", "?from=2026-03-01T00:00:60Z", "?from=2026-3-1",
				"?from=%00", "?from=+2026-03-01"} {
				a := w.as(admin).do(t, get, v1+"/usage"+query+"&group_by=day,room,course,agent,person,model,key")
				if a.status != 200 && a.status != 422 {
					t.Errorf("%s: got %d %s", query, a.status, a.body)
				}
			}
		},
		"more than a number": func(t *testing.T, w *world) {
			course, room := w.newRoom(t, owner)
			for range 3 {
				w.used(t, store.Usage{CourseID: course, RoomID: room, StartedAt: day, Cost: 4e18 + 1, Currency: "USD"})
			}
			w.used(t, store.Usage{CourseID: course, RoomID: room, StartedAt: day, Cost: 1_999_999_999, Currency: "EUR"},
				store.Usage{CourseID: course, RoomID: room, StartedAt: day, Cost: 1_000_000_002, Currency: "EUR"})
			got := w.as(owner).must(t, 200, get, v1+"/usage"+march+"&group_by=room&course_id="+course).body
			if !strings.Contains(got, `"cost":9223372036.854775807`) || !strings.Contains(got, `"cost":3.000000001`) {
				t.Errorf("got %s", got)
			}
		},
	})
}

func TestBudgets(t *testing.T) {
	const path = v1 + "/budgets"
	eachWorld(t, map[string]func(*testing.T, *world){
		"life": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			made := w.as(owner).must(t, 201, post, path, body{"scope_kind": "course", "scope_id": course, "period": "month", "unit": "USD", "cap": "20.000000001"}).object(t)
			wantMembers(t, made, "id", "scope_kind", "scope_id", "period", "unit", "cap", "spent", "held", "left", "period_start", "renews_at", "created_by", "created_at",
				"updated_at", "version")
			if made["cap"] != 20.000000001 || made["left"] != 20.000000001 || made["spent"] != 0.0 || made["renews_at"] == nil {
				t.Errorf("got %v", made)
			}
			one := path + "/" + made["id"].(string)
			if got := w.as(owner).must(t, 200, put, one, body{"cap": 5, "version": 1}).object(t); got["cap"] != 5.0 || got["version"] != 2.0 {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, one, body{"cap": 6, "version": 1}), 409, "Budget was changed by somebody else; load it again")
			if list := w.as(owner).must(t, 200, get, path+"?scope_kind=course&scope_id="+course).list(t); len(list) != 1 || list[0]["cap"] != 5.0 {
				t.Errorf("got %v", list)
			}
			w.as(owner).must(t, 204, del, one)
			wantProblem(t, w.as(owner).do(t, get, one), 404, "Budget not found")
			total := w.as(owner).must(t, 201, post, path, body{"scope_kind": "course", "scope_id": course, "period": "total", "unit": "tokens", "cap": 1000}).object(t)
			if total["renews_at"] != nil || total["period_start"] != nil || total["cap"] != 1000.0 {
				t.Errorf("got %v", total)
			}
		},
		"refused": func(t *testing.T, w *world) {
			for _, b := range []body{
				{"scope_kind": "moon"}, {"scope_id": "x"}, {"period": "year"}, {"unit": "dollars"}, {"unit": ""}, {"cap": -1}, {"cap": "1.5"}, {"cap": "many"}, {"cap": nil},
				{"cap": 1e30}, {"cap": true}, {"cap": "1e99"}, {"limit": 5}, {"unit": "USD", "cap": "0.0000000001"},
			} {
				all := body{"scope_kind": "course", "scope_id": w.course, "period": "day", "unit": "tokens", "cap": 1000}
				for k, v := range b {
					all[k] = v
				}
				if a := w.as(owner).do(t, post, path, all); a.status != 422 {
					t.Errorf("%v: got %d %s, want 422", b, a.status, a.body)
				}
			}
			a := w.as(owner).do(t, post, path, body{"scope_kind": "course", "scope_id": w.course, "period": "day", "unit": "tokens", "cap": 1000, "lmit": 1})
			if a.status != 422 || !strings.Contains(a.body, "lmit") {
				t.Errorf("an unknown member: got %d %s", a.status, a.body)
			}
			if a := w.as(student).do(t, get, path); a.status != 403 {
				t.Errorf("all budgets for a student: got %d", a.status)
			}
			w.as(admin).must(t, 200, get, path)
		},
		"who": func(t *testing.T, w *world) {
			key := ownersKey(t, w)
			for _, c := range []struct {
				who, kind, scope string
				status           int
			}{
				{coTeacher, "course", w.course, 201}, {ta, "course", w.course, 403}, {coTeacher, "room", w.room, 201}, {ta, "room", w.room, 403},
				{editor, "agent", w.agent, 201}, {viewer, "agent", w.agent, 403}, {owner, "key", key, 201}, {coTeacher, "key", key, 404}, {admin, "key", key, 404},
				{owner, "person", w.users[student].ID, 403}, {student, "person", w.users[student].ID, 403}, {admin, "person", w.users[student].ID, 201},
				{admin, "person", store.NewID(), 404}, {admin, "room", store.NewID(), 404}, {owner, "course", store.NewID(), 404},
			} {
				b := body{"scope_kind": c.kind, "scope_id": c.scope, "period": "day", "unit": "tokens", "cap": 1}
				if a := w.as(c.who).do(t, post, path, b); a.status != c.status {
					t.Errorf("%s makes a budget of a %s: got %d %s, want %d", c.who, c.kind, a.status, a.body, c.status)
				}
			}
			w.as(student).must(t, 200, get, path+"?scope_kind=person&scope_id="+w.users[student].ID) // one's own may be read
			_, secret := w.newToken(t, owner, "read", "write", "admin")
			b := body{"scope_kind": "key", "scope_id": key, "period": "day", "unit": "tokens", "cap": 1}
			if a := w.bearer(secret).do(t, post, path, b); a.status != 403 {
				t.Errorf("a token makes a budget of a key: got %d", a.status)
			}
		},
	})
}
