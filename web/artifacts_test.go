package web

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/config"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

var (
	artifactShownMembers = []string{"id", "room_id", "type", "title", "content", "parent_artifact_id", "version", "created_by", "last_modified_by", "created_at", "updated_at"}
	artifactMembers      = slices.Concat(artifactShownMembers, []string{"created_by_agent_id", "last_modified_name", "last_modified_agent_id", "last_modified_turn_id"})
)

func TestArtifacts(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"create and read": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			at := v1 + "/workspaces/" + strings.ToUpper(room) + "/artifacts"
			a := w.as(owner).must(t, 201, post, at, `{"type":"task","title":"Write <it>","content":{"status":"todo","priority":"low","order":0,"a":{"z":1,"b":[]}},"unknown":1}`)
			made := a.object(t)
			wantMembers(t, made, artifactMembers...)
			wantTime(t, made["created_at"])
			wantTime(t, made["updated_at"])
			if !strings.Contains(a.body, `"content":{"status":"todo","priority":"low","order":0,"a":{"z":1,"b":[]}}`) {
				t.Errorf("got %s, want the content in its order", a.body)
			}
			for member, want := range map[string]any{"room_id": room, "type": "task", "title": "Write <it>", "parent_artifact_id": nil, "version": 1.0,
				"created_by": w.users[owner].ID, "last_modified_by": w.users[owner].ID} {
				if made[member] != want {
					t.Errorf("%s: got %v, want %v", member, made[member], want)
				}
			}
			first := a.text(t, "id")
			if got := w.as(owner).must(t, 200, get, v1+"/workspaces/artifacts/"+strings.ToUpper(first)); got.body != a.body {
				t.Errorf("got %s, want %s", got.body, a.body)
			}
			child := w.as(owner).must(t, 201, post, at, body{"type": "doc", "title": "Notes", "parent_artifact_id": strings.ToUpper(first)})
			if child.text(t, "parent_artifact_id") != first || text(child.object(t)["content"]) != "{}" {
				t.Errorf("got %s", child.body)
			}
			for query, want := range map[string]int{"": 2, "?artifact_type=task": 1, "?artifact_type=process": 0, "?artifact_type=x": 0} {
				list := w.as(owner).must(t, 200, get, at+query).list(t)
				if len(list) != want || want == 2 && list[0]["title"] != "Notes" {
					t.Errorf("%q: got %v, want %d, newest first", query, list, want)
				}
			}
		},
		"update": func(t *testing.T, w *world) {
			task, doc := w.newArtifact(t, "task"), w.newArtifact(t, "doc")
			at := v1 + "/workspaces/artifacts/"
			a := w.as(student).must(t, 200, put, at+task, `{"content":{"status":"done"}}`)
			if !strings.Contains(a.body, `"content":{"order":1,"status":"done"}`) || a.object(t)["version"] != 2.0 ||
				a.object(t)["last_modified_by"] != w.users[student].ID || a.object(t)["created_by"] != w.users[owner].ID {
				t.Errorf("a task: got %s, want it merged", a.body)
			}
			a = w.as(student).must(t, 200, put, at+doc, body{"content": body{"type": "doc"}, "title": "Other"})
			if !strings.Contains(a.body, `"content":{"type":"doc"}`) || a.text(t, "title") != "Other" {
				t.Errorf("a document: got %s, want it replaced", a.body)
			}
			if a = w.as(student).must(t, 200, put, at+doc, body{"expected_version": nil}); a.object(t)["version"] != 3.0 {
				t.Errorf("got %s, want version 3", a.body)
			}
			w.as(student).must(t, 200, put, at+doc, body{"expected_version": 3, "title": "Third"})
			wantProblem(t, w.as(student).do(t, put, at+doc, body{"expected_version": 3, "title": "Late"}), 409, "Version conflict. Please refresh and retry.")
			wantProblem(t, w.as(student).do(t, put, at+store.NewID(), body{}), 404, "Artifact not found")
		},
		"merge": func(t *testing.T, w *world) {
			at := v1 + "/workspaces/artifacts/" + w.newArtifact(t, "task")
			w.as(owner).must(t, 200, put, at, `{"content":{"status":"done"},"base_version":1}`)
			a := w.as(student).must(t, 200, put, at, `{"content":{"order":5,"status":"todo"},"title":"Mine","base_version":1,"expected_version":2}`)
			if !strings.Contains(a.body, `"content":{"order":5,"status":"done"}`) || a.text(t, "title") != "Mine" {
				t.Errorf("got %s, want both changes", a.body)
			}
			refused := w.as(student).do(t, put, at, `{"content":{"status":"review"},"base_version":1}`)
			wantProblem(t, refused, 409, "1 blocks were changed by you and by others; the artifact is version 3 now. Choose for each, then save again.")
			if got := text(refused.object(t)["conflicts"]); got != `[{"block":"content.status","theirs":"done","yours":"review"}]` {
				t.Errorf("got the conflicts %s", got)
			}
			wantProblem(t, w.as(student).do(t, put, at, `{"title":"x","base_version":9}`), 422, "base_version: is newer than the artifact, which is version 3")
			for _, bad := range []string{`"1"`, "1.5", "9223372036854775808", "-1", "[]"} {
				w.as(student).must(t, 422, put, at, `{"title":"x","base_version":`+bad+`}`)
			}
			w.as(student).must(t, 200, put, at, `{"title":"x","base_version":null}`)
		},
		"move a card": func(t *testing.T, w *world) {
			_, room := w.newRoom(t, owner)
			var ids []string
			for _, order := range []int{1, 2, 3} {
				ids = append(ids, w.as(owner).must(t, 201, post, v1+"/workspaces/"+room+"/artifacts", body{"type": "task", "title": "x",
					"content": body{"status": "todo", "order": order}}).text(t, "id"))
			}
			at := v1 + "/workspaces/artifacts/" + ids[2] + "/position"
			a := w.as(owner).must(t, 200, put, at, body{"after": strings.ToUpper(ids[0]), "before": ids[1]})
			if !strings.Contains(a.body, `"order":1.5,"status":"todo"`) {
				t.Errorf("got %s", a.body)
			}
			wantProblem(t, w.as(owner).do(t, put, at, body{"after": store.NewID()}), 422, "after: is no task of this room")
			for _, bad := range []any{body{"after": "x"}, body{"column": nil}, body{"column": ""}, body{"column": strings.Repeat("x", 101)}, body{"column": "\x00"}, body{"Column": "x"},
				body{"more": 1}, `[]`, `{"after":null,"column":3}`} {
				w.as(owner).must(t, 422, put, at, bad)
			}
		},
		"delete and restore": func(t *testing.T, w *world) {
			made := w.newArtifact(t, "process")
			at, list := v1+"/workspaces/artifacts/"+made, v1+"/workspaces/"+w.room+"/artifacts"
			for range 2 {
				if a := w.as(student).must(t, 204, del, at+"?hard_delete=false"); a.body != "" {
					t.Errorf("got %q, want no body", a.body)
				}
			}
			wantProblem(t, w.as(student).do(t, get, at), 404, "Artifact not found")
			wantProblem(t, w.as(student).do(t, put, at, body{}), 404, "Artifact not found")
			deleted := w.as(ta).must(t, 200, get, list+"?deleted=true&artifact_type=process").list(t)
			if len(deleted) != 1 || deleted[0]["id"] != made || deleted[0]["content"] != nil {
				t.Errorf("got %v, want it without its content", deleted)
			}
			wantProblem(t, w.as(student).do(t, get, list+"?deleted=true"), 403, "Not enough permissions")
			wantProblem(t, w.as(guest).do(t, get, list+"?deleted=true"), 404, "Workspace not found")
			wantProblem(t, w.as(assigned).do(t, post, at+"/restore"), 404, "Artifact not found")
			back := w.as(student).must(t, 200, post, at+"/restore").object(t) // who deleted it
			wantMembers(t, back, artifactMembers...)
			if back["version"] != 3.0 || text(back["content"]) != `{"order":1,"status":"todo"}` {
				t.Errorf("got %v", back)
			}
			wantProblem(t, w.as(student).do(t, del, at+"?hard_delete=true"), 403, "Not enough permissions")
			wantProblem(t, w.as(otherStudent).do(t, del, at+"?hard_delete=true"), 404, "Artifact not found")
			w.as(ta).must(t, 204, del, at+"?hard_delete=true")
			wantProblem(t, w.as(ta).do(t, del, at), 404, "Artifact not found")
			wantProblem(t, w.as(ta).do(t, post, at+"/restore"), 404, "Artifact not found")
		},
		"versions": func(t *testing.T, w *world) {
			made := w.newArtifact(t, "task")
			at := v1 + "/workspaces/artifacts/" + made
			w.as(student).must(t, 200, put, at, `{"title":"Changed","content":{"status":"done"}}`)
			list := w.as(student).must(t, 200, get, at+"/versions").list(t)
			if len(list) != 1 {
				t.Fatalf("got %v, want one version", list)
			}
			wantMembers(t, list[0], "artifact_id", "version", "title", "content", "content_bytes", "last_modified_by", "updated_at",
				"last_modified_name", "last_modified_agent_id", "last_modified_turn_id")
			wantTime(t, list[0]["updated_at"])
			if list[0]["version"] != 1.0 || list[0]["title"] != "Something" || list[0]["content"] != nil || list[0]["last_modified_by"] != w.users[owner].ID || list[0]["last_modified_name"] != "Full owner" {
				t.Errorf("got %v", list)
			}
			if a := w.as(student).must(t, 200, get, at+"/versions/1"); !strings.Contains(a.body, `"content":{"order":1,"status":"todo"}`) {
				t.Errorf("got %s", a.body)
			}
			back := w.as(student).must(t, 200, post, at+"/versions/1/restore")
			wantMembers(t, back.object(t), artifactMembers...)
			if back.object(t)["version"] != 3.0 || back.text(t, "title") != "Something" || !strings.Contains(back.body, `"content":{"order":1,"status":"todo"}`) {
				t.Errorf("got %s", back.body)
			}
			for _, version := range []string{"3", "2147483648", "9223372036854775807"} {
				wantProblem(t, w.as(student).do(t, get, at+"/versions/"+version), 404, "Version not found")
				wantProblem(t, w.as(student).do(t, post, at+"/versions/"+version+"/restore"), 404, "Version not found")
			}
			for version, detail := range map[string]string{"0": "version: must be 1 or more", "x": "version: must be a whole number", "9223372036854775808": "version: must be a whole number"} {
				wantProblem(t, w.as(student).do(t, get, at+"/versions/"+version), 422, detail)
			}
		},
		"invalid": func(t *testing.T, w *world) {
			at, one := v1+"/workspaces/"+w.room+"/artifacts", v1+"/workspaces/artifacts/"+w.newArtifact(t, "doc")
			for sent, detail := range map[string]string{
				`{"title":"x"}`:   "type: is missing",
				`{"type":"task"}`: "title: is missing",
				`{"type":"task","title":"x","content":[]}`:                            "content: must be an object",
				`{"type":"task","title":""}`:                                          "title: must not be empty",
				`{"type":"task","title":"x","content":"a"}`:                           "content: must be an object",
				`{"type":"task","title":"x","parent_artifact_id":"` + w.course + `"}`: "parent_artifact_id: is no artifact of this room",
			} {
				wantProblem(t, w.as(owner).do(t, post, at, sent), 422, detail)
			}
			wantProblem(t, w.as(owner).do(t, post, at, body{"type": "Task", "title": "x"}), 400, "Invalid artifact type. Must be one of: ['task', 'doc', 'process']")
			wantProblem(t, w.as(owner).do(t, post, v1+"/workspaces/"+store.NewID()+"/artifacts", body{"type": "task", "title": "x"}), 404, "Workspace not found")
			wantProblem(t, w.as(owner).do(t, put, one, `{"content":null}`), 422, "content: must not be null, leave it out to keep what is stored")
			if a := w.as(owner).do(t, put, one, body{"content": body{"a": strings.Repeat("x", int(w.cfg.Limits.ArtifactBytes))}}); a.status != http.StatusRequestEntityTooLarge {
				t.Errorf("got %d %.100s, want 413", a.status, a.body)
			}
		},
		"members of one room see nothing of another": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			room := w.as(owner).must(t, 200, post, v1+"/rooms/", body{"name": "Other", "course_id": course}).text(t, "id")
			made := w.as(owner).must(t, 201, post, v1+"/workspaces/"+room+"/artifacts", body{"type": "doc", "title": "x"}).text(t, "id")
			for _, who := range []string{student, assigned, otherStudent, ta, coTeacher} {
				wantProblem(t, w.as(who).do(t, get, v1+"/workspaces/"+room+"/artifacts"), 404, "Workspace not found")
				for _, method := range []string{get, put, del} {
					wantProblem(t, w.as(who).do(t, method, v1+"/workspaces/artifacts/"+made, body{}), 404, "Artifact not found")
				}
			}
		},
		"events": func(t *testing.T, w *world) {
			here := *w // the others' room stays theirs
			w = &here
			_, w.room = w.newRoom(t, owner)
			plain, v2 := w.join(t, owner, "", false), w.join(t, owner, "", true)
			stream, _ := w.stream(t, owner, "?after=0")
			made := w.newArtifact(t, "doc")
			at := v1 + "/workspaces/artifacts/" + made
			artifact := plain.next("artifact_update")
			wantMembers(t, artifact, "type", "artifact", "timestamp")
			wantTime(t, artifact["timestamp"])
			state := artifact["artifact"].(map[string]any)
			wantMembers(t, state, append([]string{"is_deleted"}, artifactShownMembers...)...)
			if state["id"] != made || state["room_id"] != w.room || state["is_deleted"] != false {
				t.Errorf("got %v", state)
			}
			wantMembers(t, v2.next("artifact_update"), "type", "artifact", "timestamp", "id", "seq")
			if e, _ := wait(t, stream); e.id != "1" || e.event != "artifact_update" || !strings.Contains(e.data, made) {
				t.Errorf("got %+v", e)
			}
			w.as(owner).must(t, 204, del, at)
			wantMembers(t, plain.next("artifact_delete"), "type", "artifact_id", "timestamp")
			wantMembers(t, v2.next("artifact_delete"), "type", "artifact_id", "timestamp", "id", "seq")
			page := w.as(owner).must(t, 200, get, v1+"/rooms/"+w.room+"/events?after=0").object(t)
			if events := page["events"].([]any); len(events) != 1 || page["next"] != 2.0 || events[0].(map[string]any)["artifact_id"] != made {
				t.Errorf("got %v, want the delete alone", page)
			}
		},
	})
}

// A room's artifacts are listed whole: what a list may hold, a room may.
func TestArtifactLimits(t *testing.T) {
	t.Parallel()
	w := newWorldOf(t, storetest.SQLite(t), func(c *config.Config) { c.Limits.RoomArtifactBytes = 1 << 20 })
	at := v1 + "/workspaces/" + w.room + "/artifacts"
	big := body{"type": "doc", "title": "x", "content": body{"a": strings.Repeat("x", 900<<10)}}
	w.as(student).must(t, 201, post, at, big)
	if a := w.as(student).do(t, post, at, big); a.status != http.StatusRequestEntityTooLarge || !strings.Contains(a.text(t, "detail"), "Delete some first") {
		t.Errorf("got %d %.200s, want 413", a.status, a.body)
	}
}
