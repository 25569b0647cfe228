package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/store/storetest"
)

// Who asked for a copy hears on a socket of their own how far it is and how it ends, and
// nobody else does. What cannot be copied is refused at once.
func TestCourseCopyFrames(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		for range 4 {
			w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"course_id": w.course, "name": "More"})
		}
		mine, colleague := w.me(t, owner), w.me(t, coTeacher)
		mine.next("rooms")
		colleague.next("rooms")
		copies := v1 + "/courses/" + w.course + "/copies"
		id := w.as(owner).must(t, http.StatusAccepted, post, copies, body{"title": "Next year", "rooms": true, "agents": true}).text(t, "id")
		var states []string
		var last map[string]any
		for last == nil || last["state"] == "running" {
			f := mine.next("course_copy")
			if f["copy_id"] != id || f["total"] != 5.0 || last != nil && f["done"].(float64) < last["done"].(float64) {
				t.Errorf("got %v behind %v", f, last)
			}
			last = f
			states = append(states, fmt.Sprint(f["state"], " ", f["done"]))
		}
		course, _ := last["course_id"].(string)
		if all := strings.Join(states, ", "); !strings.HasPrefix(all, "running 0, ") || !strings.HasSuffix(all, "running 5, done 5") || course == "" {
			t.Errorf("got %s and %v", all, last)
		}
		arrived := 0
		for _, r := range mine.next("rooms")["rooms"].([]any) {
			if r.(map[string]any)["course_id"] == course {
				arrived++
			}
		}
		if arrived != 5 {
			t.Errorf("%d new rooms are told of, want 5", arrived)
		}
		if got := w.as(owner).must(t, http.StatusOK, get, copies+"/"+id); got.text(t, "new_course_id") != course {
			t.Errorf("got %v", got)
		}
		// The colleague's socket has heard nothing up to now.
		colleague.send(`{"type":"burn"}`)
		for {
			f := <-colleague.frames
			if f["type"] == "error" {
				break
			}
			if f["type"] == "course_copy" {
				t.Errorf("somebody else got %v", f)
			}
		}
		// Above a quota there is no job.
		w.cfg.Quotas.AgentsPerProject = 2
		refused := w.as(owner).must(t, http.StatusConflict, post, copies, body{"title": "Again", "rooms": true, "agents": true})
		if text := refused.body; !strings.Contains(text, `"code":"quota"`) || !strings.Contains(text, "quotas.agents_per_project") {
			t.Errorf("got %s", text)
		}
	})
}
