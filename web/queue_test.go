package web

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/coagent-studio/coagent/app/apptest"
	"github.com/coagent-studio/coagent/store"
	"github.com/coagent-studio/coagent/store/storetest"
)

// finishedJob has the agents of a room look at a line and returns the job that
// did so, as River's page names it.
func (w *world) finishedJob(t testing.TB) string {
	t.Helper()
	room := w.as(owner).must(t, http.StatusOK, post, v1+"/rooms/", body{"name": store.NewID(), "course_id": w.course, "ai_mode": "both"}).text(t, "id")
	w.as(owner).must(t, http.StatusCreated, post, v1+"/rooms/"+room+"/messages", body{"text": "@hello"})
	var id string
	apptest.Await(t, "a job to be done", func() bool {
		done, _ := w.as(admin).must(t, http.StatusOK, get, pathQueue+"/api/jobs?state=completed&limit=100").object(t)["data"].([]any)
		for _, job := range done {
			id = text(job.(map[string]any)["id"])
		}
		return id != ""
	})
	return id
}

func TestQueuePage(t *testing.T) {
	t.Parallel()
	storetest.EachURL(t, func(t *testing.T, url string) {
		w := newWorld(t, url)
		page := func(who string) *caller { return w.as(who).with("Accept", "text/html,application/xhtml+xml") }
		t.Run("people who are not signed in go where they can", func(t *testing.T) {
			for _, who := range []string{anonymous, expiredToken, endedSession} {
				if a := page(who).do(t, get, pathQueue+"/"); a.status != http.StatusSeeOther || a.header.Get("Location") != "/" {
					t.Errorf("%s: got %d to %q, want 303 to /", who, a.status, a.header.Get("Location"))
				}
				if a := w.as(who).do(t, get, pathQueue+"/api/jobs"); a.status != http.StatusUnauthorized {
					t.Errorf("%s: got %d from the API, want 401", who, a.status)
				}
			}
		})
		t.Run("others are refused", func(t *testing.T) {
			for _, who := range []string{student, owner} {
				if a := page(who).do(t, get, pathQueue+"/"); a.status != http.StatusForbidden {
					t.Errorf("%s: got %d, want 403", who, a.status)
				}
			}
		})
		t.Run("an admin gets the page with all that it names", func(t *testing.T) {
			a := page(admin).must(t, http.StatusOK, get, pathQueue+"/")
			if got := a.header.Get("Content-Security-Policy"); got != queuePolicy {
				t.Errorf("got policy %q, want %q", got, queuePolicy)
			}
			files := regexp.MustCompile(`(?:src|href)="([^"]+)"`).FindAllStringSubmatch(a.body, -1)
			if len(files) < 4 {
				t.Fatalf("got %d files in %.500q", len(files), a.body)
			}
			for _, f := range files {
				if !strings.HasPrefix(f[1], pathQueue+"/") {
					t.Errorf("%s lies outside %s", f[1], pathQueue)
				}
				w.as(admin).must(t, http.StatusOK, get, f[1])
				if a := w.as(student).do(t, get, f[1]); a.status != http.StatusForbidden {
					t.Errorf("%s: a student got %d, want 403", f[1], a.status)
				}
			}
		})
		t.Run("its path without a slash", func(t *testing.T) {
			if a := page(admin).do(t, get, pathQueue); a.status != http.StatusMovedPermanently || !strings.HasSuffix(a.header.Get("Location"), pathQueue+"/") {
				t.Errorf("got %d to %q, want 301 to %s/", a.status, a.header.Get("Location"), pathQueue)
			}
		})
		t.Run("nothing beside it", func(t *testing.T) {
			if a := w.as(admin).do(t, get, pathQueue+"x"); a.status != http.StatusNotFound {
				t.Errorf("got %d, want 404", a.status)
			}
		})
		t.Run("jobs show ids and no content", func(t *testing.T) {
			w.finishedJob(t)
			a := w.as(admin).must(t, http.StatusOK, get, pathQueue+"/api/jobs?state=completed&limit=100")
			if !strings.Contains(a.body, "look_at_room") || strings.Contains(a.body, "hello") {
				t.Errorf("got %s", a.body)
			}
		})
		t.Run("errors have our form", func(t *testing.T) {
			if a := w.as(admin).do(t, get, pathQueue+"/api/jobs/4711"); a.status != http.StatusNotFound || a.text(t, "message") != a.text(t, "detail") {
				t.Errorf("got %d %s", a.status, a.body)
			}
		})
		t.Run("a foreign origin changes nothing", func(t *testing.T) {
			a := w.as(admin).with("Origin", "https://evil.example").do(t, "PUT", pathQueue+"/api/queues/turns/pause")
			if a.status != http.StatusForbidden || a.text(t, "code") != "foreign_origin" {
				t.Errorf("got %d %s, want 403", a.status, a.body)
			}
		})
	})
}
