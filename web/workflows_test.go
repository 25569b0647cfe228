package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

// graph is a small graph: an agent answers.
//
//nolint:gochecknoglobals // a sample
var graph = body{"name": "answer", "start_node": "start", "nodes": body{
	"start": body{"type": "start", "position": body{"x": 1}},
	"say":   body{"type": "agent", "handler": "speaker", "config": body{"mode": "say", "output": "answer"}},
	"post":  body{"type": "action", "handler": "broadcast", "config": body{"of": "answer"}},
	"end":   body{"type": "end", "config": body{"status": "said"}},
}, "edges": []body{{"from": "start", "to": "say"}, {"from": "say", "to": "post"}, {"from": "post", "to": "end"}}}

// newWorkflow makes a workflow in the world's course.
func (w *world) newWorkflow(t testing.TB) string {
	t.Helper()
	return w.as(owner).must(t, http.StatusCreated, post, v1+"/workflows", body{"course_id": w.course, "name": store.NewID(), "graph": graph}).text(t, "id")
}

func onWorkflow(b any) func(testing.TB, *world) ([]string, any) {
	return func(t testing.TB, w *world) ([]string, any) { return []string{w.newWorkflow(t)}, b }
}

func TestWorkflows(t *testing.T) {
	const all = v1 + "/workflows"
	eachWorld(t, map[string]func(*testing.T, *world){
		"Shipped": func(t *testing.T, w *world) {
			list := w.as(ta).must(t, http.StatusOK, get, all+"?course_id="+w.course).list(t)
			if len(list) < 2 || list[0]["id"] != "direct" || list[1]["id"] != "student_teacher_review" || list[1]["built_in"] != true || list[1]["graph"] != nil {
				t.Fatalf("got %v", list)
			}
			one := w.as(student).must(t, http.StatusOK, get, all+"/student_teacher_review").object(t)
			if one["course_id"] != nil || one["graph"].(map[string]any)["start_node"] != "start" {
				t.Errorf("got %v", one)
			}
			for _, id := range []string{"direct", "student_teacher_review"} {
				w.as(admin).must(t, http.StatusConflict, put, all+"/"+id, body{"name": "mine"})
				w.as(admin).must(t, http.StatusConflict, del, all+"/"+id)
			}
		},
		"Made": func(t *testing.T, w *world) {
			made := w.as(ta).must(t, http.StatusCreated, post, all, body{"course_id": w.course, "name": " Answer ", "graph": graph})
			wantMembers(t, made.object(t), "id", "course_id", "name", "built_in", "graph", "version", "created_by", "created_at", "updated_at")
			o := made.object(t)
			if o["name"] != "Answer" || o["version"] != 1.0 || o["built_in"] != false || o["created_by"] != w.users[ta].ID {
				t.Errorf("got %v", o)
			}
			got := w.as(owner).must(t, http.StatusOK, get, all+"/"+strings.ToUpper(o["id"].(string)))
			if !strings.Contains(got.body, `"position":{"x":1}`) {
				t.Errorf("got %s, want what an editor notes in the graph", got.body)
			}
			if list := w.as(owner).must(t, http.StatusOK, get, all+"?course_id="+w.course).list(t); !slices.ContainsFunc(list, func(e map[string]any) bool { return e["id"] == o["id"] && e["graph"] == nil }) {
				t.Errorf("got %v", list)
			}
			w.as(ta).must(t, http.StatusConflict, post, all, body{"course_id": w.course, "name": "Answer", "graph": graph})
		},
		"AllProblemsAreNamed": func(t *testing.T, w *world) {
			bad := body{"start_node": "nowhere", "nodes": body{"a": body{"type": "agent", "handler": "nobody"}, "c": body{"type": "condition", "handler": "maybe"}},
				"edges": []body{{"from": "a", "to": "gone"}}}
			a := w.as(ta).must(t, http.StatusUnprocessableEntity, post, all, body{"course_id": w.course, "name": "Bad", "graph": bad})
			errs, _ := a.object(t)["errors"].([]any)
			fields := ""
			for _, e := range errs {
				fields += fmt.Sprint(e.(map[string]any)["field"]) + ";"
			}
			for _, want := range []string{"body.graph;", "body.graph.a;", "body.graph.c;", "body.graph.a -> gone;"} {
				if !strings.Contains(fields, want) {
					t.Errorf("got %s, want %s too", fields, want)
				}
			}
		},
		"Refused": func(t *testing.T, w *world) {
			many := body{}
			for i := range 3000 {
				many[fmt.Sprint(i)] = body{"type": "end"}
			}
			deep := strings.Repeat(`{"a":`, 60) + "1" + strings.Repeat("}", 60)
			for name, b := range map[string]any{
				"no graph":   body{"course_id": w.course, "name": "x"},
				"null graph": body{"course_id": w.course, "name": "x", "graph": nil},
				"a list":     body{"course_id": w.course, "name": "x", "graph": []int{1}},
				"empty":      body{"course_id": w.course, "name": "x", "graph": body{}},
				"null nodes": body{"course_id": w.course, "name": "x", "graph": body{"nodes": nil, "edges": nil, "start_node": nil}},
				"odd types":  body{"course_id": w.course, "name": "x", "graph": body{"nodes": body{"a": 1}}},
				"many nodes": body{"course_id": w.course, "name": "x", "graph": body{"start_node": "0", "nodes": many}},
				"huge":       body{"course_id": w.course, "name": "x", "graph": body{"note": strings.Repeat("x", 70000)}},
				"NUL":        body{"course_id": w.course, "name": "x", "graph": body{"note": "a\x00b"}},
				"deep":       fmt.Sprintf(`{"course_id":%q,"name":"x","graph":%s}`, w.course, deep),
				"huge bound": body{"course_id": w.course, "name": "x", "graph": body{"nodes": body{"a": body{"type": "end", "config": body{"max_visits": 1e300}}}}},
				"no name":    body{"course_id": w.course, "graph": graph},
				"blank name": body{"course_id": w.course, "name": " ", "graph": graph},
				"taken name": body{"course_id": w.course, "name": "direct", "graph": graph},
			} {
				if a := w.as(ta).do(t, post, all, b); a.status != http.StatusUnprocessableEntity {
					t.Errorf("%s: got %d %.200s, want 422", name, a.status, a.body)
				}
			}
			w.as(admin).must(t, http.StatusNotFound, post, all, body{"course_id": store.NewID(), "name": "x", "graph": graph})
			for _, id := range []string{store.NewID(), "nonsense", "%00", "direct%20x"} {
				w.as(admin).must(t, http.StatusNotFound, get, all+"/"+id)
			}
		},
		"Changed": func(t *testing.T, w *world) {
			at := all + "/" + w.newWorkflow(t)
			if got := w.as(ta).must(t, http.StatusOK, put, at, body{"name": "Renamed", "version": 1}).object(t); got["name"] != "Renamed" || got["version"] != 2.0 || got["graph"] == nil {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(ta).must(t, http.StatusConflict, put, at, body{"name": "Late", "version": 1}), http.StatusConflict,
				"Workflow was changed by somebody else; load it again")
			w.as(ta).must(t, http.StatusUnprocessableEntity, put, at, body{"graph": nil})
			w.as(ta).must(t, http.StatusUnprocessableEntity, put, at, body{"name": nil})
			other := all + "/" + w.newWorkflow(t)
			w.as(ta).must(t, http.StatusConflict, put, other, body{"name": "Renamed"})
		},
		"Limit": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			for i := range 100 {
				w.as(owner).must(t, http.StatusCreated, post, all, body{"course_id": course, "name": fmt.Sprint(i), "graph": graph})
			}
			w.as(owner).must(t, http.StatusConflict, post, all, body{"course_id": course, "name": "one more", "graph": graph})
		},
	})
}

func TestRoomWorkflow(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"Attached": func(t *testing.T, w *world) {
			at, own := v1+"/rooms/"+w.room+"/workflow", w.newWorkflow(t)
			if got := w.as(ta).must(t, http.StatusOK, get, at).object(t); got["workflow_id"] != nil {
				t.Errorf("a new room: got %v", got)
			}
			for _, id := range []any{"direct", "student_teacher_review", own, nil} {
				if got := w.as(ta).must(t, http.StatusOK, put, at, body{"workflow_id": id}).object(t); got["workflow_id"] != id {
					t.Errorf("got %v, want %v", got, id)
				}
				if got := w.as(ta).must(t, http.StatusOK, get, at).object(t); got["workflow_id"] != id {
					t.Errorf("read: got %v, want %v", got, id)
				}
			}
		},
		"OfAnotherCourse": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			foreign := w.as(owner).must(t, http.StatusCreated, post, v1+"/workflows", body{"course_id": course, "name": "x", "graph": graph}).text(t, "id")
			for _, id := range []any{foreign, store.NewID(), "", " ", "nonsense", "a\x00b", 5, true} {
				w.as(owner).must(t, http.StatusUnprocessableEntity, put, v1+"/rooms/"+w.room+"/workflow", body{"workflow_id": id})
			}
		},
		"Deleted": func(t *testing.T, w *world) {
			own := w.newWorkflow(t)
			w.as(ta).must(t, http.StatusOK, put, v1+"/rooms/"+w.room+"/workflow", body{"workflow_id": own})
			dry := w.as(ta).must(t, http.StatusOK, del, v1+"/workflows/"+own+"?dry_run=true").object(t)
			if got := dry["counts"].(map[string]any)["rooms"]; dry["dry_run"] != true || got != 1.0 {
				t.Errorf("dry run: got %v", dry)
			}
			w.as(ta).must(t, http.StatusNoContent, del, v1+"/workflows/"+own)
			w.as(ta).must(t, http.StatusNotFound, get, v1+"/workflows/"+own)
			if got := w.as(ta).must(t, http.StatusOK, get, v1+"/rooms/"+w.room+"/workflow").object(t); got["workflow_id"] != nil {
				t.Errorf("the room: got %v, want its default", got)
			}
		},
		"GoneWithTheCourse": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			own := w.as(owner).must(t, http.StatusCreated, post, v1+"/workflows", body{"course_id": course, "name": "x", "graph": graph}).text(t, "id")
			w.as(owner).must(t, http.StatusOK, del, v1+"/courses/"+course)
			w.as(admin).must(t, http.StatusNotFound, get, v1+"/workflows/"+own)
		},
	})
}
