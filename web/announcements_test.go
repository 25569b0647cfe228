package web

import (
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store"
)

func TestAnnouncements(t *testing.T) {
	eachWorld(t, map[string]func(*testing.T, *world){
		"OK": func(t *testing.T, w *world) {
			course, _ := w.newRoom(t, owner)
			at := v1 + "/announcements/"
			first := w.as(owner).must(t, 200, post, at, body{"title": "First", "content": "one", "course_id": strings.ToUpper(course)}).object(t)
			wantMembers(t, first, "id", "course_id", "author_id", "title", "content", "created_at", "updated_at")
			wantTime(t, first["created_at"])
			if first["course_id"] != course || first["author_id"] != w.users[owner].ID || first["title"] != "First" || first["content"] != "one" {
				t.Errorf("got %v", first)
			}
			second := w.as(owner).must(t, 200, post, at, body{"title": "Second", "content": "two", "course_id": course}).object(t)
			if list := w.as(owner).must(t, 200, get, at+"?course_id="+course).list(t); len(list) != 2 || list[0]["id"] != second["id"] {
				t.Errorf("got %v, want two, the newest first", list)
			}
			one := at + first["id"].(string)
			got := w.as(owner).must(t, 200, put, one, body{"content": "new"}).object(t)
			if got["title"] != "First" || got["content"] != "new" || got["created_at"] != first["created_at"] {
				t.Errorf("got %v", got)
			}
			wantProblem(t, w.as(owner).do(t, put, one, body{"title": nil}), 422, "title: must not be null, leave it out to keep what is stored")
			if a := w.as(owner).must(t, 204, del, one); a.body != "" {
				t.Errorf("got body %s, want none", a.body)
			}
			wantProblem(t, w.as(owner).do(t, del, one), 404, "Announcement not found")
		},
		"unknown": func(t *testing.T, w *world) {
			at := v1 + "/announcements/"
			wantProblem(t, w.as(owner).do(t, post, at, body{"title": "a", "content": "b", "course_id": store.NewID()}), 404, "Course not found")
			wantProblem(t, w.as(owner).do(t, get, at+"?course_id="+store.NewID()), 404, "Course not found")
			if a := w.as(owner).do(t, get, at); a.status != 422 {
				t.Errorf("without a course: got %d %s, want 422", a.status, a.body)
			}
		},
	})
}
