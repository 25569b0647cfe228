package web

import (
	"slices"
	"strings"
	"testing"
)

func TestMyAgents(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"with their home, their rooms, and what one may": func(t *testing.T, w *world) {
			path := v1 + "/users/me/agents"
			of := func(who, query string) map[string]any {
				t.Helper()
				list := w.as(who).must(t, 200, get, path+query).list(t)
				i := slices.IndexFunc(list, func(a map[string]any) bool { return a["id"] == w.agent })
				if i < 0 {
					t.Fatalf("%s: got %d agents, want the one of the project", who, len(list))
				}
				return list[i]
			}
			got := of(owner, "")
			wantMembers(t, got, append(slices.Clone(agentMembers), "project_name", "ready_made", "rooms", "can")...)
			if got["project_name"] != "Project" || got["ready_made"] != false {
				t.Errorf("got %v", got)
			}
			if want := `[{"course_id":"` + w.course + `","room_id":"` + w.room + `","room_name":"`; text(got["rooms"])[:len(want)] != want {
				t.Errorf("got %s, want %s", text(got["rooms"]), want)
			}
			if want := `{"delete":true,"edit":true,"keys":true,"use":true}`; text(got["can"]) != want {
				t.Errorf("the maker: got %s, want %s", text(got["can"]), want)
			}
			got = of(editor, "")
			if text(got["can"]) != `{"delete":true,"edit":true,"keys":false,"use":true}` || text(got["rooms"]) != "[]" {
				t.Errorf("an editor who is not in the course: got %v in %v", got["can"], got["rooms"])
			}
			if got = of(viewer, "?agent_id="+w.agent); text(got["can"]) != `{"delete":false,"edit":false,"keys":false,"use":false}` {
				t.Errorf("a viewer: got %v", got["can"])
			}
			if list := w.as(admin).must(t, 200, get, path).list(t); len(list) != 0 {
				t.Errorf("an admin without a project: got %d agents, want none", len(list))
			}
			of(admin, "?agent_id="+w.agent)
			if list := w.as(student).must(t, 200, get, path).list(t); len(list) != 0 {
				t.Errorf("a student: got %d agents, want none", len(list))
			}
		},
		"how each is set in its rooms": func(t *testing.T, w *world) {
			state := func() any {
				t.Helper()
				a := w.as(owner).must(t, 200, get, v1+"/users/me/agents?agent_id="+w.agent).list(t)[0]
				return a["rooms"].([]any)[0].(map[string]any)["state"]
			}
			at := v1 + "/rooms/" + w.room + "/agents/" + w.agent
			if got := state(); got != "ready" {
				t.Errorf("got %v, want ready", got)
			}
			budget := w.as(admin).must(t, 201, post, v1+"/budgets", body{"scope_kind": "course", "scope_id": w.course, "period": "day", "unit": "tokens", "cap": "0"}).text(t, "id")
			if got := state(); got != "out_of_budget" {
				t.Errorf("got %v, want out_of_budget", got)
			}
			w.as(admin).must(t, 204, del, v1+"/budgets/"+budget)
			if got := state(); got != "ready" {
				t.Errorf("got %v, want ready again", got)
			}
			w.as(owner).must(t, 200, post, at+"/mute", body{"minutes": 5})
			if got := state(); got != "muted" {
				t.Errorf("got %v, want muted", got)
			}
			w.as(owner).must(t, 200, put, at+"/settings", body{"is_active": false})
			if got := state(); got != "off" {
				t.Errorf("got %v, want off", got)
			}
			w.newTurn(t, owner)
			if got := state(); got != "parked" {
				t.Errorf("got %v, want parked", got)
			}
		},
		"every list says that a budget is used up": func(t *testing.T, w *world) {
			w.as(owner).must(t, 200, put, v1+"/rooms/"+w.room, body{"ai_mode": "both"})
			agent := w.newAgent(t)
			w.as(owner).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+agent)
			reasons := func() (inRoom, inCourse any) {
				t.Helper()
				inRoom = w.as(owner).must(t, 200, get, v1+"/rooms/"+w.room+"/agents/"+agent+"/settings").object(t)["reason"]
				for _, a := range w.as(ta).must(t, 200, get, v1+"/courses/"+w.course+"/agents").list(t) {
					if a["agent_id"] == agent {
						if inCourse = a["reason"]; (inCourse == nil) != (a["state"] == "ready") {
							t.Errorf("got the state %v with the reason %v", a["state"], inCourse)
						}
					}
				}
				return inRoom, inCourse
			}
			for kind, of := range map[string]string{"course": w.course, "room": w.room, "agent": agent} {
				budget := w.as(admin).must(t, 201, post, v1+"/budgets", body{"scope_kind": kind, "scope_id": of, "period": "day", "unit": "tokens", "cap": "0"}).text(t, "id")
				if inRoom, inCourse := reasons(); inRoom != "budget" || inCourse != "budget" {
					t.Errorf("a budget of the %s: got %v, %v, want budget", kind, inRoom, inCourse)
				}
				w.as(admin).must(t, 204, del, v1+"/budgets/"+budget)
				if inRoom, inCourse := reasons(); inRoom != nil || inCourse != nil {
					t.Errorf("without it: got %v, %v, want none", inRoom, inCourse)
				}
			}
		},
		"reasons are in the reader's language": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			at := v1 + "/rooms/" + w.room + "/agents/" + agent
			w.as(owner).must(t, 200, post, at)
			w.as(owner).must(t, 200, put, v1+"/rooms/"+w.room, body{"ai_mode": "both"})
			w.as(owner).must(t, 200, post, at+"/mute", body{"minutes": 5})
			for lang, want := range map[string][2]string{"en": {"until ", "This line has a quotation mark"}, "zh-TW": {"直到 ", "這一行"}} {
				speaks := w.as(owner).with("Accept-Language", lang)
				if got := text(speaks.must(t, 200, get, at+"/settings").object(t)["detail"]); !strings.HasPrefix(strings.Trim(got, `"`), want[0]) {
					t.Errorf("%s: the room says %s", lang, got)
				}
				for _, a := range speaks.must(t, 200, get, v1+"/courses/"+w.course+"/agents").list(t) {
					if got := text(a["detail"]); a["agent_id"] == agent && !strings.HasPrefix(strings.Trim(got, `"`), want[0]) {
						t.Errorf("%s: the course says %s", lang, got)
					}
				}
				list := speaks.with("Content-Type", "text/csv").must(t, 200, post, v1+"/courses/"+w.course+"/members/import?dry_run=true", "email,full_name\nann@x.org,\"Ann\nben@x.org,Ben\n").object(t)
				if got := text(list["lines"]); !strings.Contains(got, want[1]) {
					t.Errorf("%s: the class list says %s", lang, got)
				}
			}
		},
		"ready-made agents are told, and named in the language of who makes the project": func(t *testing.T, w *world) {
			for lang, want := range map[string][]any{"zh-TW": {"老師", "學生"}, "en": {"Teacher", "Student"}} {
				speaks := w.as(owner).with("Accept-Language", lang)
				project := speaks.must(t, 200, post, v1+"/projects", body{"name": "Agents " + lang, "organization_id": w.organization(t)}).text(t, "id")
				var made []any
				for _, a := range w.as(owner).must(t, 200, get, v1+"/users/me/agents").list(t) {
					if a["project_id"] == project && a["ready_made"] == true {
						made = append(made, a["name"])
					}
				}
				if text(made) != text(want) {
					t.Errorf("%s: got %v, want %v", lang, made, want)
				}
			}
		},
		"what goes with an agent is counted before": func(t *testing.T, w *world) {
			agent := w.newAgent(t)
			path := v1 + "/agents/" + agent
			w.as(owner).must(t, 200, post, v1+"/rooms/"+w.room+"/agents/"+agent)
			counts := w.as(owner).must(t, 200, del, path+"?dry_run=true").object(t)["counts"]
			if got := text(counts); got != `{"rooms":1,"turns":0}` {
				t.Errorf("got %s", got)
			}
			wantProblem(t, w.as(viewer).do(t, del, path+"?dry_run=true"), 403, "Not enough permissions")
			wantProblem(t, w.as(owner).do(t, del, path+"?dry_run"), 422, "dry_run: must be true or false")
			w.as(owner).must(t, 204, del, path)
		},
		"staff alone see the user names of members": func(t *testing.T, w *world) {
			w.exec(t, "UPDATE users SET username = 'byron', username_key = 'byron' WHERE id = '"+w.users[student].ID+"'")
			for who, want := range map[string]any{owner: "byron", ta: "byron", admin: "byron", student: nil} {
				for _, m := range w.as(who).must(t, 200, get, v1+"/courses/"+w.course+"/members").list(t) {
					if m["user_id"] == w.users[student].ID && m["username"] != want {
						t.Errorf("%s: got %v, want %v", who, m["username"], want)
					}
				}
			}
		},
	})
}
